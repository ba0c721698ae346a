"""keys.yaml: hashes and whose they are, never a key; what is written can be read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.keys_file import KeyRecord, render
from gateway.config.keys_file import read as read_keys

from .reading import read

HASH = "hmac-sha256:" + "0f" * 32
WHOLE = f"""\
apiVersion: tidegate/v1
keys:
  - {{id: key_3f9a1c2b, tenant: demo, hash: "{HASH}", created: "2026-11-21T10:00:00Z", note: laptop}}
  - {{id: key_3f9a1c2c, tenant: demo, hash: "{HASH[:-1]}0", created: "2026-11-21T10:00:00Z"}}
"""


def told(text: str) -> tuple[tuple[KeyRecord, ...], list[str]]:
    return read(text, lambda root, reader: read_keys(root, reader, {"demo"}))


def test_keys_are_read() -> None:
    keys, problems = told(WHOLE)
    assert problems == []
    assert keys[0] == KeyRecord("key_3f9a1c2b", "demo", HASH, "2026-11-21T10:00:00Z", "laptop")
    assert keys[1].note == ""
    assert told("apiVersion: tidegate/v1\nkeys: []\n") == ((), [])


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("key_3f9a1c2b", "3f9a1c2b", "This is not the id of a key."),
        ("key_3f9a1c2b", "key_3f9a1c2c", "Another key has this id. Remove one of them."),
        (f"{HASH}", "sk-real-key", "This is not the hash of a key."),
        (f"{HASH[:-1]}0", HASH, "Another entry has this hash. One key has one tenant: remove one of them."),
        ("tenant: demo", "tenant: dem", "The tenant `dem` does not exist. Did you mean `demo`?"),
        ('"2026-11-21T10:00:00Z", note', "yesterday, note", "This is not a time."),
        ("note: laptop", "note: []", "`note` must be a text that is not empty."),
        ("id: key_3f9a1c2b, ", "", "A key lacks the key `id`. Add it."),
        ("{id: key_3f9a1c2c", "{key: sk-real-key, id: key_3f9a1c2c", "A key has no key `key`."),
    ],
)
def test_a_fault_is_told_and_no_key_is_shown(old: str, new: str, sentence: str) -> None:
    _, problems = told(WHOLE.replace(old, new, 1))
    assert len(problems) == 1
    assert sentence in problems[0]
    assert "sk-real" not in problems[0]


def test_without_tenants_it_is_not_asked_whose_a_key_is() -> None:
    keys, problems = read(WHOLE.replace("demo", "gone"), lambda root, reader: read_keys(root, reader, None))
    assert problems == []
    assert len(keys) == 2


notes = st.text(max_size=40).map(lambda text: text if text.strip() else "")


@given(st.lists(notes.filter(lambda text: not any(0xD800 <= ord(c) < 0xE000 for c in text)), max_size=4))
def test_what_is_written_can_be_read(remarks: list[str]) -> None:
    keys = tuple(
        KeyRecord(f"key_{number:08x}", "demo", f"hmac-sha256:{number:064x}", "2026-11-21T10:00:00Z", remark)
        for number, remark in enumerate(remarks)
    )
    assert told(render(keys)) == (keys, [])


def test_no_keys_make_a_file_that_holds_none() -> None:
    assert told(render([])) == ((), [])
