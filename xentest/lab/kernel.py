"""The Linux kernel inside a bzImage."""

from __future__ import annotations

import lzma
import struct
import subprocess

from xentest.errors import BrokenError

# Offsets in the boot protocol's header (Documentation/x86/boot.rst of Linux).
SETUP_SECTORS, PAYLOAD_OFFSET, PAYLOAD_LENGTH = 0x1F1, 0x248, 0x24C


def unpack(image: bytes) -> bytes:
    """The ELF file that a bzImage carries (compressed by xz, zstd or gzip)."""
    if image[0x1FE:0x200] != b"\x55\xaa":
        raise BrokenError("the kernel is no bzImage")
    code = ((image[SETUP_SECTORS] or 4) + 1) * 512
    offset, length = struct.unpack_from("<II", image, PAYLOAD_OFFSET)
    payload = image[code + offset : code + offset + length]
    unpacked = _decompress(payload)
    if unpacked[:4] != b"\x7fELF":
        raise BrokenError("the kernel's payload is no ELF file")
    return unpacked


def _decompress(payload: bytes) -> bytes:
    if payload[:6] == b"\xfd7zXZ\0":
        return lzma.LZMADecompressor().decompress(payload)
    command = {b"\x28\xb5\x2f\xfd": "zstd", b"\x1f\x8b\x08": "gzip"}
    for magic, name in command.items():
        if payload.startswith(magic):
            # What follows the compressed data is its size: the tools warn of it.
            said = subprocess.run([name, "-dc"], input=payload, capture_output=True, check=False)
            return said.stdout
    raise BrokenError(f"the kernel is packed in a way unknown here ({payload[:4].hex()})")
