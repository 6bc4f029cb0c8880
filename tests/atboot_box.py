"""A machine under test at a boot: its files, its console, and what was asked of it."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Sequence

from xentest import atboot, boot, control, runs
from xentest.errors import BrokenError
from xentest.progress import Progress

CONTROL = """\
[Preferences]
xen-tree=x
shared_dir=/srv/shared
results_dir={root}/runs
reboot_budget=2
{more}
[Locations]
x=file:///x.tar.gz
[t]
run_command=true
[XENVM0]
name=dom0
tempdir=/var/tmp/x
test1=t
"""


@dataclass
class Stand:
    """One machine under test: its files, its console, and what was asked of it."""

    root: Path
    fault: str = ""
    now: str = "this-boot"
    status: int = 0
    ends: str = "finished"  # what xenstartdoms makes of the run
    asked: list[Any] = field(default_factory=list)
    said: io.StringIO = field(default_factory=io.StringIO)
    refuses_choice: bool = False

    @property
    def paths(self) -> boot.Paths:
        return boot.Paths(self.root)

    @property
    def console(self) -> Path:
        return self.root / "console.log"

    def begin(self, with_console: bool = True, **state: Any) -> runs.Run:
        """A run as xenbuild left it; the boot that asked for it was `earlier`."""
        more = f"console={self.console}" if with_console else ""
        text = CONTROL.format(root=self.root, more=more)
        run = runs.begin(self.root / "runs", control.parse(text, "night.cfg"))
        run.control_file.chmod(0o600)
        self.console.write_text("said before\n")
        size = boot.console_size(str(self.console))
        values = {"phase": "booting", "boot_id": "earlier", "build_id": "abc"}
        values |= {"console_size": size, **state}
        boot.save(self.paths, boot.State(run.id, str(self.root / "runs"), **values))
        self.paths.flag.parent.mkdir(exist_ok=True)
        self.paths.flag.write_text(run.id + "\n")
        return run

    def console_says(self, text: str) -> None:
        with self.console.open("a") as stream:
            stream.write(text)

    def come_up(self) -> int:
        machine = atboot.Machine(
            reboot=lambda: self.asked.append("reboot"),
            choose_once=self._choose,
            fault_of_boot=lambda state: self.fault,
            boot_id=lambda: self.now,
            start_domains=self._start_domains,
        )
        return atboot.main(self.paths, Progress(self.said), machine)

    def _choose(self, paths: boot.Paths) -> None:
        if self.refuses_choice:
            raise BrokenError("grub-reboot: read-only", "Mount it.")
        self.asked.append("choose")

    def _start_domains(self, words: Sequence[str]) -> int:
        self.asked.append(list(words))
        if self.ends:
            self.run().update(state=self.ends, status="pass")
        return self.status

    def run(self) -> runs.Run:
        return runs.open_run(self.root / "runs")

    def state(self) -> boot.State:
        state = boot.load(self.paths)
        assert state is not None
        return state

    def is_over(self) -> bool:
        return not self.paths.state.exists() and not self.paths.flag.exists()


def words(stand: Stand, *more: str) -> list[str]:
    run = stand.run()
    return ["xenstartdoms", "--run", run.id, str(run.control_file), *more]
