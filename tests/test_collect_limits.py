"""However much a guest writes, however deep, what is collected of it is bounded."""

from __future__ import annotations

import os
import subprocess
import tracemalloc
from pathlib import Path
from typing import Iterator

import pytest

from collect_box import Place
from stub_world import wait_for
from xentest import collect, shared
from xentest.results import Status, Subtest
from xentest.verdict.findings import MAX_LISTED


def test_sizes_and_counts_are_capped(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect, "OUTPUT_LIMIT", 1000)
    monkeypatch.setattr(collect, "LOGS_LIMIT", 2000)
    monkeypatch.setattr(collect, "LOGS_FILES", 5)
    (place.test() / "output").write_bytes(b"x" * 5000)
    (place.test() / "logs").mkdir()
    for number in range(20):
        (place.test() / f"logs/{number}").write_bytes(b"y" * 900)
    place.finish()
    (found,) = place.collect()
    assert found.status is Status.PASS and "refused" in found.reason
    assert (place.stored / "output").stat().st_size == 1000
    logs = list((place.stored / "logs").iterdir())
    assert len(logs) <= 5 and sum(log.stat().st_size for log in logs) <= 2000
    told = (place.stored / "refused").read_text()
    assert "output: the rest is cut" in told and "more files than allowed" in told


def test_exactly_full_is_not_cut(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect, "OUTPUT_LIMIT", 1000)
    (place.test() / "output").write_bytes(b"x" * 1000)
    place.finish()
    assert place.collect()[0].reason == ""


def test_a_growing_file_ends(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect, "OUTPUT_LIMIT", 8 << 20)
    growing = place.test() / "output"
    writer = subprocess.Popen(["sh", "-c", f"exec yes > {growing}"])
    try:
        wait_for(lambda: growing.exists() and growing.stat().st_size > 0, "the first bytes")
        place.finish()
        place.collect()
        assert (place.stored / "output").stat().st_size <= 8 << 20
    finally:
        writer.kill()
        writer.wait()


def test_a_sparse_giant_is_capped(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collect, "LOGS_LIMIT", 1 << 20)
    (place.test() / "logs").mkdir()
    with open(place.test() / "logs/giant", "wb") as giant:
        giant.truncate(1 << 42)
    place.finish()
    place.collect()
    assert (place.stored / "logs/giant").stat().st_size == 1 << 20


def make_deep(folder: Path, levels: int) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir("d", dir_fd=descriptor)
        inner = os.open("d", os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inner
    os.close(os.open("bottom", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
    os.close(descriptor)


@pytest.fixture
def deep(place: Place) -> Iterator[Path]:
    logs = place.test() / "logs"
    logs.mkdir()
    make_deep(logs, 3000)
    yield logs
    subprocess.run(["rm", "-rf", place.shared], check=True)  # pytest cannot


def test_a_deep_tree_is_cut_and_can_be_removed(place: Place, deep: Path) -> None:
    place.finish()
    assert place.collect()[0].status is Status.PASS
    assert "folders deep" in (place.stored / "refused").read_text()
    shared.make_fresh(place.shared, place.run.id, ["guest1"], None)
    assert list((place.shared / "guest1").iterdir()) == []


def test_few_bytes_do_not_become_much_memory(place: Place) -> None:
    """30 MiB of empty lists would take 800."""
    bomb = b'{"schema": 1, "subtests": [' + b"[]," * 10_000_000 + b"0]}"
    (place.test() / "result.json").write_bytes(bomb)
    tracemalloc.start()
    try:
        (found,) = place.collect()
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.status is Status.ERROR and "values" in found.reason
    assert most < 4 * len(bomb)


def test_the_largest_result_of_ours_is_taken(place: Place) -> None:
    words = "assert [1, 2, 3, 4, 5] == [1, 2, 3, 4]"
    bad = [Subtest(f"t[{n}-a,b]", Status.FAIL, words, 0.5, n) for n in range(MAX_LISTED)]
    good = [Subtest(f"u[{n}-a,b]", Status.PASS, "", 0.5, n) for n in range(MAX_LISTED)]
    place.finish(status=Status.FAIL, subtests=bad + good)
    (found,) = place.collect()
    assert found.status is Status.FAIL and len(found.subtests) == 2 * MAX_LISTED
