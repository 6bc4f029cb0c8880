"""Will the run go on after the restart, and tell something: init, toolstack, guests, reports?"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Iterator, Optional

from xentest import control_commands, control_meetings
from xentest.control import Domain
from xentest.readiness import Ask, Finding
from xentest.report import mail

INIT_PATH = ("usr/local/sbin", "usr/local/bin", "usr/sbin", "usr/bin", "sbin", "bin")
LIBRARY = re.compile(r"^library=(.*)$", re.MULTILINE)
EXPORTED = re.compile(r'^\s*(?:"([^"]+)"|(/\S*))', re.MULTILINE)
NOTHING_GOES_ON = "After the restart nothing would go on with the run."


def look(ask: Ask) -> Iterator[Finding]:
    """What the run needs from the restart to its report."""
    yield from _init_script(ask)
    yield from _taken_for_a_guest(ask)
    if ask.hypervisor == "xen" and not ask.control.tree().tools:
        yield from _toolstack(ask)
    if ask.hypervisor == "xen" and ask.control.tree().tools:
        yield from _daemons(ask)
    yield from _own_name(ask)
    yield from _guests(ask)
    yield from _verdicts(ask)
    yield from _meetings(ask)
    yield from _reports(ask)


def _init_script(ask: Ask) -> Iterator[Finding]:
    """Without a restart of ours somebody may go on by hand."""
    script, install = ask.paths.root / "etc/init.d/xentest", "`make install` installs it."
    try:
        library = LIBRARY.search(script.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        yield Finding(f"there is no {script}", f"{NOTHING_GOES_ON} {install}", ask.reboot)
        return
    if not os.access(script, os.X_OK):
        yield Finding(f"{script} is no program", f"{NOTHING_GOES_ON} chmod 755 it.", ask.reboot)
    place = library[1] if library else ""
    if place and not (ask.paths.root / place.lstrip("/") / "xentest/commands/atboot.py").is_file():
        what = f"{script} looks for xentest in {place}, where it is not"
        yield Finding(what, f"{NOTHING_GOES_ON} {install}", ask.reboot)
    if _is_started(ask.paths.root) is False:
        what = f"{script} is not started at boot"
        yield Finding(what, f"{NOTHING_GOES_ON} update-rc.d xentest defaults", ask.reboot)
    if not _after_boot(ask, "xenstartdoms"):
        what = f"there is no xenstartdoms in {':'.join('/' + place for place in INIT_PATH)}"
        yield Finding(what, f"The run would end without a test. {install}", ask.reboot)


def _is_started(root: Path) -> Optional[bool]:
    """Whether init starts the script; None for an init that is not known here."""
    etc = root / "etc"
    unit = etc / "systemd/system/xentest.service"
    wanted = [*(etc / "systemd/system").glob("*.wants/*"), etc / "rc.local"]
    if os.path.lexists(unit) and os.path.realpath(unit) == "/dev/null":  # masked
        wanted = [etc / "rc.local"]
    elif any(os.path.lexists(link) for link in etc.glob("rc[2345].d/S[0-9][0-9]xentest")):
        return True
    if any("xentest" in path.name or "xentest" in _text(path) for path in wanted):
        return True
    systemd = (root / "run/systemd/system").is_dir()
    return False if systemd or "/etc/init.d/rc " in _text(etc / "inittab") else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _taken_for_a_guest(ask: Ask) -> Iterator[Finding]:
    """What init.d/xentest goes by where Xen does not say which domain this is."""
    default = ask.paths.root / "etc/default/xentest"
    if re.search("^SHARED_DIR=", _text(default), re.MULTILINE):
        what = f"{default} says SHARED_DIR=, as it does in a guest"
        advice = "Without Xen this machine takes itself for one, and the run is not gone on with."
        yield Finding(what, f"{advice} Remove that line.", certain=ask.hypervisor != "xen")


def _toolstack(ask: Ask) -> Iterator[Finding]:
    programs = {"xl": "xen-utils", "xenstore-ls": "xenstore-utils"}
    missing = [name for name in programs if not _after_boot(ask, name)]
    if missing:
        tree = ask.control.tree()
        may_come = tree.tools is None and tree.build_command == ""  # with a prebuilt tree
        packages = " ".join(dict.fromkeys(programs[name] for name in missing))
        yield Finding(
            f"no {' and no '.join(missing)} on this machine: the run could not look at its domains",
            f"apt-get install {packages}, or build the tree's own (NAME.tools=yes).",
            certain=not may_come,
        )


def _daemons(ask: Ask) -> Iterator[Finding]:
    """Debian's start script knows Debian's xenstored only."""
    etc = ask.paths.root / "etc"
    places = ("rc[2345].d/S[0-9][0-9]xencommons", "systemd/system/*.wants/xenstored.service")
    if not any(os.path.lexists(link) for place in places for link in etc.glob(place)):
        yield Finding(
            "nothing starts the xenstored of the tree's own tools at boot",
            "After the first `make install-tools`: update-rc.d xencommons defaults, and "
            "update-rc.d xen disable for Debian's.",
            certain=False,
        )


def _own_name(ask: Ask) -> Iterator[Finding]:
    if ask.control.domain_for(ask.hostname) is None:
        names = ", ".join(domain.name for domain in ask.control.domains)
        yield Finding(
            f"no domain of the control file has the name of this machine, {ask.hostname}",
            f"Here no test would run, and {names} would be waited for. In the control domain's "
            "section write name= as `hostname` prints it.",
            certain=False,
        )


def _guests(ask: Ask) -> Iterator[Finding]:
    guests = [d for d in ask.control.domains if d != ask.control.domain_for(ask.hostname)]
    started = [domain for domain in guests if domain.start == "boot"]
    if started and ask.hypervisor != "xen":
        names = ", ".join(domain.name for domain in started)
        yield Finding(
            f"with hypervisor={ask.hypervisor} nothing can start {names}",
            "Its tests would be errors. Start it by other means, and write start=never.",
            certain=False,
        )
    for domain in started:
        yield from _config(ask, domain)
    if guests:
        yield from _shared_with_guests(ask)


def _config(ask: Ask, domain: Domain) -> Iterator[Finding]:
    """A test of the control domain may still make it."""
    path = ask.paths.root / str(domain.config).lstrip("/")
    if not path.is_file():
        what = f"there is no {path}, the configuration of {domain.name}"
        yield Finding(what, "The guest could not be started.", certain=False)


def _shared_with_guests(ask: Ask) -> Iterator[Finding]:
    """There are other ways than NFS to reach the shared folder."""
    shared = ask.control.preferences.shared_dir
    else_unreachable = "Guests must reach the folder some way, or they are waited for in vain."
    if not any(_after_boot(ask, name) for name in ("rpc.nfsd", "ganesha.nfsd")):
        what = f"there is no NFS server on this machine, and guests are to share {shared}"
        advice = f"{else_unreachable} apt-get install nfs-kernel-server"
        yield Finding(what, advice, certain=False)
        return
    etc = ask.paths.root / "etc"
    texts = [_text(path) for path in (etc / "exports", *etc.glob("exports.d/*.exports"))]
    exported = [quoted or plain for text in texts for quoted, plain in EXPORTED.findall(text)]
    if _after_boot(ask, "ganesha.nfsd") or any(_holds(path, shared) for path in exported):
        return
    what = f"{etc}/exports does not export {shared}"
    yield Finding(what, f"{else_unreachable} See the README for the line.", certain=False)


def _holds(folder: str, path: str) -> bool:
    return f"{path}/".startswith(f"{folder.rstrip('/')}/")


def _verdicts(ask: Ask) -> Iterator[Finding]:
    """A test that can only pass would be believed every night; but it may be there to collect."""
    for test in ask.control.tests.values():
        wrong = control_commands.never_fails(test.run_command)
        if wrong and test.result_format == "exit" and not test.figures:
            what = f"[{test.name}] passes always: its run_command {wrong.what}"
            advice = f"Its exit status is the verdict. If it is to fail: {wrong.instead}."
            yield Finding(what, advice, certain=False)


def _meetings(ask: Ask) -> Iterator[Finding]:
    """Only a program that a command starts could come there."""
    for domain, name in control_meetings.missed(ask.control.domains, ask.control.tests):
        what = f"[{domain.section}] lists the barrier {name}, and none of its commands names it"
        advice = "The others would wait for it in vain. If it has no business there, remove it."
        yield Finding(what, advice, certain=False)


def _reports(ask: Ask) -> Iterator[Finding]:
    preferences = ask.control.preferences
    if preferences.console and not os.access(preferences.console, os.R_OK):
        what = f"the console's log {preferences.console} cannot be read"
        yield Finding(what, "Nothing would tell why a machine went down.", certain=False)
    if preferences.mail_to and mail.program() is None:
        yield Finding(mail.NO_PROGRAM, f"{preferences.mail_to} gets no report.", certain=False)


def _after_boot(ask: Ask, name: str) -> bool:
    """Whether what init.d/xentest starts finds this command."""
    path = os.pathsep.join(str(ask.paths.root / place) for place in INIT_PATH)
    return shutil.which(name, path=path) is not None
