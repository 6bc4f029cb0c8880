"""Whether the shell can read the commands of a control file: it is asked, nothing is run."""

from __future__ import annotations

import re

from xentest import control_keys as keys
from xentest.control_sections import Sections
from xentest.control_text import shown

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
    if error:
        what = f"{key.rpartition('.')[2]} is no shell text: {shown(error)}"
        line = sections.line_at(section, key, place)
        sections.problems.add(line, what, "try it with `sh -n`")


def _syntax_error(command: str) -> tuple[int, str]:
    """In which line of the command /bin/sh sees what mistake; empty when none."""
    import subprocess

    if not command:
        return 0, ""
    said = subprocess.run(
        ["/bin/sh", "-n"], input=command, capture_output=True, text=True, timeout=LIMIT
    )
    first = said.stderr.strip().partition("\n")[0]
    place = re.search(r": ([0-9]{1,9}): ", first)
    error = first.rpartition("error: ")[2] if said.returncode else ""
    return int(place[1]) if place else 1, error
