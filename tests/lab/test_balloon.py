"""The balloon on real Xen: in the control domain, in a guest, from outside; and under KVM."""

from __future__ import annotations

import subprocess
from pathlib import Path

import nights
import pytest

pytestmark = pytest.mark.lab
LIMIT = 600
HERE = Path(__file__).parent
PAYLOAD = nights.SOURCE / "payloads/balloon"
SCRIPTS = ["ramdisk.sh", "in-pv-guest.sh", "in-kvm-guest.sh"]
# The domains are destroyed by their scripts; the neighbour only has to be there.
BOTH_GUESTS = """
sh in-pv-guest.sh other 200 'busybox sleep 250' > /dev/null 2>&1 &
sh in-pv-guest.sh small 100 './balloon --publish 250' '' '
    tries=0
    until xenstore-read "/local/domain/$(xl domid small)/data/xentest-balloon" &&
          xl domid other; do
        tries=$((tries + 1))
        [ $tries -lt 60 ] || exit 99
        sleep 1
    done
    ./balloon --domain small --neighbour other --cycles 5'
"""


@pytest.fixture(scope="session", autouse=True)
def program() -> str:
    subprocess.run(["make", "-s", "-C", str(PAYLOAD)], check=True, capture_output=True)
    return str(PAYLOAD / "build/balloon")


def execute(program: str, command: str, on: str = "xen") -> subprocess.CompletedProcess[str]:
    files = [program, *(str(HERE / name) for name in SCRIPTS)]
    handed = [word for file in files for word in ("--file", file)]
    return subprocess.run(
        [str(nights.SOURCE / "xenlab"), "exec", "--on", on, "--timeout", "300", *handed, "--",
         "sh", "-c", command],
        capture_output=True, text=True, timeout=LIMIT, stdin=subprocess.DEVNULL,
    )  # fmt: skip


TARGET = "/sys/devices/system/xen_memory/xen_memory0/target_kb"


def test_control_domain(program):
    said = execute(program, f"./balloon; status=$?; cat {TARGET}; exit $status")
    assert said.returncode == 0, said
    assert "13 passed, 0 failed, 0 skipped, 0 errors" in said.stdout, said
    assert "200 cycles, no page lost; the hypervisor's count agrees" in said.stdout, said
    assert said.stdout.splitlines()[-1] == "786432", "the old target was not put back"


def test_killed_in_the_control_domain(program):
    command = f"""
        ./balloon cycles --cycles 100000 & supervisor=$!
        until [ "$(cat {TARGET})" != 786432 ]; do :; done
        kill $supervisor; wait $supervisor; echo "status $?"
        cat {TARGET}
    """
    said = execute(program, command)
    assert "put back" in said.stderr + said.stdout, said
    assert said.stdout.splitlines()[-2:] == ["status 99", "786432"], said


def test_guest(program):
    said = execute(program, "sh in-pv-guest.sh small 200 ./balloon")
    assert said.returncode == 0, said
    assert "13 passed, 0 failed, 0 skipped, 0 errors" in said.stdout, said


def test_guest_from_outside(program):
    said = execute(program, BOTH_GUESTS)
    assert said.returncode == 0, said
    for name in ("lower", "raise", "cycles", "limit", "neighbour", "save-restore"):
        assert f"\n{name}: passed" in said.stdout, said


def test_kvm_guest_through_the_monitor(program):
    outside = "./balloon --qmp /tmp/guest.monitor --cycles 5"
    said = execute(program, f"sh in-kvm-guest.sh 150 './balloon --publish 120' '{outside}'", "kvm")
    assert said.returncode == 0, said
    for name in ("lower", "raise", "random", "cycles", "beyond"):
        assert f"\n{name}: passed" in said.stdout, said
