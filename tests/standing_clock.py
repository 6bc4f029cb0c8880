"""A clock that stands until what a time limit is to meet is there.

A test of a short limit must not depend on how fast a machine comes to the place where the time
is to run out: there the limit would be met too early, and something else be seen.
"""

from __future__ import annotations

import time
from typing import Any, Callable

LIMIT = 300.0


class StandingClock:
    """In the place of a module's `time`: its monotonic clock goes on once `ready` says so."""

    def __init__(self, ready: Callable[[], bool]) -> None:
        self._ready = ready
        self._begun = time.monotonic()
        self._stood: float | None = None

    def monotonic(self) -> float:
        now = time.monotonic()
        if self._stood is None:
            if not self._ready():
                assert now - self._begun < LIMIT, "what the clock waits for never came"
                return self._begun
            self._stood = now - self._begun
        return now - self._stood

    def __getattr__(self, name: str) -> Any:
        return getattr(time, name)
