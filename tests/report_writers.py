"""Reports as programs write them, made up from what truly happened.

A `Report` is lines, each with what it says of a test and with how much of it must be there for
the report to be whole.  What programs, consoles and power cuts do to lines is done by `print_out`.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field, replace
from typing import Callable, Optional
from xml.sax.saxutils import escape, quoteattr

from xentest.results import Status

PASS, SKIP, XFAIL, FAIL = Status.PASS, Status.SKIP, Status.XFAIL, Status.FAIL
ERROR, TIMEOUT, CRASH = Status.ERROR, Status.TIMEOUT, Status.CRASH
NAMES = (
    "memory", "event channels", "test-pv64-xsa-1", "a/b::c<int>", "it is not ok", "issue #7",
    "1..3", "failures: 0", "na\u00efve \u2713", "x" * 300, "FAIL fast", "[vcpu 3]", "50%", "&amp;",
    "caf\udce9 \udcff",
)  # fmt: skip
NOISE = (
    "", "[   12.345678] usb 1-1: new high-speed device", "(XEN) d1v0 done", "# a remark",
    "Warning: ok is not what it seems", "  indented words", "\x1b[2J\x1b[H", "1.. 5", "y" * 17_000,
    "error: not an error", "Okay", "<6>[    1.000000][    T1] x", "100 %\r", "\t", "notok 3",
)  # fmt: skip
STRANGE_EXITS = (1, 2, 99, 126, 127, 134, 139, -6, -9, -11, -15)


@dataclass(frozen=True)
class Case:
    """A test, and what truly became of it."""

    name: str
    status: Status
    below: tuple[Case, ...] = ()


@dataclass(frozen=True)
class Line:
    """A line of a report."""

    text: str
    status: Optional[Status] = None  # what it says of a test
    needed: int = 0  # so many of its characters a whole report must have
    alone: bool = True  # other lines may come before it
    begins: bool = False  # what comes is whole no sooner than the next needed line


@dataclass
class Report:
    """What a program prints, and what it means."""

    form: str
    lines: list[Line]
    counts: bool = True  # it says how many results it has, or where it ends
    joins: bool = True  # another one may follow in the same output
    noise: bool = True  # other lines may stand between
    told: list[Status] = field(default_factory=list)

    @property
    def worst(self) -> Status:
        found = [line.status for line in self.lines if line.status] + self.told
        return max(found, key=lambda status: status.severity)


def cases(chance: random.Random, kinds: tuple[Status, ...], deep: int = 0) -> list[Case]:
    """Tests of a program: half of the programs have none that fails."""
    some = kinds if chance.random() < 0.5 else tuple(kind for kind in kinds if kind.good)
    made = []
    for number in range(chance.randint(1, 5)):
        name = f"{chance.choice(NAMES)} {number}"
        if deep and chance.random() < 0.3:
            below = tuple(cases(chance, kinds if some is kinds else some, deep - 1))
            failed = any(not one.status.good for one in below)
            made.append(Case(name, FAIL if failed else PASS, below))
        else:
            made.append(Case(name, PASS if chance.random() < 0.6 else chance.choice(some)))
    return made


TAP_WORDS = {
    PASS: ("ok {} - {}", "ok {} {}", "ok {} {} # TODO soon"),
    SKIP: ("ok {} {} # SKIP no device", "not ok {} {} # skip: absent", "ok {} - {} # Skipped: x"),
    XFAIL: ("not ok {} - {} # TODO later", "not ok {} {} # XFAIL known"),
    FAIL: ("not ok {} - {}", "not ok {} {}", "not ok {} {} # exit=1"),
    TIMEOUT: ("not ok {} {} # TIMEOUT 45 seconds",),
}


def ktap(chance: random.Random) -> Report:
    """KTAP and TAP: nested, with the plan in front or behind, YAML, totals."""
    version = chance.choice(("KTAP version 1", "TAP version 13", "TAP version 14", ""))
    found = cases(chance, tuple(TAP_WORDS), deep=2)
    lines = [Line(version)] if version else []
    in_front = not version or version.startswith("K") or chance.random() < 0.7
    indent = 2 if version.startswith("K") and chance.random() < 0.5 else 4
    lines += _tap_block(chance, found, 0, indent, in_front)
    if chance.random() < 0.5:
        failed = sum(case.status is FAIL for case in found)
        lines.append(Line(f"# Totals: pass:{len(found) - failed} fail:{failed} skip:0 error:0"))
    return Report("ktap", lines)


def _tap_block(
    chance: random.Random, found: list[Case], indent: int, step: int, in_front: bool
) -> list[Line]:
    blank = " " * indent
    plan = f"{blank}1..{len(found)}"
    lines = [Line(plan, needed=len(plan))] if in_front else []
    for number, case in enumerate(found, 1):
        if case.below:
            if chance.random() < 0.5:
                lines.append(Line(f"{blank}{' ' * step}# Subtest: {case.name}"))
            lines += _tap_block(chance, list(case.below), indent + step, step, True)
        text = blank + chance.choice(TAP_WORDS[case.status]).format(number, case.name)
        lines.append(Line(text, case.status, needed=indent + 2))
        if case.status is FAIL and not case.below and chance.random() < 0.3:
            inside = f"{blank}  "
            lines += [
                Line(inside + text, alone=False)
                for text in ("---", "message: it failed", "at: line 3", "...")
            ]
    return lines if in_front else [*lines, Line(plan, needed=len(plan))]


def kselftest(chance: random.Random) -> Report:
    """Programs behind "# " in the report of a runner that asks their exit status alone."""
    programs = [cases(chance, (PASS, SKIP, XFAIL, FAIL)) for _ in range(chance.randint(1, 3))]
    lines = [Line("TAP version 13"), Line(f"1..{len(programs)}", needed=4)]
    for number, found in enumerate(programs, 1):
        lines.append(Line(f"# selftests: kvm: prog{number}"))
        lines += [Line("# TAP version 13"), Line(f"# 1..{len(found)}")]
        for at, case in enumerate(found, 1):
            status = case.status if case.status is FAIL else None  # else the runner's word counts
            lines.append(Line(f"# {TAP_WORDS[case.status][0].format(at, case.name)}", status))
        failed = any(case.status is FAIL for case in found) and chance.random() < 0.5
        words = f"{'not ok' if failed else 'ok'} {number} selftests: kvm: prog{number}"
        lines.append(Line(words + " # exit=1" * failed, FAIL if failed else PASS, needed=2))
    return Report("ktap", lines, counts=False)


LTP_WORDS = {PASS: "TPASS", FAIL: "TFAIL", ERROR: "TBROK", SKIP: "TCONF"}
LTP_COUNTS = {"passed": PASS, "failed": FAIL, "broken": ERROR, "skipped": SKIP}


def ltp_program(chance: random.Random) -> Report:
    """A program of LTP's new library."""
    found = cases(chance, tuple(LTP_WORDS))
    lines = [Line("tst_test.c:1733: TINFO: LTP version: 20240129")]
    for number, case in enumerate(found):
        words = f"bind01.c:{60 + number}: {LTP_WORDS[case.status]}: {case.name}"
        lines.append(Line(words, case.status))
    lines += [Line(""), Line("Summary:", alone=False)]
    for name, status in LTP_COUNTS.items():
        count = sum(case.status is status for case in found)
        lines.append(Line(f"{name}   {count}", alone=False))
    return Report("ltp", [*lines, Line("warnings 0", needed=10, alone=False)])


