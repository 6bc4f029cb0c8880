"""Why a machine or domain died, read from its console.

Only lines that the hypervisor or a kernel printed themselves count: Xen's carry
"(XEN)", Linux's begin with the text or a time stamp.  What merely quotes such a
text further on (a command line, a marker, a user's process) is no finding, nor is
what Xen passes on of a guest, "(d1) ...": a guest may write anything there.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from dataclasses import dataclass
from typing import Iterator, Optional, Sequence

LINES_BEFORE = 4
LINES_IN_EXCERPT = 20
MAX_LINE = 300
MAX_ALIKE = 10  # findings of one kind in one test
MAX_FINDINGS = 2000
OOM = "Linux out of memory"

XEN_PREFIX = re.compile(r"\(XEN\)(?: \[[^\]]*\])* ?(.*)")
GUEST_PREFIX = re.compile(r"(?:\[[^\]]*\] *)?\(d\d+\) ")
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
DOMAIN_CRASH = re.compile(
    r"Domain (?P<number>\d{1,5}) (?:\(vcpu#\d+\)|reported) crashed "
    r"|d(?P<owner>\d{1,5})v\d+ Triple fault "
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


@dataclass
class _Growing:
    """A finding whose excerpt still wants lines."""

    kind: str
    message: str
    offset: int
    test: str
    excerpt: list[str]

    def take(self, line: str) -> None:
        """The next line of the log."""
        if self.kind == "Xen panic" and len(self.excerpt) == self._of_panic:
            self.message = " ".join([self.message, *_panic_text(line)])
        self.excerpt.append(line[:MAX_LINE])

    def __post_init__(self) -> None:
        self._of_panic = len(self.excerpt)  # where the line after "Panic on CPU n:" comes

    @property
    def finding(self) -> Finding:
        title = f"{self.kind}: {self.message}"[:MAX_LINE]
        return Finding(self.kind, title, self.offset, "\n".join(self.excerpt), self.test)


def scan(text: str) -> list[Finding]:
    """The findings in the order of the text; the first is the cause of the others.

    In time and memory that the text's length bounds: who says the same for ever (a guest
    may) is heard MAX_ALIKE times for each kind and test.
    """
    findings: list[_Growing] = []
    growing: list[_Growing] = []
    alike: Counter[tuple[str, str]] = Counter()
    before: deque[str] = deque(maxlen=LINES_BEFORE)
    open_tests: dict[str, str] = {}
    for offset, line in _lines(text):
        marker = MARKER.search(line)
        if marker:
            _follow(open_tests, *marker.groups())
        for item in growing:
            item.take(line)
        growing = [item for item in growing if len(item.excerpt) < LINES_IN_EXCERPT]
        found = _classify(line)
        if found and len(findings) < MAX_FINDINGS:
            test = next(reversed(open_tests.values()), "")
            alike[found[0], test] += 1
            if alike[found[0], test] <= MAX_ALIKE:
                excerpt = [*before, line[:MAX_LINE]]
                growing.append(_Growing(found[0], found[1], offset, test, excerpt))
                findings.append(growing[-1])
        before.append(line[:MAX_LINE])
    return [item.finding for item in findings]


def cause(text: str) -> Optional[Finding]:
    """The finding that explains a death: the first, a mere lack of memory last."""
    return first_cause(scan(text))


def first_cause(findings: Sequence[Finding]) -> Optional[Finding]:
    """Of all findings the one that explains the others."""
    hard = [finding for finding in findings if finding.kind != OOM]
    return next(iter([*hard, *findings]), None)


def crashed_domains(text: str) -> dict[int, str]:
    """By the number of each domain that the hypervisor ended or reset for a crash: its line."""
    found: dict[int, str] = {}
    for _, line in _lines(text):
        said = XEN_PREFIX.match(line)
        crash = DOMAIN_CRASH.match(said.group(1)) if said else None
        if said and crash:
            number = int(crash["number"] or crash["owner"])
            found.setdefault(number, said.group(1)[:MAX_LINE])
    return found


def last_line(text: str) -> str:
    """The last line that says something."""
    last = ""
    for _, line in _lines(text):
        last = line.strip() or last
    return last[:MAX_LINE]


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Each line with its offset; one at a time, since a log may be long and its lines short."""
    offset = 0
    while offset <= len(text):
        end = text.find("\n", offset)
        end = len(text) if end < 0 else end
        yield offset, ESCAPES.sub("", text[offset:end])
        offset = end + 1


def _follow(open_tests: dict[str, str], event: str, domain: str, test: str) -> None:
    open_tests.pop(domain, None)
    if event == "START":
        open_tests[domain] = f"{domain} {test}"


def _classify(line: str) -> Optional[tuple[str, str]]:
    if GUEST_PREFIX.match(line):
        return None
    xen = XEN_PREFIX.search(line)
    match = xen or LINUX_PREFIX.match(line)
    message = match.group(1).strip() if match else ""
    for kind, pattern in XEN_TABLE if xen else LINUX_TABLE:
        if pattern.match(message):
            return kind, message
    return None


def _panic_text(line: str) -> list[str]:
    """Xen prints what the panic is about on the line after "Panic on CPU n:"."""
    match = XEN_PREFIX.search(line)
    return [match.group(1).strip()] if match and match.group(1).strip(" *") else []
