"""Figures that cannot be read must cost neither the test nor the run."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from xentest import control, trial
from xentest.process import Outcome
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
    monkeypatch.setattr(figures, "LIMIT", 60.0)
    (tmp_path / "output").write_text("speed: 5\n")
    assert [item.value for item in figures.read(ENDLESS, tmp_path / "output", tmp_path)] == [5.0]
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)


def test_a_subtest_worse_than_a_time_out_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hangs(item: trial.Trial, _: str, output: Path) -> Outcome:
        output.write_text("Starting suite: s\na: kernel panic\n")
        return Outcome(-9, True, 1.0, (), (), "")

    monkeypatch.setattr(trial, "_command", hangs)
    test = control.Test("t", "kirk", timeout=1.0, result_format="kirk")
    domain = control.Domain("XENVM0", "box", str(tmp_path / "temp"), ("t",), "never")
    item = trial.Trial(tmp_path / "shared", domain, 1, test)
    item.folder.mkdir(parents=True)
    found = trial.perform(item)
    assert found.status is Status.CRASH, found
    assert "a: kernel panic" in found.reason and "ended after 1 s" in found.reason
