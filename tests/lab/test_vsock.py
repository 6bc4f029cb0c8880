"""The vsock payloads for real: loopback, host and guest over vhost-vsock, and Xen without vsock."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import nights
import pytest

pytestmark = pytest.mark.lab
PAYLOADS = nights.SOURCE / "payloads"
INNER = Path(__file__).parent / "vsock-inner.sh"
STRANGER = nights.SOURCE / "tests/payloads/vsock_stranger.py"
PROGRAMS = [
    *(
        PAYLOADS / "vsock/build" / name
        for name in ("vsock-util", "vsock-perf", "vsock-integration", "vsock-test")
    ),
    PAYLOADS / "vsock/vsock-both.sh",
    PAYLOADS / "oneway/build/oneway",
    PAYLOADS / "rushit/build/rushit",
]
LOOPBACK = """
modprobe vsock_diag
PATH=$PATH:.
./vsock-both.sh integration; echo "integration ended $?"
./vsock-test --ktap; echo "suite ended $?"
./vsock-both.sh perf --scale 0.01 --bytes 1M --repeats 2 --multi-repeats 1
echo "benchmark ended $?"
LD_LIBRARY_PATH=. ./test_suite local; echo "lies ended $?"
with_stranger() { # ROLE PROGRAM...
    role=$1
    shift
    "$@" > /dev/null & python3 vsock_stranger.py "$role" vsock 1
    wait $!
    echo "$role: $?"
}
sed -i 's/256 << 10/32 << 10/' vsock_stranger.py
set -- --bytes 32K --repeats 2 --multi-repeats 2
with_stranger guest_integration ./vsock-integration
with_stranger host_integration ./vsock-util integration_test --peer local
with_stranger guest_benchmark ./vsock-perf "$@" --packets 20 --packet-timeout 60000
with_stranger host_benchmark ./vsock-util micro_benchmark --peer local "$@"
"""


def execute(script: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """A script in the lab's machine, with the payloads beside it."""
    for payload in ("vsock", "oneway", "rushit"):
        subprocess.run(["make", "-s", "-C", str(PAYLOADS / payload)], check=True)
    files = [word for path in (*PROGRAMS, INNER, STRANGER) for word in ("--file", str(path))]
    return nights.execute(*words, *files, "--", "sh", "-c", script)


def lies() -> list[str]:
    """The suite with sockets that lie, and what it needs there."""
    made = "build/tests/test_suite"
    subprocess.run(["make", "-s", "-C", str(PAYLOADS / "vsock"), made], check=True)
    library = subprocess.run(
        ["gcc", "-print-file-name=libcmocka.so.0"], check=True, capture_output=True, text=True
    ).stdout.strip()
    return ["--file", str(PAYLOADS / "vsock" / made), "--file", library]


@pytest.fixture(scope="module")
def loopback() -> subprocess.CompletedProcess[str]:
    return execute(LOOPBACK, "--on", "kvm", "--timeout", "400", *lies())


def test_loopback(loopback):
    said = loopback
    assert "integration ended 0" in said.stdout, said
    assert "suite ended 0" in said.stdout and "not ok" not in said.stdout, said
    assert "benchmark ended 0" in said.stdout and '"guest-to-host"' in said.stdout, said
    assert "\nok 25 seqpacket: too big a message" in said.stdout, said


def test_every_check_of_the_suite_fails_when_sockets_lie(loopback):
    # What this kernel has not is all that was left out.
    assert "lies ended 0" in loopback.stdout, loopback
    absent = re.findall("not here: ([^:]*(?:: MSG_PEEK)?):", loopback.stdout + loopback.stderr)
    assert set(absent) <= {"SIOCOUTQ", "MSG_ZEROCOPY", "seqpacket: MSG_PEEK"}, loopback


def test_a_strangers_halves(loopback):
    for role in ("guest_integration", "host_integration", "guest_benchmark", "host_benchmark"):
        assert f"stranger's {role}: content\n" in loopback.stdout, loopback
        assert f"\n{role}: 0\n" in loopback.stdout, loopback


def test_host_and_guest():
    said = execute("sh ./vsock-inner.sh", "--on", "kvm", "--timeout", "240")
    assert said.returncode == 0, said
    for part in (
        "vsock-test",
        "vsock-test of a guest that is not",
        "vsock-integration",
        "vsock-perf",
        "oneway -s auto",
        "oneway -s estimate",
        "rushit vsock_rr, the host",
        "rushit vsock_rr, the guest",
    ):
        assert f"inner: {part}: as wanted" in said.stdout, said
    assert "the guest says PASS: passed" in said.stdout
    # Of the guest, whose console ends lines in its own way.
    assert re.search(r"^num_transactions=[1-9]\d*\r?\n", said.stdout, re.M), said
    assert "Connection from cid 7 port" in said.stdout + said.stderr
    if "inner: the counter is steady" in said.stdout:
        check_that_offsets_agree(said.stdout)


def check_that_offsets_agree(text: str) -> None:
    """What KVM says of the guest's counter, and what the messages say alone."""
    lines = [json.loads(line) for line in text.splitlines() if line.startswith('{"type"')]
    kvm, estimated = (line for line in lines if line["type"] == "offset")
    mhz = next(line["hz"] for line in lines if line["type"] == "clock") / 1e6
    assert (kvm["source"], estimated["source"]) == ("kvm", "estimated")
    assert abs(kvm["estimate_differs_us"]) <= kvm["estimate_error_us"] + 1, kvm
    assert abs(kvm["ticks"] - estimated["ticks"]) / mhz <= estimated["error_us"] + 1, lines


def test_xen_has_no_vsock_between_domains_and_that_is_said():
    script = (
        "./vsock-test --peer 7; echo suite $?; ./vsock-util integration_test -p 7; echo guest $?"
    )
    said = execute(script, "--on", "xen", "--timeout", "60")
    assert "suite 77" in said.stdout and "guest 77" in said.stdout, said
    assert "vsock transport: skipped: no vsock transport leads to CID 7" in said.stdout, said
