"""What keys.yaml says counts soon after it was written, and a file that nobody can read changes nothing."""

import os

import pytest

from gateway.config.keys_file import KeyRecord, render
from gateway.core.facts import Tenant
from gateway.errors import Unauthenticated
from gateway.runtime.authn import Authenticator, StoredKey, hash_of
from gateway.runtime.key_use import FILE, KeyUse, last_used
from gateway.runtime.key_watch import KeyWatch
from gateway.runtime.keyring import Keyring

KEYRING = Keyring(bytes(range(32)))
TENANTS = {"bank": Tenant("bank", "default", None)}
CREATED = "2026-11-21T10:00:00Z"


def record(key, number=1, tenant="bank", **more):
    return KeyRecord(f"key_{number:08x}", tenant, hash_of(key, KEYRING), CREATED, **more)


class Desk:
    def __init__(self, folder, *records):
        self.path = folder / "keys.yaml"
        self.write(*records)
        keys = tuple(map(StoredKey.of, records))
        self.authenticator = Authenticator(keys, TENANTS, KEYRING)
        self.watch = KeyWatch(self.path, self.authenticator, keys, TENANTS)

    def write(self, *records):
        self.path.write_text(render(records))

    async def lets_in(self, key):
        await self.watch.look()
        try:
            self.authenticator.identify(f"Bearer {key}".encode())
        except Unauthenticated:
            return False
        return True


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path, record("first-key"))


async def test_a_key_that_is_added_counts_and_takes_nothing_away(desk):
    desk.write(record("first-key"), record("second-key", 2))
    assert await desk.lets_in("second-key")
    assert await desk.lets_in("first-key")
    assert (desk.watch.epoch, desk.watch.count) == (0, 2)


async def test_a_key_that_is_gone_or_may_do_less_raises_the_epoch(desk):
    desk.write(record("first-key", expires="2099-01-01T00:00:00Z"))
    assert await desk.lets_in("first-key")
    assert desk.watch.epoch == 1
    desk.write()
    assert not await desk.lets_in("first-key")
    assert (desk.watch.epoch, desk.watch.count) == (2, 0)


async def test_a_file_that_says_the_same_is_no_change(desk):
    desk.path.write_text("# a remark\n" + desk.path.read_text())
    assert await desk.lets_in("first-key")
    assert desk.watch.epoch == 0


async def test_a_file_is_read_only_when_it_is_another_one(desk, monkeypatch):
    await desk.watch.look()
    monkeypatch.setattr("gateway.runtime.key_watch.read_keys", lambda path: pytest.fail("nothing has changed"))
    await desk.watch.look()
    os.utime(desk.path, ns=(0, 0))
    with pytest.raises(pytest.fail.Exception):
        await desk.watch.look()


@pytest.mark.parametrize("content", ["", "keys: [", "apiVersion: tidegate/v1\nkeys: [{id: 1}]\n", None])
async def test_a_file_that_cannot_be_read_changes_nothing_and_is_said_once(desk, content, caplog):
    desk.path.unlink() if content is None else desk.path.write_text(content)
    for _ in range(3):
        assert await desk.lets_in("first-key")
    assert desk.watch.is_stale
    assert caplog.text.count("keys_unreadable") == 1
    desk.write(record("second-key", 2))
    assert not await desk.lets_in("first-key")
    assert not desk.watch.is_stale


async def test_a_file_that_nobody_may_read_changes_nothing(desk, monkeypatch):
    def refused(path):
        raise PermissionError(13, "no")

    monkeypatch.setattr("gateway.runtime.key_watch.read_keys", refused)
    assert await desk.lets_in("first-key")
    assert desk.watch.is_stale


async def test_without_a_file_from_the_start_nothing_is_wrong(tmp_path):
    desk = Desk(tmp_path)
    desk.path.unlink()
    await desk.watch.look()
    assert not desk.watch.is_stale


async def test_a_key_of_nobody_lets_nobody_in_and_keeps_no_other_from_being_revoked(desk):
    desk.write(record("second-key", 2, "stranger"), record("third-key", 3))
    assert not await desk.lets_in("first-key")
    assert not await desk.lets_in("second-key")
    assert await desk.lets_in("third-key")


# When keys were last used


def test_what_was_used_is_kept_to_the_minute_and_joined_by_all_workers(tmp_path):
    first, second = KeyUse(tmp_path / "state"), KeyUse(tmp_path / "state")
    first.note("key_1")
    first.note("key_1")
    first.keep(100.5, {"key_1", "key_2"})
    second.note("key_2")
    second.keep(200.0, {"key_1", "key_2"})
    assert last_used(tmp_path / "state") == {"key_1": 100, "key_2": 200}
    first.note("key_1")
    first.note("tok_1")
    first.keep(300.0, {"key_1"})  # the other was revoked
    assert last_used(tmp_path / "state") == {"key_1": 300}
    before = (tmp_path / "state" / FILE).stat().st_mtime_ns
    first.keep(400.0, {"key_1"})
    assert (tmp_path / "state" / FILE).stat().st_mtime_ns == before


def test_what_cannot_be_written_is_written_with_the_next(tmp_path, monkeypatch, caplog):
    use = KeyUse(tmp_path)
    use.note("key_1")

    def full(path, data):
        raise OSError(28, "no space")

    with monkeypatch.context() as patch:
        patch.setattr("gateway.runtime.key_use.replace_file", full)
        use.keep(100.0, {"key_1"})
    assert "key_use_not_kept" in caplog.text
    assert last_used(tmp_path) == {}
    use.keep(200.0, {"key_1"})
    assert last_used(tmp_path) == {"key_1": 200}


@pytest.mark.parametrize("content", [b"", b"{", b'{"v": 2, "used": {"key_1": 5}}', b"\xff"])
def test_notes_that_cannot_be_read_are_none(tmp_path, content):
    (tmp_path / FILE).write_bytes(content)
    assert last_used(tmp_path) == {}
