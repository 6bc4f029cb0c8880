"""Unpacks archives of strangers: whole or not at all, and never a step outside the folder.

What an archive may hold: folders, files, and links that stay inside.  Everything else
(absolute names, `..`, links that lead out, devices, FIFOs) makes the archive refused,
and nothing of it stays.  Everything belongs to who unpacks; set-id bits and write
permission for others are dropped.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from xentest.errors import ADVICE as SYSTEMS_ADVICE
from xentest.errors import BrokenError
from xentest.staging import staged

if TYPE_CHECKING:
    import tarfile

    from xentest.decompress import Stream

MAX_BYTES = 20 << 30
MAX_FILES = 500_000
MAX_RATIO = 250.0
MAX_DEPTH = 100
CHUNK = 1 << 20
# What comes in place of a tar archive, by how it begins.
OTHERS = (
    (b"<!doctype html", "a web page"),
    (b"<html", "a web page"),
    (b"<?xml", "XML"),
    (b"version https://git-lfs", "a pointer to a file that Git LFS keeps elsewhere"),
    (b"PK\x03\x04", "a zip archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!", "a rar archive"),
    (b"!<arch>", "a Debian package"),
    (b"070701", "a cpio archive"),
    (b"LZIP", "packed by lzip"),
    (b"\x5d\0\0", "packed by lzma"),
    (b"\x04\x22\x4d\x18", "packed by lz4"),
    (b"\x1f\x9d", "packed by compress"),
    (b"\x1f\x8b", "packed by gzip twice"),
    (b"BZh", "packed twice"),
    (b"\xfd7zXZ", "packed twice"),
)
ADVICE = "Nothing of it was kept. Look who made this archive before you use it."


def unpack(
    archive: Path,
    folder: Path,
    *,
    max_bytes: int = MAX_BYTES,
    max_files: int = MAX_FILES,
    max_ratio: float = MAX_RATIO,
) -> Path:
    """Unpack a tar archive (plain, gzip, bzip2, xz, zstd: by its content) into `folder`.

    `folder` must be absent or empty; it is returned.  Raises BrokenError that names
    the member and the reason; then `folder` is as it was.
    """
    from xentest.decompress import RATIO_FROM, open_stream

    with open_stream(archive, max_bytes=max_bytes, max_ratio=max_ratio) as stream:
        with staged(folder) as temporary:
            try:
                # What a sparse file says of its holes is packed better than any compressor packs.
                most = max(RATIO_FROM, int(max_ratio * archive.stat().st_size))
                _Unpacker(archive, temporary, min(max_bytes, most), max_files).run(stream)
            except OSError as error:
                raise _refused(archive, "cannot be unpacked", error) from None
    return folder


def single_top(folder: Path) -> Path:
    """The one folder that `folder` holds, if it holds nothing else; else `folder`."""
    entries = list(folder.iterdir())
    if len(entries) == 1 and entries[0].is_dir() and not entries[0].is_symlink():
        return entries[0]
    return folder


def _refused(archive: Path, reason: str, error: Optional[OSError] = None) -> BrokenError:
    """What is wrong with the archive; or, with `error`, what the system refused while unpacking."""
    if error is None:
        return BrokenError(f"{archive.name}: {reason}", ADVICE)
    advice = SYSTEMS_ADVICE.get(error.errno or 0, ADVICE)
    return BrokenError(f"{archive.name}: {reason}: {error.strerror or error}", advice)


def _member(member: tarfile.TarInfo) -> str:
    return f"member {member.name[:200]!r}"


def _instead(head: bytes) -> str:
    """What the bytes are that no tar archive begins with; empty when that is not known."""
    text = head.lstrip().lower()
    for sign, name in OTHERS:
        if head.startswith(sign) or text.startswith(sign):
            return f"no tar archive but {name}"
    return ""


class _Unpacker:
    """One archive on its way into one empty folder that nobody else writes to."""

    def __init__(self, archive: Path, folder: Path, max_bytes: int, max_files: int) -> None:
        self._archive = archive
        self._folder = folder
        self._room = max_bytes
        self._max_files = max_files
        self._files = 0  # members, and folders that they lie in
        self._links: set[Path] = set()

    def run(self, stream: Stream) -> None:
        import tarfile

        try:
            with tarfile.open(fileobj=stream, mode="r:", errorlevel=2) as tar:  # type: ignore
                self._members(tar)
        except (tarfile.TarError, ValueError, OverflowError, RecursionError) as error:
            raise _refused(
                self._archive, _instead(stream.head) or f"not a whole tar archive: {error}"
            ) from None
        # tarfile takes a damaged header, and a missing end, for the end of the archive.
        if not stream.ends_with_zeros():
            raise _refused(self._archive, "damaged or cut short: its end mark is missing")
        self._check_links()

    def _members(self, tar: tarfile.TarFile) -> None:
        while (member := tar.next()) is not None:
            self._count()
            try:
                self._member(tar, member)
            except OSError as error:
                raise _refused(self._archive, _member(member), error) from None
            tar.members = []  # type: ignore  # or a long archive fills the memory
        if not self._files:
            raise _refused(self._archive, "it holds nothing")

    def _count(self) -> None:
        self._files += 1
        if self._files > self._max_files:
            raise _refused(self._archive, f"more than {self._max_files} members and folders")

    def _error(self, member: tarfile.TarInfo, reason: str) -> BrokenError:
        return _refused(self._archive, f"{_member(member)}: {reason}")

    def _member(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        path = self._inside(member, member.name)
        if member.size < 0:
            raise self._error(member, f"claims to have {member.size} bytes")
        if member.isdir():
            self._make_folder(member, path)
            return
        if path == self._folder:
            raise self._error(member, "would replace the folder itself")
        self._make_folder(member, path.parent)
        if member.islnk() and self._inside(member, member.linkname) == path and _is_file(path):
            return  # so tar packs a file with several names that it was told of twice
        self._make_way(member, path)
        if member.issym():
            if member.linkname.startswith("/"):
                raise self._error(member, f"links to the absolute name {member.linkname!r}")
            os.symlink(member.linkname, path)
            self._links.add(path)
        elif member.islnk():
            self._hard_link(member, path)
        elif member.isreg():
            self._file(tar, member, path)
        else:
            raise self._error(member, "is a device, a FIFO or of an unknown kind")

    def _inside(self, member: tarfile.TarInfo, name: str) -> Path:
        """Where `name` lies below the folder; names that could lead out are refused."""
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if name.startswith("/"):
            raise self._error(member, f"has the absolute name {name!r}")
        if ".." in parts or "\0" in name:
            raise self._error(member, f"has '..' in the name {name!r}")
        if len(parts) > MAX_DEPTH:
            raise self._error(member, f"lies more than {MAX_DEPTH} folders deep")
        return self._folder.joinpath(*parts)

    def _make_folder(self, member: tarfile.TarInfo, path: Path) -> None:
        """Make `path` and what is missing above it; each step must be a true folder."""
        step = self._folder
        for part in path.relative_to(self._folder).parts:
            step = step / part
            mode = _mode(step)
            if mode is None:
                if step != path or not member.isdir():  # then it is no member itself
                    self._count()
                step.mkdir(mode=0o755)
            elif not stat.S_ISDIR(mode):
                shown = step.relative_to(self._folder)
                raise self._error(member, f"would be written through {str(shown)!r}, not a folder")

    def _make_way(self, member: tarfile.TarInfo, path: Path) -> None:
        """A later member of the same name replaces the earlier one, but never a folder."""
        mode = _mode(path)
        if mode is None:
            return
        if stat.S_ISDIR(mode):
            raise self._error(member, "would replace a folder")
        path.unlink()

    def _hard_link(self, member: tarfile.TarInfo, path: Path) -> None:
        target = self._inside(member, member.linkname)
        for step in [target, *target.parents]:
            if step == self._folder:
                break
            mode = _mode(step)
            wanted = stat.S_ISREG if step == target else stat.S_ISDIR
            if mode is None or not wanted(mode):
                reason = f"hard link to {member.linkname!r}, which is no file of this archive"
                raise self._error(member, reason)
        if target == self._folder:
            raise self._error(member, "hard link to the folder itself")
        os.link(target, path, follow_symlinks=False)

    def _file(self, tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
        self._room -= max(0, member.size)
        if self._room < 0:
            raise self._error(member, "the archive unpacks to more than is allowed (a bomb?)")
        source = tar.extractfile(member)
        if source is None:
            raise self._error(member, "has no content")
        mode = 0o600 | member.mode & 0o755
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "wb") as target:
            left = member.size
            while left > 0:
                data = source.read(min(CHUNK, left))
                if not data:
                    raise self._error(member, "is cut short")
                target.write(data)
                left -= len(data)
            os.fchmod(target.fileno(), mode)
        # make looks at these times.
        seconds = min(max(0.0, float(member.mtime)), float(1 << 33))
        os.utime(path, (seconds, seconds))

    def _check_links(self) -> None:
        """No link may lead out, also not through other links: looked at when all are there."""
        root = os.path.realpath(self._folder)
        for link in sorted(self._links):
            if not link.is_symlink():
                continue
            end = os.path.realpath(link)
            if end != root and not end.startswith(root + "/"):
                name = str(link.relative_to(self._folder))
                where = os.readlink(link)
                raise _refused(self._archive, f"member {name!r}: links to {where!r}, outside")


def _is_file(path: Path) -> bool:
    return stat.S_ISREG(_mode(path) or 0)


def _mode(path: Path) -> int | None:
    """The file mode of `path` itself (links not followed); None when it is absent."""
    try:
        return os.lstat(path).st_mode
    except FileNotFoundError:
        return None
