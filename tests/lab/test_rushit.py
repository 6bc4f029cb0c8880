"""rushit between domains over the Xen bridge, and over vsock."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import nights
import pytest

pytestmark = pytest.mark.lab
LIMIT = 600  # the image and the hypervisor may have to be made first
HERE = Path(__file__).parent
PAYLOAD = nights.SOURCE / "payloads/rushit"


def execute(machine: str, script: str, *files: Path) -> subprocess.CompletedProcess[str]:
    """Run a script of this folder in the lab."""
    handed = [word for path in files for word in ("--file", str(path))]
    return subprocess.run(
        [str(nights.SOURCE / "xenlab"), "exec", "--on", machine, "--timeout", "300"]
        + ["--file", str(HERE / script), *handed, "--", "sh", script],
        capture_output=True, text=True, timeout=LIMIT, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def build() -> Path:
    subprocess.run(["make", "-s", "-C", str(PAYLOAD), "all", "bench"], check=True)
    return PAYLOAD / "build"


def results(output: str) -> dict[str, list[dict]]:
    """The JSON lines of each workload; all must have ended well."""
    found: dict[str, list[dict]] = {}
    for name, status, text in re.findall(r"^== (\S+) (\d+)\n(.*?)(?=^==|\Z)", output, re.M | re.S):
        assert status == "0", f"{name}:\n{text}"
        lines = [line for line in text.splitlines() if line.startswith("{")]
        found[name] = [json.loads(line) for line in lines]
    return found


def figures(lines: list[dict]) -> dict[str, float]:
    return {line["name"]: line["value"] for line in lines if line["type"] == "figure"}


def test_guest_to_control_domain_over_the_bridge(build):
    said = execute("xen", "rushit-domains.sh", build / "rushit", HERE / "in-guest.sh")
    assert said.returncode == 0 and "server of" not in said.stdout, said
    found = results(said.stdout)
    assert set(found) == {"tcp_rr", "tcp_stream", "udp_rr", "udp_stream"}
    for name, lines in found.items():
        assert figures(lines)[f"{name}.throughput"] > 0
        environment = lines[0]
        assert environment["hypervisor"] == "xen", environment
    remote = next(line for line in found["tcp_rr"] if line["type"] == "result")["remote"]
    assert remote["transactions"] > 0


def test_vsock_loopback(build):
    said = execute("kvm", "rushit-vsock.sh", build / "rushit", build / "bench/bare")
    assert said.returncode == 0 and "server of" not in said.stdout, said
    found = results(said.stdout.split("bare ")[0])
    assert set(found) == {"vsock_rr", "vsock_crr", "vsock_stream", "udp_stream", "udp_rr"}
    for name, lines in found.items():
        assert figures(lines)[f"{name}.throughput"] > 0, lines
    assert "bare rate=" in said.stdout and "alone=" in said.stdout, said.stdout
