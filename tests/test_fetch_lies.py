"""Servers whose answers are not what they seem."""

from __future__ import annotations

import base64
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from web_server import HEAD, Behaviour, nobody_listening, redirect, serving

from xentest import errors, fetch
from xentest.errors import BrokenError, UsageError

BODY = b"x" * 1000


def says(*parts: bytes) -> Behaviour:
    def send(link: socket.socket) -> None:
        link.sendall(b"".join(parts))

    return send


def status(line: bytes, body: bytes = b"wait") -> Behaviour:
    length = b"\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    return says(b"HTTP/1.1 ", line, length, body)


def length(header: bytes) -> Behaviour:
    return says(HEAD, header, b"\r\n\r\n", BODY)


LIES = {
    "later": (status(b"202 Accepted"), "202 Accepted, not the file"),
    "nothing": (status(b"204 No Content", b""), "204"),
    "a part": (status(b"206 Partial Content"), "206"),
    "not new": (status(b"304 Not Modified", b""), "304"),
    "unknown": (status(b"299 Whatever"), "299"),
    "below zero": (length(b"Content-Length: -5"), "-5 bytes"),
    "words": (length(b"Content-Length: many"), "many bytes"),
    "endless": (length(b"Content-Length: " + b"9" * 5000), "999 bytes"),
    "two lengths": (length(b"Content-Length: 500\r\nContent-Length: 1000"), "two lengths"),
    "packed": (length(b"Transfer-Encoding: gzip, chunked"), "gzip, chunked"),
}


@pytest.mark.parametrize("name", LIES)
def test_what_is_not_the_file_is_not_taken_for_it(tmp_path: Path, name: str) -> None:
    behaviour, reason = LIES[name]
    with serving(behaviour) as server, pytest.raises(BrokenError) as caught:
        fetch.download(server.url, tmp_path, attempts=1)
    assert reason in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "answer",
    [
        length(b"Content-Length: 1000\r\nContent-Length: 1000"),
        length(b"Content-Type: x"),
        says(b"HTTP/1.0 200 OK\r\n\r\n", BODY),
        says(b"HTTP/1.1 100 Continue\r\n\r\n", HEAD, b"Content-Length: 1000\r\n\r\n", BODY),
        says(HEAD, b"Transfer-Encoding: Chunked\r\n\r\n3e8;a=b\r\n", BODY, b"\r\n0\r\n\r\n"),
        length(b"Content-Encoding: x-gzip\r\nContent-Length: 1000"),
    ],
)
def test_strange_and_good(tmp_path: Path, answer: Behaviour) -> None:
    with serving(answer) as server:
        assert fetch.download(server.url, tmp_path).read_bytes() == BODY


def test_the_password_is_told_to_its_own_server_alone(tmp_path: Path) -> None:
    with serving(length(b"Content-Length: 1000")) as other:
        with serving(redirect(other.url)) as server:
            address = server.url.replace("http://", "http://m%40e:se%2Fcr%C3%A9t@")
            assert fetch.download(address, tmp_path).read_bytes() == BODY
    said = base64.b64encode("m@e:se/cr\u00e9t".encode())
    assert b"Authorization: Basic " + said + b"\r\n" in server.heard[0]
    assert b"Authorization" not in other.heard[0]


def test_letters_beyond_ascii_are_asked_for_as_browsers_do(tmp_path: Path) -> None:
    with serving(length(b"Content-Length: 1000")) as server:
        path = fetch.download(server.url.replace("file", "\u00e4%20;x[1]"), tmp_path)
        assert path.name == "\u00e4 ;x[1].tgz"
    assert server.heard[0].startswith(b"GET /a/%C3%A4%20;x[1].tgz HTTP/1.1\r\n")


def test_what_a_server_says_cannot_command_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(status(b"404 \x1b[2J\x07gone")) as server:

        def main(_: object) -> int:
            fetch.download(server.url, tmp_path)
            return 0

        assert errors.guarded_main("xenbuild", main, []) == 3
    said = capsys.readouterr().err
    assert "404 ?[2J?gone" in said and said.replace("\n", "").isprintable()


def test_a_server_that_is_never_done_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drip(link: socket.socket) -> None:
        link.sendall(HEAD + b"\r\n" + BODY)
        link.settimeout(300)
        while link.recv(1000):  # until it is left
            pass

    monkeypatch.setattr(fetch, "LONGEST", 0.2)
    with serving(drip) as server, pytest.raises(BrokenError, match="not whole after 0.2 s"):
        fetch.download(server.url, tmp_path)
    assert server.asked <= 1 and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("rest", ["http://[::1/x", "http://u:secret@[::1/x"])
def test_git_address_that_is_none(tmp_path: Path, rest: str) -> None:
    with pytest.raises(UsageError) as caught:
        fetch.fetch_tree("git+" + rest, tmp_path / "new")
    assert "secret" not in str(caught.value)


def test_git_does_not_show_the_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "PAUSE", 0.01)
    with nobody_listening() as place, pytest.raises(BrokenError) as caught:
        address = f"{place}/x.git"
        fetch.fetch_tree(f"git+http://user:secret@{address}", tmp_path / "new")
    assert "secret" not in str(caught.value) and address in str(caught.value)


def test_git_gives_a_server_time_to_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    with nobody_listening() as place, pytest.raises(BrokenError):
        fetch.fetch_tree(f"git+http://{place}/x.git", tmp_path / "new")
    assert [pause for pause in pauses if pause >= fetch.PAUSE] == [1.0, 2.0]


def test_a_transfer_ends_with_who_asked_for_it(tmp_path: Path) -> None:
    """kill -9 of the one must not leave the other, which may go on for hours."""
    begun, hung_up = threading.Event(), threading.Event()

    def never_done(link: socket.socket) -> None:
        link.sendall(HEAD + b"Content-Length: 1000\r\n\r\n")
        begun.set()
        try:
            link.recv(1)
        finally:  # by whatever word the system says it
            hung_up.set()

    code = "import sys; from pathlib import Path; from xentest import fetch\n"
    code += "fetch.download(sys.argv[1], Path(sys.argv[2]), timeout=3000)"
    root = Path(__file__).resolve().parent.parent
    with serving(never_done) as server:
        words = [sys.executable, "-c", code, server.url, str(tmp_path)]
        with subprocess.Popen(words, cwd=root) as child:
            assert begun.wait(120)
            child.kill()
        assert hung_up.wait(120)
