"""xenstartdoms --resume: what it goes on with, and what it must not."""

from __future__ import annotations

import os
import random
import time

import pytest

from small_disk import small_disk
from stub_world import RUN_TESTS, World, wait_for
from xentest import boot, results, runs, shared
from xentest.errors import UsageError
from xentest.results import Result, Status


def test_after_a_machine_crash_the_console_explains_it(world: World) -> None:
    world.control({"one": "true", "two": "true"}, {"dom0": ["one", "two"]})
    run = world.begin()
    place = world.shared / "dom0/results/1-one"
    place.mkdir(parents=True)
    (place / "running").write_text('{"boot": "other", "started": "2001-01-01T00:00:00Z", "pid": 1}')
    (world.shared / "dom0/xentests.conf").write_text((run.folder / "control.cfg").read_text())
    said = "(XEN) Panic on CPU 0:\n(XEN) FATAL TRAP: vector = 13\n"
    assert world.start(resume=True, run_id=run.id, console_excerpt=said) == 1
    crash = world.results()["dom0 1-one"]
    assert crash.status.value == "crash"
    assert "Xen panic: Panic on CPU 0: FATAL TRAP: vector = 13" in crash.reason
    assert world.statuses()["dom0 2-two"] == "pass"


def test_a_run_that_is_given_up_has_a_reason_everywhere(world: World) -> None:
    world.control({"one": "true", "two": "true"}, {"dom0": ["one", "two"]})
    run = world.begin()
    place = world.shared / "dom0/results/1-one"
    place.mkdir(parents=True)
    (place / "running").write_text('{"boot": "other", "started": "2001-01-01T00:00:00Z", "pid": 1}')
    said = "(XEN) Xen BUG at mm.c:12\n"
    words = {"run_id": run.id, "give_up": "went down 6 times", "console_excerpt": said}
    assert world.start(**words) == 1
    results = world.results()
    assert results["dom0 1-one"].status.value == "crash"
    assert "Xen BUG at mm.c:12" in results["dom0 1-one"].reason
    assert results["dom0 2-two"].reason == "not run: went down 6 times"
    assert world.run().facts["reason"] == "went down 6 times"


@pytest.mark.parametrize("content", [b"", bytes(4096), b"[Prefer", None])
def test_work_that_a_disk_damaged_is_handed_out_again(world: World, content: bytes | None) -> None:
    """A guest reads the copy; what it has taken away as done stays away."""
    world.guest("guest1", f"{RUN_TESTS} guest1")
    world.control({"one": "true"}, {"guest1": ["one"]})
    run = world.begin()
    (world.shared / "guest1").mkdir()
    copy = world.shared / "guest1/xentests.conf"
    if content is not None:
        copy.write_bytes(content)
    assert world.start(resume=True, run_id=run.id) == (1 if content is None else 0)
    found = world.results()["guest1 1-one"]
    assert found.status.value == ("error" if content is None else "pass"), found
    assert not copy.exists()


def test_a_domain_in_the_way_of_its_own_work_breaks_no_run(world: World) -> None:
    world.control({"one": "true"}, {"dom0": ["one"]})
    run = world.begin()
    (world.shared / "dom0").mkdir()
    (world.shared / "dom0/xentests.conf").write_text("mine")
    (world.shared / f"dom0/.xentests.conf.{os.getpid()}.tmp/deep").mkdir(parents=True)
    assert world.start(resume=True, run_id=run.id) == 0
    assert world.statuses()["dom0 1-one"] == "pass"


def test_a_result_missing_when_a_run_is_resumed_is_an_error(world: World) -> None:
    world.control({"one": "true"}, {"dom0": ["one"]})
    world.begin()  # handed out, and taken away by someone
    assert world.start(resume=True) == 1
    assert "no result" in world.results()["dom0 1-one"].reason


def test_a_result_that_a_disk_damaged_does_not_keep_the_run_open(world: World) -> None:
    world.control({"one": "true"}, {"dom0": ["one"]})
    stored = world.begin().folder / "domains/dom0/4-leak-check"
    stored.mkdir(parents=True)
    (stored / "result.json").write_bytes(b"\xff")
    assert world.start(resume=True) == 3
    facts = world.run().facts
    assert facts["state"] == "broken" and "4-leak-check" in facts["reason"], facts


def test_kill_and_resume_lose_nothing(world: World) -> None:
    """Killed at ten random moments: every test has run exactly once and has its result."""
    names = [f"t{number}" for number in range(6)]
    counts = world.folder / "counts"
    tests = {name: f"echo $XENTEST_DOMAIN {name} >> {counts}; sleep 0.4" for name in names}
    world.guest("guest1", f"{RUN_TESTS} guest1; sleep 2")
    world.control(tests, {"dom0": names, "guest1": names})
    dice = random.Random(7)
    running = world.spawn(resume=False)
    wait_for(lambda: (world.folder / "results/latest").exists(), "the run to begin")
    for _ in range(10):
        time.sleep(dice.uniform(0.05, 0.5))  # the moment is what is random here
        running.kill()
        running.wait()
        running = world.spawn(resume=True)
    assert running.wait(300) == 0, (world.folder / "driver.log").read_text()
    expected = {f"{domain} {n}-{name}" for domain in ("dom0", "guest1")
                for n, name in enumerate(names, 1)}  # fmt: skip
    assert {name for name in world.statuses() if "check" not in name} == expected
    assert set(world.statuses().values()) == {"pass"}
    assert sorted(counts.read_text().split("\n")[:-1]) == sorted(
        f"{domain} {name}" for domain in ("dom0", "guest1") for name in names
    )
    assert list(world.stub_state()["domains"]) == ["Domain-0"]


