"""Evidence of a month from a real process, checked by the stranger's script; and a replay of what that process did."""

import asyncio
import io
import shutil
import subprocess
import sys
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.cli.main import main
from tests.config.folder import ENVIRON, make
from tests.fakes.house import write_config
from tests.fakes.model_server import ModelServer
from tests.paths.served import serving
from tests.paths.test_audit_path import asks, caller

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "verify_evidence.py"
SECRET = "11010519491231002X"


@pytest.fixture(scope="module")
def left_behind(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Once for all: two starts are what takes the time."""
    config = tmp_path_factory.mktemp("evidence") / "config"
    asyncio.run(serve_twice(config))
    return config


@pytest.fixture
def state(left_behind: Path, tmp_path: Path) -> Path:
    """What a gateway leaves behind that has served, been given another policy, and served on."""
    return shutil.copytree(left_behind, tmp_path / "config")


async def serve_twice(config: Path) -> None:
    async with ModelServer() as home, ModelServer() as burst:
        key, _ = write_config(config, {"home": home, "burst": burst})
        for version in (1, 2):
            policy = config / "policy.yaml"
            text = policy.read_text()
            if version == 2:
                policy.write_text(text.replace(", spill: [burst]", "", 1).replace("version: 1", "version: 2", 1))
            async with serving(config) as served, caller(await served.port(), key) as client:
                for words in ("Hello", f"My ID number is {SECRET}."):
                    assert (await client.post(**asks(words, model="chat"))).status_code == 200


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def verified(archive: Path, key: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPT, archive, key], capture_output=True, text=True, timeout=60)


def opened(archive: Path) -> dict[str, bytes]:
    with tarfile.open(archive) as files:
        return {entry.name: files.extractfile(entry).read() for entry in files.getmembers()}


def packed(archive: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(archive, "w:gz") as made:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            made.addfile(entry, io.BytesIO(data))
    return archive


def test_a_stranger_checks_a_month_offline(state: Path, tmp_path: Path, capsys) -> None:
    month = datetime.now(UTC).strftime("%Y-%m")
    out, attached = tmp_path / "e.tar.gz", tmp_path / "eval.md"
    attached.write_text("recall")
    assert run("audit", "evidence", "--month", month, "--config", state, "--out", out, "--attach", attached) == 0
    public = state / "state" / "audit" / "signing.pub"
    told = verified(out, public)
    assert told.returncode == 0, told.stderr
    assert f"Good: {month}" in told.stdout
    assert '"requests": 4' in told.stdout
    files = opened(out)
    assert len([name for name in files if name.endswith("/policy.yaml")]) == 2
    assert len([name for name in files if name.endswith("/certificate.json")]) == 2
    (change,) = [data.decode() for name, data in files.items() if name.startswith("changes/")]
    assert "New cloud access: none." in change
    assert files["attached/eval.md"] == b"recall"
    assert b"hmac-sha256" not in b"".join(files.values())
    assert SECRET.encode() not in b"".join(files.values())

    for name in ("summary.json", "access.json", "manifest.json", "audit/checkpoints.jsonl"):
        changed = {**files, name: files[name].replace(b"1", b"7", 1)}
        assert verified(packed(tmp_path / "changed.tar.gz", changed), public).returncode != 0, name
    without = {name: data for name, data in files.items() if name != "access.json"}
    assert verified(packed(tmp_path / "without.tar.gz", without), public).returncode != 0

    capsys.readouterr()
    assert run("audit", "evidence", "--month", "2001-01", "--config", state, "--out", out, "--json") == 0
    assert verified(out, public).returncode == 0
    assert run("audit", "evidence", "--month", "yesterday", "--config", state) == 2
    assert "`yesterday` is not a month. Write 2026-11, for example." in capsys.readouterr().err
    other = tmp_path / "other" / attached.name
    other.parent.mkdir()
    other.write_text("precision")
    both = ("--attach", attached, "--attach", other)
    assert run("audit", "evidence", "--month", month, "--config", state, "--out", tmp_path / "no", *both) == 2
    assert "Another attached file has this name." in capsys.readouterr().err
    assert not (tmp_path / "no").exists()


def test_where_there_is_no_log_there_is_no_evidence(tmp_path: Path, capsys, monkeypatch) -> None:
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    assert run("audit", "evidence", "--month", "2026-11", "--config", make(tmp_path)) == 2
    assert "There is no audit log here. Start the gateway once." in capsys.readouterr().err


def test_what_a_real_process_decided_is_decided_so_again(state: Path, capsys) -> None:
    capsys.readouterr()
    audit = state / "state" / "audit"
    new = ("policy", "replay", state / "policy.yaml", "--config", state, "--audit", audit, "--language", "en")
    assert run(*new, "--fail-on", "new-cloud-access") == 0
    out = capsys.readouterr().out
    assert "Of 4 requests" in out
    assert "0 of them towards the cloud; 0 cannot be decided" in out
