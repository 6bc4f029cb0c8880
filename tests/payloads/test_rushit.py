"""rushit from outside: every workload between two processes, and what they say."""

from __future__ import annotations

import csv
import os
import signal
import socket
import time
from pathlib import Path

import pytest
from rushit_box import Ended, Pair, build


@pytest.fixture(scope="session")
def folder() -> Path:
    return build()


@pytest.fixture
def pair(folder, tmp_path):
    return lambda name: Pair(folder, name, tmp_path)


# name, server's options, client's, what must be equal or nearly so at both ends
WORKLOADS = [
    ("tcp_rr", "-T2", "-F10 -T2", "num_transactions"),
    ("tcp_rr", "-Q 100000 -R 5", "-Q 100000 -R 5", "num_transactions"),
    ("tcp_crr", "", "-F3", "num_transactions"),
    ("tcp_stream", "-T2", "-F4 -T2", "throughput_Mbps"),
    ("tcp_stream", "-E --skip-rx-copy", "-E -Z", "throughput_Mbps"),
    ("udp_rr", "-T2", "-F4 -T2", "num_transactions"),
    ("unix_rr", "", "-F2", "num_transactions"),
    ("unix_crr", "", "", "num_transactions"),
    ("unix_stream", "", "", "throughput_Mbps"),
    ("udp_stream", "--transport unix", "--transport unix", "num_packets"),
    ("udp_rr", "--transport unix", "--transport unix", "num_transactions"),
]


@pytest.mark.parametrize("name, server, client, key", WORKLOADS)
def test_both_ends_count_the_same(pair, name, server, client, key):
    one, other = pair(name).run(server, client)
    assert (one.status, other.status) == (0, 0), (one, other)
    assert one.number(key) > 0
    # Twice or half as much would be a mistake; the two windows are not the same to the moment.
    assert one.number(key) == pytest.approx(other.number(key), rel=0.4), (one, other)


def test_udp_loss_shows_in_one_place(pair):
    one, other = pair("udp_stream").run("-T2", "-F2 -T2 -B 64")
    assert (one.status, other.status) == (0, 0), (one, other)
    assert 0 < other.number("remote_num_packets") <= other.number("num_packets") * 1.5
    assert other.keys["remote_num_packets"] == one.keys["num_packets"]


def test_receiver_that_shares_a_processor_with_its_sender(pair):
    """Whoever looks for datagrams without sleeping, or yields, has none there: 1 % arrived."""
    both = pair("udp_stream")
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        one, other = both.run()
    finally:
        os.sched_setaffinity(0, before)
    assert one.number("num_packets") > 0.06 * other.number("num_packets"), (one, other)


def test_directions(pair):
    one, other = pair("tcp_stream").run("-rw", "-rw")
    assert other.number("read_Mbps") > 0 and other.number("write_Mbps") > 0, other
    one, other = pair("tcp_stream").run("", "")
    assert other.number("read_Mbps") == 0
    assert other.number("throughput_Mbps") == other.number("write_Mbps") > 0
    assert float(other.keys["time_start"]) > 0, "a client that only writes has a result"


@pytest.mark.parametrize(
    "server, client, words",
    [
        ("", "-rw", ["", "nothing arrived here: does the other end write"]),
        ("-rw", "", ["nothing of what was written here was read: does the other end read", ""]),
    ],
)
def test_a_direction_that_one_end_alone_asks_for_is_a_failure(pair, server, client, words):
    """Else its throughput is 0, and a good result."""
    ends = pair("tcp_stream").run(f"--json {server}", f"--json {client}")
    for ended, word in zip(ends, words):
        assert ended.status == bool(word) and word in ended.err, ended
        assert bool(ended.lines("figure")) != bool(word), ended


def moved(ended: Ended) -> float:
    """The bytes that its throughput speaks of."""
    seconds = ended.number("time_end") - ended.number("time_start")
    return ended.number("throughput_Mbps") * 1e6 / 8 * seconds


@pytest.mark.parametrize("directions", ["", "-rw"])
def test_a_stream_counts_the_reads_or_writes_of_its_throughput(pair, directions, tmp_path):
    one, other = pair("tcp_stream").run(directions, f"-A {directions}")
    for ended in (one, other):
        keys = list(ended.keys)
        assert keys.index("nivcsw_end") < keys.index("num_transactions") < keys.index("start_index")
        # None moves more than the buffer; and both directions together would be twice as many.
        assert 0.9 < ended.number("num_transactions") * 16384 / moved(ended) < 1.8, ended
        assert "throughput" not in keys and "cpu_us_per_transaction" not in keys
    assert one.keys["num_transactions"] == other.keys["remote_num_transactions"]
    assert other.keys["num_transactions"] == one.keys["remote_num_transactions"]
    with open(tmp_path / "samples.csv", encoding="ascii") as file:
        last = list(csv.DictReader(file))[-1]
    assert int(last["transactions"]) == pytest.approx(other.number("num_transactions"), rel=0.4)


