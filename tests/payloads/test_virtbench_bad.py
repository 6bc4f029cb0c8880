"""virtbench and what goes wrong: words, files, scripts, machines."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time

import pytest

from virtbench_box import LIMIT, START_MACHINE, run


def test_unknown_names_are_answered_with_the_nearest(virtbench):
    assert run(virtbench, "").returncode == 2
    said = run(virtbench, "xem")
    assert said.returncode == 2
    assert "did you mean xen?" in said.stderr and "kvm" in said.stderr and "local" in said.stderr
    said = run(virtbench, "local", "pingpon")
    assert said.returncode == 2
    assert "did you mean pingpong?" in said.stderr and "context-switch" in said.stderr


def test_csv_that_cannot_be_written_is_found_before_the_run(toy):
    said = toy.run("--csv=/nonexistent/results.csv", "fork")
    assert said.returncode == 2 and "/nonexistent/results.csv" in said.stderr
    assert toy.logged() == []


def test_pictures_and_profiles_that_cannot_be_had_are_found_before_the_run(toy):
    said = toy.run("--svg=/nonexistent", "fork")
    assert said.returncode == 2 and "cannot write to the folder /nonexistent" in said.stderr
    if not os.path.exists("/proc/profile"):
        said = toy.run("--profile", "fork")
        assert said.returncode == 2 and "boot the kernel with profile=2" in said.stderr
    assert toy.logged() == []


def test_pictures_need_a_folder(toy, tmp_path):
    (tmp_path / "picture.svg").touch()
    said = toy.run(f"--svg={tmp_path}/picture.svg", "fork")
    assert said.returncode == 2 and "picture.svg is no folder" in said.stderr
    assert toy.logged() == []


def test_results_that_get_lost_are_an_error(toy):
    """The disk may become full in mid-run."""
    said = toy.run("-n", "1", "--csv=/dev/full", "libc-syscall")
    assert said.returncode == 99, said
    assert "the CSV file lacks libc-syscall" in said.stderr
    for form in ([], ["--json"]):
        words = toy.words(*form, "-n", "1", "libc-syscall")
        with open("/dev/full", "w") as full:
            said = subprocess.run(
                words, stdout=full, stderr=subprocess.PIPE, text=True, timeout=LIMIT
            )
        assert said.returncode == 99 and "result of libc-syscall could not be" in said.stderr, said
    assert toy.logged()[-1] == "stopped all"


def test_what_is_said_to_nobody_is_not_in_the_files(virtbench, tmp_path):
    """Standard output and error closed: their numbers must not become the CSV file's."""
    words = f"{virtbench} --rough -n 1 --csv={tmp_path}/csv local libc-syscall >&- 2>&- <&-"
    assert run("sh", "-c", words, LOGFILES=tmp_path / "log").returncode == 99
    lines = (tmp_path / "csv").read_text().splitlines()
    assert len(lines) == 1 and lines[0].startswith("libc-syscall,"), lines


def test_lguest_says_where_it_went(virtbench):
    said = run(virtbench, "lguest", "fork")
    assert said.returncode == 77, said
    assert "removed in Linux 4.14" in said.stderr and "4.13" in said.stderr


def test_script_that_is_not_executable(toy):
    (toy.folder / "stop_machine").chmod(0o644)
    said = toy.run("fork")
    assert said.returncode == 2 and "stop_machine" in said.stderr
    assert toy.logged() == []


@pytest.mark.parametrize(
    "script, text, words",
    [
        ("start", "echo no bridge >&2; exit 3", ["no bridge", "start ended with status 3"]),
        ("start", "exit 77", ["cannot run here"]),
        ("start_machine", "exit 5", ["start_machine 0 ended with status 5"]),
        ("start_machine", "true", ["printed nothing for machine 0"]),
        ("start_machine", "sleep 100", ["did not end within 1 s"]),
        ("start_machine", "echo me", ["machine 0 did not connect within 4 s (0 of 2 did)"]),
    ],
)
def test_backend_that_goes_wrong(toy, script, text, words):
    """Only what waits for a time limit has a short one."""
    limit = re.search("within (.) s", words[0])
    toy.script(script, text)
    said = toy.run(f"--boot-limit={limit[1] if limit else 60}", "-n", "2", "fork")
    assert said.returncode == (77 if text == "exit 77" else 99), said
    for word in words:
        assert word in said.stderr
    assert toy.logged()[-1] == "stopped all"


