"""The lab's kernel modules: what is left of one that was signed."""

from __future__ import annotations

import pytest

from xentest.lab import initrd

MODULE = b"\x7fELF" + bytes(range(256)) * 5


def signed(module: bytes, length: int) -> bytes:
    """As Linux's sign-file leaves a module."""
    facts = bytes([0, 0, 2, 0, 0, 0, 0, 0]) + length.to_bytes(4, "big")
    return module + b"s" * length + facts + b"~Module signature appended~\n"


@pytest.mark.parametrize("length", [1, 255, 700, 70_000])
def test_a_signed_module_becomes_what_was_signed(length: int) -> None:
    assert initrd.without_signature(signed(MODULE, length)) == MODULE


def test_an_unsigned_module_stays_as_it_is() -> None:
    assert initrd.without_signature(MODULE) == MODULE
    assert initrd.without_signature(signed(MODULE, 9) + b"\n") == signed(MODULE, 9) + b"\n"
