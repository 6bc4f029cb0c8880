"""The frames between `xenlab exec` and the machine's agent, over a pair of sockets."""

from __future__ import annotations

import socket
import struct
import threading
from typing import Iterator

import pytest

from xentest.errors import BrokenError
from xentest.lab import agent, machine


class Sleeper:
    """A machine that does nothing until it is nudged so often."""

    def __init__(self) -> None:
        self.nudged = 0
        self.wakes_at = 0
        self.on = True
        self.woken = threading.Event()

    def nudge(self) -> None:
        self.nudged += 1
        if self.nudged == self.wakes_at:
            self.woken.set()

    def alive(self) -> bool:
        return self.on

    def last_words(self) -> str:
        return "qemu: bang"


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[agent.Agent, socket.socket, Sleeper]]:
    monkeypatch.setattr(machine, "NUDGE_SECONDS", 0.01)
    ours, theirs = socket.socketpair()
    sleeper = Sleeper()
    with theirs, agent.Agent(sleeper, ours) as inside:  # type: ignore[arg-type]
        yield inside, theirs, sleeper


def frame(kind: bytes, payload: bytes) -> bytes:
    return kind + struct.pack(">I", len(payload)) + payload


def test_frames_arrive_whole_however_they_are_cut(
    ends: tuple[agent.Agent, socket.socket, Sleeper],
) -> None:
    inside, theirs, sleeper = ends
    whole = frame(b"O", b"abc") + frame(b"S", b"")
    sleeper.wakes_at = 3

    def speak() -> None:
        theirs.sendall(whole[:7])
        sleeper.woken.wait(60)  # in the middle of a frame, too, the machine is nudged
        theirs.sendall(whole[7:])

    speaker = threading.Thread(target=speak)
    speaker.start()
    assert inside.receive(60) == (b"O", b"abc")
    assert inside.receive(60) == (b"S", b"")
    speaker.join()
    assert sleeper.nudged >= 3


def test_silence_and_the_end_are_told_apart(
    ends: tuple[agent.Agent, socket.socket, Sleeper],
) -> None:
    inside, theirs, _ = ends
    with pytest.raises(TimeoutError, match="nothing for too long"):
        inside.receive(0.05)
    theirs.sendall(frame(b"O", b"abc")[:-1])
    theirs.shutdown(socket.SHUT_WR)
    with pytest.raises(OSError, match="the machine ended"):
        inside.receive(60)


def test_what_an_older_session_left_is_passed_over(
    ends: tuple[agent.Agent, socket.socket, Sleeper],
) -> None:
    inside, theirs, _ = ends

    def answer() -> None:
        theirs.sendall(frame(b"O", b"old") + frame(b"N", b"another"))
        asked = theirs.recv(len(frame(b"N", b"8 bytes.")), socket.MSG_WAITALL)
        theirs.sendall(asked)

    speaker = threading.Thread(target=answer)
    speaker.start()
    inside.wait_until_up()
    speaker.join()


def test_a_machine_that_does_not_come_up_is_told(
    ends: tuple[agent.Agent, socket.socket, Sleeper], monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, theirs, sleeper = ends
    monkeypatch.setattr(agent, "LIMIT", 0.05)
    with pytest.raises(BrokenError, match="did not come up within 0.05 s qemu: bang"):
        inside.wait_until_up()
    sleeper.on = False
    theirs.shutdown(socket.SHUT_WR)
    with pytest.raises(BrokenError, match="did not come up"):
        inside.wait_until_up()
