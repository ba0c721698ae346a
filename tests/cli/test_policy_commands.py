"""`tidegate policy`: what the security team reads before a policy goes live."""

import json
from pathlib import Path

import pytest

from gateway.cli.main import main
from gateway.policy.schema import schema
from tests.config.folder import POLICY, edit, make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make(tmp_path)


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    status = main(["policy", *map(str, arguments)])
    said = capsys.readouterr()
    return status, said.out, said.err


def test_a_good_policy_is_one_line_that_says_what_was_looked_at(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(capsys, "check", POLICY)
    assert (status, err, out.count("\n")) == (0, "", 1)
    assert "the policy is good (by itself; add --pools to check where requests can get to): version 1, routes: 2" in out
    pools, tenants = folder / "pools.yaml", folder / "tenants.yaml"
    status, out, _ = run(capsys, "check", POLICY, "--pools", pools, "--tenants", tenants)
    assert (status, out.count("\n")) == (0, 1)
    assert "the policy is good (with pools)" in out
    status, out, _ = run(capsys, "check", POLICY, "--json")
    assert (status, json.loads(out)) == (0, {"ok": True, "problems": [], "notes": []})


def test_every_problem_is_a_line_and_their_number_comes_last(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policy = folder / "policy.yaml"
    edit(folder, "policy.yaml", "US_SSN", "US_SNN")
    status, out, err = run(capsys, "check", policy)
    assert (status, out) == (1, "")
    assert "The entity `US_SNN` does not exist. Did you mean `US_SSN`?\n1 problem.\n" in err
    edit(folder, "policy.yaml", "cloud_ceiling: internal", "cloud_cieling: internal")
    status, _, err = run(capsys, "check", policy)
    assert (status, err.splitlines()[-1]) == (1, "3 problems.")
    status, out, _ = run(capsys, "check", policy, "--json")
    assert status == 1
    assert len(json.loads(out)["problems"]) == 3


def test_with_pools_a_route_that_leaks_is_found(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(folder, "policy.yaml", 'when: {label: ">= confidential"}, to', 'when: {label: ">= restricted"}, to')
    policy, pools = folder / "policy.yaml", folder / "pools.yaml"
    assert run(capsys, "check", policy)[0] == 0
    status, _, err = run(capsys, "check", policy, "--pools", pools)
    assert status == 1
    assert "The route `rest` sends requests labelled `confidential` to the pool `burst` in the zone `cloud`" in err


def test_problems_of_the_other_files_are_told_too_and_blamed_on_them(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(folder, "pools.yaml", "clearance: internal", "clearance: intern")
    edit(folder, "tenants.yaml", "ceiling: internal", "ceiling: restricted")
    files = ("--pools", folder / "pools.yaml", "--tenants", folder / "tenants.yaml")
    status, _, err = run(capsys, "check", folder / "policy.yaml", *files)
    assert status == 1
    assert [line.removeprefix(f"{folder}/").split(":")[0] for line in err.splitlines()] == [
        "pools.yaml", "tenants.yaml", "2 problems.",
    ]  # fmt: skip
    (folder / "policy.yaml").write_text("...\n")
    assert run(capsys, "check", folder / "policy.yaml", *files)[0] == 1


def test_notes_are_no_problems(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(folder, "policy.yaml", "chat-home: {pools: [home]}", "chat-home: {pools: [home, elsewhere]}")
    status, out, _ = run(capsys, "check", folder / "policy.yaml")
    assert status == 0
    assert "note: " in out
    assert "No route sends anything to the pool `elsewhere`." in out


def test_the_schema_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "schema") == (0, schema(), "")


def test_explain_says_what_would_be_decided_and_why(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ("--policy", folder / "policy.yaml", "--pools", folder / "pools.yaml", "--tenants", folder / "tenants.yaml")
    status, out, _ = run(capsys, "explain", *files, "--facts", '{"label": "internal", "model": "chat-auto"}')
    assert status == 0
    assert "Result: home; if there is no room, burst." in out
    asked = '{"label": "internal", "model": "chat-auto", "tenant_class": "hospital"}'
    status, out, _ = run(capsys, "explain", *files, "--facts", asked, "--language", "zh")
    assert status == 0
    assert "该租户的任何内容都不得发往云端。" in out
    status, out, err = run(capsys, "explain", *files, "--facts", '{"label": "intern", "model": "chat-auto"}')
    assert (status, out) == (2, "")
    assert "--facts:1:11: The label `intern` does not exist. Did you mean `internal`?\n1 problem." in err
    edit(folder, "policy.yaml", "US_SSN", "US_SNN")
    assert run(capsys, "explain", *files, "--facts", asked)[0] == 1
