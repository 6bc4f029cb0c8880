"""The exit status alone: 0 pass, 77 skip, 99 error, others fail."""

from __future__ import annotations

from typing import Optional

from xentest.errors import printable
from xentest.results import MAX_REASON, Status
from xentest.verdict.findings import SKIP_EXIT, Verdict, of_failed_exit, was_killed


def verdict(
    exit_status: int, last_words: str, offset: Optional[int], known_to_fail: bool = False
) -> Verdict:
    """The verdict that an exit status gives; the last words of the output say why."""
    if exit_status == 0:
        return Verdict(Status.PASS, "was expected to fail, but passes" * known_to_fail)
    if exit_status == SKIP_EXIT:
        status, reason = Status.SKIP, last_words or "skipped; it did not say why"
    else:
        status, reason = of_failed_exit(exit_status, last_words)
        if known_to_fail and status is Status.FAIL and not was_killed(exit_status):
            status = Status.XFAIL
    return Verdict(status, printable(reason)[:MAX_REASON], log_offset=offset)
