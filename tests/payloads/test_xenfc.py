"""xenfc without Xen: the dry run, the table, the fences and the words for what is wrong."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "payloads/xenfc"
LIMIT = 300


@pytest.fixture(scope="session")
def program() -> str:
    subprocess.run(["make", "-s", "-C", str(SOURCE)], check=True, capture_output=True)
    return str(SOURCE / "build/xenfc")


def run(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, *words], capture_output=True, text=True, timeout=LIMIT)


def calls(program: str, *words: str) -> list[str]:
    """The calls of a dry run, each with all its lines."""
    said = run(program, "--dry-run", *words)
    assert said.returncode == 0, said
    return said.stdout.split("Call: ")[1:]


def test_another_guest_may_be_dying(program):
    """It has no port to give then, which Xen says before it asks for the right."""
    words = "-s", "5", "-l", "400", "-o", "evtchn.alloc_unbound", "--role", "guest"
    others = [call for call in calls(program, *words) if re.search(r"^\.dom = [2-8]$", call, re.M)]
    assert others and all("Expecting -1 or -3 or -22\n" in call for call in others), others[0]


def test_what_xen_dies_of_is_asked_only_where_that_is_allowed(program):
    words = "-s", "5", "-l", "3000", "-o", "physdev.map_pirq"
    first = re.compile(r"^\.pirq = 0$", re.M)
    assert not any(first.search(call) for call in calls(program, *words))
    assert any(first.search(call) for call in calls(program, *words, "--allow", "fatal"))


def test_seed_is_told_first_and_repeats_the_sequence(program):
    first = run(program, "--dry-run", "-s", "1114727452", "-l", "500").stdout
    assert first.startswith("Seed: 1114727452\n")
    assert first == run(program, "--dry-run", "-s", "1114727452", "-l", "500").stdout
    assert first != run(program, "--dry-run", "-s", "1114727453", "-l", "500").stdout


def test_without_a_seed_one_is_chosen_and_told(program):
    said = run(program, "--dry-run", "-l", "20").stdout
    seed = re.match(r"Seed: (\d+)\n", said)
    assert seed, said
    assert run(program, "--dry-run", "-s", seed[1], "-l", "20").stdout == said


def test_lines_of_the_ancestor(program):
    said = calls(program, "-s", "5", "-l", "300", "-o", "domctl.destroydomain")
    destroying = next(call for call in said if ".u.destroydomain" in call)
    assert re.fullmatch(
        r"\d+( in a multicall)?\nop\n\.cmd = 2\n\.interface version = \d+\n\.domain = \d+\n"
        r"\.u\.destroydomain\n\.argument 0 = \S+\nExpecting -\d+\n",
        destroying,
    ), destroying


def test_part_of_a_sequence_is_the_same_calls(program):
    whole = calls(program, "-s", "9", "-l", "200")
    assert calls(program, "-s", "9", "--from", "50", "--to", "59") == whole[50:60]
    assert calls(program, "-s", "9", "--from", "50")[:50] == whole[50:100]
    assert len(calls(program, "-s", "9", "--from", "70001", "--to", "70003")) == 3


def test_four_in_five_calls_are_of_the_table(program):
    said = calls(program, "-s", "3", "-l", "5000")
    unknown = sum(".u.unknown" in call or "\nhypercall " in call for call in said)
    assert 0.17 < unknown / len(said) < 0.23


def test_one_version_in_a_hundred_is_wrong(program):
    said = calls(program, "-s", "4", "-l", "20000", "-o", "domctl.pausedomain")
    wrong = sum("Expecting -13\n" in call for call in said)
    assert 0.005 < wrong / len(said) < 0.015


def test_guest_is_refused_what_the_control_domain_may(program):
    words = ("-s", "2", "-l", "3000", "-o", "sysctl.physinfo")
    as_guest = calls(program, *words, "--role", "guest")
    as_control = calls(program, *words, "--role", "control")
    assert not any("Expecting 0\n" in call and "physinfo" in call for call in as_guest)
    assert any("Expecting 0\n" in call and "physinfo" in call for call in as_control)


def test_only_domains_of_its_own_are_changed(program):
    """What is not refused names one of ours, or nobody: never a domain of somebody else."""
    for call in calls(program, "-s", "6", "-l", "20000", "-o", "domctl.*"):
        named = re.search(r"^\.domain = (\d+)$", call, re.MULTILINE)
        if named is None:
            assert "\nhypercall " in call
            continue
        domain = int(named[1])
        assert domain == 0 or 20000 <= domain <= 30008 or domain >= 0x7FF0, call
        if domain == 0:
            assert "Expecting -" in call, call


def test_no_pci_segment_that_a_machine_has_is_named(program):
    words = ("--dry-run", "-o", "physdev.pci_mmcfg_reserved", "-l", "300")
    segments = [
        int(found) for found in re.findall(r"^\.segment = (\d+)", run(program, *words).stdout, re.M)
    ]
    assert segments and min(segments) >= 1 << 15, segments


def test_list_names_every_operation_with_its_class(program):
    lines = run(program, "--list").stdout.splitlines()[1:]
    assert len(lines) > 100
    assert any(re.match(r" 36 +3  own-domain +all\tdomctl\.pausedomain$", line) for line in lines)
    names = [line.split("\t")[1] for line in lines]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    "words, said",
    [
        (["--sed", "1"], "--seed"),
        (["-o", "domctl.pausdomain"], "domctl.pausedomain"),
        (["--allow", "everything"], "host-state"),
        (["--role", "king"], "control"),
        (["--release", "four"], "4.17"),
        (["--from", "9", "--to", "3"], "smaller one first"),
        (["word"], "--help"),
        (["-l", "many"], "many"),
    ],
)
def test_wrong_words_end_with_2_and_the_right_one(program, words, said):
    told = run(program, "--dry-run", *words)
    assert told.returncode == 2, told
    assert said in told.stderr, told


def test_machine_that_nobody_gave_up_is_left_alone(program):
    told = run(program, "-l", "1")
    assert told.returncode == 99, told
    assert "--i-own-this-machine" in told.stdout


@pytest.mark.skipif(os.path.exists("/dev/xen/privcmd"), reason="this is a Xen domain")
def test_without_xen_it_is_a_skip_that_says_why(program):
    told = run(program, "-l", "1", "--i-own-this-machine")
    assert told.returncode == 77, told
    assert "no /dev/xen/privcmd" in told.stdout and "modprobe" in told.stdout


def test_chosen_calls_are_those_of_the_sequence(program):
    whole = calls(program, "-s", "9", "-l", "200")
    assert calls(program, "-s", "9", "--calls", "3,50-51") == [whole[3], whole[50], whole[51]]


def test_calls_as_a_program_that_compiles_the_same_each_time(program, tmp_path):
    words = ("--emit-c", "-s", "9", "--calls", "0-99")
    said = run(program, *words)
    assert said.returncode == 0, said
    assert said.stdout == run(program, *words).stdout
    source = tmp_path / "reproducer.c"
    source.write_text(said.stdout)
    subprocess.run(
        ["gcc", "-Wall", "-Wextra", "-Werror", "-o", str(tmp_path / "r"), str(source)], check=True
    )
    assert said.stdout.count("\tcall(") == 100


@pytest.mark.parametrize("content", ["", "seed 1\ncalls 3\n", "xenfc corpus 1\nseed 1\ncalls 3\n"])
def test_files_that_are_no_corpus_are_refused(program, tmp_path, content):
    forged = tmp_path / "forged"
    forged.write_text(content)
    told = run(program, "--dry-run", "--replay", str(forged))
    assert told.returncode == 2 and "nothing was called" in told.stderr, told


@pytest.mark.parametrize("form", ["--ktap", "--json"])
def test_what_calls_nothing_gives_no_verdict(program, form):
    for word in ("--dry-run", "--emit-c"):
        said = run(program, word, form, "-l", "5")
        assert said.returncode == 2, said
        assert "no verdict" in said.stderr and "ok 1" not in said.stdout


def test_damaged_corpus_stops_a_guided_run_before_the_first_call(program, tmp_path):
    (tmp_path / "1-0.xenfc").write_text("xenfc corpus 1\nrelease 4.17\nseed 1\ncalls 0-255\n")
    said = run(program, "--i-own-this-machine", "--guided", str(tmp_path))
    assert said.returncode == 2, said
    assert "1-0.xenfc: it was cut short" in said.stderr and "nothing was called" in said.stderr


@pytest.mark.parametrize("word", ["--dry-run", "--emit-c", "--calls=3", "--from=3", "--twist=1"])
def test_guided_run_chooses_its_calls_itself(program, tmp_path, word):
    said = run(program, "--guided", str(tmp_path / "new"), word)
    assert said.returncode == 2, said
    assert word.split("=")[0] in said.stderr and not (tmp_path / "new").exists()


def test_twist_varies_arguments_and_no_operation(program):
    plain = calls(program, "-s", "6", "-l", "2000", "-o", "domctl.max_mem")
    twisted = calls(program, "-s", "6", "-l", "2000", "-o", "domctl.max_mem", "--twist", "9")
    names = re.compile(r"\.u\.\w+$|^hypercall", re.MULTILINE)
    pairs = [(names.search(a), names.search(b)) for a, b in zip(plain, twisted)]
    assert all(a and b and a[0] == b[0] for a, b in pairs)
    changed = sum(a != b for a, b in zip(plain, twisted))
    assert 0.2 < changed / len(plain) < 0.3
    assert calls(program, "-s", "6", "-l", "50", "--twist", "0") == calls(
        program, "-s", "6", "-l", "50"
    )


def runs_within(program: str, kib: int, made: int) -> bool:
    """Whether a dry run of so many calls gets along with that much address space."""
    words = ["--dry-run", "-q", "-s", "1", "-l", str(made)]
    limited = ["sh", "-c", 'ulimit -v "$1"; shift; exec "$@"', "sh", str(kib), program, *words]
    return subprocess.run(limited, capture_output=True, timeout=60).returncode == 0


def test_memory_does_not_grow_with_the_number_of_calls(program):
    enough = next(kib for kib in range(1024, 65536, 256) if runs_within(program, kib, 1))
    assert runs_within(program, enough, 10**6)
