"""The balloon payload against a stand-in tree, with and without a driver that moves."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from typing import Callable, Iterator

import pytest
from verdict_forms import told

SOURCE = Path(__file__).resolve().parents[2] / "payloads/balloon"
FOLDER = "sys/devices/system/xen_memory/xen_memory0"
START_KB = 131072
LIMIT = 300


@pytest.fixture(scope="session")
def program() -> str:
    subprocess.run(["make", "-s", "-C", str(SOURCE)], check=True, capture_output=True)
    return str(SOURCE / "build/balloon")


class Tree:
    """/proc and /sys of a Xen guest with 128 MiB."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / FOLDER
        self.available, self.unmanaged = 60000, 8000
        (self.folder / "info").mkdir(parents=True)
        (root / "proc").mkdir()
        (self.folder / "target_kb").write_text(f"{START_KB}\n")
        for name in ("low_kb", "high_kb"):
            (self.folder / "info" / name).write_text("0\n")
        self.allocate(START_KB)

    def allocate(self, kb: int) -> None:
        """As the kernel does: its own books first, then the driver's."""
        words = f"MemTotal: {kb - self.unmanaged} kB\nMemAvailable: {self.available} kB\n"
        self.replace(self.root / "proc/meminfo", words)
        self.replace(self.folder / "info/current_kb", f"{kb}\n")

    @staticmethod
    def replace(path: Path, text: str) -> None:
        new = path.with_suffix(".new")
        new.write_text(text)
        new.rename(path)

    @property
    def target(self) -> int:
        return int((self.folder / "target_kb").read_text())

    @contextlib.contextmanager
    def driver(self) -> Iterator[None]:
        """The allocation follows the target."""
        ended = threading.Event()

        def follow() -> None:
            current = START_KB
            while not ended.wait(0.0005):
                if self.target != current:
                    current = self.target
                    self.allocate(current)

        thread = threading.Thread(target=follow)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def run(program: str, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, *map(str, words)], capture_output=True, text=True, timeout=LIMIT
    )


def test_moves_with_a_driver(program, tree):
    with tree.driver():
        said = run(program, "--root", tree.root, "--json", "--cycles", 5, "read", "lower", "raise",
                   "random", "cycles")  # fmt: skip
    assert said.returncode == 0, said
    lines = [json.loads(line) for line in said.stdout.splitlines()]
    assert lines[0]["type"] == "environment" and lines[0]["program"] == "balloon"
    verdicts = {line["name"]: line["status"] for line in lines if line["type"] == "result"}
    assert verdicts == dict.fromkeys(["read", "lower", "raise", "random", "cycles"], "pass")
    figures = {line["name"]: line["unit"] for line in lines if line["type"] == "figure"}
    assert figures == {"balloon-down": "MB/s", "balloon-up": "MB/s"}
    assert tree.target == START_KB


def test_run_that_is_cut_off_tells_of_every_scenario(program, tree):
    for limit in (1, 5, 25, 125):  # a busy machine may need some time for the first
        said = run(program, "--root", tree.root, "--ktap", "--settle", 500, "--limit", limit,
                   "read", "lower", "raise")  # fmt: skip
        if "\nok 1 read" in said.stdout:
            break
    assert said.returncode == 99 and "\n1..3\n" in said.stdout, said
    assert "\nok 1 read" in said.stdout, said
    assert f"\nnot ok 2 lower # ERROR not done after {limit} s\n" in said.stdout, said
    assert "\nnot ok 3 raise # ERROR not tried: the run had ended\n# Totals: pass:1" in said.stdout
    assert "the old target was put back" in said.stderr and tree.target == START_KB


def test_three_forms_tell_the_same(program, tree):
    """A run with all four verdicts: a MemTotal that cannot be, another door's limit, no memory."""
    names = ["read", "lower", "limit", "fill", "random"]
    tree.available, tree.unmanaged = 39000, -4
    tree.allocate(START_KB)
    found = {}
    for form in ("", "--ktap", "--json"):
        with tree.driver():
            said = run(program, "--root", tree.root, *form.split(), "-s", 3, *names)
        assert said.returncode == 99, said
        found[form] = told(form, said.stdout)
    assert set(found[""].values()) == {"pass", "fail", "skip", "error"}, found
    assert sorted(found[""]) == sorted(names)
    assert found[""] == found["--ktap"] == found["--json"]
    assert said.stdout.count('"type":"figure"') == said.stdout.count("balloon-down") == 1


def test_prints_what_the_old_file_said(program, tree):
    said = run(program, "--root", tree.root, "read")
    assert "Current allocation:   131072 kB\nRequested target:     131072 kB\n" in said.stdout


