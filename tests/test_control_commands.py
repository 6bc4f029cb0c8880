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
        ("./t 2>&1 | tail -n 50", "| tail -n 50"),
        ("./t | sort", "| sort"),
        ("./t | ts | logger -t night", "| logger -t night"),
        ("./t > log || cat log", "|| cat log"),
        ("./t; sleep 5", "; sleep 5"),
        ("./t\ndmesg", "dmesg"),
    ],
)
def test_what_never_fails(command: str, end: str) -> None:
    found = commands.never_fails(command)
    assert found is not None and found.what == f"ends with `{end}`" and found.instead


def test_what_no_program_could_be_handed() -> None:
    with pytest.raises(Wrong) as caught:
        commands.command("echo " + "ä" * (64 << 10))
    assert "longer than 131071 bytes" in caught.value.what


@pytest.mark.parametrize("end, wrong", [("\\", True), ("\\\\", False), ("\\\\\\", True)])
def test_a_line_that_goes_on_into_nothing(end: str, wrong: bool) -> None:
    if not wrong:
        assert commands.command("./t -a " + end) == "./t -a " + end
        return
    with pytest.raises(Wrong) as caught:
        commands.command("./t -a " + end)
    assert "ends with a \\" in caught.value.what


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
        "./t | grep -q done",
        "./t || { cat log; exit 1; }",
        "./prepare; cat /proc/t",
        "./t | tail -n 1 | grep -q PASS",
        "sleep 5; ./t",
        "headache || ./t",
    ],
)
def test_what_may_fail(command: str) -> None:
    assert commands.never_fails(command) is None
