"""The disk of the emulated machine, made from Debian packages and kept by digest.

An image is a folder in the cache: `disk.raw` (ext4, label xentest-root), `medium.iso`
(BIOS and GRUB hand over to the disk's own grub.cfg), its kernel and initial RAM disk once
more for a direct boot, and `manifest.json` with the digests of all, without which the
folder is not believed.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable

from xentest import durable
from xentest.errors import BrokenError
from xentest.lab import initrd, kernel
from xentest.progress import Progress

FILES = Path(__file__).parent / "files"
DISK_SIZE = "6G"
RECIPE = 1  # count up when what this module does changes
GUESTS = 8
GUEST_MEMORY_MIB = 192
BLOCK = 1 << 20
ZEROS = bytes(BLOCK)
UNUSED_SECONDS = 2 * 24 * 3600
PARTS = ("disk.raw", "medium.iso", "vmlinuz", "initrd")
MEDIUM_MODULES = (
    "biosdisk part_msdos iso9660 ext2 serial terminal normal configfile search search_label "
    "loadenv multiboot2 linux gzio echo test reboot halt minicmd"
)


@dataclass(frozen=True)
class Image:
    """A verified image; nothing in it is ever written to."""

    folder: Path

    @property
    def disk(self) -> Path:
        return self.folder / "disk.raw"

    @property
    def kernel(self) -> Path:
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.folder / "initrd"

    @property
    def medium(self) -> Path:
        return self.folder / "medium.iso"


def ensure(cache: Path, progress: Progress) -> Image:
    """The image for today's packages: from the cache if it can be verified, else made."""
    cache.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(cache, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # whoever comes second takes what the first made
        return _ensure(cache, progress)
    finally:
        os.close(descriptor)


def _ensure(cache: Path, progress: Progress) -> Image:
    folder = cache / f"image-{recipe_digest()[:16]}"
    image = Image(folder)
    if folder.exists():
        with progress.step("verify cached image"):
            fault = fault_of(image)
        if not fault:
            os.utime(folder)
            return image
        progress.say(f"cached image is not used, {fault}; making it anew")
        shutil.rmtree(folder)
    _prune(cache)
    work = cache / ".image"
    shutil.rmtree(work, ignore_errors=True)
    try:
        work.mkdir()
        _make(Image(work), progress)
        os.rename(work, folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return image


def _prune(cache: Path) -> None:
    """Remove images of older recipes that nobody has used for days."""
    for folder in cached(cache):
        if time.time() - folder.stat().st_mtime > UNUSED_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)


def recipe_digest() -> str:
    """Digest of everything that goes into an image: recipe, files, package versions."""
    digest = hashlib.sha256(f"{RECIPE} {DISK_SIZE} {GUESTS} {GUEST_MEMORY_MIB}\n".encode())
    for path in (
        *sorted(FILES.iterdir()),
        Path(__file__),
        Path(initrd.__file__),
        Path(kernel.__file__),
    ):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    digest.update(_candidate_versions(_words(FILES / "packages")).encode())
    return digest.hexdigest()


def _candidate_versions(packages: list[str]) -> str:
    answer = subprocess.run(
        ["apt-cache", "policy", *packages], capture_output=True, text=True, check=False
    )
    return "\n".join(
        line.strip()
        for line in answer.stdout.splitlines()
        if not line.startswith(" ") or "Candidate" in line
    )


def fault_of(image: Image) -> str:
    """Why an image cannot be believed, or the empty text."""
    try:
        manifest = json.loads((image.folder / "manifest.json").read_text())
        for name in PARTS:
            if digest_of(image.folder / name) != manifest[name]:
                return f"{name} is not what was written"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return f"its manifest cannot be read ({error})"
    return ""


def digest_of(path: Path) -> str:
    """SHA-256 of a sparse file: of its size and of every block that is not all zeros.

    Blocks lie on a fixed grid, so it does not matter which zeros are stored as holes.
    """
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as stream:
        size = os.fstat(stream.fileno()).st_size
        digest.update(str(size).encode())
        position = 0
        while position < size:
            try:
                position = os.lseek(stream.fileno(), position, os.SEEK_DATA)
            except OSError:  # only a hole is left
                break
            position -= position % BLOCK
            block = os.pread(stream.fileno(), BLOCK, position)
            if block != ZEROS[: len(block)]:
                digest.update(str(position).encode())
                digest.update(block)
            position += BLOCK
    return digest.hexdigest()


def _words(path: Path) -> list[str]:
    """The lines of a list file, comments left out."""
    lines = (line.partition("#")[0].strip() for line in path.read_text().splitlines())
    return [line for line in lines if line]


def _make(image: Image, progress: Progress) -> None:
    root = image.folder / "root"
    with progress.step("install the machine's packages"):
        _bootstrap(root)
    with progress.step("make the machine's disk"):
        _configure(root)
        _run(["mkfs.ext4", "-q", "-F", "-L", "xentest-root",
              "-O", "^metadata_csum_seed,^orphan_file",
              "-E", "lazy_itable_init=0,lazy_journal_init=0,root_owner=0:0", "-m", "0",
              "-d", str(root), str(image.disk), DISK_SIZE])  # fmt: skip
        for name in ("vmlinuz", "initrd"):
            shutil.copy((root / "boot" / name).resolve(), image.folder / name)
        shutil.rmtree(root)
    with progress.step("make the boot medium"):
        _make_medium(image)
    manifest = {name: digest_of(image.folder / name) for name in PARTS}
    durable.write_json(image.folder / "manifest.json", manifest)


def _bootstrap(root: Path) -> None:
    exclude = [
        f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "locale", "info")
    ]
    _run(
        [
            "mmdebstrap",
            "--variant=apt",
            '--aptopt=APT::Install-Recommends "false"',
            *exclude,
            f"--include={','.join(_words(FILES / 'packages'))}",
            "bookworm",
            str(root),
            *_apt_sources(),
        ],
        INITRD="No",
    )  # fmt: skip  (the lab makes its own initial RAM disk)


