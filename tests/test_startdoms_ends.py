"""How xenstartdoms ends when its own xenruntests, or its user, gives up."""

from __future__ import annotations

import pytest

from stub_world import World
from xentest import fleet


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
