"""Privileged operations on real Xen and under KVM: where they must be refused, and how each was
seen to fail: with rules of another role, doors that were opened on purpose, and a patched Xen."""

from __future__ import annotations

import subprocess
from pathlib import Path

import nights
import payloads
import pytest

pytestmark = pytest.mark.lab
PATCH = nights.SOURCE / "tests/lab/patches/every-guest-privileged.patch"
GIVEN = payloads.HERE / "given.py"
HYPERCALLS = {
    "createdomain", "pausedomain", "unpausedomain", "destroydomain", "settime", "readconsole",
    "debug-keys",
}  # fmt: skip
GIVEN_TO_OTHERS = {"grant-not-given", "event-not-offered"}
HARDWARE = {"iopl", "ioperm", "hwclock", "dev-mem", "pci-config"}
SHARED = {"foreign-map"} | GIVEN_TO_OTHERS

# Each turns red in the control domain under the rules of a PV guest, with what WRONG_WORLD adds.
RED_IN_CONTROL = HYPERCALLS | HARDWARE | SHARED | {
    "xenstore-write", "sysrq-node", "msr-read", "msr-write", "mmio",
}  # fmt: skip
WRONG_WORLD = """
xenstore-write /local/domain/0/store/ring-ref 240  # a frame that the control domain may map
mkfifo hold
python3 given.py < hold > given 2>&1 &
exec 3> hold  # it ends with this shell
until [ -s given ]; do busybox usleep 100000; done
cat given
python3 - <<END
import struct
EFER = 0xD01 .to_bytes(8, "little")
for name, at, what in (("msr", 0xC0000080, EFER), ("msr", 0x12345678, b"8 bytes."),
                       ("mem", 0xFEC00000, b"_SM_" * 2), ("mem", 0xF0000, b"_SM_" * 2)):
    with open(name, "ab"):
        pass
    with open(name, "r+b") as file:
        file.seek(at)
        file.write(what)
END
modprobe msr
mount --bind msr /dev/cpu/0/msr
mount --bind mem /dev/mem
"""
# A domain that never answers, and an xl that does nothing and says that all is well.
DEAD_XL = """
mkdir dead && printf '#!/bin/sh\\nexit 0\\n' > dead/xl && chmod +x dead/xl
xl create /etc/xen/scratch.cfg > /dev/null 2>&1
PATH=$PWD/dead:$PATH ./privops sysrq-xl
xl destroy scratch
setpriv --bounding-set -sys_time ./privops clock-settime
"""
# Not the work of one boot: see the test that names them.
RED_ELSEWHERE = {"sysrq-xl", "clock-settime", "host-sockets"}
# No machine of the lab can be made to do this: unit tests (tests/test_checks.c) turn them red.
RED_IN_UNIT_TESTS = {"user-hypercall", "kernel-hypercall", "host-files"}


@pytest.fixture(scope="session", autouse=True)
def program() -> Path:
    return payloads.build("privops")


def words_of(said: str, names: set[str]) -> dict[str, str]:
    found = payloads.verdicts(said)
    return {name: found.get(name, "absent") for name in names}


def all_are(word: str, names: set[str]) -> dict[str, str]:
    return dict.fromkeys(names, word)


def test_every_operation_was_seen_red(program):
    said = subprocess.run([program, "--list"], capture_output=True, text=True, check=True)
    known = {line.split()[0] for line in said.stdout.splitlines()}
    assert known == RED_IN_CONTROL | RED_ELSEWHERE | RED_IN_UNIT_TESTS


def test_control_domain_may_and_a_wrong_world_turns_all_red_there(program):
    offered = "./privops event-not-offered"
    command = f"./privops; {DEAD_XL} {WRONG_WORLD} {offered}; ./privops --role pv-guest; xl list"
    said = payloads.execute(command, program, GIVEN)
    own, _, wrong = said.stdout.partition(" errors\n")
    may = HYPERCALLS | HARDWARE | {"xenstore-write"}
    assert words_of(own, may) == all_are("passed", may), said
    assert not {"FAILED", "ERROR"} & set(payloads.verdicts(own).values()), own
    dead, _, as_guest = wrong.partition("role: PV guest")
    assert "sysrq-xl: FAILED: refused (xl sysrq ended well, but wrote no key" in dead, said
    assert "clock-settime: FAILED: refused (EPERM" in dead, said
    # What was offered to this domain may be bound: that is no hole.
    assert "event-not-offered: passed" in dead, said
    assert words_of(as_guest, RED_IN_CONTROL) == all_are("FAILED", RED_IN_CONTROL), said
    assert said.stdout.splitlines()[-1].startswith("Domain-0"), "a scratch domain was left"


def test_killed_in_the_control_domain(program):
    """At several moments; by the program's own mark no domain of it is there afterwards."""
    nights.needs_time(2)
    command = """
        for part in 1 2 3 4 5 6; do
            ./privops createdomain pausedomain unpausedomain destroydomain > told & run=$!
            until [ "$(wc -l < told)" -ge $((part % 4 + 1)) ]; do :; done
            kill -KILL $run; wait $run
        done 2> /dev/null
        tries=0
        until ! xl list | grep -q '(null)' || [ $tries -ge 60 ]; do tries=$((tries + 1)); done
        xl list
    """
    said = payloads.execute(command, program)
    assert said.stdout.splitlines()[-1].startswith("Domain-0"), said


def test_guest_may_not(program):
    said = payloads.execute(
        "sh in-xen-guest.sh small 220 ./privops xen_privcmd.unrestricted=1", program
    )
    must = HYPERCALLS | HARDWARE | {"xenstore-write"}
    assert said.returncode == 0, said
    assert words_of(said.stdout, must) == all_are("passed", must), said


