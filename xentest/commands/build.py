"""xenbuild: fetch, build and boot the hypervisor of a control file."""

from __future__ import annotations

import argparse
from typing import Sequence

from xentest import VERSION, boot, build, control, readiness
from xentest.errors import EXIT_OK
from xentest.progress import Progress

EPILOG = """exit status: 0 all well (the machine restarts, the tests run after that), 1 the tree
does not build, 2 usage or control file (nothing was touched), 3 broken (network, disk, lab);
with --check 0: the control file is well formed, whether or not this machine is ready for it"""


def parser() -> argparse.ArgumentParser:
    """The command line of xenbuild."""
    result = argparse.ArgumentParser(
        prog="xenbuild",
        description="Fetches, verifies, builds and installs the hypervisor that the control file "
        "names, and reboots into it once; init.d/xentest goes on from there.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument("control", metavar="CONTROL", help="the control file")
    result.add_argument(
        "--check",
        action="store_true",
        help="only say what would be done, and what here is not ready for it",
    )
    result.add_argument("--no-reboot", action="store_true", help="leave the reboot to you")
    result.add_argument("--debug", action="store_true", help="show where an error came from")
    result.add_argument("--version", action="version", version=f"xenbuild {VERSION}")
    return result


def main(argv: Sequence[str]) -> int:
    """Run the command."""
    asked = parser().parse_args(argv)
    wanted = control.load(asked.control, ask_shell=True)
    if asked.check:
        findings = readiness.look(readiness.Ask(wanted, boot.Paths(), not asked.no_reboot))
        print(build.explain(wanted), readiness.told(findings), sep="\n")
        return EXIT_OK
    return build.start(wanted, boot.Paths(), Progress(), reboot=not asked.no_reboot)
