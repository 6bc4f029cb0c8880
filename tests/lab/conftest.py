"""Which whole runs come first, and from when on no further one is begun."""

from __future__ import annotations

import os
import time

import pytest
import turns


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files in the order of the day, what is in one of them as it was."""
    files = turns.order((item.path.stem for item in items if _is_ours(item)), time.time())
    items.sort(key=lambda item: files.index(item.path.stem) if _is_ours(item) else -1)


def _is_ours(item: pytest.Item) -> bool:
    return item.path.parent.name == "lab"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, aloud, what tools/check has no time left for; a check without a night is none."""
    until = float(os.environ.get("XENTEST_UNTIL", "inf"))
    late = time.time() > until and item.path.stem != turns.NIGHT
    if late and not os.environ.get("XENTEST_ALL"):
        pytest.skip("this machine is slow, the time of a check is over: XENTEST_ALL=1 runs it")
