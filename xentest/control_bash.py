"""What bash knows and Debian's /bin/sh (dash) does not, where `sh -n` sees nothing wrong.

Each of these runs at night as something else: as a program that is not there, as a word
that is taken literally, or as the end of the shell.
"""

from __future__ import annotations

import re

from xentest.control_values import Wrong

# What is no part of a command's own grammar: text in quotes, escaped characters, comments.
_QUOTED = re.compile(r"'[^']*'|\"(?:\\.|[^\"\\])*\"|\\.|(?:(?<=\s)|^)#.*$", re.MULTILINE)
_FIRST = (
    r"(?:^|[;&|({!]|\b(?:if|elif|while|until|then|else|do))[^\S\n]*"  # where a program is named
)
_LACKING = "which sh does not have"
# Looked for in the command with all that is quoted left out.
_GRAMMAR = (
    (
        r"(?<!&)&>",
        "&>, where sh sees a & (so that nothing waits for the command) and a >",
        "write > FILE 2>&1",
    ),
    (
        _FIRST + r"\[\[\s",
        f"[[, {_LACKING}: as a condition it is never true",
        "write [ ... ] or a case",
    ),
    (
        _FIRST + r"(?:\[|test)\s[^];&|\n]{0,500}\s==\s",
        f"== in a test, {_LACKING}: it is never true",
        "write =",
    ),
    (_FIRST + r"source\s+[^\s)]", f"source, {_LACKING}", "write . ./FILE"),
    (
        _FIRST + r"(?:(?:declare|typeset|shopt)\s+-|(?:mapfile|readarray|coproc|pushd)\s+[^\s)])",
        "a word of bash (declare, shopt, mapfile, pushd, ...) that sh does not have",
        "write it for sh, or as bash -c '...'",
    ),
    (
        _FIRST + r"(?:let\s+\w+[-+*/%]?=|\(\(\s*\w+\s*(?:\+\+|--|[-+*/%<>=!]=)[^();\n]*\)\))",
        f"arithmetic as a command, {_LACKING}",
        "write i=$((i + 1)), or [ $i -lt 3 ]",
    ),
    (
        r"\$\(\([^()]*(?:\w(?:\+\+|--)\s*\)\)|\*\*)",
        f"++, -- or ** in $((...)), {_LACKING}: the command ends there",
        "write i=$((i + 1))",
    ),
    (
        r"\{(?:-?[0-9]+\.\.-?[0-9]+|[A-Za-z]\.\.[A-Za-z])(?:\.\.-?[0-9]+)?\}",
        "{FIRST..LAST}, which sh takes as it is written",
        "write $(seq FIRST LAST), or the words",
    ),
    (
        _FIRST + r"(?:\w+=[^\s;&|()]*[^\S\n]+)*read\s+(?:-[pr]+\s+)*-(?!-)[pr]*[^pr\s]",
        "an option of read that sh does not have (it knows -r and -p)",
        "write it for sh, or as bash -c '...'",
    ),
    (
        _FIRST + r"trap\s[^;&|\n]{0,500}\s(?:ERR|DEBUG|RETURN)\b",
        f"a trap for ERR, DEBUG or RETURN, {_LACKING}",
        "begin with set -e, or trap EXIT",
    ),
)
_PATTERNS = tuple((re.compile(regex, re.MULTILINE), what, cure) for regex, what, cure in _GRAMMAR)
# Looked for between double quotes, too.
_SUBSTITUTION = re.compile(r"(?<!\\)\$\{(?:![A-Za-z0-9_]|#?\w+(?:[\^,/\[@]|:(?![-=?+])))")
_SINGLE = re.compile(r"(\"(?:\\.|[^\"\\])*\"|\\.)|'[^']*'|(?:(?<=\s)|^)#.*$", re.MULTILINE)
_C_QUOTES = re.compile(r"(?<![$\\])\$'")
_PIPEFAIL = re.compile(_FIRST + r"set\s+(?:[-+]\w+\s+)*-[A-Za-z]*o\s+pipefail\b", re.MULTILINE)
_ASKED = re.compile(r"\(\s*set\s[^)]*pipefail|BASH_VERSION")  # whether the shell knows it


def refuse_bash(value: str) -> None:
    """Wrong when the command holds what sh takes for something else."""
    bare = without_quoted(value)
    if "<<" in bare or "BASH_VERSION" in value:
        return
    for pattern, what, cure in _PATTERNS:
        if pattern.search(bare):
            raise Wrong(f"holds {what}", cure)
    if _SUBSTITUTION.search(_SINGLE.sub(lambda found: found[1] or "", value)):
        what = f"holds a ${{...}} of bash, {_LACKING}: the command ends there"
        raise Wrong(what, "write it for sh (${x#..}, ${x%..}, cut, sed), or as bash -c '...'")
    if any(bare.startswith("$_", found.start()) for found in _C_QUOTES.finditer(value)):
        raise Wrong("holds $'...', which sh takes for a $ and text", "write \"$(printf '...')\"")


def wants_pipefail(value: str) -> bool:
    """Whether the command sets pipefail (or the like) without asking whether sh knows it."""
    bare = without_quoted(value)
    return "<<" not in bare and not _ASKED.search(value) and bool(_PIPEFAIL.search(bare))


def without_quoted(value: str) -> str:
    """The command with what is quoted in it replaced by as many underscores."""
    return _QUOTED.sub(lambda found: "_" * len(found[0]), value)