@pytest.mark.parametrize(
    "text, words",
    [
        ("head -c 256 /dev/zero | tr '\\0' x", "printed a line of more than 255 characters"),
        # More than a pipe holds.
        ("echo; head -c 1000000 /dev/zero", "printed nothing for machine 0"),
        ("kill -9 $$", "start_machine was ended by signal 9"),
    ],
)
def test_backend_that_says_strange_things(toy, text, words):
    toy.script("start_machine", text)
    said = toy.run("-n", "1", "fork")
    assert said.returncode == 99 and words in said.stderr, said
    assert toy.logged()[-1] == "stopped all"


@pytest.mark.parametrize(
    "address, words",
    [
        ("somewhere", "somewhere"),
        ("300.1.1.1", "300.1.1.1"),
        ("192.0.2.1", "cannot take the address"),
        ("::1", "::1"),
        ("127.0.0.1:80", "127.0.0.1:80"),
        ("x" * 255, "is too long"),
        ("x" * 256, "printed a line of more than 255 characters"),
    ],
)
def test_backend_at_a_strange_address(toy, address, words):
    toy.script("start", f"echo {address}")
    said = toy.run("-n", "1", "fork")
    assert said.returncode == 99 and words in said.stderr, said
    assert toy.logged() == ["stopped all"]


def test_script_that_cannot_be_executed(toy):
    """No interpreter, or a folder of that name: found out as late as it is run."""
    (toy.folder / "start").write_text("nobody reads this\n")
    said = toy.run("fork")
    assert said.returncode == 99 and "Exec format error" in said.stderr, said
    (toy.folder / "start").unlink()
    (toy.folder / "start").mkdir()
    said = toy.run("fork")
    assert said.returncode == 99 and "Permission denied" in said.stderr, said
    assert toy.logged() == ["stopped all"] * 2


def test_console_that_cannot_be_written(virtbench):
    """Said at once, by the backend's script; nobody waits for machines that never were."""
    said = run(virtbench, "-n", "1", "local", "fork", LOGFILES="/nonexistent/log")
    assert said.returncode == 99 and "/nonexistent/log-0" in said.stderr, said
    assert "did not connect" not in said.stderr


def test_what_a_missing_machine_said_last_is_told(toy, tmp_path):
    """Not what one of an earlier run said, and nothing that a terminal obeys."""
    for name in ("log-0", "log-1"):
        (tmp_path / name).write_text("words of yesterday\n")
    toy.script(
        "start_machine",
        """[ "$1" = 1 ] || printf 'booted\\r\\n\\033[2Jvirtclient: no network\\n' > "$LOGFILES-0"
        echo me""",
    )
    words = toy.words("--boot-limit=4", "-n", "2", "fork")
    said = run(*words, LOGFILES=tmp_path / "log")
    assert said.returncode == 99, said
    told = said.stderr[said.stderr.index("virtbench: machine 0's") :].splitlines()
    assert told[0].endswith("log-0) says at its end:") and told[1].strip() == "booted", said
    assert told[2].strip() == "[2Jvirtclient: no network"
    assert told[3].endswith("log-1) says nothing") and "yesterday" not in said.stderr


def test_backend_that_does_not_stop_is_an_error(toy):
    toy.script("stop", "echo cannot >&2; exit 1")
    said = toy.run("-n", "1", "libc-syscall")
    assert said.returncode == 99 and "stop ended with status 1" in said.stderr


