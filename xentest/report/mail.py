"""The report of a run, mailed to whom mail_to names by this machine's own mail program.

A mail that cannot be sent is told, and changes no verdict.
"""

from __future__ import annotations

import os
import shutil
import socket
from typing import TYPE_CHECKING, Any, Mapping, Optional

from xentest.domains import command
from xentest.errors import BrokenError, printable_line
from xentest.progress import Progress

if TYPE_CHECKING:
    from xentest.control import Control
    from xentest.runs import Run

SEND_LIMIT = 60.0
PLACES = ("/usr/sbin", "/usr/lib")  # where a mail program has its `sendmail`, off the PATH or on

NO_PROGRAM = "this machine has no sendmail; install a mail program (Debian: dma, exim4 or postfix)"


def program() -> Optional[str]:
    """This machine's sendmail."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *PLACES])
    return shutil.which("sendmail", path=path)


def report(
    control: Control, run: Run, facts: Mapping[str, str], summary: str, progress: Progress
) -> dict[str, str]:
    """Mail the summary of a run that ends with these facts, if it is wanted; what to keep of it."""
    to = control.preferences.mail_to
    if not to:
        return {}
    problem = _hand_over(_message(to, {**run.facts, **facts}, summary))
    how = f"not sent to {to}: {problem}" if problem else f"sent to {to}"
    progress.say(f"report {how}")
    return {"mail": how}


def _message(to: str, facts: Mapping[str, Any], summary: str) -> bytes:
    from email.message import EmailMessage

    message = EmailMessage()
    message["Subject"] = _subject(facts)
    message["From"] = f"xentest <root@{socket.gethostname()}>"
    message["To"] = ", ".join(to.split())
    message.set_content(summary)
    return bytes(message)


def _subject(facts: Mapping[str, Any]) -> str:
    reason = facts.get("reason")
    told = f"xentest on {socket.gethostname()}: run {facts.get('id')}: {facts.get('status')}"
    return printable_line(f"{told} - {reason}" if reason else told)[:200]


def _hand_over(message: bytes) -> str:
    """Give the message to sendmail; why it did not take it, or nothing."""
    sendmail = program()
    if sendmail is None:
        return NO_PROGRAM
    try:
        command.run([sendmail, "-oi", "-t"], SEND_LIMIT, message)
    except BrokenError as error:
        return printable_line(error.what)
    return ""
