"""Whatever is given to `tidegate policy` instead of a policy ends in sentences that say what to do, not a traceback."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.cli import policy_files
from gateway.cli.main import main
from gateway.cli.problem_report import Misuse
from gateway.core.problems import Problem, Problems
from gateway.policy.compile import load
from tests.cli.policy_runs import EXAMPLES, policy_file, run
from tests.config.folder import edit, make

Capsys = pytest.CaptureFixture[str]
DEFAULT = policy_file("default").read_bytes()
ENDS_ABRUPTLY = b"The end of the file"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make(tmp_path)


def refused(capsys: Capsys, path: Path) -> list[str]:
    """What `check` says of a file that is no policy: at least one sentence, each with a place, then their number."""
    status, out, err = run(capsys, "check", path)
    *sentences, number = err.splitlines()
    assert (status, out) == (1, "")
    assert number == ("1 problem." if len(sentences) == 1 else f"{len(sentences)} problems.")
    assert all(sentence.startswith(f"{path}:") for sentence in sentences)
    assert all(sentence.endswith((".", "?")) for sentence in sentences)
    return [sentence.removeprefix(f"{path}:") for sentence in sentences]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("  - {id: rest, when", "\t- {id: rest, when", "A tab is not accepted. Use spaces."),
        ("cache: {", "labels: [a]\ncache: {", "This key stands here a second time; the first is on line "),
        ("labels: [public", "labels: &all [public", "An anchor (`&`) is not accepted."),
        # A set that holds itself, as YAML could write one.
        ("to: [home], spill: [burst]", "to: &p [*p], spill: [burst]", "A reference (`*`) is not accepted."),
        ("chat-home: {pools: [home]}", "chat-home: {pools: [chat-auto]}", "The pool `chat-auto` does not exist."),
        ("to: [home], spill: [burst]", "to: [home], spill: [brust]", "`brust` does not exist. Did you mean `burst`?"),
        ("version: 1 ", "version: 1\nrestores: 1 ", "`restores` must name an earlier version than `version`."),
        ("version: 1 ", "version: -1 ", "`version` must be a whole number from 1 to "),
        ("cloud_ceiling: internal", "cloud_ceiling: intern", "`intern` does not exist. Did you mean `internal`?"),
        ("spill: [burst]", "overflow: [burst]", "A route has no key `overflow`."),
        ("spill: [burst]", "mask: [burst]", "`mask` is reserved: this gateway cannot mask yet"),
        ("spill: [burst]", "mirror: burst", "`mirror` must be a group of keys."),
        ("\n...", "\n", "The end marker `...` is missing: the file is half-written. End it with `...`."),
        ("routes:", "routes: [", ""),
        ("# Everything", "\u202e# Everything", "The invisible character U+202E is not accepted. Remove it."),
        ("# Everything", "\x00# Everything", "The invisible character U+0000 is not accepted. Remove it."),
    ],
)  # fmt: skip
def test_a_slip_has_a_sentence(folder: Path, capsys: Capsys, old: str, new: str, sentence: str) -> None:
    edit(folder, "policy.yaml", old, new)
    assert any(sentence in said for said in refused(capsys, folder / "policy.yaml"))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "The file is empty."),
        (b"\xff\xfe", "This is not valid UTF-8."),
        ("标签：".encode("gbk") + DEFAULT, "This is not valid UTF-8."),
        (DEFAULT.decode().encode("utf-16"), "This is not valid UTF-8."),
        (DEFAULT + b"---\n" + DEFAULT, "A second document begins here."),
        (DEFAULT + DEFAULT, "This does not belong to what stands before it."),
        (DEFAULT + b"#" * (10 << 20), "The file is larger than 1 MiB."),
        (b"[" * 100_000, "levels stand inside one another."),
        (b"a: " * 100_000, ""),
        (b"# nothing yet\n", "The file is empty."),
        (b"...\n", "This is not valid YAML."),
        (b"- a\n...\n", "The policy must be a group of keys."),
        (b"\x7fELF\x02\x01\x01\x00", "The invisible character"),
        (b"PK\x03\x04\x14\x00\x06\x00\x08\x00\x00\x00!\x00", ""),
        (b"%PDF-1.7\n", ""),
        (b'{"apiVersion": "v1"}\n...\n', "`apiVersion` must be `tidegate/v1`."),
    ],
    ids=lambda value: value[:16].decode(errors="replace") if isinstance(value, bytes) else None,
)
def test_what_is_no_policy_at_all_has_a_sentence(tmp_path: Path, capsys: Capsys, data: bytes, sentence: str) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes(data)
    assert any(sentence in said for said in refused(capsys, path))


def test_ten_megabytes_are_not_read_to_the_end(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes(DEFAULT + b"#" * (10 << 20))
    assert len(policy_files.data_of(path)) == (1 << 20) + 1


every_policy = pytest.mark.parametrize("name", ["default", *EXAMPLES])


@every_policy
def test_a_file_that_is_cut_is_refused_with_a_sentence(name: str) -> None:
    # Every byte at the end and in the head; 61 is no multiple of what any character takes, so those are cut as well.
    whole = _whole(name)
    check_cut(name, [*range(100), *range(100, whole - 300, 61), *range(whole - 300, whole)])


@pytest.mark.slow
@every_policy
def test_a_file_that_is_cut_anywhere_is_refused_with_a_sentence(name: str) -> None:
    check_cut(name, range(_whole(name)))


def check_cut(name: str, lengths: Iterable[int]) -> None:
    data = policy_file(name).read_bytes()
    for length in lengths:
        problems = _problems_of(data[:length])
        assert problems, length
        assert all(problem.message.endswith(".") for problem in problems), length
    assert _problems_of(data[: _whole(name)]) is None


def _whole(name: str) -> int:
    """How much of a policy must be there: all of it to the end of its end marker."""
    return policy_file(name).read_bytes().rindex(b"...") + 3


def _load_bytes(data: bytes) -> None:
    load(data, "p.yaml")


def _problems_of(data: bytes) -> tuple[Problem, ...] | None:
    """What is wrong with a file; None if it loads."""
    try:
        _load_bytes(data)
    except Problems as found:
        return found.problems
    return None


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_file_with_bytes_replaced_loads_or_is_refused_with_a_sentence(data: st.DataObject) -> None:
    spoilt = bytearray(DEFAULT)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(spoilt) - 1))
        spoilt[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    problems = _problems_of(bytes(spoilt))
    assert problems is None or problems
    assert all(str(problem).startswith("p.yaml") for problem in problems or ())


# What cannot be looked at is misuse, and told apart by its status.


def test_a_missing_file_is_misuse_and_a_near_name_is_offered(folder: Path, capsys: Capsys) -> None:
    status, out, err = run(capsys, "check", folder / "polcy.yaml")
    assert (status, out) == (2, "")
    assert (
        err == f"{folder / 'polcy.yaml'}: There is no such file. Did you mean `{folder / 'policy.yaml'}`?\n1 problem.\n"
    )
    _, _, err = run(capsys, "check", folder / "nowhere" / "x.yaml")
    assert "There is no such file. Check the path." in err


def test_a_folder_is_misuse(folder: Path, capsys: Capsys) -> None:
    status, _, err = run(capsys, "check", folder)
    assert status == 2
    assert "This is a folder, not a file. Name a file, for example `" in err
    (folder / "empty").mkdir()
    _, _, err = run(capsys, "check", folder / "empty")
    assert "This is a folder, not a file. Name a file.\n" in err


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (PermissionError(13, "x"), "You may not read this file."),
        (OSError(5, "x"), "This file cannot be read (OSError)."),
        (ValueError("embedded null byte"), "This file cannot be read (ValueError)."),
    ],
)
def test_an_unreadable_file_is_misuse(
    folder: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str
) -> None:
    # Tests may run as root, who may read everything.
    def refuse(_: Path, mode: str) -> None:
        raise error

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(Misuse) as raised:
        policy_files.data_of(folder / "policy.yaml")
    assert sentence in str(raised.value.problems[0])


@pytest.mark.parametrize("path", [".", "/", ".."])
def test_a_folder_is_no_policy(folder: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.chdir(folder)
    status, _, err = run(capsys, "check", path)
    assert status == 2
    assert f"{path}: This is a folder, not a file." in err


@pytest.mark.parametrize(
    ("command", "option", "value", "sentence"),
    [
        ("test", "--fail-under", "101", "must be a number from 0 to 100"),
        ("test", "--fail-under", "nan", "must be a number from 0 to 100"),
        ("test", "--fail-under", "all", "must be a number from 0 to 100"),
        ("prove", "--most-nodes", "0", "must be a whole number from 1"),
        ("prove", "--most-nodes", "many", "must be a whole number from 1"),
        ("prove", "--most-nodes", "9" * 5000, "must be a whole number from 1"),
    ],
)
def test_an_option_out_of_its_range_says_what_the_range_is(
    capsys: Capsys, command: str, option: str, value: str, sentence: str
) -> None:
    status, _, err = run(capsys, command, option, value)
    assert status == 2
    assert f"argument {option}: {sentence}" in err


@pytest.mark.parametrize("option", ["--pools", "--tenants"])
def test_the_other_files_are_looked_for_where_they_were_named(folder: Path, capsys: Capsys, option: str) -> None:
    status, _, err = run(capsys, "check", folder / "policy.yaml", option, folder / "absent.yaml")
    assert status == 2
    assert f"{folder / 'absent.yaml'}: There is no such file." in err


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "a", "b"],
        ["check", "--unknown"],
        ["explain", "--text", "x", "--facts"],
        ["explain", "--text", "x", "--request", "f"],
        ["explain", "--language", "fr"],
        ["init", "--example", "circus"],
        ["no-such-command"],
        [],
    ],
)
def test_a_wrong_command_line_ends_with_2(capsys: Capsys, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["policy", *arguments])
    assert ended.value.code == 2
    assert "usage: tidegate" in capsys.readouterr().err


@pytest.mark.parametrize(("damage", "status"), [(None, 0), (('confidential"}, to', 'restricted"}, to'), 1)])
def test_a_reader_who_has_seen_enough_changes_no_verdict(
    folder: Path, damage: tuple[str, str] | None, status: int
) -> None:
    if damage is not None:
        edit(folder, "policy.yaml", *damage)
    # A pipe whose reader is gone already.
    reader, writer = os.pipe()
    os.close(reader)
    command = [Path(sys.executable).with_name("tidegate"), "policy", "prove", folder / "policy.yaml"]
    ran = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True)
    os.close(writer)
    assert (ran.returncode, ran.stderr) == (status, "")


@pytest.mark.parametrize("command", ["check", "explain"])
def test_problems_for_programs_have_the_same_shape_everywhere(folder: Path, capsys: Capsys, command: str) -> None:
    edit(folder, "policy.yaml", "US_SSN", "US_SNN")
    more = ["--facts", "{}"] if command == "explain" else []
    status, out, err = run(capsys, command, folder / "policy.yaml", "--json", *more)
    shown = json.loads(out)
    assert (status, err, shown["ok"], len(shown["problems"])) == (1, "", False, 1)
    assert set(shown["problems"][0]) == {"file", "line", "column", "message", "mend"}
