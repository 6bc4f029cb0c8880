"""Archives of strangers: good ones come whole, hostile ones leave nothing."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import stat
import subprocess
import tarfile
from pathlib import Path
from typing import Any, Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from small_disk import small_disk
from xentest.errors import BrokenError
from xentest.unpack import single_top, unpack

LINKS = {"sym": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE}


def entry(name: str, content: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    member.mtime = 1_000_000_000
    for field, value in fields.items():
        setattr(member, field, value)
    return member, content


def link(name: str, target: str, kind: str = "sym") -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=LINKS[kind], linkname=target)


def folder(name: str) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=tarfile.DIRTYPE, mode=0o755)


def tar(*entries: tuple[tarfile.TarInfo, bytes], layout: int = tarfile.GNU_FORMAT) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=layout) as archive:
        for member, content in entries:
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def zstd(content: bytes) -> bytes:
    return subprocess.run(["zstd", "-cq"], input=content, stdout=-1, check=True).stdout


GOOD = tar(
    folder("top"),
    entry("top/run", b"#!/bin/sh\n", mode=0o755),
    entry("top/deep/er/text", b"hello", mode=0o644),
    link("top/also", "run"),
    link("top/same", "top/run", "hard"),
)
COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd,
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where to unpack, beside things that nobody may touch."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/sentinel").write_text("untouched")
    (tmp_path / "in").mkdir()
    return tmp_path / "in/new"


def snapshot(place: Path) -> list[tuple[str, int, str]]:
    """Everything round about: names, modes, contents."""
    found = []
    for path in sorted(place.parent.parent.rglob("*")):
        mode = os.lstat(path).st_mode
        found.append((str(path), mode, path.read_text("latin-1") if stat.S_ISREG(mode) else ""))
    return found


def refused(place: Path, content: bytes, **limits: Any) -> str:
    archive = place.parent.parent / "bad.tar"
    archive.write_bytes(content)
    before = snapshot(place)
    with pytest.raises(BrokenError) as caught:
        unpack(archive, place, **limits)
    assert snapshot(place) == before
    assert "bad.tar" in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", COMPRESSORS)
def test_good_archives_come_whole(place: Path, name: str) -> None:
    archive = place.parent / "misnamed.zip"
    archive.write_bytes(COMPRESSORS[name](GOOD))
    top = single_top(unpack(archive, place))
    assert top == place / "top"
    assert (top / "deep/er/text").read_text() == "hello"
    assert os.access(top / "run", os.X_OK) and (top / "also").readlink() == Path("run")
    assert (top / "same").stat().st_ino == (top / "run").stat().st_ino
    assert (top / "run").stat().st_mtime == 1_000_000_000
    assert sorted(place.parent.iterdir()) == [archive, place]


def test_archives_of_the_true_tar_come_whole(place: Path) -> None:
    source = place.parent.parent / "outside"
    (source / "hole").write_bytes(b"")
    os.truncate(source / "hole", 1 << 20)
    archive = place.parent / "a.tar"
    subprocess.run(["tar", "-C", source, "-cSf", archive, "."], check=True)
    unpack(archive, place)
    assert (place / "hole").stat().st_size == 1 << 20
    assert (place / "sentinel").read_text() == "untouched"


def test_a_file_that_tar_was_told_of_twice(place: Path) -> None:
    source = place.parent.parent / "outside"
    os.link(source / "sentinel", source / "other")
    archive = place.parent / "a.tar"
    words = ["tar", "-C", source, "-cf", archive, ".", "./sentinel"]
    subprocess.run(words, check=True)
    unpack(archive, place)
    assert (place / "sentinel").read_text() == (place / "other").read_text() == "untouched"


@pytest.mark.parametrize("layout", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names(place: Path, layout: int) -> None:
    name = "/".join(["d" * 90] * 4) + "/\u00e9" + "n" * 200
    archive = place.parent / "a.tar"
    archive.write_bytes(tar(entry(name, b"x"), layout=layout))
    unpack(archive, place)
    assert (place / name).read_bytes() == b"x"


def sized(field: bytes) -> bytes:
    """An archive of one file whose header says its size in that way."""
    header = bytearray(tar(entry("a"))[:512])
    header[124:136], header[148:156] = field, b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + bytes(10240)


NEGATIVE = sized(b"\xff" * 10 + b"\xfe\x00")

HOSTILE = {
    "dotdot": (tar(entry("../outside/new", b"x")), "'..'"),
    "dotdot within": (tar(entry("a/../../outside/new", b"x")), "'..'"),
    "absolute": (tar(entry("/tmp/xentest-never", b"x")), "absolute"),
    "link out": (tar(link("a", "../outside")), "outside"),
    "link absolute": (tar(link("a", "/etc/passwd")), "absolute"),
    "link out later": (tar(folder("d"), link("d/up", ".."), link("b", "d/up/../..")), "outside"),
    "chain": (tar(link("a/b/c", "../.."), link("d", "a/b/c/../../outside")), "outside"),
    "link and write": (tar(link("a", "."), entry("a/x", b"x")), "through 'a'"),
    "link out and write": (tar(link("a", "../../outside"), entry("a/new", b"x")), "through"),
    "hard link out": (tar(link("a", "../../outside/sentinel", "hard")), "'..'"),
    "hard link absolute": (tar(link("a", "/etc/passwd", "hard")), "absolute"),
    "hard link through link": (
        tar(folder("d"), entry("d/f", b"x"), link("l", "d"), link("h", "l/f", "hard")),
        "no file",
    ),
    "hard link to nothing": (tar(link("a", "b", "hard")), "no file"),
    "hard link to itself": (tar(link("a", "a", "hard")), "no file"),
    "hard link to folder": (tar(folder("d"), link("a", "d", "hard")), "no file"),
    "negative size": (NEGATIVE, "-512 bytes"),
    "device": (tar(entry("a", type=tarfile.CHRTYPE, devmajor=1, devminor=3)), "device"),
    "block device": (tar(entry("a", type=tarfile.BLKTYPE)), "device"),
    "fifo": (tar(entry("a", type=tarfile.FIFOTYPE)), "FIFO"),
    "folder becomes link": (tar(folder("d"), link("d", "../../outside")), "replace a folder"),
    "file becomes folder": (tar(entry("d", b"x"), entry("d/f", b"x")), "through 'd'"),
    "root becomes link": (tar(link(".", "../../outside")), "itself"),
    "deep": (tar(entry("d/" * 200 + "f", b"x")), "deep"),
    "garbage": (b"this is no archive, just words" * 100, "not a whole tar"),
    "empty": (b"", "not a whole tar"),
    "web page": (b"\n <!DOCTYPE HTML>" + b"<p>Log in</p>" * 100, "no tar archive but a web page"),
    "short page": (b"<html>no</html>", "but a web page"),
    "zip": (b"PK\3\4" + bytes(2000), "but a zip archive"),
    "packed twice": (gzip.compress(gzip.compress(GOOD)), "but packed by gzip twice"),
    "lzma": (lzma.compress(GOOD, format=lzma.FORMAT_ALONE), "but packed by lzma"),
    "zeros": (bytes(10240), "holds nothing"),
    "no end mark": (GOOD[: GOOD.rindex(b"hello") + 512], "end mark"),
    "damaged header": (GOOD.replace(b"top/same", b"top/sane"), "end mark"),
    "words after the end": (GOOD + b"words", "end mark"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives_leave_nothing(place: Path, name: str) -> None:
    content, reason = HOSTILE[name]
    assert reason in refused(place, content)
    assert not Path("/tmp/xentest-never").exists()


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz", "zstd"])
def test_cut_or_followed_by_garbage(place: Path, name: str) -> None:
    packed = COMPRESSORS[name](GOOD)
    refused(place, packed[:-3])
    refused(place, packed[: len(packed) // 2])
    assert "garbage" in refused(place, packed + b"garbage after the end") or name == "zstd"


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz"])
def test_several_members_and_padding_are_one_archive(place: Path, name: str) -> None:
    archive = place.parent / "a.tar"
    compress = COMPRESSORS[name]
    archive.write_bytes(compress(GOOD[:1000]) + compress(GOOD[1000:]) + bytes(512))
    assert (unpack(archive, place) / "top/deep/er/text").read_text() == "hello"


def test_zstd_may_begin_with_a_frame_to_skip(place: Path) -> None:
    archive = place.parent / "a.tar.zst"
    archive.write_bytes(b"\x50\x2a\x4d\x18\x04\0\0\0size" + zstd(GOOD))
    assert (unpack(archive, place) / "top/deep/er/text").read_text() == "hello"


@pytest.mark.parametrize("name", ["gzip", "bzip2", "xz", "zstd"])
def test_bombs_are_stopped_early(place: Path, name: str) -> None:
    bomb = COMPRESSORS[name](tar(entry("zeros", bytes(150 << 20))))
    assert "bomb" in refused(place, bomb)
    assert "bomb" in refused(place, bomb, max_ratio=1e9, max_bytes=10 << 20)


def test_a_full_disk_is_not_the_archives_fault(place: Path) -> None:
    archive = place.parent.parent / "a.tar"
    archive.write_bytes(tar(entry("a", b"x" * 300_000)))
    with small_disk(place.parent, "200k"), pytest.raises(BrokenError) as caught:
        unpack(archive, place)
    assert "member 'a': No space left on device" in str(caught.value)
    assert "make room" in caught.value.advice


def test_holes_are_no_way_around_the_limit(place: Path) -> None:
    source = place.parent.parent / "outside"
    os.truncate(source / "sentinel", 100 << 20)
    packed = subprocess.run(
        ["tar", "-C", source, "-cSf", "-", "sentinel"], check=True, capture_output=True
    ).stdout
    os.truncate(source / "sentinel", 9)
    assert "bomb" in refused(place, packed)


def test_too_many_files(place: Path) -> None:
    many = tar(*[entry(f"f{number}") for number in range(50)])
    assert "more than 40" in refused(place, many, max_files=40)
    deep = tar(*[entry(f"{number}/a/b/c/d/e/f/g/h/f") for number in range(10)])
    assert "more than 40" in refused(place, deep, max_files=40)
    archive = place.parent / "a.tar"
    archive.write_bytes(tar(*[folder(f"d{number}") for number in range(40)]))
    assert len(list(unpack(archive, place, max_files=40).iterdir())) == 40


def test_huge_header_does_not_fill_the_memory(place: Path) -> None:
    head, _ = entry("x", type=tarfile.XHDTYPE)
    head.size = 4 << 30
    assert "huge" in refused(place, head.tobuf(tarfile.USTAR_FORMAT) + bytes(4 << 20))


def test_claimed_size_beyond_the_limit(place: Path) -> None:
    head, _ = entry("x")
    head.size = 1 << 40
    assert "bomb" in refused(place, head.tobuf() + bytes(10240))


def test_privileges_are_dropped(place: Path) -> None:
    archive = place.parent / "a.tar"
    archive.write_bytes(tar(entry("f", b"x", mode=0o6777, uid=1234)))
    unpack(archive, place)
    facts = (place / "f").stat()
    assert stat.S_IMODE(facts.st_mode) == 0o755 and facts.st_uid == os.geteuid()


def test_later_file_replaces_earlier_without_reaching_its_links(place: Path) -> None:
    archive = place.parent / "a.tar"
    archive.write_bytes(tar(entry("f", b"old"), link("g", "f", "hard"), entry("f", b"new")))
    unpack(archive, place)
    assert ((place / "f").read_bytes(), (place / "g").read_bytes()) == (b"new", b"old")


def test_what_is_in_the_way_stays(place: Path) -> None:
    place.mkdir()
    (place / "mine").write_text("mine")
    archive = place.parent / "a.tar"
    archive.write_bytes(GOOD)
    with pytest.raises(BrokenError, match="in the way"):
        unpack(archive, place)
    assert [path.name for path in place.iterdir()] == ["mine"]


@settings(
    max_examples=300,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.data())
def test_mutated_archives_never_reach_out(place: Path, data: st.DataObject) -> None:
    content = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, 3000))] = data.draw(st.integers(0, 255))
    archive = place.parent / "m.tar"
    archive.write_bytes(content)
    before = snapshot(place)
    try:
        unpack(archive, place)
    except BrokenError:
        assert snapshot(place) == before
    else:
        subprocess.run(["rm", "-rf", place], check=True)
        assert snapshot(place) == before
