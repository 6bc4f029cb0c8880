"""A hypervisor tree in small, with what a build of the real one does."""

from __future__ import annotations

import tarfile
from pathlib import Path

from test_buildid import image
from xentest import tree
from xentest.control import Location

MAKEFILE = """\
all:
\t@test -f .config || echo CONFIG_X86=y > .config
\t@echo built of $(XEN_BUILD_DATE), from outside: $(FOREIGN)
\t@mkdir -p include/xen && cp compile.h include/xen/
\t@$(BREAK)
\t@cp image xen && gzip -nc xen > xen.gz && cp image xen-syms
olddefconfig:
\t@grep -v 'DROPPED|DEBUGG' -E .config > .new && mv .new .config
"""
COMPILE_H = """\
#define XEN_COMPILER\t\t"gcc 12"
#define XEN_VERSION\t\t4
#define XEN_SUBVERSION\t\t17
#define XEN_EXTRAVERSION\t".5"
"""


def make_source(folder: Path) -> Path:
    """The tree's folder below this one."""
    xen = folder / "source/xen"
    xen.mkdir(parents=True)
    (xen / "Makefile").write_text(MAKEFILE)
    (xen / "compile.h").write_text(COMPILE_H)
    (xen / "Kconfig").write_text("config DEBUG\nconfig DROPPED\nconfig UBSAN\n")
    (xen / "file").write_text("old\n")
    (xen / "image").write_bytes(image())
    (xen / "include/public/arch-x86").mkdir(parents=True)
    (xen / "include/public/arch-x86/xen.h").write_text("words\n")
    return folder / "source"


def make_location(folder: Path, source: Path) -> Location:
    """Where the tree can be had, as an archive in `folder`."""
    with tarfile.open(folder / "xen.tar.gz", "w:gz") as archive:
        archive.add(source, "xen-4.17")
    return Location(name="xen", address=str(folder / "xen.tar.gz"))


def build(location: Location, folder: Path, **settings: object) -> tree.Built:
    return tree.build(location, folder, folder.parent / "log", jobs=1, **settings)  # type: ignore
