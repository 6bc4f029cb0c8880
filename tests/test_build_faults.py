"""Builds that fail for what the machine lacks: no fault of the tree's."""

from __future__ import annotations

from pathlib import Path

import pytest

from xentest import tree
from xentest.control import Location
from xentest.errors import BrokenError

MACHINES_FAULTS = [
    "x.s: No space left on device",
    "cp: error writing 'x.h': No space left on device\na.c:1:3: fatal error: x.h: no such file",
    "cc1: error: a.o: Disk quota exceeded",
    "cp: error reading 'x': Input/output error",
    "cc1: out of memory allocating 65536 bytes after a total of 1234 bytes",
    "ld: final link failed: memory exhausted",
    "collect2: fatal error: ld terminated with signal 9 [Killed]",
    "gcc: internal compiler error: Killed (program cc1)",
    "make[2]: *** [Rules.mk:3: a.o] Killed",
    "make: fork: Resource temporarily unavailable",
    "sh: 1: Cannot fork",
    "ld: a.o: Too many open files",
    "configure: error: Unable to find flex, please install flex",
    "configure: error: Package requirements (yajl) were not met:",
    "/usr/bin/env: 'python3': No such file or directory\nmake: *** [Makefile:5: x] Error 127",
]


def build(command: str, folder: Path) -> None:
    tree.build(Location("x", "/x", build_command=command), folder, folder / "log", jobs=1)


@pytest.mark.parametrize("lines", MACHINES_FAULTS)
def test_what_the_machine_lacks_is_not_the_trees_fault(tmp_path: Path, lines: str) -> None:
    (tmp_path / "said").write_text(lines + "\nmake: *** [all] Error 2\n")
    with pytest.raises(BrokenError, match="this machine cannot build"):
        build("cat said; false", tmp_path)


def test_a_build_that_is_killed_is_not_the_trees_fault(tmp_path: Path) -> None:
    with pytest.raises(BrokenError, match="was killed"):
        build("echo a.c:1: error: b; kill -9 $$", tmp_path)
