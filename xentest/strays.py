"""What a command that was killed (kill -9) left running: found by its environment, and ended.

Whoever starts processes that nobody may work beside marks them with `marked`.  Who comes next
calls `end` before it touches what they work on: no process of ours could do that for one that
was killed itself, and what it had started may have left its session, its parents and their group.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager
from typing import Iterator

from xentest import process
from xentest.errors import BrokenError

BUILD = "XENTEST_BUILD"  # what xenbuild builds with; its value is the lock
TEST = "XENTEST_LOGS"  # a test, and what fetches it; its value is the folder of its logs
GUEST = "XENTEST_GUEST"  # what makes a guest, and what lives as long as it; its value is the note
PAUSE = 0.01
KERNEL_THREAD = 0x200000  # PF_KTHREAD: has no environment ever


@contextmanager
def marked(variable: str, value: str) -> Iterator[None]:
    """Processes that are started meanwhile carry the mark, and so does what they start."""
    before = os.environ.get(variable)
    os.environ[variable] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[variable]
        else:
            os.environ[variable] = before


def end(variable: str, beginning: str) -> list[str]:
    """Kill every process that is marked with a value that begins so, and see them gone.

    Returns their names.  Raises BrokenError when one cannot be killed.
    """
    wanted = f"{variable}={beginning}".encode("utf-8", "surrogateescape")
    ended: dict[int, str] = {}
    limit = time.monotonic() + process.KILL_LIMIT
    while left := _marked_so(wanted):
        if time.monotonic() > limit:
            names = ", ".join(f"{name} ({pid})" for pid, name in left.items())
            raise BrokenError(
                f"processes that an earlier command left cannot be killed: {names}",
                "They are stuck in the kernel: look at dmesg, then restart the machine.",
            )
        ended |= left
        # Stopped first, so that none forks while the others are killed.
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in left:
                process.send(pid, number)
        time.sleep(PAUSE)
    return list(ended.values())


def _marked_so(wanted: bytes) -> dict[int, str]:
    """Name by pid of the processes, but this one, whose environment holds such a setting."""
    found = {}
    for pid, _, lives, name in process.processes():
        if pid == os.getpid() or not lives:
            continue
        try:
            settings = _environment(pid).split(b"\0")
        except OSError:  # it ended meanwhile
            continue
        if any(setting.startswith(wanted) for setting in settings):
            found[pid] = name
    return found


def _environment(pid: int) -> bytes:
    """All settings of a process. One that is being given its program has none for a moment."""
    limit = time.monotonic() + process.KILL_LIMIT
    while True:
        thread = _living_thread(pid)
        with open(f"{thread}/environ", "rb") as stream:
            settings = stream.read()
        if len(settings) == _size_of_environment(thread) or time.monotonic() > limit:
            return settings
        time.sleep(PAUSE / 10)


def _living_thread(pid: int) -> str:
    """Where the kernel tells of it: a first thread that has ended knows nothing any more."""
    process_itself = f"/proc/{pid}"
    if _fields(process_itself)[0] not in b"ZX":
        return process_itself
    return f"{process_itself}/task/{os.listdir(f'{process_itself}/task')[-1]}"


def _fields(place: str) -> list[bytes]:
    """proc(5) of a process or thread, from the third on."""
    with open(f"{place}/stat", "rb") as stream:
        return stream.read().rpartition(b")")[2].split()


def _size_of_environment(place: str) -> int | None:
    """How much there is to be read; None while the process is being given its program.

    The kernel begins a new program's environment as an empty one, and says where the code is only
    when it has told the environment's end.
    """
    fields = _fields(place)
    if fields[0] in b"ZX" or int(fields[6]) & KERNEL_THREAD:
        return 0
    end_of_code, begin, end = int(fields[24]), int(fields[47]), int(fields[48])
    return end - begin if end_of_code else None
