"""The power fails at random moments: finished results stay, the rest is told truly."""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path

import nights
import pytest
from xentest import control
from xentest.lab import image, machine, night, supplies
from xentest.progress import Progress

pytestmark = pytest.mark.lab
CONTROL = nights.CONTROLS / "powercuts.cfg"
CUTS = 10
LIMIT = 1500.0


def state_of(results: Path) -> str:
    """What the run says of itself; nothing while it has not begun."""
    try:
        return str(json.loads((results / "latest/run.json").read_text())["state"])
    except (OSError, ValueError):
        return ""


def finished(results: Path) -> dict[str, str]:
    """Every result that the run has, word for word."""
    return {
        str(path.relative_to(results)): path.read_text()
        for path in results.glob("2*/domains/*/[!.]*/result.json")
    }


def test_ten_power_cuts(tmp_path):
    nights.needs_time(7)
    seed = int(os.environ.get("XENTEST_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"seed: {seed} (XENTEST_SEED={seed} repeats the moments)")
    source, results = random.Random(seed), tmp_path / "results"
    with nights.call(CONTROL, results) as called:
        seen: dict[str, str] = {}
        console, looked_at = called.machine() / "in/console.log", 0
        for number in range(CUTS):
            called.until(called.emulator, "power", 300)
            in_tests = number % 3 == 0  # else anywhere, mostly in a boot
            if in_tests:
                called.until(
                    lambda: b"xentest: START" in console.read_bytes()[looked_at:], "a test", LIMIT
                )
            time.sleep(source.random() * (6 if in_tests else 20))
            looked_at = console.stat().st_size
            for name, content in {**seen, **finished(results)}.items():
                assert seen.setdefault(name, content) == content, f"{name} was changed"
            assert called.cut_power(), "the machine was off by itself"
        whole = nights.whole(called, results, LIMIT)
    for name, content in seen.items():
        assert finished(results).get(name) == content, f"{name} was lost or changed\n{whole}"
    check_verdicts(whole, results)


def check_verdicts(whole: nights.Night, results: Path) -> None:
    assert whole.facts["state"] == "finished", str(whole)
    assert whole.text.count("the machine lost its power") == CUTS
    assert len(whole.facts["crashes"]) <= CUTS
    found = whole.statuses()
    wanted = control.load(CONTROL)
    for domain in wanted.domains:
        for number, test in wanted.plan(domain):
            name = f"{domain.name} {number}-{test.name}"
            assert found.get(name) in ("pass", "crash"), (name, found.get(name), str(whole))
    assert len(whole.facts["crashes"]) >= 4, "the cuts that met tests are not told"
    crashed = [name for name in found if found[name] == "crash"]
    assert whole.status == (1 if crashed else 0), str(whole)
    assert len([name for name in crashed if name.startswith("dom0")]) <= CUTS
    ran = (results / "ran").read_text().split()
    assert len(ran) == len(set(ran)), f"tests were run twice: {ran}"


def test_a_disk_on_which_a_night_was_cut_serves_the_next(tmp_path):
    """Cut while xenbuild works; the same machine, the next evening."""
    made, orders = same_machine(tmp_path)
    cut = night.Night(orders[0], made, "", Progress())
    watcher = CutWhen(cut, tmp_path / "results", "building")
    facts = watcher.watch()
    assert (facts["state"], facts["status"]) == ("broken", "broken"), facts
    assert facts["reason"] == "the machine went down while xenbuild worked", facts
    first = os.readlink(tmp_path / "results/latest")

    (made.shares[0][1] / "night").write_text(supplies.NIGHT + "# the next\n")
    facts = night.Night(orders[1], made, first, Progress()).watch()
    assert facts["id"] != first and (facts["state"], facts["status"]) == ("finished", "pass"), facts
    assert facts["boots"] == 1 and not facts.get("crashes"), facts


def same_machine(tmp_path: Path) -> tuple[machine.Machine, list[night.Order]]:
    """A machine whose disk is kept, and the orders of its nights."""
    results, folder = tmp_path / "results", tmp_path / "machine-1"
    results.mkdir()
    wanted = control.load(nights.SOURCE / "tests/lab/controls/short.cfg")
    order = night.Order(control=wanted, cache=nights.CACHE, results=results)
    base = image.ensure(nights.CACHE / "images", Progress())
    folder.mkdir()
    handed = supplies.prepare(folder, wanted, None, (), nights.CACHE, Progress())
    made = machine.Machine(
        folder=folder, disk=folder / "disk.qcow2", base=base.disk, install=handed.install,
        console=handed.console, medium=base.medium, memory_mib=order.memory_mib,
        shares=(("in", handed.folder, True), ("results", results, False)),
    )  # fmt: skip
    machine.make_overlay(made.disk, made.base)
    return made, [order, order]


class CutWhen:
    """A night whose power fails once, when the run has come to a state."""

    def __init__(self, watched: night.Night, results: Path, state: str) -> None:
        self.watched, self.results, self.state = watched, results, state

    def watch(self) -> dict:
        import threading

        thread = threading.Thread(target=self._cut)
        thread.start()
        facts = self.watched.watch()
        thread.join()
        return facts

    def _cut(self) -> None:
        end = time.monotonic() + 300
        while state_of(self.results) != self.state and time.monotonic() < end:
            time.sleep(0.01)
        self.watched.running.process.kill()
