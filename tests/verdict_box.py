"""A report and its verdict."""

from __future__ import annotations

from pathlib import Path

from xentest import verdict


def judge(
    tmp_path: Path, form: str, report: str | bytes, status: int = 0, expect: tuple[str, ...] = ()
) -> verdict.Verdict:
    output = tmp_path / "output"
    output.write_bytes(report if isinstance(report, bytes) else report.encode())
    return verdict.read(form, output, status, tmp_path, expect)
