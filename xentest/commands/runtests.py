"""xenruntests: the tests of this domain, the same in every domain."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Sequence

from xentest.errors import EXIT_BROKEN, EXIT_FAILED, EXIT_OK, UsageError

HELP = """usage: xenruntests [--shared DIR] [--hostname NAME] [--control FILE]
       xenruntests --barrier NAME [COUNT] [--timeout S]

Runs the tests that the control file has for this domain: SHARED/HOSTNAME/xentests.conf.
Tests that are finished are kept; when all are done, that file is removed.

  --shared DIR     the shared folder; else XENTEST_SHARED, shared_dir of
                   /etc/xen/xentest.conf, or SHARED_DIR= in /etc/default/xentest
  --hostname NAME  the name of this domain, if it is not the host name
  --control FILE   take the tests from FILE; the file in the shared folder then only says
                   that there is work (the control domain trusts no file that guests reach)
  --barrier NAME   inside a test: wait until COUNT domains (else all that the control
                   file names for it) have come to the barrier NAME
  --timeout S      how long to wait at the barrier, in seconds (60)
  --debug          show where an error came from
  --version

exit status: 0 all well or nothing to do, 1 a test did not pass or domains were missing
at the barrier, 2 usage or control file, 3 broken (shared folder, network, disk)
"""
CONTROL = "xentests.conf"


@dataclass
class _Options:
    shared: str = ""
    hostname: str = ""
    control: str = ""
    barrier: str = ""
    count: int = 0
    timeout: float = 60.0


def main(argv: Sequence[str], root: Path = Path("/")) -> int:
    """Run the command; `root` is where /etc is found."""
    if "--help" in argv or "-h" in argv:
        print(HELP, end="")
        return EXIT_OK
    if "--version" in argv:
        from xentest import VERSION

        print(f"xenruntests {VERSION}")
        return EXIT_OK
    options = _parse(argv)
    shared = Path(options.shared or _shared_dir(root)).absolute()
    if options.barrier:
        return _meet(options, shared)
    return _run(options, shared)


def _parse(argv: Sequence[str]) -> _Options:
    options, rest, positional = _Options(), list(argv), []
    while rest:
        word, _, value = rest.pop(0).partition("=")
        if not word.startswith("-"):
            positional.append(word)
            continue
        if word not in ("--shared", "--hostname", "--control", "--barrier", "--timeout"):
            raise UsageError(f"unknown option {word}", "See xenruntests --help.")
        value = value or (rest.pop(0) if rest else "")
        if not value:
            raise UsageError(f"{word} needs a value", "See xenruntests --help.")
        if word == "--timeout":
            options.timeout = _positive(value, word)
        else:
            setattr(options, word[2:], value)
    if options.barrier and len(positional) == 1:
        options.count = int(_positive(positional.pop(), "COUNT"))
    if positional:
        raise UsageError(f"unexpected word {positional[0]}", "See xenruntests --help.")
    return options


def _positive(text: str, what: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    whole = what != "COUNT" or number == int(number)
    if not (0 < number < 1e7 and whole):
        raise UsageError(f"{what} is {text!r}, not a number above 0", "See xenruntests --help.")
    return number


def _shared_dir(root: Path) -> str:
    if os.environ.get("XENTEST_SHARED"):  # of the run that this test belongs to
        return os.environ["XENTEST_SHARED"]
    ours = root / "etc/xen/xentest.conf"
    if ours.exists():
        from xentest import control

        return control.load(ours).preferences.shared_dir
    try:
        lines = (root / "etc/default/xentest").read_text("utf-8", "replace").splitlines()
    except FileNotFoundError:
        lines = []
    for line in lines:
        key, _, value = line.strip().partition("=")
        if key == "SHARED_DIR" and value:
            return value.strip("\"'")
    raise UsageError(
        "where is the shared folder? There is no XENTEST_SHARED, no /etc/xen/xentest.conf and "
        "no SHARED_DIR= in /etc/default/xentest",
        "Say it with --shared DIR.",
    )


def _control_file(shared: Path, hostname: str) -> Optional[Path]:
    """This domain's copy of the control file: below its full host name, or its first label."""
    if "/" in hostname or hostname.startswith("."):
        raise UsageError(f"{hostname!r} is no host name", "Say the domain's with --hostname NAME.")
    for name in (hostname, hostname.partition(".")[0]):
        if (shared / name / CONTROL).exists():
            return shared / name / CONTROL
    return None


def _run(options: _Options, shared: Path) -> int:
    hostname = options.hostname or os.uname().nodename
    if not shared.is_dir():
        from xentest.errors import BrokenError

        raise BrokenError(
            f"the shared folder {shared} is not there",
            "Mount it (see /etc/fstab), or name another with --shared DIR.",
        )
    path = _control_file(shared, hostname)
    if path is None:
        print(f"xenruntests: nothing to do: there is no {shared}/{hostname}/{CONTROL}")
        return EXIT_OK
    from xentest import control
    from xentest.progress import Progress
    from xentest.results import Status
    from xentest.runner import Runner

    found = control.load(options.control or path)
    domain = found.domain_for(path.parent.name)
    if domain is None or domain.name != path.parent.name:
        raise UsageError(
            f"{found.path} has no [XENVM...] section with name={path.parent.name}",
            "Give the domain a section of its own, or correct its host name.",
        )
    results = Runner(found, domain, shared, Progress(sys.stdout)).run()
    if all(result.status.good for result in results):
        return EXIT_OK
    failed = any(
        not result.status.good and result.status is not Status.BROKEN for result in results
    )
    return EXIT_FAILED if failed else EXIT_BROKEN


def _meet(options: _Options, shared: Path) -> int:
    from xentest import barrier

    domain = options.hostname or os.environ.get("XENTEST_DOMAIN") or os.uname().nodename
    count = options.count or len(_expected(shared, domain, options.barrier))
    if not count:
        raise UsageError(
            f"how many domains meet at {options.barrier}? The control file names none for it",
            "Say it (--barrier NAME COUNT), or write barriers= into the domains' sections.",
        )
    meeting = barrier.wait(shared, options.barrier, domain, count, options.timeout)
    if meeting.passed:
        return EXIT_OK
    missing = sorted(set(_expected(shared, domain, options.barrier)) - set(meeting.here))
    absent = f"; missing: {', '.join(missing)}" if missing else ""
    print(
        f"xenruntests: barrier {options.barrier}: {len(meeting.here)} of {count} domains came "
        f"within {options.timeout:g} s; here: {', '.join(meeting.here)}{absent}",
        file=sys.stderr,
    )
    return EXIT_FAILED


def _expected(shared: Path, domain: str, name: str) -> list[str]:
    """The domains that the control file sends to a barrier; none when it cannot be read."""
    path = _control_file(shared, domain)
    if path is None:
        return []
    from xentest import control

    found = control.load(path)
    return [other.name for other in found.domains if name in other.barriers]
