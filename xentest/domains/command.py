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
import time
from typing import IO, Optional, Sequence

from xentest.errors import BrokenError, first_line

ADVICE = "If it is the toolstack, look at xenstored and xl's logs, then reboot."
END_LIMIT = 5.0  # a process stuck in the kernel cannot be waited for
# No tool's answer is as long, nor any log of a kernel; a part of one would be taken for the whole.
FLOOD = 32 << 20
LOOK = 0.25  # how often it is looked whether a command floods


class CommandFailed(BrokenError):
    """The command ran and said no."""


def run(
    arguments: Sequence[str],
    timeout: float,
    given: bytes = b"",
    printed: Optional[IO[bytes]] = None,
) -> str:
    """What the command printed; CommandFailed if it failed, BrokenError if it hangs or floods.

    `given` is what it can read; `printed`, if anybody wants it, the file that it prints to.
    """
    shown = " ".join(arguments)
    with (
        tempfile.TemporaryFile() as words,
        tempfile.TemporaryFile() as own,
        tempfile.TemporaryFile() as errors,
    ):
        output = own if printed is None else printed
        words.write(given)
        words.seek(0)
        process = _start(arguments, words, output, errors)
        try:
            status = _wait(process, timeout, (output, errors))
        except subprocess.TimeoutExpired:
            _end(process)
            raise BrokenError(f"`{shown}` did not end within {timeout:.0f} s", ADVICE) from None
        except _Flood:
            _end(process)
            what = f"`{shown}` printed more than {FLOOD >> 20} MiB"
            said = first_line(_head(output) or _head(errors))
            raise BrokenError(f"{what}, beginning with: {said}", ADVICE) from None
        except BaseException:
            _end(process)
            raise
        text = _content(output)
        if status != 0:
            said = _telling_line(_content(errors)) or first_line(text) or f"exit status {status}"
            raise CommandFailed(f"`{shown}` failed: {said}", "Run it by hand to see more.")
        return text


def _start(
    arguments: Sequence[str], words: IO[bytes], output: IO[bytes], errors: IO[bytes]
) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(
            arguments,
            stdin=words,
            stdout=output,
            stderr=errors,
            env={**os.environ, "LC_ALL": "C.UTF-8"},  # what tools say is read
            start_new_session=True,
        )
    except OSError as error:
        shown = " ".join(arguments)
        raise BrokenError(f"cannot run {shown}: {error}", "Is it installed?") from None


class _Flood(Exception):
    """The command prints more than anybody wants to read."""


def _wait(process: "subprocess.Popen[bytes]", timeout: float, printed: Sequence[IO[bytes]]) -> int:
    """Its exit status; asleep until it ends, but for a look at how much it printed."""
    deadline = time.monotonic() + timeout
    handle = os.pidfd_open(process.pid)
    try:
        end = select.poll()
        end.register(handle, select.POLLIN)
        while not end.poll(1000 * max(0.0, min(LOOK, deadline - time.monotonic()))):
            _check_flood(printed)
            if time.monotonic() >= deadline:
                raise subprocess.TimeoutExpired(process.args, timeout)
    finally:
        os.close(handle)
    _check_flood(printed)
    return process.wait()


def _check_flood(printed: Sequence[IO[bytes]]) -> None:
    if any(os.fstat(stream.fileno()).st_size > FLOOD for stream in printed):
        raise _Flood


def _head(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read(1 << 16).decode("utf-8", "replace")


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