RUNLTP_CODES = {PASS: 0, FAIL: 1, ERROR: 2, SKIP: 32}


def runltp(chance: random.Random) -> Report:
    """The screen of runltp."""
    lines = []
    for number, case in enumerate(cases(chance, tuple(RUNLTP_CODES))):
        code = RUNLTP_CODES[case.status]
        lines += [
            Line("<<<test_start>>>", begins=True),
            Line(f"tag=t{number} stime=17", alone=False),
        ]
        lines += [Line('cmdline="t -x"'), Line('initiation_status="ok"'), Line("<<<test_output>>>")]
        lines.append(Line(f"t{number} 1 {LTP_WORDS[case.status]} : {case.name}"))
        ending = f"duration=0 termination_type=exited termination_id={code} corefile=no"
        lines += [Line("<<<execution_status>>>"), Line(ending, case.status, needed=49 + (code > 9))]
        lines.append(Line("<<<test_end>>>"))
    return Report("ltp", lines, counts=False)


def kirk(chance: random.Random) -> Report:
    """The screen of kirk."""
    words = {PASS: "pass", FAIL: "fail", SKIP: "skip", ERROR: "broken", TIMEOUT: "timed out",
             CRASH: "kernel panic"}  # fmt: skip
    lines = [Line("Starting suite: math"), Line("---")]
    found = cases(chance, tuple(words))
    for number, case in enumerate(found):
        shown = f"abs{number:02}: {words[case.status]}"
        colour = chance.random() < 0.3
        shown = shown.replace(": ", ": \x1b[1;32m") + "\x1b[0m" if colour else shown
        lines.append(Line(f"{shown}  (0.0{number}s)", case.status))
    lines += [Line("Execution time: 1s", needed=16), Line("Suite Name: math")]
    for name, statuses in {"Failed": (FAIL,), "Broken": (ERROR, TIMEOUT, CRASH)}.items():
        lines.append(Line(f"{name}:   {sum(case.status in statuses for case in found)}"))
    return Report("kirk", lines, noise=False)


