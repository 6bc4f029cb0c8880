"""An archive file as a stream of plain bytes, watched for bombs, cuts and garbage."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Callable, Generator, Iterator, Protocol

from xentest.errors import BrokenError

CHUNK = 256 << 10
RATIO_FROM = 64 << 20  # small archives may compress as well as they like
MAX_SINGLE_READ = 1 << 20
MEMORY = 512 << 20
ADVICE = "Nothing of it was kept. Fetch it again; if that does not help, its source is damaged."


class Decoder(Protocol):
    """What bz2 and lzma give, and zlib after _Gzip."""

    @property
    def eof(self) -> bool:
        ...

    @property
    def needs_input(self) -> bool:
        ...

    @property
    def unused_data(self) -> bytes:
        ...

    def decompress(self, data: bytes, max_length: int) -> bytes:
        ...


class Stream:
    """Forward-only reader of plain bytes, as tarfile wants it."""

    def __init__(
        self, name: str, chunks: Iterator[bytes], taken: Callable[[], int], limit: int, ratio: float
    ) -> None:
        self._name = name
        self._chunks = chunks
        self._taken = taken
        self._limit = limit
        self._ratio = ratio
        self._buffer = bytearray()
        self._came = 0
        self._position = 0
        self._last = b""
        self.head = b""  # how the plain bytes begin

    def read(self, size: int) -> bytes:
        """Exactly `size` bytes, fewer only at the end."""
        if size > MAX_SINGLE_READ:
            raise self._refuse("a header of it claims to be huge")
        while len(self._buffer) < size and self._fill():
            pass
        self._last = bytes(self._buffer[:size])
        self.head = self.head or self._last[:512]
        del self._buffer[:size]
        self._position += len(self._last)
        return self._last

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> None:
        """Forward only."""
        if position < self._position:
            raise self._refuse("a member of it claims to lie before another")
        while self._position < position and self.read(min(CHUNK, position - self._position)):
            pass

    def ends_with_zeros(self) -> bool:
        """True if the block read last and all that follows are zeros, as a tar archive ends."""
        whole = len(self._last) == 512 and not any(self._last)
        while whole and (rest := self.read(CHUNK)):
            whole = not any(rest)
        return whole

    def _fill(self) -> bool:
        chunk = next(self._chunks, b"")
        self._buffer += chunk
        self._came += len(chunk)
        if self._came > self._limit + self._limit // 8 + RATIO_FROM:
            raise self._refuse(f"more than {self._limit} bytes unpacked (a bomb?)")
        if self._came > RATIO_FROM and self._came > self._ratio * self._taken():
            raise self._refuse(f"unpacks to over {self._ratio:g} times its size (a bomb?)")
        return bool(chunk)

    def _refuse(self, reason: str) -> BrokenError:
        return BrokenError(f"{self._name}: {reason}", ADVICE)


@contextmanager
def open_stream(archive: Path, *, max_bytes: int, max_ratio: float) -> Iterator[Stream]:
    """The plain bytes of `archive`, whatever compressed it."""
    try:
        source = open(archive, "rb")
    except OSError as error:
        raise BrokenError(f"{archive}: {error.strerror}", "It was to be unpacked.") from None
    with source:
        chunks = _chunks(archive.name, source)
        stream = Stream(archive.name, chunks, lambda: _position(source), max_bytes, max_ratio)
        try:
            yield stream
        finally:
            chunks.close()


def _position(source: IO[bytes]) -> int:
    # Of the descriptor, not of Python's buffer: zstd reads from the descriptor itself.
    return os.lseek(source.fileno(), 0, os.SEEK_CUR)


Chunks = Generator[bytes, None, None]


def _chunks(name: str, source: IO[bytes]) -> Chunks:
    head = os.pread(source.fileno(), 6, 0)
    if head.startswith(b"\x1f\x8b"):
        return _decoded(name, source, _Gzip, b"\x1f\x8b")
    if head.startswith(b"BZh"):
        from bz2 import BZ2Decompressor

        return _decoded(name, source, BZ2Decompressor, b"BZh")
    if head.startswith(b"\xfd7zXZ\0"):
        from lzma import LZMADecompressor

        return _decoded(name, source, lambda: LZMADecompressor(memlimit=MEMORY), b"\xfd7zXZ\0")
    skippable = head[1:4] == b"\x2a\x4d\x18" and head[0] >> 4 == 5  # pzstd begins with such a frame
    if skippable or head.startswith(b"\x28\xb5\x2f\xfd"):
        return _zstd(name, source)
    return _plain(source)


def _plain(source: IO[bytes]) -> Chunks:
    while chunk := source.read(CHUNK):
        yield chunk


class _Gzip:
    """zlib with the face of bz2 and lzma."""

    def __init__(self) -> None:
        import zlib

        self._decoder = zlib.decompressobj(31)

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def needs_input(self) -> bool:
        return not self._decoder.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._decoder.decompress(self._decoder.unconsumed_tail + data, max_length)


def _decoded(name: str, source: IO[bytes], fresh: Callable[[], Decoder], magic: bytes) -> Chunks:
    """Decode one compressed member after another; only zeros may follow the last."""
    import zlib
    from lzma import LZMAError

    decoder, data, full = fresh(), b"", False
    try:
        while True:
            if decoder.needs_input and not full and not decoder.eof:
                data = source.read(CHUNK)
                if not data:
                    raise _damaged(name, "is cut short")
            plain = decoder.decompress(data, CHUNK)
            data, full = b"", len(plain) == CHUNK
            if plain:
                yield plain
            if decoder.eof:
                data = _next_member(name, source, decoder.unused_data, magic)
                if not data:
                    return
                decoder, full = fresh(), True
    except (zlib.error, LZMAError, OSError, EOFError, ValueError) as error:
        raise _damaged(name, f"is damaged: {error}") from None


def _next_member(name: str, source: IO[bytes], data: bytes, magic: bytes) -> bytes:
    """The begin of the next compressed member; empty at the true end."""
    while not (data := data.lstrip(b"\0")):
        data = source.read(CHUNK)
        if not data:
            return b""
    data += source.read(len(magic))
    if not data.startswith(magic):
        raise _damaged(name, "has garbage after its end")
    return data


def _zstd(name: str, source: IO[bytes]) -> Chunks:
    import subprocess

    try:
        child = subprocess.Popen(
            ["zstd", "-dcq", f"--memory={MEMORY >> 20}MB"],
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except FileNotFoundError:
        advice = "Install it: apt-get install zstd"
        raise BrokenError(f"{name}: the command zstd is missing", advice) from None
    assert child.stdout is not None and child.stderr is not None
    try:
        while chunk := os.read(child.stdout.fileno(), CHUNK):
            yield chunk
        said = child.stderr.read().decode("utf-8", "replace").strip()
        if child.wait() != 0:
            raise _damaged(name, f"is damaged or cut short: {said[-200:]}")
    finally:
        child.kill()
        child.wait()
        child.stdout.close()
        child.stderr.close()


def _damaged(name: str, reason: str) -> BrokenError:
    return BrokenError(f"{name} {reason}", ADVICE)
