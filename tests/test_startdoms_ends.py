"""How xenstartdoms ends when its own xenruntests, or its user, gives up."""

from __future__ import annotations

import pytest

from runner_box import is_gone
from stub_world import World
from xentest import fleet, ownrunner


def test_a_dying_xenruntests_is_started_once_more_then_an_error(world: World) -> None:
    log = world.folder / "starts"
    world.control({"one": "true"}, {"dom0": ["one"]})
    runner = ["/bin/sh", "-c", f"echo x >> {log}; echo out of luck; exit 7"]
    assert world.start(runner=runner) == 1
    result = world.results()["dom0 1-one"]
    assert result.status.value == "error"
    assert "status 7" in result.reason and "out of luck" in result.reason
    assert log.read_text() == "x\nx\n"


def test_a_xenruntests_that_cannot_write_is_the_labs_fault(world: World) -> None:
    world.control({"one": "true"}, {"dom0": ["one"]})
    said = "xenruntests: no space left\n  Make some."
    assert world.start(runner=["/bin/sh", "-c", f"echo '{said}'; exit 3"]) == 3
    result = world.results()["dom0 1-one"]
    assert result.status.value == "broken"
    assert result.reason == "not run: xenruntests ended with status 3: no space left"


@pytest.mark.parametrize(
    "signal, ending", [("KILL", "was killed by signal 9"), ("STOP", "time limit")]
)
def test_a_test_that_ends_or_stops_xenruntests_does_not_outlive_it(
    world: World, monkeypatch: pytest.MonkeyPatch, signal: str, ending: str
) -> None:
    monkeypatch.setattr(ownrunner, "END_GRACE", 600.0)  # it ends in order, not by force
    note = f"echo $$ >> {world.folder}/pids"
    world.control(
        {"one": f"{note}; kill -{signal} $PPID; exec sleep 1000"},
        {"dom0": ["one", "one"]},
        run_timeout="4" if signal == "STOP" else "600",
    )
    assert world.start() == 1
    assert ending in world.results()["dom0 2-one"].reason
    assert all(is_gone(pid) for pid in (world.folder / "pids").read_text().split())


def test_a_folder_that_is_gone_is_told(world: World) -> None:
    gone = world.shared / "dom0"
    world.control({"one": f"rm -r {gone}"}, {"dom0": ["one"]})
    assert world.start() == 1
    result = world.results()["dom0 1-one"]
    assert (result.status.value, result.reason) == (
        "error",
        f"no result: {gone} is gone, and what was in it",
    )


def test_a_shared_folder_that_goes_away_is_no_fault_of_the_tests(world: World) -> None:
    world.control({"one": f"mv {world.shared} {world.shared}.away"}, {"dom0": ["one"]})
    assert world.start() == 3
    result = world.results()["dom0 1-one"]
    assert result.status.value == "broken" and "does not say whose it is" in result.reason


def test_a_run_that_is_left_in_the_middle_says_how_to_go_on(
    world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def leave(*_: object) -> None:
        raise KeyboardInterrupt

    world.control({"one": "true"}, {"dom0": ["one"]})
    with monkeypatch.context() as patched:
        patched.setattr(fleet.Fleet, "go", leave)
        with pytest.raises(KeyboardInterrupt):
            world.start()
    said = capfd.readouterr().err
    assert f"run {world.run().id} was left in the middle" in said
    assert "xenstartdoms --resume" in said
    assert world.start(resume=True) == 0 and world.statuses()["dom0 1-one"] == "pass"


def after(world: World, *words: str) -> str:
    """A command that waits until the first test's result was taken, and does this to it."""
    kept = f"{world.folder}/results/latest/domains/dom0/1-one"
    waits = f"until ls {kept}/result.json; do sleep 0.05; done"
    return "; ".join([waits, *(word.format(kept=kept) for word in words)])


@pytest.mark.parametrize(
    "done_to_it, reason",
    [
        ("rm -r {kept}", "there is no result of it in the run's folder"),
        ("echo {{ > {kept}/result.json", "its result cannot be read: "),
        ("printf '\\377' > {kept}/result.json", "its result cannot be read: "),
    ],
)
def test_a_result_that_is_gone_is_no_pass_and_hides_no_other(
    world: World, done_to_it: str, reason: str
) -> None:
    world.control(
        {"one": "true", "two": after(world, done_to_it), "bad": "echo worse; false"},
        {"dom0": ["one", "two", "bad"]},
    )
    assert world.start() == 3
    facts = world.run().facts
    assert (facts["state"], facts["status"]) == ("finished", "broken")
    summary = (world.run().folder / "summary.txt").read_text()
    assert f"dom0 1-one: broken\n  {reason}" in summary and "exit status 1: worse" in summary
    assert "4 results: 2 pass, 1 fail, 1 broken" in summary


@pytest.mark.parametrize("command", ["rm {}", "sed -i s/nodes/modes/ {}"])
def test_what_was_there_before_must_be_known(world: World, command: str) -> None:
    forget = command.format(f"{world.folder}/results/latest/basis.json")
    world.control({"one": "true", "two": after(world, forget)}, {"dom0": ["one", "two"]})
    assert world.start() == 3
    leaks = world.results()["dom0 5-leak-check"]
    assert (leaks.status.value, leaks.reason) == ("broken", "what was there before is not known")
