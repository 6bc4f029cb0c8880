"""The balloon on real Xen: in the control domain, in guests, from outside; and under KVM."""

from __future__ import annotations

import re
from pathlib import Path

import nights
import payloads
import pytest

pytestmark = pytest.mark.lab
# The domains are destroyed by their scripts; the neighbour only has to be there.
BOTH_GUESTS = """
sh in-xen-guest.sh other 400 'busybox sleep 450' > /dev/null 2>&1 &
sh in-xen-guest.sh small 300 './balloon --publish 450' '' '
    tries=0
    until xenstore-read "/local/domain/$(xl domid small)/data/xentest-balloon" &&
          xl domid other; do
        tries=$((tries + 1))
        [ $tries -lt 200 ] || exit 99
        sleep 1
    done
    ./balloon --domain small --neighbour other --cycles 5'
"""


@pytest.fixture(scope="session", autouse=True)
def program() -> Path:
    return payloads.build("balloon")


TARGET = "/sys/devices/system/xen_memory/xen_memory0/target_kb"


def test_control_domain(program):
    said = payloads.execute(f"./balloon; status=$?; cat {TARGET}; exit $status", program)
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
    said = payloads.execute(command, program)
    assert "put back" in said.stderr + said.stdout, said
    assert said.stdout.splitlines()[-2:] == ["status 99", "786432"], said


def test_whoever_is_killed_in_the_control_domain(program):
    """The supervisor asked to end, the supervisor killed, and the scenarios killed."""
    nights.needs_time(2)
    command = f"""
        for how in TERM-run KILL-run KILL-work; do
            ./balloon cycles --cycles 100000 > /dev/null & run=$!
            until [ "$(cat {TARGET})" != 786432 ]; do :; done
            work=$(pgrep -P $run -x balloon)
            case $how in *-run) victim=$run ;; *) victim=$work ;; esac
            kill -${{how%-*}} $victim
            wait $run; echo "$how: status $?"
            tries=0
            until [ "$(cat {TARGET})" = 786432 ] || [ $tries -ge 100 ]; do
                tries=$((tries + 1)); busybox usleep 50000
            done
            cat {TARGET}
        done
    """
    said = payloads.execute(command, program)
    assert "interrupted; the old target was put back" in said.stderr + said.stdout, said
    told = re.findall(r"^(?:\w+-\w+: status )?\d+$", said.stdout, re.M)
    assert told == ["TERM-run: status 99", "786432", "KILL-run: status 137", "786432",
                    "KILL-work: status 99", "786432"], said  # fmt: skip


def test_guest(program):
    said = payloads.execute("sh in-xen-guest.sh small 200 ./balloon", program)
    assert said.returncode == 0, said
    assert "13 passed, 0 failed, 0 skipped, 0 errors" in said.stdout, said


def test_pvh_guest(program):
    """Some scenarios: under an emulator such a guest is slow, and may not live long."""
    nights.needs_time(2)
    scenarios = "./balloon --cycles 5 read not-root lower raise cycles"
    command = f"TYPE=pvh sh in-xen-guest.sh small 220 '{scenarios}' xen_privcmd.unrestricted=1"
    said = payloads.execute(command, program)
    assert said.returncode == 0 and "5 passed" in said.stdout, said


def test_guest_from_outside(program):
    said = payloads.execute(BOTH_GUESTS, program)
    assert said.returncode == 0, said
    for name in ("lower", "raise", "cycles", "limit", "neighbour", "save-restore"):
        assert f"\n{name}: passed" in said.stdout, said


def test_kvm_guest_through_the_monitor(program):
    """Not in every check: under an emulator QEMU's monitor may fall silent after a lowering."""
    nights.needs_time(1)
    outside = "./balloon --qmp /tmp/guest.monitor --cycles 5"
    command = f"sh in-kvm-guest.sh 150 './balloon --publish 120' '{outside}'"
    said = payloads.execute(command, program, on="kvm")
    assert said.returncode == 0, said
    for name in ("lower", "raise", "random", "cycles", "beyond"):
        assert f"\n{name}: passed" in said.stdout, said


def test_kvm_guest_through_libvirt(program, tmp_path):
    nights.needs_time(3)
    libvirt = payloads.bundle(tmp_path / "libvirt.tar.zst", *payloads.LIBVIRT)
    outside = "./balloon --domain small --neighbour other --cycles 3"
    command = f"sh in-libvirt-guest.sh 220 './balloon --publish 450' '{outside}'"
    said = payloads.execute(command, program, libvirt, on="kvm")
    assert said.returncode == 0, said
    for name in ("lower", "raise", "random", "cycles", "neighbour", "save-restore", "beyond"):
        assert f"\n{name}: passed" in said.stdout, said
