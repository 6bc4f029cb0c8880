"""A hypervisor tree: fetched, patched, configured, built; and what came of it."""

from __future__ import annotations

import re
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Iterable, Optional, Sequence

from xentest import owntools, tool
from xentest.built import BuildFailed, Built, find_built, install, marks
from xentest.errors import BrokenError, UsageError, first_line, without_password
from xentest.fetch import Source, download, fetch_source
from xentest.progress import Progress

if TYPE_CHECKING:
    from xentest.control import Location

__all__ = [
    "BuildFailed",
    "Built",
    "build",
    "find_built",
    "install",
    "install_tools",
    "prepare",
    "stage_tools",
    "wants_tools",
]

BUILD_TIMEOUT = 3600.0
TOOL_TIMEOUT = 300.0
PATCH_LIMIT = 64 << 20
DEFAULT_BUILD = (
    # The paths out of the debug information: the same source gives the same build id.
    'make -C xen -j{jobs} EXTRA_CFLAGS_XEN_CORE="-ffile-prefix-map=$PWD=."'
)
# Debian's source package leaves out what autoconf and automake can make again.
TOOLS_BUILD = (
    "{ [ -x configure ] || { cp -n /usr/share/misc/config.guess /usr/share/misc/config.sub . && "
    "./autogen.sh; }; } && ./configure --disable-docs --disable-stubdom --disable-qemu-traditional "
    "--disable-rombios --disable-seabios --disable-ovmf --disable-pvshim --disable-ocamltools "
    "--disable-golang --with-system-qemu && make -j{jobs} build-tools"
)
TOOLS_INSTALL = "make install-tools && /sbin/ldconfig"
TOOLS_STAGE = f'make install-tools DESTDIR="$PWD/{owntools.STAGE}"'
BINARY_CHANGE = re.compile(rb"^index [0-9a-f]+\.\.\S+.*\nBinary files .* differ$", re.MULTILINE)
LAB_FAULTS = re.compile(
    r"No space left on device|Disk quota exceeded|Read-only file system|Input/output error"
    r"|Cannot allocate memory|out of memory allocating|memory exhausted"
    r"|Killed signal terminated program|internal compiler error: Killed|terminated with signal 9"
    r"|\*\*\* \[.*\] Killed$|Cannot fork$|Resource temporarily unavailable|Too many open files"
    r"|configure: error: .*([Uu]nable to|[Cc]ould not|[Cc]annot) find (?!required auxiliary)"
    r"|configure: error: Package requirements"
)
NOT_FOUND = re.compile(
    r"command not found$|: not found$|^(make(\[\d+\])?|\S*\benv): \S+: No such file or directory$"
)
OF_MAKE = re.compile(r"make(\[\d+\])?: (\*\*\* \[|Leaving |Entering )")  # not what went wrong
FIRST_ERRORS = (
    re.compile(r"^\S+:\d+(:\d+)?: (fatal )?error: "),
    re.compile(r"undefined reference to|multiple definition of|^\S*ld: .*(error|cannot|failed)"),
    LAB_FAULTS,
    NOT_FOUND,
    re.compile(r"\berror: |\bError: |ERROR: |\*\*\* (?!.*\bError \d+$)"),
)


def prepare(location: Location, folder: Path, *, progress: Optional[Progress] = None) -> Path:
    """Fetch the tree into `folder` (absent or empty), patch it, set its Kconfig lines.

    Returns the folder of the tree; its revision stands in its `.scmversion`, which
    the hypervisor shows as its changeset.
    """
    source = fetch_source(location.address, folder, sha256=location.sha256, progress=progress)
    patches = fetch_patches(location.patches, folder.parent, progress)
    apply(location, source, patches)
    return source.tree


