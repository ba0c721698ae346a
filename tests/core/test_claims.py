"""A token lets in whom the operator's tables name, for as long as it says, and nobody else."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.access import Scope
from gateway.core.claims import Bearer, ClaimTable, Fault, Issuer, bearer_of

NOW = 1_800_000_000.0
CHAT = Scope(frozenset({"chat"}))
ISSUER = Issuer(
    "corp",
    "https://login.example",
    frozenset({"tidegate", "other-name"}),
    frozenset({"RS256"}),
    ClaimTable(("tid",), {"team-a": "bank", "team-a2": "bank", "team-b": "clinic"}),
    leeway_s=30.0,
)
SCOPED = Issuer(
    "corp",
    "https://login.example",
    frozenset({"tidegate"}),
    frozenset({"RS256"}),
    ClaimTable(("realm", "roles"), {"team-a": "bank"}),
    ClaimTable(("scope",), {"chat": CHAT, "all": Scope()}),
    ClaimTable(("azp",), {"abc": "billing"}),
)
CLAIMS = {"sub": "somebody", "aud": "tidegate", "exp": NOW + 60, "tid": "team-a"}


def told(issuer: Issuer = ISSUER, **changed: object) -> Bearer | Fault:
    claims = {name: value for name, value in (CLAIMS | changed).items() if value is not ...}
    return bearer_of(claims, issuer, now=NOW)


def test_a_token_speaks_for_the_tenant_that_its_claim_leads_to() -> None:
    assert told() == Bearer("bank", "somebody", (), "", NOW + 90)
    assert told(tid="team-b", aud=["x", "other-name"], nbf=NOW, iat=NOW - 5) == Bearer(
        "clinic", "somebody", (), "", NOW + 90
    )
    assert told(tid=["team-a", "nobody", "team-a2"]).tenant == "bank"


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"sub": ...}, Fault.CLAIMS),
        ({"sub": ""}, Fault.CLAIMS),
        ({"sub": 7}, Fault.CLAIMS),
        ({"sub": "x" * 513}, Fault.CLAIMS),
        ({"cnf": {"jkt": "x"}}, Fault.CLAIMS),
        ({"aud": ...}, Fault.AUDIENCE),
        ({"aud": "Tidegate"}, Fault.AUDIENCE),
        ({"aud": []}, Fault.AUDIENCE),
        ({"aud": ["tidegate", 7]}, Fault.AUDIENCE),
        ({"aud": {"tidegate": 1}}, Fault.AUDIENCE),
        ({"exp": ...}, Fault.TIME),
        ({"exp": None}, Fault.TIME),
        ({"exp": str(NOW + 60)}, Fault.TIME),
        ({"exp": True}, Fault.TIME),
        ({"exp": NOW - 30}, Fault.TIME),
        ({"exp": float("inf")}, Fault.TIME),
        ({"exp": float("nan")}, Fault.TIME),
        ({"exp": (NOW + 60) * 1000}, Fault.TIME),
        ({"nbf": NOW + 31}, Fault.TIME),
        ({"nbf": "soon"}, Fault.TIME),
        ({"iat": NOW + 31}, Fault.TIME),
        ({"iat": -1}, Fault.TIME),
        ({"tid": ...}, Fault.TENANT),
        ({"tid": "team-c"}, Fault.TENANT),
        ({"tid": "TEAM-A"}, Fault.TENANT),
        ({"tid": "team-a team-b"}, Fault.TENANT),
        ({"tid": ["team-a", "team-b"]}, Fault.TENANT),
        ({"tid": {"team-a": 1}}, Fault.TENANT),
    ],
)
def test_what_is_missing_wrong_or_not_listed_lets_nobody_in(changed, fault) -> None:
    assert told(**changed) is fault


@pytest.mark.parametrize("exp", [NOW - 29.9, NOW + 1, int(NOW)])
def test_leeway_is_for_clocks_that_are_not_the_same(exp) -> None:
    assert told(exp=exp, nbf=NOW + 29).ends_at == exp + 30


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"scope": "openid chat"}, ((CHAT,), "")),
        ({"scope": ["all", "chat"], "azp": "abc"}, ((Scope(), CHAT), "billing")),
        ({"scope": "chat", "azp": "unknown"}, ((CHAT,), "")),
    ],
)
def test_scopes_are_granted_by_value_and_apps_named(changed, expected) -> None:
    found = told(SCOPED, realm={"roles": ["team-a"]}, **changed)
    assert (found.scopes, found.app) == expected


@pytest.mark.parametrize("changed", [{}, {"scope": "openid"}, {"scope": 7}, {"scope": "chatall"}])
def test_with_a_table_of_scopes_nothing_listed_is_no_access(changed) -> None:
    assert told(SCOPED, realm={"roles": ["team-a"]}, **changed) is Fault.SCOPE


@pytest.mark.parametrize("realm", [{}, "roles", ["team-a"], {"roles": {"team-a": 1}}, None])
def test_a_path_that_leads_nowhere_lets_nobody_in(realm) -> None:
    assert told(SCOPED, realm=realm, scope="all") is Fault.TENANT


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None)  # on a machine that has other things to do
@given(
    st.dictionaries(st.sampled_from(["sub", "aud", "exp", "nbf", "iat", "tid", "scope", "realm", "cnf"]), json_values)
)
def test_whatever_claims_hold_nobody_gets_in_by_chance(claims) -> None:
    # No audience can be guessed, so that whatever these are they are refused, and nothing is raised.
    assert isinstance(bearer_of(claims, SCOPED, now=NOW), Fault)
