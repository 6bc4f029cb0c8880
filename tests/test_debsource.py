"""deb-src through a private apt: the sources derived, the newest that can be had taken."""

from __future__ import annotations

import hashlib
import http.server
import io
import subprocess
import threading
from pathlib import Path
from typing import Any, Iterator

import pytest

from web_server import nobody_listening
from xentest import debsource
from xentest.errors import BrokenError, UsageError
from xentest.progress import Progress


def test_one_line_sources() -> None:
    text = """\
# deb http://no stable main
deb http://a stable main # why
deb-src http://a stable main # why
  deb [arch=amd64 signed-by=/k.gpg] http://b stable main contrib
deb cdrom:[disc]/ stable main
deb [trusted=yes] cdrom:[disc]/ stable main
nonsense
"""
    assert debsource.lines_as_sources(text) == (
        "deb-src http://a stable main # why\n"
        "deb-src [arch=amd64 signed-by=/k.gpg] http://b stable main contrib\n"
    )


def test_deb822_sources() -> None:
    text = """\
Types: deb
# a comment
URIs: http://a
Suites: stable
 stable-updates
Components: main
Signed-By:
 -----BEGIN
 .
 key

types: deb deb-src
uris: http://b
Enabled: no

Description: not an archive
"""
    derived = debsource.stanzas_as_sources(text)
    assert "Types: deb-src\nURIs: http://a\nSuites: stable\n stable-updates\n" in derived
    assert "Signed-By: \n -----BEGIN\n .\n key\n" in derived
    assert "types: deb-src\nuris: http://b\nEnabled: no\n" in derived
    assert "Description" not in derived


@pytest.mark.parametrize("name", ["", "-o", "../x", "Xen", "a b", "a=1", "a/b"])
def test_names_that_apt_must_not_see(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        debsource.fetch(name, tmp_path / "new", timeout=60)


class Archive:
    """A Debian archive in a folder, with source packages of one file each."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self.stanzas = ""
        folder.mkdir()

    def add(self, version: str) -> None:
        work = self.folder / f"work-{version}/hello-{version}"
        (work / "debian/source").mkdir(parents=True)
        (work / "content").write_text(version)
        (work / "debian/source/format").write_text("3.0 (native)\n")
        (work / "debian/control").write_text(
            "Source: hello\nMaintainer: A <a@b.c>\n\nPackage: hello\nArchitecture: all\n"
            "Description: x\n"
        )
        (work / "debian/changelog").write_text(
            f"hello ({version}) stable; urgency=low\n\n  * x\n\n"
            " -- A <a@b.c>  Mon, 01 Jan 2024 00:00:00 +0000\n"
        )
        subprocess.run(
            ["dpkg-source", "-b", work.name], cwd=work.parent, check=True, capture_output=True
        )
        for path in work.parent.glob("hello_*"):
            path.rename(self.folder / path.name)
        text = (self.folder / f"hello_{version}.dsc").read_text()
        lines = [line for line in text.splitlines() if not line.startswith(("Source:", "Format:"))]
        description = (self.folder / f"hello_{version}.dsc").read_bytes()
        sums = f" {hashlib.sha256(description).hexdigest()} {len(description)} hello_{version}.dsc"
        at = lines.index("Checksums-Sha256:")
        lines.insert(at + 1, sums)
        kept = [line for line in lines if line.strip()]
        self.stanzas += "\n".join(["Package: hello", "Directory: .", *kept]) + "\n\n"

    def lose(self, version: str) -> None:
        (self.folder / f"hello_{version}.tar.xz").unlink()

    def apt(self) -> Path:
        """An /etc/apt that names this archive as one of binary packages."""
        (self.folder / "Sources").write_text(self.stanzas)
        apt = self.folder / "apt"
        (apt / "sources.list.d").mkdir(parents=True)
        (apt / "sources.list").write_text(f"deb [trusted=yes] {self.url} ./\n")
        return apt


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *words: Any) -> None:
            super().__init__(*words, directory=str(tmp_path / "archive"))

        def log_message(self, format: str, *words: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Archive(tmp_path / "archive", f"http://127.0.0.1:{server.server_port}")
        server.shutdown()


def test_newest_that_can_be_had(tmp_path: Path, archive: Archive) -> None:
    for version in ("1.9", "1.10", "1.11"):
        archive.add(version)
    archive.lose("1.11")
    apt = archive.apt()
    (apt / "sources.list.d/dead.list").write_text("deb http://127.0.0.2:9/dead stable main\n")
    stream = io.StringIO()
    package = debsource.fetch(
        "hello", tmp_path / "new", timeout=120, apt=apt, progress=Progress(stream)
    )
    assert package.version == "1.10" and (tmp_path / "new/content").read_text() == "1.10"
    description = (archive.folder / "hello_1.10.dsc").read_bytes()
    assert package.digest == hashlib.sha256(description).hexdigest()
    assert "hello 1.11 is listed, but its files are gone" in stream.getvalue()


def test_changed_files_are_refused(tmp_path: Path, archive: Archive) -> None:
    archive.add("1.0")
    packed = archive.folder / "hello_1.0.tar.xz"
    packed.write_bytes(packed.read_bytes()[:-1] + b"x")
    with pytest.raises(BrokenError, match="apt cannot fetch hello 1.0"):
        debsource.fetch("hello", tmp_path / "new", timeout=120, apt=archive.apt())
    assert not (tmp_path / "new").exists()


def test_nothing_to_be_had(tmp_path: Path, archive: Archive) -> None:
    archive.add("1.0")
    archive.lose("1.0")
    apt = archive.apt()
    with pytest.raises(BrokenError, match="no files of the source package hello"):
        debsource.fetch("hello", tmp_path / "new", timeout=120, apt=apt)
    with pytest.raises(BrokenError, match="knows no source package other"):
        debsource.fetch("other", tmp_path / "new", timeout=120, apt=apt)
    with pytest.raises(BrokenError, match="names no archive"):
        debsource.fetch("hello", tmp_path / "new", timeout=120, apt=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


def test_a_server_that_is_not_reached_is_told(tmp_path: Path) -> None:
    (tmp_path / "apt").mkdir()
    with nobody_listening() as place:
        (tmp_path / "apt/sources.list").write_text(f"deb http://{place}/debian bookworm main\n")
        with pytest.raises(BrokenError) as caught:
            debsource.fetch("xen", tmp_path / "new", timeout=300, apt=tmp_path / "apt")
    assert f"Failed to fetch http://{place}/debian" in str(caught.value)
    assert "connect" in str(caught.value)