def fetch_patches(
    addresses: Sequence[str], beside: Path, progress: Optional[Progress] = None
) -> list[tuple[str, bytes]]:
    """The patches as (address, content)."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix=".patches.", dir=beside) as folder:
        return [
            (address, _download_patch(address, Path(folder), progress)) for address in addresses
        ]


def _download_patch(address: str, folder: Path, progress: Optional[Progress]) -> bytes:
    return download(address, folder, limit=PATCH_LIMIT, progress=progress).read_bytes()


def apply(location: Location, source: Source, patches: Sequence[tuple[str, bytes]]) -> None:
    """Patch and configure a fetched tree, and note its revision in it."""
    for address, content in patches:
        _patch(source.tree, address, content)
    _note_revision(source, patches)
    if location.config:
        configure(source.tree, location.config)


def _note_revision(source: Source, patches: Sequence[tuple[str, bytes]]) -> None:
    import hashlib

    revision = source.revision
    if patches:
        changes = hashlib.sha256(b"\0".join(content for _, content in patches)).hexdigest()
        revision += f"+patches:{changes[:8]}"
    if (source.tree / "xen").is_dir():
        (source.tree / ".scmversion").write_text(revision + "\n")


def _patch(tree: Path, address: str, content: bytes) -> None:
    """Apply one patch. Raises BrokenError with what was rejected: the tree is of no use then.

    Only unified diffs: `patch` would hand an ed script to ed, and say nothing of it.
    """
    import tempfile

    with tempfile.NamedTemporaryFile(suffix=".patch") as stream:
        stream.write(content)
        stream.flush()
        options = ["--unified", "--forward", "--fuzz=0", "--batch", f"--input={stream.name}"]
        command = ["patch", "-p1", *options]
        said = tool.run([*command, "--dry-run"], folder=tree, timeout=TOOL_TIMEOUT)
        rejects = _faults(said, content)
        # A dry run does not know, in a series, what the patches before have made of a file.
        if not rejects or said.status and _is_series(content):
            rejects = _faults(tool.run(command, folder=tree, timeout=TOOL_TIMEOUT), content)
    if rejects:
        raise BrokenError(
            f"the patch {without_password(address)} does not apply: {rejects}",
            "Bring it up to date with the tree, or take it out of the control file.",
        )


def _faults(said: tool.Output, content: bytes) -> str:
    return _rejects(said.text) if said.status else _left_out(said.text, content)


def _is_series(content: bytes) -> bool:
    """Whether it changes a file more than once, as patches in one file may."""
    pairs = re.findall(rb"^--- (?:a/)?(\S+).*\n\+\+\+ (?:b/)?(\S+)", content, re.MULTILINE)
    names = [old if new == b"/dev/null" else new for old, new in pairs]
    return len(names) > len(set(names))


def _left_out(text: str, content: bytes) -> str:
    """What `patch` passes over without failing: a patch that is empty, or cut in its middle."""
    files = sum(line.startswith(("checking ", "patching ")) for line in text.splitlines())
    headers = len(re.findall(rb"^--- \S.*\n\+\+\+ ", content, re.MULTILINE))
    last = content.rpartition(b"\n")[0].rpartition(b"\n")[2]
    if BINARY_CHANGE.search(content):
        return "it changes a binary file without saying how"
    if not files:
        return "it changes no file"
    if not content.endswith(b"\n") or last.startswith(b"diff "):
        return "it ends in the middle (is it cut short?)"
    if files < headers and last.startswith(b"+++ "):
        return f"it names {headers} files and changes {files} (is it cut short?)"
    return ""


def _rejects(text: str) -> str:
    """The lines of patch's output that say what failed, on one line."""
    signs = ("FAILED", "can't find file", "Only garbage", "Reversed", "****", "Skipping")
    file = ""
    for line in text.splitlines():
        if line.startswith(("checking file ", "patching file ")):
            file = line.split(" ", 2)[2] + ": "
        elif any(sign in line for sign in signs):
            return file + line.strip()
    return first_line(text) or "patch gave no reason"