def test_guest_whose_linux_shuts_the_door_is_not_judged(program):
    said = payloads.execute("sh in-xen-guest.sh small 220 ./privops", program)
    assert words_of(said.stdout, HYPERCALLS) == all_are("skipped", HYPERCALLS), said
    assert "XSA-482" in said.stdout
    assert not {"FAILED", "ERROR"} & set(payloads.verdicts(said.stdout).values()), said


ALL_TOLD = """
until [ "$(grep -c " errors" /var/log/xen/console/guest-small.log)" = 2 ]; do
    xl domid small > /dev/null || exit 99
    busybox usleep 300000
done
./privops sysrq-xl foreign-map event-not-offered
"""


def test_guest_by_both_rules(program):
    """What must be allowed in the control domain is red here by its rules. It is a victim, too."""
    nights.needs_time(2)
    in_guest = "./privops; ./privops --role control; busybox sleep 100"
    words = f"sh in-xen-guest.sh small 220 '{in_guest}' xen_privcmd.unrestricted=1 '{ALL_TOLD}'"
    said = payloads.execute(words, program)
    in_control_domain, _, guest = said.stdout.partition("guest begins")
    guest, _, by_control_rules = guest.partition("\nrole: control domain")
    must = HYPERCALLS | HARDWARE | SHARED | {"xenstore-write", "sysrq-node"}
    assert words_of(guest, must) == all_are("passed", must), said
    red = HYPERCALLS | HARDWARE
    assert words_of(by_control_rules, red) == all_are("FAILED", red), said
    names = {"sysrq-xl", "foreign-map", "event-not-offered"}
    assert words_of(in_control_domain, names) == all_are("passed", names), said


# Those of PCI's configuration cannot be given away: Xen does not leave them to the control domain.
OPENED_PORTS = "MORE='ioports = [ \"64\" ]'"
OPEN_NODES = """
tries=0
until id=$(xl domid small 2> /dev/null) || [ $tries -ge 300 ]; do
    tries=$((tries + 1)); busybox usleep 100000
done
for node in data control; do
    xenstore-write /local/domain/0/$node ''
    xenstore-chmod /local/domain/0/$node n0 b$id
done
"""
UNTIL_OPEN = (
    "until ./privops xenstore-write > /dev/null; [ $? = 1 ]; do busybox usleep 300000; done"
)


def test_guest_that_was_given_too_much(program):
    nights.needs_time(2)
    command = f"""
        ({OPEN_NODES}) &
        {OPENED_PORTS} sh in-xen-guest.sh small 220 '{UNTIL_OPEN}; ./privops'
    """
    said = payloads.execute(command, program)
    given = {"iopl", "ioperm", "xenstore-write", "sysrq-node"}
    found = payloads.verdicts(said.stdout)
    assert {name for name, word in found.items() if word in ("FAILED", "ERROR")} == given, said


def test_xen_that_lets_every_guest(program):
    nights.needs_time(3)
    tarball = nights.hypervisor(f"file://{PATCH}")
    said = payloads.execute(
        "sh in-xen-guest.sh small 220 ./privops xen_privcmd.unrestricted=1",
        program, options=("--hypervisor", str(tarball), "--fresh"),
    )  # fmt: skip
    assert words_of(said.stdout, HYPERCALLS) == all_are("FAILED", HYPERCALLS), said
    assert words_of(said.stdout, GIVEN_TO_OTHERS) == all_are("FAILED", GIVEN_TO_OTHERS), said
    own = {"xenstore-write", "iopl"}
    assert words_of(said.stdout, own) == all_are("passed", own), said


def test_kvm_guest(program):
    names = {"msr-read", "msr-write", "user-hypercall", "host-sockets", "host-files",
             "clock-settime"}  # fmt: skip
    command = f"./privops {' '.join(sorted(names))}"
    said = payloads.execute(f"sh in-kvm-guest.sh 120 '{command}'", program, on="kvm")
    assert said.returncode == 0, said
    assert words_of(said.stdout, names) == all_are("passed", names), said


LISTEN = """
import socket
with socket.socket(socket.AF_VSOCK) as listener:
    listener.bind((socket.VMADDR_CID_ANY, 16509))
    listener.listen()
    while True:
        listener.accept()
"""


def test_host_that_is_in_reach(program, tmp_path):
    """A host whose libvirt listens is found too; the ports are QEMU's own fault in the lab."""
    nights.needs_time(2)
    on_host = "kernel-hypercall: passed: KVM_HC_VAPIC_POLL_IRQ from kernel mode is taken"
    (tmp_path / "listen.py").write_text(LISTEN)
    until = "until ./privops host-sockets > /dev/null; [ $? = 1 ]; do busybox usleep 300000; done"
    command = f"""
        (until grep -qs 'passed, ' /tmp/guest.console; do busybox usleep 300000; done
         exec python3 listen.py) & listener=$!
        ./privops
        sh in-kvm-guest.sh 120 './privops; {until}; ./privops host-sockets'
        kill $listener
    """
    said = payloads.execute(command, program, tmp_path / "listen.py", on="kvm")
    host, _, guest = said.stdout.partition(" errors\n")
    assert "role: KVM host" in host and on_host in host, said
    first, _, second = guest.partition(" errors\n")
    passed = {"msr-read", "msr-write", "user-hypercall", "host-sockets", "host-files",
              "clock-settime"}  # fmt: skip
    assert words_of(first, passed) == all_are("passed", passed), said
    skipped = {"iopl", "ioperm", "pci-config"}
    assert words_of(first, skipped) == all_are("skipped", skipped), said
    assert "host-sockets: FAILED: a KVM guest could do this: the host answers" in second, said
