"""Kills, forgeries and links: nothing that ended is lost, nothing forged is believed."""

from __future__ import annotations

import json
import os
import random
import shlex
import shutil
import signal
from pathlib import Path

import pytest

from runner_box import Box, is_gone, wait_for
from stub_world import wait_for as wait_until
from sudden_death import steps_told
from xentest.results import Result, Status, to_json


def steps_of_a_test(base: Path) -> int:
    """How many steps xenruntests takes for one."""
    base.mkdir()
    box = Box(base)
    box.write(**{f"T{number}": {"run_command": "true"} for number in range(3)})
    whole = box.run_mortal(0, in_a_test=True)
    assert whole.returncode == 0, whole
    return steps_told(whole.stdout.decode()) // 3


def test_killed_at_random_moments_nothing_is_lost(box: Box) -> None:
    count, source = 30, random.Random(1114727452)
    longest = steps_of_a_test(box.base / "measured") * 2
    done = f"echo x >> {box.base}/ran.$XENTEST_NUMBER"
    box.write(**{f"T{number}": {"run_command": done} for number in range(1, count + 1)})
    finished: dict[str, str] = {}
    kills = 0
    while (box.home / "xentests.conf").exists():
        assert kills < 200
        # Now and then before any test.
        died = box.run_mortal(source.randrange(1, longest), in_a_test=source.random() < 0.8)
        assert b"Traceback" not in died.stderr
        kills += died.returncode == -signal.SIGKILL
        for number in range(1, count + 1):
            path = box.folder(f"{number}-T{number}") / "result.json"
            if path.exists():
                assert finished.setdefault(path.parent.name, path.read_text()) == path.read_text()
    assert kills >= 10
    found = [box.result(f"{number}-T{number}") for number in range(1, count + 1)]
    assert {result.status for result in found} <= {Status.PASS, Status.CRASH}
    assert Status.CRASH in {result.status for result in found}
    for number in range(1, count + 1):
        ran = box.base / f"ran.{number}"
        assert not ran.exists() or ran.read_text() == "x\n", "a test was run twice"
    assert list(box.temp.iterdir()) == []


def running(box: Box, name: str, boot: str) -> None:
    box.folder(name).mkdir(parents=True)
    marker = {"boot": boot, "started": "2026-01-01T00:00:00Z", "pid": 1}
    (box.folder(name) / "running").write_text(json.dumps(marker))


def test_test_that_the_machine_died_under_is_a_crash(box: Box) -> None:
    box.write(A={"run_command": "true"}, B={"run_command": "true"})
    running(box, "1-A", "another boot")
    (box.folder("1-A") / "output").write_text("last words")
    box.run(1)
    found = box.result("1-A")
    assert found.status is Status.CRASH
    assert found.reason == "the domain (or machine) went down while this test ran"
    assert found.started == "2026-01-01T00:00:00Z"
    assert (box.folder("1-A") / "output").read_text() == "last words"
    assert box.result("2-B").status is Status.PASS


def test_strays_of_a_killed_runner_are_ended(box: Box) -> None:
    box.write(A={"run_command": f"{box.note_pid}; sleep 1000; test 1"})
    first = box.start()
    wait_for(box.base / "pid")
    first.kill()
    first.communicate()
    box.run(1)
    assert box.result("1-A").reason == "xenruntests was killed while this test ran"
    pid = (box.base / "pid").read_text().strip()
    wait_until(lambda: is_gone(pid), "the end of the test")


def test_strays_of_a_run_before_are_ended_too(box: Box) -> None:
    """Its runner was killed, and then another run made the shared folder anew."""
    box.write(A={"run_command": f"{box.note_pid}; sleep 1000; test 1"})
    first = box.start()
    wait_for(box.base / "pid")
    first.kill()
    first.communicate()
    shutil.rmtree(box.home / "results")
    box.write(A={"run_command": f"test ! -e /proc/{(box.base / 'pid').read_text().strip()}/exe"})
    box.run(0)


