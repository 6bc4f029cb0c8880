"""Why a test that is reported as a crash crashed, as far as consoles tell."""

from __future__ import annotations

import calendar
import time
from dataclasses import dataclass, replace
from pathlib import Path

from xentest import fuzzed
from xentest.domains.consoles import Consoles
from xentest.errors import printable
from xentest.results import MAX_REASON, Result, Status
from xentest.runs import DOMAINS, Run
from xentest.verdict import console

MAX_CONSOLE = 20_000
RECENT = 1 << 20  # what a domain said last: a crash is looked for as soon as it is told


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
