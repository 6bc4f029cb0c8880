"""virtbench as a person runs it: on this machine, with toy backends, and with bad input."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import time
import xml.etree.ElementTree as xml
from pathlib import Path

import pytest

from xentest.verdict import figures

SOURCE = Path(__file__).resolve().parents[2] / "payloads/virtbench"
SEED_BENCHMARKS = """context-switch cow exec fork int-syscall libc-syscall memburn-linear
memburn-random pio pte-update read-bandwidth read-latency vmcall vmmcall bandwidth pingpong
sendfile udp-bandwidth""".split()
PAGE = SOURCE.parents[1] / "docs/virtbench.md"
LIMIT = 180

START_MACHINE = """\
setsid "$VIRTBENCH_CLIENT" "$1" "$2" "$3" < /dev/null > /dev/null 2>&1 &
echo $!
"""
STOP_MACHINE = 'kill "$1" 2> /dev/null; echo "stopped $1" >> "$HERE/log"\n'


@pytest.fixture(scope="session")
def program() -> str:
    subprocess.run(["make", "-s", "-C", str(SOURCE)], check=True, capture_output=True)
    return str(SOURCE / "build/virtbench")


def example(first_line: str) -> str:
    """The indented block of the page that begins with this line."""
    lines = PAGE.read_text().splitlines()
    begin = next(at for at, line in enumerate(lines) if line.strip() == first_line)
    block = itertools.takewhile(lambda line: not line or line.startswith("    "), lines[begin:])
    return "\n".join(line[4:] for line in block) + "\n"


class Toy:
    """A backend of four small scripts, and virtbench run with it."""

    def __init__(self, program: str, folder: Path) -> None:
        self.program = program
        self.folder = folder / "toy"
        self.folder.mkdir()
        self.log = folder / "log"
        self.script("start", 'echo started >> "$HERE/log"\n')
        self.script("start_machine", START_MACHINE)
        self.script("stop_machine", STOP_MACHINE)
        self.script("stop", 'echo "stopped all" >> "$HERE/log"\n')

    def script(self, name: str, text: str) -> None:
        path = self.folder / name
        path.write_text(f"#!/bin/sh\nHERE='{self.folder.parent}'\n{text}")
        path.chmod(0o755)

    def words(self, *words: str) -> list[str]:
        return [self.program, "--rough", "-s", "7", *words[:-1], str(self.folder), words[-1]]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return run(*self.words(*words))

    def logged(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def toy(program: str, tmp_path: Path) -> Toy:
    return Toy(program, tmp_path)


def run(*words: str, **more: object) -> subprocess.CompletedProcess[str]:
    environment = dict(os.environ, **{name: str(value) for name, value in more.items()})
    return subprocess.run(
        words, capture_output=True, text=True, timeout=LIMIT, env=environment,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip


def objects(text: str, kind: str) -> list[dict]:
    lines = [json.loads(line) for line in text.splitlines()]
    return [line for line in lines if line["type"] == kind]


def test_help_lists_the_benchmarks(program):
    said = run(program, "--help")
    assert said.returncode == 0
    listed = {line.split()[0] for line in said.stdout.splitlines() if line.startswith("  ")}
    assert set(SEED_BENCHMARKS) <= listed


def test_local_prints_the_ancestors_lines(program, tmp_path):
    said = run(program, "--rough", "-s", "5", "local", "cow", "pingpong", LOGFILES=tmp_path / "log")
    assert said.returncode == 0, said
    seed, cow, pingpong = said.stdout.splitlines()
    assert seed == "Seed 5"
    assert cow.startswith("Time for one Copy-on-Write fault: ")
    assert pingpong.startswith("Time for inter-guest pingpong: ")
    found = re.fullmatch(r".*: ([\d.]+) \(([\d.]+) - ([\d.]+)\) \[[\d.]+ - [\d.]+\]", cow)
    median, low, high = map(float, found.groups())
    assert low <= median <= high


def test_json_has_environment_first_and_figures(program, tmp_path):
    said = run(program, "--rough", "--json", "local", "fork", LOGFILES=tmp_path / "log")
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


def test_every_seed_benchmark_answers_on_local(program, tmp_path):
    """Measured, or disabled with a reason; none fails."""
    names = [name for name in SEED_BENCHMARKS if not name.startswith("vm")]
    said = run(program, "--rough", "--json", "local", *names, LOGFILES=tmp_path / "log")
    assert said.returncode == 0, said
    results = objects(said.stdout, "result")
    assert [result["name"] for result in results] == names
    for result in results:
        assert result["status"] in ("pass", "skip"), result
        assert result["status"] == "pass" or result["reason"], result


def test_the_pages_benchmark_registers_itself(program, tmp_path):
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


def test_unknown_names_are_answered_with_the_nearest(program):
    assert run(program, "").returncode == 2
    said = run(program, "xem")
    assert said.returncode == 2
    assert "did you mean xen?" in said.stderr and "kvm" in said.stderr and "local" in said.stderr
    said = run(program, "local", "pingpon")
    assert said.returncode == 2
    assert "did you mean pingpong?" in said.stderr and "context-switch" in said.stderr


def test_csv_that_cannot_be_written_is_found_before_the_run(toy):
    said = toy.run("--csv=/nonexistent/results.csv", "fork")
    assert said.returncode == 2 and "/nonexistent/results.csv" in said.stderr
    assert toy.logged() == []


def test_pictures_and_profiles_that_cannot_be_had_are_found_before_the_run(toy):
    said = toy.run("--svg=/nonexistent", "fork")
    assert said.returncode == 2 and "cannot write to the folder /nonexistent" in said.stderr
    if not os.path.exists("/proc/profile"):
        said = toy.run("--profile", "fork")
        assert said.returncode == 2 and "boot the kernel with profile=2" in said.stderr
    assert toy.logged() == []


def test_pictures_need_a_folder(toy, tmp_path):
    (tmp_path / "picture.svg").touch()
    said = toy.run(f"--svg={tmp_path}/picture.svg", "fork")
    assert said.returncode == 2 and "picture.svg is no folder" in said.stderr
    assert toy.logged() == []


def test_results_that_get_lost_are_an_error(toy):
    """The disk may become full in mid-run."""
    said = toy.run("-n", "1", "--csv=/dev/full", "libc-syscall")
    assert said.returncode == 99, said
    assert "the CSV file lacks libc-syscall" in said.stderr
    with open("/dev/full", "w") as full:
        said = subprocess.run(
            toy.words("-n", "1", "libc-syscall"), stdout=full, stderr=subprocess.PIPE, text=True,
            timeout=LIMIT,
        )  # fmt: skip
    assert said.returncode == 99 and "could not be written" in said.stderr, said
    assert toy.logged()[-1] == "stopped all"


def test_what_is_said_to_nobody_is_not_in_the_files(program, tmp_path):
    """Standard output and error closed: their numbers must not become the CSV file's."""
    words = f"{program} --rough -n 1 --csv={tmp_path}/csv local libc-syscall >&- 2>&- <&-"
    assert run("sh", "-c", words, LOGFILES=tmp_path / "log").returncode == 99
    lines = (tmp_path / "csv").read_text().splitlines()
    assert len(lines) == 1 and lines[0].startswith("libc-syscall,"), lines


