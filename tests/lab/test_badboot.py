"""Hypervisors that do not come up end the night as broken, with the reason."""

import nights
import pytest

pytestmark = pytest.mark.lab
CONTROL = nights.CONTROLS / "badboot.cfg"
PATCHES = nights.SOURCE / "tests/lab/patches"
LIMIT = 900.0


@pytest.mark.parametrize(
    "patch, reason, last_lines",
    [
        ("panic-at-boot", "planted by a test", "planted by a test"),
        (
            "hang-at-boot",
            "no sign of life for 60 s, hard reset; the last line before: (XEN)",
            "MTRR",
        ),
    ],
)
def test_hypervisor_does_not_come_up(patch, reason, last_lines, tmp_path):
    tarball = nights.hypervisor(f"file://{PATCHES / patch}.patch")
    night = nights.run(CONTROL, tmp_path / "results", LIMIT, "--hypervisor", tarball)
    assert night.status == 3, str(night)
    assert (night.facts["status"], night.facts["state"]) == ("broken", "broken"), str(night)
    assert night.facts["reason"].startswith("the hypervisor did not come up"), night.facts
    assert "without Xen" in night.facts["reason"], night.facts
    assert reason in night.facts["reason"], night.facts
    assert night.facts["reason"] in night.summary and last_lines in night.summary, night.summary
    assert night.summary in night.text + "\n"
    assert night.statuses() == {}, "results of tests that cannot have run"
    assert "xentest: START" not in night.console
