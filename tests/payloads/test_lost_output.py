"""What a program prints and nobody can have is no success, and is said; whatever it prints."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

PAYLOADS = Path(__file__).resolve().parents[2] / "payloads"
LIMIT = 300
NOWHERE = ["--root", "/nonexistent"]
FEW = ["-n", "20", "--rounds", "2", "--clock", "monotonic"]
# Folder, program, and what it prints without another machine or any right.
PROGRAMS = [
    ("rushit", "tcp_rr", [["--help"], ["--version"], ["--dry-run"], ["--dry-run", "--json"]]),
    ("virtbench", "virtbench", [["--help"], ["compare", "--help"]]),
    ("virtbench", "virtclient", [["--help"]]),
    ("vsock", "vsock-test", [["--help"], ["--list"]]),
    ("vsock", "vsock-util", [["--help"]]),
    ("vsock", "vsock-perf", [["--help"]]),
    ("vsock", "vsock-integration", [["--help"], ["--timeout", "1", "--listen", "127.1.2.3"]]),
    ("oneway", "oneway", [["--help"], ["compare", *FEW], ["compare", "--json", *FEW]]),
    ("balloon", "balloon", [["--list"], NOWHERE, [*NOWHERE, "--ktap"], [*NOWHERE, "--json"]]),
    ("privops", "privops", [["--list"], NOWHERE, [*NOWHERE, "--ktap"], [*NOWHERE, "--json"]]),
    ("xenfc", "xenfc", [["--list"], ["--dry-run", "-l", "20"], ["--emit-c", "-l", "20"]]),
]


def words_of(folder: str, program: str, words: list[str]) -> str:
    subprocess.run(["make", "-s", "-C", PAYLOADS / folder], check=True, capture_output=True)
    return " ".join([str(PAYLOADS / folder / "build" / program), *words])


@pytest.mark.parametrize("redirection", ["> /dev/full", ">&-", "<&- >&-"])
@pytest.mark.parametrize("folder, program, calls", PROGRAMS)
def test_lost_output(folder, program, calls, redirection):
    for words in calls:
        command = f"exec {words_of(folder, program, words)} {redirection}"
        said = subprocess.run(
            ["sh", "-c", command], stderr=subprocess.PIPE, text=True, timeout=LIMIT
        )
        assert said.returncode == 99, (words, said)
        assert program in said.stderr and "output could not be written" in said.stderr, said
