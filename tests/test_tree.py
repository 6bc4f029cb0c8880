"""Trees: patched, configured, built, installed; and the cache of prebuilt ones."""

from __future__ import annotations

import fcntl
import gzip
import io
import json
import os
import tarfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from small_disk import fill, small_disk
from test_buildid import ID, MULTIBOOT2, image
from tree_box import build
from xentest import prebuilt, tree
from xentest.control import Location
from xentest.errors import BrokenError, UsageError
from xentest.progress import Progress
from xentest.unpack import single_top, unpack

WRONG_SUM = gzip.compress(image().replace(MULTIBOOT2[8:], b"\x19" + MULTIBOOT2[9:]))
PATCH = """\
--- a/xen/file
+++ b/xen/file
@@ -1 +1 @@
-old
+new
"""
BINARY = b"""\
diff --git a/xen/image b/xen/image
index 1111111..2222222 100644
Binary files a/xen/image and b/xen/image differ
"""


def test_from_address_to_boot_folder(tmp_path: Path, location: Location) -> None:
    (tmp_path / "a.patch").write_text(PATCH)
    wanted = replace(
        location, patches=(f"{tmp_path}/a.patch",), config=("CONFIG_DEBUG=y", "CONFIG_UBSAN=n")
    )
    top = tree.prepare(wanted, tmp_path / "work/tree")
    assert (top / "xen/file").read_text() == "new\n"
    assert "CONFIG_DEBUG=y" in (top / "xen/.config").read_text().splitlines()
    built = build(wanted, top)
    assert built.build_id == ID.hex() and built.version == "4.17.5" and built.compiler == "gcc 12"
    assert built.revision.startswith("sha256:") and "+patches:" in built.revision
    (tmp_path / "boot").mkdir()
    installed = tree.install(built, tmp_path / "boot")
    assert gzip.decompress(installed.read_bytes()) == image()
    assert [path.name for path in (tmp_path / "boot").iterdir()] == ["xen-xentest.gz"]


def test_patch_that_does_not_apply_is_named(tmp_path: Path, location: Location) -> None:
    for number, text in enumerate((PATCH.replace("old", "else"), "no patch at all\n")):
        path = tmp_path / f"bad{number}.patch"
        path.write_text(text)
        with pytest.raises(BrokenError, match=f"bad{number}.patch does not apply: .*"):
            tree.prepare(replace(location, patches=(str(path),)), tmp_path / f"new{number}")


def test_patch_that_fits_only_roughly_is_refused(tmp_path: Path, source: Path) -> None:
    (source / "xen/file").write_text("1\n2\n3\nold\n5\n6\nseven\n")
    rough = PATCH[: PATCH.index("@@")] + "@@ -1,7 +1,7 @@\n 1\n 2\n 3\n-old\n+new\n 5\n 6\n 7\n"
    (tmp_path / "rough.patch").write_text(rough)
    with tarfile.open(tmp_path / "xen.tar", "w") as archive:
        archive.add(source, "xen-4.17")
    wanted = Location("x", f"{tmp_path}/xen.tar", patches=(f"{tmp_path}/rough.patch",))
    with pytest.raises(BrokenError, match="xen/file: Hunk #1 FAILED at 1"):
        tree.prepare(wanted, tmp_path / "new")


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "changes no file"),
        (b"--- /dev/null\n+++ b/xen/file\n4c\nx\n.\n", "changes no file"),
        (b"--- a/xen/file\n+++ b/xen/file\n1i\n!touch pwned\n.\n", "changes no file"),
        (PATCH.encode() + b"diff --git a/xen/x b/xen/x\n", "cut short"),
        (PATCH.encode() + b"--- a/xen/x\n+++ b/xen/x\n", "names 2 files and changes 1"),
        (PATCH.encode() + b"--- a/xen/x", "cut short"),
        (PATCH.encode()[:-1], "malformed"),
        (PATCH.encode() * 2, "does not apply"),
        (PATCH.encode()[:-8], r"\*\*\*\*"),
        (BINARY, "binary"),
        (PATCH.encode() + BINARY, "binary"),
    ],
)
def test_patch_that_would_be_passed_over(
    tmp_path: Path, location: Location, content: bytes, reason: str
) -> None:
    (tmp_path / "bad.patch").write_bytes(content)
    with pytest.raises(BrokenError, match=reason):
        tree.prepare(replace(location, patches=(f"{tmp_path}/bad.patch",)), tmp_path / "new")


