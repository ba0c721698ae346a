"""Accounts as Prometheus reads them."""

import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.figures import Account, Family, Kind, Spread
from gateway.wire.exposition import as_json, from_json, render

ASKED = Family("asked_total", Kind.COUNTER, ("pool", "ending"), "How often.")
WAITING = Family("waiting", Kind.STATE, (), "How many.")
CLOSED = Family("closed", Kind.MOST, ("pool",), "Whether.")
TOOK = Family("took_seconds", Kind.SPREAD, ("pool",), "How long.", (0.00005, 1.0))


def test_every_kind_is_written_as_its_type():
    account = Account()
    account.add("asked_total", ("home", "completed"), 3)
    account.add("asked_total", ("burst", "completed"), 2.5)
    account.add("waiting", (), 0)
    account.raise_to("closed", ("home",), 1)
    spread = Spread.over(TOOK.bounds)
    for value in (0.00001, 0.5, 0.5, 7.0):
        spread.take(TOOK.bounds, value)
    account.join("took_seconds", ("home",), spread)
    assert render((ASKED, WAITING, CLOSED, TOOK), account).decode().splitlines() == [
        "# HELP asked_total How often.",
        "# TYPE asked_total counter",
        'asked_total{pool="burst",ending="completed"} 2.5',
        'asked_total{pool="home",ending="completed"} 3',
        "# HELP waiting How many.",
        "# TYPE waiting gauge",
        "waiting 0",
        "# HELP closed Whether.",
        "# TYPE closed gauge",
        'closed{pool="home"} 1',
        "# HELP took_seconds How long.",
        "# TYPE took_seconds histogram",
        'took_seconds_bucket{pool="home",le="5e-05"} 1',
        'took_seconds_bucket{pool="home",le="1"} 3',
        'took_seconds_bucket{pool="home",le="+Inf"} 4',
        'took_seconds_sum{pool="home"} 8.00001',
        'took_seconds_count{pool="home"} 4',
    ]


def test_what_is_not_known_yet_is_named_without_a_value():
    assert render((WAITING, TOOK), Account()).decode().splitlines() == [
        "# HELP waiting How many.",
        "# TYPE waiting gauge",
        "# HELP took_seconds How long.",
        "# TYPE took_seconds histogram",
    ]


@given(st.text(max_size=30))
def test_whatever_a_label_holds_a_series_stays_on_its_line_and_reads_back(value):
    account = Account()
    account.raise_to("closed", (value,), math.inf)
    *_, line, rest = render((CLOSED,), account).decode().split("\n")
    found = re.fullmatch(r'closed\{pool="((?:[^"\\]|\\.)*)"\} \+Inf', line, re.DOTALL)
    assert found is not None
    assert rest == ""
    unescaped = re.sub(r"\\(.)", lambda escape: "\n" if escape[1] == "n" else escape[1], found[1])
    assert unescaped == value


FAMILIES = {family.name: family for family in (ASKED, WAITING, CLOSED, TOOK)}
COUNTS = st.dictionaries(st.text(max_size=3), st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)))


@given(COUNTS, st.dictionaries(st.tuples(st.text(max_size=3), st.text(max_size=3)), st.floats(0, 1e9)))
def test_what_is_listed_as_json_reads_back(spreads, numbers):
    account = Account(12.5)
    for pool, counts in spreads.items():
        account.join("took_seconds", (pool,), Spread(list(counts), 0.5 * sum(counts)))
    for values, value in numbers.items():
        account.add("asked_total", values, value)
    assert from_json(as_json(FAMILIES.values(), account), FAMILIES) == account


def test_json_names_labels_and_bounds_so_that_it_can_be_read_without_our_table():
    account = Account(1.0)
    account.add("asked_total", ("home", "completed"), 3)
    account.join("took_seconds", ("home",), Spread([1, 0, 2], 4.0))
    assert json.loads(as_json((ASKED, WAITING, TOOK), account)) == {
        "at": 1.0,
        "families": [
            {
                "name": "asked_total",
                "kind": "counter",
                "series": [{"labels": {"pool": "home", "ending": "completed"}, "value": 3.0}],
            },
            {"name": "waiting", "kind": "state"},
            {
                "name": "took_seconds",
                "kind": "spread",
                "series": [{"labels": {"pool": "home"}, "counts": [1, 0, 2], "sum": 4.0}],
                "bounds": [0.00005, 1.0],
            },
        ],
    }


@pytest.mark.parametrize("data", [b"", b"[]", b'{"at": "x", "families": []}', b"\xff", b'{"detail": "Not Found"}'])
def test_what_is_no_account_is_none(data):
    assert from_json(data, FAMILIES) is None


def test_what_another_version_lists_otherwise_is_left_out():
    listed = {
        "at": 1.0,
        "families": [
            {"name": "of_tomorrow", "kind": "counter", "series": [{"labels": {}, "value": 1.0}]},
            {"name": "took_seconds", "kind": "spread", "series": [{"labels": {}, "counts": [1]}], "bounds": [1.0]},
            {"name": "waiting", "kind": "state", "series": [{"labels": {"more": "x"}, "value": 2.0}]},
            {"name": "closed", "kind": "most", "series": [{"labels": {}, "value": 1.0}, {"labels": {}}]},
        ],
    }
    read = from_json(json.dumps(listed).encode(), FAMILIES)
    assert read == Account(1.0, {"waiting": {(): 2.0}, "closed": {("",): 1.0}}, {})


def test_a_spread_with_other_buckets_than_it_names_is_left_out():
    data = (
        b'{"at":1.0,"families":[{"name":"took_seconds","kind":"spread","bounds":[0.00005,1.0],'
        b'"series":[{"labels":{"pool":"a"},"counts":[1,2],"sum":3.0},{"labels":{"pool":"b"},"counts":[1,2,3],"sum":3.0}]}]}'
    )
    account = from_json(data, {TOOK.name: TOOK})
    assert account is not None
    assert {labels: spread.counts for labels, spread in account.spreads[TOOK.name].items()} == {("b",): [1, 2, 3]}
