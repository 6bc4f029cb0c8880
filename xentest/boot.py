"""One boot into the hypervisor under test, and the proof that it was that boot.

The GRUB entry is chosen for one boot only: a hypervisor that does not come up leaves
the machine on its default entry.  Where a run stands is kept in state.json, so that
whatever cuts it short, the next boot knows what to do.
"""

from __future__ import annotations

import json
import os
import re
import stat
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Optional

from xentest import durable, moment
from xentest.errors import BrokenError, printable

ENTRY = "xentest"
BEGIN = "# xentest begin: written by xenbuild; what stands outside of these lines is yours"
END = "# xentest end"
TOOL_LIMIT = 120.0
# GRUB takes the first entry whose id or title is the one that was chosen.
NAMESAKE = re.compile(
    rb"""^\s*(menuentry|submenu)\s+(.*(--id|_id_option)[ =])?(['"]?)xentest\4[\s{]""", re.MULTILINE
)
TERMINAL_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")  # a boot loader paints its menu with them


@dataclass(frozen=True)
class Paths:
    """Where the machine keeps what a run needs; `root` differs in tests only."""

    root: Path = Path("/")

    @property
    def control(self) -> Path:
        return self.root / "etc/xen/xentest.conf"

    @property
    def flag(self) -> Path:
        return self.root / "etc/xen_start_tests"

    @property
    def state(self) -> Path:
        return self.root / "var/lib/xentest/state.json"

    @property
    def lock(self) -> Path:
        return self.root / "var/lib/xentest/lock"

    @property
    def work(self) -> Path:
        return self.root / "var/lib/xentest/build"

    @property
    def confirmed(self) -> Path:
        return self.root / "run/xentest/booted"

    @property
    def boot(self) -> Path:
        return self.root / "boot"


@dataclass
class State:
    """Where the run stands. Saved before each step, so that a cut finds it true."""

    run: str
    results_dir: str
    phase: str = "building"  # building, booting, testing
    hypervisor: str = "xen"
    build_id: str = ""
    version: str = ""
    boot_id: str = ""  # of the boot in which the phase was entered
    resumes: int = 0  # unplanned reboots so far
    console_size: int = 0  # of the console's log, when this phase was entered
    excerpt: str = ""  # what the console said when the machine died


class DamagedState(BrokenError):
    """state.json cannot be believed: nobody knows where its run stood."""


def load(paths: Paths) -> Optional[State]:
    """The state of the run that is under way; None when there is none."""
    try:
        value = json.loads(paths.state.read_text(encoding="utf-8"))
        known = {item.name for item in fields(State)}
        state = State(**{key: item for key, item in value.items() if key in known})
        for name, usual in asdict(State("", "")).items():
            if type(getattr(state, name)) is not type(usual):
                raise ValueError(f"{name} is {getattr(state, name)!r}")
        return state
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, AttributeError) as error:
        raise DamagedState(
            f"{paths.state} is damaged: {error}",
            "What its run has found so far is kept; the next xenbuild begins a new one.",
        ) from None


def save(paths: Paths, state: State) -> None:
    """Keep the state durably."""
    paths.state.parent.mkdir(parents=True, exist_ok=True)
    durable.write_json(paths.state, asdict(state))


def is_before_its_run(state: State) -> bool:
    """Whether xenbuild was cut off between noting a run and beginning it."""
    folder = Path(state.results_dir) / state.run
    return state.phase == "building" and not os.path.lexists(folder)


def clear(paths: Paths) -> None:
    """No run is under way any more; a choice of the next boot that was made for it is none."""
    for path in (paths.flag, paths.state):
        if path.parent.is_dir():
            durable.remove(path)
    _choose_no_more(paths)


def console_size(console: str) -> int:
    """How much the machine's console log holds now; 0 when there is none."""
    try:
        return os.stat(console).st_size if console else 0
    except OSError:
        return 0


