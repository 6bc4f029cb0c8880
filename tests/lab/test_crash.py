"""The machine dies under a test, and once more behind the last: both are told, nothing is lost."""

import nights
import pytest

pytestmark = pytest.mark.lab
LIMIT = 1200.0


def test_machine_dies_under_a_test(tmp_path):
    results = tmp_path / "results"
    night = nights.run(nights.CONTROLS / "crash.cfg", results, LIMIT)
    found = night.statuses()
    assert {name: found.get(name) for name in found if "check" not in name} == {
        "dom0 1-first": "pass",
        "dom0 2-die": "crash",
        "dom0 3-third": "pass",
        "dom0 7-machine": "crash",
        "guest1 1-long": "crash",
        "guest1 2-after": "pass",
    }, str(night)
    assert night.status == 1, str(night)
    assert night.facts["boots"] == 3 and night.facts["state"] == "finished", night.facts
    # What had finished before the machine died is not run again.
    assert (results / "ran").read_text().split() == ["first", "third"]
    died = night.result("dom0", "2-die")
    assert "sysrq triggered crash" in died["reason"], died
    assert died["reason"][:100] in night.summary
    assert "sysrq triggered crash" in died["console"], died
    assert len(night.facts["crashes"]) == 2, night.facts
    after = night.result("dom0", "7-machine")
    assert after["reason"].startswith("the machine went down outside of any test: Linux"), after
    assert "sysrq triggered crash" in after["reason"], after
