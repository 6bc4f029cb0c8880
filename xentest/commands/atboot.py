"""Called by init.d/xentest on the machine under test, at each boot that belongs to a run."""

from __future__ import annotations

import sys
from typing import Sequence

from xentest import atboot, boot
from xentest.errors import guarded_main
from xentest.progress import Progress


def main(argv: Sequence[str]) -> int:
    """Takes no arguments."""
    return atboot.main(boot.Paths(), Progress(), atboot.Machine())


if __name__ == "__main__":
    sys.exit(guarded_main("xentest", main, sys.argv[1:]))
