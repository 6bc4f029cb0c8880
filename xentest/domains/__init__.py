"""Toolstacks: what starts, shows and stops domains.

The rest of the package knows only what stands here; `xl` is the one toolstack
there is so far.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, Optional, Protocol

NAMELESS = "(null)"  # a domain that is just being made, or just ending
SHUTDOWN_REASONS = {0: "powered off", 1: "rebooting", 2: "suspended", 3: "crashed", 4: "watchdog"}


@dataclass(frozen=True)
class DomainInfo:
    """A domain as the toolstack shows it now."""

    name: str
    domid: int
    state: str  # letters as in `xl list`: r b p s c d
    memory: int  # MiB
    vcpus: int
    uuid: str = ""
    shutdown_reason: Optional[int] = None

    @property
    def paused(self) -> bool:
        return "p" in self.state and not self.down

    @property
    def down(self) -> str:
        """Why the domain does not run any more; empty while it does."""
        if "c" in self.state:
            return "crashed"
        if "s" in self.state:
            reason = -1 if self.shutdown_reason is None else self.shutdown_reason
            return SHUTDOWN_REASONS.get(reason, "shut down")
        return "dying" if "d" in self.state else ""


@dataclass(frozen=True)
class Memory:
    """The machine's memory in MiB."""

    free: int
    claimed: int


class Toolstack(Protocol):
    """What the flow needs of a toolstack. Every call has a time limit."""

    def domains(self) -> list[DomainInfo]:
        """All domains there are."""

    def create(self, config: str, name: str, uuid: str, printed: IO[bytes]) -> DomainInfo:
        """Make a paused domain; refuses when one of that name exists.

        What makes it, and nothing that outlives the making, has `printed` as standard output.
        """

    def unpause(self, domain: DomainInfo) -> None:
        """Let it run."""

    def shutdown(self, domain: DomainInfo) -> None:
        """Ask it to shut down; does not wait."""

    def destroy(self, domain: DomainInfo) -> None:
        """End it at once, if it is still the very domain described."""

    def console(self, domain: DomainInfo) -> str:
        """The terminal its console can be read from; empty if it has none."""

    def memory(self) -> Memory:
        """Free and claimed memory now."""

    def store_paths(self) -> list[str]:
        """All node names that domains and tools have in the machine's store."""

    def log(self) -> str:
        """The hypervisor's own messages."""

    def facts(self) -> dict[str, str]:
        """What runs here: facts for run.json."""
