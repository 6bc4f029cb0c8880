"""xenruntests in the control domain, as a child that may outlive its parent.

Its process is noted in the run's folder, so that a resumed xenstartdoms goes on
with it instead of starting a second one.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Optional, Sequence

from xentest import durable
from xentest.errors import EXIT_BROKEN

END_GRACE = 15.0
NOTE = "xenruntests.json"
SAYS = "xenruntests: "
# It begins when its process is noted; if we are killed before that, it ends instead.
BEGIN = 'read -r noted && exec "$@" < /dev/null'


class OwnRunner:
    """The one xenruntests of this domain."""

    def __init__(self, command: Sequence[str], run_folder: Path, log: Path) -> None:
        self._command = list(command)
        self._note = run_folder / NOTE
        self.log = log
        self._child: Optional[subprocess.Popen[bytes]] = None
        self._pid = 0
        self.starts = 0

    def start(self) -> None:
        """Start it, unless the one of an earlier xenstartdoms still works."""
        self.starts += 1
        if self._adopt():
            return
        with open(self.log, "ab") as log:
            self._child = subprocess.Popen(
                ["/bin/sh", "-c", BEGIN, "sh", *self._command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        assert self._child.stdin is not None
        with self._child.stdin as begin:
            self._pid = self._child.pid
            durable.write_json(self._note, {"pid": self._pid, "born": _born(self._pid)})
            begin.write(b"noted\n")

    def _adopt(self) -> bool:
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            pid, noted = int(note["pid"]), note["born"]
        except (FileNotFoundError, ValueError, TypeError, KeyError):
            return False  # one that works holds a lock, should the note be damaged
        born = _born(pid)
        if not born or born != noted:
            return False
        self._pid = pid
        return True

    def works(self) -> bool:
        """Whether it still runs."""
        if self._child is not None:
            return self._child.poll() is None
        return bool(self._pid) and bool(_born(self._pid))

    def ending(self) -> str:
        """How it ended, in words, with the last line it said."""
        status = self._child.returncode if self._child is not None else None
        how = "ended" if status is None else f"ended with status {status}"
        if status is not None and status < 0:
            how = f"was killed by signal {-status}"
        said = (
            self.log.read_text(errors="replace").strip().splitlines() if self.log.exists() else []
        )
        # Its own last words say what happened; advice may follow them on further lines.
        own = [line.removeprefix(SAYS) for line in said if line.startswith(SAYS)]
        last = (own or said)[-1:]
        return f"xenruntests {how}" + (f": {last[0][:200]}" if last else "")

    def broke(self) -> bool:
        """Whether it said itself that disk, network or shared folder are to blame."""
        return self._child is not None and self._child.returncode == EXIT_BROKEN

    def end(self) -> None:
        """Ask it to end, so that it can end its test; then make it."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not self.works():
                return
            try:
                os.killpg(self._pid, number)
                os.killpg(self._pid, signal.SIGCONT)  # its test may have stopped it
            except ProcessLookupError:
                return
            deadline = time.monotonic() + END_GRACE
            while self.works() and time.monotonic() < deadline:
                time.sleep(0.05)


def end_left(run_folder: Path) -> bool:
    """End the one that a killed xenstartdoms of this run left at work; whether there was one."""
    left = OwnRunner((), run_folder, run_folder)
    works = left._adopt()
    left.end()
    return works


def _born(pid: int) -> str:
    """When a process was started, in boot id and ticks since boot; empty if it is no more."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    after_name = fields.rpartition(")")[2].split()
    return "" if after_name[0] in "ZX" else f"{boot} {after_name[19]}"
