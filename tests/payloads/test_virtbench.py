"""virtbench as a person runs it: on this machine, and with a toy backend."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as xml

from virtbench_box import LIMIT, SOURCE, objects, run
from xentest.verdict import figures

SEED_BENCHMARKS = """context-switch cow exec fork int-syscall libc-syscall memburn-linear
memburn-random pio pte-update read-bandwidth read-latency vmcall vmmcall bandwidth pingpong
sendfile udp-bandwidth""".split()
PAGE = SOURCE.parents[1] / "docs/virtbench.md"


def example(first_line: str) -> str:
    """The indented block of the page that begins with this line."""
    lines = PAGE.read_text().splitlines()
    begin = next(at for at, line in enumerate(lines) if line.strip() == first_line)
    block = itertools.takewhile(lambda line: not line or line.startswith("    "), lines[begin:])
    return "\n".join(line[4:] for line in block) + "\n"


def test_help_lists_the_benchmarks(virtbench):
    said = run(virtbench, "--help")
    assert said.returncode == 0
    listed = {line.split()[0] for line in said.stdout.splitlines() if line.startswith("  ")}
    assert set(SEED_BENCHMARKS) <= listed


def test_local_prints_the_ancestors_lines(virtbench, tmp_path):
    said = run(
        virtbench, "--rough", "-s", "5", "local", "cow", "pingpong", LOGFILES=tmp_path / "log"
    )
    assert said.returncode == 0, said
    seed, cow, pingpong = said.stdout.splitlines()
    assert seed == "Seed 5"
    assert cow.startswith("Time for one Copy-on-Write fault: ")
    assert pingpong.startswith("Time for inter-guest pingpong: ")
    found = re.fullmatch(r".*: ([\d.]+) \(([\d.]+) - ([\d.]+)\) \[[\d.]+ - [\d.]+\]", cow)
    median, low, high = map(float, found.groups())
    assert low <= median <= high


def test_json_has_environment_first_and_figures(virtbench, tmp_path):
    said = run(virtbench, "--rough", "--json", "local", "fork", LOGFILES=tmp_path / "log")
    kinds = [json.loads(line)["type"] for line in said.stdout.splitlines()]
    assert kinds == ["environment", "seed", "result", "figure"]
    figure = objects(said.stdout, "figure")[0]
    result = objects(said.stdout, "result")[0]
    assert figure["name"] == "fork" and figure["unit"] == "ns" and figure["better"] == "lower"
    assert figure["value"] == result["median"] > 0
    assert len(result["samples"]) >= 10


def test_xentest_reads_its_figures(toy, tmp_path):
    """As a control file's `figures=json:virtbench.json` makes it do."""
    said = toy.run("-n", "1", "--json", "rdtsc")
    (tmp_path / "virtbench.json").write_text(said.stdout)
    found = figures.read("json:virtbench.json", tmp_path / "output", tmp_path)
    assert [figure.name for figure in found] == ["rdtsc"]
    assert all(figure.unit == "ns" and figure.better == "lower" for figure in found)


def test_every_seed_benchmark_answers_on_local(virtbench, tmp_path):
    """Measured, or disabled with a reason; none fails."""
    names = [name for name in SEED_BENCHMARKS if not name.startswith("vm")]
    said = run(virtbench, "--rough", "--json", "local", *names, LOGFILES=tmp_path / "log")
    assert said.returncode == 0, said
    results = objects(said.stdout, "result")
    assert [result["name"] for result in results] == names
    for result in results:
        assert result["status"] in ("pass", "skip"), result
        assert result["status"] == "pass" or result["reason"], result


def test_the_pages_benchmark_registers_itself(virtbench, tmp_path):
    """Dropped into micro/ of a copy, built, and run; nothing else is edited."""
    copy = tmp_path / "payloads"
    shutil.copytree(SOURCE.parent / "lib", copy / "lib", ignore=shutil.ignore_patterns("build*"))
    shutil.copytree(SOURCE, copy / "virtbench", ignore=shutil.ignore_patterns("build-check"))
    shutil.copy2(SOURCE.parent / "common.mk", copy)
    (copy / "virtbench/micro/yield.c").write_text(example("#include <sched.h>"))
    subprocess.run(["make", "-s", "-C", str(copy / "virtbench")], check=True, timeout=LIMIT)
    bench = str(copy / "virtbench/build/virtbench")
    said = run(bench, "--rough", "-n", "1", "local", "yield", LOGFILES=tmp_path / "log")
    assert said.returncode == 0 and "Time for one sched_yield: " in said.stdout, said


def test_the_pages_backend_works(toy):
    """The four scripts as the page shows them."""
    words = example(r"start:          true")
    for name, text in re.findall(r"^(\w+):((?:.*\n)(?: .*\n)*)", words, re.MULTILINE):
        toy.script(name, text)
    said = toy.run("-n", "2", "pingpong")
    assert said.returncode == 0 and "pingpong: " in said.stdout, said


def test_toy_backend_is_started_and_stopped(toy):
    said = toy.run("-n", "3", "libc-syscall")
    assert said.returncode == 0, said
    log = toy.logged()
    assert log[0] == "started" and log[-1] == "stopped all"
    assert len(log) == 5 and all(line.startswith("stopped ") for line in log[1:4])


def test_seed_chooses_the_machines(toy):
    chosen = set()
    for _ in range(2):
        said = toy.run("-n", "4", "--json", "pingpong")
        chosen.add(tuple(objects(said.stdout, "result")[0]["machines"]))
    assert len(chosen) == 1
    first, second = chosen.pop()
    assert first != second


def test_runs_are_raw_and_distribution_is_shares(toy):
    said = toy.run("-n", "1", "--runs", "50", "libc-syscall")
    assert "Time for one syscall via libc (x 50): " in said.stdout
    said = toy.run("-n", "1", "--distribution", "libc-syscall")
    assert "%" in said.stdout.splitlines()[-1]


def test_csv_is_appended_and_svg_is_drawn(toy, tmp_path):
    csv = tmp_path / "results.csv"
    csv.write_text("before,1")  # as a full disk leaves it
    said = toy.run("-n", "1", f"--csv={csv}", f"--svg={tmp_path}", "libc-syscall")
    assert said.returncode == 0, said
    lines = csv.read_text().splitlines()
    assert lines[0] == "before,1" and lines[1].startswith("libc-syscall,")
    assert all(float(value) for value in lines[1].split(",")[1:])
    assert xml.parse(tmp_path / "libc-syscall.svg").getroot().tag.endswith("svg")


def test_interface_and_progress(toy):
    said = toy.run("--ifname=lo", "--progress", "-n", "1", "libc-syscall")
    assert said.returncode == 0, said
    assert "Running benchmark libc-syscall" in said.stderr and "\n1 runs:....." in said.stderr
    said = toy.run("--ifname=nothere0", "fork")
    assert said.returncode == 99 and "nothere0 has no IPv4 address" in said.stderr
    assert toy.logged()[-1] == "stopped all"
