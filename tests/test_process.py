"""Commands under limits: what hangs, floods, forks away or ignores signals."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Iterator

import pytest

from standing_clock import StandingClock
from xentest import process, strays


def run(tmp_path: Path, command: str, timeout: float = 300, grace: float = 0.3) -> process.Outcome:
    return process.run(
        command,
        folder=tmp_path,
        environment=dict(os.environ),
        output=tmp_path / "output",
        timeout=timeout,
        grace=grace,
    )


def alive(pid_file: Path) -> bool:
    """Whether the process whose id stands in the file has not ended."""
    pid = pid_file.read_text().strip()
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children(states: str) -> set[str]:
    """The processes right below this one that are in one of these states."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == str(os.getpid()) and state in states:
            found.add(stat.parent.name)
    return found


@pytest.fixture
def no_zombies() -> Iterator[None]:
    """None comes of the test; orphans of tests before it, which this process adopted, may end."""
    before = children("RSDTtZXI")
    yield
    assert children("Z") <= before


def stands_until(monkeypatch: pytest.MonkeyPatch, ready: Path) -> None:
    """The time limits run only once the command has written this."""
    clock = StandingClock(lambda: ready.exists() and ready.read_text().endswith("\n"))
    monkeypatch.setattr(process, "time", clock)


def test_exit_status_and_both_streams(tmp_path: Path) -> None:
    outcome = run(tmp_path, "echo out; echo err >&2; exit 7")
    assert (outcome.exit_status, outcome.timed_out, outcome.left_behind) == (7, False, ())
    assert (tmp_path / "output").read_bytes() == b"out\nerr\n"


def test_signal_is_negative(tmp_path: Path) -> None:
    assert run(tmp_path, "kill -SEGV $$").exit_status == -11


def test_stdin_is_empty_and_sigpipe_kills(tmp_path: Path) -> None:
    run(tmp_path, "cat; yes | head -n 1; trap")
    assert (tmp_path / "output").read_bytes() == b"y\n"


def test_missing_folder_is_no_traceback(tmp_path: Path) -> None:
    outcome = process.run(
        "true",
        folder=tmp_path / "absent",
        environment={},
        output=tmp_path / "output",
        timeout=300,
    )
    assert outcome.exit_status == 127
    assert b"cannot start the command" in (tmp_path / "output").read_bytes()


def test_output_is_visible_while_the_command_runs(tmp_path: Path) -> None:
    seen = "until grep -q hello output; do sleep 0.05; done; echo seen"
    assert run(tmp_path, f"echo hello; {seen}").exit_status == 0


STUBBORN = """
trap '' TERM HUP INT
(trap '' TERM; setsid sh -c 'trap "" TERM; echo $$ > away; while :; do sleep 100; done' &)
echo $$ > main
until test -s away; do sleep 0.01; done
echo > ready
while :; do sleep 100; done
"""


def test_hang_that_forks_twice_and_ignores_signals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_zombies: None
) -> None:
    stands_until(monkeypatch, tmp_path / "ready")
    outcome = run(tmp_path, STUBBORN, timeout=0.2)
    assert outcome.timed_out
    assert outcome.exit_status == -9
    assert not alive(tmp_path / "main")
    assert not alive(tmp_path / "away")


HEADLESS = """import ctypes, os, threading, time
threading.Thread(target=time.sleep, args=(1000,)).start()
with open("pid.new", "w") as note:
    note.write(f"{os.getpid()}\\n")
os.rename("pid.new", "pid")
ctypes.CDLL(None).syscall(60, 0)  # exit(2): of this thread alone
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="knows the number of exit there")
@pytest.mark.parametrize("command", ["exec {}", "{} & until test -e pid; do :; done"])
def test_who_goes_on_without_its_first_thread_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, no_zombies: None
) -> None:
    """It looks like a zombie that nobody collects."""
    (tmp_path / "headless.py").write_text(HEADLESS)
    stands_until(monkeypatch, tmp_path / "pid")
    outcome = run(tmp_path, command.format("/usr/bin/python3 headless.py"), timeout=1)
    assert outcome.timed_out or outcome.left_behind
    pid = (tmp_path / "pid").read_text().strip()
    assert not os.path.exists(f"/proc/{pid}"), "it is neither ended nor collected"


def test_an_interrupt_right_after_the_start_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a signal that comes before its parent knows of the command."""
    start = process._start
    monkeypatch.setenv("XENTEST_T", str(tmp_path))

    def start_and_be_ended(*words: Any) -> int:
        start(*words)
        raise KeyboardInterrupt

    monkeypatch.setattr(process, "_start", start_and_be_ended)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, "sleep 1000")
    assert strays.end("XENTEST_T", str(tmp_path)) == []


