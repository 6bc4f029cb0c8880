"""What can go wrong, and how a user hears of it.

Every failure that a user may meet is a XentestError: what happened, what it
means, what to do next.  Its class decides the exit status of the command.
"""

from __future__ import annotations

import errno
import signal
import sys
import traceback
from contextlib import contextmanager
from typing import Callable, Iterator, NoReturn, Optional, Sequence

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_BROKEN = 3
EXIT_INTERRUPTED = 130


class XentestError(Exception):
    """A failure with its meaning; `advice` says what to do next."""

    exit_status = EXIT_BROKEN

    def __init__(self, what: str, advice: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.what}\n  {self.advice}" if self.advice else self.what


class UsageError(XentestError):
    """The command line or the control file is wrong; nothing was touched."""

    exit_status = EXIT_USAGE


class BrokenError(XentestError):
    """The lab's fault: fetching, building, disk, network. Never the tree's."""


ADVICE = {
    errno.ENOSPC: "The disk is full (df, df -i): make room, and run this again.",
    errno.EDQUOT: "A quota is used up: make room, and run this again.",
    errno.EROFS: "It is mounted read-only; the kernel does that after an error of the disk.",
    errno.EMFILE: "Too few files may be open: raise `ulimit -n`.",
    errno.ENOMEM: "Memory is used up: end other programs, and run this again.",
    errno.EACCES: "Run this as root.",
    errno.EPERM: "Run this as root.",
}


def of_system(error: OSError) -> BrokenError:
    """What the system refused, as a failure with its meaning."""
    where = f": {error.filename}" if error.filename is not None else ""
    said = error.strerror or str(error)
    advice = ADVICE.get(error.errno or 0, "")
    if error.errno == errno.ENOENT and not where:
        advice = "The folder that it was called in may be gone: call it in another one."
    return BrokenError(f"the system said: {said}{where}", advice)


def guarded_main(name: str, main: Callable[[Sequence[str]], int], argv: Sequence[str]) -> int:
    """Run a command so that no traceback reaches its user (`--debug` shows it).

    Nothing that happens to its output ends it; SIGTERM and SIGHUP end it as Ctrl-C does.
    """
    from xentest import streams

    with streams.patient() as output, _ended_in_order():
        status = _run(name, main, argv)
        sys.stdout.flush()
        if status == EXIT_OK and output.lost:
            print(f"{name}: the output could not be written: {output.lost}", file=sys.stderr)
            return EXIT_BROKEN
        return status


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Signals that end a process let it clean up first; those that are ignored stay so (nohup).

    But for the one that tells of children: where it is ignored nobody learns how they ended.
    """

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    numbers = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


def _run(name: str, main: Callable[[Sequence[str]], int], argv: Sequence[str]) -> int:
    debug = "--debug" in argv
    try:
        return main([word for word in argv if word != "--debug"])
    except XentestError as error:
        return _report(name, error, str(error), error.exit_status, debug)
    except SystemExit as ended:  # of a parser of arguments, which has said all
        return ended.code if isinstance(ended.code, int) else EXIT_OK
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except OSError as error:
        return _report(name, error, str(of_system(error)), EXIT_BROKEN, debug)
    except Exception as error:  # the last resort: a fault of ours
        what = (
            f"internal error: {type(error).__name__}: {error}\n"
            "  This is a fault of xentest; run again with --debug and report what it prints."
        )
        return _report(name, error, what, EXIT_BROKEN, debug)


def _report(name: str, error: BaseException, what: str, status: int, debug: bool) -> int:
    if debug:
        traceback.print_exception(type(error), error, error.__traceback__)
    print(f"{name}: {printable(what)}", file=sys.stderr)
    return status


def printable(text: str) -> str:
    """Text that cannot play tricks on a terminal: control characters become '?'."""
    return "".join(c if c.isprintable() or c in "\n\t" else "?" for c in text)


def printable_line(text: str) -> str:
    """The same on one line, so that a stranger's words cannot pass for lines of ours."""
    return printable(text).replace("\n", " ").replace("\t", " ")


def without_password(address: str) -> str:
    """An address as it may be shown: without the name and password that may stand in it."""
    host = address.partition("://")[2].split("/", 1)[0]
    return address.replace(host, "***@" + host.rsplit("@", 1)[1], 1) if "@" in host else address


def first_line(text: Optional[str], limit: int = 300) -> str:
    """The first line of `text` that says something, cut to `limit` characters."""
    for line in (text or "").splitlines():
        if line.strip():
            return line.strip()[:limit]
    return ""
