"""The values of a control file: what may stand after a key, and what it means.

Each reader takes the text after the `=` (never empty) and returns its meaning, or raises Wrong.
"""

from __future__ import annotations

import posixpath
import re
from typing import Callable, Optional, Sequence

from xentest.control_text import shown

MAX_DURATION = 30 * 86400
MAX_NAME = 255
MAX_PATH = 1024
RESULT_FORMATS = ("exit", "ktap", "tap", "ltp", "kirk", "junit", "xtf")
FIGURE_GROUPS = ("name", "value", "unit")
SYSTEM_FOLDERS = frozenset(
    "/ /bin /boot /dev /etc /home /lib /lib32 /lib64 /media /mnt /opt /proc /root /run /sbin /srv"
    " /sys /usr /usr/bin /usr/lib /usr/local /usr/sbin /usr/share /var /var/cache /var/lib"
    " /var/log /var/spool".split()
)
SYSTEM_TREES = tuple(
    "/bin/ /boot/ /etc/ /lib/ /lib32/ /lib64/ /proc/ /sbin/ /sys/ /usr/bin/ /usr/lib/ /usr/sbin/"
    " /usr/share/".split()
)
EVERYBODYS = ("/tmp", "/var/tmp")  # where anybody may make a folder of any name
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}
_SHELL_VARIABLE = re.compile(r"\$[A-Za-z_{(]|`|^~")
_PROGRAM = re.compile(r"[A-Za-z0-9/_.][A-Za-z0-9/_.+:@-]*")
_MAIL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*(@[A-Za-z0-9][A-Za-z0-9.-]*)?")
_KCONFIG = re.compile(r'CONFIG_[A-Za-z0-9_]+=(y|n|-?[0-9]+|0x[0-9A-Fa-f]+|"[^"]*")')
_VARIABLE = re.compile(r"(?P<name>[A-Za-z_][A-Za-z0-9_]*)=(?P<value>.*)")


class Wrong(Exception):
    """The value is wrong: `what` follows the name of the key, `item` is the part that is wrong."""

    def __init__(self, what: str, instead: str, item: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.instead = instead
        self.item = item


def one_line(value: str) -> str:
    """A value that may not be continued on further lines."""
    if "\n" in value:
        second = value.split("\n", 1)[1]
        advice = "write it on one line; a key on the next line must not be indented more"
        raise Wrong(f"goes on with '{shown(second, 40)}' on a further line", advice)
    return value


def joined(value: str) -> str:
    """One address or path, put together again where it was broken over several lines."""
    lines = value.split("\n")
    for line in lines[1:]:
        if "://" in line or line.startswith("deb-src:"):
            what = f"goes on with '{shown(line, 40)}', which looks like another value"
            raise Wrong(what, "give each its own line that is not indented")
    return uncommented("".join(lines))


def uncommented(value: str) -> str:
    """A value that is not followed by what was meant as a comment, but would be part of it."""
    if comment := re.search(r"\s[#;]", value):
        what = f"is followed by '{shown(value[comment.start() + 1 :], 40)}', which is part of it"
        raise Wrong(what, "write a comment on a line of its own")
    return value


def words(value: str) -> tuple[str, ...]:
    """Words apart by blanks or line ends."""
    return tuple(value.split())


def programs(value: str) -> tuple[str, ...]:
    """What must be there: names of programs, or paths."""
    for word in words(value):
        if not _PROGRAM.fullmatch(word):
            what = f"holds '{shown(word)}', which is no program's name"
            raise Wrong(what, "write names or paths with blanks between them", word)
        if "/" in word and not word.startswith("/"):
            what = f"holds '{shown(word)}', a relative path, which would never be there"
            raise Wrong(
                what, "write a name that is found in PATH, or a path that starts with /", word
            )
    return words(value)


def known_failures(value: str) -> tuple[str, ...]:
    """Patterns of subtests, one a line; each must be able to miss."""
    for line in lines(value):
        if not line.strip("*?"):
            what = f"holds '{shown(line)}', which excuses every failure"
            raise Wrong(what, "name the subtests that are known to fail", line)
    return lines(value)


def lines(value: str) -> tuple[str, ...]:
    """One item a line, which may hold blanks."""
    return tuple(line for line in value.split("\n") if line)


def either(names: Sequence[str]) -> str:
    """Names as a sentence lists them: a, b or c."""
    return f"{', '.join(names[:-1])} or {names[-1]}"


def choice(*names: str) -> Callable[[str], str]:
    """One of a few words."""

    def read(value: str) -> str:
        if value not in names:
            raise Wrong(f"is '{shown(value)}'", f"write {either(names)}")
        return value

    return read


def yes_or_no(value: str) -> bool:
    """Yes is True."""
    return choice("yes", "no")(value.lower()) == "yes"


def count(low: int, high: int) -> Callable[[str], int]:
    """A whole number from `low` to `high`."""

    def read(value: str) -> int:
        if not re.fullmatch("[0-9]{1,9}", value) or not low <= int(value) <= high:
            what = f"is '{shown(value, 30)}'"
            raise Wrong(what, f"write a whole number from {low} to {high}")
        return int(value)

    return read


def duration(value: str) -> float:
    """Seconds: 90, 90s, 10m, 2h, 1.5h."""
    uncommented(value)
    match = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) ?([smh]?)", value)
    if not match:
        what = f"is '{shown(value, 30)}', not a duration"
        raise Wrong(what, "write seconds, or a number with s, m or h such as 90s, 10m or 2h")
    seconds = float(match[1]) * _UNITS[match[2]]
    if not 0 < seconds <= MAX_DURATION:
        raise Wrong(f"is '{value}'", "write more than 0 and at most 720h (30 days)")
    return seconds


