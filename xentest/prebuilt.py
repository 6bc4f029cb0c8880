"""Builds a hypervisor outside of the lab, into a tarball that a location can name.

Run as `python3 -m xentest.prebuilt`: prints the tarball's path.  Emulated compilers
are slow; the same source, patches, configuration and compiler are built once.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Iterator, Sequence

from xentest import durable, owntools, tree
from xentest.built import Built
from xentest.errors import guarded_main, without_password
from xentest.fetch import digest_of, fetch_source
from xentest.packing import pack
from xentest.progress import Progress

if TYPE_CHECKING:
    from xentest.control import Location

RECIPE = 2  # raise it when the same input shall give another tarball
TOP = "xen-prebuilt"
WORK = ".build."
CACHE = Path("/var/cache/xentest/hypervisors")


def make_tarball(location: Location, cache: Path, jobs: int, progress: Progress) -> Path:
    """The tarball of the location's hypervisor: from `cache` when it is whole, else built.

    `xen-KEY.tar.gz` holds xen-prebuilt/: boot/xen.gz, xen-syms.gz, config, REVISION, the
    tree's public headers as include/xen/, and its toolstack in dist/install/ if that is asked for.
    """
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache, progress), _work_folder(cache) as temporary:
        work = Path(temporary)
        with progress.step(f"fetch {without_password(location.address)}"):
            source = fetch_source(
                location.address, work / "tree", sha256=location.sha256, progress=progress
            )
            patches = tree.fetch_patches(location.patches, work, progress)
        key = _key(location, source.digest, tree.digest_of_patches(patches))
        tarball = cache / f"xen-{key}.tar.gz"
        if _is_whole(tarball, progress):
            progress.say(f"{source.revision}: {tarball} was built before")
            return tarball
        what = "the hypervisor and its tools" if location.tools else "the hypervisor"
        with progress.step(f"build {what} {source.revision}"):
            tree.apply(location, source, patches)
            built = tree.build(location, source.tree, cache / f"xen-{key}.log", jobs=jobs)
        _lay_out(source.tree, built, work / TOP)
        if location.tools:
            tree.stage_tools(source.tree, cache / f"xen-{key}-tools.log")
            owntools.collect(source.tree, work / TOP)
        _store(tarball, gzip.compress(pack(work / TOP, TOP), mtime=0))
    return tarball


@contextmanager
def _locked(cache: Path, progress: Progress) -> Iterator[None]:
    """One build at a time; who comes second finds the first one's tarball."""
    import fcntl

    with open(cache / ".lock", "w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.say(f"another build works in {cache}; waiting for its end")
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


@contextmanager
def _work_folder(cache: Path) -> Iterator[str]:
    """A folder for one build; what one that was killed left there goes first."""
    for left in cache.glob(f"{WORK}*"):
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix=WORK, dir=cache) as temporary:
        yield temporary


def _key(location: Location, source: str, patches: str) -> str:
    parts = [RECIPE, source, patches, location.config, location.build_command, tree.compiler()]
    parts += ["tools"] if location.tools else []
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _is_whole(tarball: Path, progress: Progress) -> bool:
    """True if the tarball is there and is what was written; a damaged one is named."""
    if not tarball.exists():
        return False
    try:
        wanted = _digest_file(tarball).read_text().split()[0]
    except (OSError, IndexError):
        wanted = "missing"
    if wanted == digest_of(tarball):
        return True
    progress.say(f"{tarball} is damaged (its sha256 is not the one noted); building it again")
    return False


def _digest_file(tarball: Path) -> Path:
    return tarball.with_name(tarball.name + ".sha256")


def _store(tarball: Path, content: bytes) -> None:
    # The digest last: a tarball without one is not trusted.
    durable.remove(_digest_file(tarball))
    durable.write_bytes(tarball, content)
    digest = hashlib.sha256(content).hexdigest()
    durable.write_text(_digest_file(tarball), f"{digest}  {tarball.name}\n")


def _lay_out(source: Path, built: Built, folder: Path) -> None:
    """Fill `folder` with what the tarball is to hold."""
    facts = {
        "version": built.version,
        "revision": built.revision,
        "compiler": built.compiler,
        "build_id": built.build_id,
    }
    (folder / "boot").mkdir(parents=True)
    (folder / "REVISION").write_text(json.dumps(facts, indent=2) + "\n")
    image = built.hypervisor.read_bytes()
    packed = image if image[:2] == b"\x1f\x8b" else gzip.compress(image, mtime=0)
    (folder / "boot/xen.gz").write_bytes(packed)
    symbols, config = source / "xen/xen-syms", source / "xen/.config"
    if symbols.is_file():
        (folder / "xen-syms.gz").write_bytes(gzip.compress(symbols.read_bytes(), mtime=0))
    if config.is_file():
        shutil.copy(config, folder / "config")
    public = source / "xen/include/public"
    for header in public.rglob("*.h"):
        target = folder / "include/xen" / header.relative_to(public)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(header, target)


def main(argv: Sequence[str]) -> int:
    """The command line: options to a Location, the tarball's path to standard output."""
    import argparse
    import os

    from xentest.control import Location

    parser = argparse.ArgumentParser(prog="xentest.prebuilt", description=__doc__)
    parser.add_argument("address", nargs="?", default="deb-src:xen", help="default: %(default)s")
    parser.add_argument(
        "--cache", type=Path, default=CACHE, help="folder of the tarballs (%(default)s)"
    )
    parser.add_argument("--sha256", default="", help="of the archive")
    parser.add_argument("--patch", action="append", default=[], help="address of a patch")
    parser.add_argument("--config", action="append", default=[], help="Kconfig line")
    parser.add_argument("--tools", action="store_true", help="the tree's own toolstack too")
    asked = parser.parse_args(argv)
    location = Location(
        name="prebuilt",
        address=asked.address,
        sha256=asked.sha256,
        patches=tuple(asked.patch),
        config=tuple(asked.config),
        tools=asked.tools,
    )
    print(make_tarball(location, asked.cache, os.cpu_count() or 1, Progress()))
    return 0


if __name__ == "__main__":
    sys.exit(guarded_main("xentest.prebuilt", main, sys.argv[1:]))
