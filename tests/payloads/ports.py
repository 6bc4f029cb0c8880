"""Ports that nobody else has: of a block of this process's own, below those that the kernel
gives to whoever asks for any.  A port that was only free a moment ago may be another's by now."""

from __future__ import annotations

import itertools
import os
import socket
from typing import Iterator

FIRST, SIZE, BLOCKS = 21000, 400, 28


def free_ports(count: int) -> list[str]:
    """So many ports, others at each call until the block is used up."""
    return [str(next(_ports)) for _ in range(count)]


def _claimed() -> int:
    """The number of a block that no other process has, held as long as this one lives.

    Names of this kind belong to the network namespace, as ports do.
    """
    for number in range(os.getpid(), os.getpid() + BLOCKS):
        holder = socket.socket(socket.AF_UNIX)
        try:
            holder.bind(f"\0xentest-ports-{number % BLOCKS}")
        except OSError:
            holder.close()
        else:
            _held.append(holder)
            return number % BLOCKS
    raise AssertionError(f"{BLOCKS} processes test network programs here at once")


def _all() -> Iterator[int]:
    first = FIRST + _claimed() * SIZE
    for port in itertools.cycle(range(first, first + SIZE)):
        if _is_free(port):
            yield port


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(type=kind) as probe:
            try:
                probe.bind(("", port))
            except OSError:
                return False
    return True


_held: list[socket.socket] = []
_ports = _all()
