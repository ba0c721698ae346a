"""`tidegate keys`: what is printed, what is written, and what is refused."""

# ruff: noqa: E501  # a case per row

import io
import re
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateway.cli.keys import create_key
from gateway.cli.main import main
from gateway.core.access import Scope
from gateway.errors import Unauthenticated
from gateway.runtime.authn import Authenticator
from gateway.runtime.key_use import KeyUse
from gateway.settings import load, load_keys
from tests.cli.folder import write_folder
from tests.fakes.clock import FakeClock

GIVEN = "given-key-" + "g" * 30


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.delenv("TIDEGATE_CONFIG", raising=False)
    return write_folder(tmp_path / "config")


def keys(folder, *arguments):
    return main(["keys", *arguments, "--config", str(folder)])


def tenant_of(folder, key):
    settings = load(folder, {})
    return (
        Authenticator(settings.bundle.keys, settings.bundle.tenants, settings.keyring())
        .identify(f"Bearer {key}".encode())
        .tenant
    )


def test_a_created_key_is_alone_on_stdout_and_lets_its_tenant_in(folder, capsys):
    assert keys(folder, "create", "--tenant", "bank", "--note", "laptop") == 0
    out, err = capsys.readouterr()
    assert re.fullmatch(r"sk-tg-[A-Za-z0-9_-]{43}\n", out)
    assert tenant_of(folder, out.strip()).id == "bank"
    assert "shown only once" in err
    assert out.strip() not in err


def test_the_file_holds_a_hash_for_its_owner_only_and_no_key(folder, capsys):
    keys(folder, "create", "--tenant", "bank")
    key = capsys.readouterr().out.strip()
    path = folder / "keys.yaml"
    assert key.removeprefix("sk-tg-") not in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(entry.name for entry in folder.iterdir() if "keys" in entry.name) == ["keys.yaml"]


