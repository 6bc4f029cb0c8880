"""The Linux kernel inside a bzImage, and another packing for it.

Debian packs its kernel by XZ, which an emulated processor unpacks for seconds: Linux itself at
power-on, Xen for the control domain at each boot. Repacked by LZ4 it is the same kernel, sooner.
"""

from __future__ import annotations

import lzma
import struct
import subprocess
import tempfile
from pathlib import Path

from xentest.errors import BrokenError

UNPACKER = [Path(__file__).parent / "files" / name for name in ("unpack.S", "unpack.c")]
# Offsets in the boot protocol's header (Documentation/x86/boot.rst of Linux).
SETUP_SECTORS, CODE_PARAGRAPHS, CODE_ADDRESS = 0x1F1, 0x1F4, 0x214
RELOCATABLE, EXTRA_FLAGS, PAYLOAD_OFFSET, PAYLOAD_LENGTH = 0x234, 0x236, 0x248, 0x24C
LOADED_AT = 0x100000
FREE_BELOW = 0x7F00000  # from here up the unpacker has its tables and the unpacked file
PT_LOAD = 1
CODE_SIZE = 0x1000  # of our own code, which the payload follows
COMPILE = (
    "gcc -m64 -mgeneral-regs-only -mno-red-zone -fno-pic -ffreestanding -fno-stack-protector "
    "-fcf-protection=none -std=gnu11 -O2 -Wall -Wextra -Werror -nostdlib -static "
    "-Wl,--build-id=none,-z,noexecstack,-z,norelro,-N"
).split()


def unpack(image: bytes) -> bytes:
    """The ELF file that a bzImage carries (compressed by xz, zstd or gzip)."""
    if image[0x1FE:0x200] != b"\x55\xaa":
        raise BrokenError("the kernel is no bzImage")
    code = _code_begins(image)
    offset, length = struct.unpack_from("<II", image, PAYLOAD_OFFSET)
    payload = image[code + offset : code + offset + length]
    unpacked = _decompress(payload)
    if unpacked[:4] != b"\x7fELF":
        raise BrokenError("the kernel's payload is no ELF file")
    return unpacked


def repack(image: bytes) -> bytes:
    """A bzImage of the same kernel that is unpacked fast."""
    kernel = unpack(image)
    if _highest_address(kernel) > FREE_BELOW:
        raise BrokenError("the kernel is too large for the code that unpacks it")
    # The length behind it, as Linux's own build has it: Xen looks for it.
    payload = pack(kernel) + struct.pack("<I", len(kernel))
    code = _compile(len(payload) - 4).ljust(CODE_SIZE, b"\0") + payload
    header = bytearray(image[: _code_begins(image)])
    struct.pack_into("<I", header, CODE_PARAGRAPHS, -(-len(code) // 16))
    struct.pack_into("<I", header, CODE_ADDRESS, LOADED_AT)
    struct.pack_into("<BxH", header, RELOCATABLE, 0, 0)
    struct.pack_into("<II", header, PAYLOAD_OFFSET, CODE_SIZE, len(payload))
    return bytes(header) + code


def pack(content: bytes) -> bytes:
    """Packed by LZ4 as Linux and Xen unpack it: of what they know it takes the least time."""
    packed = _filter(["lz4", "-lc9"], content)
    if _filter(["lz4", "-dc"], packed) != content:
        raise BrokenError("lz4 did not give back what it packed")
    return packed


def _code_begins(image: bytes) -> int:
    return ((image[SETUP_SECTORS] or 4) + 1) * 512


def _highest_address(kernel: bytes) -> int:
    table, size, count = struct.unpack_from("<32xQ14xHH", kernel)
    parts = (struct.unpack_from("<I20xQ8xQ", kernel, table + i * size) for i in range(count))
    ends: list[int] = [at + length for kind, at, length in parts if kind == PT_LOAD]
    return max(ends)


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


def _compile(packed_size: int) -> bytes:
    """The code that unpacks `packed_size` bytes of LZ4 and starts the kernel in them."""
    with tempfile.TemporaryDirectory() as folder:
        linked, code = Path(folder, "unpack.elf"), Path(folder, "unpack.bin")
        values = [f"-DPAYLOAD={LOADED_AT + CODE_SIZE}", f"-DPACKED_SIZE={packed_size}"]
        sources = [str(path) for path in UNPACKER]
        _filter([*COMPILE, f"-Wl,-Ttext={LOADED_AT:#x}", *values, "-o", str(linked), *sources])
        _filter(["objcopy", "-O", "binary", str(linked), str(code)])
        made = code.read_bytes()
    if len(made) > CODE_SIZE:
        raise BrokenError(f"the code that unpacks the kernel is too large ({len(made)} bytes)")
    return made


def _filter(command: list[str], content: bytes = b"") -> bytes:
    try:
        answer = subprocess.run(command, input=content, capture_output=True, check=False)
    except FileNotFoundError:
        raise BrokenError(f"the command {command[0]} is missing", "Run `make deps`.") from None
    if answer.returncode:
        said = answer.stderr.decode(errors="replace").strip()
        raise BrokenError(f"{command[0]} could not repack the kernel: {said}", "Run `make deps`.")
    return answer.stdout
