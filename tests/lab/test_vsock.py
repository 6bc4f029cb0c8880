"""The vsock payloads for real: loopback, host and guest over vhost-vsock, and Xen without vsock."""

from __future__ import annotations

import subprocess
from pathlib import Path

import nights
import pytest

pytestmark = pytest.mark.lab
LIMIT = 900  # an image may have to be made first
PAYLOADS = nights.SOURCE / "payloads"
INNER = Path(__file__).parent / "vsock-inner.sh"
PROGRAMS = [
    *(
        PAYLOADS / "vsock/build" / f"vsock-{name}"
        for name in ("util", "perf", "integration", "test")
    ),
    PAYLOADS / "oneway/build/oneway",
]
SMALL = "--bytes 1M --repeats 2 --multi-repeats 1"
LOOPBACK = f"""
modprobe vsock_loopback; modprobe vsock_diag
./vsock-test --ktap; echo "suite ended $?"
./vsock-integration --ktap & ./vsock-util integration_test --peer local; wait $!
echo "integration ended $?"
./vsock-perf {SMALL} --packets 100 --packet-timeout 2000 &
./vsock-util micro_benchmark --peer local {SMALL}; wait $!
echo "benchmark ended $?"
"""


def execute(script: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """A script in the lab's machine, with the payloads beside it."""
    for payload in ("vsock", "oneway"):
        subprocess.run(["make", "-s", "-C", str(PAYLOADS / payload)], check=True)
    files = [word for path in (*PROGRAMS, INNER) for word in ("--file", str(path))]
    return subprocess.run(
        [str(nights.SOURCE / "xenlab"), "exec", *map(str, words), *files, "--", "sh", "-c", script],
        capture_output=True, text=True, timeout=LIMIT, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def test_loopback():
    said = execute(LOOPBACK, "--on", "kvm", "--timeout", "120")
    assert "suite ended 0" in said.stdout and "not ok" not in said.stdout, said
    assert "PASS\n" in said.stdout and "integration ended 0" in said.stdout, said
    assert "benchmark ended 0" in said.stdout and "NOT RUN" not in said.stdout, said
    assert "\nok 25 seqpacket: too big a message" in said.stdout, said


def test_host_and_guest():
    said = execute("sh ./vsock-inner.sh", "--on", "kvm", "--timeout", "240")
    assert said.returncode == 0, said
    for part in (
        "vsock-test",
        "vsock-integration",
        "vsock-perf",
        "oneway -s auto",
        "oneway -s estimate",
    ):
        assert f"inner: {part}: as wanted" in said.stdout, said
    assert "the guest says PASS: passed" in said.stdout
    assert "Connection from cid 7 port" in said.stdout + said.stderr


def test_xen_has_no_vsock_between_domains_and_that_is_said():
    script = (
        "./vsock-test --peer 7; echo suite $?; ./vsock-util integration_test -p 7; echo guest $?"
    )
    said = execute(script, "--on", "xen", "--timeout", "60")
    assert "suite 77" in said.stdout and "guest 77" in said.stdout, said
    assert "vsock transport: skipped: no vsock transport leads to CID 7" in said.stdout, said
