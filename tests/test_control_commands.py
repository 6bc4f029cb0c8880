"""Commands that can only pass are known; those that may fail are not taken for such."""

from __future__ import annotations

import pytest

from xentest import control_commands as commands
from xentest.control_values import Wrong


@pytest.mark.parametrize(
    "command, end",
    [
        ("./t || true", "|| true"),
        ("./t 2>&1 | tee t.log", "| tee t.log"),
        ("./a & ./b & wait", "& wait"),
        ("./t -q && echo PASS || echo FAIL >&2", "|| echo FAIL >&2"),
        ("./prepare\n./t\necho done", "echo done"),
        ("./t; exit 0", "; exit 0"),
        ("./t || :", "|| :"),
    ],
)
def test_what_never_fails(command: str, end: str) -> None:
    found = commands.never_fails(command)
    assert found is not None and found.what == f"ends with `{end}`" and found.instead


def test_what_no_program_could_be_handed() -> None:
    with pytest.raises(Wrong) as caught:
        commands.command("echo " + "ä" * (64 << 10))
    assert "longer than 131071 bytes" in caught.value.what


@pytest.mark.parametrize(
    "command",
    [
        "./t",
        "echo ok",
        "set -e\n./t\necho done",
        "./t || exit 1\necho done",
        "./t || { echo bad; exit 1; }",
        "./prepare; ./t && echo ok",
        "./t; rc=$?; echo $rc; exit $rc",
        "./a & ./b; wait $!",
        "grep 'x || true' x",
    ],
)
def test_what_may_fail(command: str) -> None:
    assert commands.never_fails(command) is None
