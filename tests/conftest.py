"""Fixtures that several test modules use."""

import os
import signal
from pathlib import Path
from typing import Iterator

import pytest
from hypothesis import HealthCheck, settings

from build_box import Stand
from collect_box import Place
from lab_box import Lab
from runner_box import Box
from stub_world import World
from tree_box import make_location, make_source
from xentest.control import Location


# Whoever runs the tests in the background may have had this ignored; what is tested here
# would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# The servers of these tests are here: no proxy leads to them.
for _name in [name for name in os.environ if name.lower().endswith("_proxy")]:
    del os.environ[_name]

# The same examples each time: what fails, fails for everybody.  A slow machine is no finding.
settings.register_profile(
    "fixed", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("fixed")


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """A domain with a shared folder."""
    return Box(tmp_path)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab whose machine follows a script."""
    return Lab(tmp_path, monkeypatch)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A shared folder that a guest writes, and a run."""
    return Place(tmp_path)


@pytest.fixture
def stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stand:
    """A machine on which xenbuild works."""
    return Stand(tmp_path, monkeypatch)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A hypervisor tree in small."""
    return make_source(tmp_path)


@pytest.fixture
def location(tmp_path: Path, source: Path) -> Location:
    """Where that tree can be had."""
    return make_location(tmp_path, source)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """A control domain with a stub toolstack."""
    monkeypatch.setenv("PATH", os.environ["PATH"])
    monkeypatch.setenv("STUB_XEN", "")
    made = World(tmp_path)
    made.prepare()
    yield made
    made.end_strays()