def test_patch_beyond_all_use(
    tmp_path: Path, location: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "PATCH_LIMIT", 50)
    (tmp_path / "big.patch").write_text(PATCH)
    with pytest.raises(BrokenError, match="more than the allowed 50"):
        tree.prepare(replace(location, patches=(f"{tmp_path}/big.patch",)), tmp_path / "new")


def test_patch_in_a_letter(tmp_path: Path, location: Location) -> None:
    letter = f"From: a\nSubject: [PATCH] x\n\n--- \n xen/file | 2 +-\n\n{PATCH}-- \n2.39\n\n"
    (tmp_path / "letter.patch").write_text(letter)
    wanted = replace(location, patches=(f"{tmp_path}/letter.patch",))
    assert "new" in (tree.prepare(wanted, tmp_path / "tree") / "xen/file").read_text()


def test_patches_of_a_series_in_one_file(tmp_path: Path, location: Location) -> None:
    """As `git format-patch --stdout` and the servers of git give them."""
    made = "--- /dev/null\n+++ b/xen/more\n@@ -0,0 +1 @@\n+1\n"
    changed = "--- a/xen/more\n+++ b/xen/more\n@@ -1 +1,2 @@\n 1\n+2\n"
    again = PATCH.replace("new", "newer").replace("old", "new")
    passing = made.replace("more", "passing")
    gone = "--- a/xen/passing\n+++ /dev/null\n@@ -1 +0,0 @@\n-1\n"
    (tmp_path / "series.patch").write_text(PATCH + made + again + changed)
    (tmp_path / "other.patch").write_text(passing + gone)
    wanted = replace(location, patches=(f"{tmp_path}/series.patch", f"{tmp_path}/other.patch"))
    xen = tree.prepare(wanted, tmp_path / "tree") / "xen"
    assert not (xen / "passing").exists()
    assert (xen / "file").read_text() == "newer\n" and (xen / "more").read_text() == "1\n2\n"


def test_patch_cannot_reach_out(tmp_path: Path, location: Location) -> None:
    (tmp_path / "bad.patch").write_text(PATCH.replace("xen/file", "../victim"))
    (tmp_path / "victim").write_text("old\n")
    with pytest.raises(BrokenError):
        tree.prepare(replace(location, patches=(f"{tmp_path}/bad.patch",)), tmp_path / "new")
    assert (tmp_path / "victim").read_text() == "old\n"


@pytest.mark.parametrize(
    "line, reason",
    [
        ("CONFIG_DROPPED=y", "dropped it"),
        ("CONFIG_DEBUGG=y", "no such option"),
        ("CONFIG_DEBUGG=n", "no such option"),
        ("# CONFIG_DEBUGG is not set", "no such option"),
    ],
)
def test_kconfig_line_that_does_not_survive(source: Path, line: str, reason: str) -> None:
    with pytest.raises(BrokenError, match=reason) as caught:
        tree.configure(source, ["CONFIG_DEBUG=y", line])
    assert line in str(caught.value)


