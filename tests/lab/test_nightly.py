"""A good night of controls/nightly.cfg: everything passes and everything is there."""

import io
import json
import re
import tarfile

import nights
import pytest
from xentest import control

pytestmark = pytest.mark.lab
CONTROL = nights.SOURCE / "controls/nightly.cfg"
LIMIT = 1500.0  # the image may have to be made first, and the machine be slow
PHASES = ("reboot", "prepare", "tests", "shut down", "check", "xentest itself")


def facts_of_tarball() -> dict:
    with tarfile.open(nights.hypervisor()) as archive:
        name = next(name for name in archive.getnames() if name.endswith("/REVISION"))
        return json.load(io.TextIOWrapper(archive.extractfile(name)))


def test_nightly(tmp_path):
    built = facts_of_tarball()
    night = nights.run(CONTROL, tmp_path / "results", LIMIT)
    assert night.status == 0, str(night)
    assert night.facts["status"] == "pass" and night.facts["state"] == "finished", str(night)
    assert len(built["build_id"]) == 40 and night.facts["build_id"] == built["build_id"]
    assert night.facts["boots"] == 1, night.facts

    wanted = control.load(CONTROL)
    found = night.statuses()
    planned = {
        f"{domain.name} {number}-{test.name}"
        for domain in wanted.domains
        for number, test in wanted.plan(domain)
    }
    assert len(planned) == 17
    assert planned <= set(found), str(night)
    assert "dom0 11-leak-check" in found, found
    assert set(found.values()) == {"pass"}, str(night)
    for name in found:
        assert re.search(rf"^{name.split()[0]} +{name.split()[1]} +pass", night.summary, re.M), name
    # No result is a bare word: the test's own output and verdicts came along.
    for name in planned:
        domain, folder = name.split()
        output = night.folder / "domains" / domain / folder / "output"
        assert "KTAP version 1\n" in output.read_text(errors="replace").replace("\r", ""), name
        assert night.result(domain, folder)["subtests"], name
    figures = {figure["name"] for figure in night.result("guest1", "5-balloon")["figures"]}
    assert {"balloon-down", "balloon-up"} <= figures, figures
    for fuzzed in ("6-xenfc", "7-xenfc-ring0"):
        assert night.result("dom0", fuzzed)["figures"], fuzzed
    for phase in PHASES:
        assert phase in night.text, f"{phase} is not in the table of phases:\n{night.text}"
    for line in (
        "power on",
        "machine is up",
        "first test in dom0",
        "guest2: created to first test",
        "xenlab, all in all",
    ):
        assert line in night.text, line
    assert "Xen version" in night.console and "xentest: START dom0 1-versions" in night.console
    for guest in ("guest1", "guest2"):
        said = (night.folder / "domains" / guest / "console.log").read_text(errors="replace")
        assert f"xentest: END {guest} 3-resources pass" in said, said[-2000:]
