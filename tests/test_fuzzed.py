"""From a machine that died under the fuzzer to the words that do it again."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from xentest import fuzzed, reproduce, results
from xentest.verdict import console

# A console as a crash under seed 1 would leave it.
CRASH = """\
[   41.873521] xentest: START dom0 6-xenfc\r
XENFC seed 1 call 0\r
XENFC seed 1 call 4096\r
(XEN) ----[ Xen-4.17.5  x86_64  debug=n  Not tainted ]----\r
(XEN) CPU:    0\r
(XEN) RIP:    e008:[<ffff82d04031d8c5>] put_page_from_l1e+0x1b3/0x1c2\r
(XEN) rax: 0000000000000000   rbx: ffff83001fbdb000   rcx: 0000000000000000\r
(XEN) Xen call trace:\r
(XEN)    [<ffff82d04031d8c5>] R put_page_from_l1e+0x1b3/0x1c2\r
(XEN)    [<ffff82d04024c9a0>] S do_domctl+0x110/0x150\r
(XEN) \r
(XEN) ****************************************\r
(XEN) Panic on CPU 0:\r
(XEN) FATAL PAGE FAULT\r
(XEN) ****************************************\r
"""
STUB = """#!/bin/sh
echo "$*" >> {folder}/asked
{does}
"""


def test_the_reason_names_seed_call_and_the_command():
    finding = console.cause(CRASH)
    reason = fuzzed.explained(finding.title, CRASH)
    assert reason.startswith("Xen panic: Panic on CPU 0: FATAL PAGE FAULT; ")
    assert "seed 1 call 4096 to 8191" in reason
    assert "payloads/xenfc/ring0/minimise 1 --until to=8191" in reason


def test_the_excerpt_alone_still_tells():
    """Between two boots only the excerpt of the console is kept."""
    finding = console.cause(CRASH)
    assert fuzzed.last_mark(finding.excerpt) is None  # or this test shows nothing
    excerpt = fuzzed.kept(finding.excerpt, CRASH)
    again = console.cause(excerpt)
    assert again.title == finding.title
    assert fuzzed.explained(again.title, excerpt) == fuzzed.explained(finding.title, CRASH)


def test_a_twist_is_part_of_the_place():
    mark = fuzzed.last_mark(CRASH.replace("seed 1 call", "seed 1 twist 9 call"))
    assert mark == fuzzed.Mark(1, 4096, 9)
    assert "twist=9" in mark.command


@pytest.mark.parametrize(
    "text",
    [
        "",
        CRASH.replace("XENFC", "XENFX"),
        CRASH.replace("(XEN) CPU:", "[   50.1] xentest: END dom0 6-xenfc pass\n(XEN) CPU:"),
        CRASH.replace("(XEN) CPU:", "[   50.1] xentest: START dom0 7-ltp\n(XEN) CPU:"),
    ],
)
def test_what_the_fuzzer_did_not_do_is_not_blamed_on_it(text):
    assert fuzzed.last_mark(text) is None
    assert fuzzed.explained("Xen panic", text) == "Xen panic"
    assert fuzzed.kept("excerpt", text) == "excerpt"


@pytest.fixture
def run(tmp_path):
    """A run with one result; the folder of the result."""

    def make(status: str, reason: str, test: str = "xenfc") -> Path:
        folder = tmp_path / "run/domains/dom0/6-xenfc"
        folder.mkdir(parents=True, exist_ok=True)
        result = results.Result("dom0", test, 6, results.Status(status), reason)
        results.write(folder / "result.json", result)
        (tmp_path / "xen").write_bytes(b"hypervisor")
        return folder

    return make


def stub(tmp_path: Path, does: str) -> Path:
    path = tmp_path / "minimise"
    path.write_text(STUB.format(folder=tmp_path, does=does))
    path.chmod(0o755)
    return path


FOUND = """echo '{"what": "the hypervisor crashed", "words": "seed=1 calls=3,7", "boots": 5}'"""
ONLY_AS_GUEST = f"""case "$*" in *" 1 guest"*) {FOUND} ;; *) exit 1 ;; esac"""


def words(tmp_path: Path, *more: str) -> list[str]:
    return [str(tmp_path / "run"), "--xen", str(tmp_path / "xen"),
            "--minimise", str(tmp_path / "minimise"), *more]  # fmt: skip


@pytest.mark.parametrize(
    "status, reason, until",
    [
        ("crash", fuzzed.explained("died: Xen panic", CRASH), "to=8191 1"),
        ("fail", "hypercalls: seed 1 call 43 domctl.pausedomain: errno=0, unexpected", "to=43 1"),
        ("fail", "seed 1 up to call 8191: a destroyed domain is still there", "to=8191 1"),
        ("fail", "seed 1 twist 9 call 43 domctl.x: errno=0, unexpected", "to=43 1 twist=9"),
    ],
)
def test_reproducer_is_written_beside_the_result_and_into_its_reason(
    tmp_path, run, status, reason, until
):
    folder = run(status, reason)
    stub(tmp_path, FOUND)
    assert reproduce.main(words(tmp_path)) == 0
    asked, given = re.subn(r" --budget 12\d\d\b", "", (tmp_path / "asked").read_text())
    assert asked == f"--json --xen {tmp_path}/xen --until {until}\n" and given == 1
    said = (folder / "reproducer.txt").read_text()
    assert said == "boot seed=1 calls=3,7\nthe hypervisor crashed\nfound after 5 boots\n"
    result = results.parse((folder / "result.json").read_text())
    assert result.reason == f"boot seed=1 calls=3,7 does it again; {reason}"
    assert result.status.value == status and result.number == 6
    assert reproduce.main(words(tmp_path)) == 0  # it is there: nothing is booted again
    assert len((tmp_path / "asked").read_text().splitlines()) == 1


def test_what_only_a_guest_does_is_found_in_a_guest(tmp_path, run):
    folder = run("fail", "seed 1 call 43 domctl.x")
    stub(tmp_path, ONLY_AS_GUEST)
    assert reproduce.main(words(tmp_path)) == 0
    assert len((tmp_path / "asked").read_text().splitlines()) == 2
    assert (folder / "reproducer.txt").exists()


@pytest.mark.parametrize(
    "status, reason, test",
    [
        ("pass", "seed 1 call 43", "xenfc"),
        ("crash", "Xen panic", "xenfc"),
        ("fail", "seed 1 call 43", "other"),
    ],
)
def test_other_results_are_left_alone(tmp_path, run, status, reason, test):
    run(status, reason, test)
    stub(tmp_path, FOUND)
    assert reproduce.main(words(tmp_path)) == 0
    assert not (tmp_path / "asked").exists()


def test_what_does_not_happen_again_is_said(tmp_path, run, capsys):
    folder = run("fail", "seed 1 call 43 domctl.x")
    stub(tmp_path, "exit 1")
    assert reproduce.main(words(tmp_path)) == 1
    assert "does not do it again" in "".join(capsys.readouterr())
    assert not (folder / "reproducer.txt").exists()


@pytest.mark.parametrize(
    "does, more", [("exit 99", []), ("exec sleep 60", ["--budget", "0.2"]), ("echo '{}'", [])]
)
def test_tries_that_fail_are_no_result(tmp_path, run, does, more, capsys):
    folder = run("crash", "xenfc was at seed 1 call 0 to 4095")
    stub(tmp_path, does)
    assert reproduce.main(words(tmp_path, *more)) == 3
    assert "6-xenfc: not shrunk: minimise" in "".join(capsys.readouterr())
    assert not (folder / "reproducer.txt").exists()


def test_trouble_with_one_failure_does_not_keep_the_next_from_being_tried(tmp_path, run, capsys):
    run("fail", "seed 1 call 43 domctl.x")
    other = tmp_path / "run/domains/dom0/7-xenfc"
    other.mkdir()
    result = results.Result("dom0", "xenfc", 7, results.Status.FAIL, "seed 2 call 43 domctl.x")
    results.write(other / "result.json", result)
    stub(tmp_path, f"""case "$*" in *" 1") exit 99 ;; *) {FOUND} ;; esac""")
    assert reproduce.main(words(tmp_path)) == 3
    assert (other / "reproducer.txt").exists()
    assert "not shrunk" in "".join(capsys.readouterr())


def test_damaged_result_is_said(tmp_path, run, capsys):
    folder = run("fail", "seed 1 call 43 domctl.x")
    facts = {"status": "fail", "test": "xenfc", "reason": "seed 1 call 43 domctl.x"}
    (folder / "result.json").write_text(json.dumps(facts))
    stub(tmp_path, FOUND)
    assert reproduce.main(words(tmp_path)) == 3
    assert "result.json is damaged" in "".join(capsys.readouterr())
