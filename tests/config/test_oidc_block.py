"""Issuers of tokens in gateway.yaml: everything is a table, and keys come from one place over TLS."""

# ruff: noqa: E501  # one fault per row of the table
import pytest

from gateway.config.oidc_block import KeysAt, KeysIn, OidcIssuer, issuers
from gateway.core.access import Scope
from gateway.core.claims import ClaimTable

from .reading import read

LEAST = """\
corp:
  issuer: https://login.example/realms/corp
  audience: tidegate
  keys: {url: "https://login.example/certs?p=1"}
  tenant: {claim: tid, values: {"0f-1": bank}}
"""
WHOLE = """\
corp:
  issuer: https://login.example/realms/corp
  audience: [tidegate, other]
  keys: {url: "https://login.example/certs", ca: ca.pem, proxy: "http://[::1]:3128"}
  algorithms: [ES256]
  leeway: 0s
  refresh: 1m
  keep: 2h
  tenant: {claim: [realm_access, roles], values: {team a: bank, team-b: clinic}}
  scopes: {claim: scope, values: {llm.chat: {apis: [chat], models: [m]}, llm.all: {}}}
  app: {claim: azp, values: {abc: billing}}
lab:
  issuer: lab
  audience: tidegate
  keys: {file: lab.json}
  tenant: {claim: sub, values: {x: bank}}
"""


def told(text: str) -> tuple[tuple[OidcIssuer, ...], list[str]]:
    return read(text, lambda root, reader: issuers(reader, root))


def test_what_is_not_said_is_usual() -> None:
    (one,), problems = told(LEAST)
    assert problems == []
    assert (one.rules.name, one.rules.issuer) == ("corp", "https://login.example/realms/corp")
    assert one.rules.algorithms == {"RS256", "PS256", "ES256", "EdDSA"}
    assert (one.rules.leeway_s, one.refresh_s, one.keep_s) == (30.0, 300.0, 3600.0)
    assert one.keys == KeysAt("https://login.example/certs?p=1")
    assert one.rules.tenants == ClaimTable(("tid",), {"0f-1": "bank"})
    assert (one.rules.scopes, one.rules.apps) == (None, None)


def test_everything_can_be_said() -> None:
    (corp, lab), problems = told(WHOLE)
    assert problems == []
    assert corp.rules.audiences == {"tidegate", "other"}
    assert corp.rules.algorithms == {"ES256"}
    assert (corp.rules.leeway_s, corp.refresh_s, corp.keep_s) == (0.0, 60.0, 7200.0)
    assert isinstance(corp.keys, KeysAt)
    assert (corp.keys.url, corp.keys.ca and corp.keys.ca.text, corp.keys.proxy) == (
        "https://login.example/certs",
        "ca.pem",
        "http://[::1]:3128",
    )
    assert corp.rules.tenants == ClaimTable(("realm_access", "roles"), {"team a": "bank", "team-b": "clinic"})
    assert corp.rules.scopes == ClaimTable(
        ("scope",), {"llm.chat": Scope(frozenset({"chat"}), frozenset({"m"})), "llm.all": Scope()}
    )
    assert corp.rules.apps == ClaimTable(("azp",), {"abc": "billing"})
    assert [word.text for word in corp.tenants] == ["bank", "clinic"]
    assert isinstance(lab.keys, KeysIn)
    assert (lab.keys.file.text, lab.at.line) == ("lab.json", 12)
    assert told(LEAST.replace("}\n  tenant", ', proxy: "http://p.example:3128"}\n  tenant'))[0][0].keys == KeysAt(
        "https://login.example/certs?p=1", proxy="http://p.example:3128"
    )


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("  audience: tidegate\n", "", "2:3: The issuer `corp` lacks the key `audience`. Add it."),
        ("audience: tidegate", "audience: []", "3:13: `audience` must not be empty."),
        ("audience: tidegate", "audiences: tidegate\n  audience: tidegate", "3:3: The issuer `corp` has no key `audiences`."),
        ("audience: tidegate", "algorithms: [HS256]\n  audience: tidegate", "3:16: The algorithm `HS256` does not exist."),
        ("audience: tidegate", "algorithms: [none]\n  audience: tidegate", "3:16: The algorithm `none` does not exist."),
        ("audience: tidegate", "leeway: 1h\n  audience: tidegate", "3:11: `leeway` must be between 0s and 300s."),
        ("https://login.example/certs?p=1", "http://login.example/certs", "4:15: Keys that are fetched without TLS are whatever somebody on the way says."),
        ("https://login.example/certs?p=1", "http://10.0.0.1/certs", "4:15: Keys that are fetched without TLS"),
        ("https://login.example/certs?p=1", "https://user:pw@login.example/certs", "4:15: `keys.url` must be a URL without a user"),
        ("https://login.example/certs?p=1", "file:///etc/passwd", "4:15: `keys.url` must be a URL"),
        ('{url: "https://login.example/certs?p=1"}', "{}", "4:9: `keys` come from exactly one place."),
        ('{url: "https://login.example/certs?p=1"}', "{url: 'https://a/b', file: c}", "4:9: `keys` come from exactly one place."),
        ('{url: "https://login.example/certs?p=1"}', "{file: c, ca: d}", "4:16: `ca` and `proxy` belong to a `url`."),
        ('{url: "https://login.example/certs?p=1"}', "{url: 'https://a/b', proxy: 'https://p:1'}", "4:37: A proxy is spoken to in plain HTTP"),
        ("{claim: tid, values: {\"0f-1\": bank}}", "{claim: tid}", "5:11: `tenant` lacks the key `values`. Add it."),
        ("{claim: tid, values: {\"0f-1\": bank}}", "{claim: tid, values: [bank]}", "5:32: `values` of `tenant` must be a group."),
        ("{claim: tid, values: {\"0f-1\": bank}}", "{claim: tid, values: {a: [bank]}}", "5:36: A tenant in `values` must be a name."),
        ("{claim: tid, values: {\"0f-1\": bank}}", "{values: {a: bank}}", "5:11: `tenant` lacks the key `claim`. Add it."),
        ("  tenant:", "  app: {claim: azp, values: {a: []}}\n  tenant:", "5:33: An app in `values` must be a name."),
        ("  tenant:", "  scopes: {claim: s, values: {a: {api: [chat]}}}\n  tenant:", "5:35: A scope in `values` has no key `api`."),
    ],
)  # fmt: skip
def test_a_fault_is_told_in_place(old: str, new: str, expected: str) -> None:
    _, problems = told(LEAST.replace(old, new, 1))
    assert len(problems) == 1, problems
    assert problems[0].startswith(expected)


@pytest.mark.parametrize("host", ["127.0.0.1:80", "[::1]"])
def test_on_this_machine_keys_may_come_without_tls(host: str) -> None:
    _, problems = told(LEAST.replace("https://login.example/certs?p=1", f"http://{host}/certs"))
    assert problems == []


def test_one_issuer_has_one_place_and_there_are_not_many() -> None:
    _, problems = told(LEAST + LEAST.replace("corp:", "again:", 1))
    assert problems == [
        "6:1: `again` is the same issuer as another one. One issuer has one place: put their tables together."
    ]
    many = "".join(LEAST.replace("corp:", f"i{n}:", 1).replace("realms/corp", f"realms/{n}") for n in range(17))
    assert told(many)[1] == ["1:1: `oidc` names more than 16 issuers. Run another gateway for the others."]


def test_values_that_cannot_be_read_are_told_once() -> None:
    _, problems = told(LEAST.replace('{"0f-1": bank}', "{a: bank, a: bank}"))
    assert len(problems) == 1