def test_sigterm_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stands_until(monkeypatch, tmp_path / "ready")
    trap = "trap 'echo tidied; exit 3' TERM; echo > ready"
    outcome = run(tmp_path, f"{trap}; while :; do sleep 0.1; done", 0.2, 300)
    assert outcome.timed_out
    assert b"tidied" in (tmp_path / "output").read_bytes()


def test_daemon_left_behind_is_ended_and_named(tmp_path: Path, no_zombies: None) -> None:
    command = "(setsid sh -c 'echo $$ > away; exec sleep 1000' &); until test -s away; do :; done; "
    command += "until grep -q sleep /proc/$(cat away)/comm; do sleep 0.01; done"
    outcome = run(tmp_path, command)
    assert outcome.exit_status == 0
    assert not outcome.timed_out
    assert [name.split()[0] for name in outcome.left_behind] == ["sleep"]
    assert not alive(tmp_path / "away")


def test_what_forks_again_and_again_is_ended_and_named(tmp_path: Path, no_zombies: None) -> None:
    """Most looks at all processes come between the end of one and the beginning of its child."""
    (tmp_path / "restless.py").write_text(
        "import os, time\n"
        "while True:\n"
        "    if os.fork():\n"
        "        os._exit(0)\n"
        "    os.setsid()\n"
        "    time.sleep(0.002)\n"
    )
    for turn in range(3):
        (tmp_path / "output").unlink(missing_ok=True)
        outcome = run(tmp_path, "/usr/bin/python3 restless.py; true")
        assert outcome.left_behind, f"not seen in turn {turn}"
        assert process._childless()


def test_who_takes_its_own_output_away_costs_nothing_but_that(tmp_path: Path) -> None:
    thief = "import os; [os.read(3, 99) for _ in range(3000)]"
    flood = "i=0; while [ $i -lt 30000 ]; do echo $i; i=$((i+1)); done"
    for _ in range(3):
        (tmp_path / "output").unlink(missing_ok=True)
        outcome = run(
            tmp_path, f'/usr/bin/python3 -c "{thief}" 3< /dev/stdout & {flood}; kill $!; exit 3'
        )
        assert outcome.exit_status == 3


def test_short_lived_leftover_finishes_in_peace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "LINGER", 300.0)
    late = "until test -e over; do sleep 0.01; done; sleep 0.1; echo late"
    outcome = run(tmp_path, f"({late}) & echo early; touch over")
    assert outcome.left_behind == ()
    assert (tmp_path / "output").read_bytes() == b"early\nlate\n"


def test_many_orphans_are_reaped(tmp_path: Path, no_zombies: None) -> None:
    outcome = run(tmp_path, "i=0; while [ $i -lt 300 ]; do (true &); i=$((i+1)); done; sleep 0.3")
    assert outcome.exit_status == 0


def test_gigabyte_is_bounded(tmp_path: Path) -> None:
    outcome = run(tmp_path, "yes | head -c 1000000000; echo the end")
    assert outcome.exit_status == 0
    kept = (tmp_path / "output").read_bytes()
    assert len(kept) < process.OUTPUT_LIMIT + 200
    assert kept.startswith(b"y\ny\n")
    assert kept.endswith(b"y\nthe end\n")
    cut = 1_000_000_008 - process.OUTPUT_LIMIT
    assert b"\n%s%d bytes]\n" % (process.CUT_MARK, cut) in kept


@pytest.mark.parametrize("size", [0, 99, 100, 101, 120, 121, 500])
def test_recorder_keeps_head_and_tail(tmp_path: Path, size: int) -> None:
    data = bytes(range(256)) * 2
    recorder = process.Recorder(tmp_path / "r", limit=120, tail=20)
    for at in range(0, size, 7):
        recorder.write(data[at : min(at + 7, size)])
    recorder.close()
    kept = (tmp_path / "r").read_bytes()
    if size <= 120:
        assert kept == data[:size]
    else:
        mark = b"\n%s%d bytes]\n" % (process.CUT_MARK, size - 120)
        assert kept == data[:100] + mark + data[size - 20 : size]


def test_recorder_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "output").symlink_to(tmp_path / "victim")
    with pytest.raises(FileExistsError):
        process.Recorder(tmp_path / "output")
    assert not (tmp_path / "victim").exists()
