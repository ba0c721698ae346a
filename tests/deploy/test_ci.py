"""The CI files to copy: what they run passes for a good change and stops one that opens a way to the cloud."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gateway.cli.main import main
from tests.cli.policy_runs import one_scanner_for_each_policy as one_scanner_for_each_policy

ROOT = Path(__file__).parents[2]
CI = ROOT / "deploy" / "ci"
Capsys = pytest.CaptureFixture[str]


def github() -> list[str]:
    (job,) = yaml.safe_load((CI / "github-actions.yml").read_text())["jobs"].values()
    return [step["run"] for step in job["steps"] if "run" in step]


def gitlab() -> list[str]:
    job = yaml.safe_load((CI / "gitlab-ci.yml").read_text())["policy"]
    return [*job["before_script"], *job["script"]]


def of_tidegate(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("tidegate ")]


def documented(guide: str) -> list[str]:
    (block,) = re.findall(r"^```sh\n(.*?)^```$", (ROOT / "docs" / guide).read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return block.splitlines()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capsys) -> Path:
    """A repository of a policy, as CI has checked it out: the change, and what is in force beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    assert main(["policy", "init"]) == 0
    assert main(["policy", "init", "in-force"]) == 0
    change(tmp_path, "version: 1 ", "version: 2 ")
    return tmp_path


def change(folder: Path, old: str, new: str) -> None:
    path = folder / "policy.yaml"
    text = path.read_text("utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), "utf-8")


def statuses(lines: list[str]) -> list[int]:
    return [main(shlex.split(line)[1:]) for line in of_tidegate(lines)]


def test_both_run_what_the_guides_say() -> None:
    assert of_tidegate(github()) == of_tidegate(gitlab()) == documented("policy.md") == documented("policy.zh.md")


def test_a_good_change_passes_and_leaves_its_proof(folder: Path) -> None:
    change(folder, "queue: 20s", "queue: 30s")
    assert statuses(github()) == [0, 0, 0, 0]
    assert (folder / "proof.json").is_file()


def test_a_way_to_the_cloud_is_stopped_by_the_last_line_alone(folder: Path, capsys: Capsys) -> None:
    change(folder, "chat-home: {pools: [home]}", "chat-home: {pools: [home, burst]}")
    # The cases notice as well: one of them says that this model stays home.
    assert statuses(gitlab()) == [0, 1, 0, 1]
    assert "New cloud access: YES." in capsys.readouterr().out


def test_a_version_that_was_not_raised_is_stopped(folder: Path) -> None:
    change(folder, "queue: 20s", "queue: 30s")
    change(folder, "version: 2 ", "version: 1 ")
    assert statuses(github()) == [0, 0, 0, 1]


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_gitlab_finds_what_is_in_force(folder: Path) -> None:
    shutil.rmtree(folder / "in-force")
    of_git = [line for line in gitlab() if line.startswith("git worktree ")]
    environment = {
        "PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b",
    }  # fmt: skip

    def sh(line: str, **more: str) -> str:
        ran = subprocess.run(["sh", "-ec", line], capture_output=True, text=True, check=True, env=environment | more)
        return ran.stdout.strip()

    change(folder, "version: 2 ", "version: 1 ")
    base = sh("git init -q && git add . && git commit -q -m base && git rev-parse HEAD")
    change(folder, "version: 1 ", "version: 2 ")
    sh("git commit -q -a -m change")
    for line in of_git:
        sh(line, CI_MERGE_REQUEST_DIFF_BASE_SHA=base)
    assert statuses(gitlab())[-1] == 0
    assert "version: 1 " in (folder / "in-force" / "policy.yaml").read_text("utf-8")


def test_the_command_is_the_one_that_is_installed() -> None:
    program = Path(sys.executable).with_name("tidegate")
    ran = subprocess.run([program, "policy", "check", "absent.yaml"], capture_output=True, text=True, cwd=ROOT)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "There is no such file." in ran.stderr
