"""Twenty thousand made-up reports: what truly happened is known, so no verdict may be better.

`XENTEST_REPORTS=N` makes so many, with `XENTEST_SEED=S` others.
"""

from __future__ import annotations

import os
import random
import re
from dataclasses import replace
from pathlib import Path

import report_writers as writers
from report_writers import STRANGE_EXITS, Report
from verdict_box import judge
from xentest.results import Status
from xentest.verdict.findings import Verdict

REPORTS = int(os.environ.get("XENTEST_REPORTS", "20000"))
BAD = {status for status in Status if not status.good}
SEED = int(os.environ.get("XENTEST_SEED", "20050720"))


def write(chance: random.Random) -> Report:
    report = chance.choice(writers.WRITERS)(chance)
    if report.joins and chance.random() < 0.1:
        second = chance.choice(writers.WRITERS)(chance)
        is_told_apart = report.form != "ktap" or second.lines[0].text.startswith(("K", "T"))
        if second.form == report.form and second.joins and is_told_apart:
            return writers.joined(report, second)
    return report


def wrong(folder: Path, chance: random.Random) -> str:
    """What is wrong with the verdict of one report, and the report."""
    report = write(chance)
    status = 0 if report.worst.good else chance.choice((0, 1))
    damage = chance.choice(("none", "none", "cut", "cut", "exit", "lost"))
    if damage == "lost":
        return _without_a_line(folder, chance, report)
    printed = writers.print_out(chance, report)
    text, allowed = bytes(printed.text), {report.worst}
    if damage == "exit" and report.worst.good:
        status, allowed = chance.choice(STRANGE_EXITS), BAD
    if damage == "cut":
        end = chance.randrange(len(text))
        text, allowed = text[:end], BAD if printed.tells(end) else set(Status)
    found = judge(folder, report.form, text, status)
    fits = found.status in allowed and (found.reason or found.status is Status.PASS)
    return "" if fits else _told(f"{damage}, ended with {status}", report, found, text)


def _told(what: str, report: Report, found: Verdict, text: bytes) -> str:
    shown = re.sub(r"(.)\1{40,}", r"\1\1...", repr(text))
    read_as = f"read as {found.status.value} ({found.reason})"
    return f"{what}: truly {report.worst.value}, {read_as}\n{shown}"


def _without_a_line(folder: Path, chance: random.Random, report: Report) -> str:
    """A line got lost: where results are counted, that never makes a pass of a failure."""
    results = [at for at, line in enumerate(report.lines) if line.status]
    if not results or not report.counts:
        return ""
    lost = chance.choice(results)
    lines = report.lines[:lost] + report.lines[lost + 1 :]
    text = bytes(writers.print_out(chance, replace(report, lines=lines)).text)
    found = judge(folder, report.form, text)
    fits = not found.status.good or report.worst.good and report.form != "ktap"
    return "" if fits else _told(f"without {report.lines[lost].text}", report, found, text)


def test_no_verdict_is_better_than_the_truth(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    wrongs = (wrong(tmp_path, chance) for _ in range(REPORTS))
    found = [one for one in wrongs if one][:20]
    assert not found, "\n\n".join(found)
