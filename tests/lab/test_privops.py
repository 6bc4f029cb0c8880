"""Privileged operations on real Xen, in the control domain and in a guest, and under KVM."""

from __future__ import annotations

import subprocess
from pathlib import Path

import nights
import pytest

pytestmark = pytest.mark.lab
LIMIT = 600
HERE = Path(__file__).parent
PAYLOAD = nights.SOURCE / "payloads/privops"
SCRIPTS = ["ramdisk.sh", "in-pv-guest.sh", "in-kvm-guest.sh"]


@pytest.fixture(scope="session", autouse=True)
def program() -> str:
    subprocess.run(["make", "-s", "-C", str(PAYLOAD)], check=True, capture_output=True)
    return str(PAYLOAD / "build/privops")


def execute(program: str, command: str, on: str = "xen") -> subprocess.CompletedProcess[str]:
    files = [program, *(str(HERE / name) for name in SCRIPTS)]
    handed = [word for file in files for word in ("--file", file)]
    return subprocess.run(
        [str(nights.SOURCE / "xenlab"), "exec", "--on", on, "--timeout", "300", *handed, "--",
         "sh", "-c", command],
        capture_output=True, text=True, timeout=LIMIT, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def verdicts(output: str) -> dict[str, str]:
    """The word behind each name in sentences."""
    found = {}
    for line in output.splitlines():
        name, _, rest = line.partition(": ")
        word = rest.split(":")[0]
        if word in ("passed", "FAILED", "skipped", "ERROR"):
            found[name] = word
    return found


HYPERCALLS = ["createdomain", "pausedomain", "unpausedomain", "destroydomain", "settime",
              "readconsole", "debug-keys"]  # fmt: skip
PRIVILEGES = HYPERCALLS + ["iopl", "ioperm", "hwclock", "xenstore-write", "dev-mem", "pci-config"]


def test_control_domain_may_and_guests_rules_turn_red_there(program):
    said = execute(program, "./privops; ./privops --role pv-guest; xl list")
    own, _, as_guest = said.stdout.partition("role: PV guest")
    found = verdicts(own)
    assert {name: found[name] for name in PRIVILEGES} == dict.fromkeys(PRIVILEGES, "passed"), said
    assert "FAILED" not in found.values() and "ERROR" not in found.values(), own
    found = verdicts(as_guest)
    assert {name: found[name] for name in PRIVILEGES} == dict.fromkeys(PRIVILEGES, "FAILED"), said
    assert said.stdout.splitlines()[-1].startswith("Domain-0"), "a scratch domain was left"


def test_guest_may_not(program):
    said = execute(program, "sh in-pv-guest.sh small 100 ./privops xen_privcmd.unrestricted=1")
    found = verdicts(said.stdout)
    assert said.returncode == 0, said
    assert {name: found[name] for name in PRIVILEGES} == dict.fromkeys(PRIVILEGES, "passed"), said


def test_guest_whose_linux_shuts_the_door_is_not_judged(program):
    said = execute(program, "sh in-pv-guest.sh small 100 ./privops")
    found = verdicts(said.stdout)
    assert {name: found[name] for name in HYPERCALLS} == dict.fromkeys(HYPERCALLS, "skipped"), said
    assert "XSA-482" in said.stdout
    assert "FAILED" not in found.values() and "ERROR" not in found.values(), said


def test_kvm_guest(program):
    command = "./privops msr-read msr-write user-hypercall host-sockets host-files clock-settime"
    said = execute(program, f"sh in-kvm-guest.sh 120 '{command}'", on="kvm")
    assert said.returncode == 0, said
    assert set(verdicts(said.stdout).values()) == {"passed"}, said
