"""Why a machine or domain died, read from its console.

Only lines that the hypervisor or a kernel printed themselves count: Xen's carry
"(XEN)", Linux's begin with the text or a time stamp.  What merely quotes such a
text further on (a command line, a marker, a user's process) is no finding.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Iterator, Optional

LINES_BEFORE = 4
LINES_IN_EXCERPT = 20
MAX_LINE = 300
OOM = "Linux out of memory"

XEN_PREFIX = re.compile(r"\(XEN\)(?: \[[^\]]*\])* ?(.*)")
LINUX_PREFIX = re.compile(
    r"^(?:.*?\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? )?"
    r"(?:(?:watchdog|NMI watchdog|rcu|printk|sysrq): |-+\[ cut here \]-+)*(.*)"
)
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\x00]")
MARKER = re.compile(r"xentest: (START|END) (\S+) (.*\S)")

XEN_TABLE = (
    ("Xen panic", re.compile(r"Panic on CPU \d+:")),
    ("Xen BUG", re.compile(r"Xen BUG at ")),
    ("Xen assertion", re.compile(r"Assertion '.*' failed at ")),
    ("Xen fatal page fault", re.compile(r"FATAL PAGE FAULT")),
    ("Xen fatal trap", re.compile(r"FATAL TRAP: ")),
    ("Xen double fault", re.compile(r"\*\*\* DOUBLE FAULT \*\*\*|DOUBLE FAULT -- system shutdown")),
    ("Xen control-flow violation", re.compile(r"\**\s*CONTROL-FLOW PROTECTION FAULT")),
    ("Xen watchdog", re.compile(r"Watchdog timer detects that CPU")),
    ("Xen UBSAN", re.compile(r"UBSAN: Undefined behaviour in ")),
    ("Xen stopped", re.compile(r"Hardware Dom\d+ (?:crashed|shutdown|halted)")),
)
LINUX_TABLE = (
    ("Linux panic", re.compile(r"Kernel panic - not syncing")),
    ("Linux BUG", re.compile(r"kernel BUG at |BUG: ")),
    ("Linux oops", re.compile(r"Oops: |Internal error: .*\[#\d+\]")),
    ("Linux general protection fault", re.compile(r"general protection fault\b.*\[#\d+\]")),
    ("Linux hung task", re.compile(r"INFO: task .* blocked for more than \d+ seconds")),
    ("Linux lockup", re.compile(r"Watchdog detected hard LOCKUP")),
    (
        "Linux RCU stall",
        re.compile(r"INFO: rcu\S* (?:self-detected stall|detected (?:expedited )?stalls?)"),
    ),
    ("Linux UBSAN", re.compile(r"UBSAN: ")),
    (OOM, re.compile(r"Out of memory: Killed process |Kernel panic - not syncing: Out of memory")),
)


@dataclass(frozen=True)
class Finding:
    """A crash line; `test` is "domain n-test" when markers in the log say what ran."""

    kind: str
    title: str
    offset: int
    excerpt: str
    test: str = ""


def scan(text: str) -> list[Finding]:
    """All findings in the order of the text; the first is the cause of the others."""
    lines = list(_lines(text))
    findings = []
    open_tests: dict[str, str] = {}
    for index, (offset, line) in enumerate(lines):
        marker = MARKER.search(line)
        if marker:
            _follow(open_tests, *marker.groups())
        found = _classify(line)
        if found is None:
            continue
        kind, message = found
        if kind == "Xen panic":
            message = " ".join([message, *_panic_text(lines, index)])
        excerpt = _excerpt([line for _, line in lines], index)
        test = next(reversed(open_tests.values()), "")
        findings.append(Finding(kind, f"{kind}: {message}"[:MAX_LINE], offset, excerpt, test))
    return findings


def cause(text: str) -> Optional[Finding]:
    """The finding that explains a death: the first, a mere lack of memory last."""
    findings = scan(text)
    hard = [finding for finding in findings if finding.kind != OOM]
    return next(iter(hard + findings), None)


def last_line(text: str) -> str:
    """The last line that says something."""
    said = [line.strip() for _, line in _lines(text) if line.strip()]
    return said[-1][:MAX_LINE] if said else ""


def _lines(text: str) -> Iterator[tuple[int, str]]:
    offset = 0
    for line in text.split("\n"):
        yield offset, ESCAPES.sub("", line)
        offset += len(line) + 1


def _follow(open_tests: dict[str, str], event: str, domain: str, test: str) -> None:
    open_tests.pop(domain, None)
    if event == "START":
        open_tests[domain] = f"{domain} {test}"


def _classify(line: str) -> Optional[tuple[str, str]]:
    xen = XEN_PREFIX.search(line)
    match = xen or LINUX_PREFIX.match(line)
    message = match.group(1).strip() if match else ""
    for kind, pattern in XEN_TABLE if xen else LINUX_TABLE:
        if pattern.match(message):
            return kind, message
    return None


def _panic_text(lines: list[tuple[int, str]], index: int) -> list[str]:
    """Xen prints what the panic is about on the line after "Panic on CPU n:"."""
    for _, line in lines[index + 1 : index + 2]:
        match = XEN_PREFIX.search(line)
        if match and match.group(1).strip(" *"):
            return [match.group(1).strip()]
    return []


def _excerpt(lines: list[str], index: int) -> str:
    begin = max(0, index - LINES_BEFORE)
    return "\n".join(line[:MAX_LINE] for line in lines[begin : begin + LINES_IN_EXCERPT])
