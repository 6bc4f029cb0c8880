"""A boot into the hypervisor that ended without a word: its power may have been cut."""

from __future__ import annotations

from pathlib import Path

import pytest

from atboot_box import Stand, words
from boot_console import OWN, XEN, XEN_PANIC

FAULT = "the machine came back without Xen"
HANG = "xenlab: no sign of life for 60 s, hard reset\n"


@pytest.fixture
def stand(tmp_path: Path) -> Stand:
    stand = Stand(tmp_path)
    stand.fault = FAULT
    return stand


def test_a_cut_boot_is_tried_again(stand: Stand) -> None:
    stand.begin(resumes=1, excerpt="why the test died").update(boots=1, crashes=["Xen BUG"])
    stand.console_says(XEN + OWN)
    assert stand.come_up() == 0
    assert stand.asked == ["choose", "reboot"]
    state, facts = stand.state(), stand.run().facts
    assert (state.phase, state.resumes, state.boot_id) == ("booting", 2, stand.now)
    assert state.console_size == stand.console.stat().st_size
    assert state.excerpt == "why the test died"
    told = (
        "while it booted: no crash on the console; its last line: (XEN) Command line: console=com1"
    )
    assert facts["crashes"] == ["Xen BUG", told] and facts["state"] == "booting"
    # it comes up: the run goes on
    stand.asked.clear()
    stand.fault, stand.now = "", "next-boot"
    assert stand.come_up() == 0
    assert stand.asked[0][:5] == words(stand, "--resume")


def test_not_more_often_than_the_budget_allows(stand: Stand) -> None:
    stand.begin(resumes=2).update(boots=1)
    stand.console_says(XEN + OWN)
    stand.come_up()
    (asked,) = stand.asked
    assert asked[:5] == words(stand, "--give-up") and "did not come up" in asked[5]
    assert stand.is_over()


def test_one_that_never_came_up_has_a_second_chance_and_no_third(stand: Stand) -> None:
    stand.begin()
    stand.console_says(XEN + OWN)
    assert stand.come_up() == 0
    assert stand.asked == ["choose", "reboot"]
    stand.asked.clear()
    stand.now = "next-boot"
    stand.console_says(XEN + OWN)
    assert stand.come_up() == 3
    facts = stand.run().facts
    assert stand.asked == [] and facts["status"] == "broken"
    assert facts["reason"].startswith(f"the hypervisor did not come up ({FAULT}): no crash")
    assert stand.is_over()


def test_nor_a_second_one_where_no_reboot_is_allowed(stand: Stand) -> None:
    run = stand.begin()
    text = run.control_file.read_text()
    run.control_file.write_text(text.replace("reboot_budget=2", "reboot_budget=0"))
    stand.console_says(XEN + OWN)
    assert stand.come_up() == 3
    assert stand.asked == [] and stand.run().facts["status"] == "broken"


@pytest.mark.parametrize("said", [XEN + XEN_PANIC + OWN, XEN + HANG + OWN, OWN])
def test_what_tells_why_is_final(stand: Stand, said: str) -> None:
    """A crash, a hang, or another entry that was booted in its place."""
    stand.begin()
    stand.console_says(said)
    assert stand.come_up() == 3
    assert stand.asked == [] and stand.run().facts["state"] == "broken"