def test_lguest_says_where_it_went(program):
    said = run(program, "lguest", "fork")
    assert said.returncode == 77, said
    assert "removed in Linux 4.14" in said.stderr and "4.13" in said.stderr


def test_script_that_is_not_executable(toy):
    (toy.folder / "stop_machine").chmod(0o644)
    said = toy.run("fork")
    assert said.returncode == 2 and "stop_machine" in said.stderr
    assert toy.logged() == []


@pytest.mark.parametrize(
    "script, text, words",
    [
        ("start", "echo no bridge >&2; exit 3", ["no bridge", "start ended with status 3"]),
        ("start", "exit 77", ["cannot run here"]),
        ("start_machine", "exit 5", ["start_machine 0 ended with status 5"]),
        ("start_machine", "true", ["printed nothing for machine 0"]),
        ("start_machine", "sleep 100", ["did not end within 1 s"]),
        ("start_machine", "echo me", ["machine 0 did not connect within 2 s (0 of 2 did)"]),
    ],
)
def test_backend_that_goes_wrong(toy, script, text, words):
    """Only what waits for a time limit has a short one."""
    limit = re.search("within (.) s", words[0])
    toy.script(script, text)
    said = toy.run(f"--boot-limit={limit[1] if limit else 60}", "-n", "2", "fork")
    assert said.returncode == (77 if text == "exit 77" else 99), said
    for word in words:
        assert word in said.stderr
    assert toy.logged()[-1] == "stopped all"


