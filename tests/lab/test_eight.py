"""Eight guests are tested at once: each waits under its test for the seven others."""

import nights
import pytest

pytestmark = pytest.mark.lab
LIMIT = 1500.0


def test_eight_guests_meet(tmp_path):
    nights.needs_time(5)
    night = nights.run(nights.CONTROLS / "eight.cfg", tmp_path / "results", LIMIT)
    assert night.status == 0, str(night)
    found = night.statuses()
    for number in range(1, 9):
        assert found.get(f"guest{number} 1-meet") == "pass", str(night)
    phases = {phase["name"] for phase in night.facts["phases"]}
    assert {f"guest{number}: created to first test" for number in range(1, 9)} <= phases, phases
