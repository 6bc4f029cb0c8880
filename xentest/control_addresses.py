"""The addresses of a control file: what can be fetched, and slips that are told late else."""

from __future__ import annotations

import re

from xentest.control_text import shown
from xentest.control_values import Wrong, file_path, joined, words

ARCHIVE_SCHEMES = ("http", "https", "ftp", "file")
GIT_SCHEMES = ("git+https", "git+http", "git+file", "git+ssh")
_DEB_SOURCE = re.compile(r"deb-src:[a-z0-9][a-z0-9+.-]+")
_USER = r"([A-Za-z0-9_][A-Za-z0-9._~%+=-]*(:[^@]*)?@)?"
_HOST = re.compile(
    _USER + r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])(:(?P<port>[0-9]{1,5}))?"
)
_MAX_HOST, _MAX_LABEL = 253, 63
_GIT_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+-]*")
_NO_GIT_REF = re.compile(r"\.\.|//|/\.|[/.]$|\.lock(/|$)")
_OTHER_ARCHIVE = re.compile(
    r"\.(zip|7z|rar|deb|rpm|iso|dsc|lz|lz4|lzma|Z|asc|sig|sign|sha256|sha512|md5)(?=$|[?#])"
)
_GIT_SERVER_PAGE = re.compile(
    r"(github|gitlab)\.com/[\w.-]+/[\w.-]+(?<!\.git)/?(tree/(?P<ref>[\w./-]+))?"
)
_PAGE_OF_A_FILE = re.compile(
    r"github\.com/[\w.-]+/[\w.-]+/"
    r"(?:blob/[^#?]+|releases/?|releases/tag/[^#?]+|(?:commit|pull)/[0-9a-f]+/?)"
    r"|gitlab\.com/[\w./-]+/-/(?:blob/[^#?]+|releases[^#?.]*|commit/[0-9a-f]+/?)"
)
KINDS = "http, https, ftp, file, git+https, git+http, git+file, git+ssh, deb-src:NAME or /a/path"


_MEANT = (
    (r"([\w.-]+@[\w.-]+):([\w./~-]+)", r"git+ssh://\1/\2"),
    (r"git://(.+)", r"git+https://\1"),
    (r"ssh://(.+)", r"git+ssh://\1"),
    (r"(https?|ftp)(?::/|//)([^/].*)", r"\1://\2"),
    (r"file:(/[^/].*)", r"file://\1"),
    (r"<(.+)>", r"\1"),
    (r"((?:www|ftp)\.[\w.-]+/.+)", r"https://\1"),
    (r"(?:\.\.?|~|\$\{?HOME\}?)/(.+)", r"the whole path, /.../\1"),
)


def address(value: str) -> str:
    """An address of any kind that can be fetched."""
    text = joined(value)
    if text.startswith("deb-src:"):
        return _deb_source(text)
    if re.search(r"\s", text):
        raise Wrong(f"is '{shown(text)}', which holds a blank", _instead_of_blank(text))
    _check_slips(text)
    if text.startswith("/"):
        path = file_path(text)
        return path
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in ARCHIVE_SCHEMES + GIT_SCHEMES:
        what = f"is '{shown(text)}', which is no kind of address known here"
        raise Wrong(what, _instead_of_unknown(text))
    text = f"{scheme}://{rest}"
    rest, _, ref = rest.partition("#")
    if "#" in text:
        _check_reference(text, scheme, ref)
    host, slash, path = rest.partition("/")
    _check_host(text, scheme, host)
    if not slash or not path:
        raise Wrong(f"is '{shown(text)}', which names no file", "add the path after the host")
    if scheme == "file" and path.endswith("/"):
        raise Wrong(f"is '{shown(text)}', which names a folder", "name an archive in it")
    if scheme in ("http", "https", "file") and re.search(r"\.git/?$", path):
        what = f"is '{shown(text)}', which looks like a git repository, not like a file"
        raise Wrong(what, f"write git+{scheme}://... (and #BRANCH, #TAG or #COMMIT)")
    return text


def _instead_of_blank(text: str) -> str:
    if re.search(r"\s(\S+://|/)", text):
        return "write one address"
    if text.startswith("git+") and "#" in text.split()[0]:
        return "write one branch, tag or commit behind the #"
    return "write %%20 for a blank" + " and file:// before the path" * text.startswith("/")


def _instead_of_unknown(text: str) -> str:
    """What other tools take for an address, as it is written here."""
    for pattern, instead in _MEANT:
        if found := re.fullmatch(pattern, text):
            return "write " + shown(found.expand(instead))
    return f"write {KINDS}"


