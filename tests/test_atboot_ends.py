"""How a run ends at a boot whose xenstartdoms was killed, gave no verdict, or gave it long ago."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

import pytest

from atboot_box import Stand, words
from xentest import runs
from xentest.errors import EXIT_INTERRUPTED


@pytest.fixture
def stand(tmp_path: Path) -> Stand:
    return Stand(tmp_path)


@pytest.mark.parametrize("phase", ["building", "booting", "testing"])
def test_a_run_that_is_over_stays_as_it_is(stand: Stand, phase: str) -> None:
    """The power went after its verdict was kept and before its state was cleared."""
    run = stand.begin(phase=phase)
    run.update(state="finished", status="fail", reason="the tree does not build: x")
    before = (run.folder / "run.json").read_bytes()
    assert stand.come_up() == 0
    assert stand.asked == [] and stand.is_over()
    assert (run.folder / "run.json").read_bytes() == before
    assert f"run {run.id} is over (fail)" in stand.said.getvalue()


def ending_so(stand: Stand, monkeypatch: pytest.MonkeyPatch, *ends: tuple[int, str]) -> None:
    """What comes of xenstartdoms each time it is called: its status, and the run's state."""
    left = list(ends)
    asked = stand._start_domains

    def start(words: Sequence[str]) -> int:
        stand.status, stand.ends = left.pop(0)
        return asked(words)

    monkeypatch.setattr(stand, "_start_domains", start)


def test_a_killed_xenstartdoms_is_started_again(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the kernel kills when memory is used up."""
    stand.begin()
    ending_so(stand, monkeypatch, (-9, ""), (0, "finished"))
    assert stand.come_up() == 0
    assert stand.asked == [words(stand), words(stand, "--resume")]
    assert "was killed (signal 9)" in stand.said.getvalue() and stand.is_over()


def test_one_that_is_always_killed_ends_the_run(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand.begin()
    ending_so(stand, monkeypatch, (-9, ""), (-9, ""), (-9, ""), (1, "finished"))
    assert stand.come_up() == 1
    why = "xenstartdoms ended without a verdict (status -9)"
    assert stand.asked[3:] == [words(stand, "--give-up", why)] and stand.is_over()


def test_one_that_gives_no_verdict_is_not_waited_for(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else run.json would say `testing` until somebody looks."""
    stand.begin()
    ending_so(stand, monkeypatch, (3, ""), (3, ""))
    assert stand.come_up() == 3
    assert [asked[4] for asked in stand.asked[1:]] == ["--give-up"]
    facts = stand.run().facts
    assert (facts["state"], facts["status"]) == ("broken", "broken") and stand.is_over()
    assert facts["reason"] == "xenstartdoms ended without a verdict (status 3)"


def test_an_interrupted_one_is_gone_on_with_at_the_next_boot(stand: Stand) -> None:
    stand.begin()
    stand.status, stand.ends = EXIT_INTERRUPTED, ""
    assert stand.come_up() == EXIT_INTERRUPTED
    assert len(stand.asked) == 1 and stand.state().phase == "testing"


def test_one_that_still_works_is_left_to_it(stand: Stand) -> None:
    stand.begin(phase="testing", boot_id=stand.now)
    with runs.Lock(stand.paths.lock, "xenstartdoms"):
        assert stand.come_up() == 0
    assert stand.asked == [] and stand.state().phase == "testing"
    assert "goes on: another command works on this machine: xenstartdoms" in stand.said.getvalue()
