"""Figures that cannot be read must cost neither the test nor the run."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from runner_box import Box
from xentest.results import Status
from xentest.verdict import figures

ENDLESS = r"(?P<name>(\w+\s?)+): (?P<value>\d+)"  # tries 2^60 ways on the line below
LINE = "a" * 60 + "!"


def test_a_pattern_that_tries_too_many_ways_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(figures, "LIMIT", 0.05)
    (tmp_path / "output").write_text(LINE + "\n")
    with pytest.raises(figures.TooSlow, match="fewer ways"):
        figures.read(ENDLESS, tmp_path / "output", tmp_path)
    (tmp_path / "output").write_text("speed: 5\n")
    assert [item.value for item in figures.read(ENDLESS, tmp_path / "output", tmp_path)] == [5.0]
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)


def test_a_subtest_worse_than_a_time_out_stays(box: Box) -> None:
    report = "Starting suite: s\\na: kernel panic\\n"
    found = box.one(
        1, run_command=f"printf '{report}'; sleep 60", timeout="1", result_format="kirk"
    )
    assert found.status is Status.CRASH and "ended after 1 s" in found.reason
    assert "kernel panic" in found.reason
