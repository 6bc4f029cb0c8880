"""Take results out of the shared folder, believing nothing.

A result is copied once, as soon as its result.json and those of the tests before it
are there, and whole or not at all; what the domain changes later is ignored.  A
result.json that does not fit its place, or is none of ours, becomes an `error` that
says so.
"""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Optional

from xentest import durable, results, shared, untrusted
from xentest.errors import BrokenError, printable, printable_line
from xentest.results import MAX_REASON, MalformedResult, Result, Status
from xentest.runs import DOMAINS, Run

if TYPE_CHECKING:
    from xentest.control import Control

OUTPUT_LIMIT = 66 << 20  # what a well-behaved runner keeps of an output, its tail included
LOGS_LIMIT = 256 << 20
LOGS_FILES = 10_000
RESULT_LIMIT = 32 << 20
FULL = (errno.ENOSPC, errno.EDQUOT)

Explain = Callable[[Result], Result]


def collect_finished(
    folder: Path, control: Control, run: Run, explain: Explain = lambda result: result
) -> list[Result]:
    """Copy the results that are finished and not copied yet; returns these.

    Cheap when nothing is new.  `explain` may add to a result what the control
    domain knows of it.
    """
    new = []
    for domain in control.domains:
        for number, test in control.plan(domain):
            if is_stored(run, domain.name, number, test.name):
                continue
            result = _take(folder, domain.name, number, test.name, run, explain)
            if result is None:
                break  # tests run in order: what stands behind it is not a test's result
            new.append(result)
    return new


def is_stored(run: Run, domain: str, number: int, test: str) -> bool:
    """Whether that result is in the run's own folder.

    The disk is asked once: nobody but us puts results there, and none is taken away.
    """
    key = domain, number, test
    if key not in run.stored:
        run.stored[key] = _stored_file(run, domain, number, test).exists()
    return run.stored[key]


def _stored_file(run: Run, domain: str, number: int, test: str) -> Path:
    folder = run.folder / DOMAINS / domain / results.folder_name(number, test)
    return folder / "result.json"


def load(run: Run, domain: str, number: int, test: str) -> Optional[Result]:
    """A result that is in the run's own folder."""
    path = _stored_file(run, domain, number, test)
    try:
        return results.parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:  # MalformedResult, or not even text
        raise BrokenError(
            f"{path} is damaged: {error}", "The disk may be full or failing."
        ) from None


def conclude(folder: Path, run: Run, result: Result) -> Result:
    """Store a result that the control domain decided on, with what the test left behind.

    The first one wins: returns what is stored.
    """
    try:
        with shared.opened(folder, result.domain, "results", result.folder) as source:
            return _store(run, result, source)
    except (FileNotFoundError, untrusted.Refused):
        return _store(run, result, None)  # it left nothing


def _take(
    folder: Path, domain: str, number: int, test: str, run: Run, explain: Explain
) -> Optional[Result]:
    name = results.folder_name(number, test)
    try:
        with shared.opened(folder, domain, "results", name) as source:
            if not untrusted.exists(source, "result.json"):
                return None
            return _store(run, explain(_read(source, domain, number, test)), source)
    except FileNotFoundError:
        return None
    except untrusted.Refused as error:
        return _store(run, _forged(domain, number, test, f"its folder: {error}"), None)


def _read(source: int, domain: str, number: int, test: str) -> Result:
    """The result in the folder, or an error result that says why it cannot be believed."""
    try:
        content = untrusted.read_file(source, "result.json", RESULT_LIMIT)
        result = results.parse(content.decode("utf-8"))
    except untrusted.Refused as error:
        return _forged(domain, number, test, f"result.json: {error}")
    except (MalformedResult, UnicodeDecodeError, OSError) as error:
        return _forged(domain, number, test, str(error))
    found = (result.domain, result.number, result.test)
    if found != (domain, number, test):
        claim = f"it says it is test {result.number}-{result.test} of {result.domain}"
        return _forged(domain, number, test, claim)
    return result


def _forged(domain: str, number: int, test: str, why: str) -> Result:
    reason = printable(f"forged or damaged result: {why}")[:MAX_REASON]
    return Result(domain, test, number, Status.ERROR, reason)


def _store(run: Run, result: Result, source: Optional[int]) -> Result:
    domain_folder = run.domain_folder(result.domain)
    key = result.domain, result.number, result.test
    earlier = load(run, *key)
    if earlier is not None:
        run.stored[key] = True
        return earlier
    temporary = domain_folder / f".{result.folder}.tmp"
    try:
        result = _fill(temporary, result, source)
    except OSError as error:
        if source is None:
            raise
        why = f"{run.folder} is full" if error.errno in FULL else str(error)
        note = f"[output and logs are not kept: {printable_line(why)}]"
        result = _fill(temporary, _noted(result, note), None)
    os.rename(temporary, domain_folder / result.folder)
    durable.sync_folder(domain_folder)
    run.stored[key] = True
    return result


def _fill(temporary: Path, result: Result, source: Optional[int]) -> Result:
    """Make the folder of a result, result.json last; returns the result as written."""
    with shared.opened(temporary.parent) as parent:
        untrusted.remove(parent, temporary.name)
    temporary.mkdir()
    if source is not None:
        refused = _copy(source, temporary)
        if refused:
            durable.write_text(temporary / "refused", "\n".join(refused) + "\n")
            result = _noted(result, f"[{len(refused)} refused: see the file `refused`]")
    results.write(temporary / "result.json", result)
    return result


def _noted(result: Result, note: str) -> Result:
    reason = f"{result.reason[: MAX_REASON - len(note) - 1]} {note}".strip()
    return replace(result, reason=reason)


def _copy(source: int, temporary: Path) -> list[str]:
    """Copy output and logs; returns what was refused."""
    output = untrusted.Budget(OUTPUT_LIMIT, 1)
    logs = untrusted.Budget(LOGS_LIMIT, LOGS_FILES)
    with shared.opened(temporary) as target:
        if untrusted.exists(source, "output"):
            untrusted.copy_file(source, "output", target, "output", output, "output")
        if untrusted.exists(source, "logs"):
            untrusted.copy_subfolder(source, "logs", target, "logs", logs, "logs", 0)
    refused = output.refused + logs.refused
    left_out = output.left_out + logs.left_out - len(refused)
    return refused + ([f"and {left_out} more"] if left_out else [])
