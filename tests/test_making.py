"""xenstartdoms that is killed while a guest is made: whose that is, and what becomes of it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from runner_box import is_gone
from stub_world import RUN_TESTS, World, wait_for
from xentest import guests, making, shared, strays
from xentest.domains import DomainInfo
from xentest.domains.xl import Xl

UUID = "11111111-2222-3333-4444-555555555555"
STAGES = ("nothing", "nameless", "half-made")


@pytest.fixture
def held(world: World, request: pytest.FixtureRequest) -> World:
    """A run whose xenstartdoms was killed while `xl create` stood still at this stage."""
    world.guest("guest1", f"{RUN_TESTS} guest1; sleep 2")
    world.control({"one": "true"}, {"dom0": ["one"], "guest1": ["one"]})
    (world.state / f"hold-{request.param}").touch()
    running = world.spawn(resume=False)
    wait_for((world.state / "held").exists, "xl create to stand still")
    running.kill()
    running.wait()
    return world


def maker(world: World) -> int:
    return int((world.state / "held").read_text())


def let_go(world: World) -> None:
    (world.state / "holding").unlink()


def waits_for_the_maker(world: World, running: "subprocess.Popen[bytes]") -> bool:
    assert running.poll() is None, (world.folder / "driver.log").read_text()
    for link in Path(f"/proc/{running.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            if os.path.basename(os.readlink(link)) == making.NOTE:
                return True
    return False


def assert_all_well(world: World) -> None:
    found = world.statuses()
    assert set(found.values()) == {"pass"}, world.results()
    assert {"dom0 1-one", "guest1 1-one"} <= set(found) and any("leak" in name for name in found)
    assert list(world.stub_state()["domains"]) == ["Domain-0"]


@pytest.mark.parametrize("held", STAGES, indirect=True)
@pytest.mark.parametrize("resume", [True, False], ids=["resumed", "a new run"])
def test_who_comes_next_waits_for_what_still_makes_the_guest(held: World, resume: bool) -> None:
    running = held.spawn(resume=resume)
    wait_for(lambda: waits_for_the_maker(held, running), "the one that comes next to wait")
    let_go(held)
    assert running.wait(300) == 0, (held.folder / "driver.log").read_text()
    assert_all_well(held)


@pytest.mark.parametrize("held", STAGES, indirect=True)
@pytest.mark.parametrize("resume", [True, False], ids=["resumed", "a new run"])
def test_what_was_left_half_made_is_destroyed(held: World, resume: bool) -> None:
    os.kill(maker(held), signal.SIGKILL)
    let_go(held)
    wait_for(lambda: is_gone(str(maker(held))), "xl create to be gone")
    assert held.spawn(resume=resume).wait(300) == 0, (held.folder / "driver.log").read_text()
    assert_all_well(held)


@pytest.mark.parametrize("held", STAGES, indirect=True)
def test_what_makes_a_guest_for_ever_is_ended(held: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "LIMIT", 0.2)
    assert held.start(resume=True) == 0
    assert is_gone(str(maker(held)))
    assert_all_well(held)


@pytest.mark.parametrize("stage", STAGES)
def test_a_guest_that_takes_too_long_to_make_is_no_leak(
    world: World, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xentest.domains.xl.CREATE_LIMIT", 2.0)
    world.guest("guest1", "true")
    world.control({"one": "true"}, {"dom0": ["one"], "guest1": ["one"]})
    (world.state / f"hold-{stage}").touch()
    assert world.start() == 1
    assert "did not end within" in world.results()["guest1 2-boot"].reason
    assert world.statuses() == {
        "dom0 1-one": "pass",
        "dom0 4-leak-check": "pass",
        "guest1 1-one": "blocked",
        "guest1 2-boot": "error",
    }
    assert list(world.stub_state()["domains"]) == ["Domain-0"]


def test_what_lives_as_long_as_the_guest_holds_no_lock(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As xl does: it waits for the end of the guest, with a log of its own."""
    monkeypatch.setenv("PATH", f"{world.folder}/bin:/usr/bin:/bin")
    monkeypatch.setenv("STUB_XEN", str(world.state))
    world.guest("guest1", f"{RUN_TESTS} guest1; sleep 2")
    with making.noted(world.folder) as printed:
        made = Xl().create(str(world.folder / "guest1.xl"), "guest1", UUID, printed)
        printed.close()  # as one who is killed does
        assert not making.settled(world.folder)
        assert strays.end(strays.GUEST, str(world.folder / making.NOTE)) != [], "it was not to end"
    assert made.paused and making.settled(world.folder)


@pytest.mark.parametrize("held", ["nothing"], indirect=True)
def test_a_run_that_breaks_leaves_no_guest_that_is_still_made(held: World) -> None:
    (held.shared / shared.OWNER).write_text("20990101-000000\n")
    running = held.spawn(resume=True)
    wait_for(lambda: waits_for_the_maker(held, running), "the one that comes next to wait")
    let_go(held)
    assert running.wait(300) == 3, (held.folder / "driver.log").read_text()
    assert list(held.stub_state()["domains"]) == ["Domain-0"]


class Listed(Xl):
    """Shows what it is told to, and notes what it is to destroy."""

    def __init__(self, *shown: DomainInfo) -> None:
        super().__init__()
        self.shown, self.asked = list(shown), list[int]()

    def domains(self) -> list[DomainInfo]:
        return self.shown

    def destroy(self, domain: DomainInfo) -> None:
        self.asked.append(domain.domid)


def test_whose_a_nameless_domain_is(world: World) -> None:
    """Ours is one with a uuid of ours that is being made; one that ends does so by itself."""
    world.control({"one": "true"}, {"dom0": ["one"]})
    earlier, now = world.begin(), world.begin()
    (earlier.folder / guests.CREATED).write_text(json.dumps({"guest1": UUID}))
    other = UUID.replace("1", "2")
    shown = Listed(
        DomainInfo("(null)", 3, "--p---", 1, 1, other),
        DomainInfo("(null)", 4, "--p---", 1, 1, ""),
        DomainInfo("(null)", 5, "--ps-d", 1, 1, UUID),
        DomainInfo("(null)", 6, "--p---", 1, 1, UUID),
        DomainInfo("guest2", 7, "--p---", 1, 1, UUID),
        DomainInfo("guest1", 8, "-b----", 1, 1, other),
    )
    assert guests.end_leftovers(world.folder / "results", now, shown) == ["(null)"]
    assert shown.asked == [6]