def configure(tree: Path, lines: Sequence[str]) -> None:
    """Set Kconfig lines; each must still stand when Kconfig is done with them."""
    for line in lines:
        if not re.fullmatch(r"CONFIG_\w+=\S.*|# CONFIG_\w+ is not set", line.strip()):
            raise UsageError(f"{line!r} is no Kconfig line", "Write CONFIG_NAME=value.")
    _check_source(tree)
    config = tree / "xen/.config"
    base = next((f for f in (config, tree / "debian/xen-kconfig") if f.is_file()), None)
    before = base.read_text(errors="surrogateescape") if base else ""
    text = "\n".join([before.rstrip("\n"), *map(str.strip, lines)]) + "\n"
    config.write_text(text, errors="surrogateescape")
    said = tool.run(["make", "-C", "xen", "olddefconfig"], folder=tree, timeout=TOOL_TIMEOUT)
    if said.status != 0:
        reason = first_error(said.text.splitlines()) or said.last_line
        raise BrokenError(f"make olddefconfig failed in the tree: {reason}")
    after = config.read_text(errors="surrogateescape").splitlines()
    for line in lines:
        _check_survived(tree, line.strip(), after)


def _check_source(tree: Path) -> None:
    if not (tree / "xen/Makefile").is_file():
        raise BrokenError(
            "this is no source of Xen: there is no xen/Makefile in it",
            "Look what its address brings; another tree needs a build_command of its own.",
        )


def _check_survived(tree: Path, line: str, after: Sequence[str]) -> None:
    match = re.search(r"CONFIG_(\w+)", line)
    assert match is not None
    name = match[1]
    if line in after:
        return
    off = line in (f"CONFIG_{name}=n", f"# CONFIG_{name} is not set")
    now = next((text for text in after if text.startswith(f"CONFIG_{name}=")), None)
    if not _is_option(tree, name):
        reason, advice = "this tree has no such option", "Look how it is spelt."
    elif off and now is None:
        return
    else:
        reason = f"Kconfig made it {now!r}" if now else "Kconfig dropped it"
        advice = f"CONFIG_{name} depends on other options: look at its entry in the tree's Kconfig."
    raise BrokenError(f"the Kconfig line {line!r} did not survive: {reason}", advice)


def _is_option(tree: Path, name: str) -> bool:
    pattern = re.compile(rf"^\s*(menu)?config {name}\s*$", re.MULTILINE)
    files = (path for path in (tree / "xen").rglob("Kconfig*") if path.is_file())
    return any(pattern.search(path.read_text(errors="replace")) for path in files)


def build(
    location: Location,
    tree: Path,
    log: Path,
    *,
    jobs: int,
    timeout: float = BUILD_TIMEOUT,
) -> Built:
    """Build the tree, every word of it in `log`, and find the hypervisor that came of it.

    Raises BuildFailed when the tree is at fault, BrokenError when this machine is.
    """
    if location.build_command == "":
        return find_built(tree)
    if location.build_command is None:
        _check_source(tree)
    before = marks(tree)
    command = DEFAULT_BUILD + (f" && {TOOLS_BUILD}" if location.tools else "")
    command = command.replace("{jobs}", str(jobs))
    _run_build(location.build_command or command, tree, log, timeout)
    return find_built(tree, before=before)


def stage_tools(tree: Path, log: Path) -> None:
    """Collect the toolstack that was built in the tree in a folder of it."""
    _run_build(TOOLS_STAGE, tree, log, BUILD_TIMEOUT)


def wants_tools(location: Location, tree: Path) -> bool:
    """Whether the tree's own toolstack is to be installed.

    That of a prebuilt tree comes with its hypervisor if nobody says otherwise.
    """
    if location.tools is None:
        return location.build_command == "" and owntools.are_brought(tree)
    return location.tools


def install_tools(location: Location, tree: Path, log: Path, root: Path = Path("/")) -> None:
    """Install the tree's own toolstack where its configure said (/usr/local)."""
    if location.build_command == "":
        owntools.install(tree, root, log)
        tool.run(["/sbin/ldconfig", "-r", str(root)], timeout=TOOL_TIMEOUT)
    else:
        _run_build(TOOLS_INSTALL, tree, log, BUILD_TIMEOUT)


