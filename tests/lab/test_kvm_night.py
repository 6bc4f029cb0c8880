"""A night on KVM: restarted, confirmed, tested, without any Xen."""

import nights
import pytest

pytestmark = pytest.mark.lab
LIMIT = 900.0


def test_kvm_night(tmp_path):
    night = nights.run(nights.CONTROLS / "kvm.cfg", tmp_path / "results", LIMIT)
    assert night.status == 0, str(night)
    # Without a toolstack nothing can be compared: that is said, not passed.
    wanted = {"host 1-modules": "pass", "host 4-leak-check": "skip"}
    assert night.statuses() == wanted, str(night)
    assert night.facts["boots"] == 1 and night.facts["state"] == "finished", night.facts
    assert "Xen version" not in night.console
