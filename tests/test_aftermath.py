"""What is found in the logs when all tests are over."""

from __future__ import annotations

import json
import shutil

import pytest

from stub_world import World
from xentest import machinelogs
from xentest.errors import BrokenError

OOPS = "[    {}.1] BUG: kernel NULL pointer dereference, address: 0000000000000010\n"


def logs_of(world: World, *texts: str, **more: object) -> int:
    """A run in which the kernel's log reads as these texts, look by look; the last one stays."""
    left = list(texts)
    return world.start(kernel_log=lambda: left.pop(0) if len(left) > 1 else left[0], **more)


def test_a_crash_of_before_the_run_is_not_its_own(world: World) -> None:
    """As one that the run before has told of."""
    world.control({"one": "true"}, {"dom0": ["one"]})
    old = "[    1.0] Linux version\n" + OOPS.format(2)
    assert logs_of(world, old, old + "[   50.0] eth0: link is up\n") == 0
    assert "dom0 3-console-check" not in world.statuses()
    kept = (world.run().folder / "domains/dom0/kernel.log").read_text()
    assert kept.endswith("link is up\n") and "BUG: " in kept


def test_the_same_crash_again_is(world: World) -> None:
    world.control({"one": "true"}, {"dom0": ["one"]})
    old = "[    1.0] Linux version\n" + OOPS.format(2)
    assert logs_of(world, old, old + OOPS.format(60)) == 1
    assert world.statuses()["dom0 3-console-check"] == "fail"


def test_what_was_said_before_may_be_gone_from_the_log(world: World) -> None:
    world.control({"one": "true"}, {"dom0": ["one"]})
    assert logs_of(world, "[    1.0] Linux version\n", OOPS.format(60)) == 1
    assert world.statuses()["dom0 3-console-check"] == "fail"


def test_a_boot_that_was_for_the_run_is_a_part_of_it(world: World) -> None:
    world.control({"one": "true"}, {"dom0": ["one"]})
    run = world.begin(boots=1)
    (run.folder / "prepared").unlink()
    assert logs_of(world, OOPS.format(2), run_id=run.id) == 1
    assert world.statuses()["dom0 3-console-check"] == "fail"


def test_a_log_that_is_not_to_be_had_is_no_clean_one(world: World) -> None:
    world.control({"one": "true"}, {"dom0": ["one"]})
    looks = [""]

    def log() -> str:
        if not looks:
            raise BrokenError("`dmesg` did not end within 60 s")
        return looks.pop()

    assert world.start(kernel_log=log) == 3
    result = world.results()["dom0 3-console-check"]
    assert result.status.value == "broken"
    assert result.reason == "not to be had: kernel.log: `dmesg` did not end within 60 s"


def test_a_crash_that_the_log_forgets_before_the_end_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the hypervisor's does, which holds little more than its boot."""
    monkeypatch.setattr(machinelogs, "EVERY", 0.0)
    ring, kept = world.folder / "ring", f"{world.folder}/results/latest/domains/dom0/kernel.log"
    ring.write_text("[    1.0] Linux version\n")
    (world.folder / "oops").write_text(OOPS.format(60))
    says = f"cp {world.folder}/oops {ring}; until grep BUG {kept}; do sleep 0.05; done"
    world.control({"one": f"{says}; echo later > {ring}"}, {"dom0": ["one"]})
    assert world.start(kernel_log=ring.read_text) == 1
    assert world.statuses()["dom0 3-console-check"] == "fail"
    said = open(kept, encoding="utf-8").read()
    assert said.startswith("[    1.0] Linux") and said.endswith("later\n")
    assert said.count(machinelogs.MISSING) == 2


