"""A night of the lab, watched from outside: a scripted machine in the emulator's place."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

from xentest import control, runs
from xentest.errors import BrokenError, UsageError
from xentest.lab import accelerator, image, machine, night, supplies
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

    def order(self, more: str = "", **changes: Any) -> night.Order:
        wanted = control.parse(CONTROL.format(more=more), "night.cfg")
        values = {"control": wanted, "cache": self.root / "cache", "results": self.root / "results"}
        return night.Order(**{**values, **changes})

    def watch(self, more: str = "") -> dict[str, Any]:
        order = self.order(more)
        order.results.mkdir(exist_ok=True)
        self.console.touch()
        self.patch.setattr(machine, "switch_on", self._switch_on)
        self.patch.setattr(night.time, "sleep", lambda seconds: None)
        before = night._latest(order.results)
        self.night = night.Night(order, self._made(), before, Progress(self.said))
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
            self.night.booting_since -= seconds
            self.night.begun -= seconds

        return act


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    return Lab(tmp_path, monkeypatch)


FINISHED = {"state": "finished", "status": "pass"}


def test_a_night_is_followed_to_its_end(lab: Lab) -> None:
    lab.script = [
        lab.says(UP),
        lab.begins,
        lab.becomes(state="booting"),
        lab.resets,
        lab.says("(XEN) hello\n" + UP + "[   1.0] xentest: START dom0 1-t\n"),
        lab.becomes(state="testing"),
        lab.passes("1-t"),
        lab.says("xentest: END dom0 1-t pass\nxentest: START guest1 1-t\n"),
        lab.becomes(**FINISHED),
    ]
    facts = lab.watch()
    assert lab.run is not None and facts["id"] == lab.run.id and facts["status"] == "pass"
    assert lab.marks() == [
        "power on", "machine is up", "building", "booting", "reset", "machine is up",
        "first test in dom0", "testing", "first test in guest1", "finished", "run ended",
    ]  # fmt: skip
    assert f"run {lab.run.id}: testing" in lab.said.getvalue()
    assert lab.said.getvalue().count("dom0 1-t: pass") == 1
    assert not lab.switched_on[-1].on and len(lab.switched_on) == 1


def test_a_run_of_the_night_before_is_not_ours(lab: Lab) -> None:
    lab.begins()
    lab.becomes(**FINISHED)()
    old = lab.run
    lab.script = [lab.says(UP), lab.begins, lab.becomes(state="broken", status="broken")]
    facts = lab.watch()
    assert old is not None and facts["id"] != old.id and facts["status"] == "broken"


def test_a_broken_run_ends_the_night(lab: Lab) -> None:
    lab.script = [lab.says(UP), lab.begins, lab.becomes(state="broken", status="broken")]
    assert lab.watch()["state"] == "broken"


def test_power_that_was_lost_comes_back(lab: Lab) -> None:
    def cut() -> None:
        lab.waits(5)()
        lab.loses_power()

    lab.script = [lab.says(UP), lab.begins, cut, lab.says(UP), cut, lab.says(UP)]
    lab.script += [lab.becomes(**FINISHED)]
    assert lab.watch()["status"] == "pass"
    assert len(lab.switched_on) == 3
    assert lab.said.getvalue().count("lost its power: switching it on again") == 2


def test_an_emulator_that_does_not_start_is_told(lab: Lab) -> None:
    lab.script = [lab.loses_power]
    with pytest.raises(BrokenError, match="the emulator does not run: qemu: bang"):
        lab.watch()


def test_a_machine_that_is_killed_at_once_lost_its_power(lab: Lab) -> None:
    def cut() -> None:
        lab.switched_on[-1].returncode = -9
        lab.loses_power()

    lab.script = [cut, lab.says(UP), lab.begins, lab.becomes(**FINISHED)]
    assert lab.watch()["status"] == "pass"


@pytest.mark.parametrize("begun", [False, True])
def test_a_machine_that_forgot_its_run_is_told(lab: Lab, begun: bool) -> None:
    def cut() -> None:
        lab.waits(5)()
        lab.loses_power()

    none = lab.says("xentest: dom0: no run is under way\n")
    lab.script = [none, *([lab.begins] if begun else []), cut, none, none]
    with pytest.raises(BrokenError, match="knows of no run"):
        lab.watch()


def test_an_emulator_that_dies_on_and_on_is_given_up(lab: Lab) -> None:
    def cut() -> None:
        lab.waits(5)()
        lab.loses_power()

    lab.script = [cut] * 100
    with pytest.raises(BrokenError, match=f"died {night.POWER_CYCLES} times: qemu: bang"):
        lab.watch()
    assert len(lab.switched_on) == night.POWER_CYCLES + 1


def test_a_boot_that_hangs_is_reset(lab: Lab) -> None:
    lab.script = [
        lab.says(UP),
        lab.begins,
        lab.resets,
        lab.says("(XEN) CPU0: hangs here\n"),
        lab.waits(299),
        lab.waits(2),
        lab.says(UP),
        lab.becomes(state="broken", status="broken"),
    ]
    lab.watch("boot_timeout=300")
    assert lab.switched_on[-1].pressed == 1
    assert "no sign of life for 300 s: pressing the reset button" in lab.said.getvalue()
    said = lab.console.read_text()
    assert "hangs here\n\nxenlab: no sign of life for 300 s, hard reset\n" in said


def test_a_machine_that_is_up_may_be_silent(lab: Lab) -> None:
    lab.script = [lab.says(UP), lab.begins, lab.waits(400), lab.becomes(**FINISHED)]
    lab.watch("boot_timeout=300\nrun_timeout=7200")
    assert lab.switched_on[-1].pressed == 0


@pytest.mark.parametrize("word", ["echo xentest: dom0: a run", "xentest: dom0 a run", "a run"])
def test_only_the_boot_script_is_a_sign_of_life(lab: Lab, word: str) -> None:
    lab.script = [lab.says(word + "\n"), lab.begins, lab.waits(301), lab.becomes(**FINISHED)]
    lab.watch("boot_timeout=300")
    assert lab.switched_on[-1].pressed == 1


def test_a_sign_of_life_may_come_in_pieces(lab: Lab) -> None:
    lab.script = [lab.says("xentest: dom0: a r"), lab.says("un is under way\n"), lab.begins]
    lab.script += [lab.becomes(**FINISHED)]
    lab.watch()
    assert "machine is up" in lab.marks()


def test_a_night_without_end_is_ended(lab: Lab) -> None:
    lab.script = [lab.says(UP + "the last line\n"), lab.begins]
    lab.script += [lab.waits(night.SLACK_SECONDS + 7200 - 10), lab.waits(11)]
    with pytest.raises(BrokenError, match="did not end within 8100 s:\n(.*\n)*the last line"):
        lab.watch("run_timeout=7200")
    assert not lab.switched_on[-1].on


def test_a_control_file_that_is_refused_inside_is_told(lab: Lab) -> None:
    def refuse() -> None:
        (lab.root / "results/.xenbuild-status").write_text("2\n")

    lab.script = [lab.says(UP + "xenbuild: no such thing\n"), refuse]
    with pytest.raises(BrokenError, match="began no run:\n(.*\n)*xenbuild: no such thing"):
        lab.watch()


def test_facts_that_are_none_are_waited_for(lab: Lab) -> None:
    def spoil() -> None:
        assert lab.run is not None
        (lab.run.folder / "run.json").write_text('["not", "facts"]')

    lab.script = [lab.says(UP), lab.begins, spoil, lab.becomes(**FINISHED)]
    assert lab.watch()["status"] == "pass"


@pytest.mark.parametrize("more", ["results_dir=/elsewhere", "console=/dev/ttyS0"])
def test_what_the_lab_cannot_see_is_refused(lab: Lab, more: str) -> None:
    with pytest.raises(UsageError, match="In the lab it is|lab"):
        night.run(lab.order(more), Progress(lab.said))
    assert os.listdir(lab.root) == []


@pytest.fixture
def whole(lab: Lab) -> Lab:
    """A lab in which a night costs nothing."""
    handed = supplies.Supplies(lab.root / "cache/machines/night-0/in", lab.root / "install.tar")

    def prepare(folder: Path, *more: Any) -> supplies.Supplies:
        (folder / "in").mkdir()
        (folder / "in/console.log").write_text("what the machine said\n")
        return handed

    lab.patch.setattr(image, "ensure", lambda cache, progress: image.Image(lab.root))
    lab.patch.setattr(supplies, "prepare", prepare)
    lab.patch.setattr(machine, "make_overlay", lambda disk, base: None)
    return lab


def ends_with(lab: Lab, **facts: Any) -> None:
    def watch(self: night.Night) -> dict[str, Any]:
        lab.begins()
        lab.becomes(**facts)()
        assert lab.run is not None
        (lab.run.folder / "summary.txt").write_text("the summary\n")
        return lab.run.facts

    lab.patch.setattr(night.Night, "watch", watch)


@pytest.mark.parametrize(
    "status, expected",
    [("pass", 0), ("skip", 0), ("xfail", 0), ("fail", 1), ("crash", 1), ("timeout", 1),
     ("error", 1), ("blocked", 1), ("broken", 3)],
)  # fmt: skip
def test_the_verdict_is_the_exit_status(
    whole: Lab, status: str, expected: int, capsys: pytest.CaptureFixture[str]
) -> None:
    ends_with(whole, state="finished", status=status)
    assert night.run(whole.order(), Progress(whole.said)) == expected
    said = capsys.readouterr().out
    assert said.startswith("the summary\n") and f"results: {whole.root}/results/" in said
    assert whole.run is not None
    console = whole.run.folder / "machine-console.log"
    assert console.read_text() == "what the machine said\n"
    assert "xenlab, all in all" in (whole.run.folder / "lab-phases.txt").read_text()
    assert os.listdir(whole.root / "cache/machines") == []


@pytest.mark.parametrize("status, shrunk", [("pass", False), ("fail", True), ("crash", True)])
def test_what_failed_is_shrunk_with_the_hypervisor_of_the_night(
    whole: Lab, status: str, shrunk: bool
) -> None:
    def watch(self: night.Night) -> dict[str, Any]:
        whole.begins()
        (self.made.folder / "in" / supplies.HYPERVISOR).write_bytes(b"xen")
        whole.becomes(state="finished", status=status)()
        assert whole.run is not None
        return whole.run.facts

    def stub(run: Path, xen: Path, budget: float) -> Iterator[str]:
        assert whole.run is not None and run == whole.run.folder and xen.read_bytes() == b"xen"
        yield "dom0 6-xenfc: boot seed=1 calls=3,7"

    whole.patch.setattr(night.Night, "watch", watch)
    whole.patch.setattr(night.reproduce, "reproduce", stub)
    assert night.run(whole.order(), Progress(whole.said)) == (1 if shrunk else 0)
    assert ("calls=3,7" in whole.said.getvalue()) == shrunk


@pytest.mark.parametrize(
    "hypervisor, accelerated, processors",
    [("xen", False, "2"), ("kvm", False, "1"), ("none", False, "1"), ("kvm", True, "2")],
)
def test_an_emulated_host_of_kvm_has_one_processor(
    whole: Lab, hypervisor: str, accelerated: bool, processors: str
) -> None:
    seen = []

    def watch(self: night.Night) -> dict[str, Any]:
        words = machine.command_line(self.made)
        seen.append(words[words.index("-smp") + 1])
        whole.begins()
        whole.becomes(**FINISHED)()
        assert whole.run is not None
        return whole.run.facts

    whole.patch.setattr(night.Night, "watch", watch)
    chosen = "kvm" if accelerated else "tcg"
    whole.patch.setattr(night, "choose_accelerator", lambda wanted, progress: chosen)
    more = "" if hypervisor == "xen" else f"hypervisor={hypervisor}"
    night.run(whole.order(more), Progress(whole.said))
    assert seen == [processors]


@pytest.mark.parametrize("facts", [{}, {"status": None}, {"status": "wonderful"}])
def test_no_verdict_is_no_pass(whole: Lab, facts: dict[str, Any]) -> None:
    ends_with(whole, state="finished", **facts)
    with pytest.raises(BrokenError, match="has no verdict"):
        night.run(whole.order(), Progress(whole.said))


def test_a_night_that_fails_keeps_the_console_and_no_disk(whole: Lab) -> None:
    def watch(self: night.Night) -> dict[str, Any]:
        whole.begins()
        raise BrokenError("the night did not end")

    whole.patch.setattr(night.Night, "watch", watch)
    with pytest.raises(BrokenError):
        night.run(whole.order(), Progress(whole.said))
    assert (whole.root / "results/latest/machine-console.log").exists()
    assert os.listdir(whole.root / "cache/machines") == []


def test_keep_keeps_the_machine(whole: Lab) -> None:
    ends_with(whole, **FINISHED)
    night.run(whole.order(keep=True), Progress(whole.said))
    assert os.listdir(whole.root / "cache/machines") == [f"night-{os.getpid()}"]


def test_a_status_of_the_night_before_is_removed(whole: Lab) -> None:
    (whole.root / "results").mkdir()
    old = whole.root / "results/.xenbuild-status"
    old.write_text("2\n")
    ends_with(whole, **FINISHED)
    assert night.run(whole.order(), Progress(whole.said)) == 0 and not old.exists()


def test_kvm_is_used_only_where_it_was_seen_to_work(lab: Lab) -> None:
    asked: list[int] = []

    def probe(answer: tuple[bool, str]) -> None:
        lab.patch.setattr(accelerator, "usable_kvm", lambda: asked.append(1) or answer)

    probe((True, ""))
    assert night.choose_accelerator("tcg", Progress(lab.said)) == "tcg" and not asked
    assert night.choose_accelerator("kvm", Progress(lab.said)) == "kvm" and asked
    probe((False, "a guest hangs on it"))
    assert night.choose_accelerator("kvm", Progress(lab.said)) == "tcg"
    assert "KVM cannot be used: a guest hangs on it" in lab.said.getvalue()


def test_results_are_told_as_they_come_even_when_forged(lab: Lab) -> None:
    def forge() -> None:
        assert lab.run is not None
        folder = lab.run.domain_folder("guest1") / "1-t"
        folder.mkdir()
        (folder / "result.json").write_bytes(b"\xff\xfe{")

    lab.script = [lab.says(UP), lab.begins, forge, lab.passes("1-t"), lab.becomes(**FINISHED)]
    lab.watch()
    assert "dom0 1-t: pass" in lab.said.getvalue() and "guest1" not in lab.said.getvalue()
