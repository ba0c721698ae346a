"""What commands say is wrong with files, in Chinese: each line broken in turn, and nothing left in English."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.cli import checkup
from gateway.cli.main import main
from gateway.cli.problem_words import Chinese
from gateway.core.problems import Problem, Problems
from gateway.settings import load
from tests.cli.folder import write_folder

ENGLISH = re.compile(r"\b[A-Za-z']+ [a-z']+ [a-z']+\b")
QUOTED = re.compile(r"`[^`]*`")
BREAKS: tuple[Callable[[str], str], ...] = (
    lambda line: "",
    lambda line: re.sub(r"\b([a-z_]+):", r"\1x:", line, count=1),
    lambda line: re.sub(r": .*", ": [1, {a: 1}]", line, count=1),
    lambda line: re.sub(r": .*", ": {a: b}", line, count=1),
    lambda line: re.sub(r": .*", ': "a b"', line, count=1),
    lambda line: re.sub(r": .*", ": -1", line, count=1),
    lambda line: re.sub(r"([\[{] ?)([\w>]+)", r"\1\2x", line, count=2),
    lambda line: "\t" + line + "\n" + line,
)
MORE = {
    "gateway.yaml": """\
limits: {body: 8MiB, drain: 300s}
audit: {buffer: 1000}
history: {keep: 1h}
ner: {workers: 1}
cache: {memory: 64MiB, share: 50%}
clients: {trusted_proxies: [10.0.0.0/8]}
""",
    "pools.yaml": """\
  lane:
    zone: cloud
    clearance: internal
    backend: sagemaker
    model: m
    sagemaker: {region: eu-central-1, warm: {per_hour: 3}}
    burst: {max_in_flight: 4}
    timeouts: {connect: 3s}
prices: {currency: CNY, pools: {burst: {prompt: 1, completion: 2}}}
budgets: {burst: {per_day: 10}}
""",
    "tenants.yaml": "  ward: {class: default, limits: {requests_per_minute: 5}, addresses: [10.0.0.0/8]}\n",
}


def is_chinese(line: str) -> bool:
    """Whether nothing of a problem's line is left in English."""
    return not ENGLISH.search(QUOTED.sub("", line))


def broken(folder: Path) -> Iterator[tuple[str, str]]:
    """Each file's name with its text, broken in one line."""
    for name in ("gateway.yaml", "pools.yaml", "tenants.yaml", "policy.yaml"):
        lines = (folder / name).read_text("utf-8").splitlines()
        for at, line in enumerate(lines):
            for change in BREAKS:
                if change(line) != line:
                    yield name, "\n".join((*lines[:at], change(line), *lines[at + 1 :])) + "\n"


def test_files_that_are_broken_line_by_line_are_told_in_chinese(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "etc")
    for name, text in MORE.items():
        with (folder / name).open("a") as file:
            file.write(text)
    chinese, found = Chinese(), set[Problem]()
    for name, text in broken(folder):
        whole = (folder / name).read_text("utf-8")
        (folder / name).write_text(text, "utf-8")
        try:
            load(folder, {})
        except Problems as problems:
            found |= set(problems.problems)
        (folder / name).write_text(whole, "utf-8")
    assert len({one.message for one in found}) > 150
    assert [line for one in found if not is_chinese(line := chinese.shown(one))] == []


# Commands


BAD_POLICY = ("to: [home]", "to: [hoome]")


@pytest.fixture
def etc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A gateway's folder with a policy that names a pool that is not there."""
    folder = write_folder(tmp_path / "etc")
    shutil.copy(folder / "policy.yaml", folder / "good.yaml")
    text = (folder / "policy.yaml").read_text("utf-8")
    (folder / "policy.yaml").write_text(text.replace(*BAD_POLICY), "utf-8")
    monkeypatch.chdir(folder)
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setattr(checkup, "models_probe", lambda: True)  # takes seconds, and is not what is asked here
    return folder


COMMANDS = {
    "config check": "config check",
    "config show": "config show",
    "policy check": "policy check policy.yaml",
    "policy prove": "policy prove policy.yaml",
    "policy explain": "policy explain policy.yaml --text hello",
    "policy test": "policy test nowhere --policy policy.yaml",
    "policy sign": "policy sign --config . --key nobody.pem",
    "policy verify": "policy verify --config .",
    "policy shadow start": "policy shadow start policy.yaml --config .",
    "policy shadow drop": "policy shadow drop --config .",
    "policy status": "policy status --config .",
    "policy replay": "policy replay good.yaml --audit nowhere",
    "doctor": "doctor --config .",
    "scan": "scan nowhere.txt",
    "complexity": "complexity nowhere.txt",
    "usage": "usage --config .",
    "cache": "cache status --config nowhere",
    "burst": "burst --config .",
    "pool": "pool drain home --config .",
    "top": "top --config . --once",
    "keys": "keys list --config nowhere",
    "audit exposure": "audit exposure --audit nowhere --before 2026-11-01",
    "sagemaker": "sagemaker status --file nowhere.yaml",
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_every_command_tells_problems_in_the_language_of_the_locale(
    command: str, etc: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(command.split())
    english = capsys.readouterr()
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert main(command.split()) == status
    chinese = capsys.readouterr()
    lines = (line for line in (*chinese.err.splitlines(), *chinese.out.splitlines()) if line.strip())
    # Neither how a proof gets on, which a slow machine is told, nor names of packages that are in order.
    told = [line for line in lines if not line.startswith(("Proving the policy", "  ✓"))]
    assert status in (1, 2)
    assert any(re.search("[\u4e00-\u9fff]", line) for line in told)
    assert [line for line in told if not is_chinese(line)] == []
    assert not re.search("[\u4e00-\u9fff]", english.err + english.out)


@pytest.mark.parametrize("command", ["config check", "policy check policy.yaml", "policy diff good.yaml policy.yaml"])
def test_json_has_the_english_sentences_in_either_language(
    command: str, etc: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = []
    for language in ("en", "zh"):
        main([*command.split(), "--json", "--language", language])
        said.append(capsys.readouterr().out)
    assert said[0] == said[1]
    problems = json.loads(said[0])["problems"]
    assert "The pool `hoome` does not exist." in [one["message"] for one in problems]


def test_what_is_asked_for_counts_more_than_the_locale(
    etc: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    main(["config", "check", "--language", "en"])
    assert "The pool `hoome` does not exist. Did you mean `home`?" in capsys.readouterr().err
    main(["config", "check"])
    assert "资源池 `hoome` 不存在。是否想写 `home`？" in capsys.readouterr().err


def test_a_configuration_that_is_good_is_said_to_be_so_in_chinese(
    etc: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(etc / "good.yaml", etc / "policy.yaml")
    assert main(["config", "check", "--config", str(etc), "--language", "zh"]) == 0
    assert capsys.readouterr().out == f"{etc}：配置无误：策略版本 1，资源池 2 个，租户 2 个，密钥 0 个。\n"
