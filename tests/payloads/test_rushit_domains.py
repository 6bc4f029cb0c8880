"""between-domains.sh with both roles on one machine, in a network of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest
from rushit_box import SOURCE, build

# The meeting point of two processes: both leave a mark and wait for the other's.
BARRIER = """#!/bin/sh
[ "$*" = "--barrier ready --timeout 240" ] || exit 96
touch "$XENTEST_SHARED/$XENTEST_DOMAIN/here"
tries=0
until [ -e "$XENTEST_SHARED/one/here" ] && [ -e "$XENTEST_SHARED/two/here" ]; do
    tries=$((tries + 1)) && [ $tries -lt 6000 ] || exit 1
    sleep 0.05
done
"""
BOTH = """
ip link set lo up && ip addr add 10.9.8.7/32 dev lo scope global || exit 98
cd "$XENTEST_SHARED/two"
XENTEST_ROLE=server XENTEST_DOMAIN=two ./between-domains.sh > server.out 2>&1 & server=$!
cd "$XENTEST_SHARED/one"
XENTEST_ROLE=client XENTEST_DOMAIN=one ./between-domains.sh > client.out 2>&1
status=$?
wait $server || { cat "$XENTEST_SHARED/two/server.out"; exit 97; }
exit $status
"""


@pytest.fixture
def shared(tmp_path):
    for domain in ("one", "two"):
        folder = tmp_path / domain
        folder.mkdir()
        shutil.copy(build() / "rushit", folder)
        shutil.copy(SOURCE / "between-domains.sh", folder)
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "xenruntests").write_text(BARRIER)
    (tools / "xenruntests").chmod(0o755)
    return tmp_path


def call(shared, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "XENTEST_SHARED": str(shared), **more}
    environment["PATH"] = f"{shared}/bin:{environment['PATH']}:/usr/sbin:/sbin"
    return subprocess.run(
        ["unshare", "-rn", "sh", "-c", BOTH],
        env=environment, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip


def test_figures_of_all_workloads(shared):
    said = call(shared, RUSHIT_SECONDS="1", RUSHIT_WORKLOADS="tcp_rr udp_stream")
    if "unshare failed" in said.stderr:
        pytest.skip(f"no network of its own here: {said.stderr}")
    assert said.returncode == 0, (said, (shared / "one/client.out").read_text())
    lines = (shared / "one/figures.json").read_text().splitlines()
    names = {line["name"] for line in map(json.loads, lines) if line["type"] == "figure"}
    assert {"tcp_rr.throughput", "udp_stream.throughput"} <= names


def test_workload_that_fails_fails_the_test(shared):
    said = call(shared, RUSHIT_SECONDS="0", RUSHIT_PATIENCE="1", RUSHIT_WORKLOADS="tcp_rr")
    if "unshare failed" in said.stderr:
        pytest.skip(f"no network of its own here: {said.stderr}")
    assert said.returncode not in (0, 98), said
