"""A whole run in the control domain, against a stub toolstack and the real xenruntests."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from small_disk import fill, small_disk
from standing_clock import StandingClock
from stub_world import ROOT, RUN_TESTS, World, wait_for
from xentest import boot, control, fleet, runs, shared
from xentest.errors import BrokenError, UsageError

PANIC = "[    5.1] Kernel panic - not syncing: Attempted to kill init!"


def marker(world: World, domain: str, folder: str) -> str:
    """A shell command with which a guest pretends to have begun a test."""
    place = world.shared / domain / "results" / folder
    note = '{"started": "2024-01-01T00:00:00Z", "boot": "x"}'
    return f"mkdir -p {place}; printf '{note}' > {place}/running; echo half > {place}/output"


def test_everything_passes_side_by_side(world: World) -> None:
    world.guest("guest1", f"echo hello from guest1; {RUN_TESTS} guest1")
    world.guest("guest2", f"{RUN_TESTS} guest2")
    domains = {"dom0": ["good"], "guest1": ["good", "good2"], "guest2": ["good"]}
    world.control({"good": "true", "good2": "echo fine"}, domains)
    assert world.start() == 0
    assert world.statuses() == {
        "dom0 1-good": "pass",
        "dom0 4-leak-check": "pass",
        "guest1 1-good": "pass",
        "guest1 2-good2": "pass",
        "guest2 1-good": "pass",
    }
    run = world.run()
    assert run.facts["state"] == "finished" and run.facts["status"] == "pass"
    assert run.facts["hypervisor"] == "Xen 4.17.5"
    phases = [phase["name"] for phase in run.facts["phases"]]
    # Whether a first test was seen to run or was over between two looks.
    firsts = [name for name in phases if name.endswith(": created to first test")]
    assert sorted(firsts) == [f"{name}: created to first test" for name in ("guest1", "guest2")]
    steps = [name for name in phases if name not in firsts]
    assert steps == ["prepare", "tests", "shut down", "check", "xentest itself (CPU)"]
    assert "hello from guest1" in (run.folder / "domains/guest1/console.log").read_text()
    assert "guest1  2-good2" in (run.folder / "summary.txt").read_text()
    assert list(world.stub_state()["domains"]) == ["Domain-0"]


def test_a_failing_test_fails_the_run(world: World) -> None:
    world.control({"bad": "echo expected 1 got 2; exit 1"}, {"dom0": ["bad"]})
    assert world.start() == 1
    assert world.run().facts["status"] == "fail"
    assert "expected 1 got 2" in (world.run().folder / "summary.txt").read_text()


def test_a_guest_that_dies_is_a_crash_with_its_console(world: World) -> None:
    dies = f"{marker(world, 'guest1', '1-one')}; echo '{PANIC}'; exit 42"
    world.guest("guest1", dies)
    world.guest("guest2", f"{RUN_TESTS} guest2")
    world.control({"one": "true", "two": "true"}, {"guest1": ["one", "two"], "guest2": ["one"]})
    assert world.start() == 1
    results = world.results()
    crash, blocked = results["guest1 1-one"], results["guest1 2-two"]
    assert crash.status.value == "crash"
    assert "guest1 is down" in crash.reason and "Attempted to kill init" in crash.reason
    assert "Kernel panic" in crash.console
    assert blocked.status.value == "blocked" and "guest1 is down" in blocked.reason
    assert results["guest2 1-one"].status.value == "pass"
    output = world.run().folder / "domains/guest1/1-one/output"
    assert output.read_text() == "half\n"
    assert "console-check" not in str(world.statuses()), "told once is enough"


def test_a_guest_that_crashes_and_stays_is_noticed_and_destroyed(world: World) -> None:
    world.guest("guest1", f"{marker(world, 'guest1', '1-one')}; exit 44")
    world.control({"one": "true"}, {"guest1": ["one"]})
    assert world.start() == 1
    assert "is down (crashed)" in world.results()["guest1 1-one"].reason
    assert world.destroyed() == ["guest1"]


def test_a_paused_guest_is_noticed(world: World) -> None:
    world.limits = replace(world.limits, paused=1)
    world.guest("guest1", f"{marker(world, 'guest1', '1-one')}; exit 45")
    world.control({"one": "true"}, {"guest1": ["one"]})
    assert world.start() == 1
    assert "has been paused" in world.results()["guest1 1-one"].reason
    assert world.destroyed() == ["guest1"]


class ShortOnceItSaid:
    """Limits of which that of a boot is short as soon as the guest has said this."""

    down, paused, settle = 60.0, 60.0, 60.0

    def __init__(self, world: World, words: str) -> None:
        self._logs, self._words = (
            lambda: world.folder.glob("results/*/domains/*/console.log"),
            words,
        )

    @property
    def boot(self) -> float:
        return 0.1 if any(self._words in log.read_text() for log in self._logs()) else 600.0


def test_a_guest_that_never_comes_up(world: World) -> None:
    world.limits = ShortOnceItSaid(world, "mounting root failed")  # type: ignore[assignment]
    world.guest("guest1", "echo mounting root failed; sleep 1000")
    world.control({"one": "true"}, {"guest1": ["one"]})
    assert world.start() == 1
    results = world.results()
    assert results["guest1 2-boot"].status.value == "timeout"
    assert results["guest1 1-one"].status.value == "blocked"
    assert "last console line: mounting root failed" in results["guest1 1-one"].reason


def test_a_guest_that_dies_while_booting(world: World) -> None:
    world.guest("guest1", f"echo '{PANIC}'; exit 42")
    world.control({"one": "true"}, {"guest1": ["one"]})
    assert world.start() == 1
    assert world.results()["guest1 2-boot"].status.value == "crash"
    assert "Attempted to kill init" in world.results()["guest1 1-one"].reason


def test_a_guest_that_reboots_goes_on(world: World) -> None:
    flag = world.folder / "rebooted"
    behaviour = f"if [ -e {flag} ]; then {RUN_TESTS} guest1; else touch {flag}; exit 43; fi"
    world.guest("guest1", behaviour)
    world.control({"one": "true"}, {"guest1": ["one"]})
    assert world.start() == 0
    assert world.statuses()["guest1 1-one"] == "pass"


def test_a_guest_that_says_done_without_results_is_an_error(world: World) -> None:
    world.guest("guest1", "rm SHARED/guest1/xentests.conf; sleep 100")
    world.control({"one": "true"}, {"guest1": ["one"]})
    assert world.start() == 1
    assert world.results()["guest1 1-one"].status.value == "error"
    assert "no result" in world.results()["guest1 1-one"].reason


def test_a_guest_that_cannot_be_made(world: World) -> None:
    world.guest("guest1", "true", create="fails")
    world.control({"one": "true"}, {"guest1": ["one"], "dom0": ["one"]})
    assert world.start() == 1
    assert "cannot make domain" in world.results()["guest1 1-one"].reason
    assert world.statuses()["dom0 1-one"] == "pass"


def test_a_foreign_domain_of_the_same_name_is_refused_and_left_alone(world: World) -> None:
    world.guest("guest1", "sleep 100")
    world.control({"one": "true"}, {"guest1": ["one"]})
    environment = {**os.environ, "STUB_XEN": str(world.state)}
    config, name = str(world.folder / "guest1.xl"), 'name="guest1"'
    subprocess.run(
        [world.folder / "bin/xl", "create", config, name, f'uuid="{uuid.uuid4()}"'],
        env=environment,
        check=True,
    )
    assert world.start() == 1
    assert "this run did not make it" in world.results()["guest1 1-one"].reason
    assert "guest1" in world.stub_state()["domains"] and world.destroyed() == []


def test_a_guest_left_by_an_earlier_run_is_ended(world: World) -> None:
    world.guest("guest1", "sleep 100")
    world.control({"one": "true"}, {"guest1": ["one"]})
    first = world.spawn(resume=False)
    state = world.state / "state.json"
    wait_for(lambda: state.exists() and "guest1" in state.read_text(), "the guest")
    first.kill()
    first.wait()
    world.guest("guest1", f"{RUN_TESTS} guest1")
    assert world.start() == 0
    assert world.destroyed()[0] == "guest1"


@pytest.mark.parametrize("trick, said", [("leave-node", "store node"), ("eat-memory", "20 MiB")])
def test_what_is_left_is_a_failed_result(world: World, trick: str, said: str) -> None:
    world.limits = replace(world.limits, settle=0.5)
    (world.state / trick).touch()
    world.guest("guest1", f"{RUN_TESTS} guest1")
    world.control({"one": "true"}, {"guest1": ["one"], "dom0": ["one"]})
    assert world.start() == 1
    result = world.results()["dom0 4-leak-check"]
    assert result.status.value == "fail" and said in result.reason


def test_a_hypervisor_warning_of_worth_fails_the_run_though_tests_pass(world: World) -> None:
    log = world.state / "dmesg"
    log.write_text("(XEN) UBSAN: Undefined behaviour in before.c:1:1\n")
    said = "(XEN) UBSAN: Undefined behaviour in common/timer.c:5:3"
    world.control({"one": f"echo '{said}' >> {log}"}, {"dom0": ["one"]})
    assert world.start() == 1
    assert "common/timer.c" in world.results()["dom0 3-console-check"].reason


def test_a_toolstack_that_breaks_is_broken_and_every_test_says_so(world: World) -> None:
    world.guest(
        "guest1", f"{marker(world, 'guest1', '1-one')}; touch {world.state}/broken; sleep 99"
    )
    world.control({"one": "true"}, {"guest1": ["one"], "guest2": ["one"]})
    assert world.start() == 3
    assert world.run().facts["state"] == "broken"
    assert set(world.statuses().values()) == {"broken"}
    assert "xenstored does not answer" in world.results()["guest2 1-one"].reason


def test_results_of_last_night_are_not_taken_for_this_one(world: World) -> None:
    world.control({"one": "true"}, {"dom0": ["one"]})
    assert world.start() == 0
    first = world.run().id
    world.shared.joinpath("dom0/xentests.conf").touch()
    (world.state / "broken").touch()
    assert world.start() == 3
    assert world.run().id != first
    assert world.statuses() == {"dom0 1-one": "broken"}


def test_the_run_has_a_time_limit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = world.shared / "guest1/results/1-one/output"
    monkeypatch.setattr(fleet, "time", StandingClock(begun.exists))
    world.guest("guest1", f"{marker(world, 'guest1', '1-one')}; sleep 1000")
    world.control({"one": "true", "two": "true"}, {"guest1": ["one", "two"]}, run_timeout="2")
    assert world.start() == 1
    assert world.statuses()["guest1 1-one"] == "timeout"
    assert world.statuses()["guest1 2-two"] == "blocked"


def test_old_results_do_not_count_and_links_are_not_followed(world: World, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    os.symlink(outside, world.shared / "dom0")
    (world.shared / "guest1").mkdir()
    os.symlink(outside, world.shared / "guest1/results")
    world.guest("guest1", f"{RUN_TESTS} guest1")
    world.control({"one": "true"}, {"dom0": ["one"], "guest1": ["one"]})
    assert world.start() == 0
    assert (outside / "precious").exists() and len(list(outside.iterdir())) == 1


def test_a_control_file_that_changes_meanwhile_changes_nothing(world: World) -> None:
    path = world.folder / "xentest.conf"
    world.control({"one": f"echo broken > {path}", "two": "true"}, {"dom0": ["one", "two"]})
    assert world.start() == 0
    assert world.statuses()["dom0 2-two"] == "pass"


def test_a_rewritten_shared_copy_does_not_change_what_runs_here(world: World) -> None:
    """A guest whose export says no_root_squash can write where this domain finds its work."""
    world.control({"one": "echo as asked"}, {"dom0": ["one"]})
    copy, evil = world.shared / "dom0/xentests.conf", world.folder / "evil"
    rewrite = f"sed -i 's|echo as asked|touch {evil}|' {copy}; grep -q {evil} {copy} || exit 9"
    runner = ["/bin/sh", "-c", f'{rewrite}; exec {ROOT}/xenruntests "$@"', "sh"]
    assert world.start(runner=runner) == 0
    assert not evil.exists()
    output = world.run().folder / "domains/dom0/1-one/output"
    assert output.read_text() == "as asked\n"


def test_a_guest_that_is_nobody_on_the_server_can_take_its_work() -> None:
    """As over an export with root_squash; and what it puts in its place is not root's."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        shared.make_fresh(folder, "run", ["dom0", "guest1"], "dom0")
        shared.hand_out(folder, "guest1", "its work")
        shared.hand_out(folder, "dom0", "not its work")
        work = folder / "guest1/xentests.conf"
        assert as_nobody(f"cat {work}; mkdir {folder}/guest1/results") == "its work"
        assert work.stat().st_uid == 0
        as_nobody(f"cp {work} {work}.new; mv -f {work}.new {work}")
        with pytest.raises(control.ControlError, match="belongs to the user with number 65534"):
            control.load(work)
        for change in (f"rm -f {folder}/dom0/xentests.conf", f"mkdir {folder}/dom0/results"):
            with pytest.raises(subprocess.CalledProcessError):
                as_nobody(change)


