"""A worker spends its slices, asks for the next in time, and gives back what it does not spend."""

from gateway.core.quota import MICRO, Ask, Limit, Limits, Refused, Standing
from gateway.core.quota_book import Leased, Slice
from gateway.stores.quota_leases import LEASE_S, REFUSED_S, Pot

LIMITS = Limits(requests_per_minute=1000, tokens_per_minute=100_000)
ONE = Ask(tokens=10)


def whole(requests: int, tokens: int) -> Slice:
    return Slice(requests * MICRO, tokens * MICRO)


def filled(requests: int = 40, tokens: int = 4000, *, at: float = 0.0, pot: Pot | None = None) -> Pot:
    pot = pot or Pot(LIMITS, workers=1)
    number = pot.free()
    assert number is not None
    pot.ask(number, ONE)
    pot.answered(number, Leased(whole(requests, tokens), Standing(500, 50_000)), ONE, sent=at)
    return pot


def test_a_slice_is_spent_until_it_is_used_up() -> None:
    pot = filled(requests=3)
    told = [pot.take(ONE, 0.5) for _ in range(4)]
    assert told[:3] == [Standing(502, 53_990), Standing(501, 53_980), Standing(500, 53_970)]
    assert told[3] is None


def test_a_slice_is_over_after_its_time() -> None:
    assert filled().take(ONE, LEASE_S) is None


def test_a_request_may_need_more_than_one_slice_holds() -> None:
    pot = filled(requests=5, tokens=50, pot=filled(requests=5, tokens=50))
    assert isinstance(pot.take(Ask(tokens=80), 0.0), Standing)
    assert pot.take(Ask(tokens=30), 0.0) is None
    assert isinstance(pot.take(Ask(tokens=20), 0.0), Standing)


def test_the_next_slice_is_asked_for_when_the_last_runs_low_and_once_only() -> None:
    pot = filled()
    assert not pot.runs_low(0.0)
    for _ in range(21):
        pot.take(ONE, 0.0)
    assert pot.runs_low(0.0)
    number = pot.free()
    assert number is not None
    pot.ask(number, Ask(requests=0))
    assert not pot.runs_low(0.0)
    assert pot.free() is None


def test_where_a_slice_is_hardly_one_request_none_is_asked_for_ahead() -> None:
    pot = filled(tokens=4000)
    pot.take(Ask(tokens=3000), 0.0)
    assert not pot.runs_low(0.0)


def test_what_is_asked_for_is_a_share_or_what_all_who_wait_need() -> None:
    pot = Pot(LIMITS, workers=2)
    assert pot.ask(0, ONE) == (Slice(), whole(1, 10), whole(20, 2000))
    pot.answered(0, None, ONE, sent=0.0)
    for _ in range(50):
        pot.wait(ONE, 1)
    assert pot.ask(0, ONE)[2] == whole(50, 2000)
    pot.answered(0, None, ONE, sent=0.0)
    for _ in range(50):
        pot.wait(ONE, -1)
    assert pot.ask(0, ONE)[2] == whole(20, 2000)


def test_what_was_not_taken_goes_back_with_the_next_question() -> None:
    pot = filled()
    pot.take(Ask(tokens=1000), 0.0)
    pot.settle(Ask(tokens=1000), Ask(tokens=300))
    pot.answered(1, None, None, sent=0.0)
    back, need, want = pot.ask(0, None)
    assert back == whole(39, 3700)
    assert (need, want) == (Slice(), Slice())
    pot.answered(0, Leased(Slice(), Standing()), None, sent=0.0)
    assert pot.ask(0, None)[0] == Slice()


def test_a_debt_is_bounded() -> None:
    pot = filled()
    pot.settle(Ask(), Ask(tokens=10**9))
    assert pot.ask(0, None)[0].tokens == -60 * 100_000 * MICRO


def test_where_tokens_are_not_limited_nothing_is_owed() -> None:
    pot = Pot(Limits(requests_per_minute=1000), workers=1)
    pot.settle(Ask(tokens=5), Ask(tokens=500))
    assert pot.ask(0, ONE) == (Slice(), whole(1, 0), whole(40, 0))


def test_what_is_over_and_not_spent_must_be_returned() -> None:
    pot = filled(at=0.0)
    assert pot.must_return(0.5) is None
    number = pot.must_return(LEASE_S)
    assert number is not None
    assert pot.unspent() == (number,)
    pot.ask(number, None)
    assert pot.must_return(LEASE_S) is None
    assert pot.unspent() == ()


def test_much_that_is_owed_is_returned_before_its_time() -> None:
    pot = filled(pot=filled(at=0.0), at=0.0)
    pot.settle(Ask(tokens=9000), Ask(tokens=100))
    assert pot.must_return(0.5) is not None


def test_a_refusal_is_repeated_for_a_moment_to_whoever_asks_as_much() -> None:
    pot = Pot(LIMITS, workers=1)
    refused = Refused(Limit.TOKENS, 5 * MICRO)
    pot.ask(0, Ask(tokens=500))
    pot.answered(0, refused, Ask(tokens=500), sent=1.0)
    assert pot.take(Ask(tokens=500), 1.0) is refused
    assert pot.take(Ask(tokens=499), 1.0) is None
    assert pot.take(Ask(tokens=500), 1.0 + REFUSED_S) is None


def test_a_refusal_is_not_repeated_for_longer_than_it_holds() -> None:
    pot = Pot(LIMITS, workers=1)
    pot.ask(0, ONE)
    pot.answered(0, Refused(Limit.TOKENS, 1000), ONE, sent=1.0)
    assert pot.take(ONE, 1.002) is None
    pot.ask(0, ONE)
    never = Refused(Limit.TOKENS, None)
    pot.answered(0, never, ONE, sent=2.0)
    assert pot.take(ONE, 2.01) is never


def test_a_refusal_to_take_something_back_refuses_nobody() -> None:
    pot = Pot(LIMITS, workers=1)
    pot.ask(0, None)
    pot.answered(0, Refused(Limit.TOKENS, 5 * MICRO), None, sent=1.0)
    assert pot.take(ONE, 1.0) is None
