"""Each tenant's own key for stored answers: made once, kept wrapped, and gone for everybody when it is destroyed."""

import json
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.runtime.cache_keys import CacheKeys, TenantKey, Unreadable, destroy, read_keys
from tests.fakes.clock import FakeClock

WRAPPING = b"w" * 32
TENANTS = ("bank", "clinic")
BOUND = b"where it belongs"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "cache-keys.json"


def keys_of(path: Path, wrapping: bytes = WRAPPING, tenants: tuple[str, ...] = TENANTS) -> CacheKeys:
    keys = CacheKeys(path, wrapping, tenants, FakeClock())
    keys.prepare()
    return keys


def key_of(keys: CacheKeys, tenant: str) -> TenantKey:
    key = keys.of(tenant)
    assert key is not None
    return key


def rewrite(path: Path, text: str) -> None:
    other = path.with_suffix(".new")
    other.write_text(text)
    other.replace(path)


def test_every_worker_has_the_same_keys_and_every_tenant_another(path: Path) -> None:
    one, other = keys_of(path), keys_of(path)
    sealed = key_of(one, "bank").seal(b"text", BOUND)
    assert key_of(other, "bank").open(sealed, BOUND) == b"text"
    assert key_of(other, "clinic").open(sealed, BOUND) is None
    assert key_of(one, "bank").finder.digest(b"x") == key_of(other, "bank").finder.digest(b"x")
    assert key_of(one, "bank").finder.digest(b"x") != key_of(one, "clinic").finder.digest(b"x")
    assert one.of("nobody") is None


def test_a_tenant_that_comes_later_gets_a_key_and_the_others_keep_theirs(path: Path) -> None:
    first = keys_of(path, tenants=("bank",))
    sealed = key_of(first, "bank").seal(b"text", BOUND)
    later = keys_of(path, tenants=("bank", "shop"))
    assert key_of(later, "bank").open(sealed, BOUND) == b"text"
    assert later.of("shop") is not None
    assert first.look() == frozenset()
    assert first.of("shop") is None  # not one of its tenants


def test_the_file_is_its_owners_and_holds_no_key_in_the_open(path: Path) -> None:
    keys_of(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    written = json.loads(path.read_bytes())
    assert written["v"] == 1
    assert {len(one["wrapped"]) for one in written["keys"].values()} == {80}  # nonce, 32 bytes, tag, in base64


def test_another_root_secret_opens_none_of_them(path: Path) -> None:
    keys_of(path)
    assert keys_of(path, wrapping=b"x" * 32).of("bank") is None


def test_a_key_is_wrapped_for_one_tenant(path: Path) -> None:
    keys_of(path)
    written = json.loads(path.read_bytes())
    written["keys"]["bank"] = written["keys"]["clinic"]
    rewrite(path, json.dumps(written))
    keys = keys_of(path)
    assert keys.of("bank") is None
    assert keys.of("clinic") is not None


def test_whoever_holds_a_destroyed_key_lets_go_of_it_and_of_no_other(path: Path) -> None:
    one, other = keys_of(path), keys_of(path)
    old = key_of(one, "bank")
    sealed = old.seal(b"text", BOUND)
    assert destroy(path, WRAPPING, "bank", 0.0)
    for keys in (one, other):
        clinic = keys.of("clinic")
        assert keys.look() == {"bank"}
        assert keys.look() == frozenset()
        assert key_of(keys, "bank").open(sealed, BOUND) is None
        assert key_of(keys, "bank").finder.digest(b"x") != old.finder.digest(b"x")
        assert keys.of("clinic") is clinic


def test_what_has_no_key_cannot_be_destroyed(path: Path) -> None:
    path.parent.mkdir()
    assert not destroy(path, WRAPPING, "bank", 0.0)
    keys_of(path)
    assert not destroy(path, WRAPPING, "nobody", 0.0)


BROKEN = ["", "{", "[]", '{"v": 2, "keys": {}}', '{"v": 1, "keys": {"bank": {}}}', '{"keys": {"bank": "x"}}']


@pytest.mark.parametrize("text", BROKEN)
def test_a_file_that_cannot_be_read_is_no_key_and_is_not_written_over(path: Path, text: str) -> None:
    keys = keys_of(path)
    rewrite(path, text)
    assert keys.look() == set(TENANTS)
    assert (keys.of("bank"), keys.is_readable) == (None, False)
    assert keys.look() == frozenset()
    assert keys_of(path).of("bank") is None
    assert path.read_text() == text
    with pytest.raises(Unreadable):
        destroy(path, WRAPPING, "bank", 0.0)


def test_a_file_that_is_gone_takes_its_keys_with_it_and_one_that_is_back_brings_them(path: Path) -> None:
    keys = keys_of(path)
    saved = path.read_text()
    path.unlink()
    assert keys.look() == set(TENANTS)
    rewrite(path, saved)
    keys.look()
    assert keys.of("bank") is not None


def test_an_id_of_another_length_or_a_key_that_is_no_base64_is_none(path: Path) -> None:
    keys_of(path)
    written = json.loads(path.read_bytes())
    rewrite(path, json.dumps({**written, "keys": {"bank": {"id": "00", "made_at": 0.0, "wrapped": ""}}}))
    with pytest.raises(Unreadable):
        read_keys(path)
    one = written["keys"]["bank"] | {"wrapped": "!"}
    rewrite(path, json.dumps({**written, "keys": {"bank": one}}))
    assert keys_of(path).of("bank") is None


def test_a_folder_that_cannot_be_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    assert keys_of(tmp_path / "state" / "k.json").of("bank") is None


KEY = TenantKey(b"12345678", b"s" * 32)


@given(data=st.binary(max_size=40), bound=st.binary(max_size=20), other=st.binary(max_size=20), at=st.integers(0, 75))
def test_what_is_sealed_opens_whole_where_it_belongs_and_nowhere_else(
    data: bytes, bound: bytes, other: bytes, at: int
) -> None:
    sealed = KEY.seal(data, bound)
    assert KEY.open(sealed, bound) == data
    assert (KEY.open(sealed, other) == data) == (bound == other)
    assert TenantKey(b"12345678", b"t" * 32).open(sealed, bound) is None
    assert TenantKey(b"87654321", b"s" * 32).open(sealed, bound) is None
    if at < len(sealed):
        assert KEY.open(sealed[:at] + bytes((sealed[at] ^ 1,)) + sealed[at + 1 :], bound) is None
        assert KEY.open(sealed[:at], bound) is None


def test_a_key_does_not_show_itself() -> None:
    assert repr(KEY) == "TenantKey(…)"
