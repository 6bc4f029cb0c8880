"""The commands of a control file: shell text, and slips in it that would hide a failure."""

from __future__ import annotations

import re
from typing import Optional

from xentest.control_bash import refuse_bash, without_quoted
from xentest.control_text import shown
from xentest.control_values import Wrong, lines

MAX_COMMAND = (128 << 10) - 1  # Linux's MAX_ARG_STRLEN, with its NUL
_BACKGROUND = re.compile(r"(?<![&>\\])&[\s)}]*$")
_GOES_ON = re.compile(r"(&&|\||\\)\s*\n\s*")
_WHOLLY_QUOTED = re.compile(r"'[^'\s]*\s[^']*'|\"[^\"\s]*\s[^\"]*\"")
# What a word processor makes of quotes, and of the - before an option.
_PASTED = re.compile(
    "[\u201c\u201d\u201e]|(?<!\\w)[\u2018\u2019\u201a]|[\u2018\u2019\u201a](?!\\w)"
    "|(?<=\\s)[\u2013\u2014\u2212](?=[\u2013\u2014\u2212\\w])"
)
_PLAIN = {**dict.fromkeys("\u201c\u201d\u201e", '"'), **dict.fromkeys("\u2018\u2019\u201a", "'")}
# Programs that end with 0 whatever they read, or whatever was done before them.
_READERS = "tee|head|tail|sort|tr|cut|nl|logger|ts"
_WORDS = r"\b[^;&|\n<>]*(?:>&2)?"
_AND_ALSO = re.compile(
    rf"(?P<or>\|\|)\s*(?:true|:|exit\s+0|(?:echo|printf|cat|head|tail|dmesg|sleep){_WORDS})"
    rf"|(?P<then>[;\n])\s*(?:true|:|exit\s+0|(?:echo|printf|dmesg|sleep|sync){_WORDS})"
    rf"|(?<!\|)(?P<pipe>\|)\s*(?:(?:{_READERS})\b[^;&|\n]*|cat)"
    r"|(?P<wait>[;\n]|(?<!&)&)\s*wait"
)
_END = re.compile(rf"(?:{_AND_ALSO.pattern})\s*;?\s*\Z")
_ENDS_EARLIER = re.compile(r"\b(?:exit|exec|kill|trap|errexit|pipefail)\b|\bset\s+-[a-z]*e|\$[?!]")
_INSTEAD = {
    "or": "remove it, or name a result_format if a report tells the verdict",
    "then": "begin with set -e, or join the commands by &&",
    "pipe": "remove it: what a test prints is kept as it is",
    "wait": "wait for each of them by its number ($!), and join the waits by &&",
}


def command(value: str) -> str:
    """Shell text, line by line as it was written."""
    if all(line.startswith("#") for line in lines(value)):
        raise Wrong("is only a comment, which never fails", "write what is to be run")
    if value.lower() == "none":
        what = f"is '{value}', and a program of that name would be run"
        raise Wrong(what, "leave nothing behind the = where there is nothing to run")
    if len(value.encode()) > MAX_COMMAND:
        what = f"is longer than {MAX_COMMAND} bytes, and no program could be handed it"
        raise Wrong(what, "put it into a script, and let the archive bring that")
    if re.match(r"\[[\"']", value):
        what = "begins with [ and a quote, so that the shell looks for a program of that name"
        raise Wrong(what, "write the words with blanks between them, as in a shell")
    if _WHOLLY_QUOTED.fullmatch(value):
        what = "is in quotes as a whole, so that the shell looks for a program of that name"
        raise Wrong(what, "write it without the quotes")
    bare = without_quoted(value)
    if "<<" not in bare and (pasted := _PASTED.search(bare)):
        what = f"holds {pasted[0]}, which no shell takes for the plain one"
        raise Wrong(what, f"write {_PLAIN.get(pasted[0], '-')} as on the keyboard")
    refuse_bash(value)
    if re.search(r"(?<!\\)(?:\\\\)*\\$", value):
        what = "ends with a \\, behind which nothing comes: it would be a word of its own"
        raise Wrong(what, "remove it, or indent the line below, which goes on")
    if _BACKGROUND.search(value):
        what = "ends with a &, so that its end is not waited for and its failure not seen"
        raise Wrong(what, "remove the &, or end with wait and an exit status")
    return value


def never_fails(value: str) -> Optional[Wrong]:
    """Why such a command ends with 0 whatever its test does; None when it need not."""
    bare = _bare(value)
    end = _END.search(bare)
    if end is None or _ENDS_EARLIER.search(bare[: end.start()]) or not bare[: end.start()].strip():
        return None
    kind = next(name for name in _INSTEAD if end[name])
    return Wrong(f"ends with `{shown(' '.join(end[0].split()), 40)}`", _INSTEAD[kind])


def _bare(value: str) -> str:
    """The command with what is quoted in it left out, and its lists of commands on one line."""
    return _GOES_ON.sub(r"\1 ", without_quoted(value))
