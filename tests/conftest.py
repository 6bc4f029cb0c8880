"""Fixtures that several test modules use."""

import signal
from pathlib import Path

import pytest

from lab_box import Lab
from runner_box import Box


# Whoever runs the tests in the background may have had this ignored; what is tested here
# would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """A domain with a shared folder."""
    return Box(tmp_path)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab whose machine follows a script."""
    return Lab(tmp_path, monkeypatch)
