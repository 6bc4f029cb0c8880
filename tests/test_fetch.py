"""Downloads from servers that are well, ill and hostile; git repositories."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import socket
import struct
import subprocess
import tarfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

import pytest
from web_server import HEAD, Behaviour, nobody_listening, redirect, serving

from xentest import fetch
from xentest.errors import BrokenError, UsageError
from xentest.progress import Progress

BODY = os.urandom(300_000)
DIGEST = hashlib.sha256(BODY).hexdigest()


def whole(link: socket.socket) -> None:
    link.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY)


def cut(link: socket.socket) -> None:
    link.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY[:-1])


def chunked(link: socket.socket, end: bytes = b"0\r\n\r\n") -> None:
    link.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    link.sendall(b"%x\r\n" % len(BODY) + BODY + b"\r\n" + end)


def chunked_cut(link: socket.socket) -> None:
    chunked(link, end=b"")


def chunk_cut(link: socket.socket) -> None:
    link.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\nffff\r\nonly this")


def reset(link: socket.socket) -> None:
    link.sendall(HEAD + b"Content-Length: 99999\r\n\r\n" + b"x" * 1000)
    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def hung_up(link: socket.socket) -> None:
    pass


def words(link: socket.socket) -> None:
    link.sendall(b"hello, I speak no HTTP\r\n\r\n")


def unavailable(link: socket.socket) -> None:
    link.sendall(b"HTTP/1.1 503 Later\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def missing(link: socket.socket) -> None:
    link.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def drip(head: bytes) -> Behaviour:
    def send(link: socket.socket) -> None:
        link.sendall(head)
        limit = time.monotonic() + 300
        while time.monotonic() < limit:
            link.sendall(b"x")
            time.sleep(0.05)

    return send


def silent(link: socket.socket) -> None:
    link.settimeout(300)
    while link.recv(1000):
        pass


def endless(link: socket.socket) -> None:
    link.sendall(HEAD + b"\r\n")
    while True:
        link.sendall(BODY)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "PAUSE", 0.01)


def refused(address: str, folder: Path, **settings: object) -> str:
    with pytest.raises(BrokenError) as caught:
        fetch.download(address, folder, **settings)  # type: ignore[arg-type]
    assert list(folder.iterdir()) == []
    return str(caught.value)


@pytest.mark.parametrize("behaviour", [whole, chunked])
def test_good(tmp_path: Path, behaviour: Behaviour) -> None:
    with serving(behaviour) as server:
        path = fetch.download(server.url, tmp_path, sha256=DIGEST.upper())
    assert path == tmp_path / "file.tgz" and path.read_bytes() == BODY
    assert list(tmp_path.iterdir()) == [path]


NETWORK_FAULTS = {
    "cut": (cut, f"cut short: {len(BODY) - 1} of {len(BODY)}"),
    "chunked cut": (chunked_cut, "cut short"),
    "chunk cut": (chunk_cut, "cut short"),
    "reset": (reset, "broke"),
    "hung up": (hung_up, "closed connection"),
    "words": (words, "not an HTTP answer"),
    "unavailable": (unavailable, "503 Later"),
}


@pytest.mark.parametrize("name", NETWORK_FAULTS)
def test_network_faults_are_tried_again_then_told(tmp_path: Path, name: str) -> None:
    behaviour, reason = NETWORK_FAULTS[name]
    with serving(behaviour) as server:
        said = refused(server.url, tmp_path)
        assert server.asked == 3
    assert reason in said and "Tried 3 times" in said
    with serving(behaviour, whole) as server:
        assert fetch.download(server.url, tmp_path).read_bytes() == BODY


def test_no_server(tmp_path: Path) -> None:
    with nobody_listening() as place:
        assert "refused" in refused(f"http://{place}/f", tmp_path)


@pytest.mark.parametrize("name", ["wrong digest", "missing", "file", "ftp", "too long"])
def test_final_faults_are_not_tried_again(tmp_path: Path, name: str) -> None:
    behaviour, settings, reason = {
        "wrong digest": (whole, {"sha256": "0" * 64}, DIGEST),
        "missing": (missing, {}, "404"),
        "file": (redirect("file:///etc/passwd"), {}, "is not allowed"),
        "ftp": (redirect("ftp://127.0.0.1/x"), {}, "on from http to ftp"),
        "too long": (whole, {"limit": 1000}, "more than the allowed 1000"),
    }[name]
    with serving(behaviour) as server:
        assert reason in refused(server.url, tmp_path, **settings)
        assert server.asked == 1


def test_redirects_are_followed_but_not_for_ever(tmp_path: Path) -> None:
    with serving(redirect("/b/other.tgz"), whole) as server:
        assert fetch.download(server.url, tmp_path).name == "file.tgz"
    (tmp_path / "file.tgz").unlink()
    with serving(redirect("/a/file.tgz")) as server:
        assert "loop" in refused(server.url, tmp_path)


@pytest.mark.parametrize("head", [HEAD + b"\r\n", b"HTTP/1.1 200 OK\r\nX: ", b""])
def test_dripping_server_holds_nobody(tmp_path: Path, head: bytes) -> None:
    with serving(drip(head)) as server:
        said = refused(server.url, tmp_path, timeout=1.0, attempts=2)
        server.was_asked(2)
    assert "bytes came in" in said


def test_silent_server_holds_nobody(tmp_path: Path) -> None:
    with serving(silent) as server:
        refused(server.url, tmp_path, timeout=0.5, attempts=1)


def test_endless_body_stops_at_the_limit(tmp_path: Path) -> None:
    with serving(endless) as server:
        assert "allowed 5000000" in refused(server.url, tmp_path, limit=5_000_000)


def test_longer_than_the_disk(tmp_path: Path) -> None:
    def claim(link: socket.socket) -> None:
        link.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % (1 << 60))

    with serving(claim) as server:
        assert "the disk" in refused(server.url, tmp_path, limit=1 << 62)


@pytest.mark.parametrize("scheme", ["", "file://", "file://localhost"])
def test_local_files(tmp_path: Path, scheme: str) -> None:
    source = tmp_path / "a b"
    source.write_bytes(BODY)
    address = scheme + (str(source).replace(" ", "%20") if scheme else str(source))
    got = fetch.download(address, tmp_path / "new", sha256=DIGEST)
    assert got == tmp_path / "new/a b" and got.read_bytes() == BODY


@pytest.mark.parametrize(
    "name, reason",
    [
        ("fifo", "fifo is no file"),
        ("", " is no file"),
        ("absent", "absent: No such file or directory"),
        ("file/x", "file/x: Not a directory"),
        ("%00", "null byte"),
    ],
)
def test_local_fifo_and_folder_and_nothing(tmp_path: Path, name: str, reason: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").write_text("x")
    with pytest.raises(BrokenError) as caught:
        fetch.download(f"file://{tmp_path}/{name}", tmp_path / "new")
    said = str(caught.value)
    assert reason in said and "Name a file" in said and said.count(str(tmp_path)) == 1
    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.parametrize(
    "address", ["", "gopher://x/y", "relative/name", "http:///x", "http://[/x", "git+ext::sh/x"]
)
def test_wrong_addresses(tmp_path: Path, address: str) -> None:
    with pytest.raises(UsageError):
        fetch.download(address, tmp_path / "new")


def test_password_is_not_shown(tmp_path: Path) -> None:
    with serving(missing) as server:
        said = refused(server.url.replace("http://", "http://me:secret@"), tmp_path)
    assert "secret" not in said


FTP_REPLIES = {
    "USER": "331 go on",
    "PASS": "230 in",
    "TYPE": "200 binary",
    "SIZE": f"213 {len(BODY)}",
}


@contextmanager
def ftp_serving(body: bytes, last: str, size: bool = True) -> Iterator[str]:
    """An FTP server for one client: sends `body`, then says `last`."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                link, _ = listener.accept()
            except OSError:
                return
            data = socket.create_server(("127.0.0.1", 0))
            with link, data, link.makefile("rw", newline="\r\n") as lines:

                def say(line: str) -> None:
                    lines.write(line + "\n")
                    lines.flush()

                say("220 hello")
                for line in lines:
                    verb = line.split()[0].upper()
                    if verb in ("EPSV",):
                        say(f"229 ok (|||{data.getsockname()[1]}|)")
                    elif verb == "PASV":
                        high, low = divmod(data.getsockname()[1], 256)
                        say(f"227 ok (127,0,0,1,{high},{low})")
                    elif verb == "RETR" and "file" in line:
                        say("150 it comes")
                        with data.accept()[0] as way:
                            way.sendall(body)
                        say(last)
                    elif verb == "SIZE" and not size:
                        say("550 what?")
                    else:
                        say(FTP_REPLIES.get(verb, "550 no such file"))

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"ftp://127.0.0.1:{listener.getsockname()[1]}/pub/file.tgz"
    finally:
        listener.close()


