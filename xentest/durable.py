"""Writes that mean something: after them the content is on the disk, whole or not at all."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any


def write_bytes(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Replace `path` atomically: temporary file, fsync, rename, fsync of the folder."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.unlink(missing_ok=True)  # of a process with our number, before a power cut
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        descriptor = os.open(temporary, flags, mode)
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(descriptor, mode)  # whatever the umask: other domains read some of these
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.rename(temporary, path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            error.filename = str(path)  # that is what could not be written, whatever it says
        raise
    sync_folder(path.parent)


def write_text(path: Path, content: str, mode: int = 0o644) -> None:
    """As write_bytes, for text."""
    write_bytes(path, content.encode("utf-8", "surrogateescape"), mode)


def write_json(path: Path, value: Any) -> None:
    """As write_bytes, for a JSON value that people read too."""
    write_text(path, json.dumps(value, indent=2, sort_keys=False, ensure_ascii=True) + "\n")


def remove(path: Path) -> None:
    """Remove a file so that it stays removed after a power cut; absent is fine."""
    path.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
