"""What a fuzzer was doing when the machine died: its marks on the console.

xenfc says `XENFC seed S call N` on Xen's console before each block of calls, so that a machine
that died shows where.  Here that becomes words for the reason of the test's result.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Optional

from xentest.verdict import console

MARK = re.compile(r"XENFC seed (\d{1,20})(?: twist (\d{1,20}))? call (\d{1,20})\s*$", re.MULTILINE)
BLOCK = 4096  # calls between two marks
MINIMISE = "payloads/xenfc/ring0/minimise"


@dataclass(frozen=True)
class Mark:
    """Calls `call` to `last` of a sequence: one of them, or what they left, did it."""

    seed: int
    call: int
    twist: int = 0

    @property
    def last(self) -> int:
        return self.call + BLOCK - 1

    @property
    def line(self) -> str:
        """As it stands on the console."""
        twist = f" twist {self.twist}" if self.twist else ""
        return f"XENFC seed {self.seed}{twist} call {self.call}"

    @property
    def command(self) -> str:
        """What shrinks the sequence to the fewest calls, in an emulated machine."""
        twist = f" twist={self.twist}" if self.twist else ""
        return f"{MINIMISE} {self.seed} --until to={self.last}{twist}"

    @property
    def words(self) -> str:
        """For the reason of a result."""
        twist = f" twist {self.twist}" if self.twist else ""
        return (
            f"xenfc was at seed {self.seed}{twist} call {self.call} to {self.last}; "
            f"to shrink it: {self.command}"
        )


def last_mark(text: str) -> Optional[Mark]:
    """The mark of the fuzzer that ran when `text` ended; None when another test ran, or none."""
    plain = console.ESCAPES.sub("", text)
    found = list(MARK.finditer(plain))
    if not found:
        return None
    markers = [marker.start() for marker in console.MARKER.finditer(plain)]
    if markers and markers[-1] > found[-1].start():
        return None
    seed, twist, call = (int(number or 0) for number in found[-1].groups())
    return Mark(seed, call, twist)


def explained(title: str, text: str) -> str:
    """Why something died, and what the fuzzer was at if one ran."""
    mark = last_mark(text)
    return f"{title}; {mark.words}" if mark else title


def kept(excerpt: str, text: str) -> str:
    """The excerpt of a console, with the mark that explained() looks for."""
    mark = last_mark(text)
    return f"{mark.line}\n{excerpt}" if mark else excerpt
