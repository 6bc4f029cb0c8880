"""Tar archives that are the same for the same content."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path


def pack(folder: Path, top: str) -> bytes:
    """A tar of `folder` below the name `top`; owners and times are left out."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path in sorted(folder.rglob("*")):
            if "__pycache__" in path.parts and path.suffix != ".pyc":
                if not path.is_dir():
                    continue
            name = os.path.join(top, path.relative_to(folder).as_posix())
            archive.add(path, name, recursive=False, filter=_anonymous)
    return buffer.getvalue()


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    member.mtime = 0
    return member
