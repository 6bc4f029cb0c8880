"""Bytes from a server into a file: the part of a download that may hang.

It runs in a child process (see fetch), which its parent ends when too little comes:
so a name server, a handshake or a header that drips for ever holds nobody.
"""

from __future__ import annotations

import os
import re
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Callable, Iterator, Optional

if TYPE_CHECKING:
    import ftplib
    import http.client
    import urllib.request
    from urllib.parse import SplitResult

CHUNK = 256 << 10
RETRIED_CODES = (408, 429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Failure(Exception):
    """Why nothing whole came; `again` when another try may help."""

    reason: str
    again: bool


def transfer(address: str, part: Path, limit: int, timeout: float) -> None:
    """Write what stands at `address` to `part`, durably. Raises Failure."""
    from urllib.parse import urlsplit

    parts = urlsplit(address)
    try:
        with open(part, "wb") as target:
            if parts.scheme == "ftp":
                _ftp(parts, target, limit, timeout)
            else:
                _http(address, target, limit, timeout)
            target.flush()
            os.fsync(target.fileno())
    except OSError as error:
        # Network faults were told apart before: what comes here is the disk.
        raise Failure(f"cannot write {part}: {error.strerror or error}", False) from None


def _http(address: str, target: IO[bytes], limit: int, timeout: float) -> None:
    import http.client

    answer = _ask(address, timeout)
    assert isinstance(answer, http.client.HTTPResponse)
    with answer:
        _check_answer(answer)
        _store(answer.read1, answer.length, target, limit)


def _check_answer(answer: http.client.HTTPResponse) -> None:
    """Only a plain 200 holds the whole file, and only if its end can be known for sure."""
    if answer.status != 200:
        # 202 is "wait", 204 nothing, 206 a part that nobody asked for.
        raise Failure(f"the server answered {answer.status} {answer.reason}, not the file", False)
    coding = answer.headers.get("Transfer-Encoding")
    if coding and not answer.chunked:
        raise Failure(f"the server sends it as {coding}, which nobody asked for", False)
    lengths = set(answer.headers.get_all("Content-Length", []))
    if not coding and any(not re.fullmatch(r"\s*[0-9]{1,19}\s*", length) for length in lengths):
        raise Failure(f"the server says it is {min(lengths)[:40]} bytes long", True)
    if not coding and len(lengths) > 1:
        raise Failure(f"the server says two lengths: {', '.join(sorted(lengths))}", True)


def _ask(address: str, timeout: float) -> object:
    import http.client
    import urllib.error
    import urllib.request

    opener = urllib.request.build_opener(_redirects())
    request = _request(address)
    try:
        return opener.open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        reason = f"the server answered {error.code} {error.reason}".replace("\n", " ")
        raise Failure(reason, error.code in RETRIED_CODES) from None
    except urllib.error.URLError as error:
        raise Failure(f"no connection: {error.reason}", True) from None
    except OSError as error:
        raise Failure(f"the connection broke: {error.strerror or error}", True) from None
    except (http.client.HTTPException, ValueError) as error:
        raise Failure(f"not an HTTP answer: {type(error).__name__}: {error}", True) from None


def _request(address: str) -> urllib.request.Request:
    """As browsers ask: letters beyond ASCII escaped, the name and password in a header."""
    import base64
    import string
    import urllib.request
    from urllib.parse import quote, unquote, urlsplit

    parts = urlsplit(quote(address, safe=string.punctuation))
    user, _, host = parts.netloc.rpartition("@")
    request = urllib.request.Request(
        parts._replace(netloc=host).geturl(), headers={"User-Agent": "xentest"}
    )
    if user:
        name, _, password = user.partition(":")
        said = base64.b64encode(f"{unquote(name)}:{unquote(password)}".encode()).decode()
        # Not to be told to another server that this one sends us to.
        request.add_unredirected_header("Authorization", f"Basic {said}")
    return request


def _redirects() -> urllib.request.BaseHandler:
    import urllib.request
    from email.message import Message

    class Redirects(urllib.request.HTTPRedirectHandler):
        """Follows within HTTP only, and never from https back to http."""

        def redirect_request(
            self,
            req: urllib.request.Request,
            fp: IO[bytes],
            code: int,
            msg: str,
            headers: Message,
            newurl: str,
        ) -> Optional[urllib.request.Request]:
            scheme = newurl.split(":", 1)[0].lower()
            if scheme not in ("http", "https") or (req.type, scheme) == ("https", "http"):
                raise Failure(f"the server sends us on from {req.type} to {scheme}", False)
            return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore

    return Redirects()


def _ftp(parts: SplitResult, target: IO[bytes], limit: int, timeout: float) -> None:
    import ftplib
    from urllib.parse import unquote

    path = unquote(parts.path).removeprefix("/")
    # Closed without a QUIT: what a server says to that must not spoil a whole file.
    with closing(ftplib.FTP(timeout=timeout)) as server:
        with _ftp_faults():
            server.connect(parts.hostname or "", parts.port or ftplib.FTP_PORT)
            server.login(unquote(parts.username or ""), unquote(parts.password or ""))
            server.voidcmd("TYPE I")
            length = _ftp_size(server, path)
            data, told = server.ntransfercmd(f"RETR {path}")
        with data:
            _store(data.recv, length if length is not None else told, target, limit)
        with _ftp_faults():
            server.voidresp()  # without its "226 complete" the file may be cut


@contextmanager
def _ftp_faults() -> Iterator[None]:
    import ftplib

    try:
        yield
    except ftplib.error_perm as error:
        raise Failure(f"the server answered {error}", False) from None
    except (ftplib.Error, EOFError, ValueError) as error:
        raise Failure(f"the server answered {error or 'nothing'}", True) from None
    except OSError as error:
        raise Failure(f"the connection broke: {error.strerror or error}", True) from None


def _ftp_size(server: ftplib.FTP, path: str) -> Optional[int]:
    import ftplib

    try:
        return server.size(path)
    except ftplib.error_perm:  # an old server: then "226 complete" must do
        return None


def _store(
    read: Callable[[int], bytes], length: Optional[int], target: IO[bytes], limit: int
) -> None:
    """Copy until the end; exactly `length` bytes must come when it is known."""
    check_room(Path(target.name), length, limit)
    parent, came = os.getppid(), 0
    while chunk := _network(read):
        came += len(chunk)
        if came > limit:
            raise Failure(f"more than the allowed {limit} bytes come", False)
        target.write(chunk)
        target.flush()  # the parent measures the file
        if os.getppid() != parent:
            raise Failure("whoever wanted it is gone", False)
    if length is not None and came != length:
        raise Failure(f"cut short: {came} of {length} bytes came", True)


def _network(read: Callable[[int], bytes]) -> bytes:
    import http.client

    try:
        return read(CHUNK)
    except http.client.HTTPException:
        raise Failure("the answer was cut short", True) from None
    except OSError as error:
        raise Failure(f"the connection broke: {error.strerror or error}", True) from None


def check_room(path: Path, length: Optional[int], limit: int) -> None:
    """Refuse what is too long, or longer than the disk has room for."""
    if length is None:
        return
    if length > limit:
        raise Failure(f"it has {length} bytes, more than the allowed {limit}", False)
    disk = os.statvfs(path.parent)
    free = disk.f_bavail * disk.f_frsize
    if length > free:
        raise Failure(f"it has {length} bytes, the disk of {path.parent} only {free}", False)
