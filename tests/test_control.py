"""The control file: what is read from a good one, and what is said about a bad one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from xentest import control, control_keys, control_text
from xentest.control import ControlError

HERE = Path(__file__).parent
GOOD = sorted((HERE.parent / "controls").glob("*.cfg"))
BROKEN = sorted((HERE / "broken_controls").glob("*.cfg"))

SMALL = """\
[Preferences]
xen-tree=xen
shared_dir=/xentest/shared
{preferences}
[Locations]
xen=https://www.example.org/xen.tar.gz
{locations}
[t]
run_command=./t
{test}
[XENVM0]
name=dom0
tempdir=/var/tmp/xentest
test1=t
{domain}
{rest}
"""


def small(**parts: str) -> str:
    names = ("preferences", "locations", "test", "domain", "rest")
    return SMALL.format(**{name: parts.get(name, "") for name in names})


def parse(**parts: str) -> control.Control:
    return control.parse(small(**parts), "x.cfg")


def complaint(text: str) -> str:
    with pytest.raises(ControlError) as caught:
        control.parse(text, "x.cfg")
    return str(caught.value)


# Good files


@pytest.mark.parametrize("path", sorted(HERE.parent.glob("controls/*.cfg")), ids=lambda p: p.stem)
def test_the_ready_ones_are_well_formed(path: Path) -> None:
    assert control.load(path, require_trust=False).domains


def test_the_papers_example_means_what_it_meant() -> None:
    paper = control.load(HERE.parent / "controls/paper.cfg", require_trust=False)
    assert paper.tree().address == "http://www.example.org/download/xen-unstable.tgz"
    assert set(paper.locations) == {"xen-stable", "xen-2.0-testing", "xen-unstable"}
    assert paper.preferences.shared_dir == "/xentest/shared"
    ltp = paper.tests["LTP"]
    assert (ltp.build_command, ltp.install_command) == ("make", "make install")
    assert (ltp.test_dir, ltp.log_dir) == ("ltp-full-20050207", "logs/ltp")
    assert ltp.run_command == "./runltp -q > \\\n../logs/ltp/runltp.output"
    first, second, third = paper.domains
    assert (first.name, first.tempdir, first.config, first.start) == (
        "bob13",
        "/tmp",
        None,
        "never",
    )
    assert second.config == "/home/plars/xen/xen-sarge/bob13-vm1.config"
    assert (third.name, third.start, third.tests) == ("bob13-vm2", "boot", ("LTP",))


def test_a_substitution_from_default_as_in_the_paper() -> None:
    text = small(test="log_dir=%(tempdir)s/logs/t", rest="[DEFAULT]\ntempdir=/var/tmp/xentest")
    assert control.parse(text, "x").tests["t"].log_dir == "logs/t"


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.name)
def test_every_ready_control_file_is_good(path: Path) -> None:
    found = control.load(path, require_trust=False, ask_shell=True)
    assert all(found.plan(domain) for domain in found.domains)


def test_defaults() -> None:
    found = parse()
    assert found.preferences == control.Preferences(xen_tree="xen", shared_dir="/xentest/shared")
    assert found.tests["t"] == control.Test(name="t", run_command="./t")
    assert found.domain_for("dom0") is found.domains[0]


@pytest.mark.parametrize(
    "written, seconds",
    [("90", 90), ("90s", 90), ("10m", 600), ("2h", 7200), ("1.5h", 5400), ("10 m", 600)],
)
def test_durations(written: str, seconds: float) -> None:
    assert parse(test=f"timeout={written}").tests["t"].timeout == seconds


def test_optional_keys_of_a_test() -> None:
    found = parse(
        test="requires=xl make\nrepeat=3\nenv=A=1\n B=two words\nexpect=t.*\n another one\n"
        "figures=(?P<name>\\w+): (?P<value>\\d+)\nresult_format=junit:reports/*.xml\n"
    ).tests["t"]
    assert found.requires == ("xl", "make")
    assert found.env == (("A", "1"), ("B", "two words"))
    assert found.expect == ("t.*", "another one")
    assert found.result_format == "junit:reports/*.xml"


def test_a_location_with_all_that_can_be_said_of_it() -> None:
    found = parse(
        locations=f"xen.sha256={'AB' * 32}\n"
        "xen.patches=/a.patch\n https://www.example.org/b.patch\n"
        "xen.config=CONFIG_DEBUG=y\n CONFIG_NR_CPUS=64\nxen.build_command=make -C xen\n"
    ).locations["xen"]
    assert found.sha256 == "ab" * 32
    assert found.patches == ("/a.patch", "https://www.example.org/b.patch")
    assert found.config == ("CONFIG_DEBUG=y", "CONFIG_NR_CPUS=64")
    assert found.build_command == "make -C xen"


def test_tools_are_built_where_they_are_asked_for() -> None:
    assert not parse().locations["xen"].tools
    assert parse(locations="xen.tools=Yes").locations["xen"].tools
    assert not parse(locations="xen.tools=no").locations["xen"].tools


def test_no_build_command_and_an_empty_one_differ() -> None:
    assert parse().locations["xen"].build_command is None
    assert parse(locations="xen.build_command=").locations["xen"].build_command == ""


@pytest.mark.parametrize(
    "address",
    "http://h/x.tgz https://h:8443/x ftp://u@h/x file:///x /x git+https://h/x.git#v1/a_b "
    "deb-src:xen git+file:///x git+ssh://git@h/x#main git+http://h/x.git http://[::1]:80/x".split(),
)
def test_kinds_of_address(address: str) -> None:
    assert parse(locations=f"other={address}").locations["other"].address == address


def test_plan_writes_repeats_out_and_numbers_from_one() -> None:
    tests = "".join(f"test{n}=t\n" for n in range(10, 2, -1)) + "test2=u\n"
    found = parse(test="repeat=2", domain=tests, rest="[u]\nrun_command=./u")
    plan = found.plan(found.domains[0])
    assert [number for number, _ in plan] == list(range(1, 20))
    assert [test.name for _, test in plan[:4]] == ["t", "t", "u", "t"]


def test_domains_meet_at_barriers() -> None:
    second = "[XENVM1]\nname=g1\ntempdir=/tmp\ntest1=t\nbarriers=start\n"
    found = parse(domain="barriers=start end", rest=second.replace("=start", "=start end"))
    assert (found.barrier_size("start"), found.barrier_size("none")) == (2, 0)


@pytest.mark.parametrize(
    "names, hostname, expected",
    [
        (["bob13"], "bob13", "bob13"),
        (["bob13"], "BOB13", "bob13"),
        (["bob13"], "bob13.example.org", "bob13"),
        (["bob13.example.org"], "bob13", "bob13.example.org"),
        (["bob13.a.org", "bob13.b.org"], "bob13", None),
        (["bob13.a.org"], "bob13.b.org", None),
        (["bob13"], "bob1", None),
    ],
)
def test_a_domain_is_found_by_its_host_name(
    names: list[str], hostname: str, expected: str | None
) -> None:
    sections = "".join(
        f"[XENVM{n}]\nname={name}\ntempdir=/tmp\ntest1=t\n" for n, name in enumerate(names, 1)
    )
    domain = parse(rest=sections).domain_for(hostname)
    assert (domain and domain.name) == expected


def test_without_xen_there_is_no_tree() -> None:
    text = small(preferences="hypervisor=kvm").replace("xen-tree=xen\n", "")
    with pytest.raises(ControlError, match="nothing to build"):
        control.parse(text, "x").tree()


# The reference

PAGE = (HERE.parent / "docs/control-file.md").read_text()


def test_the_example_of_the_reference_is_good() -> None:
    example = PAGE.split("## The format")[0].split("\n\n", 2)[2]
    control.parse(textwrap.dedent(example), "docs/control-file.md")


def test_the_reference_names_every_key_and_no_other() -> None:
    told = set(re.findall(r"^\| ([a-z][a-z0-9_-]*) \|", PAGE, re.M))
    parts = (control_keys.PREFERENCE_KEYS, control_keys.TEST_KEYS, control_keys.DOMAIN_KEYS)
    kinds_of_value = {"duration", "path", "place", "address", "words", "lines"}
    headings = {"key", "format", "address"}
    assert told - kinds_of_value - headings == {key for part in parts for key in part}
    assert all(f"| NAME.{key} |" in PAGE for key in control_keys.LOCATION_KEYS)


# Broken files


def test_the_corpus_is_large_enough() -> None:
    assert len(BROKEN) >= 200


@pytest.mark.parametrize("path", BROKEN, ids=lambda path: path.stem)
def test_broken_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every broken file has its complete message beside it, as a user in its folder sees it."""
    monkeypatch.chdir(path.parent)
    with pytest.raises(ControlError) as caught:
        control.load(path.name, require_trust=False, ask_shell=True)
    assert str(caught.value) + "\n" == path.with_suffix(".expected").read_text()
    assert caught.value.exit_status == 2


