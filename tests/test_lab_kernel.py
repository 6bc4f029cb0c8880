"""The lab's kernel: the ELF file in a bzImage, and its other packing."""

from __future__ import annotations

import gzip
import lzma
import struct
import subprocess

import pytest

from xentest.errors import BrokenError
from xentest.lab import kernel

SETUP_SECTORS = 3
CODE = (SETUP_SECTORS + 1) * 512


def elf(address: int = 0x1000000, size: int = 5000) -> bytes:
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, 62, 1, address, 64, 0, 0,
                         64, 56, 2, 0, 0, 0)  # fmt: skip
    note = struct.pack("<IIQQQQQQ", 4, 4, 0, 0, 1 << 40, 8, 8, 4)
    load = struct.pack("<IIQQQQQQ", 1, 5, 176, address, address, size, size, 4096)
    return header + note + load + bytes(i * 7 % 251 for i in range(size))


def bzimage(payload: bytes) -> bytes:
    header = bytearray(CODE)
    header[kernel.SETUP_SECTORS] = SETUP_SECTORS
    header[0x1FE:0x200] = b"\x55\xaa"
    struct.pack_into("<B", header, kernel.RELOCATABLE, 1)
    struct.pack_into("<II", header, kernel.PAYLOAD_OFFSET, 100, len(payload))
    return bytes(header) + bytes(100) + payload + b"what follows"


@pytest.mark.parametrize(
    "pack", [gzip.compress, lambda content: lzma.compress(content, check=lzma.CHECK_CRC32)]
)
def test_repacked_kernel_is_the_same(pack) -> None:
    made = kernel.repack(bzimage(pack(elf())))
    offset, length = struct.unpack_from("<II", made, kernel.PAYLOAD_OFFSET)
    payload = made[CODE + offset :]
    assert len(payload) == length
    assert payload[-4:] == struct.pack("<I", len(elf()))
    unpacked = subprocess.run(["lz4", "-dc"], input=payload[:-4], stdout=subprocess.PIPE)
    assert unpacked.stdout == elf()
    assert made[kernel.RELOCATABLE] == 0
    assert struct.unpack_from("<I", made, kernel.CODE_ADDRESS) == (0x100000,)
    assert 0 < len(made[CODE : CODE + offset].rstrip(b"\0")) < offset


def test_kernel_that_would_lie_on_its_unpacker_is_refused() -> None:
    kernel.repack(bzimage(gzip.compress(elf(address=kernel.FREE_BELOW - 5000))))
    with pytest.raises(BrokenError, match="too large"):
        kernel.repack(bzimage(gzip.compress(elf(address=kernel.FREE_BELOW - 4999))))


@pytest.mark.parametrize(
    "image, said",
    [
        (bytes(1024), "no bzImage"),
        (bzimage(gzip.compress(b"no kernel")), "no ELF file"),
        (bzimage(b"BZh9 something"), r"unknown here \(425a6839\)"),
    ],
    ids=["zeros", "no ELF file", "bzip2"],  # bytes as names: gzip writes the time into its own
)
def test_what_is_no_kernel_is_told(image: bytes, said: str) -> None:
    with pytest.raises(BrokenError, match=said):
        kernel.unpack(image)
