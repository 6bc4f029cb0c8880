"""Gets what an address names: a verified file, or a tree.

Addresses: http, https, ftp, file and absolute paths (files, archives); `git+URL#REF`;
`deb-src:NAME`, a source package through the machine's own apt sources.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional

from xentest.errors import BrokenError, UsageError, printable, without_password
from xentest.progress import Progress

ATTEMPTS = 3
LIMIT = 4 << 30
TIMEOUT = 60.0
SLOWEST = 512  # bytes a second, over any `timeout` seconds
LONGEST = 4 * 3600.0  # for one file: a server that is never done must not hold the night
TREE_TIMEOUT = 3600.0  # for a whole clone or source package
PAUSE = 1.0  # before the second attempt; doubled for each further one


@dataclass(frozen=True)
class Source:
    """A tree that was fetched."""

    tree: Path
    revision: str  # what a person calls it: commit, package version, digest of the archive
    digest: str  # the same for the same content


def download(
    address: str,
    folder: Path,
    *,
    sha256: str = "",
    timeout: float = TIMEOUT,
    attempts: int = ATTEMPTS,
    limit: int = LIMIT,
    progress: Optional[Progress] = None,
) -> Path:
    """Fetch one file into `folder`, whole and verified, and return it.

    Network faults are tried again, up to `attempts` times in all.  No wait is longer
    than `timeout`, also when bytes drip in, and no transfer longer than LONGEST.  Raises
    BrokenError; then only what was in `folder` before is there.
    """
    _check_digest(sha256)
    local = _local(address)
    path = folder / _file_name(address)
    part = path.with_name(path.name + ".part")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if local is not None:
            _copy(local, part, limit)
        else:
            _with_retries(address, part, timeout, attempts, limit, progress)
        verify(part, sha256, address)
        os.rename(part, path)
    except OSError as error:
        what = f"{without_password(address)}: {error.filename or part}: {error.strerror}"
        raise BrokenError(what, f"Look at {folder} and its disk.") from None
    finally:
        part.unlink(missing_ok=True)
    return path


def digest_of(path: Path) -> str:
    """The SHA-256 of a file, in hex."""
    import hashlib

    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def verify(path: Path, sha256: str, address: str) -> None:
    """Check a digest (none given: nothing to check). Raises BrokenError with both."""
    if not sha256:
        return
    found = digest_of(path)
    if found != sha256.lower():
        raise BrokenError(
            f"{without_password(address)} has the sha256 {found}, not {sha256.lower()}",
            "It is not the file you meant: it changed, or someone changed it. It was not used.",
        )


def fetch_tree(
    address: str,
    folder: Path,
    *,
    sha256: str = "",
    timeout: float = TIMEOUT,
    progress: Optional[Progress] = None,
) -> Path:
    """As fetch_source, without the facts of the source."""
    return fetch_source(address, folder, sha256=sha256, timeout=timeout, progress=progress).tree


def fetch_source(
    address: str,
    folder: Path,
    *,
    sha256: str = "",
    timeout: float = TIMEOUT,
    progress: Optional[Progress] = None,
) -> Source:
    """Fetch the tree at `address` into `folder` (absent or empty), whole or not at all.

    The tree is the single top folder of an archive, or `folder` itself.  `sha256` is
    the digest of the archive, or of the .dsc file of a source package.
    """
    _check_digest(sha256)
    if address.startswith("git+"):
        return _git_source(address, folder, sha256)
    if address.startswith("deb-src:"):
        return _debian_source(address, folder, sha256, progress)
    return _archive_source(address, folder, sha256, timeout, progress)


def _git_source(address: str, folder: Path, sha256: str) -> Source:
    from xentest import gitsource

    if sha256:
        raise UsageError(
            f"{without_password(address)}: a git tree has no sha256",
            "Name the commit instead: #COMMIT",
        )
    commit = gitsource.clone(address, folder, timeout=TREE_TIMEOUT)
    return Source(folder, commit, f"git:{commit}")


def _debian_source(address: str, folder: Path, sha256: str, progress: Optional[Progress]) -> Source:
    from xentest import debsource

    package = debsource.fetch(
        address.removeprefix("deb-src:"), folder, timeout=TREE_TIMEOUT, progress=progress
    )
    if sha256 and sha256.lower() != package.digest:
        import shutil

        shutil.rmtree(folder)
        what = f"{address} ({package.version}): its .dsc has the sha256 {package.digest}"
        raise BrokenError(f"{what}, not {sha256.lower()}", "A newer version came out? Look.")
    return Source(folder, package.version, f"dsc:{package.digest}")


def _archive_source(
    address: str, folder: Path, sha256: str, timeout: float, progress: Optional[Progress]
) -> Source:
    import tempfile

    from xentest.unpack import single_top, unpack

    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch.", dir=folder.parent) as temporary:
        archive = download(
            address, Path(temporary), sha256=sha256, timeout=timeout, progress=progress
        )
        digest = digest_of(archive)
        unpack(archive, folder)
    return Source(single_top(folder), f"sha256:{digest[:16]}", f"sha256:{digest}")


def _check_digest(sha256: str) -> None:
    import string

    if sha256 and (len(sha256) != 64 or set(sha256) - set(string.hexdigits)):
        raise UsageError(f"{sha256!r} is no SHA-256", "It has 64 hexadecimal digits.")


def _local(address: str) -> Optional[Path]:
    """The file of this machine that `address` names; None when it names a server."""
    from urllib.parse import unquote, urlsplit

    if address.startswith("/"):
        return Path(address)
    try:
        parts = urlsplit(address)
    except ValueError as error:
        raise UsageError(f"{address!r} is no address: {error}") from None
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return Path(unquote(parts.path))
    if parts.scheme not in ("http", "https", "ftp") or not parts.hostname:
        raise UsageError(
            f"{without_password(address)} is no address of a file",
            "Write http://, https://, ftp:// or file://, or an absolute path.",
        )
    return None


def _file_name(address: str) -> str:
    """The name that the file gets: the last part of the address, made harmless."""
    from urllib.parse import unquote, urlsplit

    path = address if address.startswith("/") else unquote(urlsplit(address).path)
    name = path.rstrip("/").rsplit("/", 1)[-1].lstrip(".")
    return "".join(c if c.isprintable() else "_" for c in name)[:120] or "download"


def _copy(local: Path, part: Path, limit: int) -> None:
    import shutil

    from xentest.transfer import Failure, check_room

    descriptor = _open(local)
    with os.fdopen(descriptor, "rb") as source, open(part, "wb") as target:
        try:
            check_room(part, os.fstat(descriptor).st_size, limit)
        except Failure as failure:
            raise BrokenError(f"{local}: {failure.reason}") from None
        shutil.copyfileobj(source, target)
        target.flush()
        os.fsync(target.fileno())


def _open(local: Path) -> int:
    """A file of this machine, for reading; a FIFO that nobody writes to holds nobody."""
    import stat

    advice = "Name a file that is there and that can be read."
    try:
        descriptor = os.open(local, os.O_RDONLY | os.O_NONBLOCK)
    except (OSError, ValueError) as error:  # a zero byte is no OSError
        reason = error.strerror if isinstance(error, OSError) else error
        raise BrokenError(f"{local}: {reason}", advice) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise BrokenError(f"{local} is no file", advice)
    return descriptor


def _with_retries(
    address: str,
    part: Path,
    timeout: float,
    attempts: int,
    limit: int,
    progress: Optional[Progress],
) -> None:
    from xentest.transfer import Failure

    for attempt in range(1, attempts + 1):
        try:
            _attempt(address, part, timeout, limit, progress)
            return
        except Failure as failure:
            what = f"{without_password(address)}: {printable(failure.reason)}"
            if not failure.again:
                raise BrokenError(what, "Look whether the address is still right.") from None
            if attempt == attempts:
                advice = f"Tried {attempts} times. Look whether this machine reaches the server."
                raise BrokenError(what, advice) from None
            if progress:
                progress.say(f"{what}; trying again")
            time.sleep(PAUSE * 2 ** (attempt - 1))


def _attempt(
    address: str, part: Path, timeout: float, limit: int, progress: Optional[Progress]
) -> None:
    """One transfer in a child process, ended when too little comes. Raises Failure."""
    import signal

    from xentest.process import end_with
    from xentest.transfer import Failure

    part.unlink(missing_ok=True)
    reader, writer = os.pipe()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        end_with(parent)
        os.close(reader)
        _child(address, part, limit, timeout, writer)
    os.close(writer)
    try:
        said = _watch(reader, part, timeout, lambda size: _show(progress, address, size))
    finally:
        os.close(reader)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    if said != b"ok":
        reason = said[1:].decode("utf-8", "replace") or "the transfer died"
        raise Failure(reason, not said.startswith(b"-"))


def _child(address: str, part: Path, limit: int, timeout: float, writer: int) -> None:
    """Transfer, say how it went, and never return."""
    from xentest.transfer import Failure, transfer

    try:
        try:
            transfer(address, part, limit, timeout)
            said = "ok"
        except Failure as failure:
            said = ("+" if failure.again else "-") + failure.reason
        except Exception as error:
            said = f"-{type(error).__name__}: {error}"
        os.write(writer, said.encode("utf-8", "replace")[:4000])
    finally:
        os._exit(0)


def _watch(reader: int, part: Path, timeout: float, show: Callable[[int], None]) -> bytes:
    """What the child says at its end; it must gain SLOWEST bytes a second meanwhile."""
    import select

    poll = select.poll()
    poll.register(reader, select.POLLIN)
    begun = since = time.monotonic()
    before = 0
    while not poll.poll(200):
        size = part.stat().st_size if part.exists() else 0
        show(size)
        now = time.monotonic()
        if size - before > SLOWEST * timeout:
            since, before = now, size
        elif now - since > timeout:
            return f"+only {size - before} bytes came in {timeout:g} s".encode()
        if now - begun > LONGEST:
            return f"-it is not whole after {LONGEST:g} s ({size} bytes came)".encode()
    return os.read(reader, 4096)


def _show(progress: Optional[Progress], address: str, size: int) -> None:
    if progress:
        progress.moving(f"{_file_name(address)}: {size / (1 << 20):.1f} MiB ...")