@pytest.mark.parametrize(
    "text, words",
    [
        ("head -c 256 /dev/zero | tr '\\0' x", "printed a line of more than 255 characters"),
        # More than a pipe holds.
        ("echo; head -c 1000000 /dev/zero", "printed nothing for machine 0"),
        ("kill -9 $$", "start_machine was ended by signal 9"),
    ],
)
def test_backend_that_says_strange_things(toy, text, words):
    toy.script("start_machine", text)
    said = toy.run("-n", "1", "fork")
    assert said.returncode == 99 and words in said.stderr, said
    assert toy.logged()[-1] == "stopped all"


@pytest.mark.parametrize(
    "address, words",
    [
        ("somewhere", "somewhere"),
        ("300.1.1.1", "300.1.1.1"),
        ("192.0.2.1", "cannot take the address"),
        ("::1", "::1"),
        ("127.0.0.1:80", "127.0.0.1:80"),
        ("x" * 255, "is too long"),
        ("x" * 256, "printed a line of more than 255 characters"),
    ],
)
def test_backend_at_a_strange_address(toy, address, words):
    toy.script("start", f"echo {address}")
    said = toy.run("-n", "1", "fork")
    assert said.returncode == 99 and words in said.stderr, said
    assert toy.logged() == ["stopped all"]


def test_script_that_cannot_be_executed(toy):
    """No interpreter, or a folder of that name: found out as late as it is run."""
    (toy.folder / "start").write_text("nobody reads this\n")
    said = toy.run("fork")
    assert said.returncode == 99 and "Exec format error" in said.stderr, said
    (toy.folder / "start").unlink()
    (toy.folder / "start").mkdir()
    said = toy.run("fork")
    assert said.returncode == 99 and "Permission denied" in said.stderr, said
    assert toy.logged() == ["stopped all"] * 2


def test_console_that_cannot_be_written(program):
    """Said at once, by the backend's script; nobody waits for machines that never were."""
    said = run(program, "-n", "1", "local", "fork", LOGFILES="/nonexistent/log")
    assert said.returncode == 99 and "/nonexistent/log-0" in said.stderr, said
    assert "did not connect" not in said.stderr


def test_what_a_missing_machine_said_last_is_told(toy, tmp_path):
    """Not what one of an earlier run said, and nothing that a terminal obeys."""
    for name in ("log-0", "log-1"):
        (tmp_path / name).write_text("words of yesterday\n")
    toy.script(
        "start_machine",
        """[ "$1" = 1 ] || printf 'booted\\r\\n\\033[2Jvirtclient: no network\\n' > "$LOGFILES-0"
        echo me""",
    )
    words = toy.words("--boot-limit=1", "-n", "2", "fork")
    said = run(*words, LOGFILES=tmp_path / "log")
    assert said.returncode == 99, said
    told = said.stderr[said.stderr.index("virtbench: machine 0's") :].splitlines()
    assert told[0].endswith("log-0) says at its end:") and told[1].strip() == "booted", said
    assert told[2].strip() == "[2Jvirtclient: no network"
    assert told[3].endswith("log-1) says nothing") and "yesterday" not in said.stderr


def test_backend_that_does_not_stop_is_an_error(toy):
    toy.script("stop", "echo cannot >&2; exit 1")
    said = toy.run("-n", "1", "libc-syscall")
    assert said.returncode == 99 and "stop ended with status 1" in said.stderr


