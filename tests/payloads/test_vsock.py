"""The vsock payloads over loopback addresses: against each other, and against strangers."""

from __future__ import annotations

import json
import os
import pty
import re
import socket
import subprocess
from pathlib import Path
from typing import Iterator

import pytest
import vsock_stranger

from vsock_box import (
    LIMIT, PATIENT, PATIENT_PERF, SMALL, SOURCE, Half, against, an_address, build, sibling,
)  # fmt: skip
from vsock_stranger import Stranger, Volume

from xentest.verdict import figures


PACED = (*SMALL, *PATIENT_PERF)


@pytest.fixture(scope="session")
def programs() -> Path:
    return build()


@pytest.fixture
def host() -> Iterator[str]:
    with an_address() as address:
        yield address


# The integration test


def test_both_halves(programs, host):
    checked = Half(programs / "vsock-integration", "--listen", host, "--ktap", *PATIENT)
    guest = Half(programs / "vsock-util", "integration_test", "--peer", host, *PATIENT).end()
    said = checked.end()
    assert (guest.returncode, guest.stdout) == (0, "PASS\n"), guest
    assert said.returncode == 0 and said.stdout.startswith("KTAP version 1\n1..6\n"), said
    assert said.stdout.count("\nok ") == 6 and "not ok" not in said.stdout


def test_host_against_a_strangers_guest(programs, host):
    checked = Half(programs / "vsock-integration", "--listen", host, "--json", *PATIENT)
    stranger = Stranger("inet", host, own=host)
    said, fate = against(checked, vsock_stranger.guest_integration, stranger)
    lines = [json.loads(line) for line in said.stdout.splitlines()]
    assert (said.returncode, fate) == (0, None), said
    assert [line["status"] for line in lines if line["type"] == "result"] == ["pass"] * 6


def test_guest_against_a_strangers_host(programs, host):
    guest = Half(programs / "vsock-util", "integration_test", "--peer", host, *PATIENT)
    stranger = Stranger("inet", "127.0.0.1", own=host)
    said, fate = against(guest, vsock_stranger.host_integration, stranger)
    assert (said.returncode, said.stdout, fate) == (0, "PASS\n", None), said


def test_guest_is_started_through_its_console(programs, host):
    ours, terminal = pty.openpty()
    os.set_blocking(ours, True)
    words = (
        "--listen",
        host,
        "--console",
        os.ttyname(terminal),
        "--command",
        "begin now",
        *PATIENT,
    )
    checked = Half(programs / "vsock-integration", *words)
    typed = b""
    while not typed.endswith(b"\n"):
        typed += os.read(ours, 100)
    assert typed == b"begin now\n"
    guest = Half(programs / "vsock-util", "integration_test", "--peer", host, *PATIENT).end()
    os.write(ours, b"$ begin now\r\n" + guest.stdout.encode())
    said = checked.end()
    assert said.returncode == 0 and "the guest says PASS: passed" in said.stdout, said
    os.close(ours)
    os.close(terminal)


# The micro benchmark


def test_benchmark(programs, host):
    measured = Half(programs / "vsock-perf", "--listen", host, "--packets", 300, *PACED)
    guest = Half(programs / "vsock-util", "micro_benchmark", "--peer", host, *SMALL, *PATIENT).end()
    said = measured.end()
    assert (guest.returncode, guest.stdout) == (0, ""), guest
    assert said.returncode == 0, said
    lines = said.stdout.splitlines()
    assert lines[:3] == [
        "Microbenchmark Results", "* Data corruption check: PASSED",
        "* Round trip latency of 4096 bytes:",
    ]  # fmt: skip
    assert re.fullmatch(r"\tMin: \d+ns \(\d+\.\d{3}ms\)", lines[3])
    assert sum(line.startswith("* ") for line in lines) == 10 and "NOT RUN" not in said.stdout


def test_benchmark_as_json(programs, host):
    measured = Half(programs / "vsock-perf", "--listen", host, "--json", "--packets", 300, *PACED)
    Half(programs / "vsock-util", "micro_benchmark", "--peer", host, *SMALL, *PATIENT).end()
    lines = [json.loads(line) for line in measured.end().stdout.splitlines()]
    assert [line["type"] for line in lines] == ["environment", "vsock-perf"] + ["figure"] * 6
    record = lines[1]
    assert record["data_corruption"] == "PASSED" and record["transfer_bytes"] == Volume().bytes
    assert record["multi_stream_unidirectional"]["count"] == 10
    assert record["multi_stream_sum"]["count"] == 2
    # A stream takes no longer than all five.
    one, five = record["multi_stream_unidirectional"], record["multi_stream_sum"]
    assert 0 < five["max"] <= 5 * one["max"] * 1.001


def test_benchmark_that_nobody_joins(programs, host):
    """It has a record all the same; and where that cannot be written, it says so."""
    words = [programs / "vsock-perf", "--timeout", "1", "--json", "--listen"]
    told = Half(*words, host)
    with open("/dev/full", "w") as full:
        lost = subprocess.run(
            [*words, sibling(host, 0)],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=LIMIT,
        )
    said = told.end()
    lines = [json.loads(line) for line in said.stdout.splitlines()]
    assert [line["type"] for line in lines] == ["environment", "vsock-perf"], said
    assert lines[1]["data_corruption"] == "NOT RUN" and "nobody connected" in said.stderr
    assert said.returncode == lost.returncode == 99
    assert "the output could not be written" in lost.stderr, lost


