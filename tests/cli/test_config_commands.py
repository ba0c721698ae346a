"""`tidegate config`: one line when all is well, every problem when not, and never a secret."""

import json
from functools import partial
from pathlib import Path

import pytest

from gateway.cli import proved
from gateway.cli.main import main
from gateway.cli.progress import still_at
from tests.config.folder import ENVIRON, TOKEN, edit, make


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("TIDEGATE_CONFIG", raising=False)
    # On a busy machine a proof may take long enough for a sign of life.
    monkeypatch.setattr(proved, "still_at", partial(still_at, quiet_s=1000.0))
    return make(tmp_path)


def test_a_proof_that_takes_long_gives_signs_of_life(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(proved, "still_at", partial(still_at, quiet_s=0.001))
    assert main(["config", "check", "--config", str(folder)]) == 0
    assert capsys.readouterr().err.startswith("Proving the policy: 0 s")


def test_a_good_configuration_is_one_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "check", "--config", str(folder)]) == 0
    said = capsys.readouterr()
    assert said.out == f"{folder}: the configuration is good: policy version 1, pools: 2, tenants: 2, keys: 0.\n"
    assert said.err == ""
    assert main(["config", "check", "--config", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "problems": [], "notes": []}


def test_the_folder_is_found_in_the_environment_or_here(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    assert main(["config", "check"]) == 0
    monkeypatch.chdir(folder.parent)
    assert main(["config", "check"]) == 1
    monkeypatch.setenv("TIDEGATE_CONFIG", str(folder))
    assert main(["config", "check"]) == 0
    capsys.readouterr()


def test_every_problem_is_a_line_on_standard_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(folder, "pools.yaml", "backend: vllm", "backend: vlm")
    edit(folder, "gateway.yaml", "apiVersion", "workers: x\napiVersion")
    for command in ("check", "show"):
        assert main(["config", command, "--config", str(folder)]) == 1
        said = capsys.readouterr()
        assert said.out == ""
        lines = said.err.splitlines()
        assert [line.removeprefix(f"{folder}/").split(": ")[0] for line in lines[:-1]] == [
            "gateway.yaml:1:10", "pools.yaml:3:56",
        ]  # fmt: skip
        assert lines[-1] == "2 problems."
    assert main(["config", "check", "--config", str(folder), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is False
    assert report["problems"][1]["line"] == 3


def test_a_policy_that_does_not_hold_is_a_problem_beside_those_of_the_other_files(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edit(folder, "policy.yaml", "    - URL\n", "")
    (folder / "secrets" / "admin.token").unlink()
    assert main(["config", "check", "--config", str(folder), "--json"]) == 1
    problems = json.loads(capsys.readouterr().out)["problems"]
    assert {Path(problem["file"]).name for problem in problems} == {"gateway.yaml", "policy.yaml"}
    assert all(problem["line"] and problem["mend"] for problem in problems)
    # Found by both processes, told once.
    edit(folder, "policy.yaml", "cloud_ceiling: internal", "cloud_ceiling: intern")
    assert main(["config", "check", "--config", str(folder)]) == 1
    told = capsys.readouterr().err
    assert told.count("`intern`") == 1
    assert told.endswith("2 problems.\n")


def test_show_says_what_holds_and_no_secret(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(folder, "pools.yaml", "endpoints: [http://127.0.0.1:8000]", "endpoints: ['unix:/run/a.sock']")
    assert main(["config", "show", "--config", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "admin: 127.0.0.1:8081, token from {file: secrets/admin.token}, metrics token from the same" in shown
    assert "    - /run/a.sock: unix:/run/a.sock\n" in shown
    assert "    - [2001:db8::1]:8443: https://[2001:db8::1]:8443\n" in shown
    assert "  ward: class hospital, ceiling none, sees nothing\n" in shown
    for secret in (TOKEN, *ENVIRON.values(), "0123456789abcdef"):
        assert secret not in shown


def test_show_says_where_the_certificates_are(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(
        folder, "gateway.yaml", "apiVersion", "tls: {certificate: {file: c}, key: {file: secrets/root.key}}\napiVersion"
    )
    (folder / "c").write_text("x")
    assert main(["config", "show", "--config", str(folder)]) == 0
    assert f"tls: {folder}/c, {folder}/secrets/root.key" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("stores", "said"),
    [
        ("", "stores: state in memory; cache in memory"),
        (
            "stores: {state: {address: '127.0.0.1:6379', tls: system, username: gate, password: {env: CLOUD_KEY}}}\n",
            "stores: state at 127.0.0.1:6379 as gate, TLS, prefix tidegate, timeout 50 ms; cache in memory",
        ),
        (
            "stores: {cache: {sentinel: {master: main, addresses: ['s:1']}, prefix: p, password: {env: CLOUD_KEY}}}\n",
            "stores: state in memory; cache at main (s:1) as default, no TLS, prefix p, timeout 50 ms",
        ),
        ("stores: {cache: {cluster: ['c:1', 'd:2']}}\n", "cache at c:1, d:2 as nobody, no TLS"),
    ],
)
def test_show_says_where_the_stores_are(
    folder: Path, capsys: pytest.CaptureFixture[str], stores: str, said: str
) -> None:
    path = folder / "gateway.yaml"
    path.write_text(path.read_text() + stores)
    assert main(["config", "show", "--config", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert said in shown
    assert ENVIRON["CLOUD_KEY"] not in shown
