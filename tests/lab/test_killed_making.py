"""xenstartdoms is killed while a real toolstack makes its guest: who goes on waits for that."""

from __future__ import annotations

from pathlib import Path

import nights
import pytest

pytestmark = pytest.mark.lab
SCRIPT = Path(__file__).parent / "kill-making.sh"


@pytest.mark.parametrize("moment", ["named", "made"])
def test_a_guest_that_was_being_made_is_tested_once(moment):
    words = ("--timeout", "600", "--file", SCRIPT, "--", "sh", SCRIPT.name, moment)
    said = nights.execute(*words)
    assert said.returncode == 0, said
    assert "nobody waits for xl" not in said.stdout, said.stdout
    assert "2 results: 2 pass" in said.stdout, said.stdout
    assert said.stdout.splitlines()[-1].split() == ["domains:", "Domain-0"], said.stdout
