"""A source package through the machine's own apt sources, without touching its apt.

The sources often name binary packages only.  So apt runs on a private configuration,
derived each time from the machine's own files: the same servers and keys, as sources.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable, Iterator, Optional

from xentest import tool
from xentest.errors import BrokenError, UsageError
from xentest.progress import Progress
from xentest.staging import staged

APT = Path("/etc/apt")
GONE = re.compile(r"\b404\b|Not Found|File not found")
ADVICE = "Look at /etc/apt: a Debian archive that has the package must be among its sources."


@dataclass(frozen=True)
class Package:
    """A source package that was unpacked."""

    version: str
    digest: str  # SHA-256 of its .dsc, which names the digests of all its files


def fetch(
    name: str,
    folder: Path,
    *,
    timeout: float,
    progress: Optional[Progress] = None,
    apt: Path = APT,
) -> Package:
    """Unpack the newest version of `name` whose files can really be had into `folder`.

    `folder` must be absent or empty.  apt checks what it fetches against the signed
    lists of its archive; dpkg-source applies the package's patches.
    """
    import tempfile

    from xentest.fetch import digest_of

    if not re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", name):
        raise UsageError(f"deb-src:{name} is no name of a source package")
    with tempfile.TemporaryDirectory(prefix="xentest-apt.") as temporary:
        private = Path(temporary)
        # apt fetches as a user of its own, who must get in.
        private.chmod(0o755)
        private_apt = _Apt(private, apt, timeout)
        version, description = _newest(private_apt, name, progress)
        with staged(folder) as tree:
            tree.rmdir()  # dpkg-source makes it
            said = tool.run(
                ["dpkg-source", "--no-copy", "-x", str(description), str(tree)], timeout=timeout
            )
            if said.status != 0:
                raise BrokenError(f"dpkg-source cannot unpack {name} {version}: {said.last_line}")
        return Package(version, digest_of(description))


def _newest(apt: _Apt, name: str, progress: Optional[Progress]) -> tuple[str, Path]:
    versions = apt.versions(name)
    for version in versions:
        description = apt.download(name, version)
        if description is not None:
            return version, description
        if progress:
            progress.say(f"{name} {version} is listed, but its files are gone; trying an older one")
    raise BrokenError(
        f"no files of the source package {name} can be had (listed: {', '.join(versions)})",
        ADVICE,
    )


class _Apt:
    """apt on a private configuration, its lists freshly fetched."""

    def __init__(self, folder: Path, apt: Path, timeout: float) -> None:
        self._folder = folder
        self._timeout = timeout
        for name in ("state/lists/partial", "cache/archives/partial", "sources", "files"):
            (folder / name).mkdir(parents=True)
        count = _write_sources(apt, folder / "sources")
        if not count:
            raise BrokenError(f"{apt} names no archive to fetch source packages from", ADVICE)
        (folder / "apt.conf").write_text(self._configuration())
        # One foreign archive that fails must not stop us: what counts is what is listed then.
        self._update = self._run("apt-get", "update")

    def versions(self, name: str) -> list[str]:
        """All listed versions, the newest first."""
        said = self._run("apt-cache", "--only-source", "showsrc", name)
        found = {
            stanza["Version"]
            for stanza in stanzas(said.text)
            if stanza.get("Package") == name and "Version" in stanza
        }
        if not found:
            complaints = self._update.text.splitlines()
            # apt only warns of a server that it does not reach.
            signs = ("E:", "W: Failed to fetch")
            why = next((line for sign in signs for line in complaints if line.startswith(sign)), "")
            raise BrokenError(f"apt knows no source package {name}. {why}".rstrip(), ADVICE)
        return sorted(found, key=functools.cmp_to_key(compare_versions), reverse=True)

    def download(self, name: str, version: str) -> Optional[Path]:
        """Fetch the files of one version; its .dsc, or None when the archive lost them."""
        files = self._folder / "files"
        command = ("apt-get", "source", "--only-source", "--download-only", f"{name}={version}")
        said = self._run(*command, folder=files)
        if said.status != 0:
            if GONE.search(said.text):
                return None
            raise BrokenError(f"apt cannot fetch {name} {version}: {said.last_line}", ADVICE)
        plain = version.split(":", 1)[-1]
        return files / f"{name}_{plain}.dsc"

    def _run(self, *command: str, folder: Optional[Path] = None) -> tool.Output:
        variables = {"APT_CONFIG": str(self._folder / "apt.conf")}
        return tool.run(command, timeout=self._timeout, folder=folder, variables=variables)

    def _configuration(self) -> str:
        """The machine's own way to its servers, and nothing else of its settings.

        Its hooks stay out: they would work on the machine's true caches.
        """
        said = tool.run(["apt-config", "dump"], timeout=self._timeout)
        kept = [line for line in said.text.splitlines() if line.startswith("Acquire::")]
        own = {
            "Dir::State": f"{self._folder}/state",
            "Dir::Cache": f"{self._folder}/cache",
            "Dir::Etc::main": "/dev/null",
            "Dir::Etc::parts": "/dev/null",
            "Dir::Etc::sourcelist": "/dev/null",
            "Dir::Etc::sourceparts": f"{self._folder}/sources",
            "Acquire::Retries": "3",
            "Acquire::http::Timeout": "60",
            "Acquire::https::Timeout": "60",
        }
        return "\n".join(kept + [f'{key} "{value}";' for key, value in own.items()]) + "\n"


def _write_sources(apt: Path, target: Path) -> int:
    """Derive the private sources; how many files came of it."""
    lists = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.list"))]
    files = [(path, lines_as_sources(_text(path))) for path in lists]
    for path in sorted((apt / "sources.list.d").glob("*.sources")):
        files.append((path, stanzas_as_sources(_text(path))))
    wanted = [(path, text) for path, text in files if text]
    for number, (path, text) in enumerate(wanted):
        (target / f"{number}{path.suffix}").write_text(text)
    return len(wanted)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def lines_as_sources(text: str) -> str:
    """One-line style: every archive (but CD-ROMs) as deb-src, each once."""
    found = []
    for line in text.splitlines():
        match = re.match(r"\s*deb(?:-src)?\s+(?!(?:\[.*?\]\s+)?cdrom:)(.*\S)", line)
        if match and (source := f"deb-src {match[1]}\n") not in found:
            found.append(source)
    return "".join(found)


def stanzas_as_sources(text: str) -> str:
    """deb822 style: every archive that is not switched off as deb-src."""
    found = []
    for stanza in stanzas(text):
        fields = {name.lower(): name for name in stanza}
        if "types" in fields and "uris" in fields:
            stanza[fields["types"]] = "deb-src"
            found.append("".join(f"{name}: {value}\n" for name, value in stanza.items()))
    return "\n".join(found)


def stanzas(text: str) -> Iterator[dict[str, str]]:
    """The stanzas of a deb822 text; a value keeps its continuation lines."""
    yield from (s for s in map(_stanza, _blocks(text)) if s)


def _blocks(text: str) -> Iterable[list[str]]:
    block: list[str] = []
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        if line.strip():
            block.append(line)
        else:
            yield block
            block = []
    yield block


def _stanza(lines: list[str]) -> dict[str, str]:
    fields: dict[str, str] = {}
    name = ""
    for line in lines:
        if line[0] in " \t" and name:
            fields[name] += "\n" + line
        elif ":" in line:
            name, _, value = line.partition(":")
            fields[name] = value.strip()
    return fields


def compare_versions(one: str, other: str) -> int:
    """Debian's order of versions, by dpkg."""
    if one == other:
        return 0
    command = ["dpkg", "--compare-versions", one, "lt", other]
    return -1 if tool.run(command, timeout=60).status == 0 else 1