def sha256(value: str) -> str:
    """64 hexadecimal digits."""
    if not re.fullmatch("[0-9A-Fa-f]{64}", value):
        what = f"is '{shown(value, 70)}' ({len(value)} characters), not a SHA-256"
        alone = ", alone" * bool(re.search(r"\b[0-9A-Fa-f]{64}\b", value))
        raise Wrong(what, f"write the 64 hexadecimal digits that sha256sum prints{alone}")
    return value.lower()


def absolute_path(value: str) -> str:
    """A path from the root, without `..`."""
    path = joined(value)
    _check_one_path(path)
    if not path.startswith("/"):
        raise Wrong(f"is '{shown(path)}', a relative path", "write a path that starts with /")
    if ".." in path.split("/"):
        raise Wrong(f"is '{shown(path)}', which holds '..'", "write the path without '..'")
    _check_length(path)
    _check_no_variable(path)
    return "/" + posixpath.normpath(path).lstrip("/")


def _check_one_path(path: str) -> None:
    """What is more than a path, or a pattern for paths, would be made as a folder of that name."""
    if second := re.search(r"\s[a-z_-]+\d*\s*=", path):
        what = f"is followed by '{shown(path[second.start() + 1 :], 40)}', which is part of it"
        raise Wrong(what, "write each key on a line of its own")
    if path.endswith((",", ";")):
        raise Wrong(f"is '{shown(path)}'", f"write it without the {path[-1]} behind it")
    if re.search(r"[*?]", path):
        what = f"is '{shown(path)}', and no shell reads it"
        raise Wrong(what, "name one; * and ? stand for themselves here")


def _check_length(path: str) -> None:
    """What no file system takes; folders and files are still to be made below it."""
    longest = max(len(part.encode()) for part in path.split("/"))
    if longest > MAX_NAME or len(path.encode()) > MAX_PATH:
        what = f"is '{shown(path, 40)}', longer than a path can be"
        raise Wrong(what, f"use at most {MAX_NAME} bytes between two /, and {MAX_PATH} in all")


def _check_no_variable(path: str) -> None:
    """No shell reads a path: a folder would really be called $HOME."""
    if _SHELL_VARIABLE.search(path):
        advice = "write the path itself, or %(name)s for a value of this file"
        raise Wrong(f"is '{shown(path)}', where no shell puts in a value", advice)


def work_folder(value: str) -> str:
    """A folder that xentest may fill: none that the system lives in."""
    path = absolute_path(value)
    if path in SYSTEM_FOLDERS or (path + "/").startswith(SYSTEM_TREES):
        what = f"is '{shown(path)}', which belongs to the system"
        raise Wrong(what, "name a folder of its own, such as /var/tmp/xentest")
    return path


def own_folder(value: str) -> str:
    """A work folder in which nobody else makes any."""
    path = work_folder(value)
    if path in EVERYBODYS:
        what = f"is '{shown(path)}', where everybody makes folders"
        raise Wrong(what, "name a folder of its own, such as /xentest")
    return path


def config_file(value: str) -> Optional[str]:
    """`none`, or the file a domain is started with."""
    return None if value.lower() == "none" else file_path(value)


def file_path(value: str) -> str:
    """A path from the root that names a file."""
    path = absolute_path(value)
    if value.endswith("/"):
        raise Wrong(f"is '{shown(value)}', which names a folder", "name a file in it")
    return path


def log_file(value: str) -> str:
    """A file that another machine, or a program here, writes a console into."""
    path = file_path(value)
    if path.startswith("/dev/"):
        what = f"is '{shown(path)}', a device, from which nobody can read what was said before"
        raise Wrong(what, "name the file in which what comes through it is logged")
    return path


def place(value: str) -> str:
    """A folder of a test: relative, or absolute (then checked with its domain)."""
    path = joined(value)
    if ".." in path.split("/"):
        what = f"is '{shown(path)}', which leads out of its place"
        raise Wrong(what, "write a path without '..', relative to tempdir")
    _check_length(path)
    _check_no_variable(path)
    if re.search(r"[*?]", path):
        what = f"is '{shown(path)}', and no shell reads it"
        raise Wrong(what, "name one folder; * and ? stand for themselves here")
    path = posixpath.normpath(path)
    return "" if path == "." else path


