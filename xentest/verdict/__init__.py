"""From a test's report to its verdict: one reader a format.

A reader takes a stream of any bytes and adds to Findings what it found.  It never
raises (but TooMany), and it adds a pass only where one stands in the report.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import BinaryIO, Callable, Iterable, Optional, Sequence

from xentest.verdict import text
from xentest.verdict.findings import MAX_RESULTS, SKIP_EXIT, Findings, TooMany, Verdict, matches

FORMATS = ("exit", "ktap", "tap", "ltp", "kirk", "junit", "xtf")
MAX_FILES = 1000

Reader = Callable[[BinaryIO, Findings], None]


def read(
    form: str,
    output: Path,
    exit_status: int,
    work: Path,
    expect: Sequence[str] = (),
    stale: Optional[dict[Path, object]] = None,
    test: str = "",
) -> Verdict:
    """The verdict of a command that ended with `exit_status` (negative: a signal).

    `form` is a format, or "format:path" where the path, or glob, below `work` names
    the report; else `output` is the report.  `expect` holds globs of known failures: of
    subtests, or where there is nothing but the exit status of the `test` itself.
    `stale` is what report_files() said before the run: such files prove nothing.
    """
    name, _, place = form.partition(":")
    last, offset = text.last_words(output)
    if exit_status == SKIP_EXIT:
        last = text.last_line(output)
    if name == "exit":
        from xentest.verdict import exit as exit_format

        return exit_format.verdict(exit_status, last, offset, matches(test, expect))
    findings = Findings(expect, in_output=not place)
    if place:
        _read_all(name, _fresh(place, report_files(form, work), stale or {}, findings), findings)
    else:
        findings.cut = text.is_cut(output)
        _read_all(name, [output], findings)
    verdict = findings.conclude(exit_status, last)
    if not place and verdict.log_offset is not None:
        offset = verdict.log_offset
    return Verdict(verdict.status, verdict.reason, verdict.subtests, offset)


def _fresh(
    place: str, present: dict[Path, object], stale: dict[Path, object], findings: Findings
) -> list[Path]:
    """The files that are there and were not before; what is wrong with them is a problem."""
    fresh = [path for path, mark in present.items() if stale.get(path) != mark]
    if len(present) > MAX_FILES:
        findings.problem(f"more than {MAX_FILES} files are {place}: not all were read")
    if not fresh:
        old = " (only files from before the run)" if present else ""
        findings.problem(f"the test wrote no {place}{old}")
    return fresh[:MAX_FILES]


def report_files(form: str, work: Path) -> dict[Path, object]:
    """The files that "format:glob" names below `work`, each with what tells a new one from it."""
    _, _, place = form.partition(":")
    if not place:
        return {}
    from glob import iglob
    from itertools import islice

    marks: dict[Path, object] = {}
    for name in sorted(islice(iglob(place, root_dir=work, recursive=True), MAX_FILES + 1)):
        try:
            state = (work / name).lstat()
        except OSError:
            continue
        marks[work / name] = (state.st_ino, state.st_mtime_ns, state.st_ctime_ns, state.st_size)
    return marks


def _read_all(name: str, paths: Iterable[Path], findings: Findings) -> None:
    # TAP is what KTAP grew out of; kirk is LTP's own runner.
    module = {"tap": "ktap", "kirk": "ltp"}.get(name, name)
    reader: Reader = import_module(f"xentest.verdict.{module}").read
    for path in paths:
        try:
            with text.open_regular(path) as stream:
                reader(stream, findings)
        except TooMany:
            findings.problem(f"more than {MAX_RESULTS} results: the rest was not read")
            return
        except text.NotReadable as error:
            findings.problem(str(error))
