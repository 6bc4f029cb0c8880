"""Which accelerator the lab may use: /dev/kvm is probed with a short boot, never trusted.

The probe starts a virtual CPU on 16 bytes of our own that write one character to the
serial port and halt.  Where the device exists but hangs or kills its guests, the machine
is emulated, and that is said aloud.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

PROBE_LIMIT = 10.0
# A boot sector: mov dx,0x3f8; mov al,'K'; out dx,al; hlt; jmp $-1
BOOT_SECTOR = (
    bytes.fromhex("baf803 b04b ee f4 ebfd".replace(" ", "")).ljust(510, b"\0") + b"\x55\xaa"
)


def usable_kvm(
    device: Path = Path("/dev/kvm"), emulator: str = "qemu-system-x86_64"
) -> tuple[bool, str]:
    """True if a KVM guest really runs here, else the reason why it is not used."""
    if not device.exists():
        return False, f"there is no {device}"
    if not os.access(device, os.R_OK | os.W_OK):
        return False, f"{device} may not be opened"
    with tempfile.TemporaryDirectory() as folder:
        sector = Path(folder) / "probe"
        said = Path(folder) / "said"
        sector.write_bytes(BOOT_SECTOR)
        try:
            probe = subprocess.Popen(
                [emulator, "-nodefaults", "-display", "none", "-accel", "kvm",
                 "-cpu", "host", "-smp", "2", "-m", "64",
                 "-drive", f"file={sector},format=raw,if=ide,snapshot=on",
                 "-serial", f"file:{said}"],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            )  # fmt: skip
        except OSError as error:
            return False, f"{emulator}: {error.strerror}"
        return _watch(probe, said, device)


def _watch(probe: "subprocess.Popen[bytes]", said: Path, device: Path) -> tuple[bool, str]:
    from xentest.errors import BrokenError
    from xentest.lab.machine import wait_until

    try:
        wait_until(
            lambda: said.exists() and b"K" in said.read_bytes(),
            "the probe's word",
            PROBE_LIMIT,
            give_up=lambda: probe.poll() is not None,
        )
        return True, ""
    except BrokenError:
        if probe.poll() is None:
            return False, f"{device} is there, but a guest hangs on it"
        assert probe.stderr is not None
        words = probe.stderr.read().decode(errors="replace").strip().splitlines()
        return False, words[-1] if words else "the probe died without a word"
    finally:
        probe.kill()
        probe.wait()
        if probe.stderr:
            probe.stderr.close()
