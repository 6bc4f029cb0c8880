"""Whether this machine can do the run of a control file: told before it is begun.

What would surely make the run fail is `certain`; what only may is worth a look. Nothing is
changed here, and nothing that cannot be known is guessed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Sequence

from xentest.errors import BrokenError

if TYPE_CHECKING:
    from xentest.boot import Paths
    from xentest.control import Control


@dataclass(frozen=True)
class Finding:
    """What is not as the run needs it, what that means and what to do."""

    what: str
    advice: str
    certain: bool = True


@dataclass(frozen=True)
class Ask:
    """What is to be run, and on which machine; tests put their own in place of the latter."""

    control: Control
    paths: Paths
    reboot: bool = True
    user: int = field(default_factory=os.geteuid)
    hostname: str = field(default_factory=lambda: os.uname().nodename)

    @property
    def hypervisor(self) -> str:
        return self.control.preferences.hypervisor


def look(ask: Ask) -> list[Finding]:
    """Everything that is found, what is certain first."""
    from xentest.readiness import loader, night, place

    found = [*place.look(ask), *loader.look(ask), *night.look(ask)]
    return sorted(found, key=lambda finding: not finding.certain)


def told(findings: Sequence[Finding]) -> str:
    """The findings as a person reads them."""
    lines = []
    for certain, head in (
        (True, "This machine is not ready for it:"),
        (False, "To be looked at before the night:"),
    ):
        some = [finding for finding in findings if finding.certain == certain]
        lines += [head] if some else []
        for finding in some:
            lines += [f"  {finding.what}", f"    {finding.advice}"]
    return "\n".join(lines or ["This machine is ready for it."])


def demand(findings: Sequence[Finding]) -> None:
    """Refuse a run that can only fail. Raises BrokenError with all that is certain."""
    sure = [finding for finding in findings if finding.certain]
    if sure:
        what = "; ".join(finding.what for finding in sure)
        advice = "\n  ".join(finding.advice for finding in sure)
        raise BrokenError(f"this machine is not ready for the run: {what}", advice)
