"""Fixtures that several test modules use."""

from pathlib import Path

import pytest

from runner_box import Box


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """A domain with a shared folder."""
    return Box(tmp_path)