def test_output_of_the_ancestor(pair):
    _, other = pair("tcp_rr").run("", "-p 50,99.9")
    keys = list(other.keys)
    assert keys[:4] == ["VERSION", "all_samples", "port", "control_port"]
    for key in (
        "magic total_run_time invalid_secret_count time_start utime_start utime_end stime_end "
        "maxrss_end minflt_end majflt_end nvcsw_end nivcsw_end num_transactions start_index "
        "end_index num_samples throughput correlation_coefficient latency_min latency_mean "
        "latency_max latency_stddev latency_p50 latency_p99.9 time_end"
    ).split():
        assert key in other.keys, key
    assert keys.index("time_start") < keys.index("num_transactions") < keys.index("time_end")
    order = [other.number(f"latency_{name}") for name in ("min", "p50", "p99.9", "max")]
    assert order == sorted(order) and order[0] > 0


def test_every_latency_counts(pair):
    _, other = pair("tcp_rr").run("", "-I 0.3")
    assert other.number("latency_samples") == pytest.approx(
        other.number("num_transactions"), abs=2
    ), other


def test_samples_are_a_row_for_each_flow_and_interval(pair, tmp_path):
    _, other = pair("tcp_rr").run("", "-A -I 0.25 -F3 -T2 -p 50,99")
    with open(tmp_path / "samples.csv", encoding="ascii") as file:
        rows = list(csv.DictReader(file))
    # A main thread that is late has longer intervals: never more than four of three flows.
    assert len(rows) == other.number("num_samples") <= 4 * 3 and len(rows) % 3 == 0, other
    assert list(rows[0])[:5] == ["time", "tid", "flow_id", "bytes_read", "transactions"]
    times = [float(row["time"]) for row in rows]
    assert times == sorted(times)
    last = {row["flow_id"]: int(row["transactions"]) for row in rows}
    assert sum(last.values()) == pytest.approx(other.number("num_transactions"), rel=0.4)
    assert all(float(row["latency_p99"]) > 0 for row in rows if row["latency_p99"])


def test_json(pair):
    _, other = pair("tcp_rr").run("--json", "--json -I 0.25")
    assert [line["program"] for line in other.lines("environment")] == ["tcp_rr"]
    assert other.lines("options")[0]["interval"] == 0.25
    assert 1 <= len(other.lines("interval")) <= 3, "the fourth ends with the run"
    result = other.lines("result")[0]
    assert result["local"]["transactions"] == pytest.approx(
        result["remote"]["transactions"], rel=0.4
    )
    figures = {line["name"]: line for line in other.lines("figure")}
    assert figures["tcp_rr.throughput"]["value"] == result["local"]["per_second"]
    assert figures["tcp_rr.latency_p99"]["better"] == "lower"


def test_open_loop_keeps_its_rate_and_counts_waiting(pair, tmp_path):
    """The server sleeps for a moment: all that was due meanwhile has waited."""
    both = pair("tcp_rr")
    server = both.server()
    client = both.client("--rate", "1000", "-F4", "-p", "50,90", "--hgrm", "it.hgrm", "-l", "3")
    while not (line := client.stdout.readline()).startswith("total_run_time"):
        assert line, "the client ended"
    # It is connected once it has data in flight: stop the server in mid-run.
    signal_after_traffic(server, client)
    ended = Ended(client)
    assert (Ended(server).status, ended.status) == (0, 0), ended
    # A closed loop would do ten times as many.
    assert 1000 < ended.number("num_transactions") < 6000, ended
    assert ended.number("latency_p90") > 0.05, "a stall of 1 s in 3 s is more than 10 %"
    assert "#[Mean" in (tmp_path / "it.hgrm").read_text()


def test_open_loop_counts_what_waits_at_the_end(pair):
    """The server stands still and does not come back in time."""
    both = pair("tcp_rr")
    server = both.server()
    client = both.client("--rate", "500", "-p", "50,90", "--json", "-l", "4", "-I", "0.1")
    for line in client.stdout:
        if '"type":"interval"' in line:
            break
    server.send_signal(signal.SIGSTOP)
    time.sleep(6)
    server.send_signal(signal.SIGCONT)
    ended = Ended(client)
    assert (Ended(server).status, ended.status) == (0, 0), ended
    result = ended.lines("result")[0]
    latency = result["latency_ns"]
    assert result["unanswered"] > 500, ended
    assert latency["count"] == result["unanswered"] + result["local"]["transactions"], ended
    assert latency["p50"] > 0.5e9 and latency["p90"] < latency["max"] < 5e9, ended


def signal_after_traffic(server, client):
    """Stop the server for a second, once both have begun to use the processor."""
    deadline = time.monotonic() + 120
    while switches(client.pid) < 100:
        assert time.monotonic() < deadline, "no traffic"
        time.sleep(0.01)
    server.send_signal(signal.SIGSTOP)
    time.sleep(1)
    server.send_signal(signal.SIGCONT)


