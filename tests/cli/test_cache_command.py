"""`tidegate cache`: what it says is kept, and destroying what is kept for a tenant."""

import json

import pytest

from gateway.cli import cache
from gateway.cli.admin_port import Answer
from gateway.cli.cache_words import SENTENCES
from gateway.cli.main import main
from gateway.core import measures
from gateway.core.figures import Account
from gateway.parts import cache_keys_file
from gateway.runtime.cache_keys import CacheKeys
from gateway.runtime.keyring import Purpose
from gateway.settings import load
from tests.cli.folder import write_folder
from tests.fakes.clock import FakeClock


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.delenv("TIDEGATE_CONFIG", raising=False)
    folder = write_folder(tmp_path / "config")
    text = (folder / "policy.yaml").read_text()
    (folder / "policy.yaml").write_text(text.replace("routes:", "cache: {internal: 10m, restricted: never}\nroutes:"))
    with (folder / "gateway.yaml").open("a") as file:
        file.write("cache: {}\n")
    return folder


def run(folder, *arguments):
    return main(["cache", *arguments, "--config", str(folder)])


def keys_of(folder):
    settings = load(folder, {})
    wrapping = settings.keyring().key(Purpose.CACHE_KEYS)
    keys = CacheKeys(cache_keys_file(settings), wrapping, settings.bundle.tenants, FakeClock())
    keys.prepare()
    return keys


def test_a_purge_takes_the_tenants_key_from_who_holds_it(folder, capsys):
    keys = keys_of(folder)
    bank, clinic = keys.of("bank"), keys.of("clinic")
    assert run(folder, "purge", "--tenant", "bank", "--language", "en") == 0
    said = capsys.readouterr().out
    assert "bank is destroyed" in said
    assert "cache-keys.json" in said
    assert keys.look() == {"bank"}
    assert keys.of("bank") not in (None, bank)
    assert keys.of("clinic") is clinic


def test_a_tenant_that_never_had_a_key_has_nothing_to_destroy(folder, capsys):
    assert run(folder, "purge", "--tenant", "bank", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"ok": True, "tenant": "bank", "destroyed": False}
    assert run(folder, "purge", "--tenant", "bank", "--language", "en") == 0
    assert "Nothing was ever stored for bank" in capsys.readouterr().out


def test_one_that_the_files_no_longer_name_can_be_purged_as_long_as_it_has_a_key(folder, capsys):
    keys_of(folder)
    tenants = folder / "tenants.yaml"
    tenants.write_text(tenants.read_text().replace("clinic: {class: default}", "shop: {class: default}"))
    assert run(folder, "purge", "--tenant", "clinic", "--json") == 0
    assert json.loads(capsys.readouterr().out)["destroyed"] is True


def test_nobody_else_can_be_purged(folder, capsys):
    assert run(folder, "purge", "--tenant", "bnak") == 2
    assert "Did you mean `bank`?" in capsys.readouterr().err


def test_the_file_may_be_elsewhere(folder, tmp_path, capsys):
    text = (folder / "gateway.yaml").read_text()
    (folder / "gateway.yaml").write_text(text.replace("cache: {}", f"cache: {{keys: {tmp_path}/shared/keys.json}}"))
    keys_of(folder)
    assert (tmp_path / "shared" / "keys.json").exists()
    assert run(folder, "purge", "--tenant", "bank", "--json") == 0
    assert json.loads(capsys.readouterr().out)["destroyed"] is True


def test_a_file_that_is_none_of_ours_is_left_alone(folder, capsys):
    (folder / "state").mkdir()
    (folder / "state" / "cache-keys.json").write_text("{")
    assert run(folder, "purge", "--tenant", "bank") == 2
    assert run(folder, "status") == 2
    assert "not one that this version has written" in capsys.readouterr().err


@pytest.mark.parametrize("spoken", ["en", "zh"])
def test_the_status_says_what_is_kept_and_how_often_it_helped(folder, capsys, monkeypatch, spoken):
    keys_of(folder)
    assert run(folder, "status", "--language", spoken) == 0
    said = capsys.readouterr().out
    assert "internal" in said
    assert "600" in said
    assert "bank" in said
    assert SENTENCES["not_running"][spoken == "zh"] in said
    monkeypatch.setattr("gateway.cli.admin_port.AdminPort.ask", lambda *_: Answer(200, figures()))
    assert run(folder, "status", "--language", spoken) == 0
    said = capsys.readouterr().out
    assert "75%" in said
    assert "1.5 MiB" in said


def figures():
    from gateway.wire.exposition import as_json

    account = Account(1.0)
    for way, count in (("near", 20), ("far", 8), ("waited", 2), ("miss", 10), ("bypass", 5)):
        account.add(measures.CACHE.name, (way,), count)
    account.add(measures.CACHE_ENTRIES.name, (), 12)
    account.add(measures.CACHE_BYTES.name, (), 3 << 19)
    return as_json(measures.FAMILIES.values(), account)


def test_the_status_for_programs_holds_no_key(folder, capsys, monkeypatch):
    keys_of(folder)
    monkeypatch.setattr("gateway.cli.admin_port.AdminPort.ask", lambda *_: Answer(200, figures()))
    assert run(folder, "status", "--json") == 0
    out = capsys.readouterr().out
    told = json.loads(out)
    assert (told["on"], told["shared"], [one["tenant"] for one in told["keys"]]) == (True, False, ["bank", "clinic"])
    assert told["running"]["near"] == 20
    assert "wrapped" not in out
    for answer in (Answer(404, b""), Answer(200, b"{}")):
        monkeypatch.setattr("gateway.cli.admin_port.AdminPort.ask", lambda *_, answer=answer: answer)
        run(folder, "status", "--json")
        assert json.loads(capsys.readouterr().out)["running"] is None


def test_the_status_of_a_gateway_without_a_cache_says_so(folder, capsys):
    text = (folder / "gateway.yaml").read_text()
    (folder / "gateway.yaml").write_text(text.replace("cache: {}\n", ""))
    assert run(folder, "status", "--language", "en") == 0
    assert capsys.readouterr().out.strip() == SENTENCES["off"][0]


def test_the_path_that_is_asked_is_the_one_of_top():
    from gateway.cli import top

    assert cache.PATH == top.PATH


def test_the_configuration_shows_what_may_be_kept(folder, capsys):
    assert main(["config", "show", "--config", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "cache: memory 67108864 B, share 50%, largest 262144 B, wait 10 s, clearance internal, keys in " in shown
    text = (folder / "gateway.yaml").read_text()
    (folder / "gateway.yaml").write_text(text.replace("cache: {}\n", ""))
    assert main(["config", "show", "--config", str(folder)]) == 0
    assert "cache: off" in capsys.readouterr().out