def test_ftp(tmp_path: Path) -> None:
    with ftp_serving(BODY, "226 complete") as url:
        assert fetch.download(url, tmp_path, sha256=DIGEST).read_bytes() == BODY


def test_ftp_cut_and_missing(tmp_path: Path) -> None:
    with ftp_serving(BODY[:-1], "226 complete") as url:
        assert "cut short" in refused(url, tmp_path, attempts=1)
    with ftp_serving(BODY[:-1], "426 broken off", size=False) as url:
        assert "426" in refused(url, tmp_path, attempts=1)
    with ftp_serving(BODY, "226 complete") as url:
        assert "550" in refused(url.replace("file", "other"), tmp_path)


def test_archive_becomes_tree(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("xen-1/Makefile"), io.BytesIO())
    (tmp_path / "a.tgz").write_bytes(packed.getvalue())
    source = fetch.fetch_source(f"{tmp_path}/a.tgz", tmp_path / "new")
    assert source.tree == tmp_path / "new/xen-1" and (source.tree / "Makefile").exists()
    assert source.digest == "sha256:" + hashlib.sha256(packed.getvalue()).hexdigest()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tgz", "new"]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two commits on main, the first tagged v1; a branch side."""
    path = tmp_path / "repo"
    run = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(path)]
    subprocess.run(["git", "init", "-q", "-b", "main", path], check=True)
    for number in ("1", "2"):
        (path / "file").write_text(number)
        subprocess.run([*run, "add", "file"], check=True)
        subprocess.run([*run, "commit", "-qm", number], check=True)
        subprocess.run([*run, "tag", f"v{number}"], check=True)
    subprocess.run([*run, "branch", "side", "v1"], check=True)
    return path