@pytest.mark.parametrize("state", ["building", "booting"])
def test_a_run_that_was_not_booted_is_not_gone_on_with(world: World, state: str) -> None:
    """Its tests would run on the hypervisor before it, and be told of the one that was built."""
    world.control({"one": "true"}, {"dom0": ["one"]})
    run = world.begin(state=state, build_id="abc")
    with pytest.raises(UsageError, match=f"is {state}: its hypervisor has not been booted yet"):
        world.start(resume=True, running_build_id=lambda: "old")
    assert world.results() == {} and world.run().facts["state"] == state
    assert world.start(run_id=run.id, give_up="why") == 1  # as after a boot that failed


def test_nor_is_one_whose_hypervisor_does_not_run(world: World) -> None:
    world.control({"one": "true"}, {"dom0": ["one"]})
    run = world.begin(build_id="abc")
    (world.shared / "dom0").mkdir()
    shared.hand_out(world.shared, "dom0", run.control_file.read_text())
    for other in ("old", ""):
        with pytest.raises(UsageError, match="tests the hypervisor with the build id abc, and"):
            world.start(resume=True, running_build_id=lambda: other)
    assert world.results() == {}
    assert world.start(resume=True, running_build_id=lambda: "abc") == 0


def test_nor_is_one_that_is_over(world: World) -> None:
    world.control({"one": "false"}, {"dom0": ["one"]})
    assert world.start() == 1
    before = (world.run().folder / "run.json").read_bytes()
    for words in ({"resume": True}, {"run_id": world.run().id}, {"give_up": "why"}):
        with pytest.raises(UsageError, match="is over: fail"):
            world.start(**words)
    assert (world.run().folder / "run.json").read_bytes() == before


def test_a_new_run_closes_what_nobody_goes_on_with(world: World) -> None:
    world.control({"one": "true"}, {"dom0": ["one"]})
    left = world.begin()
    waits = world.begin(state="booting")
    state = boot.State(waits.id, str(world.folder / "results"), phase="booting")
    boot.save(boot.Paths(world.folder), state)
    assert world.start() == 0
    facts = runs.open_run(world.folder / "results", left.id).facts
    assert (facts["state"], facts["status"]) == ("broken", "broken")
    assert facts["reason"] == "given up while testing: another run was begun"
    assert runs.open_run(world.folder / "results", waits.id).facts["state"] == "booting"


def test_results_of_another_run_are_not_taken_for_its_own(world: World) -> None:
    """The shared folder has gone to another run meanwhile."""
    world.control({"one": "true"}, {"dom0": ["one"]})
    first = world.begin()
    place = world.shared / "dom0/results/1-one"
    place.mkdir(parents=True)
    results.write(place / "result.json", Result("dom0", "one", 1, Status.PASS))
    (world.shared / "dom0/xentests.conf").write_text("work of the other")
    (world.shared / shared.OWNER).write_text("20990101-000000\n")
    assert world.start(resume=True) == 3
    assert world.statuses() == {"dom0 1-one": "broken"}
    reason = world.results()["dom0 1-one"].reason
    assert "is that of run 20990101-000000 now" in reason
    assert runs.open_run(first.folder.parent, first.id).facts["state"] == "broken"
    assert (world.shared / "dom0/xentests.conf").read_text() == "work of the other"


def test_a_shared_folder_that_is_not_mounted_is_no_fault_of_the_tests(world: World) -> None:
    world.control({"one": "true"}, {"dom0": ["one"]})
    world.begin()
    (world.shared / shared.OWNER).unlink()
    assert world.start(resume=True) == 3
    assert "does not say whose it is" in world.results()["dom0 1-one"].reason


def test_the_end_of_a_run_is_told_on_a_full_disk(world: World) -> None:
    """Not `testing` for ever: what was kept free is enough for the verdict and its reason."""
    with small_disk(world.folder / "results", "400k"):
        filler = world.folder / "results/filler"
        world.control({"one": f"cat /dev/zero > {filler}; test -s {filler}"}, {"dom0": ["one"]})
        assert world.start() == 3
        facts = world.run().facts
        assert (facts["state"], facts["status"]) == ("broken", "broken") and facts["ended"]
        assert "No space left on device" in facts["reason"]
        assert str(world.folder / "results") in facts["reason"]
        assert facts["reason"] in (world.run().folder / "summary.txt").read_text()


def test_nor_does_it_stay_open_where_no_more_files_may_be(world: World) -> None:
    with small_disk(world.folder / "results", "4m,nr_inodes=60"):
        more = f"{world.folder}/results/more"
        fill_it = f"i=0; while touch {more}$i 2> /dev/null; do i=$((i+1)); done"
        world.control({"one": fill_it}, {"dom0": ["one"]})
        assert world.start() == 3
        facts = world.run().facts
        assert facts["state"] == "broken" and "No space left on device" in facts["reason"]
        assert facts["reason"] in (world.run().folder / "summary.txt").read_text()


def test_what_cannot_be_started_is_told_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from xentest import startdoms
    from xentest.errors import BrokenError

    def absent(flow: object) -> list[str]:
        raise BrokenError("xenruntests is not installed", "Run `make install` again.")

    monkeypatch.setattr(startdoms._Flow, "_runner_command", absent)
    world.control({"one": "true"}, {"dom0": ["one"]})
    assert world.start() == 3
    facts = world.run().facts
    assert (facts["state"], facts["reason"]) == ("broken", "xenruntests is not installed")
