"""The machine may die when no test runs: that is told as well, and is no pass."""

from __future__ import annotations

from typing import Sequence

import pytest

from stub_world import RUN_TESTS, World
from xentest import guests
from xentest.death import untold
from xentest.results import WENT_DOWN, Result, Status

PANIC = "Xen panic: Panic on CPU 0: FATAL TRAP: vector = 13"
SILENT = "no crash on the console; its last line: [ 18.4] xentest: START dom0 1-ran"
SAID = "(XEN) Panic on CPU 0:\n(XEN) FATAL TRAP: vector = 13\n"


def crash(domain: str, told: str) -> Result:
    return Result(domain, "t", 1, Status.CRASH, f"{WENT_DOWN}: {told}")


@pytest.mark.parametrize(
    "causes, results, left",
    [
        ([], [], []),
        ([PANIC], [], [PANIC]),
        ([PANIC], [Result("dom0", "t", 1, Status.PASS)], [PANIC]),
        ([PANIC], [Result("guest1", "t", 1, Status.PASS, f"{WENT_DOWN}: {PANIC}")], [PANIC]),
        ([PANIC], [crash("dom0", PANIC)], []),
        ([PANIC, PANIC], [crash("dom0", PANIC), crash("guest1", PANIC)], [PANIC]),
        ([PANIC, PANIC], [crash("dom0", PANIC), crash("dom0", PANIC)], []),
        ([SILENT], [crash("dom0", "last console line: x")], []),
        ([SILENT, PANIC], [crash("dom0", PANIC)], [SILENT]),
        ([SILENT], [Result("guest1", "t", 1, Status.CRASH, "guest1 is down (crash)")], [SILENT]),
    ],
)
def test_which_deaths_no_result_tells_of(
    causes: Sequence[str], results: Sequence[Result], left: Sequence[str]
) -> None:
    assert untold(causes, results) == left


def test_a_panic_after_the_last_test_is_no_pass(world: World) -> None:
    world.control({"one": "true"}, {"dom0": ["one"]})
    assert world.start() == 0
    run = world.run()
    run.update(state="testing", crashes=[PANIC])
    assert world.start(resume=True, run_id=run.id, console_excerpt=SAID) == 1
    found = world.results()["dom0 5-machine"]
    assert found.status is Status.CRASH and found.console == SAID
    assert found.reason == f"the machine went down outside of any test: {PANIC}"
    assert world.run().facts["status"] == "crash"
    assert "dom0 5-machine: crash" in (run.folder / "summary.txt").read_text()


def test_nor_is_it_when_the_hypervisor_does_not_come_back(world: World) -> None:
    world.control({"one": "true"}, {"dom0": ["one"]})
    assert world.start() == 0
    run = world.run()
    run.update(state="testing", crashes=[PANIC])
    why = "the hypervisor did not come up"
    assert world.start(run_id=run.id, give_up=why, console_excerpt=SAID) == 1
    assert world.results()["dom0 5-machine"].status is Status.CRASH
    assert world.run().facts["reason"] == why


def test_a_run_that_was_given_up_is_no_pass(world: World) -> None:
    world.control({"one": "true"}, {"dom0": ["one"]})
    assert world.start() == 0
    run = world.run()
    run.update(state="testing")
    assert world.start(run_id=run.id, give_up="its hypervisor is gone") == 3
    assert world.run().facts["status"] == "broken"


@pytest.mark.parametrize(
    "line, seen",
    [
        ("(XEN) Domain 1 (vcpu#0) crashed on cpu#1:", True),
        ("(XEN) [2026-11-23 08:00:00] Domain 1 reported crashed by domain 0 on cpu#1:", True),
        ("(XEN) d1v0 Triple fault - invoking HVM shutdown action 1.", True),
        ("(XEN) Domain 77 (vcpu#0) crashed on cpu#1:", False),  # not a guest of this run
        ("(XEN) (d1) Domain 1 (vcpu#0) crashed on cpu#1:", False),  # the guest says so
    ],
)
def test_a_guest_that_xen_ends_behind_its_tests_did_not_do_well(
    world: World, line: str, seen: bool
) -> None:
    world.guest("guest1", f"{RUN_TESTS} guest1; echo '{line}' > {world.state}/dmesg; sleep 600")
    wait = f"until [ -s {world.state}/dmesg ]; do sleep 0.05; done"
    world.control({"one": "true", "wait": wait}, {"dom0": ["wait"], "guest1": ["one"]})
    assert world.start() == int(seen)
    found = world.results()
    assert found["guest1 1-one"].status is Status.PASS
    assert ("guest1 3-console-check" in found) is seen
    if seen:
        reason = found["guest1 3-console-check"].reason
        assert reason == f"the hypervisor: {line.rpartition('] ')[2].removeprefix('(XEN) ')}"


def test_nor_when_xenstartdoms_was_ended_after_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = "(XEN) Domain 1 (vcpu#0) crashed on cpu#1:"
    world.guest("guest1", f"{RUN_TESTS} guest1; echo '{line}' > {world.state}/dmesg; exit 42")
    wait = f"until test -s {world.state}/dmesg; do sleep 0.05; done; "
    wait += "while xl list | grep -q guest1; do sleep 0.05; done"
    world.control({"one": "true", "wait": wait}, {"dom0": ["wait"], "guest1": ["one"]})

    def leave(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(guests.Guests, "end_all", leave)
        world.start()
    assert world.start(resume=True) == 1
    assert line[6:] in world.results()["guest1 3-console-check"].reason


def test_nor_did_one_that_is_found_crashed_behind_its_tests(world: World) -> None:
    world.guest("guest1", f"{RUN_TESTS} guest1; exit 44")
    wait = "until xl list | grep -qe ---sc-; do sleep 0.1; done"
    world.control({"one": "true", "wait": wait}, {"dom0": ["wait"], "guest1": ["one"]})
    assert world.start() == 1
    found = world.results()
    assert found["guest1 1-one"].status is Status.PASS
    assert "crashed" in found["guest1 3-console-check"].reason


def test_one_that_has_failed_is_told_once(world: World) -> None:
    line = "(XEN) Domain 1 (vcpu#0) crashed on cpu#1:"
    world.guest("guest1", f"{RUN_TESTS} guest1; sleep 600")
    world.control({"bad": f"echo '{line}' > {world.state}/dmesg; false"}, {"guest1": ["bad"]})
    assert world.start() == 1
    assert "guest1 3-console-check" not in world.statuses()
