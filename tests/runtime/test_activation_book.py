"""The book of what was in force: kept whole, and believed only under our own seal."""

import pytest

from gateway.core.approval import Content, Memory
from gateway.core.keyed_hash import KeyedHash
from gateway.policy.terms import Terms
from gateway.runtime import activation_book
from gateway.runtime.activation_book import FILE, BadBook, Entry, keep, recall

KEY = KeyedHash(b"ours")
CONTENT = Content(3, 2, "policy", "body", "pools", "tenants", "own", "signers")
TERMS = Terms(("low",), "low", {"default": "none"}, {"home": "low"}, (), (), "low", "low", "low", {}, {})
ENTRY = Entry(Memory(CONTENT, {1: "one", 3: "body"}, {"a": bytes(32)}), TERMS)


def test_what_is_kept_is_recalled(tmp_path):
    assert recall(tmp_path, KEY) is None
    keep(tmp_path, ENTRY, KEY)
    assert recall(tmp_path, KEY) == ENTRY
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda data: data.replace(b'"version":3', b'"version":2'), "its seal is not ours"),
        (lambda data: data.replace(b'"v":1', b'"v":2'), "it is of another version of the gateway"),
        (lambda data: data[:-3], "it cannot be read"),
        (lambda _: b"", "it cannot be read"),
        (lambda _: b'{"v":1,"entry":{},"mac":"\xff"}', "it cannot be read"),
        (lambda _: '{"v":1,"entry":{},"mac":"é"}'.encode(), "its seal is not ours"),
    ],
)
def test_a_book_that_was_changed_is_none(tmp_path, change, reason):
    keep(tmp_path, ENTRY, KEY)
    path = tmp_path / FILE
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(BadBook) as caught:
        recall(tmp_path, KEY)
    assert caught.value.reason == reason


def test_a_book_of_another_gateway_is_none(tmp_path):
    keep(tmp_path, ENTRY, KeyedHash(b"theirs"))
    with pytest.raises(BadBook, match="its seal is not ours"):
        recall(tmp_path, KEY)


def test_a_sealed_entry_of_another_shape_is_none(tmp_path, monkeypatch):
    monkeypatch.setattr(activation_book, "_encode", lambda entry: b"[]" if isinstance(entry, Entry) else _as_is(entry))
    keep(tmp_path, ENTRY, KEY)
    monkeypatch.undo()
    with pytest.raises(BadBook, match="it cannot be read"):
        recall(tmp_path, KEY)


def _as_is(sealed):
    import msgspec

    return msgspec.json.encode(sealed)
