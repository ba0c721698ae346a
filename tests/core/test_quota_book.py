"""One subject's book: all or nothing, never above the bucket, settled once, undone when nobody renews."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.quota import (
    DAY_US,
    HOLD_US,
    HOUR_US,
    LEASE_US,
    MICRO,
    MINUTE_US,
    Ask,
    Granted,
    Limit,
    Limits,
    Refused,
    ends_in,
)
from gateway.core.quota_book import UNDONE_AT_ONCE, UNDONE_US, Book, Leased, Slice

NOW = 1_790_000_000 * MICRO
ALL = Limits(
    requests_per_minute=60,
    tokens_per_minute=6000,
    concurrency=5,
    money_per_hour=100,
    money_per_day=500,
    money_per_month=1000,
)


def reserve(book: Book, key: str, limits: Limits, ask: Ask | None = None, *, at: int = 0):
    return book.reserve(key, ask or Ask(), limits, now_us=NOW + at)


def refusal(answer) -> tuple[Limit, int | None]:
    assert isinstance(answer, Refused)
    return answer.limit, answer.wait_us


@pytest.mark.parametrize(
    ("limits", "ask", "refused"),
    [
        (Limits(requests_per_minute=1), Ask(), (Limit.REQUESTS, MINUTE_US)),
        (Limits(tokens_per_minute=100), Ask(tokens=60), (Limit.TOKENS, 12 * MICRO)),
        (Limits(concurrency=1), Ask(), (Limit.CONCURRENCY, MICRO)),
        (Limits(money_per_hour=100), Ask(cost_micros=60), (Limit.HOUR, HOUR_US - NOW % HOUR_US)),
        (Limits(money_per_day=100), Ask(cost_micros=60), (Limit.DAY, DAY_US - NOW % DAY_US)),
        (Limits(money_per_month=100), Ask(cost_micros=60), (Limit.MONTH, ends_in(NOW)[2])),
    ],
)
def test_the_second_is_refused_where_there_is_room_for_one(limits, ask, refused) -> None:
    book = Book(hold_us=None)
    assert isinstance(reserve(book, "a", limits, ask), Granted)
    assert refusal(reserve(book, "b", limits, ask)) == refused
    limit, wait_us = refused
    if limit is Limit.CONCURRENCY:
        book.settle("a", Ask(), limits, now_us=NOW)
    else:
        assert isinstance(reserve(book, "b", limits, ask, at=wait_us - MICRO), Refused)
    # Looked at in between, a bucket is rounded down once more, by less than a millionth, which may take 60 µs.
    assert isinstance(reserve(book, "b", limits, ask, at=wait_us + 60), Granted)


@pytest.mark.parametrize(
    ("ask", "limit"),
    [
        (Ask(tokens=6001), Limit.TOKENS),
        (Ask(requests=61), Limit.REQUESTS),
        (Ask(cost_micros=101), Limit.HOUR),
    ],
)
def test_what_is_more_than_a_limit_is_never_granted(ask, limit) -> None:
    assert refusal(reserve(Book(), "a", ALL, ask)) == (limit, None)


def test_a_refusal_holds_nothing_of_anything() -> None:
    book = Book()
    reserve(book, "a", ALL, Ask(tokens=5000, cost_micros=50))
    before = reserve(book, "a", ALL).standing
    assert isinstance(reserve(book, "b", ALL, Ask(tokens=2000, cost_micros=1)), Refused)
    assert isinstance(reserve(book, "b", ALL, Ask(tokens=1, cost_micros=51)), Refused)
    assert reserve(book, "a", ALL).standing == before
    assert book.spent(now_us=NOW) == (50, 50, 50)
    assert list(book.live) == ["a"]


def test_who_asks_twice_under_one_key_holds_once() -> None:
    book, limits = Book(), Limits(requests_per_minute=2, concurrency=2)
    assert reserve(book, "a", limits) == reserve(book, "a", limits)
    assert isinstance(reserve(book, "b", limits), Granted)


def test_settling_gives_back_what_was_not_taken_and_happens_once() -> None:
    book = Book()
    reserve(book, "a", ALL, Ask(tokens=5000, cost_micros=90))
    assert book.settle("a", Ask(tokens=100, cost_micros=7), ALL, now_us=NOW)
    assert not book.settle("a", Ask(tokens=0), ALL, now_us=NOW)
    assert reserve(book, "b", ALL).standing.tokens == 5900
    assert book.spent(now_us=NOW) == (7, 7, 7)
    assert list(book.live) == ["b"]


def test_a_debt_blocks_the_next_until_it_is_paid_back() -> None:
    book, limits = Book(), Limits(tokens_per_minute=600, money_per_hour=100)
    reserve(book, "a", limits, Ask(tokens=100, cost_micros=10))
    book.settle("a", Ask(tokens=1200, cost_micros=150), limits, now_us=NOW)
    assert book.spent(now_us=NOW)[0] == 150
    assert refusal(reserve(book, "b", limits, Ask(tokens=1))) == (Limit.TOKENS, 60_100_000)
    assert isinstance(reserve(book, "b", limits, Ask(tokens=1), at=60_100_000), Granted)
    assert refusal(reserve(book, "c", limits, Ask(cost_micros=1), at=60_100_000))[0] is Limit.HOUR
    assert isinstance(reserve(book, "c", limits, Ask(cost_micros=1), at=HOUR_US), Granted)


def test_usage_of_nothing_gives_everything_back() -> None:
    book = Book()
    reserve(book, "a", ALL, Ask(tokens=6000, cost_micros=100))
    book.settle("a", Ask(), ALL, now_us=NOW)
    assert isinstance(reserve(book, "b", ALL, Ask(tokens=6000, cost_micros=100)), Granted)


@pytest.mark.parametrize(("took", "in_next_hour"), [(10, 0), (60, 0), (75, 15)])
def test_the_next_hour_pays_only_for_what_the_last_one_had_not_set_aside(took: int, in_next_hour: int) -> None:
    book, limits = Book(hold_us=None), Limits(money_per_hour=100, money_per_day=1000)
    reserve(book, "a", limits, Ask(cost_micros=60))
    book.settle("a", Ask(cost_micros=took), limits, now_us=NOW + HOUR_US)
    assert book.spent(now_us=NOW + HOUR_US) == (in_next_hour, took, 0)


def test_a_reservation_that_nobody_renews_is_undone_and_charged_once_if_its_gateway_comes_back() -> None:
    book = Book()
    reserve(book, "a", ALL, Ask(tokens=6000, cost_micros=100))
    assert isinstance(reserve(book, "b", ALL, Ask(cost_micros=100), at=HOLD_US - 1), Refused)
    assert isinstance(reserve(book, "b", ALL, Ask(cost_micros=100), at=HOLD_US), Granted)
    assert list(book.live) == ["b"]
    late = NOW + HOLD_US + 1
    assert book.settle("a", Ask(tokens=50, cost_micros=3), ALL, now_us=late)
    assert not book.settle("a", Ask(tokens=50, cost_micros=3), ALL, now_us=late)
    assert book.spent(now_us=late)[1] == 103


def test_what_was_undone_is_forgotten_in_the_end() -> None:
    book = Book()
    reserve(book, "a", ALL)
    reserve(book, "b", ALL, at=HOLD_US)
    assert not book.settle("a", Ask(tokens=50), ALL, now_us=NOW + HOLD_US + UNDONE_US)


def test_renewing_keeps_a_long_answer_alive_and_revives_nothing() -> None:
    book = Book()
    reserve(book, "a", ALL)
    book.renew(["a", "stranger"], ALL, now_us=NOW + HOLD_US - 1)
    reserve(book, "b", ALL, at=2 * HOLD_US - 2)
    assert set(book.live) == {"a", "b"}
    book.renew(["a"], ALL, now_us=NOW + 2 * HOLD_US)
    assert set(book.live) == {"b"}


def test_where_nobody_else_could_renew_nothing_is_undone() -> None:
    book = Book(hold_us=None)
    reserve(book, "a", ALL)
    book.renew(["a"], ALL, now_us=NOW)
    reserve(book, "b", ALL, at=DAY_US)
    assert set(book.live) == {"a", "b"}


def test_many_are_undone_in_steps() -> None:
    book, limits = Book(), Limits(concurrency=1000)
    for number in range(UNDONE_AT_ONCE + 10):
        reserve(book, f"{number:04d}", limits)
    book.renew([], limits, now_us=NOW + HOLD_US)
    assert len(book.live) == 10
    book.renew([], limits, now_us=NOW + HOLD_US)
    assert not book.live


def test_what_holds_nothing_is_not_kept() -> None:
    book = Book()
    reserve(book, "a", Limits(requests_per_minute=5))
    assert not book.live
    assert not book.settle("a", Ask(), Limits(requests_per_minute=5), now_us=NOW)


def test_limits_may_change_under_way() -> None:
    book = Book()
    reserve(book, "a", Limits(requests_per_minute=60))
    assert reserve(book, "b", Limits(requests_per_minute=10, tokens_per_minute=100)).standing.requests == 9
    assert reserve(book, "c", Limits(requests_per_minute=60), at=MICRO).standing.requests == 9
    assert reserve(book, "d", Limits()).standing.requests == 0
    book.settle("b", Ask(tokens=5, cost_micros=5), Limits(), now_us=NOW)
    assert reserve(book, "e", Limits(requests_per_minute=60)).standing.requests == 59


# Leases

LARGE = Limits(requests_per_minute=6000, tokens_per_minute=600_000)


def lease(book: Book, holder: str, *, back=(0, 0), need=(1, 100), want=(60, 6000), at: int = 0):
    cells = [Slice(*(number * MICRO for number in pair)) for pair in (back, need, want)]
    return book.lease(holder, *cells, LARGE, now_us=NOW + at)


def test_a_lease_is_taken_out_of_the_bucket_when_it_is_given() -> None:
    book = Book()
    given = lease(book, "a")
    assert isinstance(given, Leased)
    assert given.slice == Slice(60 * MICRO, 6000 * MICRO)
    assert (given.standing.requests, given.standing.tokens) == (5940, 594_000)


def test_a_lease_is_what_is_there_and_at_least_what_is_needed() -> None:
    book = Book()
    reserve(book, "a", LARGE, Ask(requests=5990))
    given = lease(book, "w")
    assert isinstance(given, Leased)
    assert given.slice.requests == 10 * MICRO
    refused = lease(book, "x")
    assert isinstance(refused, Refused)
    assert refused.limit is Limit.REQUESTS


def test_what_is_out_on_lease_leaves_no_room_for_refill() -> None:
    book = Book()
    lease(book, "a")
    later = reserve(book, "b", LARGE, Ask(requests=0), at=LEASE_US - 1)
    assert later.standing.requests == 5940
    assert reserve(book, "b", LARGE, Ask(requests=0), at=LEASE_US + 10_000).standing.requests > 5940


def test_what_is_left_of_a_lease_comes_back_and_debts_with_it() -> None:
    book = Book()
    lease(book, "a")
    given = lease(book, "a", back=(60, -1000))
    assert given.standing.requests == 5940
    assert given.standing.tokens == 600_000 - 6000 - 1000 - 6000


@given(
    st.lists(
        st.tuples(
            st.integers(0, 400_000),
            st.sampled_from(["spend", "lease", "reserve", "return"]),
            st.sampled_from(["w0", "w1", "w2"]),
            st.integers(1, 30),
        ),
        max_size=60,
    )
)
def test_what_is_granted_never_exceeds_the_bucket_whatever_the_workers_do(steps) -> None:
    """Every window of time, not only the whole: used requests ≤ capacity + refill over the window."""
    limits = Limits(requests_per_minute=300)
    book, pots, deadlines, now = Book(), dict.fromkeys(("w0", "w1", "w2"), 0), {}, NOW
    used: list[tuple[int, int]] = []
    for pause, what, holder, count in steps:
        now += pause
        if now >= deadlines.get(holder, 0) and what in ("spend",):
            continue
        if what == "spend" and pots[holder] >= count:
            pots[holder] -= count
            used.append((now, count))
        elif what in ("lease", "return"):
            back, pots[holder] = pots[holder], 0
            need = Slice((count if what == "lease" else 0) * MICRO)
            answer = book.lease(holder, Slice(back * MICRO), need, need, limits, now_us=now)
            if isinstance(answer, Leased):
                # Whole requests only; what is below one goes back next time.
                pots[holder], deadlines[holder] = answer.slice.requests // MICRO, now + LEASE_US
        elif what == "reserve" and isinstance(
            book.reserve(f"{now}{len(used)}", Ask(requests=count), limits, now_us=now), Granted
        ):
            used.append((now, count))
    for first, (start, _) in enumerate(used):
        total = 0
        for end, count in used[first:]:
            total += count
            assert total * MICRO <= 300 * MICRO + 300 * (end - start) // 60 + 1
