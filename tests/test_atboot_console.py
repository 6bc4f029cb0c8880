"""What is read from the console of a machine that went down, and of the boots after it."""

from __future__ import annotations

import pytest
from boot_console import GRUB, LINUX, OOPS, OWN, XEN, XEN_PANIC

from xentest import atboot

HANG = "xenlab: no sign of life for 60 s, hard reset\n"


@pytest.mark.parametrize(
    "said, cause",
    [
        (XEN + XEN_PANIC + OWN, "Xen panic: Panic on CPU 0: FATAL TRAP: vector = 6"),
        (XEN + LINUX + OOPS + OWN, "Linux BUG: BUG: kernel NULL pointer dereference"),
        (XEN + LINUX + "(XEN) Scrubbing\n" + OWN, "its last line: (XEN) Scrubbing"),
        (XEN + OWN, "no crash on the console; its last line: (XEN) Command line: console=com1"),
        (OWN, "the console said nothing"),
        ("", "the console said nothing"),
        (
            "[   9.0] Out of memory: Killed process 7 (tee)\n" + OOPS + OWN,
            "Linux BUG: BUG: kernel NULL",
        ),
        (  # this boot's kernel is quiet: the last version is that of the boot that died
            XEN + LINUX + OOPS + GRUB.format("Linux") + "own login:\n",
            "Linux BUG: BUG: kernel NULL pointer dereference",
        ),
        (XEN + LINUX + OOPS + "own login:\n", "Linux BUG: BUG: kernel NULL"),
        (OOPS + LINUX + OOPS.replace("panic", "worry") + "own login:\n", "Linux BUG: BUG: kernel"),
    ],
)
def test_why_it_died(said: str, cause: str) -> None:
    found, excerpt = atboot.explain_death(atboot.before_last_boot(said))
    assert cause in found
    assert excerpt or cause == "the console said nothing"


@pytest.mark.parametrize("before", ["", "a\nb\n", XEN + XEN_PANIC, XEN + LINUX + "c\n"])
def test_what_this_boot_said_is_cut(before: str) -> None:
    assert atboot.before_last_boot(before + OWN) == before
    by_itself = GRUB.format("Xen") + "(XEN) Xen version 4.17.5\n" + LINUX + "own\n"
    assert atboot.before_last_boot(before + by_itself) == before


@pytest.mark.parametrize("died", [XEN + HANG, XEN + XEN_PANIC, XEN + LINUX + OOPS])
@pytest.mark.parametrize("later", ["", GRUB.format("Linux") + LINUX + HANG])
def test_the_boot_that_was_tried_is_the_first(died: str, later: str) -> None:
    before = "[   99.0] reboot: Restarting system\n"
    said = atboot.before_last_boot(before + died + 2 * later + OWN)
    assert atboot.first_boot(said) == before + died


@pytest.mark.parametrize("said", ["", "a\nb\n", XEN, XEN + LINUX, LINUX + LINUX])
def test_one_boot_alone_is_kept(said: str) -> None:
    assert atboot.first_boot(said) == said