def test_a_given_key_is_taken_from_stdin_and_not_printed(folder, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{GIVEN}\n"))
    assert keys(folder, "create", "--tenant", "clinic", "--from-stdin") == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert GIVEN not in err
    assert tenant_of(folder, GIVEN).id == "clinic"


@pytest.mark.parametrize("given", ["", "short", "two words " * 4, "schlüssel" * 4, "x" * 257])
def test_a_given_key_that_no_header_could_hold_is_refused_and_not_quoted(folder, capsys, monkeypatch, given):
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{given}\n"))
    assert keys(folder, "create", "--tenant", "bank", "--from-stdin") == 1
    err = capsys.readouterr().err
    assert "7 to 256 characters" in err
    assert not given or given not in err
    assert not (folder / "keys.yaml").exists()


def test_one_key_has_one_tenant(folder, capsys):
    record, _ = create_key(folder, "bank", given=GIVEN, environ={})
    with pytest.raises(Exception, match=record.id):
        create_key(folder, "clinic", given=GIVEN, environ={})


def test_an_unknown_tenant_gets_a_suggestion(folder, capsys):
    assert keys(folder, "create", "--tenant", "bnak") == 1
    assert "Did you mean `bank`?" in capsys.readouterr().err


def test_list_shows_ids_tenants_and_notes_and_no_hash(folder, capsys):
    assert keys(folder, "list") == 0
    assert "no keys" in capsys.readouterr().err
    first, _ = create_key(folder, "bank", note="for\nthe laptop", environ={})
    second, _ = create_key(folder, "clinic", environ={})
    assert keys(folder, "list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[1:]] == [
        [first.id, "bank", first.created, "-", "-", "for", "the", "laptop"],
        [second.id, "clinic", second.created, "-", "-"],
    ]
    assert first.hash not in "".join(lines)


def test_a_revoked_key_is_nobody_and_the_others_stay(folder, capsys):
    first, key = create_key(folder, "bank", note="one: {odd} #note", environ={})
    second, other = create_key(folder, "bank", environ={})
    assert keys(folder, "revoke", second.id) == 0
    assert tenant_of(folder, key).id == "bank"
    with pytest.raises(Exception, match="Incorrect API key"):
        tenant_of(folder, other)
    keys(folder, "list")
    assert first.id in capsys.readouterr().out


def test_revoking_what_is_not_there_is_an_error_with_a_suggestion(folder, capsys):
    record, _ = create_key(folder, "bank", environ={})
    before = (folder / "keys.yaml").read_bytes()
    assert keys(folder, "revoke", record.id[:-1]) == 1
    assert f"Did you mean `{record.id}`?" in capsys.readouterr().err
    assert (folder / "keys.yaml").read_bytes() == before


def test_a_key_of_a_tenant_that_is_gone_can_still_be_revoked(folder):
    record, _ = create_key(folder, "clinic", environ={})
    tenants = folder / "tenants.yaml"
    tenants.write_text(tenants.read_text().replace(", clinic: {class: default}", ""))
    assert keys(folder, "revoke", record.id) == 0


def test_editors_at_the_same_time_lose_no_key(folder):
    with ThreadPoolExecutor(4) as pool:
        made = [record.id for record, _ in pool.map(lambda _: create_key(folder, "bank", environ={}), range(12))]
    assert sorted(key.id for key in load(folder, {}).bundle.keys) == sorted(made)


def test_a_link_to_the_file_stays_a_link(folder, tmp_path):
    real = tmp_path / "real.yaml"
    real.write_text("apiVersion: tidegate/v1\nkeys: []\n")
    (folder / "keys.yaml").symlink_to(real)
    record, _ = create_key(folder, "bank", environ={})
    assert (folder / "keys.yaml").is_symlink()
    assert record.id in real.read_text()


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(folder):
    record, _ = create_key(folder, "bank", environ={})
    program = (
        "import resource, signal, sys\nfrom pathlib import Path\nfrom gateway.cli.keys import create_key\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nresource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "create_key(Path(sys.argv[1]), 'bank', environ={})\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True)
    assert done.returncode != 0
    assert [key.id for key in load(folder, {}).bundle.keys] == [record.id]
    assert [entry.name for entry in folder.iterdir() if entry.name.startswith(".")] == []


# Ends, scopes, rotation and certificates


def lets_in(folder, key, at=0.0):
    settings = load(folder, {})
    clock = FakeClock()
    clock.wall = lambda: time.time() + at
    one = Authenticator(settings.bundle.keys, settings.bundle.tenants, settings.keyring(), clock)
    try:
        return one.identify(f"Bearer {key}".encode())
    except Unauthenticated:
        return None


def test_a_key_may_end_and_reach_less(folder, capsys):
    wishes = ("--expires", "2h", "--app", "billing", "--apis", "chat, embeddings", "--models", "chat", "--note", "n")
    assert keys(folder, "create", "--tenant", "bank", *wishes) == 0
    key = capsys.readouterr().out.strip()
    caller = lets_in(folder, key)
    assert (caller.app, caller.scopes) == ("billing", (Scope(frozenset({"chat", "embeddings"}), frozenset({"chat"})),))
    assert lets_in(folder, key, at=7300) is None
    keys(folder, "list")
    out = capsys.readouterr().out
    assert "billing [chat,embeddings; chat] n" in out


def test_a_key_may_be_good_from_some_networks_only(folder, capsys):
    assert keys(folder, "create", "--tenant", "bank", "--from", "10.0.0.0/8,::1/128") == 0
    assert lets_in(folder, capsys.readouterr().out.strip()) is None  # nobody knows from where
    keys(folder, "list")
    assert "[from 10.0.0.0/8,::1/128]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--expires", "tomorrow"], "--expires: This is not a time."),
        (["--app", "two words"], "--app: This is not a name."),
        (["--apis", "chta"], "There is no `chta`. Did you mean `chat`?"),
        (["--models", "chta"], "There is no model `chta`. Did you mean `chat`?"),
        (["--from", "10.0.0.1/8"], "--from: This is not a network."),
        (["--from", " "], "--from: It names nothing. Leave it out for a key without this limit."),
        (["--models", ","], "--models: It names nothing."),
        (["--apis", " ,"], "--apis: It names nothing."),
        (["--certificate", "bank"], "--certificate: This is not a name in a certificate."),
    ],
)
def test_a_wish_that_cannot_be_is_told_and_nothing_is_written(folder, capsys, arguments, sentence):
    assert keys(folder, "create", "--tenant", "bank", *arguments) == 1
    assert sentence in capsys.readouterr().err
    assert not (folder / "keys.yaml").exists()


