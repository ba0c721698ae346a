"""The ledger: what is entered, what it comes to, and that nothing of it is lost on its way to disk and back."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.audit_record import Activation, write
from gateway.core.facts import RequestFacts
from gateway.core.labels import Label
from gateway.core.ledger import (
    CANARY,
    MIRROR,
    NAMES,
    Book,
    Sums,
    Where,
    day_text,
    enter,
    enter_copy,
    read_back,
    read_line,
    written,
)
from gateway.core.ledger_asked import (
    COLUMNS,
    Kept,
    Wanted,
    grouped,
    hour_of,
    hour_text,
    kept,
    money,
    next_month,
)
from gateway.core.prices import PoolPrice, Prices, Rate
from gateway.core.records import Attempt, Cached, Ending, Mirrored, Stayed, Usage
from tests.core.audit_values import intent, outcome

NAMED = {"sha256:b": ("public", "internal", "secret")}
HOUR = 1_700_000_000 // 3600


def entered(*records, labels=NAMED) -> Book:
    book: Book = {}
    for record in records:
        line = read_line(write(1, record) + b"}")
        assert line is not None
        assert line.outcome is not None
        enter(book, line.outcome, labels)
    return book


def facts(label=1, model="chat"):
    return RequestFacts(Label(label), Label(label), "default", Label(1), model)


def tried(pool="home", zone="onprem", status=200):
    return (Attempt(pool, zone, "e", Ending.COMPLETED, status, 1.0),)


def test_a_request_is_entered_under_its_hour_and_who_where_and_what_it_was():
    book = entered(
        outcome(facts=facts(), attempts=tried(), usage=Usage(5, 2), app="batch", cost_micros=9),
        outcome(facts=facts(), attempts=tried(), usage=Usage(7, 0), app="batch"),
        outcome(facts=facts(2, ""), attempts=(*tried(), *tried("burst", "cloud")), usage=Usage(1, 1)),
    )
    assert book == {
        Where(HOUR, "demo", "batch", "chat", "home", "onprem", "internal", ""): Sums(
            2, prompt_tokens=12, completion_tokens=2, cost_micros=9
        ),
        Where(HOUR, "demo", "", "", "burst", "cloud", "secret", ""): Sums(1, prompt_tokens=1, completion_tokens=1),
    }
    assert book[Where(HOUR, "demo", "batch", "chat", "home", "onprem", "internal", "")].tokens == 14


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"status": 503, "stayed": Stayed.LABEL, "queued_ms": 1500.4}, Sums(1, turned_away=1, waited_ms=1500)),
        ({"status": 502}, Sums(1, failed=1)),
        ({"status": 429}, Sums(1, refused=1)),
        ({"queued_ms": 0.9}, Sums(1)),
        ({"cached": Cached(10.0, 30, 12), "usage": Usage(0, 0)}, Sums(1, cached=1, cached_tokens=42)),
        ({"reckoned": Usage(40, 10), "cost_micros": 77}, Sums(1, reckoned_tokens=50, cost_micros=77)),
    ],
)
def test_what_became_of_a_request_is_counted(record, expected):
    assert list(entered(outcome(facts=facts(), **record)).values()) == [expected]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, (Where(HOUR, "", MIRROR, "", "new", "", "internal", ""), Sums(1))),
        (
            {"attempts": tried("new", "cloud"), "usage": Usage(5, 2), "cost_micros": 9},
            (Where(HOUR, "", MIRROR, "", "new", "cloud", "internal", ""), Sums(1, 0, 0, 0, 5, 2, 0, 9)),
        ),
    ],
)
def test_a_copy_for_a_mirror_costs_what_it_costs_and_is_nobodys(more, expected):
    at = 1_700_000_000.0
    copied = Mirrored("m", "r", at, 1.0, "demo", "internal", "rest", "new", Ending.COMPLETED, "sha256:b", 1, **more)
    line = read_line(write(1, copied) + b"}")
    assert line is not None
    assert line.mirrored is not None
    book: Book = {}
    enter_copy(book, line.mirrored)
    assert list(book.items()) == [expected]


def test_a_canary_is_no_tenants_and_costs_what_it_costs():
    took = {"attempts": tried(), "usage": Usage(20, 1), "cost_micros": 7}
    expected = Where(HOUR, "", CANARY, "chat", "home", "onprem", "internal", "")
    book = entered(outcome(facts=facts(), app="till", canary=True, **took))
    assert book == {expected: Sums(1, prompt_tokens=20, completion_tokens=1, cost_micros=7)}


def test_whoever_was_nobody_and_what_was_no_request_for_a_model_is_not_entered():
    assert entered(outcome(tenant="", status=401), outcome(path="models")) == {}


def test_a_label_whose_name_is_not_known_is_told_by_its_rank():
    book = entered(
        outcome(facts=facts(2)), outcome(facts=facts(2), bundle="sha256:other"), labels={"sha256:b": ("low",)}
    )
    assert {where.label for where in book} == {"2"}


def test_what_is_no_outcome_is_read_as_what_it_is():
    begun = read_line(write(1, intent()) + b"}")
    assert begun is not None
    assert begun.intent is not None
    assert (begun.intent.pool, begun.intent.label) == ("burst", "internal")
    named = read_line(write(1, Activation(1.0, "b", ("low", "high"))) + b"}")
    assert named is not None
    assert named.activation is not None
    assert named.activation.labels == ("low", "high")
    assert read_line(b'{"v":') is None
    assert read_line(b"\xff\xff") is None


names = st.text(max_size=5)
books = st.dictionaries(
    st.builds(Where, st.integers(0, 10**6), names, names, names, names, names, names, names),
    st.builds(Sums, *(st.integers(0, 10**12) for _ in NAMES)),
    max_size=5,
)


@given(books)
def test_sums_are_read_back_as_they_were_written(book):
    assert read_back(written(book)) == book


def test_sums_of_a_version_that_knew_less_are_read_and_others_are_not():
    where = Where(1, "t", "", "", "", "", "", "")
    page = {"v": 1, "names": ["requests", "cost_micros"], "rows": [[where, [3, 4]]]}
    assert read_back(msgspec.json.encode(page)) == {where: Sums(3, cost_micros=4)}
    assert read_back(msgspec.json.encode(page | {"v": 2})) is None
    assert read_back(msgspec.json.encode(page | {"names": ["novel"]})) is None
    assert read_back(b"{}") is None
    assert read_back(b"\xff") is None


@given(books, st.lists(st.sampled_from(COLUMNS), unique=True))
def test_groups_hold_all_that_their_rows_hold(book, by):
    rows = tuple(book.items())
    whole = grouped(rows, ()).get((), Sums())
    together = Sums()
    for sums in grouped(rows, by).values():
        together.add(sums)
    assert together == whole
    assert whole.tokens == sum(sums.tokens for sums in book.values())


def test_groups_are_told_apart_by_what_was_asked_for():
    first, later = Where(HOUR, "a", "x", "m", "p", "z", "l", ""), Where(HOUR + 1, "a", "y", "m", "p", "z", "l", "label")
    rows = ((first, Sums(1)), (later, Sums(2)))
    assert grouped(rows, ("tenant", "model", "pool", "zone", "label")) == {("a", "m", "p", "z", "l"): Sums(3)}
    assert list(grouped(rows, ("day",))) == [("2023-11-14",)]
    assert list(grouped(rows, ("hour", "app"))) == [("2023-11-14 22", "x"), ("2023-11-14 23", "y")]
    assert list(grouped(rows, ("stayed",))) == [("",), ("label",)]


def test_only_what_was_asked_for_is_taken():
    where = Where(10, "a", "x", "m", "p", "z", "l", "")
    assert Wanted().takes(where)
    assert Wanted(10, 11, {"tenant": frozenset("ab"), "pool": frozenset("p")}).takes(where)
    assert not Wanted(11).takes(where)
    assert not Wanted(0, 10).takes(where)
    assert not Wanted(values={"tenant": frozenset("b")}).takes(where)


def test_what_staying_cost_is_told_by_label_and_cause():
    rows = (
        (Where(1, "a", "", "m", "home", "onprem", "secret", "label"), Sums(2, waited_ms=50)),
        (Where(2, "b", "", "m", "", "", "secret", "label"), Sums(1, turned_away=1, waited_ms=100)),
        (Where(2, "b", "", "m", "home", "onprem", "internal", "budget"), Sums(4, waited_ms=7)),
        (Where(2, "b", "", "m", "home", "onprem", "internal", ""), Sums(9, waited_ms=9)),
    )
    assert kept(rows) == (Kept("internal", "budget", 4, 0, 7), Kept("secret", "label", 3, 1, 150))


PRICES = Prices(
    "CNY",
    {
        "burst": PoolPrice(Rate(2_000_000, 8_000_000)),
        "dear": PoolPrice(Rate(20_000_000, 80_000_000)),
        "home": PoolPrice(per_hour_micros=1_500_000),
    },
)


def test_what_was_served_at_home_is_worth_what_the_cheapest_cloud_would_have_taken():
    rows = (
        (
            Where(1, "a", "", "m", "home", "onprem", "l", ""),
            Sums(1, prompt_tokens=900, completion_tokens=500, reckoned_tokens=100),
        ),
        (Where(1, "a", "", "m", "burst", "cloud", "l", ""), Sums(1, prompt_tokens=1000, cost_micros=2000)),
        (Where(1, "a", "", "m", "", "", "l", ""), Sums(1)),
    )
    found = money(rows, PRICES, ("dear", "burst", "unpriced"), hours=2.0)
    assert (found.spent_micros, found.saved_micros, found.standing_micros) == (2000, 6000, 3_000_000)
    assert money(rows, Prices(), ("burst",), 1.0).saved_micros is None


def test_hours_are_those_of_utc():
    assert hour_of("1970-01-02") == 24
    assert (day_text(24), hour_text(25)) == ("1970-01-02", "1970-01-02 01")
    assert hour_text(next_month(hour_of("2027-12"))) == "2028-01-01 00"
    assert hour_text(next_month(hour_of("2028-02"))) == "2028-03-01 00"
    for text in ("2026", "2026-13", "2026-02-30", "today"):
        with pytest.raises(ValueError, match=r"time data|does not match|out of range|unconverted"):
            hour_of(text)
