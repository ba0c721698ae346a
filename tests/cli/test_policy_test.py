"""`tidegate policy test`: cases against the policy, with what they do not reach."""

import json
from pathlib import Path

import pytest

from gateway.cli import policy_asked
from tests.cli.policy_runs import POLICIES, policy_file, run
from tests.cli.policy_runs import one_scanner_for_each_policy as one_scanner_for_each_policy
from tests.config.folder import edit, make
from tests.fakes.full_scanner import ScriptedScanner, nothing

Capsys = pytest.CaptureFixture[str]
CASES = """\
apiVersion: tidegate/v1
facts: {model: chat-auto}
cases:
  - name: a harmless question
    text: What is the capital of France?
    expect: {label: internal, route: rest, to: [home], spill: [burst]}
  - name: an ID number
    text: My SSN is 536-90-4399.
    expect: {label: restricted, route: keep-home, to: [home]}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make(tmp_path)
    (tmp_path / "cases").mkdir()
    (tmp_path / "cases" / "first.yaml").write_text(CASES)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_cases_that_pass_say_what_they_do_not_reach(folder: Path, capsys: Capsys) -> None:
    status, out, _ = run(capsys, "test")
    assert status == 0
    assert out.splitlines()[0] == "policy.yaml, version 1, against cases/first.yaml."
    assert "Cases: 2 of 2 pass, 0 fail.\nReached: 2 of 2 routes, 1 of " in out
    assert "No case reaches the label rule on line " in out


def test_a_case_that_fails_says_what_came_instead_and_why(folder: Path, capsys: Capsys) -> None:
    edit(folder, "cases/first.yaml", "to: [home], spill: [burst]", "to: [home], spill: []")
    status, out, _ = run(capsys, "test")
    assert status == 1
    assert "cases/first.yaml:4: a harmless question: expected `spill` to be none, got burst." in out
    assert "Cases: 1 of 2 pass, 1 fail." in out
    status, out, _ = run(capsys, "test", "--language", "zh")
    assert (status, "用例：共 2 个，通过 1 个，失败 1 个。" in out) == (1, True)


def test_under_a_policy_that_needs_models_cases_are_read_by_them(
    folder: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(folder, "policy.yaml", "tiers: [structured, names]", "tiers: [structured, names, ner]")
    models = ScriptedScanner(nothing)
    monkeypatch.setattr(policy_asked, "are_installed", lambda: True)
    monkeypatch.setattr(policy_asked, "models", lambda: models)
    assert run(capsys, "test")[0] == 0
    assert models.ended == 2
    monkeypatch.setattr(policy_asked, "are_installed", lambda: False)
    status, _, err = run(capsys, "test")
    assert (status, "pip install 'tidegate[ner]'" in err) == (2, True)


def test_results_for_programs(folder: Path, capsys: Capsys) -> None:
    status, out, _ = run(capsys, "test", "--json")
    shown = json.loads(out)
    assert (status, shown["ok"], shown["passed"], shown["failed"]) == (0, True, 2, 0)
    assert 0 < shown["coverage"] < 100
    assert shown["unreached"]["routes"] == []
    edit(folder, "cases/first.yaml", "route: rest", "route: keep-home")
    status, out, _ = run(capsys, "test", "--json")
    shown = json.loads(out)
    assert (status, shown["ok"]) == (1, False)
    (failure,) = shown["cases"][0]["failures"]
    assert (failure["expected"], failure["got"]) == ("keep-home", "rest")


def test_too_little_coverage_fails_when_that_is_asked_for(folder: Path, capsys: Capsys) -> None:
    assert run(capsys, "test", "--fail-under", "10")[0] == 0
    status, out, _ = run(capsys, "test", "--fail-under", "99.5")
    assert status == 1
    assert "percent of the routes and label rules; --fail-under asks for 99.5." in out
    status, out, _ = run(capsys, "test", "--fail-under", "100", "--json")
    assert (status, json.loads(out)["ok"]) == (1, False)
    for percent in ("101", "-1", "half"):
        assert run(capsys, "test", "--fail-under", percent)[0] == 2


def test_cases_are_found_wherever_they_are_named(folder: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in (".", "cases", "cases/first.yaml"):
        status, out, _ = run(capsys, "test", place)
        assert (status, "2 of 2 pass" in out) == (0, True), place
    (folder / "cases" / "second.yaml").write_text(CASES)
    _, out, _ = run(capsys, "test")
    assert "4 of 4 pass" in out
    monkeypatch.chdir("/")
    for arguments in ((folder,), ("--config", folder), (folder / "cases", "--config", folder)):
        status, out, _ = run(capsys, "test", *arguments)
        assert (status, "4 of 4 pass" in out) == (0, True), arguments


def test_another_policy_can_be_tested_with_the_same_cases(folder: Path, capsys: Capsys) -> None:
    edit(folder, "policy.yaml", 'when: {label: ">= confidential"}', 'when: {label: ">= internal"}')
    (folder / "policy.yaml").rename(folder / "candidate.yaml")
    status, _, err = run(capsys, "test", "cases/first.yaml")
    assert status == 2
    assert "There is no policy.yaml beside these cases. Name the policy with --policy." in err
    status, out, _ = run(capsys, "test", "--policy", "candidate.yaml")
    assert status == 1
    assert out.startswith("candidate.yaml, version 1, against ")


def test_without_cases_or_pools_there_is_nothing_to_test(folder: Path, capsys: Capsys) -> None:
    (folder / "pools.yaml").rename(folder / "elsewhere.yaml")
    status, _, err = run(capsys, "test")
    assert (status, "Without pools nothing can be decided." in err) == (2, True)
    assert run(capsys, "test", "--pools", "elsewhere.yaml")[0] == 0
    (folder / "elsewhere.yaml").rename(folder / "pools.yaml")
    (folder / "cases" / "first.yaml").unlink()
    status, _, err = run(capsys, "test")
    assert (status, "There are no cases. `tidegate policy init` writes some" in err) == (2, True)
    (folder / "cases").rmdir()
    status, _, err = run(capsys, "test")
    assert (status, "There are no cases." in err) == (2, True)
    status, _, err = run(capsys, "test", "cases.yaml")
    assert (status, "There is no such file." in err) == (2, True)


def test_every_problem_in_every_cases_file_is_told_at_once(folder: Path, capsys: Capsys) -> None:
    edit(folder, "cases/first.yaml", "route: rest", "route: rets")
    (folder / "cases" / "second.yaml").write_text(CASES.replace("label: internal", "label: intern"))
    status, _, err = run(capsys, "test")
    assert status == 1
    assert "cases/first.yaml:6:" in err
    assert "`rets` does not exist. Did you mean `rest`?" in err
    assert "`intern` does not exist. Did you mean `internal`?" in err
    assert err.endswith("2 problems.\n")


def test_a_request_that_the_gateway_would_refuse_is_a_failing_case(folder: Path, capsys: Capsys) -> None:
    (folder / "cases" / "first.yaml").write_text(
        "apiVersion: tidegate/v1\ncases:\n  - {name: x, request: {model: chat-auto}, expect: {action: allow}}\n"
    )
    status, out, _ = run(capsys, "test")
    assert status == 1
    assert "cases/first.yaml:3: x: the gateway would not read this as a chat request." in out


@pytest.mark.parametrize("name", ["default", "bank", "hospital", "startup"])
def test_the_policies_that_ship_pass_and_every_row_has_a_case(capsys: Capsys, name: str) -> None:
    cases = POLICIES / "cases" / f"{name}.yaml"
    status, out, _ = run(capsys, "test", cases, "--policy", policy_file(name), "--fail-under", "100", "--json")
    shown = json.loads(out)
    assert (status, shown["failed"], shown["coverage"]) == (0, 0, 100.0)
    assert shown["passed"] >= 14
