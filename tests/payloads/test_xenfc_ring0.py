"""The tools round xenfc's ring-0 kernel: what they conclude, and that they can fail."""

from __future__ import annotations

import base64
import gzip
import json
import os
import struct
import subprocess
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
import types
from pathlib import Path
from types import ModuleType

import pytest

SOURCE = Path(__file__).resolve().parents[2]
RING0 = SOURCE / "payloads/xenfc/ring0"
PASSED = "KTAP version 1\n1..1\nok 1 - xenfc in ring 0\nTest result: SUCCESS\n"
CRASHED = "KTAP version 1\n(XEN) \n(XEN) Panic on CPU 0:\n(XEN) FATAL PAGE FAULT\n"
# Says what it is told, and stays, as a halted machine does.
EMULATOR = """#!/bin/sh
for word; do case $word in *mem-path=*) ram=${word#*mem-path=}; ram=${ram%%,*} ;; esac; done
cp "$SAYS/memory" "$ram" 2> /dev/null
cat "$SAYS/console"
exec sleep 60
"""


def load(path: Path) -> ModuleType:
    loader = SourceFileLoader(path.name.replace("-", "_"), str(path))
    module = module_from_spec(spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


@pytest.fixture
def boot(tmp_path):
    """`boot` with a machine that prints a text; its status and its JSON."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/qemu-system-x86_64").write_text(EMULATOR)
    (tmp_path / "bin/qemu-system-x86_64").chmod(0o755)
    for name in ("xen", "elf"):
        (tmp_path / name).write_bytes(b"binary")

    def run(console: str, *words: str, timeout: str = "200"):
        (tmp_path / "console").write_text(console)
        path = f"{tmp_path}/bin:{os.environ['PATH']}"
        said = subprocess.run(
            [RING0 / "boot", "--json", "--timeout", timeout, "--xen", tmp_path / "xen",
             "--elf", tmp_path / "elf", *words],
            env={**os.environ, "PATH": path, "SAYS": str(tmp_path)},
            capture_output=True, text=True, timeout=300,
        )  # fmt: skip
        return said.returncode, json.loads(said.stdout)

    return run


@pytest.mark.parametrize(
    "console, status, reason",
    [
        (PASSED, 0, "SUCCESS"),
        (PASSED.replace("SUCCESS", "FAILURE"), 1, "FAILURE"),
        (PASSED.replace("SUCCESS", "SKIP"), 77, "SKIP"),
        (PASSED.replace("SUCCESS", "ERROR"), 99, "ERROR"),
        (CRASHED, 1, "Panic on CPU 0: FATAL PAGE FAULT"),
        (CRASHED + PASSED, 1, "FATAL PAGE FAULT"),
    ],
)
def test_boot_concludes(boot, console, status, reason):
    ended, facts = boot(console)
    assert (ended, facts["status"]) == (status, status)
    assert reason in facts["reason"]


def test_boot_without_a_verdict_is_no_pass(boot):
    ended, facts = boot("KTAP version 1\nTest result: SUCC", timeout="1")
    assert ended == 99 and "no verdict" in facts["reason"]


@pytest.mark.parametrize("asked, counts", [(["--count-instructions"], True), ([], False)])
def test_boot_counts_instructions_when_asked(tmp_path, asked, counts):
    module = load(RING0 / "boot")
    (tmp_path / "elf").touch()
    words = module.parse(["--elf", str(tmp_path / "elf"), *asked, "loops=1"])
    assert ("-icount" in module.command_line(tmp_path / "xen", words)) == counts


def test_boot_stops_at_the_first_failure_when_asked(boot):
    ended, facts = boot("KTAP version 1\nFAIL: errno=0 expected -1\nmore\n", "--stop-at-failure")
    assert ended == 1 and facts["reason"] == "FAIL: errno=0 expected -1"


def test_boot_takes_coverage_out_of_the_machines_memory(boot, tmp_path):
    pages = [bytes([number]) * 4096 for number in range(4)]
    (tmp_path / "memory").write_bytes(b"".join(pages))
    told = "XENFC coverage: 5000 bytes\nXENFC coverage: frames 3 1\nXENFC coverage: frames 1 1\n"
    assert boot(told + PASSED, "--coverage", str(tmp_path / "counted"))[0] == 0
    assert (tmp_path / "counted").read_bytes() == pages[3] + pages[1][:904]


def test_boot_without_the_coverage_that_was_asked_for_is_no_pass(boot, tmp_path):
    ended, facts = boot(PASSED, "--coverage", str(tmp_path / "counted"), timeout="5")
    assert ended == 99 and "coverage" in facts["reason"]


class Sequence:
    """Stands in for the boots of a sequence in which some calls are needed together; each takes a
    second, which the module is told."""

    def __init__(self, module: ModuleType, needed: set[int], monkeypatch) -> None:
        self._module = module
        self._needed = needed
        self.boots = 0
        clock = types.SimpleNamespace(monotonic=lambda: float(self.boots))
        monkeypatch.setattr(module, "time", clock)
        monkeypatch.setattr(module.Tries, "run", lambda _, *words: self.run(*words))

    def run(self, *words: str) -> tuple[str, int]:
        self.boots += 1
        values = dict(word.split("=") for word in words)
        return ("it" if self.happens(values) else ""), max(self._needed) + 2000

    def happens(self, values: dict[str, str]) -> bool:
        if "calls" in values:
            return self._needed <= set(numbers(values["calls"]))
        first, last = int(values.get("from", 0)), int(values.get("to", 1 << 40))
        return all(first <= call <= last for call in self._needed)

    def shrunk(self, capsys, *options: str) -> list[str]:
        """The words that it ends with."""
        assert self._module.main(["1", "--json", *options]) == 0
        return json.loads(capsys.readouterr().out)["words"].split()


def numbers(text: str) -> list[int]:
    found: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found


@pytest.mark.parametrize(
    "needed",
    [{0}, {5000}, {4999, 5000}, {1000, 3000, 5000}, {0, 4096}, {7, 15655}, {9, 90000, 700000}],
)
def test_minimise_finds_the_needed_calls(needed, monkeypatch, capsys):
    sequence = Sequence(load(RING0 / "minimise"), needed, monkeypatch)
    calls = sequence.shrunk(capsys)[1].removeprefix("calls=")
    assert set(numbers(calls)) == needed


@pytest.mark.parametrize("budget", [0, 1, 5, 12, 15, 20, 30, 50])
def test_minimise_tells_the_best_that_it_knows_when_time_is_over(budget, monkeypatch, capsys):
    sequence = Sequence(load(RING0 / "minimise"), {1000, 3000, 5000}, monkeypatch)
    words = sequence.shrunk(capsys, "--budget", str(budget))
    assert sequence.boots == budget + 1
    assert sequence.happens(dict(word.split("=") for word in words[1:])), words


def test_minimise_makes_no_list_that_a_command_line_has_no_room_for(monkeypatch, capsys):
    sequence = Sequence(load(RING0 / "minimise"), set(range(0, 4000, 10)), monkeypatch)
    words = sequence.shrunk(capsys)
    assert 0 < len(words[1]) < 1000 and sequence.happens(dict([words[1].split("=")]))


def test_minimise_names_the_guest_first_whatever_else_is_said():
    minimise = load(RING0 / "minimise")
    asked = minimise.parse(["--json", "--until", "to=9", "7", "twist=2", "guest"])
    assert minimise.sequence(asked) == ["guest", "seed=7", "twist=2"]


def test_minimise_writes_lists_as_the_kernel_reads_them():
    ranges = load(RING0 / "minimise").ranges
    assert ranges([3, 7, 8, 9, 20]) == "3,7-9,20"
    assert numbers(ranges([0, 1, 5])) == [0, 1, 5]


def record(path: bytes, content: bytes) -> bytes:
    return path + b"\0" + struct.pack("<I", len(content)) + content


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"XCOV",
        struct.pack("<I", 0x58434F56) + b"/a/b.gcda",
        struct.pack("<I", 0x58434F56) + record(b"/a/b.gcda", b"1234")[:-1],
        struct.pack("<I", 0x58434F56) + b"/a/b.gcda\0\xff\xff\xff\xff",
        struct.pack("<I", 0x58434F56) + record(b"/../../etc/passwd.gcda", b"1234"),
    ],
)
def test_forged_coverage_is_refused(tmp_path, content):
    (tmp_path / "counted").write_bytes(content)
    said = subprocess.run(
        [SOURCE / "payloads/xenfc/coverage/report", "--tree", tmp_path, tmp_path / "counted"],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert said.returncode == 99, said
    assert "counted" in said.stderr and "Traceback" not in said.stderr


def test_coverage_counts_lines_of_a_program(tmp_path):
    program = tmp_path / "once.c"
    program.write_text(
        "int main(int n, char **v)\n{\n\tif (n > 5)\n\t\treturn **v;\n\treturn 0;\n}\n"
    )
    subprocess.run(["gcc", "--coverage", "once.c", "-o", "once"], cwd=tmp_path, check=True)
    subprocess.run([tmp_path / "once"], cwd=tmp_path, check=True)
    counters = next(tmp_path.glob("*.gcda"))
    blob = struct.pack("<I", 0x58434F56) + record(str(counters).encode(), counters.read_bytes())
    (tmp_path / "counted").write_bytes(blob)
    said = subprocess.run(
        [SOURCE / "payloads/xenfc/coverage/report", "--tree", tmp_path, tmp_path / "counted"],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert said.returncode == 0, said
    assert said.stdout.splitlines()[-1].split()[:3] == ["3", "of", "4"], said.stdout


@pytest.fixture
def measure(tmp_path, monkeypatch):
    """coverage/measure whose runs say what they are told; its status of a folder."""
    module = load(SOURCE / "payloads/xenfc/coverage/measure")
    (tmp_path / "xen").write_bytes(b"hypervisor")

    def of(lab: str, folder: Path, status: int = 0) -> int:
        def run(_, log):
            log.write_text(lab)
            return status

        monkeypatch.setattr(module, "run", run)
        xen = str(tmp_path / "xen")
        return module.main(["--only", "lab", "--xen", xen, "--tree", str(tmp_path), str(folder)])

    return of


def test_what_the_lab_counted_is_kept(measure, tmp_path):
    packed = base64.encodebytes(gzip.compress(b"counters")).decode()
    lab = "before\nCOUNTED privcmd-dom0\r\n" + packed.replace("\n", "\r\n") + "COUNTED.\r\nafter\n"
    assert measure(lab, tmp_path / "all") == 99  # the others told nothing
    assert (tmp_path / "all/privcmd-dom0").read_bytes() == b"counters"
    assert not (tmp_path / "all/privcmd-guest").exists()


def test_no_counters_at_all_is_an_error_whatever_was_there_before(measure, tmp_path, capsys):
    (tmp_path / "none").mkdir()
    (tmp_path / "none/privcmd-dom0").write_bytes(b"old")
    assert measure("COUNTED privcmd-dom0\ncut short", tmp_path / "none", 1) == 99
    assert "privcmd-dom0 told no counters" in capsys.readouterr().err


def test_mutants_say_what_they_are():
    check = load(SOURCE / "tools/check-mutants")
    mutants = [check.read_mutant(path) for path in sorted(check.MUTANTS.glob("*.patch"))]
    assert len(mutants) >= 16
    assert {mutant.door for mutant in mutants} == {"control", "guest"}


@pytest.mark.parametrize(
    "status, word", [(0, "missed"), (77, "missed"), (1, "seen"), (99, "seen"), (None, "unclear")]
)
def test_only_what_differs_from_a_pass_is_seen(status, word):
    assert load(SOURCE / "tools/check-mutants").word_for({"status": status}) == word


def test_interrupted_mutant_is_taken_back(tmp_path):
    check = load(SOURCE / "tools/check-mutants")
    for name, text in (("source", "right\n"), ("tree", "half patched\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file.c").write_text(text)
    (tmp_path / "source/.whole").touch()
    (tmp_path / "tree/.patched").write_text("file.c")
    check.Tree(tmp_path, None)
    assert (tmp_path / "tree/file.c").read_text() == "right\n"
    assert not (tmp_path / "tree/.patched").exists()
