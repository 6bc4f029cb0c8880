"""rushit between two guests over the Xen bridge, and over vsock loopback, as in a night."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import nights
import pytest

pytestmark = pytest.mark.lab
PAYLOAD = nights.SOURCE / "payloads/rushit"
SCRIPT = Path(__file__).parent / "rushit-night.sh"


@pytest.fixture(scope="module")
def night() -> dict[tuple[str, str], dict]:
    """The result.json of each domain and test."""
    subprocess.run(["make", "-s", "-C", str(PAYLOAD)], check=True, capture_output=True)
    names = ("build/rushit", "between-domains.sh", "vsock-loopback.sh")
    files = [word for path in (*map(PAYLOAD.joinpath, names), SCRIPT) for word in ("--file", path)]
    said = nights.execute("--timeout", "800", *files, "--", "sh", SCRIPT.name)
    found = re.findall(r"^== (\S+) (\S+)\n(\{.*?^\})", said.stdout, re.M | re.S)
    assert len(found) == 3, said
    return {(domain, test): json.loads(text) for domain, test, text in found}


def figures(result: dict) -> dict[str, float]:
    return {figure["name"]: figure["value"] for figure in result["figures"]}


def test_two_guests_meet_and_their_figures_are_kept(night):
    client, server = night["guest1", "rushit-bridge"], night["guest2", "rushit-bridge"]
    assert server["status"] == client["status"] == "pass", (server, client)
    found = figures(client)
    for name in ("tcp_rr", "tcp_crr", "tcp_stream", "udp_rr", "udp_stream"):
        assert found[f"{name}.throughput"] > 0
    assert 0 < found["tcp_rr.latency_p50"] <= found["tcp_rr.latency_p99"]


def test_vsock_loopback(night):
    result = night["dom0", "rushit-vsock"]
    assert result["status"] == "pass", result
    found = figures(result)
    for name in ("vsock_rr", "vsock_crr", "vsock_stream", "udp_rr", "udp_stream"):
        assert found[f"{name}.throughput"] > 0