def kirk_json(chance: random.Random) -> Report:
    """The report that kirk writes: any part of it is none."""
    words = {PASS: "pass", FAIL: "fail", SKIP: "conf", ERROR: "brok"}
    found = cases(chance, tuple(words))
    results = []
    for case in found:
        told: dict[str, object] = {"command": "t", "arguments": [], "log": "said", "duration": 0.5}
        told |= {"retval": [str(RUNLTP_CODES[case.status])], "result": words[case.status]}
        told |= {key: int(case.status is status) for key, status in LTP_COUNTS.items()}
        results.append({"test_fqn": _plain(case.name), "status": words[case.status], "test": told})
    stats = {key: sum(c.status is status for c in found) for key, status in LTP_COUNTS.items()}
    text = json.dumps({"results": results, "stats": stats, "environment": {}}, indent=4)
    return _document("kirk", text, found)


def junit(chance: random.Random) -> Report:
    """JUnit XML in the manner of several tools: any part of it is none."""
    inner = {
        SKIP: ("<skipped/>", '<skipped message="no device">\n</skipped>'),
        FAIL: ('<failure message="it failed"/>', "<failure>at line 3\n<![CDATA[a<b]]></failure>"),
        ERROR: ('<error type="OSError">words</error>',),
        XFAIL: ('<skipped type="pytest.xfail" message="known"/>',),
        PASS: ("", "<system-out>not ok 1 <![CDATA[<failure/>]]></system-out>", "<properties/>"),
    }
    found = cases(chance, tuple(inner))
    text, suites = "", chance.randint(1, 2)
    for suite in range(suites):
        mine = found[suite::suites]
        shown = "".join(
            _junit_case(chance, case, chance.choice(inner[case.status])) for case in mine
        )
        counts = _junit_counts(mine) if chance.random() < 0.7 else ""
        text += f"<testsuite name={quoteattr(f's{suite}')}{counts}>\n{shown}</testsuite>\n"
    if suites > 1 or chance.random() < 0.5:
        total = _junit_counts(found) if chance.random() < 0.5 else ""
        text = f"<testsuites{total}>\n{text}</testsuites>\n"
    if chance.random() < 0.7:
        text = '<?xml version="1.0" encoding="UTF-8"?>\n' + text
    return _document("junit", text, found)


