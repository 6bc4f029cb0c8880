"""Why a test that is reported as a crash crashed, and which deaths no test can report."""

from __future__ import annotations

import calendar
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Sequence

from xentest import fuzzed
from xentest.domains.consoles import Consoles
from xentest.errors import printable
from xentest.results import MAX_REASON, WENT_DOWN, Result, Status
from xentest.runs import DOMAINS, Run
from xentest.verdict import console

MAX_CONSOLE = 20_000
RECENT = 1 << 20  # what a domain said last: a crash is looked for as soon as it is told
SAME = 100  # so many characters of a cause name it


@dataclass
class Death:
    """Adds the console's story to crash results; `machine_console` is of the boot before."""

    run: Run
    consoles: Consoles
    machine_console: str = ""

    def explain(self, result: Result) -> Result:
        """The result, with what a console says of its crash."""
        if result.status is not Status.CRASH:
            return result
        if self.machine_console and _before_this_boot(result.started):
            text = self.machine_console
        else:
            text = self._domain_console(result.domain)
        findings = console.scan(text)
        own = [item for item in findings if item.test == f"{result.domain} {result.folder}"]
        finding = own[0] if own else console.first_cause(findings)
        if finding is not None:
            title, excerpt = finding.title, finding.excerpt
        elif text.strip():
            title, excerpt = f"last console line: {console.last_line(text)}", ""
        else:
            return result
        title = fuzzed.explained(title, text)
        reason = printable(f"{result.reason}: {title}")[:MAX_REASON]
        return replace(result, reason=reason, console=printable(excerpt)[:MAX_CONSOLE])

    def _domain_console(self, domain: str) -> str:
        log = self.run.folder / DOMAINS / domain / "console.log"
        if not log.exists():
            return ""
        with open(log, "rb") as stream:
            stream.seek(max(0, log.stat().st_size - RECENT))
            return stream.read(RECENT).decode("utf-8", "replace")


def _before_this_boot(started: str) -> bool:
    try:
        begun = calendar.timegm(time.strptime(started[:19], "%Y-%m-%dT%H:%M:%S"))
    except ValueError:
        return False
    return begun < time.time() - float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])


def untold(causes: Sequence[str], results: Sequence[Result]) -> list[str]:
    """The deaths of the machine that no result tells of: no test ran, or none noticed.

    A death ends at most one test of a domain, so no more of them are told than results of one
    domain tell of it.  A pass tells of none, whatever its domain wrote there.
    """
    results = [item for item in results if not item.status.good]
    left = []
    for cause in dict.fromkeys(causes):
        told = _most_of_a_domain([item for item in results if cause[:SAME] in item.reason])
        left += [cause] * (list(causes).count(cause) - told)
    without_cause = [
        item
        for item in results
        if item.reason.startswith(WENT_DOWN)
        and not any(cause[:SAME] in item.reason for cause in causes)
    ]
    return left[_most_of_a_domain(without_cause) :]


def _most_of_a_domain(results: Sequence[Result]) -> int:
    return max(Counter(item.domain for item in results).values(), default=0)
