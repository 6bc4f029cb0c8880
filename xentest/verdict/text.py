"""A report as lines: any bytes, of any length, without ever holding the whole file."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import BinaryIO, Iterator

from xentest.process import CUT_MARK, OUTPUT_LIMIT
from xentest.process import TAIL as RECORDED_TAIL

MAX_LINE = 16 << 10
MAX_REPORT = OUTPUT_LIMIT + 2 * RECORDED_TAIL  # a whole recorded output fits
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
TELLING = (b"error", b"fail", b"fatal", b"cannot", b"can't", b"not found", b"no such", b"denied")
TAIL = 32 << 10
ESCAPES = re.compile(  # colours and cursor, character sets, titles of windows
    r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][0-9A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"
)
ENDING = 20  # so many last lines are searched for one that tells


class NotReadable(Exception):
    """The report is no regular file, or has no end; the message says what it is."""


def open_regular(path: Path) -> BinaryIO:
    """Open a file that a stranger may have put there: no link, no device, no FIFO."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise NotReadable(f"{path.name} cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotReadable(f"{path.name} is not a regular file")
    return os.fdopen(descriptor, "rb")


def lines(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Each line with its offset, without its end; of a longer one the first MAX_LINE bytes.

    A carriage return ends a line too: what a program prints over its own words (a verdict
    over the progress so far) is a line of its own. A line with nothing in it is none.
    Raises NotReadable where a report is too long: it may be made of holes, or still grow.
    """
    offset, inside = 0, False  # inside: of a line that was long enough
    while chunk := stream.readline(MAX_LINE):
        if offset > MAX_REPORT:
            raise NotReadable(f"the report is larger than {MAX_REPORT >> 20} MiB")
        if chunk == b"\n":
            offset, inside = offset + 1, False
            continue
        pieces = chunk.splitlines(keepends=True)
        for piece in pieces:
            line = piece.rstrip(b"\r\n")
            if not inside and (line or len(pieces) == 1):
                yield offset, line if offset else line.removeprefix(BYTE_ORDER_MARK)
            offset += len(piece)
            inside = not piece.endswith((b"\n", b"\r"))


def words(line: bytes) -> str:
    """A line as text that can be shown: no undecodable bytes, no colours, no NULs of a console."""
    text = line.replace(b"\0", b"").decode("utf-8", "replace")
    return ESCAPES.sub("", text) if "\x1b" in text else text


def last_words(path: Path) -> tuple[str, int | None]:
    """The last telling line of an output, or else its last line, with its offset."""
    try:
        with open_regular(path) as stream:
            start = max(0, os.fstat(stream.fileno()).st_size - TAIL)
            stream.seek(start)
            ending = [(start + at, line) for at, line in lines(stream) if line.strip()][-ENDING:]
    except NotReadable:
        return "", None
    telling = [item for item in ending if any(word in item[1].lower() for word in TELLING)]
    chosen = telling[-1:] or ending[-1:]
    return (words(chosen[0][1]).strip()[:300], chosen[0][0]) if chosen else ("", None)


def last_line(path: Path) -> str:
    """The last line that is not empty."""
    try:
        with open_regular(path) as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - TAIL))
            ending = [line for _, line in lines(stream) if line.strip()][-1:]
    except NotReadable:
        return ""
    return words(ending[0]).strip()[:300] if ending else ""


def is_cut(path: Path) -> bool:
    """Whether a part of a recorded output is missing: its mark stands before the tail."""
    try:
        with open_regular(path) as stream:
            size = os.fstat(stream.fileno()).st_size
            stream.seek(max(0, size - RECORDED_TAIL - 100))
            return size >= OUTPUT_LIMIT and CUT_MARK in stream.read(100)
    except NotReadable:
        return False
