"""What `make check` does with the lab's tests when time is short."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
TIMES = ("XENTEST_ALL", "XENTEST_UNTIL")


def lab_tests(*words: str, **variables: str) -> list[str]:
    """What pytest says of the lab's tests."""
    environment = {k: v for k, v in os.environ.items() if k not in TIMES} | variables
    said = subprocess.run(
        ["/usr/bin/python3", "-m", "pytest", "-q", "-m", "lab", "-p", "no:cacheprovider", *words],
        cwd=HERE.parent, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert said.returncode == 0, said.stdout + said.stderr
    return said.stdout.splitlines()


def test_what_there_is_no_time_for_is_skipped_with_the_reason():
    said = lab_tests("-rs", "tests/lab/test_exec.py", XENTEST_UNTIL="1")
    assert "time of a check is over" in said[-2] and " passed" not in said[-1], said
    assert int(said[-1].split()[0]) > 5 and "skipped" in said[-1], said


def test_a_whole_night_comes_first():
    said = lab_tests("--collect-only", "tests/lab")
    assert said[0].startswith("tests/lab/test_nightly.py"), said
    files = list(dict.fromkeys(line.partition("::")[0] for line in said if "::" in line))
    begin = files.index(min(files[1:]))  # of the names in their order, from today's on
    assert files[begin:] + files[1:begin] == sorted(files[1:]), files
