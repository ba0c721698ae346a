"""`tidegate policy init`: what it writes loads, passes its own cases, is proved, and is never written over anything."""

import json
from pathlib import Path

import pytest

from gateway.cli.main import main
from gateway.policy.schema import schema
from tests.cli.policy_runs import EXAMPLES, run
from tests.cli.policy_runs import one_scanner_for_each_policy as one_scanner_for_each_policy

Capsys = pytest.CaptureFixture[str]


@pytest.mark.parametrize("example", ["default", *EXAMPLES])
def test_what_is_written_is_good_as_it_is(
    tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch, example: str
) -> None:
    folder = tmp_path / "new" / "policy"
    status, out, err = run(capsys, "init", folder, "--example", example)
    assert (status, err) == (0, "")
    names = ["policy.yaml", "pools.yaml", "tenants.yaml", f"cases/{example}.yaml", "policy.schema.json"]
    assert [line.strip() for line in out.splitlines()[1:6]] == [str(folder / name) for name in names]
    assert f"Next: cd {folder}, then edit policy.yaml" in out
    assert (folder / "policy.schema.json").read_text() == schema()
    for name in names[:-1]:
        text = (folder / name).read_text("utf-8")
        assert "policies/" not in text.replace("policies/default.yaml sends", ""), name
    assert "$schema=./policy.schema.json" in (folder / "policy.yaml").read_text("utf-8")
    monkeypatch.chdir(folder)
    assert run(capsys, "check")[0] == 0
    assert run(capsys, "test", "--fail-under", "100")[0] == 0
    assert run(capsys, "prove")[0] == 0


def test_here_is_where_it_goes_if_nothing_is_said(
    tmp_path: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, _ = run(capsys, "init", "--json")
    shown = json.loads(out)
    assert (status, shown["ok"], shown["written"][0]) == (0, True, "policy.yaml")
    assert (tmp_path / "cases" / "default.yaml").is_file()


@pytest.mark.parametrize("name", ["policy.yaml", "cases/default.yaml", "policy.schema.json"])
def test_nothing_is_written_where_anything_is(tmp_path: Path, capsys: Capsys, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine")
    status, out, err = run(capsys, "init", tmp_path)
    assert (status, out) == (2, "")
    assert f"{tmp_path / name}: This file is there already. Nothing was written." in err
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [tmp_path / name]
    assert (tmp_path / name).read_text() == "mine"


def test_a_link_that_leads_nowhere_is_something_as_well(tmp_path: Path, capsys: Capsys) -> None:
    (tmp_path / "pools.yaml").symlink_to(tmp_path / "elsewhere")
    assert run(capsys, "init", tmp_path)[0] == 2
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, capsys: Capsys) -> None:
    (tmp_path / "file").write_text("")
    assert main(["policy", "init", str(tmp_path / "file" / "x")]) != 0
    assert str(tmp_path / "file") in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_to_is_said(tmp_path: Path, capsys: Capsys) -> None:
    (tmp_path / "file").write_text("")
    status, _, err = run(capsys, "init", tmp_path / "file" / "folder")
    assert status == 2
    assert f"{tmp_path / 'file' / 'folder' / 'policy.yaml'}: This file cannot be written (" in err
    status, out, _ = run(capsys, "init", tmp_path / "file" / "folder", "--json")
    assert (status, json.loads(out)["ok"]) == (2, False)