def _run_build(command: str, tree: Path, log: Path, timeout: float) -> None:
    from xentest import process

    log.unlink(missing_ok=True)
    ended = process.run(
        command, folder=tree, environment=_environment(tree), output=log, timeout=timeout
    )
    if ended.output_problem:
        raise BrokenError(f"the build's log {log} cannot be kept: {ended.output_problem}")
    if ended.timed_out:
        raise BuildFailed(f"the build did not end within {timeout:g} s", log)
    if ended.exit_status == 0:
        return
    if ended.exit_status == -signal.SIGKILL:
        what = "this machine cannot build the tree: the build was killed (kill -9)"
        raise BrokenError(what, f"Had it no memory left? See dmesg. The log: {log}")
    with open(log, encoding="utf-8", errors="replace") as stream:
        reason = first_error(stream)
    reason = reason or f"`{command}` ended with status {ended.exit_status}"
    if LAB_FAULTS.search(reason) or NOT_FOUND.search(reason):
        raise BrokenError(f"this machine cannot build the tree: {reason}", f"The log: {log}")
    raise BuildFailed(reason, log)


def _environment(tree: Path) -> dict[str, str]:
    """What the build says of itself depends on its source alone."""
    changelog = tree / "debian/changelog"
    version = re.search(r"\((.*?)\)", first_line(_head(changelog)) if changelog.exists() else "")
    date = time.gmtime(_source_time(tree))
    return tool.environment(
        DEB_VERSION=version[1] if version else "",
        XEN_WHOAMI="xentest",
        XEN_DOMAIN="localdomain",
        XEN_BUILD_HOST="localhost",
        XEN_BUILD_DATE=time.strftime("%a %b %d %H:%M:%S UTC %Y", date),
        XEN_BUILD_TIME=time.strftime("%H:%M:%S", date),
    )


def _head(path: Path) -> str:
    with open(path, encoding="utf-8", errors="replace") as stream:
        return stream.read(1000)


def _source_time(tree: Path) -> int:
    """When the source was made: the commit's time, else that of a file that is part of it."""
    if (tree / ".git").is_dir():
        said = tool.run(["git", "log", "-1", "--format=%ct"], folder=tree, timeout=TOOL_TIMEOUT)
        if said.status == 0 and said.text.strip().isdigit():
            return int(said.text)
    makefile = tree / "xen/Makefile"
    return int(makefile.stat().st_mtime) if makefile.exists() else 0


def first_error(lines: Iterable[str]) -> str:
    """The line of a build log that says why it failed: the first of the clearest kind.

    A fault of the machine counts when it comes before the errors that it may have caused.
    """
    found: dict[re.Pattern[str], str] = {}
    last = ""
    missing = False
    for line in lines:
        text = line.strip()[:400]
        if text and not OF_MAKE.match(text):
            last = text
        missing = missing or text.endswith("Error 127")
        for pattern in FIRST_ERRORS:
            if pattern not in found and pattern.search(text):
                found[pattern] = text
    # What a full disk left behind does not compile either.
    if next((kind for kind in found if kind in FIRST_ERRORS[:3]), None) is LAB_FAULTS:
        return found[LAB_FAULTS]
    if not missing:  # then a build that asked for some command in vain went on without it
        found.pop(NOT_FOUND, None)
    return next((found[pattern] for pattern in FIRST_ERRORS if pattern in found), last)


def compiler() -> str:
    """The compiler of this machine as it names itself; "" when there is none."""
    try:
        said = tool.run(["gcc", "--version"], timeout=60)
    except BrokenError:
        return ""
    return first_line(said.text) if said.status == 0 else ""


def digest_of_patches(patches: Sequence[tuple[str, bytes]]) -> str:
    """The same for the same patches in the same order."""
    import hashlib

    return ",".join(hashlib.sha256(content).hexdigest() for _, content in patches)