def test_what_fetches_for_a_killed_runner_is_ended(
    box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    tools = box.base / "bin"
    tools.mkdir()
    (tools / "git").write_text(f"#!/bin/sh\n{box.note_pid}\nexec sleep 1000\n")
    (tools / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    box.write(A={"source_url": "git+https://localhost/x", "run_command": "true"})
    first = box.start()
    wait_for(box.base / "pid")
    first.kill()
    first.communicate()
    box.run(1)
    assert is_gone((box.base / "pid").read_text().strip())
    assert box.result("1-A").reason == "xenruntests was killed while this test ran"
    assert list(box.temp.iterdir()) == []


FORGED = ["{", "", '{"schema": 1}', json.dumps({"schema": 1, "domain": "x", "test": "A"})]


@pytest.mark.parametrize("content", FORGED)
def test_result_that_is_not_ours_is_not_believed(box: Box, content: str) -> None:
    box.write(A={"run_command": "exit 1"})
    box.folder("1-A").mkdir(parents=True)
    (box.folder("1-A") / "result.json").write_text(content)
    box.run(1)
    assert box.result("1-A").status is Status.FAIL


def test_links_and_fifos_in_the_results_are_not_followed(box: Box) -> None:
    victim = box.base / "victim"
    victim.mkdir()
    (victim / "precious").write_text("kept")
    names = ["A", "B", "C", "D"]
    box.write(**{name: {"run_command": "echo hello"} for name in names})
    (box.home / "results").mkdir()
    box.folder("1-A").symlink_to(victim)
    box.folder("2-B").mkdir()
    (box.folder("2-B") / "output").symlink_to(victim / "precious")
    (box.folder("2-B") / "logs").symlink_to(victim)
    box.folder("3-C").mkdir()
    os.mkfifo(box.folder("3-C") / "result.json")
    os.mkfifo(box.folder("3-C") / "running")
    os.mkfifo(box.folder("4-D"))
    box.run(0)
    for number, name in enumerate(names, 1):
        assert box.result(f"{number}-{name}").status is Status.PASS
        assert (box.folder(f"{number}-{name}") / "output").read_text() == "hello\n"
    assert [path.name for path in victim.iterdir()] == ["precious"]
    assert (victim / "precious").read_text() == "kept"


def test_results_folder_that_is_a_link_is_refused(box: Box) -> None:
    box.write(A={"run_command": "true"})
    (box.base / "elsewhere").mkdir()
    (box.home / "results").symlink_to(box.base / "elsewhere")
    assert b"a symbolic link" in box.run(3).stderr
    assert list((box.base / "elsewhere").iterdir()) == []


def test_test_that_replaces_its_results_by_links(box: Box) -> None:
    (box.base / "victim").mkdir()
    evil = f"cd $XENTEST_LOGS/..; rm -r logs output; ln -s {box.base}/victim logs; mkfifo output"
    found = box.one(1, run_command=evil, result_format="ktap", log_dir="l")
    assert found.status is Status.ERROR
    assert list((box.base / "victim").iterdir()) == []


@pytest.mark.parametrize(
    "command",
    [
        "rm -rf $OWN",
        "rm -rf $OWN; touch $OWN",
        "rm -rf $OWN; mkdir $OWN.away; ln -s $OWN.away $OWN",
        "rm -rf $XENTEST_SHARED/box/results",
    ],
)
@pytest.mark.parametrize("status", ["pass", "fail"])
def test_a_test_that_takes_its_result_away_costs_no_other_test(
    box: Box, command: str, status: str
) -> None:
    """Nor is it a pass: what it said is gone."""
    end = "exit 3" if status == "fail" else "true"
    own = "OWN=$XENTEST_SHARED/box/results/1-T"
    box.write(
        T={"run_command": f"{own}; {command}; touch log/x; {end}", "log_dir": "log"},
        U={"run_command": "true"},
    )
    box.run(1)
    assert box.result("1-T").status is Status.ERROR
    assert "taken away while it ran" in box.result("1-T").reason
    assert f"({status}" in box.result("1-T").reason
    assert box.result("2-U").status is Status.PASS
    assert not list(box.home.glob("results/1-T.away/*"))


def test_a_folder_in_the_place_of_result_json_costs_no_verdict(box: Box) -> None:
    command = "mkdir -p $XENTEST_LOGS/../result.json/x; exit 3"
    box.write(T={"run_command": command}, U={"run_command": "true"})
    box.run(1)
    assert [box.result(name).status.value for name in ("1-T", "2-U")] == ["fail", "pass"]


@pytest.mark.parametrize(
    "command, told",
    [
        ("cp -r log $XENTEST_LOGS", ""),
        ("rm -r $XENTEST_LOGS", "took XENTEST_LOGS away"),
        ("rmdir $XENTEST_LOGS; ln -s / $XENTEST_LOGS", "took XENTEST_LOGS away"),
    ],
)
def test_logs_in_the_way_of_logs_cost_no_verdict(box: Box, command: str, told: str) -> None:
    run = f"echo said > log/x; {command}; exit 3"
    assert box.one(1, run_command=run, log_dir="log").status is Status.FAIL
    assert told in box.result("1-T").reason
    kept = sorted(path.parent.name for path in box.folder("1-T").glob("logs/*/x"))
    assert kept == (["log"] if told else ["log", "log~2"])


def test_logs_without_links_and_devices(box: Box) -> None:
    make = "echo a > l/a; ln -s /etc/passwd l/link; mkfifo l/fifo; mkdir l/d; echo b > l/d/b"
    found = box.one(0, run_command=make, log_dir="l")
    logs = box.folder("1-T") / "logs" / "l"
    assert sorted(str(path.relative_to(logs)) for path in logs.rglob("*")) == ["a", "d", "d/b"]
    assert "2 log files left out" in found.reason


def forge(box: Box, tail: str = "") -> str:
    """A command that puts a good result into the place of the second test of two."""
    good = json.dumps(to_json(Result("box", "B", 2, Status.PASS, "")))
    (box.base / "good.json").write_text(good)
    place = shlex.quote(str(box.folder("2-B")))
    return f"mkdir -p {place} && cp {box.base}/good.json {place}/result.json{tail}"


def test_a_good_result_that_an_earlier_test_wrote_is_not_believed(box: Box) -> None:
    box.write(A={"run_command": forge(box)}, B={"run_command": "exit 1"})
    box.run(1)
    assert box.result("2-B").status is Status.FAIL
    first = box.result("1-A")
    assert first.status is Status.PASS
    assert "wrote into the results of later tests (2-B): removed" in first.reason


def test_nor_is_it_after_the_runner_was_killed(box: Box) -> None:
    box.write(
        A={"run_command": forge(box, "; kill -9 $PPID; sleep 99")}, B={"run_command": "exit 1"}
    )
    assert box.start().wait(300) == -signal.SIGKILL
    assert (box.folder("2-B") / "result.json").exists()
    box.run(1)
    assert (box.result("1-A").status, box.result("2-B").status) == (Status.CRASH, Status.FAIL)


def test_a_forged_running_marker_does_not_hide_a_test(box: Box) -> None:
    place = box.folder("2-B")
    box.write(
        A={"run_command": f"mkdir {place}; echo {{}} > {place}/running"}, B={"run_command": "true"}
    )
    box.run(0)
    assert box.result("2-B").status is Status.PASS
