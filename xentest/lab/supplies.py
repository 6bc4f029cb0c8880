"""What the machine is handed: xentest itself, the control file, tests, a hypervisor."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import zlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Callable, Optional, Sequence

from xentest import durable, owntools, tool
from xentest.control import Control, Location
from xentest.errors import BrokenError, UsageError
from xentest.packing import pack
from xentest.progress import Progress
from xentest.unpack import single_top, unpack

SOURCE = Path(__file__).resolve().parents[2]  # of xentest: the folder of the Makefile
INSIDE = "/xentest/in"
HYPERVISOR = "xen.tar.gz"
TESTS = "tests.tar.gz"
PAYLOADS = "payloads.tar.gz"
SYSTEM_HEADERS = Path("/usr/include")
HEADER = re.compile(r"[^/]+/include/(xen(?:/\w[\w.-]*)+\.h)")
INTERFACE = re.compile(rb"^#define XEN_(?:DOM|SYS)CTL_INTERFACE_VERSION\s+(\w+)", re.MULTILINE)
NIGHT = f"""control=/var/lib/xenlab/control.cfg
cp {INSIDE}/control.cfg $control
chmod 644 $control
xenbuild $control
echo $? > /xentest/results/.xenbuild-status
"""


@dataclass(frozen=True)
class Supplies:
    """The folder that the machine sees as /xentest/in, and the tar of xentest itself."""

    folder: Path
    install: Path

    @property
    def console(self) -> Path:
        return self.folder / "console.log"


def make_install_tar(target: Path, hypervisor: Optional[Path] = None) -> None:
    """A tar of xentest as `make install` lays it out, and of the tools that a tarball brings."""
    stage = target.with_name(target.name + ".stage")
    shutil.rmtree(stage, ignore_errors=True)
    if not (SOURCE / "Makefile").exists():
        raise BrokenError(
            f"{SOURCE} is no source tree of xentest",
            "Run xenlab from a checkout of the repository.",
        )
    _make("install", "MAN=", "PAYLOADS=", f"DESTDIR={stage}")
    if hypervisor:
        _add_tools(hypervisor, stage)
    content = pack(stage, "")
    target.write_bytes(content + bytes(-len(content) % 512))
    shutil.rmtree(stage)


def _add_tools(hypervisor: Path, stage: Path) -> None:
    with tempfile.TemporaryDirectory(prefix=".tree.", dir=stage.parent) as folder:
        tree = single_top(unpack(hypervisor, Path(folder) / "tree"))
        if owntools.are_brought(tree):
            owntools.install(tree, stage, Path(folder) / "log")


def prepare(
    folder: Path,
    control: Control,
    hypervisor: Optional[Path],
    files: Sequence[Path],
    cache: Path,
    progress: Progress,
) -> Supplies:
    """Fill `folder`/in for a night of this control file."""
    inside = folder / "in"
    inside.mkdir(parents=True)
    _check_names(files)
    durable.write_text(inside / "control.cfg", control.text)
    durable.write_text(inside / "night", NIGHT)
    own = next((domain.name for domain in control.domains if domain.config is None), "dom0")
    durable.write_text(inside / "hostname", own + "\n")
    headers = None
    if f"{INSIDE}/{HYPERVISOR}" in control.text or hypervisor:
        shutil.copy(hypervisor or build_hypervisor(cache, progress), inside / HYPERVISOR)
        headers = headers_in(inside / HYPERVISOR, folder / "include")
    tests = Path(control.path).resolve().parent / "tests"
    if not tests.is_dir():
        tests = SOURCE / "controls/tests"
    (inside / TESTS).write_bytes(gzip.compress(pack(tests, "tests"), 1, mtime=0))
    if f"{INSIDE}/{PAYLOADS}" in control.text:
        (inside / PAYLOADS).write_bytes(build_payloads(folder / "payloads", headers, progress))
    for path in files:
        shutil.copy(path, inside / path.name)
    supplies = Supplies(inside, folder / "install.tar")
    make_install_tar(supplies.install)
    supplies.console.touch()
    return supplies


def _check_names(files: Sequence[Path]) -> None:
    for path in files:
        if not path.is_file():
            raise UsageError(f"--file {path}: there is no such file")
        taken = "control.cfg", "night", "hostname", "console.log", HYPERVISOR, TESTS, PAYLOADS
        if path.name in taken:
            raise UsageError(f"--file {path}: the lab itself hands in a {path.name}", "Rename it.")


def headers_in(tarball: Path, folder: Path, system: Path = SYSTEM_HEADERS) -> Optional[Path]:
    """Xen's headers that a tarball of `xentest.prebuilt` brings, unpacked into `folder`.

    None where it brings none, or where those of this machine describe the same control interface.
    """
    try:
        members = _headers_of(tarball)
    except (OSError, EOFError, tarfile.TarError, zlib.error):
        return None  # the night says what is wrong with it
    if not members or _interface(members.get) == _interface(partial(_read, system)):
        return None
    for place, content in members.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_bytes(content)
    return folder


def _headers_of(tarball: Path) -> dict[str, bytes]:
    members = {}
    with tarfile.open(tarball) as archive:
        for member in archive:
            name = HEADER.fullmatch(member.name)
            stream = archive.extractfile(member) if name and member.isreg() else None
            if name and stream:
                members[name[1]] = stream.read()
    return members


def _interface(read: Callable[[str], Optional[bytes]]) -> list[bytes]:
    """The versions of what only control domains may ask: with another one, structures differ."""
    texts = (read(f"xen/{name}.h") or b"" for name in ("domctl", "sysctl"))
    return [word for text in texts for word in INTERFACE.findall(text)]


def _read(folder: Path, name: str) -> Optional[bytes]:
    try:
        return (folder / name).read_bytes()
    except OSError:
        return None


def build_payloads(stage: Path, headers: Optional[Path], progress: Progress) -> bytes:
    """The test programs of this checkout, built here, as a packed tar of a folder `payloads`.

    `headers` are those of the Xen that will run, where they are not this machine's.
    """
    given = [f"XEN_HEADERS={headers}"] if headers else []
    with progress.step("build the payloads"):
        _make("install", "-C", "payloads", f"DESTDIR={stage}", "PREFIX=", "STRIP=1", *given)
    # Not compressed: every test unpacks it, and emulated processors take seconds for that.
    content = gzip.compress(pack(stage / "lib/xentest/payloads", "payloads"), 0, mtime=0)
    shutil.rmtree(stage)
    return content


def _make(*words: str) -> None:
    made = subprocess.run(
        ["make", "-s", *words], cwd=SOURCE,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        env=tool.environment(),
    )  # fmt: skip
    if made.returncode:
        raise BrokenError(
            f"make {words[0]} failed: {made.stderr.strip()[-500:]}", "Run `make deps` first."
        )


def build_hypervisor(cache: Path, progress: Progress) -> Path:
    """Debian's Xen, built here from its source package: emulated compilers are slow."""
    from xentest.prebuilt import make_tarball

    return make_tarball(
        Location("xen", "deb-src:xen"), cache / "hypervisors", os.cpu_count() or 1, progress
    )


def hypervisor_in(tarball: Path, target: Path) -> None:
    """Take the hypervisor out of a prebuilt tarball, unpacked for QEMU's own boot loader."""
    with tarfile.open(tarball) as archive:
        for member in archive:
            if member.name.endswith("/boot/xen.gz") and member.isfile():
                stream = archive.extractfile(member)
                assert stream is not None
                target.write_bytes(gzip.decompress(stream.read()))
                return
    raise BrokenError(f"{tarball} holds no boot/xen.gz", "Hand in what xentest.prebuilt makes.")
