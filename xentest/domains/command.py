"""One command that may leave something behind, under its time limit.

Output goes to files, not pipes: `xl create` leaves a daemon behind that would
hold a pipe open for as long as the domain lives, and a mail program one that delivers.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import tempfile
from typing import IO, Sequence

from xentest.errors import BrokenError, first_line

END_LIMIT = 5.0  # a process stuck in the kernel cannot be waited for


class CommandFailed(BrokenError):
    """The command ran and said no."""


def run(arguments: Sequence[str], timeout: float, given: bytes = b"") -> str:
    """What the command printed; CommandFailed if it failed, BrokenError if it hangs.

    `given` is what it can read.
    """
    shown = " ".join(arguments)
    with (
        tempfile.TemporaryFile() as words,
        tempfile.TemporaryFile() as output,
        tempfile.TemporaryFile() as errors,
    ):
        words.write(given)
        words.seek(0)
        try:
            process = subprocess.Popen(
                arguments,
                stdin=words,
                stdout=output,
                stderr=errors,
                start_new_session=True,
            )
        except OSError as error:
            raise BrokenError(f"cannot run {shown}: {error}", "Is it installed?") from None
        try:
            status = _wait(process, timeout)
        except subprocess.TimeoutExpired:
            _end(process)
            advice = "If it is the toolstack, look at xenstored and xl's logs, then reboot."
            raise BrokenError(f"`{shown}` did not end within {timeout:.0f} s", advice) from None
        except BaseException:
            _end(process)
            raise
        text = _content(output)
        if status != 0:
            said = _telling_line(_content(errors)) or first_line(text) or f"exit status {status}"
            raise CommandFailed(f"`{shown}` failed: {said}", "Run it by hand to see more.")
        return text


def _wait(process: "subprocess.Popen[bytes]", timeout: float) -> int:
    """Its exit status; asleep until it ends, where Popen.wait would look again and again."""
    handle = os.pidfd_open(process.pid)
    try:
        end = select.poll()
        end.register(handle, select.POLLIN)
        if not end.poll(timeout * 1000):
            raise subprocess.TimeoutExpired(process.args, timeout)
    finally:
        os.close(handle)
    return process.wait()


def _telling_line(text: str) -> str:
    """The first line that speaks of an error; what a tool does well it says there too."""
    lines = text.splitlines()
    return first_line("\n".join(line for line in lines if "error" in line.lower()) or text)


def _content(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode("utf-8", "replace")


def _end(process: "subprocess.Popen[bytes]") -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(END_LIMIT)
    except (ProcessLookupError, subprocess.TimeoutExpired):
        pass