def log_place(value: str) -> str:
    """A place that is a folder of its own: all that a test was made of is no log."""
    path = place(value)
    if not path:
        raise Wrong(f"is '{value}', everything the test is made of", "name a folder for the logs")
    return path


def inner_path(path: str) -> str:
    """A file (or pattern) below test_dir."""
    if not path or path.startswith("/") or ".." in path.split("/"):
        what = f"reads the file '{shown(path)}'"
        raise Wrong(what, "name a file below test_dir, without '..'")
    return path


def kconfig(value: str) -> tuple[str, ...]:
    """Xen Kconfig lines."""
    chosen: dict[str, str] = {}
    for line in lines(value):
        if not _KCONFIG.fullmatch(line):
            what = f"holds '{shown(line)}', not a Kconfig line"
            raise Wrong(what, _instead_of_kconfig(line), line)
        name, _, choice_made = line.partition("=")
        if chosen.setdefault(name, choice_made) != choice_made:
            what = f"holds '{shown(line)}' and '{shown(f'{name}={chosen[name]}')}'"
            raise Wrong(what, "keep one of the two", line)
    return lines(value)


def _instead_of_kconfig(line: str) -> str:
    if off := re.fullmatch("# (CONFIG_[A-Za-z0-9_]+) is not set", line):
        return f"write {shown(off[1])}=n"
    if _KCONFIG.fullmatch(f"CONFIG_{line}"):
        return f"write CONFIG_{shown(line)}"
    return 'write CONFIG_NAME=y, =n, a number or a "text", one a line'


def variables(value: str) -> tuple[tuple[str, str], ...]:
    """NAME=value, one a line."""
    pairs: dict[str, str] = {}
    for line in lines(value):
        match = _VARIABLE.fullmatch(line)
        if not match:
            raise Wrong(f"holds '{shown(line)}'", "write NAME=value, one a line", line)
        if match["name"] in pairs:
            raise Wrong(f"sets {shown(match['name'])} twice", "keep one of the two", line)
        if match["name"].startswith("XENTEST_"):
            what = f"sets {shown(match['name'])}, which xentest sets itself"
            raise Wrong(what, "use another name", line)
        _check_variable(match["name"], match["value"], line)
        pairs[match["name"]] = match["value"]
    return tuple(pairs.items())


def _check_variable(name: str, value: str, line: str) -> None:
    """No shell reads these lines, though they look as if."""
    if re.search(rf"\$(?:(?:{name}|HOME|PWD)\b|{{(?:{name}|HOME|PWD)\b)", value):
        what = f"holds '{shown(line)}', where no shell puts in a value"
        raise Wrong(what, "write the value itself, or export it in the commands", line)
    if re.fullmatch(r"\"[^\"]*\"|'[^']*'", value):
        what = f"holds '{shown(line)}', whose quotes would be part of the value"
        raise Wrong(what, "write it without the quotes", line)
    if re.match(r"[^=]*[\s,][A-Z][A-Z0-9_]*=", value):
        raise Wrong(f"holds '{shown(line)}'", "write NAME=value, one a line", line)


def mail(value: str) -> str:
    """One or several mail addresses."""
    found = value.replace(",", " ").split()
    if not found:
        raise Wrong(f"is '{shown(value)}', no mail address", "write user or user@host")
    for item in found:
        if item.lower() == "none":
            raise Wrong(f"is '{item}'", "leave nothing behind the =, or name who is sent the mail")
        if not _MAIL.fullmatch(item):
            raise Wrong(f"holds '{shown(item)}', no mail address", "write user or user@host", item)
    return " ".join(found)


def result_format(value: str) -> str:
    """A format, and for files after a colon the path below test_dir."""
    kind, colon, path = joined(value).partition(":")
    kind, path = kind.strip(), path.strip()
    if kind not in RESULT_FORMATS:
        advice = f"write {either(RESULT_FORMATS)}, and :path if it stands in a file"
        raise Wrong(f"is '{shown(kind)}'", advice)
    if not colon:
        return kind
    if kind == "exit":
        raise Wrong(f"is '{shown(value)}'", "write exit alone: an exit status stands in no file")
    return f"{kind}:{inner_path(path)}"


def figures(value: str) -> str:
    """`json`, `json:FILE`, or a regular expression with the groups name and value (and unit)."""
    one_line(value)
    if value == "json":
        return value
    if value.startswith("json:"):
        return "json:" + inner_path(value[5:].strip())
    try:
        pattern = re.compile(value)
    except (re.error, OverflowError, RecursionError) as error:
        what = f"is no regular expression ({shown(str(error))})"
        raise Wrong(what, "write a Python regular expression, json or json:FILE") from None
    groups = set(pattern.groupindex)
    if not {"name", "value"} <= groups <= set(FIGURE_GROUPS):
        what = "does not name the groups that are read"
        raise Wrong(what, "write (?P<name>...), (?P<value>...) and, if known, (?P<unit>...)")
    return value
