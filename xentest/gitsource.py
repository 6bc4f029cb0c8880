"""A tree out of a git repository."""

from __future__ import annotations

import re
import time
from pathlib import Path
from urllib.parse import urlsplit

from xentest import tool
from xentest.errors import BrokenError, UsageError, without_password
from xentest.staging import staged

PROTOCOLS = ("https", "http", "git", "ssh", "file")
ATTEMPTS = 3
# git would ask a terminal, ssh too; nobody sits there at night.
VARIABLES = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "/bin/false",
    "SSH_ASKPASS": "/bin/false",
    "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oConnectTimeout=60",
    "GIT_ALLOW_PROTOCOL": ":".join(PROTOCOLS),
}
SETTINGS = ("-c", "http.lowSpeedLimit=500", "-c", "http.lowSpeedTime=60", "-c", "gc.auto=0")
FINAL = ("couldn't find remote ref", "not found", "does not appear to be a git repository")


def clone(address: str, folder: Path, *, timeout: float) -> str:
    """Check out `git+URL#REF` into `folder` (absent or empty) and return the commit.

    REF is a branch, tag or commit; without it the repository's own HEAD.  Only that
    one commit is fetched where the server allows it.
    """
    url, reference = split(address)
    with staged(folder) as tree:
        _git(tree, timeout, "init", "--quiet")
        _git(tree, timeout, "remote", "add", "origin", "--", url)
        _fetch(tree, timeout, url, reference)
        _git(tree, timeout, "checkout", "--quiet", "--detach", "FETCH_HEAD")
        return _commit_in(_git(tree, timeout, "rev-parse", "HEAD").text)


def split(address: str) -> tuple[str, str]:
    """URL and REF of `git+URL#REF`. Raises UsageError for what git must not see."""
    url, _, reference = address.removeprefix("git+").partition("#")
    shown = without_password(address)
    try:
        scheme = urlsplit(url).scheme
    except ValueError as error:
        raise UsageError(f"{shown} is no address: {error}") from None
    if scheme not in PROTOCOLS:
        raise UsageError(
            f"{shown}: git fetches over {', '.join(PROTOCOLS)} only", "Write git+https://..."
        )
    if reference.startswith("-") or re.search(r"[\s:^~?*\[\\\x00-\x1f]|\.\.", reference):
        raise UsageError(f"{shown}: {reference!r} is no branch, tag or commit")
    return url, reference


def _fetch(tree: Path, timeout: float, url: str, reference: str) -> None:
    """Leave the wanted commit in FETCH_HEAD."""
    from xentest.fetch import PAUSE

    for attempt in range(1, ATTEMPTS + 1):
        said = _try(tree, timeout, "fetch", "--quiet", "--depth=1", "origin", reference or "HEAD")
        if said.status == 0:
            return
        if "shallow" in said.text or re.fullmatch("[0-9a-fA-F]{7,40}", reference):
            if _fetch_all(tree, timeout, reference):
                return
        if attempt == ATTEMPTS or any(sign in said.text for sign in FINAL):
            what = f"git cannot fetch {reference or 'HEAD'} of {without_password(url)}: "
            what += _complaint(said)
            raise BrokenError(what, "Look at the address, and whether the branch still exists.")
        time.sleep(PAUSE * 2 ** (attempt - 1))


def _fetch_all(tree: Path, timeout: float, reference: str) -> bool:
    """The slow way: everything, for old servers and for commits that are no tips."""
    everything = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*", "+HEAD:head")
    if _try(tree, timeout, "fetch", "--quiet", "origin", *everything).status != 0:
        return False
    for name in (f"refs/remotes/origin/{reference}", f"refs/tags/{reference}", reference or "head"):
        found = _try(tree, timeout, "rev-parse", "--verify", "--quiet", name + "^{commit}")
        if found.status == 0:
            (tree / ".git/FETCH_HEAD").write_text(found.text.strip() + "\n")
            return True
    return False


def _commit_in(text: str) -> str:
    """The commit that git names: a line of its own, among what it may warn of."""
    for line in text.splitlines():
        if re.fullmatch("[0-9a-f]{40,64}", line):
            return line
    raise BrokenError(f"git named no commit, it said {text[:200]!r}", "Look at this git.")


def _complaint(said: tool.Output) -> str:
    """git's reason stands on its first line that begins with fatal or error."""
    for line in said.text.splitlines():
        if line.startswith(("fatal:", "error:", "ssh:")):
            return line[:300]
    return said.last_line


def _try(tree: Path, timeout: float, *words: str) -> tool.Output:
    return tool.run(["git", *SETTINGS, *words], folder=tree, timeout=timeout, variables=VARIABLES)


def _git(tree: Path, timeout: float, *words: str) -> tool.Output:
    said = _try(tree, timeout, *words)
    if said.status != 0:
        raise BrokenError(f"git {words[0]} failed: {_complaint(said)}", f"It worked in {tree}.")
    return said
