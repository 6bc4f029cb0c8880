"""xenstartdoms: start the domains of a run, watch them, and collect their results."""

from __future__ import annotations

from typing import Sequence

from xentest.errors import EXIT_OK, UsageError

CONTROL = "/etc/xen/xentest.conf"
VALUED = ("--run", "--console-excerpt", "--give-up")
EXCERPT_LIMIT = 4 << 20
HELP = f"""\
usage: xenstartdoms [CONTROL] [--run ID] [--resume] [--console-excerpt FILE]
                    [--give-up REASON]

Hands every domain of the control file its work, starts those that ask for it,
watches them all, collects their results and prints a summary.
CONTROL is {CONTROL} unless given.

  --run ID                 go on with the run of that id (xenbuild has begun it)
  --resume                 go on with a run that was cut off: --run ID, or the latest
  --console-excerpt FILE   what the machine's console said before it went down
  --give-up REASON         start nothing: collect, give what is missing this reason
  --debug                  show where an error came from
  --version

Exit status: 0 all well, 1 something failed, 2 usage or control file, 3 broken.
"""


def main(argv: Sequence[str]) -> int:
    """Run the command."""
    if "--help" in argv or "-h" in argv:
        print(HELP, end="")
        return EXIT_OK
    if "--version" in argv:
        from xentest import VERSION

        print(f"xenstartdoms {VERSION}")
        return EXIT_OK
    from xentest import startdoms
    from xentest.progress import Progress

    words = _parse(argv)
    settings = startdoms.Settings(
        control_path=words.get("control", CONTROL),
        run_id=words.get("--run"),
        resume="--resume" in words,
        give_up=words.get("--give-up", ""),
        console_excerpt=_read(words.get("--console-excerpt", "")),
    )
    return startdoms.start(settings, Progress())


def _parse(argv: Sequence[str]) -> dict[str, str]:
    """Options and their values by name; the control file as "control"."""
    words: dict[str, str] = {}
    rest = list(argv)
    while rest:
        word, equals, value = rest.pop(0).partition("=")
        if word == "--resume" and not equals:
            words[word] = ""
        elif word in VALUED:
            words[word] = value or (rest.pop(0) if rest else "")
            if not words[word]:
                raise UsageError(f"{word} needs a value", "See xenstartdoms --help.")
        elif word.startswith("-"):
            raise UsageError(f"unknown option {word}", "See xenstartdoms --help.")
        elif "control" in words:
            raise UsageError(f"unexpected word {word}", "See xenstartdoms --help.")
        else:
            words["control"] = word + equals + value
    return words


def _read(path: str) -> str:
    if not path:
        return ""
    try:
        with open(path, "rb") as stream:
            return stream.read(EXCERPT_LIMIT).decode("utf-8", "replace")
    except OSError as error:
        raise UsageError(f"the console excerpt cannot be read: {error}", "Name a file.") from None
