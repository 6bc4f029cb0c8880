"""The power is cut before changes that a run makes to the disk, one after the other.

What was not synced may be lost then.  Whatever is cut: the run comes to its end, each test has
the one result that is true, none has run twice, and none has passed without having run.
"""

from __future__ import annotations

import itertools
import os
from collections import Counter
from pathlib import Path
from typing import Iterator

import pytest

from lost_writes import LOSSES
from power_cuts import PLAN, SAID, Machine
from xentest import results, runs
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
    for path in machine.run().folder.glob("domains/*/*/result.json"):
        result = results.parse(path.read_text())
        found[f"{result.domain} {result.folder}"] = result
    return found


def handed_in(machine: Machine) -> dict[str, Status]:
    """What stands in the shared folder, as the domains left it: all that they have written."""
    found = {}
    for path in (machine.root / "shared").glob("*/results/*/result.json"):
        result = results.parse(path.read_text())
        found[f"{result.domain} {result.folder}"] = result.status
    lost = set(machine.performed("written")) - set(found)
    assert not lost, f"what was written durably is lost: {lost}"
    return found


def output(machine: Machine, name: str) -> bytes:
    """What was collected of what a test said."""
    path = machine.run().folder / "domains" / name.replace(" ", "/") / "output"
    return path.read_bytes() if path.exists() else b""


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
        if status is true and output(machine, name) != SAID:
            wrong.append(f"{name} is {status.value}, and what it said is lost")
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
    said = (machine.seen / "said").read_text()
    assert "again" not in said, said


def losses(step: int) -> Iterator[tuple[int, str]]:
    """Moments of cuts and what is lost then, without end; each with each when all is asked for."""
    ways = ("", *LOSSES)
    if os.environ.get("XENTEST_ALL"):
        return itertools.product(itertools.count(1), ways)
    return zip(itertools.count(1, step), itertools.cycle(ways))


@pytest.mark.parametrize("default", ["linux", "xen"])
def test_each_cut_is_survived(tmp_path: Path, default: str) -> None:
    """On machines that come up without Xen, and on those that come up with it."""
    machine = Machine(tmp_path / "machine", default)
    faults = []
    for moment, loss in losses(5):
        machine.prepare()
        if not machine.power_on(moment, loss):
            break
        before = handed_in(machine)
        machine.go_on()
        what = f"cut before change {moment}, lost {loss or 'nothing'}"
        faults += [f"{what}: {wrong}" for wrong in wrongs(machine, before)]
    assert not faults and moment > 300


def test_a_second_cut_is_survived(tmp_path: Path) -> None:
    """In the boot that goes on with the run."""
    machine = Machine(tmp_path / "machine", "xen")
    machine.prepare()
    machine.power_on()
    middle, faults = machine.changes() // 2, []
    for moment, loss in losses(13):
        machine.prepare()
        assert machine.power_on(middle, "all")
        again = machine.power_on(moment, loss)
        before = handed_in(machine)
        machine.go_on()
        what = f"cut again at {moment}, lost {loss or 'nothing'}"
        faults += [f"{what}: {wrong}" for wrong in wrongs(machine, before, 2)]
        if not again:
            break
    assert not faults and moment > 50


def test_a_cut_before_the_restart_is_survived(tmp_path: Path) -> None:
    """No run is open for ever, and the next night is as good as any."""
    machine = Machine(tmp_path / "machine", "xen")
    faults = []
    for moment, loss in losses(5):
        machine.install()
        if not machine.xenbuild(moment, loss):
            break
        machine.go_on()
        results_dir = machine.root / "results"
        kept_runs = runs.kept(results_dir) if results_dir.exists() else []
        left = [runs.open_run(results_dir, folder.name) for folder in kept_runs]
        what = f"cut before change {moment}, lost {loss or 'nothing'}"
        faults += [f"{what}: {run.facts['state']}" for run in left if not run.is_over]
        faults += [f"{what}: no reason" for run in left if run.facts.get("status") == "broken"
                   and not run.facts["reason"]]  # fmt: skip
        assert not machine.xenbuild() and not machine.power_on() and not machine.waits
        faults += [f"after a {what}: {wrong}" for wrong in wrongs(machine, {})]
    assert not faults and moment > 30


@pytest.mark.parametrize(
    "name, broken",
    [
        ("etc/xen_start_tests", ""),
        ("etc/xen/xentest.conf", ""),
        ("var/lib/xentest/state.json", "state.json is damaged"),
        ("results/2*/run.json", "run.json is damaged"),
        ("results/2*/control.cfg", "own control file cannot be used"),
        ("results/2*/basis.json", ""),
        ("results/2*/created.json", ""),
        ("results/2*/domains/dom0/1-one/result.json", ""),
        ("shared/.run", "does not say whose it is"),
        ("shared/guest1/results/*/running", ""),
    ],
)
def test_what_is_damaged_ends_no_more_than_its_run(tmp_path: Path, name: str, broken: str) -> None:
    """A disk that keeps less than it promised: files are empty, or full of zeros."""
    machine = Machine(tmp_path / "machine", "xen")
    machine.prepare()
    machine.power_on()
    middle = machine.changes() * 2 // 3
    for damage in (b"", bytes(100)):
        machine.prepare()
        assert machine.power_on(middle)
        (path,) = machine.root.glob(name)
        path.write_bytes(damage)
        machine.go_on()
        facts = machine.run().facts
        assert facts["state"] == ("broken" if broken else "finished")
        assert facts["status"] in (("broken",) if broken else ("crash", "broken"))
        assert broken in facts["reason"]
        machine.prepare_night()
        assert not machine.power_on() and not machine.waits
        assert not wrongs(machine, {})
