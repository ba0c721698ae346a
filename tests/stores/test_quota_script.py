"""The script in Redis does what the pure book does, to the last millionth, over any history and at any time."""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.quota import DAY_US, HOUR_US, MICRO, MOST_PER_MINUTE, Ask, Limits
from gateway.core.quota_book import Book, Slice
from gateway.stores import quota_script as script
from gateway.stores.redis_connection import Script
from tests.fakes.valkey import Valkey, running_valkey

TIME = "redis.call('TIME')"
START_US = 1_790_000_000 * MICRO
KEYS = ("a", "b", "c", "d")
HOLDERS = ("w0", "w1")


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    with running_valkey() as server:
        yield server


def told_the_time() -> Script:
    """The script with a clock that the test winds: there is no such thing in the one that is shipped."""
    source = script.quota_script().source
    assert source.count(TIME) == 1
    return Script(
        source.replace(TIME, "{ARGV[#ARGV - 1], ARGV[#ARGV]}")
        .replace("#ARGV, 3 do", "#ARGV - 2, 3 do")
        .replace("for index = 8, #ARGV do", "for index = 8, #ARGV - 2 do")
    )


amounts = st.one_of(st.integers(0, 50), st.integers(0, 10**6), st.sampled_from([10**9, 10**13]))
slices = st.builds(Slice, st.integers(-60 * MICRO, 60 * MICRO), st.integers(-(10**9), 10**10))
needs = st.builds(Slice, st.integers(0, 5).map(lambda n: n * MICRO), st.integers(0, 500).map(lambda n: n * MICRO))
some = st.one_of(st.none(), st.integers(1, 30), st.integers(1, 10**5), st.just(MOST_PER_MINUTE))
money = st.one_of(st.none(), st.integers(0, 10**4), st.integers(0, 10**15))
limits = st.builds(
    Limits,
    requests_per_minute=some,
    tokens_per_minute=some,
    concurrency=st.one_of(st.none(), st.integers(1, 3)),
    money_per_hour=money,
    money_per_day=money,
    money_per_month=money,
)
pauses = st.one_of(
    st.integers(0, 3 * MICRO),
    st.integers(0, 130 * MICRO),
    st.integers(0, 2 * HOUR_US),
    st.integers(0, 40 * DAY_US),
    st.integers(-5 * MICRO, 0),  # a replica took over, whose clock is behind
)
steps = st.tuples(
    pauses,
    st.one_of(
        st.tuples(st.just("reserve"), st.sampled_from(KEYS), st.builds(Ask, amounts, amounts, st.integers(0, 3))),
        st.tuples(
            st.just("settle"), st.lists(st.tuples(st.sampled_from(KEYS), st.builds(Ask, amounts, amounts)), min_size=1)
        ),
        st.tuples(st.just("renew"), st.lists(st.sampled_from(KEYS), unique=True)),
        st.tuples(st.just("lease"), st.sampled_from(HOLDERS), slices, needs, needs),
        st.tuples(st.just("limits"), limits),
    ),
)


def by_book(book: Book, step, held: Limits, now_us: int):
    match step:
        case ("reserve", key, ask):
            return book.reserve(key, ask, held, now_us=now_us)
        case ("settle", settled):
            return sum([book.settle(key, took, held, now_us=now_us) for key, took in settled])
        case ("renew", keys):
            before = set(book.live)
            book.renew(keys, held, now_us=now_us)
            return before
        case ("lease", holder, back, need, want):
            return book.lease(holder, back, need, want, held, now_us=now_us)


async def by_script(redis, shipped: Script, names, step, held: Limits, now_us: int):
    match step:
        case ("reserve", key, ask):
            own, read = script.to_reserve(key, ask), script.answer_of
        case ("settle", settled):
            own, read = script.to_settle(settled), script.count_of
        case ("renew", keys):
            own, read = tuple(keys), script.live_of
        case ("lease", holder, back, need, want):
            own, read = script.to_lease(holder, back, need, want), script.lease_of
    clock = divmod(now_us, MICRO)
    reply = await redis.call(shipped, names, (step[0], *script.limits_of(held), *own, *clock))
    return read(reply), script.live_of(reply), script.spent_of(reply)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(limits, st.lists(steps, max_size=25))
def test_script_and_book_are_the_same(valkey: Valkey, held: Limits, history) -> None:
    async def compare() -> None:
        valkey.ask("FLUSHALL")
        book, now_us, current = Book(), START_US, held
        shipped, names = told_the_time(), script.keys_of("t", "tenant:acme")
        async with valkey.connection(timeout_s=5.0) as redis:
            for pause, step in history:
                now_us += pause
                if step[0] == "limits":
                    current = step[1]
                    continue
                expected = by_book(book, step, current, now_us)
                answer, live, spent = await by_script(redis, shipped, names, step, current, now_us)
                if step[0] != "renew":
                    assert answer == expected
                assert live == len(book.live)
                assert spent == book.spent(now_us=now_us)

    asyncio.run(compare())


def test_everything_of_one_subject_lies_in_one_slot_and_says_its_version() -> None:
    names = script.keys_of("t", "tenant:a{b}c%7D")
    assert {name[name.index("{") : name.index("}") + 1] for name in map(bytes.decode, names)} == {
        "{tenant:a%7Bb%7Dc%257D}"
    }
    assert all(name.startswith(b"t:q1:") for name in names)
    assert set(script.keys_of("t", "a}")).isdisjoint(script.keys_of("t", "a%7D"))


@pytest.mark.parametrize(
    "reply", [None, b"OK", [], [1] * 13, b"0 " * 12, b"0 " * 12 + b"x", b"7" + b" 0" * 12, b"-1" + b" 0" * 12]
)
def test_an_answer_that_the_script_never_gives_is_none(reply) -> None:
    with pytest.raises(script.Garbled):
        script.answer_of(reply)