def console_since(console: str, offset: int, limit: int = 1 << 20) -> str:
    """What the console said since `offset` (its last part, if that is more than `limit`)."""
    if not console:
        return ""
    try:
        # Not blocking: a FIFO or a terminal in its place must not hold a boot for ever.
        descriptor = os.open(console, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return ""
            size = os.fstat(descriptor).st_size
            if size < offset:  # the log was begun anew
                offset = 0
            stream.seek(max(offset, size - limit))
            return stream.read(limit).decode("utf-8", "replace").replace("\r", "")
    except OSError:
        return ""


def last_lines(text: str, count: int = 20) -> str:
    """The last lines that say something."""
    plain = TERMINAL_CODES.sub("", text)
    lines = [line.rstrip() for line in printable(plain).splitlines() if line.strip()]
    return "\n".join(lines[-count:])


def write_entry(paths: Paths, hypervisor: Path) -> None:
    """Write the GRUB entry of the hypervisor into custom.cfg, the rest of it untouched."""
    before = _others(paths)
    if before and not before.endswith(b"\n"):
        before += b"\n"
    config = _custom(paths)
    # It may hold passwords of GRUB's that are for root's eyes alone.
    mode = stat.S_IMODE(config.stat().st_mode) if config.exists() else 0o644
    durable.write_bytes(config, before + _entry(paths, hypervisor).encode(), mode)


def check_custom(paths: Paths) -> None:
    """Raise what would keep `write_entry` from custom.cfg; changes nothing."""
    _others(paths)


def check_entry(paths: Paths) -> None:
    """Raise what would keep `write_entry` from making an entry, before there is a hypervisor."""
    _kernel(paths)
    _options(paths)
    _filesystem(paths.boot)


def _custom(paths: Paths) -> Path:
    return paths.boot / "grub/custom.cfg"


def _others(paths: Paths) -> bytes:
    """What custom.cfg holds but our entry."""
    config = _custom(paths)
    if not config.parent.is_dir():
        raise BrokenError(
            f"there is no {config.parent}",
            "xenbuild boots through GRUB 2: install grub-pc or grub-efi.",
        )
    others = _without_entry(config.read_bytes() if config.exists() else b"", config)
    if NAMESAKE.search(others):
        raise BrokenError(
            f"{config} has an entry of its own that is called {ENTRY}",
            "GRUB would boot that one, not the new hypervisor: give it another id and title.",
        )
    return others


def _without_entry(text: bytes, config: Path) -> bytes:
    """What others wrote into custom.cfg, byte for byte."""
    head, begin, rest = text.partition(BEGIN.encode())
    if not begin:
        return text
    _, end, tail = rest.partition(END.encode())
    if not end:
        raise BrokenError(
            f"{config} has the line `{BEGIN}` without the line `{END}`",
            "What lies between may be yours: mend it by hand.",
        )
    # Of two entries of ours, in a file that was put together by hand, GRUB would take the first.
    return head + _without_entry(tail.removeprefix(b"\n"), config)


def _entry(paths: Paths, hypervisor: Path) -> str:
    kernel = _kernel(paths)
    initrd = paths.boot / kernel.name.replace("vmlinuz", "initrd.img", 1)
    xen_options, linux_options = _options(paths)
    search = f"\tsearch --no-floppy --fs-uuid --set=root {_filesystem(paths.boot)}\n"
    ramdisk = f"\tmodule2 {_grub_path(initrd)}\n" if initrd.exists() else ""
    return (
        f"{BEGIN}\nmenuentry 'Xen under test' --id {ENTRY} {{\n{search}"
        f"\tmultiboot2 {_grub_path(hypervisor)} {xen_options}\n"
        f"\tmodule2 {_grub_path(kernel)} {linux_options}\n{ramdisk}}}\n{END}\n"
    )


def _kernel(paths: Paths) -> Path:
    kernel = paths.boot / f"vmlinuz-{os.uname().release}"
    if not kernel.exists():
        raise BrokenError(
            f"{kernel} is absent: the control domain is to run this kernel",
            "Boot a kernel that is installed under /boot.",
        )
    return kernel


def _options(paths: Paths) -> tuple[str, str]:
    """The command lines of Xen and of its control domain: as update-grub would have them."""
    names = ("GRUB_CMDLINE_XEN", "GRUB_CMDLINE_XEN_DEFAULT", "GRUB_CMDLINE_LINUX",
             "GRUB_CMDLINE_LINUX_DEFAULT", "GRUB_CMDLINE_LINUX_XEN_REPLACE",
             "GRUB_CMDLINE_LINUX_XEN_REPLACE_DEFAULT")  # fmt: skip
    default = paths.root / "etc/default"
    script = (
        f'for f in "{default}/grub" "{default}"/grub.d/*.cfg\n'
        'do [ -e "$f" ] && . "$f"\ndone >/dev/null\n'
        + "\n".join(f'printf "\\0%s" "${name}"' for name in names)
    )
    from xentest import tool

    said = tool.run(["sh", "-c", script], timeout=TOOL_LIMIT)
    # What stands before the first zero byte is what the files themselves complained of.
    values = dict(zip(names, said.text.split("\0")[1:]))
    if said.status or len(values) != len(names):
        raise BrokenError(f"{default}/grub cannot be read: {said.last_line}", "Try `sh -n` on it.")
    linux = values["GRUB_CMDLINE_LINUX_XEN_REPLACE"] or values["GRUB_CMDLINE_LINUX"]
    default_linux = (
        values["GRUB_CMDLINE_LINUX_XEN_REPLACE_DEFAULT"] or values["GRUB_CMDLINE_LINUX_DEFAULT"]
    )
    xen = f"{values['GRUB_CMDLINE_XEN']} {values['GRUB_CMDLINE_XEN_DEFAULT']}"
    return " ".join(xen.split()), " ".join(f"{_root_options()} {linux} {default_linux}".split())


def _root_options() -> str:
    """What the running kernel was told of its root file system."""
    words = Path("/proc/cmdline").read_text().split()
    return " ".join(w for w in words if w in ("ro", "rw") or w.startswith(("root=", "rootflags=")))


def _filesystem(folder: Path) -> str:
    return _told(["grub-probe", "--target=fs_uuid", str(folder)])


def _grub_path(path: Path) -> str:
    return _told(["grub-mkrelpath", str(path)])


def _told(command: list[str]) -> str:
    from xentest import tool

    said = tool.run(command, timeout=TOOL_LIMIT)
    if said.status or not said.text.strip():
        raise BrokenError(f"{' '.join(command)}: {said.last_line}", "Is GRUB installed here?")
    return said.text.strip()


def choose_once(paths: Paths) -> None:
    """The next boot, and only that one, goes into the hypervisor under test."""
    from xentest import tool

    said = tool.run(["grub-reboot", f"--boot-directory={paths.boot}", ENTRY], timeout=TOOL_LIMIT)
    if said.status:
        raise BrokenError(
            f"grub-reboot: {said.last_line}", "Is /boot writable, and GRUB its loader?"
        )
    listed = tool.run(
        ["grub-editenv", str(paths.boot / "grub/grubenv"), "list"], timeout=TOOL_LIMIT
    )
    if f"next_entry={ENTRY}" not in listed.text.split():
        raise BrokenError(
            "grub-reboot left no next_entry in grubenv",
            "A /boot on LVM, RAID or btrfs cannot keep it; the one-shot boot would be lost.",
        )


def _choose_no_more(paths: Paths) -> None:
    """GRUB forgets its choice when it boots; until then somebody else's restart would take it."""
    from xentest import tool

    grubenv = paths.boot / "grub/grubenv"
    try:
        chosen = f"next_entry={ENTRY}\n".encode() in grubenv.read_bytes()
    except OSError:
        return
    if chosen:
        said = tool.run(["grub-editenv", str(grubenv), "unset", "next_entry"], timeout=TOOL_LIMIT)
        if said.status:
            raise BrokenError(
                f"grub-editenv: {said.last_line}",
                f"The next boot is still that of the hypervisor under test: mend {grubenv}.",
            )


def reboot() -> None:
    """Restart the machine through its init."""
    from xentest import tool

    os.sync()
    said = tool.run(["reboot"], timeout=TOOL_LIMIT)
    if said.status > 0:  # below: it was ended as everything is that runs
        raise BrokenError(f"the machine cannot be restarted: {said.last_line}", "Try `reboot`.")


def fault_of_boot(state: State) -> str:
    """Why this boot is not the one that was asked for; empty when it is."""
    from xentest import buildid

    if moment.boot_id() == state.boot_id:
        return "the machine was not restarted: this is still the boot that asked for it"
    if state.hypervisor == "kvm" and _hypervisor_type() == "xen":
        return "the machine came back in Xen, where KVM cannot be tested"
    if state.hypervisor != "xen":
        return ""
    if _hypervisor_type() != "xen":
        return "the machine came back without Xen, on its default boot entry"
    running = buildid.of_running()
    if state.build_id and running != state.build_id:
        return (
            f"another hypervisor runs: build id {running or 'unknown'}, built was {state.build_id}"
        )
    if not state.build_id:
        return "the hypervisor was built without a build id: nothing proves that it is the one"
    return ""


def confirm(paths: Paths) -> None:
    """Note in tmpfs that this boot is confirmed: the note cannot outlive the boot."""
    paths.confirmed.parent.mkdir(parents=True, exist_ok=True)
    durable.write_text(paths.confirmed, moment.boot_id() + "\n")


def is_confirmed(paths: Paths) -> bool:
    """Whether this very boot was confirmed."""
    try:
        return paths.confirmed.read_text().strip() == moment.boot_id()
    except OSError:
        return False


def _hypervisor_type() -> str:
    try:
        return Path("/sys/hypervisor/type").read_text().strip()
    except OSError:
        return ""
