"""What a run does at a boot, with a stand-in for the machine."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Sequence

import pytest

from atboot_box import CONTROL, Stand, words
from boot_console import GRUB, LINUX, OOPS, OWN, XEN, XEN_PANIC
from xentest import control, moment, runs
from xentest.errors import EXIT_INTERRUPTED, BrokenError, XentestError, guarded_main
from xentest.progress import Progress


@pytest.fixture
def stand(tmp_path: Path) -> Stand:
    return Stand(tmp_path)


def test_a_power_cut_under_xenbuild_is_broken(stand: Stand) -> None:
    run = stand.begin(phase="building")
    stand.console_says("make: building\n" + OWN)
    assert stand.come_up() == 3
    facts = stand.run().facts
    assert facts["state"] == "broken" and facts["status"] == "broken" and facts["ended"]
    assert facts["reason"] == "the machine went down while xenbuild worked"
    summary = (run.folder / "summary.txt").read_text()
    assert summary.splitlines()[:2] == [f"run {run.id}: broken", facts["reason"]]
    assert "make: building" in summary and "own login" not in summary
    assert stand.is_over() and stand.asked == []


def test_a_power_cut_before_the_run_began_leaves_nothing(stand: Stand) -> None:
    run = stand.begin(phase="building")
    shutil.rmtree(run.folder)
    assert stand.come_up() == 0
    assert "before run" in stand.said.getvalue() and stand.is_over() and not stand.asked


def test_a_run_that_was_booting_and_cannot_be_found_is_told(stand: Stand) -> None:
    run = stand.begin(phase="booting")
    shutil.rmtree(run.folder)
    with pytest.raises(XentestError, match="there is no run"):
        stand.come_up()


@pytest.mark.parametrize("phase", ["booting", "building"])
def test_the_same_boot_waits_for_the_restart(stand: Stand, phase: str) -> None:
    stand.begin(phase=phase, boot_id=stand.now)
    before = stand.paths.state.read_text()
    assert stand.come_up() == 0
    assert "waits for the machine to be restarted" in stand.said.getvalue()
    assert stand.asked == [] and stand.paths.state.read_text() == before
    assert not stand.paths.confirmed.exists()


def test_a_confirmed_boot_starts_the_domains(stand: Stand) -> None:
    run = stand.begin()
    run.update(rebooted=10.0)  # the clock has jumped since
    assert stand.come_up() == 0
    assert stand.asked == [words(stand)]
    assert stand.paths.confirmed.read_text().strip() == moment.boot_id()
    facts = stand.run().facts
    assert facts["boots"] == 1 and facts["phases"] == []
    assert stand.is_over()


def test_while_the_domains_run_the_state_is_testing(stand: Stand) -> None:
    stand.begin()
    stand.ends, stand.status = "", EXIT_INTERRUPTED
    assert stand.come_up() == EXIT_INTERRUPTED
    state = stand.state()
    assert (state.phase, state.boot_id) == ("testing", stand.now)
    assert state.console_size == stand.console.stat().st_size
    assert stand.run().facts["state"] == "testing"
    stand.asked.clear()
    assert stand.come_up() == EXIT_INTERRUPTED
    assert stand.asked == [words(stand, "--resume")]


def test_a_hypervisor_that_panics_ends_the_run(stand: Stand) -> None:
    run = stand.begin()
    stand.fault = "the machine came back without Xen, on its default boot entry"
    later = GRUB.format("Linux") + LINUX + "xenlab: no sign of life for 60 s, hard reset\n"
    stand.console_says(XEN + XEN_PANIC + later + OWN)
    assert stand.come_up() == 3
    facts = stand.run().facts
    panic = "Xen panic: Panic on CPU 0: FATAL TRAP: vector = 6 (invalid opcode)"
    assert facts["reason"] == f"the hypervisor did not come up ({stand.fault}): {panic}"
    assert facts["state"] == facts["status"] == "broken"
    assert facts["console"].endswith("(XEN) Reboot in five seconds...")
    summary = (run.folder / "summary.txt").read_text()
    assert f"run {run.id}: broken\n{facts['reason']}\nthe console's last lines:\n" in summary
    assert "  (XEN) FATAL TRAP: vector = 6" in summary
    assert "own" not in summary and "said before" not in summary
    assert (run.folder / "console-tail.txt").read_text() == facts["console"] + "\n"
    assert stand.is_over() and stand.asked == []


def test_without_a_console_that_is_said(stand: Stand) -> None:
    stand.begin(with_console=False)
    stand.fault = "no Xen"
    assert stand.come_up() == 3
    told = "no console= in [Preferences], so nothing is known of why"
    assert stand.run().facts["reason"].endswith(told)
    assert "last lines" not in (stand.run().folder / "summary.txt").read_text()


def test_a_crash_under_a_test_reboots_once_more(stand: Stand) -> None:
    stand.begin(phase="testing", boot_id="earlier")
    stand.fault = "the machine came back without Xen"
    stand.console_says("xentest: START dom0 1-t\n" + XEN_PANIC + OWN)
    assert stand.come_up() == 0
    assert stand.asked == ["choose", "reboot"]
    state = stand.state()
    assert (state.phase, state.resumes, state.boot_id) == ("booting", 1, stand.now)
    assert state.console_size == stand.console.stat().st_size
    assert "FATAL TRAP" in state.excerpt and "own" not in state.excerpt
    facts = stand.run().facts
    assert facts["state"] == "booting" and facts["crashes"][0].startswith("Xen panic: Panic on")
    # the next boot is into the hypervisor: the run goes on, and is told why it stopped
    stand.asked.clear()
    stand.fault, stand.now = "", "next-boot"
    assert stand.come_up() == 0
    excerpt = stand.paths.state.with_name("excerpt")
    assert stand.asked == [words(stand, "--resume", "--console-excerpt", str(excerpt))]
    assert "FATAL TRAP" in excerpt.read_text()
    assert stand.is_over()


def test_a_boot_that_was_not_confirmed_is_never_gone_on_with(stand: Stand) -> None:
    stand.begin(phase="testing", boot_id=stand.now)
    stand.ends = "broken"
    stand.come_up()
    assert "--resume" not in stand.asked[0]
    assert "does not confirm this boot" in stand.asked[0][stand.asked[0].index("--give-up") + 1]


def test_a_machine_that_boots_xen_by_itself_goes_on_at_once(stand: Stand) -> None:
    stand.begin(phase="testing")
    stand.console_says(OOPS + XEN + LINUX + "own login:\n")
    assert stand.come_up() == 0
    (asked,) = stand.asked
    assert asked[4] == "--resume"
    assert stand.run().facts["crashes"] == [
        "Linux BUG: BUG: kernel NULL pointer dereference, address: 0000000000000010"
    ]


def test_a_machine_without_xen_needs_no_entry(stand: Stand) -> None:
    stand.begin(phase="testing", hypervisor="kvm")
    stand.fault = "something"
    assert stand.come_up() == 0
    assert stand.asked == ["reboot"]


def test_the_budget_of_reboots_ends_the_run(stand: Stand) -> None:
    stand.begin(phase="testing", resumes=2)
    stand.console_says(OOPS + OWN)
    stand.ends, stand.status = "finished", 1
    assert stand.come_up() == 1
    (asked,) = stand.asked
    assert asked[:5] == words(stand, "--give-up")
    assert asked[5].startswith("the machine went down 3 times, more often than the 2 of reboot_bu")
    assert "Linux BUG: BUG: kernel NULL" in asked[5]
    assert asked[6] == "--console-excerpt" and "Oops: 0000" in Path(asked[7]).read_text()
    assert stand.is_over()


def test_the_last_reboot_of_the_budget_is_used(stand: Stand) -> None:
    stand.begin(phase="testing", resumes=1)
    stand.fault = "no Xen"
    assert stand.come_up() == 0
    assert stand.asked == ["choose", "reboot"] and stand.state().resumes == 2


def test_a_hypervisor_that_does_not_come_back_keeps_the_results(stand: Stand) -> None:
    stand.begin(resumes=1).update(boots=1)
    stand.fault = "no Xen"
    stand.console_says(XEN + XEN_PANIC + OWN)
    stand.come_up()
    (asked,) = stand.asked
    assert asked[:5] == words(stand, "--give-up") and "did not come up (no Xen)" in asked[5]
    assert stand.is_over()


def test_an_entry_that_cannot_be_chosen_keeps_the_results(stand: Stand) -> None:
    stand.begin(phase="testing")
    stand.fault, stand.refuses_choice = "no Xen", True
    with pytest.raises(BrokenError, match="read-only"):
        stand.come_up()
    (asked,) = stand.asked
    assert asked[4] == "--give-up" and asked[5].endswith("boot: grub-reboot: read-only")
    assert stand.is_over()


def test_a_missing_xenstartdoms_is_broken(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    stand.begin()

    def absent(words: Sequence[str]) -> int:
        raise FileNotFoundError(2, "No such file", "xenstartdoms")

    monkeypatch.setattr(stand, "_start_domains", absent)
    with pytest.raises(FileNotFoundError):
        stand.come_up()
    facts = stand.run().facts
    assert facts["state"] == "broken" and "xenstartdoms" in facts["reason"]
    assert stand.is_over()


def test_a_verdict_that_was_given_stands(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    stand.begin()

    def late(words: Sequence[str]) -> int:
        stand.run().update(state="finished", status="fail")
        raise OSError("no memory")

    monkeypatch.setattr(stand, "_start_domains", late)
    with pytest.raises(OSError):
        stand.come_up()
    assert stand.run().facts["status"] == "fail" and stand.is_over()


def test_a_flag_without_a_run_is_removed(stand: Stand) -> None:
    stand.paths.flag.parent.mkdir()
    stand.paths.flag.write_text("20260101-000000\n")
    assert stand.come_up() == 0
    assert "speaks of a run that nobody knows" in stand.said.getvalue() and stand.is_over()


def spoil_state(stand: Stand, run: runs.Run) -> None:
    stand.paths.state.write_text('{"run": "2026')


def remove_folder(stand: Stand, run: runs.Run) -> None:
    run.folder.rename(stand.root / "gone")


def remove_facts(stand: Stand, run: runs.Run) -> None:
    (run.folder / "run.json").unlink()


def spoil_facts(stand: Stand, run: runs.Run) -> None:
    (run.folder / "run.json").write_text("{")


def remove_control(stand: Stand, run: runs.Run) -> None:
    run.control_file.unlink()


def refuse_control(stand: Stand, run: runs.Run) -> None:
    """As a newer xentest may, that was installed while the run went on."""
    text = run.control_file.read_text().replace("run_command", "run_comand")
    run.control_file.write_text(text)


@pytest.mark.parametrize(
    "spoil, told",
    [
        (spoil_state, "state.json is damaged"),
        (remove_folder, "there is no run"),
        (remove_facts, "there is no run"),
        (spoil_facts, "run.json is damaged"),
        (remove_control, "control.cfg"),
        (refuse_control, "no key named 'run_comand'"),
    ],
)
def test_what_is_damaged_is_told_without_a_traceback(
    stand: Stand, capsys: pytest.CaptureFixture[str], spoil: Any, told: str
) -> None:
    spoil(stand, stand.begin())
    assert guarded_main("xentest", lambda argv: stand.come_up(), []) in (2, 3)
    said = capsys.readouterr().err
    assert told in said and "Traceback" not in said and "internal error" not in said
    assert stand.asked == []
    if spoil in (remove_control, refuse_control):
        assert stand.is_over() and stand.run().facts["status"] == "broken"
        reason = "the run's own control file cannot be used: "
        assert stand.run().facts["reason"].startswith(reason)
        assert reason in (stand.run().folder / "summary.txt").read_text()
    from xentest import build

    wanted = control.parse(CONTROL.format(root=stand.root, more="hypervisor=none"), "n.cfg")
    assert build.start(wanted, stand.paths, Progress(stand.said), reboot=False) == 0
    assert stand.state().phase == "booting"
    assert stand.run().id == stand.state().run == stand.paths.flag.read_text().strip()
    assert "Traceback" not in stand.said.getvalue()
    json.loads((stand.run().folder / "run.json").read_text())


def test_errors_of_the_boot_are_reported_as_their_own_kind(stand: Stand) -> None:
    stand.begin()
    stand.paths.state.write_text("[]")
    with pytest.raises(XentestError) as caught:
        stand.come_up()
    assert caught.value.exit_status == 3