def _junit_case(chance: random.Random, case: Case, inner: str) -> str:
    name = f'<testcase name={quoteattr(_plain(case.name))} time="0.5"'
    if case.status in (PASS, FAIL) and chance.random() < 0.3:  # as Google Test has it
        name += ' status="run" result="completed"'
    out = f"<system-err>{escape(_plain(case.name))}</system-err>" if chance.random() < 0.2 else ""
    return f"{name}>{inner}{out}</testcase>\n" if inner or out else f"{name}/>\n"


def _junit_counts(found: list[Case]) -> str:
    of = [case.status for case in found]
    return (
        f' tests="{len(of)}" failures="{of.count(FAIL)}" errors="{of.count(ERROR)}"'
        f' skipped="{of.count(SKIP) + of.count(XFAIL)}"'
    )


def _plain(name: str) -> str:
    """A name as UTF-8, which these documents are."""
    return name.encode(errors="replace").decode()


def _document(form: str, text: str, found: list[Case]) -> Report:
    text = text.rstrip()
    lines = [Line(text, needed=len(text), alone=False)]
    return Report(form, lines, joins=False, noise=False, told=[case.status for case in found])


def xtf(chance: random.Random) -> Report:
    """The consoles of XTF guests, one after another."""
    words = {PASS: "SUCCESS", SKIP: "SKIP", ERROR: "ERROR", FAIL: "FAILURE"}
    lines = []
    for case in cases(chance, tuple(words)):
        lines += [
            Line("--- Xen Test Framework ---", begins=True),
            Line("Environment: PV 64bit (Long mode)"),
        ]
        lines += [Line(case.name), Line("Success: not the last word")]
        said = f"Test result: {words[case.status]}"
        lines.append(Line(said, case.status, needed=len(said)))
    return Report("xtf", lines, counts=False)


WRITERS: tuple[Callable[[random.Random], Report], ...] = (
    ktap, ktap, ktap, kselftest, ltp_program, runltp, kirk, kirk_json, junit, junit, xtf,
)  # fmt: skip


@dataclass
class Printed:
    """The bytes of a report; a cut after some of its lines, or within a part, tells."""

    text: bytearray = field(default_factory=bytearray)
    bad: list[int] = field(default_factory=list)  # ends of lines that tell of a failure
    parts: list[tuple[int, int]] = field(
        default_factory=list
    )  # that are not whole before their end

    def tells(self, cut: int) -> bool:
        """Whether what is there of a report that was cut cannot be good."""
        inside = any(begin <= cut < end for begin, end in self.parts)
        return inside or any(end <= cut for end in self.bad)


def print_out(chance: random.Random, report: Report) -> Printed:
    """As it comes over a console, or out of a pipe."""
    eol = chance.choice((b"\n", b"\n", b"\n", b"\r\n", b"\r\r\n")) if report.noise else b"\n"
    loud = chance.choice((0.0, 0.0, 0.2, 0.6)) if report.noise else 0.0
    odd = chance.random() < 0.3 and report.noise
    stamp = b"[   12.345678] " if report.form == "ktap" and chance.random() < 0.1 else b""
    printed, begin = Printed(), 0
    text = printed.text
    for line in report.lines:
        while line.alone and chance.random() < loud:
            text += chance.choice(NOISE).encode() + eol
        if odd and line.alone and chance.random() < 0.3:
            text += chance.choice((b"\0\0", b"\xef\xbb\xbf" * (not text), b"\x1b[0m"))
        text += stamp
        if line.begins:
            begin = len(text) + len(line.text)
        if line.needed:
            printed.parts.append((begin, len(text) + len(_bytes(line.text[: line.needed]))))
        text += _bytes(line.text)
        if odd and line.status and chance.random() < 0.2:
            text += chance.choice((b"\x1b[0m", b"\0"))
        text += eol
        if line.status and not line.status.good:
            printed.bad.append(len(text))
    return printed


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def joined(first: Report, second: Report) -> Report:
    """Two programs, one after the other."""
    head, *rest = second.lines
    lines = [*first.lines, replace(head, begins=True), *rest]
    return replace(first, lines=lines, counts=first.counts and second.counts)
