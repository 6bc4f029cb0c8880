"""A folder that appears whole or not at all."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

from xentest.errors import BrokenError


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Give an empty folder beside `folder`; it becomes `folder` if the block ends well.

    `folder` must be absent or empty.  If the block fails nothing stays.
    """
    import shutil
    import tempfile

    if folder.is_symlink() or folder.exists() and not _is_empty_folder(folder):
        raise BrokenError(f"{folder} is in the way", "Remove it, or name another folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        yield temporary
        temporary.chmod(0o755)
        os.rename(temporary, folder)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _is_empty_folder(folder: Path) -> bool:
    return folder.is_dir() and not any(folder.iterdir())