def test_port_in_use_is_a_verdict(programs, host):
    with socket.create_server((host, 8000)):
        said = Half(programs / "vsock-integration", "--listen", host, "--ktap").end()
    assert said.returncode == 99 and said.stdout.startswith("KTAP version 1\n1..1\n"), said
    assert "not ok 1 begin # ERROR cannot take the address" in said.stdout, said


def test_host_measures_a_strangers_guest(programs, host):
    measured = Half(programs / "vsock-perf", "--listen", host, "--packets", 10, *PACED)
    said, fate = against(measured, vsock_stranger.guest_benchmark, Stranger("inet", host))
    assert (said.returncode, fate) == (0, None), said
    assert "NOT RUN" not in said.stdout and "check: PASSED" in said.stdout


def test_guest_answers_a_strangers_host(programs, host):
    guest = Half(programs / "vsock-util", "micro_benchmark", "--peer", host, *SMALL, *PATIENT)
    stranger = Stranger("inet", host, own=host)
    said, fate = against(guest, vsock_stranger.host_benchmark, stranger)
    assert (said.returncode, said.stdout, fate) == (0, "", None), said


# As a control file runs them


def both(what: str, *words: object, where: str) -> subprocess.CompletedProcess[str]:
    command = [str(SOURCE / "vsock-both.sh"), what, *map(str, words)]
    environment = {**os.environ, "WHERE": where}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT)


def test_both_halves_by_one_command(programs, host, tmp_path):
    said = both("integration", where=host)
    assert said.returncode == 0 and said.stdout.count("\nok ") == 6, said
    said = both("perf", *SMALL, "--scale", "0.01", where=host)
    assert said.returncode == 0, said
    (tmp_path / "output").write_text(said.stdout)
    found = figures.read("json", tmp_path / "output", tmp_path)
    names = ["round-trip-page", "single-stream", "host-to-guest", "guest-to-host"]
    assert [figure.name for figure in found] == [*names, "multi-stream-sum", "cpu-per-byte"]
    assert all(figure.value > 0 for figure in found)


def test_both_halves_where_there_may_be_no_loopback(programs, host):
    for words in (["integration"], ["perf", *SMALL, "--scale", "0.01"]):
        said = both(*words, where="local")
        assert said.returncode in (0, 77), said
        assert said.returncode == 0 or "modprobe vsock_loopback" in said.stdout + said.stderr


# The suite


def test_suite_as_both_sides(programs, host):
    said = Half(
        programs / "vsock-test", "--both", "--peer", host, "--ktap", "--seed", 5, *PATIENT
    ).end()
    assert said.returncode == 0, said
    assert "# seed 5" in said.stdout and "ok 1 connect and exchange a byte" in said.stdout
    assert "not ok" not in said.stdout and "# SKIP this is about vsock only" in said.stdout


def test_suite_as_two_programs(programs, host):
    server = Half(programs / "vsock-test", "--serve", "--peer", host, *PATIENT)
    said = Half(programs / "vsock-test", "--peer", host, "--json", *PATIENT).end()
    lines = [json.loads(line) for line in said.stdout.splitlines()]
    results = [line["status"] for line in lines if line["type"] == "result"]
    assert (said.returncode, server.end().returncode) == (0, 0), said
    assert results.count("pass") > 10 and set(results) == {"pass", "skip"}


def test_suite_without_its_other_side(programs, host):
    said = Half(programs / "vsock-test", "--peer", host, "--timeout", 1).end()
    assert said.returncode == 99 and f"cannot connect to {host}:20000" in said.stdout, said
    assert "the other side: ERROR" in said.stdout, said


def test_no_loopback_is_a_skip_that_says_why(programs):
    said = Half(programs / "vsock-test", "--only", "SHUT_WR", "--ktap").end()
    assert said.returncode in (0, 77), said
    if said.returncode == 77:
        assert "ok 1 vsock transport # SKIP " in said.stdout and "modprobe" in said.stdout


@pytest.mark.parametrize(
    "program, words, what",
    [
        ("vsock-util", [], "write one of integration_test and micro_benchmark"),
        ("vsock-util", ["integration-test"], "write integration_test"),
        ("vsock-util", ["micro_benchmark", "--peer", "x"], "'x' is nobody"),
        ("vsock-perf", ["--scale", "0"], "--scale cannot be 0"),
        ("vsock-perf", ["--bytes", "1X"], "K, M, G"),
        ("vsock-perf", ["debian"], "it takes no words"),
        ("vsock-integration", ["--timeout", "0"], "--timeout cannot be 0"),
        ("vsock-test", ["--only", "nothing like it"], "--list shows them"),
    ],
)
def test_wrong_command_lines(programs, program, words, what):
    said = Half(programs / program, *words).end()
    assert said.returncode == 2 and what in said.stderr, said
