"""The commands of a control file: shell text, and slips in it that would hide a failure."""

from __future__ import annotations

import re
from typing import Optional

from xentest.control_bash import refuse_bash, without_quoted
from xentest.control_text import shown
from xentest.control_values import Wrong, lines

_BACKGROUND = re.compile(r"(?<![&>\\])&[\s)}]*$")
_GOES_ON = re.compile(r"(&&|\||\\)\s*\n\s*")
_WHOLLY_QUOTED = re.compile(r"'[^']*\s[^']*'|\"[^\"]*\s[^\"]*\"")
_AND_ALSO = re.compile(
    r"(?P<or>\|\|)\s*(?:true|:|exit\s+0|(?:echo|printf)\b[^;&|\n<>]*(?:>&2)?)"
    r"|(?P<then>[;\n])\s*(?:true|:|exit\s+0|(?:echo|printf)\b[^;&|\n<>]*(?:>&2)?)"
    r"|(?<!\|)(?P<pipe>\|)\s*(?:tee\b[^;&|\n]*|cat)"
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
    if _WHOLLY_QUOTED.fullmatch(value):
        what = "is in quotes as a whole, so that the shell looks for a program of that name"
        raise Wrong(what, "write it without the quotes")
    refuse_bash(value)
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
