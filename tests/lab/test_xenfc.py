"""xenfc in the lab's control domain, on a real Xen."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import nights
import pytest

from xentest import verdict
from xentest.results import Status
from xentest.verdict import figures

pytestmark = pytest.mark.lab
PAYLOAD = nights.SOURCE / "payloads/xenfc"
SCRIPT = """
rm -f /etc/xentest/fuzzing-allowed
run() { ./xenfc --i-own-this-machine "$@"; echo "status $?"; }
./xenfc -l 1; echo "status $?"
run -s 1114727452 -l 300
run -q -s 1 --seconds 8 --role control
run --json -s 2 --seconds 8
run -q -s 3 -l 20000 -o domctl.getdomaininfo --release 4.19 --save failed
run -q --replay failed
run -q -l 10 --role guest
run --ktap -s 5 --seconds 4
xl list
"""


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What each run said, and at the end what the toolstack says."""
    subprocess.run(["make", "-s", "-C", str(PAYLOAD)], check=True, capture_output=True)
    script = Path(tmp_path_factory.mktemp("xenfc")) / "script.sh"
    script.write_text(SCRIPT)
    files = ("--file", PAYLOAD / "build/xenfc", "--file", script)
    said = nights.execute("--timeout", "400", *files, "--", "sh", "script.sh")
    assert said.returncode == 0, said
    return said.stdout.split("status ")


def status(parts: list[str], run: int) -> int:
    return int(parts[run + 1].split("\n", 1)[0])


def test_unmarked_machine_is_refused(parts):
    assert status(parts, 0) == 99, parts[0]


def test_ancestors_lines(parts):
    assert status(parts, 1) == 0, parts[1]
    assert "\nSeed: 1114727452\n" in parts[1]
    assert "\nExpecting -3\nPASS: errno=-3 expected -3\n" in parts[1]
    assert "FAIL" not in parts[1]


def test_real_xen_raises_no_alarm(parts):
    assert status(parts, 2) == 0, parts[2]
    assert " 0 failed; " in parts[2]


def test_figures_and_result_as_json(parts):
    assert status(parts, 3) == 0, parts[3]
    objects = [json.loads(line) for line in parts[3].splitlines() if line.startswith("{")]
    kinds = [thing["type"] for thing in objects]
    assert kinds == ["environment", "result", "figure", "figure"]
    assert objects[1]["status"] == "pass" and objects[1]["calls"] > 0
    assert all(figure["unit"] == "calls/s" and figure["value"] > 0 for figure in objects[2:])


def test_what_another_release_would_answer_is_a_failure_that_repeats(parts):
    assert status(parts, 4) == 1, parts[4]
    assert "FAIL: errno=-22 expected -3: unexpected result" in parts[4]
    assert status(parts, 5) == 1, parts[5]


def test_wrong_role_is_said(parts):
    assert status(parts, 6) == 1, parts[6]
    assert "unprivileged guest" in parts[6]


def test_the_night_reads_figures_and_verdict(parts, tmp_path):
    output = tmp_path / "output"
    output.write_text(parts[7].split("\n", 1)[1])
    found = verdict.read("ktap", output, status(parts, 7), tmp_path)
    assert found.status is Status.PASS, parts[7]
    names = {figure.name: figure.value for figure in figures.read("json", output, tmp_path)}
    assert names["xenfc calls"] > 0 and names["xenfc hypercalls"] > 0


def test_nothing_is_left(parts):
    assert "Domain-0" in parts[-1]
    assert "30000" not in parts[-1] and "(null)" not in parts[-1]