def test_what_is_no_source_of_xen_is_not_the_trees_fault(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    with pytest.raises(BrokenError, match="no source of Xen"):
        tree.configure(tmp_path / "tree", ["CONFIG_DEBUG=y"])
    with pytest.raises(BrokenError, match="no source of Xen"):
        build(Location("x", "/x"), tmp_path / "tree")


def test_kconfig_of_any_letters_and_its_complaint(source: Path) -> None:
    (source / "xen/.config").write_bytes(b"# \xff caf\xe9\n")
    tree.configure(source, ["CONFIG_DEBUG=y"])
    assert (source / "xen/.config").read_bytes().startswith(b"# \xff caf\xe9\n")
    (source / "xen/Makefile").write_text("olddefconfig:\n\t@echo flex: x; exit 1\n")
    with pytest.raises(BrokenError, match="in the tree: flex: x"):
        tree.configure(source, ["CONFIG_DEBUG=y"])


@pytest.mark.parametrize("line", ["DEBUG=y", "CONFIG_A=y\nCONFIG_B=y", "CONFIG_A=", "$(x)"])
def test_no_kconfig_line(source: Path, line: str) -> None:
    with pytest.raises(UsageError):
        tree.configure(source, [line])


@pytest.mark.parametrize(
    "breaking, reason",
    [
        ("echo 'a.c:3:1: error: boom'; false", "a.c:3:1: error: boom"),
        ("echo x; echo 'bison: not found'; echo 'a.c:1: error: b'; false", "a.c:1: error: b"),
        ("echo 'lsb_release: not found'; echo 'ERROR: odd'; false", "ERROR: odd"),
        ("echo 'ld: x.o: undefined reference to y'; false", "undefined reference"),
        ("echo 'a.c:1: error: b'; echo ' 1 | f(No space left on device);'; false", "a.c:1: error"),
        ("echo 'configure: error: cannot find required auxiliary files: x'; false", "auxiliary"),
    ],
)
def test_failed_build_is_the_trees_fault(source: Path, breaking: str, reason: str) -> None:
    location = Location("x", "/x", build_command=f'make -C xen BREAK="{breaking}"')
    with pytest.raises(tree.BuildFailed) as caught:
        build(location, source)
    assert reason in caught.value.reason and caught.value.exit_status == 1
    assert caught.value.log and reason in caught.value.log.read_text()


@pytest.mark.parametrize(
    "breaking", ["xentest-no-such-tool", "echo 'x.s: No space left on device'; false"]
)
def test_failed_build_is_the_machines_fault(source: Path, breaking: str) -> None:
    location = Location("x", "/x", build_command=f'make -C xen BREAK="{breaking}"')
    with pytest.raises(BrokenError, match="this machine cannot build"):
        build(location, source)


def test_tools_are_configured_built_and_installed(source: Path) -> None:
    (source / "configure").write_text('#!/bin/sh\necho "$@" > configured\n')
    (source / "configure").chmod(0o755)
    (source / "Makefile").write_text(
        "build-tools: configured\n\ttouch tools-built\n"
        "install-tools: tools-built\n\ttouch tools-installed\n"
    )
    location = Location("x", "/x", tools=True)
    build(location, source)
    assert "--with-system-qemu" in (source / "configured").read_text()
    assert tree.wants_tools(location, source)
    tree.install_tools(location, source, source.parent / "install.log")
    assert (source / "tools-installed").exists()


def test_tools_that_cannot_be_installed_are_told(source: Path) -> None:
    with pytest.raises(tree.BuildFailed, match="install-tools"):
        tree.install_tools(Location("x", "/x"), source, source.parent / "install.log")


def test_build_that_hangs_is_ended(source: Path) -> None:
    location = Location("x", "/x", build_command="trap '' TERM; sleep 60 & sleep 60")
    begun = time.monotonic()
    with pytest.raises(tree.BuildFailed, match="did not end within 0.3 s"):
        build(location, source, timeout=0.3)
    assert time.monotonic() - begun < 50


@pytest.mark.parametrize("age", [-1000, 1000])
def test_build_that_makes_nothing_new_is_failed(source: Path, age: float) -> None:
    """Whatever the clock said where the tree was packed, or says here."""
    build(Location("x", "/x"), source)
    packed = time.time() + age
    for path in (source / "xen").glob("xen*"):
        os.utime(path, (packed, packed))
    assert build(Location("x", "/x", build_command=""), source).build_id == ID.hex()
    with pytest.raises(tree.BuildFailed, match="no hypervisor that this build made"):
        build(Location("x", "/x", build_command="true"), source)


def test_what_a_build_makes_counts_whatever_its_date(source: Path) -> None:
    command = "make -C xen && touch -d 2001-01-01 xen/xen xen/xen.gz"
    assert build(Location("x", "/x", build_command=command), source).build_id == ID.hex()


def test_outer_make_does_not_leak_in(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAKEFLAGS", "n -- FOREIGN=leaked")
    build(Location("x", "/x"), source)
    assert "leaked" not in (source.parent / "log").read_text()


def test_image_outside_or_of_no_use_is_not_taken(tmp_path: Path, source: Path) -> None:
    (tmp_path / "xen.gz").write_bytes(gzip.compress(image()))
    (source / "boot").mkdir()
    (source / "boot/xen.gz").symlink_to(tmp_path / "xen.gz")
    (source / "xen/xen.gz").write_bytes(gzip.compress(b"no hypervisor"))
    (source / "xen/xen").mkdir()
    with pytest.raises(tree.BuildFailed, match="looked for"):
        tree.find_built(source)


def test_several_images_are_not_guessed(source: Path) -> None:
    (source / "boot").mkdir()
    (source / "boot/xen-1.gz").write_bytes(gzip.compress(image()))
    (source / "boot/xen.gz").symlink_to("xen-1.gz")
    assert tree.find_built(source).hypervisor.name == "xen-1.gz"
    (source / "boot/xen-2.gz").write_bytes(gzip.compress(image()))
    with pytest.raises(tree.BuildFailed, match="which of these"):
        tree.find_built(source)


def test_install_refuses_what_cannot_boot(tmp_path: Path, source: Path) -> None:
    built = build(Location("x", "/x"), source)
    boot = tmp_path / "boot"
    boot.mkdir()
    packed = built.hypervisor.read_bytes()
    for bad in (packed[:-5], gzip.compress(b"words"), gzip.compress(image()[:-80]), WRONG_SUM, b""):
        built.hypervisor.write_bytes(bad)
        with pytest.raises(BrokenError):
            tree.install(built, boot)
        assert list(boot.iterdir()) == []
    built.hypervisor.write_bytes(packed)
    with pytest.raises(BrokenError, match="not 00ff"):
        tree.install(replace(built, build_id="00ff"), boot)


def test_what_keeps_it_from_being_installed_is_told(tmp_path: Path, source: Path) -> None:
    built = build(Location("x", "/x"), source)
    (tmp_path / "boot").mkdir()
    with small_disk(tmp_path / "boot", "20k"):
        fill(tmp_path / "boot")
        with pytest.raises(BrokenError, match="No space left on device\n.*make room"):
            tree.install(built, tmp_path / "boot")


def test_prebuilt_is_cached_and_verified(tmp_path: Path, location: Location) -> None:
    def make(wanted: Location = location) -> tuple[Path, str]:
        stream = io.StringIO()
        path = prebuilt.make_tarball(wanted, tmp_path / "cache", 1, Progress(stream))
        return path, stream.getvalue()

    tarball, said = make()
    content = tarball.read_bytes()
    assert "build the hypervisor" in said
    assert make()[1].count("was built before") == 1
    for position in (0, len(content) // 2, len(content) - 1):
        flipped = bytearray(content)
        flipped[position] ^= 1
        tarball.write_bytes(flipped)
        assert "is damaged" in make()[1]
        assert tarball.read_bytes() == content
    tarball.with_name(tarball.name + ".sha256").unlink()
    assert "is damaged" in make()[1]
    other, _ = make(replace(location, config=("CONFIG_DEBUG=y",)))
    assert other != tarball
    top = single_top(unpack(tarball, tmp_path / "unpacked"))
    assert top.name == "xen-prebuilt" and (top / "config").exists()
    assert (top / "include/xen/arch-x86/xen.h").read_text() == "words\n"
    built = build(Location("p", "/x", build_command=""), top)
    assert built == tree.Built(
        top / "boot/xen.gz",
        ID.hex(),
        "4.17.5",
        json.loads((top / "REVISION").read_text())["revision"],
        "gcc 12",
    )
    kept = {path.name for path in (tmp_path / "cache").iterdir() if path.is_dir()}
    assert kept == set()


def test_prebuilt_removes_what_a_killed_build_left(tmp_path: Path, location: Location) -> None:
    left = tmp_path / "cache/.build.abc"
    (left / "tree").mkdir(parents=True)
    prebuilt.make_tarball(location, tmp_path / "cache", 1, Progress(io.StringIO()))
    assert not left.exists()


def test_prebuilt_tells_whom_it_waits_for(tmp_path: Path, location: Location) -> None:
    stream = io.StringIO()
    cache = tmp_path / "cache"
    cache.mkdir()
    with open(cache / ".lock", "w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        words = (location, cache, 1, Progress(stream))
        second = threading.Thread(target=prebuilt.make_tarball, args=words)
        second.start()
        limit = time.monotonic() + 120
        while not (told := "waiting" in stream.getvalue()) and time.monotonic() < limit:
            time.sleep(0.005)
    second.join()
    assert told
