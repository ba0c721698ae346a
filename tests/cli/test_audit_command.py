"""`tidegate audit verify`: the table, the JSON and the exit status, on folders that a real sink and signer wrote."""

import asyncio
import json

import pytest

from gateway.cli.main import main
from gateway.core.audit_verify import CHECKPOINTS
from gateway.runtime.audit import AuditLog
from gateway.runtime.checkpoints import PUBLIC_KEY, Checkpoints
from gateway.runtime.clock import SystemClock
from gateway.runtime.keyring import Keyring
from tests.cli.folder import ROOT, write_folder
from tests.core.audit_values import intent, outcome


def write_log(directory, *records, signs=True):
    """An audit folder with one segment of `records`, signed to its end or not at all."""
    heads = []
    log = AuditLog(directory, 0, Keyring(ROOT), SystemClock(), on_head=heads.append)
    log.open()
    for record in records:
        log.record(record)
    assert log.flush_and_close()
    if signs:
        checkpoints = Checkpoints(directory, SystemClock())
        for head in heads:
            checkpoints.sign(head)
        checkpoints.close()
    return max(path for path in directory.glob("2*.jsonl"))


@pytest.fixture
def audit(tmp_path):
    write_log(tmp_path / "audit", outcome("req_1"), outcome("req_2"))
    return tmp_path / "audit"


def verify(audit, *options):
    return main(["audit", "verify", str(audit), *map(str, options)])


def test_an_intact_folder_exits_0_with_a_table(audit, capsys):
    assert verify(audit) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["file", "state", "records", "proved"]
    assert lines[2].split()[1:] == ["intact", "3", "3"]
    assert lines[-1] == "intact"


def test_with_the_configuration_records_are_proved_that_nobody_signed(audit, tmp_path, capsys):
    write_log(tmp_path / "other", outcome(), signs=False)
    assert verify(tmp_path / "other") == 1
    assert "unproven" in capsys.readouterr().out
    assert verify(tmp_path / "other", "--config", write_folder(tmp_path / "config")) == 0


def segment(audit):
    return next(audit.glob("2*.jsonl"))


def forge(audit):
    segment(audit).write_bytes(segment(audit).read_bytes().replace(b'"tenant":"demo"', b'"tenant":"dome"', 1))


def cut(audit):
    segment(audit).write_bytes(b"".join(segment(audit).read_bytes().splitlines(keepends=True)[:-1]))


def tear(audit):
    with segment(audit).open("ab") as file:
        file.write(b'{"v":1,"seq":3,"out')


@pytest.mark.parametrize(("damage", "state", "line"), [(forge, "forged", 2), (cut, "cut", 3), (tear, "torn", 4)])
def test_damage_is_named_with_its_place_and_exits_1(audit, capsys, damage, state, line):
    damage(audit)
    assert verify(audit) == 1
    assert f"line {line}: " in capsys.readouterr().out
    assert verify(audit, "--json") == 1
    shown = json.loads(capsys.readouterr().out)
    assert shown["state"] == state
    assert [file["line"] for file in shown["files"] if file["state"] == state] == [line]


def test_a_third_party_can_bring_the_public_key(audit, tmp_path, capsys):
    kept = tmp_path / "kept.pub"
    kept.write_bytes((audit / PUBLIC_KEY).read_bytes())
    (audit / PUBLIC_KEY).unlink()
    assert verify(audit) == 1
    assert verify(audit, "--public-key", kept) == 0
    write_log(tmp_path / "other", outcome())
    assert verify(audit, "--public-key", tmp_path / "other" / PUBLIC_KEY) == 1
    assert "forged" in capsys.readouterr().out


def test_records_after_the_last_checkpoint_are_counted(audit, capsys):
    signed = audit / CHECKPOINTS
    signed.write_bytes(signed.read_bytes().splitlines(keepends=True)[0])
    assert verify(audit) == 0
    assert "2 records after the last signed checkpoint are proved only with --config." in capsys.readouterr().out


def test_a_folder_that_is_not_there_is_an_error(tmp_path, capsys):
    assert verify(tmp_path / "nowhere") == 1
    assert "no such folder" in capsys.readouterr().err


def test_a_public_key_that_is_none_is_an_error(audit, tmp_path, capsys):
    (tmp_path / "x.pub").write_text("what")
    assert verify(audit, "--public-key", tmp_path / "x.pub") == 1
    assert "Ed25519" in capsys.readouterr().err


async def test_a_folder_that_is_being_written_is_intact(tmp_path):
    folder = write_folder(tmp_path / "config")
    log = AuditLog(tmp_path / "audit", 0, Keyring(ROOT), SystemClock())
    log.open()
    is_done = False

    async def write():
        while not is_done:
            await log.committed(intent())

    writers = [asyncio.ensure_future(write()) for _ in range(8)]
    statuses = {await asyncio.to_thread(verify, tmp_path / "audit", "--config", folder) for _ in range(10)}
    is_done = True
    await asyncio.gather(*writers)
    log.flush_and_close()
    assert statuses == {0}