def test_driver_that_does_not_move_fails(program, tree):
    said = run(program, "--root", tree.root, "--ktap", "--settle", 1, "lower")
    assert said.returncode == 1, said
    assert "not ok 1 lower # the allocation did not follow" in said.stdout
    assert tree.target == START_KB


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_user_is_in_no_group_of_roots(program):
    """What root's group may write is no hole."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        tree = Tree(Path(folder))
        (tree.folder / "target_kb").chmod(0o664)
        said = subprocess.run(
            [program, "--root", folder, "--ktap", "not-root"],
            extra_groups=[0], capture_output=True, text=True, timeout=LIMIT,
        )  # fmt: skip
    assert said.returncode == 0 and "user 65534 is refused with EACCES" in said.stdout, said


def start(program: str, tree: Tree, *words: str) -> subprocess.Popen[str]:
    words = (program, "--root", str(tree.root), "--settle", "50", *words)
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def until(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + LIMIT
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.002)


def started_to_move(program: str, tree: Tree) -> subprocess.Popen[str]:
    process = start(program, tree, "lower")
    until(lambda: tree.target != START_KB, "it did not write a target")
    return process


def children(process: subprocess.Popen[str]) -> tuple[int, int]:
    """The keeper and the scenarios: the order in which they are made."""
    numbers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    keeper, scenarios = map(int, numbers)
    return keeper, scenarios


@pytest.mark.parametrize("word", ["TERM", "HUP", "INT"])
def test_interrupted_run_puts_the_target_back(program, tree, word):
    process = started_to_move(program, tree)
    process.send_signal(getattr(signal, f"SIG{word}"))
    assert "interrupted; the old target was put back" in process.communicate(timeout=LIMIT)[1]
    assert (process.returncode, tree.target) == (99, START_KB)


def test_killed_scenario_puts_the_target_back(program, tree):
    process = started_to_move(program, tree)
    os.kill(children(process)[1], signal.SIGKILL)
    assert "killed by signal 9" in process.communicate(timeout=LIMIT)[1]
    assert (process.returncode, tree.target) == (99, START_KB)


def test_killed_supervisor_is_replaced(program, tree):
    process = started_to_move(program, tree)
    process.kill()
    process.communicate(timeout=LIMIT)  # until the keeper has closed them too
    assert (process.returncode, tree.target) == (-signal.SIGKILL, START_KB)


def test_killed_keeper_is_not_missed(program, tree):
    process = started_to_move(program, tree)
    os.kill(children(process)[0], signal.SIGKILL)
    process.terminate()
    assert "the old target was put back" in process.communicate(timeout=LIMIT)[1]
    assert (process.returncode, tree.target) == (99, START_KB)


@pytest.mark.parametrize("seed", range(6))
def test_killed_at_any_moment(program, tree, seed):
    """Whoever of the two is killed, and wherever in a run."""
    chance = random.Random(seed)
    with tree.driver():
        process = start(program, tree, "--cycles", "1000000", "lower", "random", "cycles")
        for _ in range(chance.randrange(1, 30)):
            now = tree.target
            until(lambda: tree.target != now, "it does not move")
        victim = chance.choice([process.pid, children(process)[1]])
        os.kill(victim, signal.SIGKILL)
        process.communicate(timeout=LIMIT)
    assert process.returncode in (-signal.SIGKILL, 99) and tree.target == START_KB, seed


def test_no_balloon_is_a_skip_that_says_why(program, tmp_path):
    said = run(program, "--root", tmp_path, "--ktap")
    assert said.returncode == 77, said
    assert "ok 1 interface # SKIP this machine has no balloon" in said.stdout


def unreadable(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "name, spoil",
    [
        ("info/current_kb", Path.unlink),
        ("info/current_kb", lambda path: path.write_text("-4\n")),
        ("info/low_kb", lambda path: path.write_text("nothing\n")),
        ("target_kb", unreadable),
        ("../../../../../proc/meminfo", lambda path: path.write_text("MemTotal: 0 kB\n")),
    ],
)
def test_driver_that_cannot_be_read_is_no_machine_without_one(program, tree, name, spoil):
    spoil(tree.folder / name)
    said = run(program, "--root", tree.root, "--ktap")
    assert said.returncode == 1 and "not ok 1 interface # " in said.stdout, said
    assert Path(name).name in said.stdout, said


def test_interface_that_was_asked_for_must_be_there(program, tree):
    said = run(program, "--root", tree.root, "--interface", "proc", "--ktap")
    assert said.returncode == 99 and "# ERROR" in said.stdout, said


@pytest.mark.parametrize(
    "words, what",
    [
        (["lowr"], "did you mean lower"),
        (["--cycels=3"], "cycles"),
        (["--ktap", "--json"], "exclude each other"),
        (["--interface=sysf"], "sysfs"),
    ],
)
def test_usage(program, words, what):
    said = run(program, *words)
    assert said.returncode == 2 and what in said.stderr, said


def test_seed_repeats_a_run(program, tree):
    with tree.driver():
        runs = [run(program, "--root", tree.root, "-s", 7, "random") for _ in range(2)]
    assert [said.returncode for said in runs] == [0, 0], runs
    assert runs[0].stdout.startswith("seed: 7\n")
    assert runs[0].stdout == runs[1].stdout
