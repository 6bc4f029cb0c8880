"""Whether the shell can read the commands of a control file: it is asked, none of them is run."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

from xentest import control_keys as keys
from xentest.control_bash import wants_pipefail
from xentest.control_sections import Sections
from xentest.control_text import shown

if TYPE_CHECKING:
    import subprocess

TEST_COMMANDS = ("build_command", "install_command", "run_command")
LIMIT = 10.0  # seconds for one command; the shell only reads it


def check(sections: Sections) -> None:
    """Tell every command that the shell would refuse: a quote that is never closed, for example."""
    for name, test in sections.tests.items():
        for key in TEST_COMMANDS:
            _check(sections, name, key, getattr(test, key))
    for name, location in sections.locations.items():
        _check(sections, keys.LOCATIONS, f"{name}.build_command", location.build_command or "")


def _check(sections: Sections, section: str, key: str, command: str) -> None:
    place, error = _syntax_error(command)
    if wants_pipefail(command) and not _knows_pipefail():
        what = "sets pipefail, which sh does not have: the command ends there"
        advice = "write it as bash -c '...', or each program's output to a file"
        sections.problems.add(sections.line_at(section, key, 1), f"{key} {what}", advice)
    if error:
        what = f"{key.rpartition('.')[2]} is no shell text: {shown(error)}"
        line = sections.line_at(section, key, place)
        sections.problems.add(line, what, "try it with `sh -n`")


def _syntax_error(command: str) -> tuple[int, str]:
    """In which line of the command /bin/sh sees what mistake; empty when none."""
    if not command:
        return 0, ""
    said = _sh("-n", given=command)
    first = said.stderr.strip().partition("\n")[0]
    place = re.search(r": ([0-9]{1,9}): ", first)
    error = first.rpartition("error: ")[2] if said.returncode else ""
    return int(place[1]) if place else 1, error


@functools.cache
def _knows_pipefail() -> bool:
    """Newer shells than Debian 12's do."""
    return not _sh("-c", "set -o pipefail").returncode


def _sh(*words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    import subprocess

    return subprocess.run(
        ["/bin/sh", *words], input=given, capture_output=True, text=True, timeout=LIMIT
    )