def test_a_problem_of_default_is_told_once() -> None:
    said = complaint(small(test="timeout=%(t)s", rest="[DEFAULT]\nt=1x\nkeep_runs=x\nrepeat=y\n"))
    assert said.count("repeat is 'y'") == 1


def test_there_is_an_end_to_the_problems() -> None:
    said = complaint(small(test="\n".join(f"key{n}=1" for n in range(5000))))
    assert len(said.splitlines()) == control_text.MAX_PROBLEMS + 1
    assert said.endswith("too many problems; mend these first")


def test_message_is_printable() -> None:
    said = complaint("[Preferences]\nshared_dir=\x1b[31m\n")
    assert "\x1b" not in said and "U+001B" in said


@pytest.mark.parametrize(
    "name, value",
    [
        ("tempdir", "/"),
        ("tempdir", "/etc/x"),
        ("tempdir", "//usr"),
        ("tempdir", "/var/tmp/../../etc"),
        ("tempdir", "/xentest/shared/x"),
        ("tempdir", "tmp"),
    ],
)
def test_a_tempdir_that_is_not_ours(name: str, value: str) -> None:
    assert name in complaint(small().replace("tempdir=/var/tmp/xentest", f"{name}={value}"))


# Trust


def written(folder: Path, text: str = small(), mode: int = 0o644) -> Path:
    path = folder / "night.cfg"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_load_reads_what_parse_reads(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert control.load(path) == control.parse(small(), str(path))


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666, 0o777])
def test_a_file_that_others_may_write_is_refused(tmp_path: Path, mode: int) -> None:
    path = written(tmp_path, mode=mode)
    with pytest.raises(ControlError, match="can be written by others .* chmod go-w"):
        control.load(path)
    assert control.load(path, require_trust=False).digest == control.parse(small(), "x").digest


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused_through_a_link_too(tmp_path: Path) -> None:
    path = written(tmp_path)
    os.chown(path, 4711, -1)
    link = tmp_path / "link.cfg"
    link.symlink_to(path)
    for name in (path, link):
        with pytest.raises(ControlError, match="belongs to the user with number 4711"):
            control.load(name)


def test_a_fifo_does_not_hold_us(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    code = f"from xentest import control; control.load({str(tmp_path / 'fifo')!r})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=HERE.parent, capture_output=True, text=True, timeout=120
    )
    assert "is not a regular file" in done.stderr


@pytest.mark.parametrize("name", ["", "absent", "nul\0", "."])
def test_what_cannot_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(ControlError) as caught:
        control.load(f"{tmp_path}/{name}")
    assert caught.value.problems[0].line == 0


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, small() + "#" * control_text.MAX_SIZE)
    with pytest.raises(ControlError, match="larger than 1 MiB"):
        control.load(path)


def test_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_bytes(b"[Preferences]\nshared_dir=/\xff\n")
    with pytest.raises(ControlError, match=":2: the byte 0xff is not UTF-8"):
        control.load(path)
