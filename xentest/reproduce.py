"""Shrinks what a night's fuzzer failed or crashed with to the fewest calls that still do it.

Run as `python3 -m xentest.reproduce RUN --xen HYPERVISOR`, outside of the machine under test
(xenlab does it at the end of its nights): each try is a fresh boot of an emulated machine with
the same hypervisor.  What was found is written into the result's reason, and beside it as
`reproducer.txt`.
Exit status: 0 all that failed was shrunk, 1 some of it does not happen again, 3 it could not
be tried.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Optional, Sequence

from xentest import durable, results
from xentest.errors import EXIT_BROKEN, BrokenError, guarded_main
from xentest.progress import Progress

MINIMISE = Path(__file__).resolve().parents[1] / "payloads/xenfc/ring0/minimise"
NAME = "reproducer.txt"
BUDGET = 1800.0
SHARE = 0.7  # of the budget, for tries to begin in: the last one must end as well
TELLS = re.compile(
    r"\bseed (?P<seed>\d{1,20})(?: twist (?P<twist>\d{1,20}))? (?:up to )?call (?P<call>\d{1,20})"
    r"(?: to (?P<last>\d{1,20}))?"
)
BAD = ("fail", "crash")
GONE = 1  # minimise: it does not fail any more
ROLES: tuple[tuple[str, ...], ...] = ((), ("guest",))  # in the control domain's place; a guest


@dataclass(frozen=True)
class Failure:
    """A result that names a place in a sequence of xenfc."""

    folder: Path
    seed: str
    last: str  # the call up to which the sequence is needed
    twist: str = ""

    @property
    def words(self) -> list[str]:
        return [f"twist={self.twist}"] if self.twist else []


@dataclass(frozen=True)
class Tried:
    """A failure, and the words that do it again; None: nothing did, or it could not be tried."""

    failure: Failure
    words: Optional[str]
    trouble: str = ""

    def __str__(self) -> str:
        seed, last = self.failure.seed, self.failure.last
        gone = f"seed {seed} up to call {last} does not do it again"
        told = self.words or (f"not shrunk: {self.trouble}" if self.trouble else gone)
        return f"{self.failure.folder.parent.name} {self.failure.folder.name}: {told}"


def failures(run: Path) -> Iterator[Failure]:
    """What of a run can be shrunk, in the order of its results."""
    for path in sorted(run.glob("domains/*/*/result.json")):
        try:
            result = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if not isinstance(result, dict) or result.get("status") not in BAD:
            continue
        found = TELLS.search(str(result.get("reason", "")))
        if found and "xenfc" in f"{result.get('test')} {result.get('reason')}":
            last = found["last"] or found["call"]
            yield Failure(path.parent, found["seed"], last, found["twist"] or "")


def shrink(failure: Failure, xen: Path, budget: float, minimise: Path = MINIMISE) -> Optional[str]:
    """Write and give back the words that do it again; None when it does not happen again."""
    end = time.monotonic() + budget
    for role in ROLES:
        left = end - time.monotonic()
        command = [str(minimise), "--json", "--xen", str(xen), "--until", f"to={failure.last}"]
        command += ["--budget", f"{left * SHARE:.0f}", failure.seed, *role, *failure.words]
        said, wrong, status = _run(command, left)
        if status == GONE:
            continue
        try:
            facts = json.loads(said)
            words = f"boot {facts['words']}"
            text = f"{words}\n{facts['what']}\nfound after {facts['boots']} boots\n"
        except (ValueError, KeyError, TypeError):
            raise BrokenError(f"{minimise.name} failed: {wrong.strip()[-500:]}") from None
        durable.write_text(failure.folder / NAME, text)
        _add_to_reason(failure.folder / "result.json", words)
        return words
    return None


def _add_to_reason(path: Path, words: str) -> None:
    """The words come first: the reason may be cut short."""
    try:
        result = results.parse(path.read_text(encoding="utf-8"))
    except results.MalformedResult as error:
        raise BrokenError(
            f"{path} is damaged: {error}", "The disk may be full or failing."
        ) from None
    result.reason = f"{words} does it again; {result.reason}"[: results.MAX_REASON]
    results.write(path, result)


def _run(command: Sequence[str], budget: float) -> tuple[str, str, int]:
    """Output, errors and exit status; when time is over, its boots end with it."""
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            said, wrong = process.communicate(timeout=budget)
        except BaseException as error:
            os.killpg(process.pid, signal.SIGKILL)
            if not isinstance(error, subprocess.TimeoutExpired):
                raise
            raise BrokenError(
                f"{Path(command[0]).name} {command[1]} took longer than {budget:g} s",
                "Give it more time with --budget, or run it by hand: " + " ".join(command),
            ) from None
    return said, wrong, process.returncode


def reproduce(run: Path, xen: Path, budget: float, minimise: Path = MINIMISE) -> Iterator[Tried]:
    """Shrink all failures of a run, but for those that were shrunk before."""
    for failure in failures(run):
        if (failure.folder / NAME).exists():
            continue
        try:
            yield Tried(failure, shrink(failure, xen, budget, minimise))
        except (BrokenError, OSError) as error:
            yield Tried(failure, None, str(error))


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python3 -m xentest.reproduce", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("run", type=Path, help="the run's folder, with domains/")
    parser.add_argument("--xen", type=Path, required=True, help="the hypervisor of that run")
    parser.add_argument("--budget", type=float, default=BUDGET, help="seconds a failure")
    parser.add_argument("--minimise", type=Path, default=MINIMISE, help=argparse.SUPPRESS)
    asked = parser.parse_args(words)
    for path in (asked.run / "domains", asked.xen):
        if not path.exists():
            parser.error(f"there is no {path}")
    tries = []
    for tried in reproduce(asked.run, asked.xen, asked.budget, asked.minimise):
        Progress().say(str(tried))
        tries.append(tried)
    if any(tried.trouble for tried in tries):
        return EXIT_BROKEN
    return 0 if all(tried.words for tried in tries) else 1


if __name__ == "__main__":
    sys.exit(guarded_main("reproduce", main, sys.argv[1:]))