def test_strangers_and_liars_are_refused_and_the_run_goes_on(toy):
    stranger = (
        "import socket, sys; s = socket.create_connection(sys.argv[1:3]); "
        "s.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n'); s.recv(100)"
    )
    toy.script(
        "start_machine",
        f"""(/usr/bin/python3 -c "{stranger}" "$2" "$3"
        "$VIRTBENCH_CLIENT" 99 "$2" "$3" 2> "$HERE/liar"
        for twin in 1 2; do
            ("$VIRTBENCH_CLIENT" 0 "$2" "$3"; echo ended > "$HERE/refused") &
        done
        until [ -e "$HERE/refused" ]; do sleep 0.05; done
        "$VIRTBENCH_CLIENT" 1 "$2" "$3" & wait
        ) < /dev/null > /dev/null 2>&1 &
        [ "$1" = 0 ] || kill $!
        echo $!""",
    )
    said = toy.run("-n", "2", "--boot-limit=300", "libc-syscall")
    assert said.returncode == 0, said
    assert "does not speak virtbench's protocol" in said.stderr
    assert "it says it is machine 99" in said.stderr
    assert "connected already" in said.stderr
    assert "refused this client" in (toy.folder.parent / "liar").read_text()


def test_absent_disk_is_said(toy):
    toy.script("start_machine", START_MACHINE.replace('"$1"', '--disk=/nonexistent "$1"', 1))
    said = toy.run("-n", "1", "read-latency")
    assert said.returncode == 77, said
    assert "DISABLED read-latency: /nonexistent cannot be read" in said.stdout


def test_no_benchmark_takes_memory_that_is_not_there(virtbench, tmp_path):
    """Else the kernel kills it, and the verdict is a failure of nobody."""
    (tmp_path / "meminfo").write_text("MemTotal: 120000 kB\nMemAvailable:    60000 kB\n")
    script = (
        f"mount --bind {tmp_path}/meminfo /proc/meminfo && {virtbench} --rough local memburn-linear"
    )
    if subprocess.run(["unshare", "-rm", "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody make a mount namespace (unshare -rm)")
    said = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, timeout=LIMIT
    )
    assert said.returncode == 77, said
    assert "DISABLED memburn-linear: needs 72 MB of free memory, there are 58" in said.stdout


def test_dead_machine_fails_clearly_and_keeps_what_was_measured(toy, tmp_path):
    toy.script("start_machine", START_MACHINE + 'echo $! > "$HERE/pid"\n')
    csv = tmp_path / "kept.csv"
    names = ["libc-syscall"] + ["memburn-random"] * 9
    words = [*toy.words("-n", "1", f"--csv={csv}", names[0]), *names[1:]]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as bench:
        while "libc" not in bench.stdout.readline():
            pass
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
        said, complaints = bench.communicate(timeout=LIMIT)
    assert bench.returncode == 1, complaints
    assert "FAILED memburn-random: machine 0 is lost" in said
    assert "needs 1 machine, and 0 of 1 are left" in said
    assert csv.read_text().startswith("libc-syscall,")
    assert toy.logged()[-1] == "stopped all"


def test_interrupted_run_stops_everything(toy, tmp_path):
    words = toy.words("-n", "2", "--boot-limit=300", "fork")
    toy.script("start_machine", START_MACHINE.replace('"$2"', "127.0.0.9"))
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as bench:
        deadline = time.monotonic() + LIMIT
        dots = ""
        while dots.count(".") < 2 and time.monotonic() < deadline:
            dots += bench.stderr.read(1)
        bench.send_signal(signal.SIGINT)
        complaints = bench.communicate(timeout=LIMIT)[1]
    assert bench.returncode == 130 and "interrupted" in complaints
    assert toy.logged()[-1] == "stopped all" and len(toy.logged()) == 4


def test_killed_outright_stops_everything(toy, tmp_path):
    (tmp_path / "work").mkdir()
    toy.script("start_machine", "echo me\n")
    with subprocess.Popen(
        toy.words("-n", "1", "fork"), stderr=subprocess.PIPE, text=True,
        env={**os.environ, "TMPDIR": str(tmp_path / "work")},
    ) as bench:  # fmt: skip
        while bench.stderr.read(1) != ".":
            assert bench.poll() is None
        assert os.listdir(tmp_path / "work")
        bench.kill()
    deadline = time.monotonic() + LIMIT
    while "stopped all" not in toy.logged() or os.listdir(tmp_path / "work"):
        assert time.monotonic() < deadline, toy.logged()
        time.sleep(0.02)
    assert "stopped me" in toy.logged()
