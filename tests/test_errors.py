"""What a user is told when the system itself refuses something."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from pathlib import Path

import pytest

from xentest import durable, errors


def refuse(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def test_a_full_disk_is_named_with_the_file_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def full(_: int) -> None:
        raise refuse(errno.ENOSPC)

    def main(_: object) -> int:
        durable.write_text(tmp_path / "state.json", "{}")
        return 0

    monkeypatch.setattr(os, "fsync", full)
    assert errors.guarded_main("xenbuild", main, []) == 3
    said = capfd.readouterr().err
    assert said.startswith(
        f"xenbuild: the system said: No space left on device: {tmp_path}/state.json\n"
    )
    assert "make room" in said
    assert list(tmp_path.iterdir()) == []  # nothing half-written stays


@pytest.mark.parametrize("name", ["folder", "absent/file"])
def test_what_cannot_be_written_is_named_as_its_user_knows_it(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError) as caught:
        durable.write_text(tmp_path / name, "x")
    assert str(errors.of_system(caught.value)).partition("\n")[0].endswith(f": {tmp_path / name}")
    assert os.listdir(tmp_path) == ["folder"]


@pytest.mark.parametrize(
    "number, advice",
    [
        (errno.EROFS, "read-only"),
        (errno.EMFILE, "ulimit -n"),
        (errno.EACCES, "as root"),
        (errno.ENOENT, "called in"),
    ],
)
def test_advice(number: int, advice: str) -> None:
    assert advice in str(errors.of_system(refuse(number)))


def test_what_has_no_advice_is_told_all_the_same() -> None:
    assert str(errors.of_system(refuse(errno.EIO))) == "the system said: Input/output error"
    assert str(errors.of_system(OSError("odd"))) == "the system said: odd"


def test_how_children_end_is_known_whoever_called() -> None:
    """Where a caller ignores SIGCHLD, and its commands inherit that, each child looks well."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        assert errors.guarded_main("xenbuild", lambda _: subprocess.call(["false"]), []) == 1
    finally:
        signal.signal(signal.SIGCHLD, before)