def switches(pid: int) -> int:
    """Voluntary context switches of all threads."""
    count = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        status = (task / "status").read_text()
        count += int(status.split("\nvoluntary_ctxt_switches:")[1].split()[0])
    return count


def test_until_ends_early(pair):
    _, other = pair("tcp_rr").run("", "-l 30 -I 0.05 --until 100%")
    assert other.status == 0
    assert other.number("uncertainty_percent") <= 100
    assert other.number("num_samples") >= 10
    assert float(other.keys["time_end"]) - float(other.keys["time_start"]) < 25, other


def test_thousand_flows(pair):
    _, other = pair("tcp_rr").run("-T2", "-F1000 -T2")
    assert other.status == 0 and other.number("num_transactions") > 0, other


def test_two_clients(pair):
    both = pair("tcp_rr")
    server = both.server("--num-clients", "2")
    one, other = both.client(), both.client()
    ended = [Ended(one), Ended(other), Ended(server)]
    assert [end.status for end in ended] == [0, 0, 0], ended
    counts = [end.number("num_transactions") for end in ended]
    # It counts while both measure; whatever is counted twice is twice as much.
    assert 0 < counts[2] <= 1.5 * (counts[0] + counts[1]), counts


def test_unix_paths_are_taken_and_given_back(pair, tmp_path):
    both = pair("unix_rr")
    (tmp_path / f"it.{both.data}").touch()
    blocked = Ended(both.server("-H", "it"))
    assert blocked.status == 99 and "in use" in blocked.err, blocked
    (tmp_path / f"it.{both.data}").unlink()
    one, other = both.run("-H it", "-H it")
    assert (one.status, other.status) == (0, 0), (one, other)
    assert not list(tmp_path.iterdir()), "the server removes its sockets"


def test_memory_does_not_grow_with_time(pair):
    """Samples and latencies of many intervals take what those of few take."""
    few = pair("tcp_rr").run("", "-I 0.5")[1]
    for seconds in (2, 20):  # a main thread that is late has longer intervals
        many = pair("tcp_rr").run("", f"-I 0.001 -l {seconds}")[1]
        if many.number("num_samples") > 100 * few.number("num_samples"):
            break
    assert many.number("num_samples") > 100 * few.number("num_samples")
    assert many.number("maxrss_end") < few.number("maxrss_end") + 300, (few, many)


def test_stranger_on_the_data_port_is_no_flow(pair):
    both = pair("tcp_rr")
    server = both.server()
    deadline = time.monotonic() + 120
    while True:
        try:
            stranger = socket.create_connection(("127.0.0.1", int(both.data)), timeout=120)
            break
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    assert stranger.recv(1) == b"", "it is shown out"
    stranger.close()
    ended = Ended(both.client("-F3"))
    assert (Ended(server).status, ended.status) == (0, 0), ended


ERROR_QUEUE = """
local seen = collect({n = 0})
client_socket(function(fd)
  assert(setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, bit.bor(SOF_TIMESTAMPING_SOFTWARE,
    SOF_TIMESTAMPING_TX_ACK, SOF_TIMESTAMPING_OPT_TSONLY)))
end)
client_recverr(function(fd, msg, flags)
  seen.n = seen.n + 1
  return assert(recvmsg(fd, msg, flags))
end)
run()
print("errors_taken=" .. seen[1].n)
"""


def test_rr_serves_the_error_queue(pair, tmp_path):
    (tmp_path / "queue.lua").write_text(ERROR_QUEUE)
    one, other = pair("tcp_rr").run("", "-F2 --script queue.lua")
    assert (one.status, other.status) == (0, 0), other
    # Those from before and after the measuring come too.
    assert other.number("errors_taken") > 0.5 * other.number("num_transactions") > 0, other


def test_names_and_dry_run(pair):
    one = Ended(pair("rushit").start("-n"))
    assert one.status == 2 and "tcp_rr" in one.err
    ended = Ended(pair("tcp_rr").start("-n", "-l", "7"))
    assert ended.status == 0 and ended.keys["total_run_time"] == "7"
    assert "num_transactions" not in ended.keys


def test_vsock_without_a_transport_is_a_skip_with_its_reason(pair):
    ended = Ended(pair("vsock_rr").start("-c", "-H", "1", "--patience", "1"))
    if ended.status == 99 and "refused" in ended.err:
        pytest.skip("this machine has vsock loopback: tests/lab/test_rushit.py uses it")
    assert ended.status == 77 and "vsock" in ended.err, ended


def test_a_distribution_that_nobody_gets_is_an_error_in_the_result_too(pair):
    both = pair("tcp_rr")
    server = both.server()
    ended = Ended(both.client("--json", "--hgrm", "/dev/full"))
    server.communicate()
    assert ended.status == ended.lines("result")[0]["status"] == 99, ended
    assert "cannot write /dev/full" in ended.lines("result")[0]["problem"], ended
    assert not ended.lines("figure"), ended