def commit(repository: Path, name: str) -> str:
    command = ["git", "-C", repository, "rev-parse", name]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_git(tmp_path: Path, repository: Path) -> None:
    first = commit(repository, "v1")
    wanted = {"": "2", "#main": "2", "#side": "1", "#v1": "1", f"#{first}": "1"}
    wanted[f"#{first[:9]}"] = wanted[f"#{first[:9].upper()}"] = "1"
    for number, (reference, content) in enumerate(wanted.items()):
        target = tmp_path / f"new{number}"
        source = fetch.fetch_source(f"git+file://{repository}{reference}", target)
        assert source.tree == target and (target / "file").read_text() == content, reference
        assert source.revision == commit(repository, f"v{content}")


def test_a_git_that_names_no_commit(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "bin/git"
    other.parent.mkdir()
    other.write_text(
        f'#!/bin/sh\ncase "$*" in *rev-parse*) exit 0;; esac\nexec {shutil.which("git")} "$@"\n'
    )
    other.chmod(0o755)
    monkeypatch.setenv("PATH", f"{other.parent}:{os.environ['PATH']}")
    with pytest.raises(BrokenError, match="git named no commit"):
        fetch.fetch_source(f"git+file://{repository}", tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["GIT_DIR", "GIT_INDEX_FILE"])
def test_git_leaves_the_repository_of_a_hook_alone(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    mine = tmp_path / "mine"
    shutil.copytree(repository, mine)
    before = {path: path.read_bytes() for path in mine.rglob("*") if path.is_file()}
    values = {"GIT_DIR": mine / ".git", "GIT_INDEX_FILE": mine / ".git/index"}
    monkeypatch.setenv(name, str(values[name]))
    fetch.fetch_tree(f"git+file://{repository}#side", tmp_path / "new")
    assert (tmp_path / "new/file").read_text() == "1"
    assert {path: path.read_bytes() for path in mine.rglob("*") if path.is_file()} == before


def test_what_git_warns_of_is_no_commit(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_TRACE", "1")
    source = fetch.fetch_source(f"git+file://{repository}", tmp_path / "new")
    assert source.revision == source.tree.joinpath(".git/HEAD").read_text().strip()


@pytest.mark.parametrize("reference", ["#gone", "#0123456789abcdef0123456789abcdef01234567"])
def test_git_without_such_commit(tmp_path: Path, repository: Path, reference: str) -> None:
    with pytest.raises(BrokenError, match="git cannot fetch"):
        fetch.fetch_tree(f"git+file://{repository}{reference}", tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["repo"]


@pytest.mark.parametrize(
    "rest", ["file:///x#--upload-pack=touch", "ext::sh -c true", "-x", "file:///x#a:b", "/x"]
)
def test_git_tricks_are_refused(tmp_path: Path, rest: str) -> None:
    with pytest.raises(UsageError):
        fetch.fetch_tree("git+" + rest, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []


def test_git_needs_no_sha256(tmp_path: Path, repository: Path) -> None:
    with pytest.raises(UsageError, match="#COMMIT"):
        fetch.fetch_tree(f"git+file://{repository}", tmp_path / "new", sha256=DIGEST)


def test_retries_are_said(tmp_path: Path) -> None:
    stream = io.StringIO()
    with serving(cut, whole) as server:
        fetch.download(server.url, tmp_path, progress=Progress(stream))
    assert "trying again" in stream.getvalue()
