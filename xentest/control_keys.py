"""What a control file can say: the kinds of section, their keys and what becomes of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Callable, Mapping, Optional

from xentest import control_addresses as addresses
from xentest import control_commands as commands
from xentest import control_values as values
from xentest.control_text import shown
from xentest.control_values import Wrong

PREFERENCES = "Preferences"
LOCATIONS = "Locations"
DOMAIN_PREFIX = "XENVM"
UNKNOWN = "/?"  # for a folder that was told to be wrong, so that the rest can be looked at

_HOST_NAME = re.compile(r"(?!.{65})[A-Za-z0-9](-*[A-Za-z0-9])*(\.[A-Za-z0-9](-*[A-Za-z0-9])*)*")
TEST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._+ -]{0,98}[A-Za-z0-9._+-])?")
LOCATION_NAME = re.compile(r"[a-z0-9_][a-z0-9._+-]*")
TEST_KEY = re.compile(r"test([1-9][0-9]{0,5})")
_RESERVED_FOLDERS = ("barriers",)  # lives beside the domains' folders in shared_dir


@dataclass(frozen=True)
class Location:
    """Where a hypervisor tree comes from, and what is done to it."""

    name: str
    address: str
    sha256: str = ""
    patches: tuple[str, ...] = ()
    config: tuple[str, ...] = ()
    build_command: Optional[str] = None  # None: the default build; "": nothing to build
    tools: Optional[bool] = None  # the tree's own toolstack too; None: only if it comes prebuilt


@dataclass(frozen=True)
class Test:
    """One test, as a domain runs it. test_dir and log_dir are relative, or empty."""

    name: str
    run_command: str
    source_url: str = ""
    build_command: str = ""
    install_command: str = ""
    test_dir: str = ""
    log_dir: str = ""
    timeout: float = 3600.0
    result_format: str = "exit"
    requires: tuple[str, ...] = ()
    sha256: str = ""
    repeat: int = 1
    env: tuple[tuple[str, str], ...] = ()
    expect: tuple[str, ...] = ()
    figures: str = ""


@dataclass(frozen=True)
class Domain:
    """One virtual machine (or the control domain) and the tests it runs."""

    section: str
    name: str
    tempdir: str
    tests: tuple[str, ...]
    start: str  # "boot": xentest starts it; "never": it is there already
    config: Optional[str] = None
    role: str = ""
    barriers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Preferences:
    """What holds for the whole run."""

    shared_dir: str
    xen_tree: str = ""  # a name of [Locations]; empty only without Xen
    hypervisor: str = "xen"
    boot_timeout: float = 300.0
    run_timeout: float = 6 * 3600.0
    keep_runs: int = 30
    mail_to: str = ""
    reboot_budget: int = 5
    results_dir: str = "/var/lib/xentest/runs"
    console: str = ""  # a file in which this machine's serial console can be read


Reader = Callable[[str], Any]


def _host_name(value: str) -> str:
    if not _HOST_NAME.fullmatch(values.uncommented(values.one_line(value))):
        what = f"is '{shown(value, 70)}', which is no host name"
        advice = "write letters and digits, with - and . between them (it becomes a folder's name)"
        raise Wrong(what, advice)
    if re.fullmatch(r"[0-9]+(\.[0-9]+)+", value):
        raise Wrong(f"is '{value}', an address", "write what `hostname` prints in the domain")
    if value.lower() in _RESERVED_FOLDERS:
        raise Wrong(f"is '{value}', which is a folder of xentest itself", "name it otherwise")
    return value


def _meeting_points(value: str) -> tuple[str, ...]:
    for word in values.words(value):
        if not re.fullmatch("[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", word):
            what = f"holds '{shown(word)}', which cannot be a file's name"
            raise Wrong(what, "write letters, digits, _ - and .", word)
    return values.words(value)


PREFERENCE_KEYS: Mapping[str, Reader] = {
    "xen-tree": lambda value: values.one_line(value).lower(),
    "shared_dir": values.own_folder,
    "hypervisor": values.choice("xen", "kvm", "none"),
    "boot_timeout": values.duration,
    "run_timeout": values.duration,
    "keep_runs": values.count(1, 100_000),
    "mail_to": values.mail,
    "reboot_budget": values.count(0, 1000),
    "results_dir": values.own_folder,
    "console": values.log_file,
}
LOCATION_KEYS: Mapping[str, Reader] = {
    "sha256": values.sha256,
    "patches": addresses.archives,
    "config": values.kconfig,
    "build_command": commands.command,
    "tools": values.yes_or_no,
}
TEST_KEYS: Mapping[str, Reader] = {
    "source_url": addresses.address,
    "build_command": commands.command,
    "install_command": commands.command,
    "test_dir": values.place,
    "log_dir": values.log_place,
    "run_command": commands.command,
    "timeout": values.duration,
    "result_format": values.result_format,
    "requires": values.programs,
    "sha256": values.sha256,
    "repeat": values.count(1, 1000),
    "env": values.variables,
    "expect": values.known_failures,
    "figures": values.figures,
}
DOMAIN_KEYS: Mapping[str, Reader] = {
    "tempdir": values.work_folder,
    "config": values.config_file,
    "name": _host_name,
    "start": values.choice("boot", "never"),
    "role": lambda value: values.uncommented(values.one_line(value)),
    "barriers": _meeting_points,
}
HOMES: Mapping[str, Mapping[str, Reader]] = {
    f"[{PREFERENCES}]": PREFERENCE_KEYS,
    "a test's section": TEST_KEYS,
    f"a domain's section [{DOMAIN_PREFIX}...]": DOMAIN_KEYS,
}