@pytest.mark.parametrize(
    "before, said, whole",
    [
        ("", "a\nb\n", "a\nb\n"),
        ("a\nb\n", "a\nb\n", "a\nb\n"),
        ("a\nb\n", "a\nb\nc\n", "a\nb\nc\n"),
        ("x" * 5000 + "\nb\n", "x" * 4500 + "\nb\nc\n", "x" * 5000 + "\nb\nc\n"),
        ("a\nb\n", "c\n", "a\nb" + machinelogs.MISSING + "c\n"),
        ("a\n", "", "a" + machinelogs.MISSING),
        ("a" + machinelogs.MISSING, "b\n", "a" + machinelogs.MISSING + "b\n"),
        ("a" + machinelogs.MISSING + "b\n", "b\nc\n", "a" + machinelogs.MISSING + "b\nc\n"),
    ],
)
def test_a_log_is_put_together_from_what_was_seen_of_it(before: str, said: str, whole: str) -> None:
    assert machinelogs.joined(before, said) == whole


def test_a_ring_that_forgot_a_part_of_what_was_seen_tells_nothing_twice() -> None:
    lines = [f"(XEN) {number}: {'x' * 60}\n" for number in range(400)]
    before, whole = "".join(lines[:300]), "".join(lines[:350])
    for first in (100, 250, 299):
        assert machinelogs.joined(before, "".join(lines[first:350])[7:]) == whole, first
    same = "(XEN) the same again and again, as a line that is longer than 64 characters\n"
    assert machinelogs.MISSING not in machinelogs.joined(lines[0] + same * 100, same * 99)


def test_what_was_seen_of_a_log_outlives_xenstartdoms(world: World) -> None:
    world.control({"one": "true"}, {"dom0": ["one"]})
    run = world.begin()
    first = world.folder / "results" / run.id / "domains/dom0/kernel.log"
    (world.folder / "results" / run.id / "prepared").unlink()
    assert logs_of(world, "", OOPS.format(60), run_id=run.id) == 1
    run.update(state="testing")
    for name in ("3-console-check", "4-leak-check"):
        shutil.rmtree(first.parent / name)
    assert logs_of(world, "[   99.0] later\n", run_id=run.id, resume=True) == 1
    assert world.statuses()["dom0 3-console-check"] == "fail"
    assert "BUG: " in first.read_text() and first.read_text().endswith("later\n")


def test_a_guest_cannot_tell_its_crash_as_a_pass(world: World) -> None:
    """A result that it writes itself quotes what its console showed."""
    place = world.shared / "guest1/results/1-one"
    said = OOPS.format(5).strip()
    result = {"schema": 1, "domain": "guest1", "test": "one", "number": 1, "status": "pass"}
    result["reason"] = f"Linux BUG: {said.partition('] ')[2]}"
    done = f"rm {world.shared}/guest1/xentests.conf"
    (world.folder / "forged").write_text(json.dumps(result))
    write = f"mkdir -p {place}; cp {world.folder}/forged {place}/result.json; {done}"
    world.guest("guest1", f"echo '{said}'; {write}")
    world.control({"one": "true"}, {"guest1": ["one"]})
    assert world.start() == 1
    assert world.statuses()["guest1 1-one"] == "pass"
    assert world.statuses()["guest1 3-console-check"] == "fail"


MARKED = "[   {}.0] xentest: {} dom0 {}\n"
OTHER = "[   70.1] BUG: unable to handle page fault for address: ffff888000000000\n"
LATER = "[   71.1] Kernel panic - not syncing: Fatal exception\n"


def test_a_crash_that_a_result_tells_hides_none_in_another_test(world: World) -> None:
    said = OOPS.format(60).partition("] ")[2].strip()
    world.control(
        {"one": f"echo 'Linux BUG: {said}'; false", "two": "true"}, {"dom0": ["one", "two"]}
    )
    first = MARKED.format(59, "START", "1-one") + OOPS.format(60) + LATER.replace("71", "61")
    first += MARKED.format(62, "END", "1-one")
    second = MARKED.format(69, "START", "2-two") + OTHER + LATER + MARKED.format(72, "END", "2-two")
    assert logs_of(world, "", first) == 1
    assert "dom0 4-console-check" not in world.statuses(), "told once is enough"
    assert logs_of(world, "", first + second) == 1
    reason = world.results()["dom0 4-console-check"].reason
    assert "unable to handle page fault" in reason and "(while dom0 2-two ran)" in reason
