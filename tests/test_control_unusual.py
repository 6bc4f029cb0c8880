"""Control files that look strange and are good: nothing of them may be refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from xentest import control

BASE = """[Preferences]
xen-tree=xen
shared_dir=/xentest/shared

[Locations]
xen=https://www.example.org/xen.tar.gz

[LTP]
source_url=https://www.example.org/ltp.tar.gz
test_dir=ltp
run_command=./runltp -q

[XENVM0]
name=dom0
tempdir=/var/tmp/xentest
test1=LTP
"""
TREE = "https://www.example.org/xen.tar.gz"
RUN = "run_command=./runltp -q\n"
WHOLE = {
    "lines of DOS": BASE.replace("\n", "\r\n"),
    "no line end at the end": BASE.rstrip("\n"),
    "blanks behind": BASE.replace("\n", "  \n"),
    "blanks round the sign": BASE.replace("=", "\t = \t", 3),
    "the last section first": "\n\n".join(reversed(BASE.strip().split("\n\n"))) + "\n",
    "a comment in any script": "# Größe 💥\n; also this\n\n" + BASE,
    "marks that scripts need in comments": "# \u200fשלום a\u00a0b 👩\u200d🔬\n" + BASE,
    "no tree without Xen": BASE.replace("xen-tree=xen", "hypervisor=kvm"),
    "keys in capitals": BASE.replace("tempdir", "TEMPDIR").replace("test1", "Test1"),
}
CHANGED = {
    TREE: (
        "https://[2001:db8::1]:8080/xen.tar.gz",
        "https://www.example.org/get?f=xen.tar.gz&x=1;y",
        "https://www.example.org/~ian/a%%20b%%23c.tar.gz",
        "https://user:se%%40cret@www.example.org/xen.tar.gz",
        "ftp://anonymous@ftp.example.org/xen_4.17+b1.orig.tar.xz",
        "git+https://www.example.org/xen.git#refs/heads/staging-4.17",
        "git+https://www.example.org/xen.git#RELEASE-4.17.0",
        "git+ssh://git@www.example.org:2222/xen.git",
        "https://build_host/xen.tar.gz",
        "https://192.0.2.255/xen.tar.gz",
        "https://www.example.org./xen.tar.gz",
        "https://github.com/example/xen/releases/download/v1/xen.tar.gz",
        "https://github.com/example/xen/archive/refs/tags/v1.tar.gz",
        "https://gitlab.com/example/xen/-/archive/v1/xen-v1.tar.gz",
        "https://github.com/example/blob/raw/v1/xen.tar.gz",
        "https://github.com/example/xen/raw/blob/xen.tar.gz",
        "https://gitlab.com/example/xen/-/releases/v1/downloads/xen.tar.gz",
        "https://www.example.org/xen.git/snapshot/xen.tar.gz",
        "https://www.example.org/download/",
        "deb-src:libstdc++",
        "/srv/a.b/xen#1.tar",
    ),
    RUN: (
        "run_command=./a '#' x # a comment of the shell\n",
        "run_command=[ -e x ] && ./a\n",
        "run_command=[ -e x ] &&\n  [ -e y ] ||\n  ./a\n",
        "run_command=# why\n  ./a\n",
        'run_command=date +%%s; for i in 1 2; do ./t "$i" || exit 1; done\n',
        "run_command=./server & ./client\n",
        "run_command=./server &\n  ./client\n",
        "run_command=./t 2>&1 &&\n  wait\n",
        "run_command=echo a \\&\n",
        "run_command=xenruntests --barrier ready 2 && ./t\n",
        "run_command=xenruntests --barrier ready --timeout 9 2 && ./t\n",
        'run_command=xenruntests --barrier "$X" && ./t\n',
        "run_command=sh -c 'echo \"it'\"'\"'s\"'\n",
        RUN + "sha256=" + "A" * 64 + "\n",
        RUN + "timeout=0.5\n",
        RUN + "timeout=6h\nrepeat=0010\n",
        "run_command=set -e\n  ./t\n  echo done\n",
        "run_command=./t || exit 1\n  echo done\n",
        "run_command=./t || { echo bad; exit 1; }\n",
        "run_command=./prepare; ./t && echo ok\n",
        "run_command=./t &&\n  echo ok\n",
        "run_command=./t; rc=$?; echo $rc; exit $rc\n",
        "run_command=./a & ./b; wait $!\n",
        "run_command=./t | tee t.log\n",
        "run_command=echo one; echo two\n",
        "run_command=grep '&> [[ x == y || true' x\n",
        "run_command=bash -c 'if [[ a == b ]]; then ./t &> log; fi'\n",
        "run_command=./a 'b c' \"d e\"\n",
        "run_command=awk '$1 == 2' x && ./a 2>&1 >x && ./b &&>x ./c\n",
        "run_command=./test --filter a == b\n",
        "run_command=echo ok\n",
        "run_command=mkdir x; echo ok > x/y\n",
        RUN + "env=A=root=/dev/xvda CONSOLE=hvc0\n  B=a, b\n  C='a' 'b'\n",
        RUN + "timeout=\nexpect=\n",
        RUN + "env=LDFLAGS=-Wl,-rpath,$ORIGIN\n  PATTERN=^a$\n  HOME_PAGE=$HOMEPAGE\n",
        RUN + "result_format=ktap\nexpect=memory/*\n  clock?\n  [abc]*\n",
        RUN + "env=A=1\n  B=x=y # z\n  C=\n",
        RUN + "requires=gcc /dev/kvm x86_64-linux-gnu-gcc-12\n",
        RUN + "result_format=junit:out dir/**/*.xml\n",
        RUN + "log_dir=/var/tmp/xentest/logs/\n",
    ),
    "name=dom0": ("name=Dom0", "name=a", "name=x1.lab-2.example.org", "name=xn--a-b--c"),
    "[XENVM0]": ("[XENVM]", "[XENVM-web server]"),
    "tempdir=/var/tmp/xentest": (
        "tempdir=/var/tmp/a$",
        "tempdir=/var/tmp/xentest/",
        "tempdir=/tmp/" + "ä" * 127,
    ),
}


@pytest.mark.parametrize("name", WHOLE)
def test_unusual_files(name: str) -> None:
    assert [d.tests for d in control.parse(WHOLE[name], "x.cfg").domains] == [("LTP",)]


@pytest.mark.parametrize("old, new", [(old, new) for old, all in CHANGED.items() for new in all])
def test_unusual_values(old: str, new: str) -> None:
    assert BASE.count(old) == 1
    control.parse(BASE.replace(old, new), "x.cfg", ask_shell=True)


@pytest.mark.parametrize("name", ["LTP 2.0_x+y-z", "a", "_", "9." + "x" * 98])
def test_unusual_names_of_tests(name: str) -> None:
    control.parse(BASE.replace("[LTP]", f"[{name}]").replace("=LTP", f"={name}"), "x.cfg")


def test_a_scheme_in_capitals() -> None:
    found = control.parse(BASE.replace(TREE, "HTTPS://www.example.org/Xen.tar.gz"), "x.cfg")
    assert found.tree().address == "https://www.example.org/Xen.tar.gz"


def test_what_nobody_runs_is_told() -> None:
    from xentest import build

    text = BASE.replace("[XENVM0]", "[spare]\nrun_command=./t\n[XENVM0]")
    assert "not run spare: no domain lists it" in build.explain(control.parse(text, "x.cfg"))
    assert "not run" not in build.explain(control.parse(BASE, "x.cfg"))


def test_a_password_is_not_shown() -> None:
    from xentest import build

    text = BASE.replace(TREE, "https://user:secret@www.example.org/xen.tar.gz")
    said = build.explain(control.parse(text, "x.cfg"))
    assert "secret" not in said and "www.example.org/xen.tar.gz" in said


def test_what_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    for path in (tmp_path / "a", Path("/dev/zero"), Path("/proc/self/mem"), tmp_path / ("x" * 300)):
        with pytest.raises(control.ControlError):
            control.load(path)