def test_a_certificate_stands_for_a_key_once(folder, capsys):
    for expected in (0, 1):
        assert keys(folder, "create", "--tenant", "bank", "--certificate", "uri:spiffe://bank/app") == expected
        assert capsys.readouterr().out == ""
    _, (record,) = load_keys(folder, {})
    assert (record.certificate, record.hash) == ("uri:spiffe://bank/app", "")
    assert keys(folder, "rotate", record.id) == 1
    assert "whoever issues it" in capsys.readouterr().err


def test_a_rotated_key_ends_later_and_its_successor_is_like_it(folder, capsys):
    keys(
        folder, "create", "--tenant", "bank", "--expires", "90d", "--app", "billing", "--models", "chat", "--note", "n"
    )
    old_key, old = capsys.readouterr().out.strip(), load_keys(folder, {})[1][0]
    assert keys(folder, "rotate", old.id, "--overlap", "24h") == 0
    out, err = capsys.readouterr()
    new_key = out.strip()
    retiring, new = load_keys(folder, {})[1]
    assert f"{old.id} ends at {retiring.expires}" in err
    assert lets_in(folder, old_key, at=86_000)
    assert lets_in(folder, old_key, at=87_000) is None
    # As long as the old one was to live, from now.
    assert lets_in(folder, new_key, at=89 * 86_400)
    assert lets_in(folder, new_key, at=91 * 86_400) is None
    assert (new.tenant, new.app, new.note, new.access) == (old.tenant, old.app, old.note, old.access)
    assert new.hash != old.hash


def test_a_successor_goes_by_the_name_of_the_first_so_that_replies_are_found_again(folder, capsys):
    first, key = create_key(folder, "bank", environ={})
    id = first.id
    for _ in range(3):
        assert keys(folder, "rotate", id, "--overlap", "1h") == 0
        key = capsys.readouterr().out.strip()
        id = load_keys(folder, {})[1][-1].id
        assert id != first.id
        assert lets_in(folder, key).key_id == first.id


def test_a_rotation_never_makes_the_old_key_live_longer(folder, capsys):
    keys(folder, "create", "--tenant", "bank", "--expires", "1h")
    old = load_keys(folder, {})[1][0]
    assert keys(folder, "rotate", old.id, "--overlap", "7d", "--expires", "2099-01-01T00:00:00Z") == 0
    retiring, new = load_keys(folder, {})[1]
    assert retiring.expires == old.expires
    assert new.expires == "2099-01-01T00:00:00Z"


def test_a_rotation_without_overlap_ends_the_old_key_at_once(folder, capsys):
    record, key = create_key(folder, "bank", environ={})
    assert keys(folder, "rotate", record.id, "--overlap", "0h") == 0
    assert lets_in(folder, key) is None
    new_key = capsys.readouterr().out.strip()
    assert lets_in(folder, new_key).key_id == record.id
    assert load_keys(folder, {})[1][-1].expires == ""
    keys(folder, "list")
    assert "ended" in capsys.readouterr().out


@pytest.mark.parametrize(("arguments", "sentence"), [(["key_0000"], "no key with this id"), ([None, "--overlap", "soon"], "--overlap: This is not a time.")])  # fmt: skip
def test_a_rotation_that_cannot_be_changes_nothing(folder, capsys, arguments, sentence):
    record, _ = create_key(folder, "bank", environ={})
    before = (folder / "keys.yaml").read_bytes()
    assert keys(folder, "rotate", *(part or record.id for part in arguments)) == 1
    assert sentence in capsys.readouterr().err
    assert (folder / "keys.yaml").read_bytes() == before


def test_list_shows_when_a_key_was_last_used(folder, capsys):
    record, _ = create_key(folder, "bank", environ={})
    use = KeyUse(folder / "state")
    use.note(record.id)
    use.keep(1_795_255_200.0, {record.id})
    keys(folder, "list")
    assert "2026-11-21T10:00:00Z" in capsys.readouterr().out.splitlines()[1].split()[4]
