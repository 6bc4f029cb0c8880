"""What hypervisor and kernel say on this machine, kept before they forget it.

Both keep their log in a ring of memory: the hypervisor's holds little more than its boot. So
it is looked at now and then, and what is new is put behind what was there.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Mapping

from xentest import durable
from xentest.errors import XentestError

LOG_END = 4096  # so much of a log is found again in it, and nowhere else
LEAST_BEGIN = 64  # less of it is found anywhere
EVERY = 60.0  # seconds between two looks; each is a call of the toolstack
KEPT = 32 << 20
MISSING = "\n[xentest: a part is missing here: it was gone before it was looked at]\n"


@dataclass
class MachineLogs:
    """The logs of one boot, in files of `folder` that are named as their sources are."""

    folder: Path
    sources: Mapping[str, Callable[[], str]]
    _said: dict[str, str] = field(default_factory=dict)
    _next: float = 0.0

    def go_on(self) -> None:
        """Take up what was kept in this very boot, by an xenstartdoms that was killed."""
        for name in self.sources:
            try:
                self._said[name] = (self.folder / name).read_text("utf-8", "replace")
            except OSError:
                continue  # nothing was

    def look_now_and_then(self) -> None:
        """Keep what is new, if the last look was long ago; on a full disk in memory only."""
        if time.monotonic() < self._next:
            return
        try:
            self.look()
        except OSError:
            pass  # the last look tells
        self._next = time.monotonic() + EVERY

    def look(self) -> tuple[dict[str, str], str]:
        """All that was said, by log; and why some of it is not to be had now."""
        missing = ""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, source in self.sources.items():
            before, note = self._said.get(name, ""), ""
            try:
                self._said[name] = joined(before, source())[-KEPT:]
            except XentestError as error:
                missing = missing or f"{name}: {error.what}"
                note = f"[not to be had: {error.what}]\n"
            durable.write_text(self.folder / name, self._said.get(name, "") + note)
        return dict(self._said), missing


def joined(before: str, said: str) -> str:
    """A log as it was and as it is now, without what both hold twice."""
    seen = before.rpartition(MISSING)[2].rstrip()
    if not seen:
        return before + said
    end = seen[-LOG_END:]
    at = said.find(end)
    both = at + len(end) if at >= 0 else _begins_with_end_of(said, seen[-len(said) :])
    return before.rstrip() + (said[both:] if both else MISSING + said)


def _begins_with_end_of(said: str, seen: str) -> int:
    """With how much of it; a ring that is written to fast has forgotten all that was before."""
    begin = said[:LEAST_BEGIN]
    at = seen.find(begin) if len(begin) == LEAST_BEGIN else -1
    while at >= 0 and not said.startswith(seen[at:]):
        at = seen.find(begin, at + 1)
    return len(seen) - at if at >= 0 else 0