def _apt_sources() -> list[str]:
    """The machine's own Debian sources, so that its mirror and its pins hold here too."""
    folder = Path("/etc/apt/sources.list.d")
    found = [
        Path("/etc/apt/sources.list"),
        *sorted(folder.glob("*.list")),
        *sorted(folder.glob("*.sources")),
    ]
    return [
        str(path)
        for path in found
        if path.is_file() and "bookworm" in path.read_text(errors="replace")
    ]


def _run(command: list[str], **environment: str) -> None:
    answer = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        stdin=subprocess.DEVNULL, errors="replace", env={**os.environ, **environment},
    )  # fmt: skip
    if answer.returncode:
        tail = "\n    ".join(answer.stdout.splitlines()[-12:])
        raise BrokenError(
            f"{command[0]} ended with status {answer.returncode} while the lab's machine was made:"
            f"\n    {tail}",
            "Run `make deps` and `apt-get update`; a disk that is full gives this too.",
        )


def _configure(root: Path) -> None:
    """Turn a bootstrapped Debian into the lab's machine."""
    release = next((root / "lib/modules").iterdir()).name
    initrd.prune_modules(root, release, _words(FILES / "modules"))
    for name in ("start", "start-host", "start-control-domain", "start-guest", "shared-folders",
                 "services", "stop", "agent"):  # fmt: skip
        _install(root / "etc/xenlab" / name, (FILES / name).read_text(), 0o755)
    for name in ("vif-lab", "block-lab"):
        _install(root / "etc/xen/scripts" / name, (FILES / name).read_text(), 0o755)
    _install(root / "etc/xentest/fuzzing-allowed", "This machine is made to be broken.\n")
    _install(root / "etc/inittab", (FILES / "inittab").read_text())
    _install(root / "etc/exports", (FILES / "exports").read_text())
    _install(root / "etc/fstab", (FILES / "fstab-guest").read_text())
    _install(root / "etc/hosts", "127.0.0.1 localhost\n192.168.77.1 dom0\n")
    _install(root / "etc/hostname", "dom0\n")
    _install(root / "etc/default/grub.d/xenlab.cfg", (FILES / "grub-defaults").read_text())
    _install(root / "boot/grub/grub.cfg", (FILES / "grub.cfg").read_text())
    _run(["grub-editenv", str(root / "boot/grub/grubenv"), "create"])
    for old in root.glob("boot/initrd.img*"):
        old.unlink()
    _make_ram_disks(root, release)
    # The toolstack unpacks a guest's kernel at each start, slowly when it is emulated.
    linux = root / f"boot/vmlinuz-{release}"
    packed = linux.read_bytes()
    (root / "boot/vmlinux-guest").write_bytes(kernel.unpack(packed))
    linux.write_bytes(kernel.repack(packed))
    (root / "boot/vmlinuz").symlink_to(linux.name)
    (root / "boot/initrd").symlink_to(f"initrd.img-{release}")
    _install_guest_configs(root)
    for folder in ("xentest/in", "xentest/results", "xentest/shared", "lower", "upper"):
        (root / folder).mkdir(parents=True, exist_ok=True)


def _make_ram_disks(root: Path, release: str) -> None:
    """The machine's, packed, as GRUB reads it slowly; that of its guests, which is in memory."""
    modules, init = _words(FILES / "modules"), (FILES / "init").read_text()
    own = kernel.pack(initrd.make(root, release, modules, "initrd", init))
    (root / f"boot/initrd.img-{release}").write_bytes(own)
    guests = initrd.make(root, release, modules, "guest", init)
    (root / "boot/initrd-of-guests").write_bytes(guests)


def _install(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        path.unlink()
    path.write_text(text)
    path.chmod(mode)


def _install_guest_configs(root: Path) -> None:
    template = (FILES / "guest.cfg").read_text()
    for number in range(1, GUESTS + 1):
        values = {
            "@NAME@": f"guest{number}",
            "@MEMORY@": str(GUEST_MEMORY_MIB),
            "@ADDRESS@": f"192.168.77.{10 + number}",
            "@MAC@": f"00:16:3e:77:00:{number:02x}",
        }
        text = template
        for mark, value in values.items():
            text = text.replace(mark, value)
        _install(root / f"etc/xen/guest{number}.cfg", text)
    _install(root / "etc/xen/scratch.cfg", (FILES / "scratch.cfg").read_text())


def _make_medium(image: Image) -> None:
    tree = image.folder / "medium"
    _install(tree / "boot/grub/grub.cfg", (FILES / "medium.cfg").read_text())
    _run(["grub-mkrescue", "-o", str(image.medium), "-d", "/usr/lib/grub/i386-pc",
          "--locales=", "--fonts=",
          "--themes=", f"--install-modules={MEDIUM_MODULES}", str(tree)])  # fmt: skip
    shutil.rmtree(tree)


def cached(cache: Path) -> Iterable[Path]:
    """The images in the cache, verified or not."""
    return sorted(cache.glob("image-*"))
