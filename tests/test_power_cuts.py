"""The power is cut before each change that a run makes to the disk, one after the other.

Whatever is cut: the run comes to its end, each test has the one result that is true, none has
run twice, and none has passed without having run.
"""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import pytest

from power_cuts import PLAN, Machine
from xentest import results
from xentest.results import Result, Status, worst

TESTS = [
    f"{domain} {number}-{test}"
    for domain, tests in PLAN.items()
    for number, test in enumerate(tests, 1)
]
GOOD = {Status.PASS, Status.SKIP, Status.XFAIL}


def kept(machine: Machine) -> dict[str, Result]:
    """The results in the run's own folder."""
    found = {}
    for path in (machine.root / "results").glob("2*/domains/*/*/result.json"):
        result = results.parse(path.read_text())
        found[f"{result.domain} {result.folder}"] = result
    return found


def handed_in(machine: Machine) -> dict[str, Status]:
    """What stands in the shared folder, as the domains left it."""
    found = {}
    for path in (machine.root / "shared").glob("*/results/*/result.json"):
        result = results.parse(path.read_text())
        found[f"{result.domain} {result.folder}"] = result.status
    return found


def wrongs(machine: Machine, before: dict[str, Status], cuts: int = 1) -> list[str]:
    """What is not as it should be when nothing is left to go on with; `before`: at the last cut."""
    given_up, crashed = bool(machine.run().facts["reason"]), Counter[str]()
    found, begun, ended = kept(machine), machine.performed("begun"), machine.performed("ended")
    wrong = [f"{name} ran twice" for name in TESTS if begun.count(name) > 1]
    if before or begun:  # else the hypervisor may not have come up
        wrong += [f"no result of {name}" for name in TESTS if name not in found]
    for name in (name for name in TESTS if name in found):
        true = Status.FAIL if name.endswith("bad") else Status.PASS
        status = found[name].status
        if status is not before.get(name, status):
            wrong.append(f"{name} was {before[name].value} and became {status.value}")
        elif status in GOOD and (status is not true or name not in ended):
            wrong.append(f"{name} is {status.value} without having ended")
        elif status is Status.CRASH:
            crashed[found[name].domain] += 1
        elif status is not true and not given_up:
            wrong.append(f"{name} is {status.value}: {found[name].reason}")
        if status not in GOOD and not found[name].reason:
            wrong.append(f"{name} is {status.value} without a reason")
    wrong += [f"{n} tests of {name} died of it" for name, n in crashed.items() if n > cuts]
    return wrong + wrongs_of_the_whole(machine, found)


def wrongs_of_the_whole(machine: Machine, found: dict[str, Result]) -> list[str]:
    facts = machine.run().facts
    status, reason = Status(facts["status"]), facts["reason"]
    told = (machine.run().folder / "summary.txt").read_text()
    wrong = []
    if facts["state"] == "finished" and status is not worst(one.status for one in found.values()):
        wrong.append(f"the run is {status.value}")
    if facts["state"] not in ("finished", "broken") or (facts["state"] == "broken" and not reason):
        wrong.append(f"the run is {facts['state']}: {reason}")
    if status in GOOD:
        wrong.append(f"the run is {status.value}, and one of its tests fails")
    if status.value not in told:
        wrong.append("the summary tells another status")
    return wrong


def test_nothing_is_done_twice_without_a_cut(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "machine")
    machine.prepare()
    assert not machine.power_on() and not machine.waits
    assert not wrongs(machine, handed_in(machine))
    assert sorted(machine.performed("ended")) == sorted(TESTS)
    assert {name: one.status.value for name, one in kept(machine).items()} == {
        **{name: "fail" if name.endswith("bad") else "pass" for name in TESTS},
        "dom0 4-leak-check": "pass",
    }
    said = (machine.root / "said").read_text()
    assert "again" not in said, said


@pytest.mark.parametrize("default, first", [("linux", 1), ("xen", 2)])
def test_each_cut_is_survived(tmp_path: Path, default: str, first: int) -> None:
    """On machines that come up without Xen, and on those that come up with it."""
    machine = Machine(tmp_path / "machine", default)
    faults = []
    for moment in itertools.count(first, 2):
        machine.prepare()
        if not machine.power_on(moment):
            break
        before = handed_in(machine)
        machine.go_on()
        faults += [f"cut before change {moment}: {wrong}" for wrong in wrongs(machine, before)]
    assert not faults and moment > 200


def test_a_second_cut_is_survived(tmp_path: Path) -> None:
    """In the boot that goes on with the run."""
    machine = Machine(tmp_path / "machine", "xen")
    machine.prepare()
    machine.power_on()
    middle, faults = machine.changes() // 2, []
    for moment in itertools.count(1, 10):
        machine.prepare()
        assert machine.power_on(middle)
        again = machine.power_on(moment)
        before = handed_in(machine)
        machine.go_on()
        faults += [f"cut again at {moment}: {wrong}" for wrong in wrongs(machine, before, 2)]
        if not again:
            break
    assert not faults and moment > 50
