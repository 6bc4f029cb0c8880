"""The report goes to whom mail_to names; a mail that cannot be sent changes no verdict."""

from __future__ import annotations

import email
import email.policy
import io
import os
from pathlib import Path

import pytest

from lab_box import CONTROL
from stub_world import World
from xentest import control, runs
from xentest.progress import Progress
from xentest.report import mail

FACTS = {"status": "fail", "reason": "guest1 1-t: fail"}
SUMMARY = "dom0 1-t fail\nna\u00efve \u2013 caf\u00e9\n"


def sendmail(folder: Path, script: str, patch: pytest.MonkeyPatch) -> Path:
    """A mail program of that text, found before any real one."""
    folder.mkdir()
    program = folder / "sendmail"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    patch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return program


def report(root: Path, to: str = "mail_to=root, qa@lab.example") -> tuple[dict[str, str], str]:
    """What is kept of the mail, and what was said."""
    wanted = control.parse(CONTROL.format(more=to), "night.cfg")
    said = io.StringIO()
    run = runs.begin(root / "runs", wanted)
    return mail.report(wanted, run, FACTS, SUMMARY, Progress(said)), said.getvalue()


def test_the_summary_is_handed_to_the_mail_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "bin"
    sendmail(folder, f'echo "$@" > {folder}/words; cat > {folder}/mail', monkeypatch)
    kept, said = report(tmp_path)
    assert kept == {"mail": "sent to root qa@lab.example"} and kept["mail"] in said
    assert (folder / "words").read_text() == "-oi -t\n"
    sent = email.message_from_bytes((folder / "mail").read_bytes(), policy=email.policy.default)
    assert sent["To"] == "root, qa@lab.example"
    assert sent["Subject"].endswith(": fail - guest1 1-t: fail") and sent["From"]
    assert sent.get_content() == SUMMARY


@pytest.mark.parametrize(
    "script, limit, reason",
    [
        ("cat > /dev/null; echo 'mailbox\tfull' >&2; exit 75", 60, "failed: mailbox full"),
        ("exit 1", 60, "failed: exit status 1"),  # without having read a word
        ("sleep 60", 1, "did not end within 1 s"),
        ("echo no such user >&2; sleep 90 & exit 67", 60, "failed: no such user"),
    ],
)
def test_a_mail_that_cannot_be_sent_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, limit: float, reason: str
) -> None:
    monkeypatch.setattr(mail, "SEND_LIMIT", float(limit))
    sendmail(tmp_path / "bin", script, monkeypatch)
    kept, said = report(tmp_path)
    assert kept["mail"].startswith("not sent to root qa@lab.example: ") and reason in kept["mail"]
    assert "not sent" in said


def test_a_mail_program_that_goes_on_in_the_background_has_taken_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail, "SEND_LIMIT", 60.0)
    sendmail(tmp_path / "bin", f"cat > {tmp_path}/mail; sleep 90 &", monkeypatch)
    kept, _ = report(tmp_path)
    assert kept["mail"].startswith("sent to root")
    assert "guest1 1-t" in (tmp_path / "mail").read_text()


def test_a_machine_without_mail_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(mail, "PLACES", ())
    kept, _ = report(tmp_path)
    assert "has no sendmail; install a mail program" in kept["mail"]


def test_nobody_wants_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sendmail(tmp_path / "bin", f"touch {tmp_path}/called", monkeypatch)
    assert report(tmp_path, "") == ({}, "") and not (tmp_path / "called").exists()


@pytest.mark.parametrize("status", [0, 1])
def test_the_verdict_is_that_of_the_tests(tmp_path: Path, status: int) -> None:
    world = World(tmp_path)
    world.prepare()
    program = tmp_path / "bin/sendmail"
    program.write_text(f"#!/bin/sh\ncat > {tmp_path}/mail; exit {status}\n")
    program.chmod(0o755)
    world.control({"t": "true"}, {"dom0": ["t"]}, mail_to="root")
    before = os.environ["PATH"]
    try:
        assert world.start() == 0
    finally:
        os.environ["PATH"] = before
    facts = world.run().facts
    assert facts["state"] == "finished" and facts["status"] == "pass"
    assert facts["mail"].startswith("not sent" if status else "sent to root")
    assert "1-t" in (tmp_path / "mail").read_text()
