"""xenfc.elf on real Xen: in the place of dom0's kernel, and as a guest of a real dom0."""

from __future__ import annotations

import json
import subprocess

import nights
import pytest

from xentest import verdict
from xentest.results import Status
from xentest.verdict import figures

pytestmark = pytest.mark.lab
RING0 = nights.SOURCE / "payloads/xenfc/ring0"


@pytest.fixture(scope="module")
def boot():
    subprocess.run(["make", "-s", "-C", RING0], check=True)
    hypervisor = nights.hypervisor()

    def run(*words: str):
        said = subprocess.run(
            [RING0 / "boot", "--json", "--xen", hypervisor, *words],
            capture_output=True, text=True, timeout=600,
        )  # fmt: skip
        facts = json.loads(said.stdout)
        facts["console"] = facts["console"].replace("\r", "")
        return facts

    return run


def figure(facts, name: str) -> int:
    lines = [line for line in facts["console"].splitlines() if line.startswith('{"type":"figure"')]
    values = {item["name"]: item["value"] for item in map(json.loads, lines)}
    return values[name]


def test_passes_in_the_place_of_the_control_domain(boot):
    facts = boot("seed=1", "loops=20000", "quiet", "bare")
    assert facts["status"] == 0, facts["console"][-3000:]
    assert "\nSeed: 1\n" in facts["console"]
    assert "\nXENFC seed 1 call 4096\n" in facts["console"]
    assert "\nok 1 - xenfc in ring 0\nTest result: SUCCESS\n" in facts["console"]
    assert figure(facts, "bare ring-0 hypercalls") > 0
    assert figure(facts, "xenfc ring-0 calls") > 0


def test_passes_in_a_guest_that_it_builds_itself(boot):
    facts = boot("guest", "seed=1", "loops=20000", "quiet")
    assert facts["status"] == 0, facts["console"][-3000:]
    assert "as PV guest;" in facts["console"]


def test_the_time_to_the_first_call_is_told(boot):
    """How short it is depends on what else runs: `boot --json loops=1 quiet` on a quiet machine."""
    assert 0 < boot("loops=1", "quiet")["first_call_s"] < 120


def test_wrong_word_is_an_error_and_no_pass(boot):
    facts = boot("sed=1")
    assert facts["status"] == 99
    assert "sed=1" in facts["console"]


def test_coverage_of_a_hypervisor_that_counts_nothing_is_an_error(boot, tmp_path):
    facts = boot("--coverage", str(tmp_path / "counted"), "loops=1", "quiet")
    assert facts["status"] == 99
    assert "CONFIG_COVERAGE" in facts["console"]


def test_runs_as_a_guest_and_knows_that_it_is_one(tmp_path):
    subprocess.run(["make", "-s", "-C", RING0], check=True)
    files = ("--file", RING0 / "build/xenfc.elf", "--file", RING0 / "run-guest")
    guest = ("sh", "./run-guest", "-t", "250", "seed=1", "loops=20000", "quiet")
    said = nights.execute("--timeout", "400", *files, "--", *guest)
    console = said.stdout.replace("\r", "")
    assert said.returncode == 0, said
    assert "guest" in next(line for line in console.splitlines() if line.startswith("Xen 4."))
    assert "\nTest result: SUCCESS\n" in console
    output = tmp_path / "output"
    output.write_text(said.stdout, newline="")
    assert verdict.read("ktap", output, 0, tmp_path).status is Status.PASS
    names = {figure.name for figure in figures.read("json", output, tmp_path)}
    assert {"xenfc ring-0 calls", "xenfc ring-0 hypercalls"} <= names
