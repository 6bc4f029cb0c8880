"""A tree's own toolstack that was built beforehand: packed, and brought into a machine."""

from __future__ import annotations

import io
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tree_box import build, make_location
from xentest import owntools, prebuilt, tree
from xentest.control import Location
from xentest.errors import BrokenError
from xentest.progress import Progress
from xentest.unpack import single_top, unpack

MAKEFILE = """\
build-tools:
\ttouch tools-built
install-tools: tools-built
\tmkdir -p $(DESTDIR)/usr/local/sbin $(DESTDIR)/usr/local/lib $(DESTDIR)/usr/local/include
\tmkdir -p $(DESTDIR)/etc/xen/scripts $(DESTDIR)/var/lib/xen/dump $(DESTDIR)/boot
\tcp /bin/true $(DESTDIR)/usr/local/sbin/xl && chmod 755 $(DESTDIR)/usr/local/sbin/xl
\techo lib > $(DESTDIR)/usr/local/lib/libxl.so.4.17
\tln -s libxl.so.4.17 $(DESTDIR)/usr/local/lib/libxl.so
\tln -s /usr/local/sbin/xl $(DESTDIR)/usr/local/lib/xl
\ttouch $(DESTDIR)/usr/local/lib/libxl.a $(DESTDIR)/usr/local/include/libxl.h
\techo theirs > $(DESTDIR)/etc/xen/xl.conf && echo theirs > $(DESTDIR)/etc/xen/scripts/block
"""
INSTALLED = {
    "etc/xen/scripts/block",
    "etc/xen/xl.conf",
    "usr/local/lib/libxl.so",
    "usr/local/lib/libxl.so.4.17",
    "usr/local/lib/xl",
    "usr/local/sbin/xl",
}


@pytest.fixture
def brought(tmp_path: Path, source: Path) -> Path:
    """The unpacked tarball of a tree whose tools were asked for."""
    (source / "configure").write_text("#!/bin/sh\n")
    (source / "configure").chmod(0o755)
    (source / "Makefile").write_text(MAKEFILE)
    wanted = replace(make_location(tmp_path, source), tools=True)
    tarball = prebuilt.make_tarball(wanted, tmp_path / "cache", 1, Progress(io.StringIO()))
    without = replace(wanted, tools=False)
    assert prebuilt.make_tarball(without, tmp_path / "cache", 1, Progress(io.StringIO())) != tarball
    return single_top(unpack(tarball, tmp_path / "unpacked"))


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}


def test_what_a_machine_needs_of_them_comes_with_the_hypervisor(brought: Path) -> None:
    stage = brought / owntools.STAGE
    assert files_in(stage) == INSTALLED
    assert (stage / "var/lib/xen/dump").is_dir()
    program = stage / "usr/local/sbin/xl"
    assert os.access(program, os.X_OK) and program.read_bytes()[:4] == b"\x7fELF"
    assert tree.wants_tools(Location("x", "/x", build_command=""), brought)
    assert not tree.wants_tools(Location("x", "/x", build_command="", tools=False), brought)
    assert not tree.wants_tools(Location("x", "/x"), brought)
    assert build(Location("x", "/x", build_command=""), brought).version == "4.17.5"


def test_they_take_their_places_and_leave_the_machines_settings(
    brought: Path, tmp_path: Path
) -> None:
    root, log = tmp_path / "root", tmp_path / "log"
    for name in ("etc/xen/scripts/block", "usr/local/sbin/xl"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("ours\n")
    (root / "etc/xen/xl.conf").symlink_to("ours")  # and that is not there
    with open(root / "usr/local/sbin/xl") as running:
        tree.install_tools(Location("x", "/x", build_command=""), brought, log, root)
        assert running.read() == "ours\n"
    assert files_in(root) - {"etc/ld.so.cache"} == INSTALLED
    assert os.readlink(root / "etc/xen/xl.conf") == "ours"
    assert (root / "etc/xen/scripts/block").read_text() == "theirs\n"
    assert os.access(root / "usr/local/sbin/xl", os.X_OK)
    assert os.readlink(root / "usr/local/lib/libxl.so") == "libxl.so.4.17"
    assert os.readlink(root / "usr/local/lib/xl") == "../sbin/xl"
    told = log.read_text().splitlines()
    assert f"kept {root}/etc/xen/xl.conf" in told and len(told) == len(INSTALLED)
    assert f"installed {root}/usr/local/sbin/xl" in told


def test_a_file_in_the_place_of_a_folder_is_told(brought: Path, tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root/usr").write_text("in the way")
    with pytest.raises(OSError, match="usr"):
        owntools.install(brought, tmp_path / "root", tmp_path / "log")


@pytest.mark.parametrize("lacking", ["dist", "dist/install/usr/local/sbin/xl"])
def test_tools_that_are_not_brought_are_told(brought: Path, tmp_path: Path, lacking: str) -> None:
    gone = brought / lacking
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    wanted = Location("x", "/x", build_command="", tools=True)
    assert tree.wants_tools(wanted, brought)
    with pytest.raises(BrokenError, match="it brings none"):
        tree.install_tools(wanted, brought, tmp_path / "log", tmp_path / "root")
    assert not (tmp_path / "root").exists()
