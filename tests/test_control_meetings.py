"""Barriers that no domain could pass are told; those of which nobody knows are not."""

from __future__ import annotations

import pytest

from xentest import control, control_meetings

HEAD = "[Preferences]\nxen-tree=x\nshared_dir=/x/shared\n[Locations]\nx=file:///x.tar.gz\n"


def parse(*plans: str, **commands: str) -> control.Control:
    """Domains that list barriers and then tests ("a b: t u"), and the commands of these tests."""
    listed = " ".join(plans).split()
    used = [f"[{name}]\nrun_command={line}\n" for name, line in commands.items() if name in listed]
    text = HEAD + "".join(used)
    for number, plan in enumerate(plans):
        barriers, _, tests = plan.partition(":")
        text += f"[XENVM{number}]\nname=g{number}\ntempdir=/var/tmp/x\nbarriers={barriers}\n"
        text += "".join(f"test{i}={test}\n" for i, test in enumerate(tests.split(), 1))
    return control.parse(text, "night.cfg")


def wait(*names: str) -> str:
    return " && ".join(f"xenruntests --barrier {name}" for name in names)


@pytest.mark.parametrize(
    "plans",
    [
        ("a b: ta tb", "a b: tb ta"),
        ("a b: ab", "a b: tb ta"),
        ("a b: ta ta tb", "a b: ta tb ta"),
        ("a b: ta tb", "b c: tb tc", "a c: tc ta"),
        ("a b c: ta tb tc", "a b c: ta tc tb", "a b c: ta tb tc"),
    ],
)
def test_crossed_order(plans: tuple[str, ...]) -> None:
    with pytest.raises(control.ControlError, match="each waits for the next, and none comes"):
        parse(*plans, ta=wait("a"), tb=wait("b"), tc=wait("c"), ab=wait("a", "b"))


@pytest.mark.parametrize(
    "plans",
    [
        ("a b: ta tb", "a b: ta tb"),
        ("a b: ta tb ta", "a b: ab ta"),
        ("a b: ta tb", "b c: tb tc", "a c: ta tc"),
        ("a b: ta tb", "a b: maybe ta"),
        ("a b: ta tb", "a b: two ta"),
        ("a b: ta tb", "a b: by_role ta"),
        ("a b: ta tb", "a b: tb script"),
        ("a b: ta tb", "a b: beside"),
        ("a b: ta tb", "a b: again"),
        ("a b: ta tb", "a b: at_end"),
    ],
)
def test_order_that_is_good_or_not_known(plans: tuple[str, ...]) -> None:
    parse(
        *plans,
        ta=wait("a"),
        tb=wait("b"),
        tc=wait("c"),
        ab=wait("a", "b"),
        maybe=wait("b") + " || exit 1",
        two=wait("b") + " 2",
        by_role='[ "$XENTEST_ROLE" = x ] && ' + wait("b"),
        script="./meets-the-others",
        beside=f"{wait('b')} & {wait('a')}; wait",
        again=f"for i in 1 2; do {wait('b')}; {wait('a')}; done",
        at_end=f"trap '{wait('b')}' EXIT; {wait('a')}",
    )


def test_many_repeats_take_no_time() -> None:
    meets = "true\nrepeat=1000"
    parse("a b: ta tb", "a b: ta tb", ta=meets.replace("true", wait("a")), tb=wait("b"))


def test_a_barrier_that_no_command_of_the_domain_names() -> None:
    found = parse("a b: ta", "a b: ta", "a b: ta tb", ta=wait("a"), tb=wait("b"))
    missed = control_meetings.missed(found.domains, found.tests)
    assert [(domain.name, name) for domain, name in missed] == [("g0", "b"), ("g1", "b")]


@pytest.mark.parametrize("command", ["./t --meet b", "BARRIER=b ./t", wait("b"), "./t\nenv=MEET=b"])
def test_a_barrier_that_a_command_names(command: str) -> None:
    found = parse("b: t", "b: u", t=command, u=wait("b"))
    assert not list(control_meetings.missed(found.domains, found.tests))
    found = parse("b: u", "b: t u", t="./c --beb", u=wait("b"))
    assert not list(control_meetings.missed(found.domains, found.tests))
