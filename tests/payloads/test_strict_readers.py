"""What the programs write is read by others' programs: strict ones, and whatever it is about."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from rushit_box import LIMIT, Ended, Pair, build
from strict import distribution, objects, table

PAYLOADS = Path(__file__).resolve().parents[2] / "payloads"
HOSTILE = 'a,"b\\ \n☃\x1b[2J' + "x" * 150


@pytest.fixture(scope="session")
def rushit():
    return build()


@pytest.fixture(scope="session")
def oneway():
    subprocess.run(["make", "-s", "-C", PAYLOADS / "oneway"], check=True, capture_output=True)
    return PAYLOADS / "oneway/build/oneway"


def test_json_samples_and_distribution_of_rushit(rushit, tmp_path):
    both = Pair(rushit, "tcp_rr", tmp_path)
    server = both.server("--json")
    wanted = ["-F", "3", "-T", "2", "-I", "0.2", "-p", "0,50,99.99999999,100"]
    files = [f"--all-samples={HOSTILE}.csv", f"--hgrm={HOSTILE}.hgrm"]
    said = Ended(both.client("--json", *wanted, *files))
    assert (said.status, Ended(server).status) == (0, 0), said
    lines = {line["type"]: line for line in objects(said.out.encode())}
    assert lines["options"]["hgrm"] == f"{HOSTILE}.hgrm"
    assert files[0] in lines["environment"]["command"]
    latency = lines["result"]["latency_ns"]
    assert latency["p99.99999999"] <= latency["p100"] == latency["max"]
    rows = table((tmp_path / f"{HOSTILE}.csv").read_bytes())
    assert {row["flow_id"] for row in rows} == {"0", "1", "2"} and "latency_p100" in rows[0]
    assert distribution((tmp_path / f"{HOSTILE}.hgrm").read_bytes())[-1][2] == latency["count"]


def test_a_name_cannot_pass_for_another_key(rushit, tmp_path):
    words = [rushit / "tcp_rr", "--dry-run", "-c", "-H", "a\nthroughput=9"]
    said = subprocess.run(words, capture_output=True, text=True, timeout=LIMIT)
    assert said.returncode == 0 and "host=a?throughput=9\n" in said.stdout
    assert "\nthroughput=" not in said.stdout


def test_samples_that_found_no_room_are_missed(rushit, tmp_path):
    """They wait for the end in /tmp, which may be full where the file itself is not."""
    both = Pair(rushit, "tcp_rr", tmp_path)
    server = both.server()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        tool = shutil.copy(rushit / "tcp_rr", elsewhere)
        client = f"{tool} -c -C {both.control} -P {both.data} -l 1 -I 0.01 -A/dev/null"
        script = f"mount -t tmpfs -o size=4k none /tmp && exec {client}"
        said = subprocess.run(
            ["unshare", "-m", "sh", "-c", script], capture_output=True, text=True, timeout=LIMIT
        )
    assert said.returncode == 99 and "there was no room in /tmp" in said.stderr, said
    assert "\nnum_samples=0\n" in said.stdout
    assert Ended(server).status == 0


@pytest.mark.parametrize("count", [2, 3, 400])
def test_json_and_distribution_of_oneway(oneway, tmp_path, count):
    common = [oneway, "-m", "unix", "-n", str(count), "--clock", "monotonic", "--json"]
    common += ["--percentiles", "0,99.99999999,100"]
    place, files = str(tmp_path / "s"), [tmp_path / "server.hgrm", tmp_path / "client.hgrm"]
    words = [["--path", place, "-s", "0"], ["-c", place, "--timeout", "120"]]
    halves = [
        subprocess.Popen([*common, *end, f"--hgrm={file}"], stdout=subprocess.PIPE)
        for end, file in zip(words, files)
    ]
    for half, file in zip(halves, files):
        lines = {line["type"]: line for line in objects(half.communicate(timeout=LIMIT)[0])}
        assert half.returncode == 0
        assert list(lines["latency"]["percentiles"]) == ["0", "99.99999999", "100"]
        assert distribution(file.read_bytes())[-1][2] == count - 1