def _check_slips(text: str) -> None:
    """What would be told only when it cannot be fetched, or not be unpacked."""
    if text.endswith(",") or (re.search(r"[*]", text) and "://" not in text):
        what = f"is '{shown(text)}', which names no one file"
        raise Wrong(
            what, "name each one in full, with a blank between them where several may stand"
        )
    if packed := _OTHER_ARCHIVE.search(text):
        what = f"is '{shown(text)}', and what ends with .{packed[1]} is not unpacked here"
        raise Wrong(what, "name a tar archive: plain, or packed by gzip, bzip2, xz or zstd")
    _check_page(text)
    git = text.startswith("git+")
    if git and (at := re.search(r"\.git@(?P<ref>[\w./-]+)$", text)):
        raise Wrong(f"is '{shown(text)}'", f"write #{shown(at['ref'])} for a branch, tag or commit")
    if page := _GIT_SERVER_PAGE.fullmatch(text.partition("://")[2].partition("#")[0]):
        if page["ref"]:
            what = f"is '{shown(text)}', a page about the branch {shown(page['ref'])}"
            raise Wrong(what, f"write git+https://..., and #{shown(page['ref'])} in place of /tree")
        if not git:
            what = f"is '{shown(text)}', the page of a git repository, not a file"
            raise Wrong(what, "write git+https://... (and #BRANCH, #TAG or #COMMIT)")


def _check_page(text: str) -> None:
    """What a browser shows of a file is no file."""
    if _PAGE_OF_A_FILE.fullmatch(text.partition("://")[2]):
        what = f"is '{shown(text)}', a page about files, not a file"
        raise Wrong(what, "write the address of its link to download, or to the raw file")


def _check_reference(text: str, scheme: str, ref: str) -> None:
    if scheme not in GIT_SCHEMES:
        what = f"is '{shown(text)}', where nothing reads what stands behind the #"
        raise Wrong(what, "remove it, write %%23 if it is part of the name, or a git+ address")
    if not _GIT_REF.fullmatch(ref) or _NO_GIT_REF.search(ref):
        what = f"names the git reference '{shown(ref)}'"
        raise Wrong(what, "write a branch, tag or commit after the #")


def _deb_source(text: str) -> str:
    if not _DEB_SOURCE.fullmatch(text):
        what = f"is '{shown(text)}', which names no Debian source package"
        raise Wrong(what, "write deb-src: and the package's name, such as deb-src:xen")
    return text


def _check_host(text: str, scheme: str, host: str) -> None:
    if scheme in ("file", "git+file"):
        if host:
            what = f"is '{shown(text)}', which names the host '{shown(host, 40)}'"
            raise Wrong(what, f"write {scheme}:///path with three slashes")
        return
    match = _HOST.fullmatch(host)
    port = int(match["port"] or 1) if match else 0
    if not match or not 0 < port < 1 << 16 or not _may_be_host(match["name"]):
        what = f"is '{shown(text)}', whose host '{shown(host, 40)}' cannot be"
        raise Wrong(what, f"write {scheme}://host/path or {scheme}://host:port/path")


def _may_be_host(name: str) -> bool:
    """Whether its parts are no longer than can be asked for, and four numbers are an address."""
    if name.startswith("["):
        return True
    labels = name.removesuffix(".").split(".")
    numbers = [int(label) for label in labels if re.fullmatch("[0-9]{1,9}", label)]
    if len(numbers) == len(labels) == 4 and max(numbers) > 255:
        return False
    return len(name) <= _MAX_HOST and all(0 < len(label) <= _MAX_LABEL for label in labels)


def is_archive(text: str) -> bool:
    """Whether the address is one file, of which a digest can be taken."""
    return not text.startswith(("git+", "deb-src:"))


def archives(value: str) -> tuple[str, ...]:
    """Addresses of single files (patches)."""
    found: dict[str, str] = {}  # as written, and as read
    for item in words(value):
        if re.search(r",(/|\w+://)", item):
            what = f"holds '{shown(item)}', which looks like several"
            raise Wrong(what, "write them with a blank between them", item)
        if item in found:
            raise Wrong(f"names '{shown(item)}' twice", "name each once", item)
        try:
            found[item] = address(item)
        except Wrong as error:
            raise Wrong(error.what, error.instead, item) from None
        if not is_archive(item):
            advice = "name the patch itself"
            raise Wrong(f"names '{shown(item)}', which is not one file", advice, item)
    return tuple(found.values())
