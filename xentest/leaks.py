"""What a run left behind on the machine: domains, store nodes, memory.

`take` the basis before, `check` after.  Memory is given back in the background
(scrubbing), so a difference counts only when it stays.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import Any, Callable

from xentest.domains import Toolstack

POLL = 0.2
# Xen keeps some pages (grant tables, freed heap not yet merged) after its first guests.
FREE_TOLERANCE_MIB = 4
MAX_LISTED = 5

# Nodes that may appear without being left behind by a domain, and why.
VOLATILE = (
    (re.compile(r"/(vm|libxl|local/domain)"), "the roots come with the first guest"),
    (re.compile(r"/local/domain/0/backend(/[^/]+){0,2}"), "empty parents of former devices stay"),
    (re.compile(r"/local/domain/0/device-model"), "an empty parent of former device models"),
    (re.compile(r"/local/domain/0/libxl(/.*)?"), "xl notes its own settings on first use"),
    (re.compile(r"/local/domain/0/memory(/.*)?"), "xl notes dom0's size on first use"),
    (re.compile(r"/local/domain/0/control(/.*)?"), "dom0's kernel tells what it can do"),
)


@dataclass(frozen=True)
class Basis:
    """The machine at one moment."""

    domains: tuple[tuple[str, int, str], ...]  # name, domid, uuid
    nodes: frozenset[str]
    memory: int  # MiB free, plus what the domains of that moment hold
    claimed: int

    def to_json(self) -> dict[str, Any]:
        """For a file; from_json reads it again."""
        return {
            "domains": [list(domain) for domain in self.domains],
            "nodes": sorted(self.nodes),
            "memory": self.memory,
            "claimed": self.claimed,
        }


def from_json(value: dict[str, Any]) -> Basis:
    """A basis as to_json gave it."""
    domains = tuple((name, domid, uuid) for name, domid, uuid in value["domains"])
    return Basis(domains, frozenset(value["nodes"]), value["memory"], value["claimed"])


def take(toolstack: Toolstack) -> Basis:
    """The machine as it is now."""
    domains = toolstack.domains()
    memory = toolstack.memory()
    return Basis(
        domains=tuple((domain.name, domain.domid, domain.uuid) for domain in domains),
        nodes=frozenset(toolstack.store_paths()),
        memory=memory.free + sum(domain.memory for domain in domains),
        claimed=memory.claimed,
    )


def check(
    basis: Basis,
    toolstack: Toolstack,
    limit: float,
    sleep: Callable[[float], None] = time.sleep,
) -> list[str]:
    """What is left, one line each, after waiting up to `limit` seconds for it to go."""
    deadline = time.monotonic() + limit
    while True:
        found = compare(basis, take(toolstack))
        if not found or time.monotonic() >= deadline:
            return found
        sleep(POLL)


def compare(before: Basis, after: Basis) -> list[str]:
    """The differences that are leaks."""
    return _domains(before, after) + _nodes(before, after) + _memory(before, after)


def _domains(before: Basis, after: Basis) -> list[str]:
    left = [domain for domain in after.domains if domain not in before.domains]
    gone = [domain for domain in before.domains if domain not in after.domains]
    return [f"domain {name} (id {domid}) is left" for name, domid, _ in left] + [
        f"domain {name} (id {domid}), there before the run, is gone" for name, domid, _ in gone
    ]


def _nodes(before: Basis, after: Basis) -> list[str]:
    """New store nodes; those of a domain that is left, and what one that was there before
    the run writes in its own part of the store, are its own matter."""
    others = {domid for _, domid, _ in set(before.domains).intersection(after.domains)} - {0}
    living = {str(domid) for _, domid, _ in after.domains} - {
        str(domid) for _, domid, _ in before.domains
    }
    new = {
        path
        for path in after.nodes - before.nodes
        if not _is_volatile(path)
        and not living.intersection(path.split("/"))
        and not path.startswith(tuple(f"/local/domain/{domid}/" for domid in others))
    }
    tops = sorted(path for path in new if path.rpartition("/")[0] not in new)
    lines = [f"store node {path} is left ({_below(path, new)})" for path in tops[:MAX_LISTED]]
    if len(tops) > MAX_LISTED:
        lines.append(f"and {len(tops) - MAX_LISTED} more store nodes")
    return lines


def _below(top: str, nodes: set[str]) -> str:
    count = sum(1 for path in nodes if path == top or path.startswith(f"{top}/"))
    return f"{count} node{'s' if count != 1 else ''}"


def _is_volatile(path: str) -> bool:
    return any(pattern.fullmatch(path) for pattern, _ in VOLATILE)


def _memory(before: Basis, after: Basis) -> list[str]:
    lines = []
    lost = before.memory - after.memory
    if lost > FREE_TOLERANCE_MIB:
        lines.append(f"{lost} MiB of memory are not free again ({before.memory} before)")
    if after.claimed > before.claimed:
        lines.append(f"{after.claimed - before.claimed} MiB are still claimed")
    return lines
