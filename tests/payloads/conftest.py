"""Fixtures that several test modules use."""

from pathlib import Path

import pytest

import virtbench_box


@pytest.fixture(scope="session")
def virtbench() -> str:
    """The program, built."""
    return virtbench_box.build()


@pytest.fixture
def toy(virtbench: str, tmp_path: Path) -> virtbench_box.Toy:
    """A backend of four small scripts."""
    return virtbench_box.Toy(virtbench, tmp_path)
