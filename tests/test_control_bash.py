"""What only bash knows is refused where /bin/sh would run something else; what sh knows is not."""

from __future__ import annotations

import subprocess

import pytest

from xentest import control, control_bash
from xentest import control_commands as commands
from xentest.control_values import Wrong

OF_SH = [
    "echo don\u2019t; echo '\u201call\u201d' \u2013",
    "cat > x <<E\n\u201call\u201d \u2013\u2013\nE\n./t",
    '[ "$x" = y ] && ./t',
    "echo " + "x" * 131_000,
    "bash -c 'set -o pipefail; a | b'",
    "./source x",
    "make source",
    "case $1 in\nsource) x;;\nesac",
    "echo source a",
    "./t --x={1,2}",
    "git log HEAD@{1}",
    "awk '{print $1..$2}' x",
    "read -r x < f",
    "read -p 'a' x",
    "IFS=: read -r a b <f",
    "while read -r line; do echo $line; done < f",
    'echo "${x:-a/b}" ${x:=1} ${x:+[} ${x%%.*} ${x##*/} ${#x} ${x?} $# $!',
    "grep 'a$' f",
    "grep -q '^x$'",
    "grep -q \"^a$\" '$x'",
    "((cd a && ./b) && ./c)",
    "( (a) ; b)",
    "trap 'rm -f x' EXIT INT TERM",
    "x=$((i+1)); y=$((i - -1)); z=$((a*b))",
    "for i in $(seq 3); do ./t $i; done",
    "echo it\\'s; echo '$a'",
    "kill $$'' ",
    "(set -o pipefail) 2>/dev/null && set -o pipefail; ./t",
    "exec bash -c '[[ a == b ]]'",
    "./t # don't source x; {1..3} ${x^^}",
    "cat > x <<'E'\nsource y\n[[ a\nE\nbash x",
    'if [ -n "$BASH_VERSION" ]; then set -o pipefail; fi; ./t',
    "set -e; set -u; ./t",
    "set -eu\n./t",
    "./declare -a",
    "command -v shopt",
    "let=3; ./t $let",
    "./let x=1",
    "echo let x=1",
    "apt-get source xen",
    "./read -t 1",
    "awk '{a[NR]=$0} END{print \"${x^^}\"}'",
    "printf '%s' '${x^^}'",
    'echo "don\'t ${x}"',
    "echo \\${x^^}",
    "./t {a..}",
    "find . -name '*.{c,h}' -exec grep x {} +",
    "xl list | sed -n '1,$p'",
    "echo 'a'$'",
    "sed -e s/x$/'y'/ f",
    "test -e x || exit 77",
    'a="$(echo "it\'s")"; b=$1\'x\'',
]
OF_BASH = [
    "source ./env && ./t",
    "./a; source env",
    ". ./x\nsource y\n./t",
    "for i in {1..3}; do ./t; done",
    "./t {a..e}",
    "./t {01..10..2}",
    "declare -A m",
    "shopt -s nullglob",
    "mapfile -t x < f",
    "pushd d; make; popd",
    "let x=1",
    "((i++))",
    "if ((i == 3)); then x; fi",
    "while ((i <= 3)); do x; done",
    "((n+=1)); ./t",
    "echo $((i++))",
    "echo $((2**3))",
    "read -a x",
    "read -t 5 x",
    "a | while read -ra x; do y; done",
    "IFS=, read -r -a x",
    "trap 'echo' ERR",
    "echo ${x^^}",
    'echo "${x,,}"',
    "${x/a/b}",
    "${x:0:3}",
    "${x: -1}",
    "${!x}",
    "${a[0]}",
    "${a[@]}",
    "${#a[@]}",
    "printf $'a\\n'",
    "grep -P $'\\t' f",
    "coproc cat",
]
PIPEFAIL = [
    "set -o pipefail; a",
    "set -euo pipefail\na",
    "set -e -o pipefail; x",
    "if x; then set -o pipefail; fi",
    "a && set -o pipefail && b",
]


@pytest.mark.parametrize("command", OF_SH)
def test_what_sh_knows_is_taken(command: str) -> None:
    assert commands.command(command) == command
    assert not control_bash.wants_pipefail(command)


@pytest.mark.parametrize("command", OF_BASH)
def test_what_bash_alone_knows_is_refused(command: str) -> None:
    with pytest.raises(Wrong) as caught:
        commands.command(command)
    assert "sh " in caught.value.what and caught.value.instead


@pytest.mark.parametrize("command", PIPEFAIL)
def test_pipefail_is_seen(command: str) -> None:
    assert control_bash.wants_pipefail(command)


def test_pipefail_is_told_where_sh_does_not_know_it() -> None:
    text = (
        "[Preferences]\nhypervisor=none\nshared_dir=/xentest/shared\n"
        "[t]\nrun_command=\n  ./prepare\n  set -o pipefail\n  ./t | tee t.log\n"
        "[XENVM0]\nname=dom0\ntempdir=/var/tmp/xentest\ntest1=t\n"
    )
    known = (
        subprocess.run(["/bin/sh", "-c", "set -o pipefail"], capture_output=True).returncode == 0
    )
    try:
        control.parse(text, "x.cfg", ask_shell=True)
        assert known
    except control.ControlError as error:
        assert "run_command sets pipefail" in str(error) and not known
