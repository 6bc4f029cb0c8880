"""What counts as left behind."""

from __future__ import annotations

from dataclasses import replace

from xentest import leaks
from xentest.domains import DomainInfo, Memory, Toolstack

BEFORE = leaks.Basis(
    domains=(("Domain-0", 0, "u0"),),
    nodes=frozenset({"/local/domain/0", "/local/domain/0/name"}),
    memory=2000,
    claimed=0,
)


def test_nothing_left_is_nothing_said() -> None:
    assert leaks.compare(BEFORE, BEFORE) == []
    assert leaks.compare(BEFORE, replace(BEFORE, memory=2000 - leaks.FREE_TOLERANCE_MIB)) == []
    assert leaks.compare(BEFORE, replace(BEFORE, memory=2100)) == []


def test_a_domain_left_is_named_once() -> None:
    after = replace(
        BEFORE,
        domains=BEFORE.domains + (("guest1", 5, "u5"),),
        nodes=BEFORE.nodes | {"/local/domain/5", "/local/domain/5/name", "/libxl/5"},
    )
    assert leaks.compare(BEFORE, after) == ["domain guest1 (id 5) is left"]


def test_a_domain_that_was_replaced_is_left_and_gone() -> None:
    before = replace(BEFORE, domains=BEFORE.domains + (("other", 3, "u3"),))
    after = replace(BEFORE, domains=BEFORE.domains + (("other", 4, "u3"),))
    assert leaks.compare(before, after) == [
        "domain other (id 4) is left",
        "domain other (id 3), there before the run, is gone",
    ]


def test_store_nodes_are_told_by_their_top() -> None:
    new = {"/local/domain/5", "/local/domain/5/a", "/local/domain/5/a/b", "/vm/u5"}
    after = replace(BEFORE, nodes=BEFORE.nodes | new)
    assert leaks.compare(BEFORE, after) == [
        "store node /local/domain/5 is left (3 nodes)",
        "store node /vm/u5 is left (1 node)",
    ]


def test_what_a_foreign_guest_writes_into_its_own_part_is_no_leak() -> None:
    foreign = replace(BEFORE, domains=BEFORE.domains + (("other", 5, "u5"),))
    written = {"/local/domain/5/data/updated", "/local/domain/0/backend/vif/5/7"}
    after = replace(foreign, nodes=BEFORE.nodes | written | {"/local/domain/55/data"})
    assert leaks.compare(foreign, after) == [
        "store node /local/domain/0/backend/vif/5/7 is left (1 node)",
        "store node /local/domain/55/data is left (1 node)",
    ]


def test_many_store_nodes_are_counted() -> None:
    new = {f"/local/domain/{number}" for number in range(10, 30)}
    lines = leaks.compare(BEFORE, replace(BEFORE, nodes=BEFORE.nodes | new))
    assert len(lines) == leaks.MAX_LISTED + 1 and lines[-1] == "and 15 more store nodes"


def test_volatile_nodes_are_no_leak_but_real_ones_beside_them_are() -> None:
    volatile = {
        "/libxl",
        "/vm",
        "/local/domain/0/backend",
        "/local/domain/0/backend/vif",
        "/local/domain/0/memory/target",
        "/local/domain/0/libxl/disable_udev",
    }
    assert leaks.compare(BEFORE, replace(BEFORE, nodes=BEFORE.nodes | volatile)) == []
    left = volatile | {"/local/domain/0/backend/vif/5/0", "/local/domain/0/backend/vif/5/0/mac"}
    lines = leaks.compare(BEFORE, replace(BEFORE, nodes=BEFORE.nodes | left))
    assert lines == ["store node /local/domain/0/backend/vif/5/0 is left (2 nodes)"]


def test_memory_and_claims() -> None:
    after = replace(BEFORE, memory=1990, claimed=3)
    assert leaks.compare(BEFORE, after) == [
        "10 MiB of memory are not free again (2000 before)",
        "3 MiB are still claimed",
    ]


def test_a_basis_survives_its_file() -> None:
    assert leaks.from_json(BEFORE.to_json()) == BEFORE


class Machine:
    """Gives memory back only after some looks."""

    def __init__(self, free: list[int]) -> None:
        self.free = free

    def domains(self) -> list[DomainInfo]:
        return [DomainInfo("Domain-0", 0, "r-----", 1000, 1, "u0")]

    def memory(self) -> Memory:
        return Memory(self.free.pop(0) if len(self.free) > 1 else self.free[0], 0)

    def store_paths(self) -> list[str]:
        return sorted(BEFORE.nodes)


def check(free: list[int], limit: float) -> list[str]:
    machine: Toolstack = Machine(free)  # type: ignore[assignment]
    return leaks.check(BEFORE, machine, limit, sleep=lambda seconds: None)


def test_memory_that_comes_back_late_is_no_leak() -> None:
    assert check([800, 900, 1000], limit=10) == []


def test_memory_that_does_not_come_back_is_one() -> None:
    assert check([800], limit=0.05) == ["200 MiB of memory are not free again (2000 before)"]
