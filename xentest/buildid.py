"""The GNU build id of a hypervisor: in its image, and of the one that runs."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Iterator

from xentest.errors import BrokenError, XentestError

NOTE_GNU_BUILD_ID = 3
PT_NOTE = 4
NOTE_HEAD = b"\x04\0\0\0", b"\x03\0\0\0GNU\0"
LARGEST_IMAGE = 256 << 20
USUAL_SIZE = 20  # Xen is linked with --build-id=sha1
RUNNING = Path("/sys/hypervisor/properties/buildid")


def of_hypervisor(image: Path) -> str:
    """The build id of a xen image (gzipped or plain ELF), in hex; "" when it has none."""
    return of_bytes(read_image(image))


def read_image(image: Path) -> bytes:
    """The ELF file in `image`, unzipped when need be. Raises BrokenError when damaged."""
    import gzip
    import zlib

    try:
        with open(image, "rb") as stream:
            if stream.read(2) == b"\x1f\x8b":
                stream.seek(0)
                content = gzip.GzipFile(fileobj=stream).read(LARGEST_IMAGE + 1)
            else:
                stream.seek(0)
                content = stream.read(LARGEST_IMAGE + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BrokenError(f"{image} is a damaged gzip file: {error}", "Build it again.") from None
    except OSError as error:
        raise BrokenError(f"{image}: {error.strerror}", "It was to be a hypervisor.") from None
    if len(content) > LARGEST_IMAGE:
        raise BrokenError(f"{image} is larger than {LARGEST_IMAGE} bytes: no hypervisor")
    return content


def of_bytes(content: bytes) -> str:
    """The build id in an ELF file; without a usable note header its bytes are looked for."""
    for notes in _note_segments(content):
        if found := _in_notes(notes):
            return found
    return _by_search(content)


def _note_segments(content: bytes) -> Iterator[bytes]:
    """The PT_NOTE segments of a little-endian ELF file."""
    if content[:4] != b"\x7fELF" or len(content) < 64:
        return
    if content[4] == 1:
        (start,), (size, count) = _at("<I", content, 28), _at("<HH", content, 42)
        layout, where = "<IIIII", (0, 1, 4)
    else:
        (start,), (size, count) = _at("<Q", content, 32), _at("<HH", content, 54)
        layout, where = "<IIQQQQ", (0, 2, 5)
    for number in range(count):
        header = content[start + number * size :][: struct.calcsize(layout)]
        if len(header) < struct.calcsize(layout):
            return
        fields = struct.unpack(layout, header)
        kind, offset, length = (fields[index] for index in where)
        if kind == PT_NOTE:
            yield content[offset : offset + length]


def _at(layout: str, content: bytes, offset: int) -> tuple[int, ...]:
    return struct.unpack_from(layout, content, offset)


def _in_notes(notes: bytes) -> str:
    offset = 0
    while offset + 12 <= len(notes):
        name_size, size, kind = struct.unpack_from("<III", notes, offset)
        name_end = offset + 12 + (name_size + 3 & ~3)
        if kind == NOTE_GNU_BUILD_ID and notes[offset + 12 : name_end] == b"GNU\0":
            return _whole(notes[name_end : name_end + size], size)
        offset = name_end + (size + 3 & ~3)
    return ""


def _by_search(content: bytes) -> str:
    before, after = NOTE_HEAD
    at = content.find(after)
    while at >= 0:
        head = content[at - 8 : at]
        if len(head) == 8 and head.startswith(before):
            (size,) = struct.unpack_from("<I", head, 4)
            if found := _whole(content[at + 8 : at + 8 + size], size):
                return found
        at = content.find(after, at + 1)
    return ""


def _whole(found: bytes, size: int) -> str:
    """The build id in hex; "" when it is cut or of no plausible size."""
    return found.hex() if len(found) == size and 8 <= size <= 64 else ""


def of_running() -> str:
    """The build id of the hypervisor under this kernel; "" when none, or none that it tells."""
    from xentest import tool

    try:
        plain = RUNNING.read_bytes()
    except OSError:
        plain = b""
    # Linux gives plain bytes, and only those before the first zero byte: then xl must tell.
    if len(plain) == USUAL_SIZE:
        return plain.hex()
    try:
        said = tool.run(["xl", "info", "build_id"], timeout=30)
    except XentestError:
        return ""
    found = said.text.strip()
    return found if said.status == 0 and found.strip("0123456789abcdef") == "" else ""
