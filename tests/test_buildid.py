"""Build ids out of images of every shape, also damaged ones."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import pytest

from xentest import buildid, tool
from xentest.errors import BrokenError

ID = bytes(range(1, 21))
NOTE = struct.pack("<III", 4, len(ID), 3) + b"GNU\0" + ID
OTHER = struct.pack("<III", 4, 4, 1) + b"Xen\0" + b"abcd"
MULTIBOOT2 = struct.pack("<IIII", 0xE85250D6, 0, 24, -(0xE85250D6 + 24) & 0xFFFFFFFF)


def image(notes: bytes = OTHER + NOTE, bits: int = 32, headers: bool = True) -> bytes:
    """A hypervisor image in small: ELF header, a note segment, a multiboot2 header."""
    count = 1 if headers else 0
    if bits == 32:
        elf = b"\x7fELF\x01\x01\x01" + bytes(9)
        elf += struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, 0, 64, 0, 0, 52, 32, count, 0, 0, 0)
        segment = struct.pack("<IIIIIIII", 4, 128, 0, 0, len(notes), len(notes), 4, 4)
    else:
        elf = b"\x7fELF\x02\x01\x01" + bytes(9)
        elf += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0, 64, 0, 0, 64, 56, count, 0, 0, 0)
        segment = struct.pack("<IIQQQQQQ", 4, 4, 128, 0, 0, len(notes), len(notes), 4)
    return (
        (elf.ljust(64, b"\0") + segment).ljust(128, b"\0")
        + notes
        + bytes(-len(notes) % 8)
        + (MULTIBOOT2 + bytes(64))
    )


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("headers", [True, False])
@pytest.mark.parametrize("zipped", [True, False])
def test_found(tmp_path: Path, bits: int, headers: bool, zipped: bool) -> None:
    content = image(bits=bits, headers=headers)
    (tmp_path / "xen").write_bytes(gzip.compress(content) if zipped else content)
    assert buildid.of_hypervisor(tmp_path / "xen") == ID.hex()


def test_a_true_program(tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text("int main(void) { return 0; }\n")
    command = ["gcc", "-Wl,--build-id=0xfeedfacecafebeef01", "-o", "a", "a.c"]
    assert tool.run(command, folder=tmp_path, timeout=60).status == 0
    assert buildid.of_hypervisor(tmp_path / "a") == "feedfacecafebeef01"


def test_none() -> None:
    assert buildid.of_bytes(image(notes=OTHER)) == ""
    assert buildid.of_bytes(b"") == buildid.of_bytes(b"\x7fELF") == ""
    assert buildid.of_bytes(NOTE[:-1]) == ""
    assert buildid.of_bytes(struct.pack("<III", 4, 1 << 31, 3) + b"GNU\0" + ID) == ""


def test_every_cut_is_survived() -> None:
    whole = image()
    for length in range(len(whole)):
        assert buildid.of_bytes(whole[:length]) in ("", ID.hex())


def test_damaged_gzip(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(image()))
    for content in (packed[:-9], packed[:-4] + b"abcd", packed + b"garbage"):
        (tmp_path / "xen.gz").write_bytes(content)
        with pytest.raises(BrokenError, match="damaged"):
            buildid.of_hypervisor(tmp_path / "xen.gz")
    with pytest.raises(BrokenError):
        buildid.of_hypervisor(tmp_path / "absent")


def test_of_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buildid, "RUNNING", tmp_path / "buildid")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert buildid.of_running() == ""
    xl = tmp_path / "xl"
    xl.write_text('#!/bin/sh\n[ "$*" = "info build_id" ] && echo abc123\n')
    xl.chmod(0o755)
    assert buildid.of_running() == "abc123"
    (tmp_path / "buildid").write_bytes(ID)
    assert buildid.of_running() == ID.hex()
    for cut in (b"", ID[:7], b"<denied>"):
        (tmp_path / "buildid").write_bytes(cut)
        assert buildid.of_running() == "abc123"
    xl.unlink()
    assert buildid.of_running() == ""
