"""The vsock payloads against peers that stall, reset, leave or talk rubbish at each step."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Iterator

import pytest
import vsock_stranger
from vsock_box import PATIENT, PATIENT_PERF, SMALL, Half, against, an_address, build, sibling
from vsock_stranger import Stranger


@pytest.fixture(scope="session")
def programs() -> Path:
    return build()


@pytest.fixture
def host() -> Iterator[str]:
    with an_address() as address:
        yield address


def wrong(rows: dict[str, str], trial, status: int) -> list[str]:
    """What is not as it should be, of rows that are tried all at once: most of them wait."""

    def judge(number: int, row: str) -> str:
        said = trial(number, rudeness(row))
        text = said.stdout + said.stderr
        wanted = 1 if "FAILED" in rows[row] else status
        fine = said.returncode == wanted and rows[row] in text and "PASS\n" not in text
        return "" if fine else f"{row}: {said}"

    with ThreadPoolExecutor(len(rows)) as all_at_once:
        return [fault for fault in all_at_once.map(judge, range(len(rows)), rows) if fault]


def limit_for(rude: tuple[str, str]) -> int:
    """Seconds: only where something does not come it is to run out."""
    return 3 if rude[1] in ("stall", "absent") or rude == ("packet 1", "rubbish") else 120


def rudeness(row: str) -> tuple[str, str]:
    """The step, and what to do there."""
    step, _, how = row.rpartition(" ")
    return step, how


SENT = "not ok 2 240000 bytes from the guest, one back # "
CLOSED = "not ok 3 the guest closes # "
CALLED = "not ok 4 the host connects, 240000 bytes from the guest, one back # "
HUNG_UP = "not ok 5 the host closes while the guest writes # "
CUT_OFF = "not ok 6 the guest closes while the host writes # "
HOST_INTEGRATION = {
    "8000 stall": SENT + "block 1: only 0 of 60000 bytes came",
    "8000 reset": SENT + "block 1: ",
    "8000 little": SENT + "block 1: the peer closed the connection after 10 of 60000",
    "8000 rubbish": SENT + "byte 0 is 63 instead of 42",
    "close 8000 stall": CLOSED + "only 0 of 1 bytes came",
    "close 8000 reset": CLOSED,
    "close 8000 second": CLOSED + "a second connection came to port 8000",
    "close 8000 rubbish": CLOSED + "more data came instead of the close",
    "listen 8001 absent": CALLED + "cannot connect to ",
    "8001 stall": CALLED + "block 1: only 0 of 60000",
    "8001 reset": CALLED,
    "8001 rubbish": CALLED + "byte 0 is 63",
    "8001 little": CALLED + "block 1: the peer closed",
    "listen 8002 absent": HUNG_UP + "cannot connect to ",
    "8002 stall": HUNG_UP + "only 0 of 10 bytes",
    "8002 reset": HUNG_UP,
    "8002 close": HUNG_UP + "the peer closed",
    "8002 rubbish": HUNG_UP + "byte 0 is 63 instead of 42",
    "8000 wrong": SENT + "byte 239999 is 63 instead of 42",
    "8001 wrong": CALLED + "byte 239999 is 63 instead of 42",
    "listen 8003 absent": CUT_OFF + "cannot connect to ",
    "8003 stall": CUT_OFF + "the guest did not close ",
}


def test_host_integration(programs, host):
    def trial(number: int, rude: tuple[str, str]):
        here, guest = sibling(host, number), sibling(host, 100 + number)
        words = ("--listen", here, "--ktap", "--timeout", limit_for(rude))
        checked = Half(programs / "vsock-integration", *words)
        stranger = Stranger("inet", here, own=guest, rude=rude)
        return against(checked, vsock_stranger.guest_integration, stranger)[0]

    assert not wrong(HOST_INTEGRATION, trial, 1)


def test_integration_of_another_guest(programs, host):
    words = ("--listen", host, "--peer", sibling(host, 1), "--ktap", *PATIENT)
    checked = Half(programs / "vsock-integration", *words)
    other = Stranger("inet", host, own=sibling(host, 2))
    said, _ = against(checked, vsock_stranger.guest_integration, other)
    assert said.returncode == 1 and f"is from {other.own}:49152, another machine" in said.stdout


GUEST_INTEGRATION = {
    "8000 stall": "exchange with the host's port 8000: ",
    "8000 reset": "exchange with the host's port 8000: ",
    "answer 8000 rubbish": "exchange with the host's port 8000: the host answered 63 instead",
    "answer 8000 close": "exchange with the host's port 8000: the peer closed the connection",
    "8001 stall": "exchange on port 8001: ",
    "8001 reset": "exchange on port 8001: ",
    "8001 rubbish": "exchange on port 8001: the host answered 63 instead of 42",
    "8002 stall": "until the host closes: the host did not close within the time limit",
    "connect 8003 stall": "read a byte on port 8003, then close: nobody connected",
    "8003 stall": "read a byte on port 8003, then close: only 0 of 1 bytes came",
    "8003 reset": "read a byte on port 8003, then close: ",
    "8003 close": "read a byte on port 8003, then close: the peer closed the connection",
}


@pytest.mark.parametrize("row", GUEST_INTEGRATION)
def test_guest_integration(programs, host, row):
    rude = rudeness(row)
    limit = 2 if rude[1] == "stall" else 120  # one after another
    guest = Half(programs / "vsock-util", "integration_test", "--peer", host, "--timeout", limit)
    stranger = Stranger("inet", "127.0.0.1", own=host, rude=rude)
    said, _ = against(guest, vsock_stranger.host_integration, stranger)
    words = GUEST_INTEGRATION[row]
    assert said.returncode == 1 and words in said.stderr and not said.stdout, said


HOST_BENCHMARK = {
    "connect 8509 absent": "8 of the guest's 9 connections came: nobody connected",
    "packet 1 stall": "data corruption check, packet 1: only 0 of 4096 bytes came",
    "packet 1 reset": "data corruption check, packet 1: ",
    "packet 1 little": "data corruption check, packet 1: the peer closed",
    "packet 1 rubbish": "* Data corruption check: FAILED",
    "packet 1 wrong": "* Data corruption check: FAILED",
    "packet 105 wrong": "* Data corruption check: FAILED",
    "packets more": "the guest sent more than it should from its port 8502",
    "magic 128 more": "the guest sent more than it should from its port 8501",
    "unidirectional more": "the guest sent more than it should from its port 8503",
    "stream 8506 more": "the guest sent more than it should from its port 8506",
    "bidirectional more": "the guest sent more than it should from its port 8509",
    "packet 105 stall": "round trip latency, packet 5: nothing came, or only a part",
    "packet 105 reset": "round trip latency, packet 5: ",
    "magic 129 stall": "wait for the guest's magic 129: only 0 of 1 bytes came",
    "magic 129 close": "wait for the guest's magic 129: the peer closed the connection",
    "magic 129 rubbish": "the guest said 63 on the control socket, expected 129 to 129",
    "bidirectional stall": "bidirectional transfer 1: ",
    "bidirectional reset": "bidirectional transfer 1: ",
    "bidirectional little": "bidirectional transfer 1: ",
    "magic 123 stall": "wait for the guest's magic 123: only 0 of 1 bytes came",
    "unidirectional stall": "unidirectional transfer 1: ",
    "unidirectional reset": "unidirectional transfer 1: ",
    "unidirectional back stall": "unidirectional transfer 1: read: only 0 of 262144 bytes within",
    "unidirectional back little": "unidirectional transfer 1: the peer closed the connection",
    "magic 126 stall": "wait for the guest's magic 126: only 0 of 1 bytes came",
    "stream 8506 stall": "multistream transfer 1: stream 3: ",
    "stream 8506 reset": "multistream transfer 1: stream 3: ",
    "stream 8508 back little": "multistream transfer 1: stream 5: the peer closed the connection",
}


def limits(seconds: int) -> tuple[object, ...]:
    return (
        *("--timeout", seconds, "--magic-timeout", seconds),
        *("--transfer-timeout", seconds, "--packet-timeout", seconds * 1000),
    )


def test_host_benchmark(programs, host):
    def trial(number: int, rude: tuple[str, str]):
        here, guest = sibling(host, number), sibling(host, 100 + number)
        words = ("--listen", here, "--packets", 10, *SMALL, *limits(limit_for(rude)))
        measured = Half(programs / "vsock-perf", *words)
        stranger = Stranger("inet", here, own=guest, rude=rude)
        return against(measured, vsock_stranger.guest_benchmark, stranger)[0]

    assert not wrong(HOST_BENCHMARK, trial, 99)


def test_benchmark_of_two_guests_at_once(programs, host):
    measured = Half(programs / "vsock-perf", "--listen", host, *SMALL, *PATIENT_PERF)
    guests = [Stranger("inet", host, own=sibling(host, number)) for number in range(2)]
    for guest, port in zip(guests, (8501, 8502)):
        guest.connect(8500, port)
    said = measured.end()
    for guest in guests:
        guest.end()
    assert said.returncode == 99, said
    assert f"a second guest came, from {guests[1].own}:8502" in said.stderr, said


GUEST_BENCHMARK = {
    "packet 1 stall": "echo packets: nothing came, or only a part",
    "packet 1 reset": "echo packets: ",
    "packet 1 little": "echo packets: the peer closed the connection after 10 of 4096 bytes",
    "packet 50 stall": "echo packets: nothing came, or only a part",
    "bidirectional stall": "bidirectional transfer 1: ",
    "bidirectional reset": "bidirectional transfer 1: ",
    "bidirectional little": "bidirectional transfer 1: ",
    "unidirectional stall": "unidirectional transfer 1: read: only 0 of 262144 bytes within",
    "unidirectional little": "unidirectional transfer 1: the peer closed the connection",
    "unidirectional back reset": "unidirectional transfer ",
    "stream 8504 stall": "stream 1 transfer 1: read: only 0 of 262144 bytes within",
    "stream 8508 little": "stream 5 transfer 1: the peer closed the connection after 10",
    "stream 8506 back reset": "stream 3 transfer ",
    "unidirectional more": "the host sent more than it should on the unidirectional socket",
    "stream 8508 more": "the host sent more than it should on the stream 5 socket",
}


def test_guest_benchmark(programs, host):
    def trial(number: int, rude: tuple[str, str]):
        there = sibling(host, number)
        words = ("micro_benchmark", "--peer", there, *SMALL, "--timeout", limit_for(rude))
        guest = Half(programs / "vsock-util", *words)
        stranger = Stranger("inet", there, own=there, rude=rude)
        return against(guest, vsock_stranger.host_benchmark, stranger)[0]

    assert not wrong(GUEST_BENCHMARK, trial, 1)


def suite_server(s: Stranger) -> None:
    connection, _ = s.accept(s.listen(20000))
    vsock_stranger.exactly(connection, 256)
    s.at("control", connection)


def suite_client(s: Stranger) -> None:
    s.at("control", s.connect(20000))


@pytest.mark.parametrize(
    "how, words",
    [
        ("rubbish", "the control connection carries rubbish"),
        ("little", "the other side is gone: "),
        ("close", "the other side is gone: "),
        ("reset", "the other side is gone: "),
        ("stall", "the other side is gone: only 0 of 256 bytes came within the time limit"),
    ],
)
def test_suite_whose_other_side_is_a_stranger(programs, host, how, words):
    asked = Half(
        programs / "vsock-test", "--peer", host, "--ktap", "--timeout", 2 if how == "stall" else 120
    )
    said, _ = against(asked, suite_server, Stranger("inet", host, own=host, rude=("control", how)))
    assert said.returncode == 99 and words in said.stdout, said
    assert "# SKIP not tried: no connection works at all" in said.stdout


@pytest.mark.parametrize(
    "how, words",
    [
        ("rubbish", "the control connection carries rubbish"),
        ("little", "the peer closed the connection after 10 of 256 bytes"),
        ("reset", "Connection reset by peer"),
    ],
)
def test_suite_that_serves_a_stranger(programs, host, how, words):
    serving = Half(programs / "vsock-test", "--serve", "--peer", host, *PATIENT)
    said, _ = against(serving, suite_client, Stranger("inet", host, rude=("control", how)))
    assert said.returncode == 99 and words in said.stderr, said
