"""The lab's disk images: what is believed of the cache, and what is not."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from xentest.lab import image
from xentest.progress import Progress

MIB = 1 << 20


def write_sparse(path: Path, size: int, parts: dict[int, bytes]) -> Path:
    with path.open("wb") as stream:
        stream.truncate(size)
        for offset, content in parts.items():
            stream.seek(offset)
            stream.write(content)
    return path


@pytest.mark.parametrize("size", [20 * MIB, 20 * MIB + 512])
def test_holes_and_zeros_have_one_digest(tmp_path: Path, size: int) -> None:
    parts = {5 * MIB + 17: b"hello", 9 * MIB - 2: b"across"}
    sparse = write_sparse(tmp_path / "sparse", size, parts)
    full = tmp_path / "full"
    full.write_bytes(sparse.read_bytes())
    assert full.stat().st_size == sparse.stat().st_size
    assert image.digest_of(sparse) == image.digest_of(full)
    # Zeros that are stored in between and at the end do not count either.
    with sparse.open("r+b") as stream:
        for offset in (0, 6 * MIB + 4096, size - 1):
            stream.seek(offset)
            stream.write(b"\0")
    assert image.digest_of(sparse) == image.digest_of(full)


@pytest.mark.parametrize(
    "size, parts",
    [
        (4 * MIB, {MIB: b"xy", 3 * MIB: b"q"}),
        (4 * MIB, {MIB + 1: b"x", 3 * MIB: b"q"}),
        (4 * MIB, {2 * MIB: b"x", 3 * MIB: b"q"}),
        (4 * MIB, {MIB: b"x", 3 * MIB: b"q", 4 * MIB - 1: b"z"}),
        (4 * MIB, {MIB: b"x"}),
        (4 * MIB + 1, {MIB: b"x", 3 * MIB: b"q"}),
        (4 * MIB, {MIB: b"q", 3 * MIB: b"x"}),
    ],
)
def test_every_change_changes_the_digest(
    tmp_path: Path, size: int, parts: dict[int, bytes]
) -> None:
    basis = write_sparse(tmp_path / "a", 4 * MIB, {MIB: b"x", 3 * MIB: b"q"})
    assert image.digest_of(write_sparse(tmp_path / "b", size, parts)) != image.digest_of(basis)


def test_the_last_short_block_counts(tmp_path: Path) -> None:
    one = write_sparse(tmp_path / "a", MIB + 3, {MIB + 2: b"x"})
    two = write_sparse(tmp_path / "b", MIB + 3, {MIB + 2: b"y"})
    assert image.digest_of(one) != image.digest_of(two)
    assert image.digest_of(write_sparse(tmp_path / "c", 0, {}))


def fill(folder: Path) -> image.Image:
    folder.mkdir()
    for number, name in enumerate(image.PARTS):
        write_sparse(folder / name, 2 * MIB, {MIB: bytes([number + 1])})
    manifest = {name: image.digest_of(folder / name) for name in image.PARTS}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return image.Image(folder)


def test_a_whole_image_is_believed(tmp_path: Path) -> None:
    assert image.fault_of(fill(tmp_path / "i")) == ""


@pytest.mark.parametrize("name", image.PARTS)
def test_a_part_that_changed_is_named(tmp_path: Path, name: str) -> None:
    found = fill(tmp_path / "i")
    with (found.folder / name).open("r+b") as stream:
        stream.seek(MIB + 5)
        stream.write(b"!")
    assert image.fault_of(found) == f"{name} is not what was written"
    os.truncate(found.folder / name, MIB)
    assert image.fault_of(found) == f"{name} is not what was written"
    os.unlink(found.folder / name)
    assert name in image.fault_of(found)


@pytest.mark.parametrize("manifest", [None, "", "{", "[]", "3", "{}", '{"disk.raw": 1}', "\udcff"])
def test_an_image_without_a_manifest_is_not_believed(tmp_path: Path, manifest: Any) -> None:
    found = fill(tmp_path / "i")
    (found.folder / "manifest.json").unlink()
    if manifest is not None:
        (found.folder / "manifest.json").write_text(manifest, errors="surrogateescape")
    assert image.fault_of(found) != ""


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The images that were made, by a stand-in for packages and mkfs."""
    folders: list[Path] = []

    def make(wanted: image.Image, progress: Progress) -> None:
        wanted.folder.rmdir()
        fill(wanted.folder)
        folders.append(wanted.folder)

    monkeypatch.setattr(image, "_make", make)
    monkeypatch.setattr(image, "_candidate_versions", lambda packages: "xen 4.17")
    return folders


def test_an_image_is_made_once(tmp_path: Path, made: list[Path]) -> None:
    first = image.ensure(tmp_path / "cache", Progress())
    assert image.ensure(tmp_path / "cache", Progress()) == first and len(made) == 1
    assert os.listdir(tmp_path / "cache") == [first.folder.name]


def test_a_damaged_image_is_made_anew(tmp_path: Path, made: list[Path]) -> None:
    first = image.ensure(tmp_path, Progress())
    first.kernel.write_bytes(b"spoiled")
    assert image.ensure(tmp_path, Progress()) == first
    assert len(made) == 2 and image.fault_of(first) == ""


def test_newer_packages_give_another_image(
    tmp_path: Path, made: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = image.ensure(tmp_path, Progress())
    monkeypatch.setattr(image, "_candidate_versions", lambda packages: "xen 4.18")
    assert image.ensure(tmp_path, Progress()) != first and len(made) == 2


def test_an_image_that_cannot_be_made_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(wanted: image.Image, progress: Progress) -> None:
        (wanted.folder / "disk.raw").write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(image, "_make", fail)
    monkeypatch.setattr(image, "_candidate_versions", lambda packages: "")
    with pytest.raises(OSError):
        image.ensure(tmp_path, Progress())
    assert os.listdir(tmp_path) == []
