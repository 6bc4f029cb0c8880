"""Which moment it is: the time as all records have it, and which boot of this machine."""

from __future__ import annotations

import time
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def now() -> str:
    """The time in the form that all records use (ISO 8601, UTC)."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def boot_id() -> str:
    """Differs from boot to boot."""
    return BOOT_ID.read_text(encoding="ascii").strip()
