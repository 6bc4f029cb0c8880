"""A night of the lab, watched from outside: a scripted machine in the emulator's place."""

from __future__ import annotations

import os

import pytest

from lab_box import FINISHED, UP, Lab
from xentest.errors import BrokenError, UsageError
from xentest.lab import night
from xentest.progress import Progress


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
        lab.waits(299),
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


def test_a_boot_that_only_talks_is_reset(lab: Lab) -> None:
    talk = [step for _ in range(4) for step in (lab.says("(XEN) still here\n"), lab.waits(225))]
    lab.script = [lab.says(UP), lab.begins, lab.resets, *talk, lab.waits(1), lab.says(UP)]
    lab.script += [lab.becomes(state="broken", status="broken")]
    lab.watch("boot_timeout=300")
    assert lab.switched_on[-1].pressed == 1
    assert "not up after 900 s: pressing the reset button" in lab.said.getvalue()
    assert "here\n\nxenlab: not up after 900 s, hard reset\n" in lab.console.read_text()


def test_only_a_machine_that_is_up_is_nudged(lab: Lab) -> None:
    nudged: list[int] = []
    look = [lambda: nudged.append(lab.switched_on[-1].nudged)]
    lab.script = [*look, lab.says("(XEN) booting\n"), *look, lab.says(UP), lab.begins, *look]
    lab.script += [lab.resets, *look, lab.says(UP), *look, lab.becomes(**FINISHED)]
    lab.watch()
    assert nudged[:2] == [0, 0] and 0 < nudged[2] < nudged[4]
    assert nudged[3] == nudged[2] + 1, "a machine that boots again was nudged"


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


@pytest.mark.parametrize("more", ["results_dir=/elsewhere", "console=/var/log/console"])
def test_what_the_lab_cannot_see_is_refused(lab: Lab, more: str) -> None:
    with pytest.raises(UsageError, match="In the lab it is|lab"):
        night.run(lab.order(more), Progress(lab.said))
    assert os.listdir(lab.root) == []


def test_results_are_told_as_they_come_even_when_forged(lab: Lab) -> None:
    def forge() -> None:
        assert lab.run is not None
        folder = lab.run.domain_folder("guest1") / "1-t"
        folder.mkdir()
        (folder / "result.json").write_bytes(b"\xff\xfe{")

    lab.script = [lab.says(UP), lab.begins, forge, lab.passes("1-t"), lab.becomes(**FINISHED)]
    lab.watch()
    assert "dom0 1-t: pass" in lab.said.getvalue() and "guest1" not in lab.said.getvalue()
