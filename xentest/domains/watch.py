"""When a domain's tests are over: because all is done, or because the domain is.

Pure: it is told what is seen and what time it is, and decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Optional, Sequence

from xentest.domains import DomainInfo
from xentest.results import Status
from xentest.shared import Glance

if TYPE_CHECKING:
    from xentest.control import Test

# A test is downloaded, built, installed and run, each under the test's own limit.
STAGES = 4
SLACK = 60.0


@dataclass(frozen=True)
class Limits:
    """How long what may take, in seconds."""

    boot: float = 300.0
    down: float = 10.0  # a domain that is gone may be rebooting
    paused: float = 60.0
    settle: float = 30.0  # freed memory is scrubbed in the background


@dataclass(frozen=True)
class Ending:
    """Why no more results come; `running` is what becomes of the test that ran."""

    reason: str
    running: Status
    rest: Status = Status.BLOCKED


@dataclass
class DomainWatch:
    """One domain, watched from when it was started until its tests are over."""

    name: str
    plan: Sequence[tuple[int, Test]]
    limits: Limits
    since: float
    glance: Glance  # as it was before the domain was started
    seen: bool = False  # whether the toolstack has shown it
    came_up: bool = False
    furthest: int = 0  # the highest number of a test that ran
    down_since: Optional[float] = None
    down_as: str = ""
    paused_since: Optional[float] = None

    def look(self, now: float, glance: Glance, info: Optional[DomainInfo]) -> Optional[Ending]:
        """What ended it, if anything did; `info` is None when the toolstack does not show it."""
        if self._gets_on(glance):
            self.came_up, self.since = True, now
        self.glance = glance
        self._note(now, info)
        return self._death(now) or self._hang(now)

    def _gets_on(self, glance: Glance) -> bool:
        """Only what cannot go on for ever counts: whatever a guest writes, its time is limited."""
        further = (glance.running or 0) > self.furthest
        if further:
            self.furthest = glance.running or 0
        return further or glance.left < self.glance.left

    def _note(self, now: float, info: Optional[DomainInfo]) -> None:
        self.seen = self.seen or info is not None
        down = info.down if info is not None else "gone" if self.seen else ""
        if down:
            self.down_since = now if self.down_since is None else self.down_since
            self.down_as = down if down != "gone" or not self.down_as else self.down_as
        else:
            self.down_since, self.down_as = None, ""
        if info is not None and info.paused:
            self.paused_since = now if self.paused_since is None else self.paused_since
        else:
            self.paused_since = None

    def _death(self, now: float) -> Optional[Ending]:
        if self.down_since is not None and now - self.down_since >= self.limits.down:
            return Ending(f"{self.name} is down ({self.down_as})", Status.CRASH)
        if self.paused_since is not None and now - self.paused_since >= self.limits.paused:
            reason = f"{self.name} has been paused for {self.limits.paused:.0f} s"
            return Ending(reason, Status.CRASH)
        return None

    def _hang(self, now: float) -> Optional[Ending]:
        waited = now - self.since
        if not self.came_up and waited >= self.limits.boot:
            return Ending(f"{self.name} never came up ({waited:.0f} s)", Status.TIMEOUT)
        if waited < self._patience():
            return None
        doing = "its test runs" if self.glance.running else "it is between tests"
        reason = f"{self.name} hangs: nothing new for {waited:.0f} s while {doing}"
        return Ending(reason, Status.TIMEOUT)

    def _patience(self) -> float:
        for number, test in self.plan:
            if number == self.glance.running:
                prepared = test.source_url or test.build_command or test.install_command
                return (STAGES if prepared else 1) * test.timeout + SLACK
        return self.limits.boot + SLACK
