"""Latencies in the lab's machine: vsock beside unix and inet, and what is measured with Xen."""

from __future__ import annotations

import json
import subprocess

import nights
import pytest

pytestmark = pytest.mark.lab
SOURCE = nights.SOURCE / "payloads/oneway"
COMPARE = "./oneway compare -n 1000 --rounds 3 --json"


def execute(on: str, script: str) -> subprocess.CompletedProcess[str]:
    subprocess.run(["make", "-s", "-C", str(SOURCE)], check=True)
    words = ["--on", on, "--timeout", "300", "--file", str(SOURCE / "build/oneway")]
    return nights.execute(*words, "--", "sh", "-c", script)


def figures(said: subprocess.CompletedProcess[str]) -> dict[str, float]:
    lines = [json.loads(line) for line in said.stdout.splitlines() if line.startswith("{")]
    return {line["name"]: line["value"] for line in lines if line["type"] == "figure"}


def check(found: dict[str, float], *transports: str) -> None:
    for transport in transports:
        there, back = (found[f"{transport}-{way}-median"] for way in ("one-way", "round-trip"))
        assert 0 < there < back, found


def test_vsock_unix_and_inet_in_one_run():
    script = f"modprobe vsock_loopback; {COMPARE} --clock monotonic && {COMPARE}; echo ended $?"
    said = execute("kvm", script)
    check(figures(said), "vsock", "unix-local", "inet-local")
    # The emulated processor does not call its counter invariant.
    assert "ended 77" in said.stdout and "is not invariant" in said.stdout + said.stderr, said


def test_xen_measures_what_it_has():
    remote = "./oneway -m vsock -c 7 --clock monotonic; echo guest $?"
    said = execute("xen", f"{COMPARE} --clock monotonic; echo ended $?; {remote}")
    assert "ended 0" in said.stdout, said
    check(figures(said), "unix-local", "inet-local")
    # Within one domain the loopback may do; to another there is no way.
    assert "guest 77" in said.stdout, said
    assert "no vsock transport leads to CID 7" in said.stdout + said.stderr, said
