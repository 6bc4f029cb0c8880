"""One command under its limits: its output recorded, every process that it started ended.

The command runs in a session of its own.  Whatever it starts stays below this
process, even after a double fork, because this process adopts orphans; so all of it
can be found and ended, also what ignores signals or left the session.
"""

from __future__ import annotations

import os
import select
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Mapping

from xentest.errors import BrokenError

OUTPUT_LIMIT = 64 << 20
TAIL = 1 << 20
CUT_MARK = b"[xentest: output was cut here: "
GRACE = 5.0  # between SIGTERM and SIGKILL
LINGER = 1.0  # what a command left behind may take so long to end by itself
KILL_LIMIT = 10.0  # a process that survives SIGKILL so long is stuck in the kernel
STEP = 0.1
LOOKS = 20  # what forks again and again is not seen at each look
PIPE_SIZE = 1 << 20
MUCH = 16 << 10
GATHER = 0.002
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Outcome:
    """How a command ended."""

    exit_status: int  # negative: the signal that ended it
    timed_out: bool
    duration: float
    left_behind: tuple[str, ...]  # "name (pid)" of processes that had to be ended
    immortal: tuple[str, ...]  # those that even SIGKILL did not end
    output_problem: str  # why the output could not be kept; empty when it could


class Recorder:
    """Keeps the output of a command in a new file.

    The head goes to the file as it comes.  Of output beyond the limit the last part
    is kept and stands after a line that says how much was cut.  A file that cannot
    be written (disk full) never stops the command: `problem` says why.
    """

    def __init__(self, path: Path, limit: int = OUTPUT_LIMIT, tail: int = TAIL) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        self.problem = ""
        self._descriptor = os.open(path, flags, 0o644)
        self._room = limit - tail
        self._tail_limit = tail
        self._tail = bytearray()
        self._beyond = 0

    def write(self, data: bytes) -> None:
        head, rest = data[: self._room], data[self._room :]
        self._room -= len(head)
        self._store(head)
        if rest:
            self._beyond += len(rest)
            self._tail += rest
            if len(self._tail) > 4 * self._tail_limit:
                del self._tail[: -self._tail_limit]

    def close(self) -> None:
        kept = bytes(self._tail[-self._tail_limit :])
        if self._beyond > len(kept):
            self._store(b"\n%s%d bytes]\n" % (CUT_MARK, self._beyond - len(kept)))
        self._store(kept)
        os.close(self._descriptor)

    def _store(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view and not self.problem:
                view = view[os.write(self._descriptor, view) :]
        except OSError as error:
            self.problem = error.strerror or str(error)


def run(
    command: str,
    *,
    folder: Path,
    environment: Mapping[str, str],
    output: Path,
    timeout: float,
    grace: float = GRACE,
) -> Outcome:
    """Run `command` by /bin/sh in `folder`; return when it and all that it started has ended.

    `output` must not exist.  After `timeout` seconds everything gets SIGTERM, after
    `grace` more SIGKILL.
    """
    adopt_orphans()
    recorder = Recorder(output)
    try:
        job = _Job(recorder)
        try:
            job.start(command, folder, environment)
            return job.supervise(timeout, grace)
        finally:
            job.destroy()
    finally:
        recorder.close()


def adopt_orphans() -> None:
    """From now on processes below this one that lose their parent become its children."""
    import ctypes

    if ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise BrokenError(
            "the kernel does not let this process adopt orphans",
            "Tests could not be ended reliably; xentest needs Linux 3.4 or newer.",
        )


def end_with(parent: int) -> None:
    """From now on this process, a child of `parent`, is killed when its parent ends."""
    import ctypes

    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it has ended already
        os._exit(1)


class _Job:
    """A running command and everything below it."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._others = set() if _childless() else {pid for pid, _ in _living_below()}
        self._pipe, self._writer = os.pipe()
        os.set_blocking(self._pipe, False)
        _widen(self._pipe)
        self._pid = 0
        self._status: int | None = None
        self._open = True
        self._poll = select.poll()
        self._poll.register(self._pipe, select.POLLIN)

    def start(self, command: str, folder: Path, environment: Mapping[str, str]) -> None:
        """From here on there is something to destroy, also if a signal ends this in the middle."""
        self._begun = time.monotonic()
        try:
            self._pid = _start(command, folder, environment, self._writer)
        finally:
            os.close(self._writer)

    def supervise(self, timeout: float, grace: float) -> Outcome:
        deadline = self._begun + timeout
        while self._status is None and time.monotonic() < deadline:
            self._drain(min(STEP, max(0.0, deadline - time.monotonic())))
            self._reap()
        duration = time.monotonic() - self._begun
        timed_out = self._status is None
        left = () if timed_out or self._gone_within(LINGER) else self._names()
        if self._living():
            self._signal(signal.SIGTERM)
            self._gone_within(grace)
        self._kill()
        immortal = self._names()
        self._recorder.write(self._rest())
        status = -signal.SIGKILL if self._status is None else self._status
        return Outcome(status, timed_out, duration, left, immortal, self._recorder.problem)

    def destroy(self) -> None:
        """End all at once (already done when nothing went wrong) and let go of the pipe."""
        self._kill()
        os.close(self._pipe)

    def _kill(self) -> None:
        limit = time.monotonic() + KILL_LIMIT
        while self._living() and time.monotonic() < limit:
            # Stopped first, so that none forks while the others are killed.
            self._signal(signal.SIGSTOP)
            self._signal(signal.SIGKILL)
            self._drain(0.01)

    def _gone_within(self, seconds: float) -> bool:
        limit = time.monotonic() + seconds
        pause = 0.005
        while self._living():
            if time.monotonic() >= limit:
                return False
            self._drain(pause)
            pause = min(2 * pause, STEP)
        return True

    def _drain(self, seconds: float) -> None:
        """Take the output that has come; wait up to `seconds` for some."""
        if not self._open:
            time.sleep(min(seconds, 0.02))
        elif self._poll.poll(seconds * 1000):
            try:
                data = os.read(self._pipe, PIPE_SIZE)
            except BlockingIOError:  # a process of the command reads its own output, and was faster
                return
            self._open = bool(data)
            self._recorder.write(data)
            if MUCH < len(data) < PIPE_SIZE:  # let a flood gather in the pipe: it costs us less
                time.sleep(GATHER)

    def _rest(self) -> bytes:
        """What still stands in the pipe, which no living process of ours writes to."""
        try:
            return os.read(self._pipe, PIPE_SIZE)
        except BlockingIOError:  # a process outside holds it
            return b""

    def _reap(self) -> None:
        """Collect ended children: the command's status, and orphans that we adopted."""
        while True:
            try:
                ready = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ready is None or ready.si_pid in self._others:
                break
            self._collect(ready.si_pid)
        if self._pid and self._status is None:
            self._collect(self._pid)

    def _collect(self, pid: int) -> None:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended == self._pid:
            self._status = os.waitstatus_to_exitcode(status)

    def _living(self) -> list[tuple[int, str]]:
        self._reap()
        for _ in range(LOOKS):
            if _childless():
                break
            found = [(pid, name) for pid, name in _living_below() if pid not in self._others]
            if found:
                return found
            self._reap()  # who ended while we looked; it may have left another in its place
        return []

    def _names(self) -> tuple[str, ...]:
        return tuple(f"{name} ({pid})" for pid, name in self._living())

    def _signal(self, number: int) -> None:
        for pid, _ in self._living():
            send(pid, number)


def _start(command: str, folder: Path, environment: Mapping[str, str], writer: int) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        os.chdir(folder)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(writer, 1)
        os.dup2(writer, 2)
        for number in (
            signal.SIGPIPE,
            signal.SIGXFSZ,
            signal.SIGINT,
            signal.SIGTERM,
            signal.SIGHUP,
        ):
            signal.signal(number, signal.SIG_DFL)
        # Control files are UTF-8, whatever the locale of who began the run.
        variables = {_bytes(name): _bytes(value) for name, value in environment.items()}
        os.execve("/bin/sh", [b"sh", b"-c", _bytes(command)], variables)
    except BaseException as error:
        os.write(writer, f"xentest: cannot start the command: {error}\n".encode())
    finally:
        os._exit(127)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _widen(pipe: int) -> None:
    """Give the pipe more room, where the system allows it."""
    import fcntl

    try:
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
    except OSError:
        pass  # the usual size does too, slowly


def _childless() -> bool:
    """True when this process has no child at all: the kernel's word, free of races."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return False


def _living_below() -> list[tuple[int, str]]:
    """Processes below this one that have not ended, as (pid, name)."""
    children: dict[int, list[tuple[int, str]]] = {}
    for pid, parent, lives, name in processes():
        children.setdefault(parent, []).append((pid, name if lives else ""))
    found, waiting = [], [os.getpid()]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += [(pid, name) for pid, name in below if name]
        waiting += [pid for pid, _ in below]
    return found


def processes() -> Iterator[tuple[int, int, bool, str]]:
    """Every process of the system: pid, parent, whether it lives, name."""
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", "rb") as stream:
                text = stream.read().decode("utf-8", "replace")
        except OSError:  # it ended meanwhile
            continue
        # The name may itself hold blanks and parentheses.
        name = text[text.index("(") + 1 : text.rindex(")")]
        fields = text[text.rindex(")") + 2 :].split()  # proc(5), from the third on
        # One whose first thread has ended looks like a zombie, and works on in its others.
        lives = fields[0] not in "ZX" or int(fields[17]) > 1
        yield int(entry), int(fields[1]), lives, name or "?"


def send(pid: int, number: int) -> None:
    """Send a signal to a process that may have ended meanwhile."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
