"""Which whole runs come first, and from when on no further one is begun."""

from __future__ import annotations

import os
import time

import pytest

# What everybody relies on; on a slow machine the time may not last for all.
FIRST = (
    "test_nightly", "test_crash", "test_badboot", "test_badluck", "test_exec",
    "test_xenfc_ring0", "test_xenfc", "test_privops", "test_balloon", "test_kvm_night",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of FIRST in its order, then the others as they were."""
    items.sort(key=_place)


def _place(item: pytest.Item) -> int:
    return FIRST.index(item.path.stem) if item.path.stem in FIRST else len(FIRST)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, aloud, what tools/check has no time left for; a check without a night is none."""
    until = float(os.environ.get("XENTEST_UNTIL", "inf"))
    late = time.time() > until and item.path.stem != FIRST[0]
    if late and not os.environ.get("XENTEST_ALL"):
        pytest.skip("this machine is slow, the time of a check is over: XENTEST_ALL=1 runs it")