def as_nobody(script: str) -> str:
    command = ["/bin/sh", "-ec", script]
    return subprocess.check_output(command, user=65534, group=65534, extra_groups=[], text=True)


def test_a_shared_folder_that_cannot_be_written_is_broken(world: World) -> None:
    world.control({"one": "true"}, {"dom0": ["one"]})
    world.shared.rmdir()
    world.shared.touch()
    assert world.start() == 3
    assert world.statuses() == {"dom0 1-one": "broken"}
    assert "shared folder" in world.run().facts["reason"]


def test_a_full_shared_folder_is_broken(world: World) -> None:
    world.control({"one": "true"}, {"dom0": ["one"]})
    with small_disk(world.shared, "64k"):
        fill(world.shared)
        assert world.start() == 3
        assert "No space left" in world.run().facts["reason"]


def test_a_second_one_is_told_who_works(world: World) -> None:
    world.control({"one": "true"}, {"dom0": ["one"]})
    with runs.Lock(boot.Paths(world.folder).lock, "xenbuild"):
        with pytest.raises(BrokenError, match=rf"xenbuild \(process {os.getpid()}, since"):
            world.start()
    assert not list((world.folder / "results").iterdir())


def test_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    from xentest.commands import startdoms as command

    assert command.main(["--help"]) == 0
    assert "usage: xenstartdoms" in capsys.readouterr().out
    for words in (["--frob"], ["--run"], ["a", "b"], ["--console-excerpt", str(tmp_path / "no")]):
        with pytest.raises(UsageError):
            command.main(words)


def test_run_json_is_complete(world: World) -> None:
    world.control({"one": "true"}, {"dom0": ["one"]})
    world.start()
    facts = json.loads((world.run().folder / "run.json").read_text())
    for key in ("id", "tree", "control_digest", "started", "ended", "kernel", "machine", "xentest"):
        assert facts[key], key
