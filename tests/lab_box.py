"""A lab whose machine follows a script, in the emulator's place."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable

import pytest

from xentest import control, runs
from xentest.lab import machine, night
from xentest.progress import Progress

CONTROL = """\
[Preferences]
xen-tree=x
shared_dir=/srv/shared
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
UP = "xentest: dom0: a run is under way\n"


@dataclass
class Scripted:
    """A machine that does the next step of its script each time it is looked at."""

    script: list[Callable[[], None]]
    on: bool = True
    resets: int = 0
    pressed: int = 0
    nudged: int = 0
    returncode: int = 1  # negative: the signal that ended it

    @property
    def process(self) -> "Scripted":
        return self

    def alive(self) -> bool:
        return self.on

    def poll_events(self) -> int:
        assert self.script, "the night should have ended by now"
        self.script.pop(0)()
        return self.resets

    def reset(self) -> None:
        self.pressed += 1
        self.resets += 1

    def nudge(self) -> None:
        self.nudged += 1

    def switch_off(self) -> None:
        self.on = False

    def last_words(self) -> str:
        return "qemu: bang"


@dataclass
class Lab:
    """A lab in a folder: its machine's console, its results, and what may happen to it."""

    root: Path
    patch: pytest.MonkeyPatch
    script: list[Callable[[], None]] = field(default_factory=list)
    switched_on: list[Scripted] = field(default_factory=list)
    said: io.StringIO = field(default_factory=io.StringIO)
    run: runs.Run | None = None
    now: float = 1000.0  # the clock of the night: it stands but for `waits`

    def order(self, more: str = "", **changes: Any) -> night.Order:
        wanted = control.parse(CONTROL.format(more=more), "night.cfg")
        values = {"control": wanted, "cache": self.root / "cache", "results": self.root / "results"}
        return night.Order(**{**values, **changes})

    def watch(self, more: str = "") -> dict[str, Any]:
        order = self.order(more)
        order.results.mkdir(exist_ok=True)
        self.console.touch()
        self.patch.setattr(machine, "switch_on", self._switch_on)
        clock = SimpleNamespace(monotonic=lambda: self.now, sleep=lambda seconds: None)
        self.patch.setattr(night, "time", clock)
        before = night._latest(order.results)
        made, said = self._made(), Progress(self.said)
        self.night = night.Night(order, made, before, said, begun=self.now)
        return self.night.watch()

    def _made(self) -> machine.Machine:
        none = self.root / "none"
        return machine.Machine(self.root, none, none, none, console=self.console)

    def _switch_on(self, made: machine.Machine) -> Scripted:
        self.switched_on.append(Scripted(self.script))
        return self.switched_on[-1]

    @property
    def console(self) -> Path:
        return self.root / "console.log"

    def marks(self) -> list[str]:
        return [name for name, _ in self.night.marks]

    # what the script may do

    def says(self, text: str) -> Callable[[], None]:
        def act() -> None:
            with self.console.open("a") as stream:
                stream.write(text)

        return act

    def begins(self) -> None:
        wanted = control.parse(CONTROL.format(more=""), "night.cfg")
        self.run = runs.begin(self.root / "results", wanted)

    def becomes(self, **facts: Any) -> Callable[[], None]:
        def act() -> None:
            assert self.run is not None
            self.run.update(**facts)

        return act

    def loses_power(self) -> None:
        self.switched_on[-1].on = False

    def resets(self) -> None:
        self.switched_on[-1].resets += 1

    def passes(self, folder: str) -> Callable[[], None]:
        def act() -> None:
            assert self.run is not None
            place = self.run.domain_folder("dom0") / folder
            place.mkdir()
            (place / "result.json").write_text('{"status": "pass"}')

        return act

    def waits(self, seconds: float) -> Callable[[], None]:
        """The clock of the night goes on by so much."""

        def act() -> None:
            self.now += seconds

        return act


FINISHED = {"state": "finished", "status": "pass"}
