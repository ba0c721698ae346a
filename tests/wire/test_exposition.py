"""Accounts as Prometheus reads them."""

import math
import re

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.figures import Account, Family, Kind, Spread
from gateway.wire.exposition import render

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
