"""virtbench in the lab: guests of KVM under nested virtualisation, alone and by libvirt, of QEMU
alone, and of Xen."""

from __future__ import annotations

import json
import subprocess
import tarfile
from pathlib import Path

import nights
import payloads
import pytest

pytestmark = pytest.mark.lab
VIRTBENCH = nights.SOURCE / "payloads/virtbench"
KVM = "KERNEL=/boot/vmlinuz"
# Each skip with a part of its reason; all else must be measured.
TWO_PROCESSORS = {name: "two processors" for name in ("halt-wake", "ipi", "tlb-shootdown")}
NOT_IN_A_KVM_GUEST = {
    **TWO_PROCESSORS,
    "event-channel": "not a Xen domain",
    "grant-map": "not a Xen domain",
    "hlt-exit": "no /dev/kvm",
    "hypercall": "no Xen hypercalls",
    "pio": "an outb ends the program",
    "vmcall": "not a VT guest",
}
NOT_IN_A_PV_GUEST = {
    **TWO_PROCESSORS,
    "hlt-exit": "no /dev/kvm",
    "msr-write": "can be written",
    "vmcall": "not a VT guest",
    "vmmcall": "not an SVM guest",
    "vsock-pingpong": "no AF_VSOCK",
}
XEN = (
    "KERNEL=/boot/vmlinux-guest BRIDGE=xenbr0 HOST_ADDRESS=192.168.77.1 FIRST_GUEST=101 "
    "XEN_VIF=script=vif-lab XEN_DISK=script=block-lab"
)


@pytest.fixture(scope="session")
def packed(tmp_path_factory) -> Path:
    """Both programs and the backends, as they are installed."""
    subprocess.run(["make", "-s", "-C", str(VIRTBENCH)], check=True, capture_output=True)
    path = tmp_path_factory.mktemp("virtbench") / "virtbench.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(VIRTBENCH / "build/virtbench", "virtbench")
        archive.add(VIRTBENCH / "build/virtclient", "virtclient")
        archive.add(VIRTBENCH / "backends", "backends")
    return path


HLT_EXIT_ON_THE_HOST = "./virtbench --json --rough -n 1 local hlt-exit"


# What a backend may leave behind.
LEFT = """
left=$(ls /sys/class/net | grep -cE 'vbtap|virtbench|vnet')
left=$((left + $(pgrep -c qemu-system)))
if command -v xl > /dev/null; then left=$((left + $(xl list | grep -c virtbench))); fi
if command -v virsh > /dev/null; then left=$((left + $(virsh list --name | grep -c virtbench))); fi
[ "$left" = 0 ] || { echo "$left machines or devices are left" >&2; exit 50; }
"""


def run_in_lab(
    packed: Path, host: str, settings: str, words: str, then: str = ":",
    before: str = ":", files: tuple[Path, ...] = (),
) -> list[dict]:  # fmt: skip
    """virtbench's results; what was started must be gone afterwards."""
    script = (
        f"{before}\ntar xmzf {packed.name} 2> tar.log\n"
        f"env {settings} ./virtbench --json --rough {words}; "
        f"status=$?; [ $status != 0 ] || {{ {then}; }} || status=$?; {LEFT}\nexit $status"
    )
    handed = [word for file in (packed, *files) for word in ("--file", str(file))]
    said = nights.execute("--on", host, "--timeout", "700", *handed, "--", "sh", "-c", script)
    assert said.returncode == 0, said
    lines = [json.loads(line) for line in said.stdout.splitlines() if line.startswith("{")]
    return [line for line in lines if line["type"] == "result"]


def check(results: list[dict], skips: dict[str, str]) -> None:
    """All benchmarks answered: measured, or with the reason that is expected."""
    named = {result["name"].partition("*")[0]: result for result in results}  # --runs adds *20
    assert {name: result["status"] for name, result in named.items()} == {
        name: "skip" if name in skips else "pass" for name in named
    }
    assert skips.keys() < named.keys()
    for name, result in named.items():
        if name in skips:
            assert skips[name] in result["reason"], result
        else:
            assert result["median"] > 0 and len(result["samples"]) >= 10, result


def test_kvm_guests(packed):
    """Two, and those that have to do with their hypervisor: inner guests are slow."""
    words = "-n 2 kvm cpuid libc-syscall msr-read vmmcall read-latency vsock-pingpong pingpong "
    words += " ".join(NOT_IN_A_KVM_GUEST)
    *results, on_host = run_in_lab(packed, "kvm", KVM, words, HLT_EXIT_ON_THE_HOST)
    check([on_host], {})
    assert on_host["name"] == "hlt-exit"
    check(results, NOT_IN_A_KVM_GUEST)
    slow = {result["name"]: result.get("median") for result in results}
    # What leaves the guest cannot be as quick as what stays in it.
    assert slow["cpuid"] > slow["libc-syscall"]


def test_guests_of_libvirt(packed, tmp_path):
    """Its true daemon, and KVM guests that it starts and ends."""
    nights.needs_time(3)
    libvirt = payloads.bundle(tmp_path / "libvirt.tar.zst", *payloads.LIBVIRT)
    results = run_in_lab(
        packed, "kvm", KVM, "-n 2 libvirt cpuid vmmcall read-latency vsock-pingpong pingpong pio",
        before=". ./libvirtd.sh", files=(libvirt, payloads.HERE / "libvirtd.sh"),
    )  # fmt: skip
    check(results, {"pio": NOT_IN_A_KVM_GUEST["pio"]})


def test_a_guest_of_qemu_alone(packed):
    """An emulator in the emulated machine: one small guest, for two would share its processor, and
    nothing but what shows that its disk, its network and its clock are there. Where no Xen is below
    the emulator, for there its system calls cost least."""
    nights.needs_time(4)
    words = "--runs=20 -n 1 --boot-limit 300 qemu cpuid hlt-exit read-latency net-latency"
    check(run_in_lab(packed, "kvm", f"{KVM} MEMORY=192", words), {"hlt-exit": "no /dev/kvm"})


def test_four_xen_guests(packed):
    """Every benchmark there is."""
    check(run_in_lab(packed, "xen", XEN, "-n 4 xen"), NOT_IN_A_PV_GUEST)
