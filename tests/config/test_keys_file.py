"""keys.yaml: hashes and whose they are, never a key; what is written can be read."""

# ruff: noqa: E501  # a case per row

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.keys_file import KeyRecord, is_certificate_name, render, seconds_of, time_of
from gateway.config.keys_file import read as read_keys
from gateway.core.access import Access, Scope

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
        (f'hash: "{HASH}", ', "", "A key has either a `hash` or a `certificate`."),
        ("note: laptop", "certificate: 'dns:a.example'", "A key has either a `hash` or a `certificate`."),
        ("note: laptop", "expires: '2026-02-30T10:00:00Z'", "This is not a time."),
        ("note: laptop", "succeeds: nobody", "This is not the id of a key."),
        ("note: laptop", "app: two words", "`app` must be a name"),
        ("note: laptop", "apis: [chta]", "The interface `chta` does not exist."),
        ("note: laptop", "addresses: [10.0.0.1/8]", "This is not a network."),
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


CERTIFIED = """\
apiVersion: tidegate/v1
keys:
  - {id: key_00000001, tenant: demo, certificate: "uri:spiffe://bank/app", created: "2026-11-21T10:00:00Z"}
  - {id: key_00000002, tenant: demo, certificate: "dns:a.example", created: "2026-11-21T10:00:00Z"}
"""


def test_a_name_in_a_certificate_stands_for_a_key() -> None:
    keys, problems = told(CERTIFIED)
    assert problems == []
    assert [(key.hash, key.certificate) for key in keys] == [("", "uri:spiffe://bank/app"), ("", "dns:a.example")]


@pytest.mark.parametrize(
    ("new", "sentence"),
    [
        ("uri:spiffe://bank/app", "Another entry has this name. One name has one tenant: remove one of them."),
        ("a.example", "This is not a name in a certificate. Write `uri:`, `dns:`, `email:` or `cn:`"),
        ("dns: a.example", "This is not a name in a certificate."),
    ],
)
def test_a_name_in_a_certificate_that_cannot_be_is_told(new: str, sentence: str) -> None:
    _, problems = told(CERTIFIED.replace("dns:a.example", new))
    assert len(problems) == 1
    assert sentence in problems[0]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("cn:Bank App", True), ("email:a@b", True), ("cn:x", True), ("cn:", False), ("cn: x", False), ("cn:x ", False), ("ip:1", False), ("cn:a\nb", False), ("cn:" + "x" * 257, False)],
)  # fmt: skip
def test_what_may_be_a_name_in_a_certificate(name: str, expected: bool) -> None:
    assert is_certificate_name(name) is expected


def test_what_is_no_group_is_told_once() -> None:
    _, problems = told("apiVersion: tidegate/v1\nkeys: [7]\n")
    assert len(problems) == 1


def test_times_are_seconds_and_back() -> None:
    assert seconds_of("2026-11-21T10:00:00Z") == 1795255200.0
    assert time_of(1795255200.9) == "2026-11-21T10:00:00Z"
    assert [seconds_of(text) for text in ("", "2026-11-21", "2026-13-01T00:00:00Z", "2026-11-21T10:00:00")] == [
        None
    ] * 4


def test_a_limited_key_is_written_and_read_back() -> None:
    limits = Access(
        Scope(frozenset({"chat", "embeddings"}), frozenset({"small"})),
        (ip_network("10.0.0.0/8"), ip_network("::1/128")),
    )
    whole = KeyRecord(
        "key_00000001",
        "demo",
        HASH,
        "2026-11-21T10:00:00Z",
        "note",
        "2027-01-01T00:00:00Z",
        "billing",
        access=limits,
        succeeds="key_00000000",
    )
    named = KeyRecord("key_00000002", "demo", "", "2026-11-21T10:00:00Z", certificate='cn:it\'s "me"')
    assert told(render([whole, named])) == ((whole, named), [])