def test_strangers_and_liars_are_refused_and_the_run_goes_on(toy):
    stranger = (
        "import socket, sys; s = socket.create_connection(sys.argv[1:3]); "
        "s.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n'); s.recv(100)"
    )
    toy.script(
        "start_machine",
        f"""(/usr/bin/python3 -c "{stranger}" "$2" "$3"
        "$VIRTBENCH_CLIENT" 99 "$2" "$3" 2> "$HERE/liar"
        for twin in 1 2; do
            ("$VIRTBENCH_CLIENT" 0 "$2" "$3"; echo ended > "$HERE/refused") &
        done
        until [ -e "$HERE/refused" ]; do sleep 0.05; done
        "$VIRTBENCH_CLIENT" 1 "$2" "$3" & wait
        ) < /dev/null > /dev/null 2>&1 &
        [ "$1" = 0 ] || kill $!
        echo $!""",
    )
    said = toy.run("-n", "2", "--boot-limit=30", "libc-syscall")
    assert said.returncode == 0, said
    assert "does not speak virtbench's protocol" in said.stderr
    assert "it says it is machine 99" in said.stderr
    assert "connected already" in said.stderr
    assert "refused this client" in (toy.folder.parent / "liar").read_text()


def test_absent_disk_is_said(toy):
    toy.script("start_machine", START_MACHINE.replace('"$1"', '--disk=/nonexistent "$1"', 1))
    said = toy.run("-n", "1", "read-latency")
    assert said.returncode == 77, said
    assert "DISABLED read-latency: /nonexistent cannot be read" in said.stdout


def test_no_benchmark_takes_memory_that_is_not_there(program, tmp_path):
    """Else the kernel kills it, and the verdict is a failure of nobody."""
    (tmp_path / "meminfo").write_text("MemTotal: 120000 kB\nMemAvailable:    60000 kB\n")
    script = (
        f"mount --bind {tmp_path}/meminfo /proc/meminfo && {program} --rough local memburn-linear"
    )
    if subprocess.run(["unshare", "-rm", "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody make a mount namespace (unshare -rm)")
    said = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, timeout=LIMIT
    )
    assert said.returncode == 77, said
    assert "DISABLED memburn-linear: needs 72 MB of free memory, there are 58" in said.stdout


def test_dead_machine_fails_clearly_and_keeps_what_was_measured(toy, tmp_path):
    toy.script("start_machine", START_MACHINE + 'echo $! > "$HERE/pid"\n')
    csv = tmp_path / "kept.csv"
    names = ["libc-syscall"] + ["memburn-random"] * 9
    words = [*toy.words("-n", "1", f"--csv={csv}", names[0]), *names[1:]]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as bench:
        while "libc" not in bench.stdout.readline():
            pass
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
        said, complaints = bench.communicate(timeout=LIMIT)
    assert bench.returncode == 1, complaints
    assert "FAILED memburn-random: machine 0 is lost" in said
    assert "needs 1 machine, and 0 of 1 are left" in said
    assert csv.read_text().startswith("libc-syscall,")
    assert toy.logged()[-1] == "stopped all"


def test_interrupted_run_stops_everything(toy, tmp_path):
    words = toy.words("-n", "2", "--boot-limit=50", "fork")
    toy.script("start_machine", START_MACHINE.replace('"$2"', "127.0.0.9"))
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as bench:
        deadline = time.monotonic() + LIMIT
        dots = ""
        while dots.count(".") < 2 and time.monotonic() < deadline:
            dots += bench.stderr.read(1)
        bench.send_signal(signal.SIGINT)
        complaints = bench.communicate(timeout=LIMIT)[1]
    assert bench.returncode == 130 and "interrupted" in complaints
    assert toy.logged()[-1] == "stopped all" and len(toy.logged()) == 4


def test_killed_outright_stops_everything(toy, tmp_path):
    (tmp_path / "work").mkdir()
    toy.script("start_machine", "echo me\n")
    with subprocess.Popen(
        toy.words("-n", "1", "fork"), stderr=subprocess.PIPE, text=True,
        env={**os.environ, "TMPDIR": str(tmp_path / "work")},
    ) as bench:  # fmt: skip
        while bench.stderr.read(1) != ".":
            assert bench.poll() is None
        assert os.listdir(tmp_path / "work")
        bench.kill()
    deadline = time.monotonic() + LIMIT
    while "stopped all" not in toy.logged() or os.listdir(tmp_path / "work"):
        assert time.monotonic() < deadline, toy.logged()
        time.sleep(0.02)
    assert "stopped me" in toy.logged()


