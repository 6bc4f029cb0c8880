"""virtbench compare: what got slower, what cannot be told, what are no results."""

from __future__ import annotations

import subprocess
import xml.etree.ElementTree as xml
from pathlib import Path

import pytest

from virtbench_box import LIMIT, run


def runs_of(**times: float) -> str:
    """A CSV file of four runs, each with the benchmarks' times give or take 0.1 %."""
    lines = [
        ",".join([name.replace("_", "-"), *(str(time * (1 + luck / 1000)) for _ in range(10))])
        for luck in (0, 1, -1, 0)
        for name, time in times.items()
    ]
    return "\n".join(lines) + "\n"


def compare(virtbench: str, folder: Path, before: str, after: str, *words: str):
    """virtbench compare, and its table's row of each benchmark."""
    (folder / "a.csv").write_text(before)
    (folder / "b.csv").write_text(after)
    said = run(virtbench, "compare", str(folder / "a.csv"), str(folder / "b.csv"), *words)
    return said, {line.split()[0]: line for line in said.stdout.splitlines()}


def test_compare_names_what_got_slower(virtbench, tmp_path):
    before, after = runs_of(cow=100, fork=50), runs_of(cow=120, fork=50)
    svg = tmp_path / "ratio.svg"
    said, rows = compare(virtbench, tmp_path, before, after, f"--svg={svg}")
    assert said.returncode == 0, said
    assert " slower " in rows["cow"] and "1.200" in rows["cow"] and " same " in rows["fork"]
    assert xml.parse(svg).getroot().tag.endswith("svg")
    said, rows = compare(virtbench, tmp_path, before, after, "--fail-over", "5%")
    assert said.returncode == 1 and "cow takes 20.0 % longer" in said.stderr
    assert compare(virtbench, tmp_path, before, after, "--fail-over=25%")[0].returncode == 0
    said, rows = compare(virtbench, tmp_path, after, before, "--fail-over=5%")
    assert said.returncode == 0 and " faster " in rows["cow"]


@pytest.mark.parametrize(
    "before, after, words",
    [
        # One run each, however clear: the next may be as far off.
        ("cow,100,100,100\n" * 2, "cow,200,200,200\n" * 9, "no verdict for 1 benchmarks"),
        # Runs that differ more than the two sides.
        (runs_of(cow=100) + "cow,500\n", runs_of(cow=104), "cannot be told"),
        # No longer measured.
        (runs_of(cow=100, fork=50), runs_of(cow=100), "fork is only in"),
        (runs_of(cow=100), runs_of(cow=0), "cannot be told"),
    ],
)
def test_compare_passes_nothing_that_it_cannot_tell(virtbench, tmp_path, before, after, words):
    said, rows = compare(virtbench, tmp_path, before, after, "--fail-over=5%")
    assert said.returncode == 77, said
    assert words in said.stderr and " slower " not in rows["cow"]
    assert said.stderr.splitlines()[-1].startswith("virtbench compare: of 1 benchmarks it cannot")


def test_compare_whose_words_get_lost(virtbench, tmp_path):
    said, _ = compare(virtbench, tmp_path, runs_of(cow=1), runs_of(cow=1), "--svg=/nonexistent/x")
    assert said.returncode == 2 and "/nonexistent/x" in said.stderr and not said.stdout
    said, _ = compare(virtbench, tmp_path, runs_of(cow=1), runs_of(cow=1), "--svg=/dev/full")
    assert said.returncode == 99 and "could not be written" in said.stderr
    with open("/dev/full", "w") as full:
        words = [virtbench, "compare", *(str(tmp_path / name) for name in ("a.csv", "b.csv"))]
        said = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, timeout=LIMIT)
    assert said.returncode == 99 and "the output could not be written" in said.stderr


@pytest.mark.parametrize("times", [("0,5,7", "0,0"), ("0,1e-300", "5,1e-300"), ("0", "0")])
def test_compare_of_what_took_no_time(virtbench, tmp_path, times):
    """It has no ratio, and no place in the plot."""
    before, after = (f"cow,{values}\n" for values in times)
    said, rows = compare(virtbench, tmp_path, before, after, "--fail-over=5%")
    assert said.returncode == 77 and "nan - nan" in rows["cow"] and "cannot tell" in rows["cow"]


def test_compare_of_very_many_samples_ends(virtbench, tmp_path):
    many = "cow," + ",".join(str(100 + i % 7) for i in range(1000000)) + "\n"
    said, rows = compare(virtbench, tmp_path, many, many)
    assert said.returncode == 0 and "1.000" in rows["cow"]


def test_totals_are_not_compared_with_times_of_one_run(virtbench, tmp_path):
    for name, words in (("totals", ["--runs=20"]), ("times", [])):
        words = [*words, f"--csv={tmp_path / name}", "-n", "1", "local", "libc-syscall"]
        assert run(virtbench, "--rough", *words).returncode == 0
    assert (tmp_path / "totals").read_text().startswith("libc-syscall*20,")
    said = run(virtbench, "compare", str(tmp_path / "totals"), str(tmp_path / "times"))
    assert said.returncode == 2 and "no benchmark in common" in said.stderr


NOT_RESULTS = {
    "nothing": ("", "holds no results"),
    "a name": ("cow\n", "1: no comma"),
    "no samples": ("cow,\n", "1: a sample is no number"),
    "words": ("cow,1,two\n", "1: a sample is no number"),
    "infinite": ("cow,1\nfork,inf\n", "2: a sample is no number"),
    "no number": ("cow,nan\n", "1: a sample is no number"),
    "less than nothing": ("cow,-1\n", "1: a sample is no time in ns"),
    "for ever": ("cow,1e300\n", "1: a sample is no time in ns"),
    "other marks": ("cow,1;2\n", "1: samples must be numbers with commas between them"),
    "no name": (",1\n", "1: no name"),
    "a long name": ("x" * 64 + ",1\n", "1: no name"),
    "bytes": ("\0\x01\x02", "1: a zero byte"),
    "JSON without results": ('{"type":"seed","seed":1}\n', "holds no results"),
    "JSON that breaks off": ('{"name":"cow","samples":[1,\n', "1: a sample is no number"),
    "Windows": ("cow,1\r\n", "1: samples must be"),
    "a byte order mark": ("\ufeffcow,1\n", "1: no name"),
    "a name that a terminal obeys": ("c\033[2Jow,1\n", "1: no name"),
    "a name that is no XML": ("c<o&w,1\n", "1: no name"),
    "half a number": ("cow,100\ncow,100,10", "2: the line breaks off"),
    "a zero byte": ("cow,1\0,2\n", "1: a zero byte"),
}


@pytest.mark.parametrize("name", NOT_RESULTS)
def test_compare_of_what_are_no_results(virtbench, tmp_path, name):
    text, words = NOT_RESULTS[name]
    said, _ = compare(virtbench, tmp_path, runs_of(cow=1), text)
    assert said.returncode == 2 and words in said.stderr, said


def test_compare_of_what_is_no_file(virtbench, tmp_path):
    said, _ = compare(virtbench, tmp_path, runs_of(cow=1), "prose\n")
    assert said.returncode == 2 and "b.csv:1: no comma" in said.stderr
    said = run(virtbench, "compare", str(tmp_path / "a.csv"), "/nonexistent")
    assert said.returncode == 2 and "/nonexistent" in said.stderr
