"""Xen's own toolstack: xl and the xenstore tools."""

from __future__ import annotations

import os
import re
import shutil
from typing import IO, Callable

from xentest.domains import DomainInfo, Memory
from xentest.domains.command import CommandFailed, run
from xentest.errors import BrokenError

QUERY_LIMIT = 60.0
CREATE_LIMIT = 180.0
QUERY_ATTEMPTS = 4
STORE_ROOTS = ("/local/domain", "/vm", "/libxl")
OTHER_RELEASE = "of xen utils"  # Debian's xl: "Can't find version 4.20 of xen utils ..."
NOT_THERE = "No such file or directory"  # as xenstore-ls says it

# Name, domid, memory, vcpus, state, cpu seconds, then (verbose) uuid and shutdown reason.
# A name may hold blanks, so the line is read from its right end.
ROW = re.compile(
    r"(?P<name>.*\S)\s+(?P<domid>\d+)\s+(?P<memory>\d+)\s+(?P<vcpus>\d+)"
    r"\s+(?P<state>[-a-z]{6})\s+[\d.]+"
    r"(?:\s+(?P<uuid>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\s+(?P<reason>[0-9a-f]+|-).*)?\s*"
)


def parse_list(text: str) -> list[DomainInfo]:
    """The domains that `xl list` or `xl list -v` shows; lines that are no rows are passed over."""
    domains = []
    for line in text.splitlines():
        row = ROW.fullmatch(line)
        if row is None:
            continue
        reason = row["reason"]
        domains.append(
            DomainInfo(
                name=row["name"].strip(),
                domid=int(row["domid"]),
                state=row["state"],
                memory=int(row["memory"]),
                vcpus=int(row["vcpus"]),
                uuid=row["uuid"] or "",
                shutdown_reason=None if reason in (None, "-") else int(reason, 16),
            )
        )
    return domains


class Xl:
    """Domains by way of `xl`. Implements domains.Toolstack."""

    def __init__(self, command: Callable[..., str] = run) -> None:
        self._run = command

    def _xl(self, *arguments: str, limit: float = QUERY_LIMIT) -> str:
        try:
            return self._run([_tool("xl"), *arguments], limit)
        except CommandFailed as error:
            if OTHER_RELEASE not in error.what:
                raise
            advice = (
                "This machine's xl is of another release. Give the tree its own: NAME.tools=yes."
            )
            raise BrokenError(error.what, advice) from None

    def domains(self) -> list[DomainInfo]:
        found = parse_list(self._list())
        if not found:
            raise BrokenError("`xl list` shows no domain at all", "Does this machine run Xen?")
        return found

    def _list(self) -> str:
        """`xl list -v` may fail, or even crash, when a domain goes while it looks at it."""
        for _ in range(QUERY_ATTEMPTS - 1):
            try:
                return self._xl("list", "-v")
            except CommandFailed:
                pass
        return self._xl("list", "-v")

    def by_name(self) -> dict[str, DomainInfo]:
        """The domains by name."""
        return {domain.name: domain for domain in self.domains()}

    def create(self, config: str, name: str, uuid: str, printed: IO[bytes]) -> DomainInfo:
        words = [_tool("xl"), "create", "-p", config, f'name="{name}"', f'uuid="{uuid}"']
        try:
            self._run(words, CREATE_LIMIT, printed=printed)
        except CommandFailed:
            other = self.by_name().get(name)
            if other is None or other.uuid == uuid:
                raise
            raise BrokenError(
                f"a domain named {name} runs already, and this run did not make it",
                f"End it (xl destroy {name}) or give the domain another name.",
            ) from None
        created = self.by_name().get(name)
        if created is None or created.uuid != uuid:
            raise BrokenError(
                f"`xl create` of {name} succeeded, but the domain is not there",
                f"Look at /var/log/xen/xl-{name}.log.",
            )
        return created

    def unpause(self, domain: DomainInfo) -> None:
        self._xl("unpause", str(domain.domid))

    def shutdown(self, domain: DomainInfo) -> None:
        # -F: a guest without PV drivers is asked by an ACPI power button.
        self._xl("shutdown", "-F", str(domain.domid))

    def destroy(self, domain: DomainInfo) -> None:
        for current in self.domains():
            if current.uuid == domain.uuid and current.name == domain.name:
                if current.domid == 0 or not current.uuid:
                    raise BrokenError(f"refused to destroy {current.name}: it is not a guest")
                self._destroy(current)

    def _destroy(self, domain: DomainInfo) -> None:
        """What counts is that it is gone: xl may have complained of its devices only."""
        try:
            self._xl("destroy", str(domain.domid))
        except CommandFailed:
            if any(other.domid == domain.domid for other in self.domains()):
                self._xl("destroy", str(domain.domid))

    def console(self, domain: DomainInfo) -> str:
        path = f"/local/domain/{domain.domid}/console/tty"
        try:
            return self._run([_tool("xenstore-read"), path], QUERY_LIMIT).strip()
        except CommandFailed:
            return ""

    def memory(self) -> Memory:
        info = self._info()
        try:
            claimed = int(info.get("outstanding_claims", "0"))
            return Memory(int(info["free_memory"]), claimed)
        except (KeyError, ValueError):
            raise BrokenError(
                "`xl info` does not tell the free memory", "Run it by hand."
            ) from None

    def store_paths(self) -> list[str]:
        paths = []
        for root in STORE_ROOTS:
            text = self._store_below(root)
            paths += [line.split(" = ", 1)[0] for line in text.splitlines() if " = " in line]
        return [path.rstrip() for path in paths if path.startswith("/")]

    def _store_below(self, root: str) -> str:
        """Empty when the root is not there: /libxl and /vm come with the first guest.

        What fails otherwise may not look like an empty store, in which nothing is left behind.
        """
        for attempt in range(QUERY_ATTEMPTS):
            try:
                return self._run([_tool("xenstore-ls"), "-f", root], QUERY_LIMIT)
            except CommandFailed as error:
                if NOT_THERE in error.what:
                    break
                if attempt + 1 == QUERY_ATTEMPTS:
                    raise
        return ""

    def log(self) -> str:
        return self._xl("dmesg")

    def facts(self) -> dict[str, str]:
        info = self._info()
        return {
            "toolstack": "xl",
            "hypervisor": f"Xen {info.get('xen_version', '?')}",
            "compiler": info.get("cc_compiler", ""),
            "revision": info.get("xen_changeset", ""),
            "hypervisor_command_line": info.get("xen_commandline", ""),
        }

    def _info(self) -> dict[str, str]:
        pairs = (line.partition(":") for line in self._xl("info").splitlines())
        return {key.strip(): value.strip() for key, _, value in pairs}


def _tool(name: str) -> str:
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
    found = shutil.which(name, path=path)
    if found is None:
        raise BrokenError(
            f"there is no command {name} on this machine",
            "Install the toolstack (Debian: xen-utils), or set hypervisor=none.",
        )
    return found
