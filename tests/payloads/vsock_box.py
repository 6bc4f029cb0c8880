"""The vsock programs on loopback addresses, and somebody at the other end."""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import Callable, Iterator

from vsock_stranger import Stranger

SOURCE = Path(__file__).resolve().parents[2] / "payloads/vsock"
LIMIT = 300
SMALL = ("--bytes", "256K", "--repeats", "2", "--multi-repeats", "2")
# For what shall go well: a packet's usual limit is a tenth of a second.
PATIENT = ("--timeout", 120)
PATIENT_PERF = (
    *PATIENT,
    *("--magic-timeout", 120, "--transfer-timeout", 120, "--packet-timeout", 120000),
)
numbers = itertools.count(os.getpid() % 200 * 64)


def build() -> Path:
    subprocess.run(["make", "-s", "-C", str(SOURCE)], check=True, capture_output=True)
    return SOURCE / "build"


@contextlib.contextmanager
def an_address() -> Iterator[str]:
    """A loopback address that no other test uses: ports are fixed, and linger after use.
    One test at a time: the guests' ports are those of all addresses.
    """
    number = next(numbers)
    with socket.socket(socket.AF_UNIX) as lock:
        wait_for_ports(lock)
        yield f"127.1.{number // 250}.{number % 250 + 1}"


def wait_for_ports(lock: socket.socket) -> None:
    """Its name belongs to the network namespace, as the ports do; ../../payloads/vsock/tests too
    waits for it."""
    end = time.monotonic() + 1800
    while True:
        try:
            lock.bind("\0xentest-vsock-ports")
            return
        except OSError:
            assert time.monotonic() < end, "another test does not give the ports back"
            time.sleep(0.01)


def sibling(address: str, number: int) -> str:
    """Another address that no other test uses."""
    first, _, *rest = address.split(".")
    return ".".join([first, str(2 + number), *rest])


class Half:
    """A program that runs until it is asked how it ended."""

    def __init__(self, program: Path, *words: object) -> None:
        self.process = subprocess.Popen(
            [program, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def end(self) -> subprocess.CompletedProcess[str]:
        out, err = self.process.communicate(timeout=LIMIT)
        return subprocess.CompletedProcess([], self.process.returncode, out, err)


def against(half: Half, role: Callable[[Stranger], None], stranger: Stranger):
    """How a program ended that had this stranger at its other end, and what befell the stranger."""
    fates: list[BaseException | None] = []

    def run() -> None:
        try:
            role(stranger)
            stranger.end()
            fates.append(None)
        except Exception as error:
            fates.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    said = half.end()
    if said.returncode:
        stranger.give_up()
    thread.join(LIMIT)
    if not thread.is_alive():
        stranger.end()
    return said, (fates or [TimeoutError("the stranger still waits")])[0]
