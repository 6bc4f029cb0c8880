"""What the lab's machine is handed."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path

import pytest

from xentest import control
from xentest.errors import BrokenError, UsageError
from xentest.lab import supplies
from xentest.progress import Progress

CONTROL = """\
[Preferences]
xen-tree=x
shared_dir=/srv/shared
[Locations]
x={address}
[t]
run_command=true
[XENVM0]
name={name}
tempdir=/var/tmp/x
test1=t
[XENVM1]
name=guest1
tempdir=/var/tmp/x
config=/etc/xen/guest1.cfg
test1=t
"""
INSIDE = f"file://{supplies.INSIDE}/{supplies.HYPERVISOR}"


@pytest.fixture(autouse=True)
def no_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """`make install` is seen in a test of its own."""
    monkeypatch.setattr(supplies, "make_install_tar", lambda target: target.write_bytes(b""))


def a_control(
    folder: Path, address: str = "file:///x.tar.gz", name: str = "dom0"
) -> control.Control:
    path = folder / "night.cfg"
    path.write_text(CONTROL.format(address=address, name=name))
    path.chmod(0o600)
    return control.load(path)


def prepare(
    folder: Path, wanted: control.Control, *files: Path, hypervisor: Path | None = None
) -> supplies.Supplies:
    return supplies.prepare(
        folder / "machine", wanted, hypervisor, files, folder / "cache", Progress()
    )


def test_a_tar_is_the_same_for_the_same_content(tmp_path: Path) -> None:
    for name, stamp in (("one", 1_000_000), ("two", 2_000_000)):
        (tmp_path / name / "sub").mkdir(parents=True)
        for path in ("b", "a", "sub/c"):
            (tmp_path / name / path).write_text(path)
            os.utime(tmp_path / name / path, (stamp, stamp))
        (tmp_path / name / "sub/c").chmod(0o755)
        os.symlink("a", tmp_path / name / "link")
    content = supplies.pack(tmp_path / "one", "top")
    assert content == supplies.pack(tmp_path / "two", "top")
    members = {member.name: member for member in tarfile.open(fileobj=io.BytesIO(content))}
    assert list(members) == ["top/a", "top/b", "top/link", "top/sub", "top/sub/c"]
    assert members["top/sub/c"].mode & 0o111 and members["top/link"].linkname == "a"
    assert {(member.uid, member.uname, member.mtime) for member in members.values()} == {
        (0, "root", 0)
    }
    (tmp_path / "two/a").write_text("A")
    assert content != supplies.pack(tmp_path / "two", "top")


def test_the_machine_is_handed_control_file_tests_and_name(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/mine.sh").write_text("true")
    (tmp_path / "extra.bin").write_bytes(b"more")
    wanted = a_control(tmp_path, name="bigbox")
    found = prepare(tmp_path, wanted, tmp_path / "extra.bin")
    assert sorted(os.listdir(found.folder)) == sorted(
        ["control.cfg", "night", "hostname", "tests.tar.gz", "extra.bin", "console.log"]
    )
    assert (found.folder / "control.cfg").read_text() == wanted.text
    assert (found.folder / "hostname").read_text() == "bigbox\n"
    assert (found.folder / "extra.bin").read_bytes() == b"more"
    assert found.console.read_bytes() == b""
    with tarfile.open(found.folder / supplies.TESTS) as archive:
        assert archive.getnames() == ["tests/mine.sh"]


def test_without_tests_of_its_own_it_gets_ours(tmp_path: Path) -> None:
    found = prepare(tmp_path, a_control(tmp_path))
    with tarfile.open(found.folder / supplies.TESTS) as archive:
        ours = [f"tests/{path.name}" for path in (supplies.SOURCE / "controls/tests").iterdir()]
        assert set(ours) <= set(archive.getnames()) and ours


def tarball_of(path: Path, members: dict[str, str]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, text in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return path


def interface(version: str) -> str:
    return f"/* */\n#define XEN_DOMCTL_INTERFACE_VERSION {version}\n"


def test_payloads_get_the_headers_of_a_hypervisor_with_another_interface(tmp_path: Path) -> None:
    (tmp_path / "system/xen").mkdir(parents=True)
    (tmp_path / "system/xen/domctl.h").write_text(interface("0x00000015"))
    brought = {
        "top/include/xen/domctl.h": interface("0x00000017"),
        "top/include/xen/hvm/save.h": "save",
        "top/include/xen/../../../out.h": "out",
        "top/boot/xen.gz": "image",
    }
    tarball = tarball_of(tmp_path / "xen.tgz", brought)
    found = supplies.headers_in(tarball, tmp_path / "a/include", tmp_path / "system")
    assert found == tmp_path / "a/include"
    kept = {str(path.relative_to(found)) for path in found.rglob("*.h")}
    assert kept == {"xen/domctl.h", "xen/hvm/save.h"}
    assert (found / "xen/hvm/save.h").read_text() == "save"
    assert supplies.headers_in(tarball, tmp_path / "b", found) is None
    for bad in ({}, {"top/boot/xen.gz": "image"}):
        tarball_of(tarball, bad)
        assert supplies.headers_in(tarball, tmp_path / "b", tmp_path / "system") is None
    tarball.write_bytes(b"no tar")
    assert supplies.headers_in(tarball, tmp_path / "b", tmp_path / "system") is None
    assert not (tmp_path / "b").exists()


def test_a_hypervisor_is_built_only_where_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = tmp_path / "built.tar.gz"
    built.write_bytes(b"built here")
    monkeypatch.setattr(supplies, "build_hypervisor", lambda cache, progress: built)
    first, second, third = tmp_path / "1", tmp_path / "2", tmp_path / "3"
    for folder in (first, second, third):
        folder.mkdir()
    assert not (prepare(first, a_control(first)).folder / supplies.HYPERVISOR).exists()
    found = prepare(second, a_control(second, INSIDE))
    assert (found.folder / supplies.HYPERVISOR).read_bytes() == b"built here"
    mine = third / "mine.tar.gz"
    mine.write_bytes(b"handed in")
    found = prepare(third, a_control(third, INSIDE), hypervisor=mine)
    assert (found.folder / supplies.HYPERVISOR).read_bytes() == b"handed in"


LAB_NAMES = ("control.cfg", "night", "hostname", "console.log", "xen.tar.gz", "tests.tar.gz")


@pytest.mark.parametrize("name", LAB_NAMES)
def test_a_file_may_not_take_the_labs_own_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("forged")
    with pytest.raises(UsageError, match=f"hands in a {name}"):
        prepare(tmp_path, a_control(tmp_path), tmp_path / name)


def test_a_file_that_is_absent_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="absent: there is no such file"):
        prepare(tmp_path, a_control(tmp_path), tmp_path / "absent")


def test_the_night_notes_how_xenbuild_ended(tmp_path: Path) -> None:
    """Run for real, its absolute names moved: a refused control file must be seen outside."""
    import subprocess

    for name in ("xentest/in", "xentest/results", "var/lib/xenlab", "bin"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "bin/xenbuild").write_text('#!/bin/sh\n[ -e "$1" ] && exit 2\n')
    (tmp_path / "bin/xenbuild").chmod(0o755)
    (tmp_path / "xentest/in/control.cfg").write_text("[Preferences]\n")
    script = supplies.NIGHT.replace("/xentest/", f"{tmp_path}/xentest/")
    script = script.replace("/var/lib", f"{tmp_path}/var/lib")
    path = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin"}
    subprocess.run(["sh", "-c", script], check=True, env=path, timeout=120)
    assert (tmp_path / "xentest/results/.xenbuild-status").read_text() == "2\n"
    assert (tmp_path / "var/lib/xenlab/control.cfg").stat().st_mode & 0o777 == 0o644


def tarball(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def test_the_hypervisor_is_taken_out_unpacked(tmp_path: Path) -> None:
    content = {"xen/README": b"no", "xen/boot/xen.gz": gzip.compress(b"\x7fELF")}
    made = tarball(tmp_path / "x.tar.gz", content)
    supplies.hypervisor_in(made, tmp_path / "xen")
    assert (tmp_path / "xen").read_bytes() == b"\x7fELF"
    with pytest.raises(BrokenError, match="holds no boot/xen.gz"):
        supplies.hypervisor_in(tarball(tmp_path / "y.tar.gz", {"a": b""}), tmp_path / "xen2")


def test_xentest_is_installed_from_its_source_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    target = tmp_path / "install.tar"
    supplies.make_install_tar(target)
    with tarfile.open(target) as archive:
        names = archive.getnames()
        installed = archive.extractfile("etc/init.d/xentest")
        assert installed is not None
        script = installed.read().decode()
    for name in ("usr/local/sbin/xenbuild", "usr/local/lib/xentest/xentest/boot.py"):
        assert name in names
    assert "@LIBRARY@" not in script and "library=/usr/local/lib/xentest\n" in script
    assert target.stat().st_size % 512 == 0 and os.listdir(tmp_path) == [target.name]
    brought = {"REVISION": b"{}", "dist/install/usr/local/sbin/xl": b"xl"}
    supplies.make_install_tar(target, tarball(tmp_path / "xen.tar.gz", brought))
    with tarfile.open(target) as archive:
        assert set(archive.getnames()) - set(names) == {"usr/local/sbin/xl"}
    assert sorted(os.listdir(tmp_path)) == [target.name, "xen.tar.gz"]
    monkeypatch.setattr(supplies, "SOURCE", tmp_path)
    with pytest.raises(BrokenError, match="no source tree of xentest"):
        supplies.make_install_tar(target)