def runs_of(**times: float) -> str:
    """A CSV file of four runs, each with the benchmarks' times give or take 0.1 %."""
    lines = [
        ",".join([name.replace("_", "-"), *(str(time * (1 + luck / 1000)) for _ in range(10))])
        for luck in (0, 1, -1, 0)
        for name, time in times.items()
    ]
    return "\n".join(lines) + "\n"


def compare(program: str, folder: Path, before: str, after: str, *words: str):
    """virtbench compare, and its table's row of each benchmark."""
    (folder / "a.csv").write_text(before)
    (folder / "b.csv").write_text(after)
    said = run(program, "compare", str(folder / "a.csv"), str(folder / "b.csv"), *words)
    return said, {line.split()[0]: line for line in said.stdout.splitlines()}


def test_compare_names_what_got_slower(program, tmp_path):
    before, after = runs_of(cow=100, fork=50), runs_of(cow=120, fork=50)
    svg = tmp_path / "ratio.svg"
    said, rows = compare(program, tmp_path, before, after, f"--svg={svg}")
    assert said.returncode == 0, said
    assert " slower " in rows["cow"] and "1.200" in rows["cow"] and " same " in rows["fork"]
    assert xml.parse(svg).getroot().tag.endswith("svg")
    said, rows = compare(program, tmp_path, before, after, "--fail-over", "5%")
    assert said.returncode == 1 and "cow takes 20.0 % longer" in said.stderr
    assert compare(program, tmp_path, before, after, "--fail-over=25%")[0].returncode == 0
    said, rows = compare(program, tmp_path, after, before, "--fail-over=5%")
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
def test_compare_passes_nothing_that_it_cannot_tell(program, tmp_path, before, after, words):
    said, rows = compare(program, tmp_path, before, after, "--fail-over=5%")
    assert said.returncode == 77, said
    assert words in said.stderr and " slower " not in rows["cow"]
    assert said.stderr.splitlines()[-1].startswith("virtbench compare: of 1 benchmarks it cannot")


def test_compare_whose_words_get_lost(program, tmp_path):
    said, _ = compare(program, tmp_path, runs_of(cow=1), runs_of(cow=1), "--svg=/nonexistent/x")
    assert said.returncode == 2 and "/nonexistent/x" in said.stderr and not said.stdout
    said, _ = compare(program, tmp_path, runs_of(cow=1), runs_of(cow=1), "--svg=/dev/full")
    assert said.returncode == 99 and "could not be written" in said.stderr
    with open("/dev/full", "w") as full:
        words = [program, "compare", *(str(tmp_path / name) for name in ("a.csv", "b.csv"))]
        said = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, timeout=LIMIT)
    assert said.returncode == 99 and "the table could not be written" in said.stderr


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
    "bytes": ("\0\x01\x02", "1: no comma"),
    "JSON without results": ('{"type":"seed","seed":1}\n', "holds no results"),
    "JSON that breaks off": ('{"name":"cow","samples":[1,\n', "1: a sample is no number"),
    "Windows": ("cow,1\r\n", "1: samples must be"),
}


@pytest.mark.parametrize("name", NOT_RESULTS)
def test_compare_of_what_are_no_results(program, tmp_path, name):
    text, words = NOT_RESULTS[name]
    said, _ = compare(program, tmp_path, runs_of(cow=1), text)
    assert said.returncode == 2 and words in said.stderr, said


def test_compare_of_what_is_no_file(program, tmp_path):
    said, _ = compare(program, tmp_path, runs_of(cow=1), "prose\n")
    assert said.returncode == 2 and "b.csv:1: no comma" in said.stderr
    said = run(program, "compare", str(tmp_path / "a.csv"), "/nonexistent")
    assert said.returncode == 2 and "/nonexistent" in said.stderr


def test_interface_and_progress(toy):
    said = toy.run("--ifname=lo", "--progress", "-n", "1", "libc-syscall")
    assert said.returncode == 0, said
    assert "Running benchmark libc-syscall" in said.stderr and "\n1 runs:....." in said.stderr
    said = toy.run("--ifname=nothere0", "fork")
    assert said.returncode == 99 and "nothere0 has no IPv4 address" in said.stderr
    assert toy.logged()[-1] == "stopped all"
