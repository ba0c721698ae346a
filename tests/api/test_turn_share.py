"""Requests that begin share a turn of the loop with the streams: who begins at once, who waits, and in which order.

The clock is the test's; the loop is real, and a turn is one pass through what it has ready.
"""

import asyncio

import pytest

from gateway.api.plane import DataPlane, Limits
from gateway.api.turn_share import SHARE_S, TurnShare
from gateway.errors import NotFound
from gateway.ports import Inbound
from tests.api.test_openai_connection import ByHand

COST_S = SHARE_S / 3.5
"""What one request costs here: four begin in a share."""


class Clock:
    """Stands still, but for what requests cost."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Burst:
    """Requests that come in a turn of their own, and which of them began in which turn."""

    def __init__(self, clock):
        self.clock = clock
        self.share = TurnShare(clock)
        self.turns = [[]]

    def come(self, *names, cost_s=COST_S):
        for name in names:
            if self.share.is_left():
                self.begin(name, cost_s)
            else:
                self.share.put_off(lambda name=name: self.begin(name, cost_s))

    def begin(self, name, cost_s):
        self.clock.now += cost_s
        self.turns[-1].append(name)

    async def pass_turns(self, count):
        for _ in range(count):
            self.turns.append([])
            await asyncio.sleep(0)


@pytest.fixture
async def burst():
    return Burst(Clock())


async def test_as_many_begin_in_one_turn_as_its_share_lasts_and_the_rest_in_the_order_in_which_they_came(burst):
    burst.come(*range(10))
    await burst.pass_turns(3)
    assert burst.turns == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9], []]


async def test_nobody_overtakes_those_who_wait(burst):
    burst.come(*range(9))
    await burst.pass_turns(1)
    # The share of this turn is spent, and one still waits: however late it gets, whoever comes goes behind.
    burst.clock.now += 100 * SHARE_S
    burst.come(9)
    await burst.pass_turns(1)
    assert burst.turns == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


async def test_what_is_left_of_a_share_behind_those_who_waited_is_for_whoever_comes(burst):
    burst.come(*range(6))
    await burst.pass_turns(1)
    burst.come(6, 7, 8)
    assert burst.turns[-1] == [4, 5, 6, 7]
    await burst.pass_turns(1)
    assert burst.turns[-1] == [8]


@pytest.mark.parametrize(
    ("turns", "later_s", "begins_at_once"),
    [
        (0, 0.5 * SHARE_S, True),
        (0, 1.5 * SHARE_S, False),
        (0, 9.0 * SHARE_S, False),
        (1, 0.5 * SHARE_S, True),
        (1, 1.5 * SHARE_S, True),
    ],
)
async def test_a_share_that_is_spent_is_anew_in_the_next_turn_and_not_before(burst, turns, later_s, begins_at_once):
    burst.come("first", cost_s=0)
    await burst.pass_turns(turns)
    burst.clock.now += later_s
    burst.come("second", cost_s=0)
    assert ("second" in burst.turns[-1]) is begins_at_once
    await burst.pass_turns(1)
    assert [name for turn in burst.turns for name in turn] == ["first", "second"]


async def test_a_turn_has_two_shares_at_the_most_where_one_was_left_of_the_turn_before(burst):
    burst.come(0)
    await burst.pass_turns(1)
    burst.come(*range(1, 12))
    assert burst.turns == [[0], [1, 2, 3, 4, 5, 6, 7]]


async def test_each_turn_takes_up_one_at_least_however_long_that_takes(burst):
    burst.come(*range(4), cost_s=10 * SHARE_S)
    await burst.pass_turns(3)
    assert burst.turns == [[0], [1], [2], [3]]


async def test_one_that_fails_holds_up_nobody_behind_it(burst):
    failures = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context["exception"]))
    burst.come(*range(4))

    def fail():
        raise ValueError("of the test")

    burst.share.put_off(fail)
    burst.come("next")
    await burst.pass_turns(2)
    assert [type(failure) for failure in failures] == [ValueError]
    assert burst.turns[1:] == [[], ["next"]]
    burst.come("last")
    assert burst.turns[-1] == ["next", "last"]


async def test_all_who_wait_begin_in_the_next_turn_where_there_is_none_after_it(burst):
    burst.come(*range(12))
    burst.share.begin_all()
    await burst.pass_turns(1)
    assert burst.turns == [[0, 1, 2, 3], [4, 5, 6, 7, 8, 9, 10, 11]]
    burst.come("later")
    await burst.pass_turns(1)
    assert burst.turns[-1] == ["later"]


# A plane of which the share is spent


class Answer:
    """As much of an answer as the plane and `ByHand` ask for."""

    def __init__(self):
        self.is_gone = self.is_aborted = self.is_finished = False
        self.status = None

    def start(self, status, headers, *, length):
        self.status = status

    def finish(self):
        self.is_finished = True

    def abort(self):
        self.is_aborted = True


class Failing(ByHand):
    def models(self, inbound, downstream, model):
        raise ValueError("of the test")


def inbound_of(model):
    return Inbound(method=b"GET", path=b"/v1/models/" + model, authorization=None, body=b"", received_at=0.0)


def spent_plane(pipeline):
    """A plane on which nobody begins before the next turn."""
    clock = Clock()
    share = TurnShare(clock)
    assert share.is_left()
    clock.now += SHARE_S
    return DataPlane(pipeline, Limits(), share=share)


async def test_a_request_that_waits_is_served_in_the_next_turn_and_a_refusal_behind_it():
    pipeline, model, refused = ByHand(), Answer(), Answer()
    plane = spent_plane(pipeline)
    plane.serve(inbound_of(b"A"), model, None)
    plane.serve(inbound_of(b"B"), refused, NotFound())
    assert not pipeline.open
    assert refused.status is None
    await asyncio.sleep(0)
    assert pipeline.open == {"A": model}
    assert refused.status == 404


async def test_who_leaves_while_waiting_is_not_served():
    pipeline, gone, stays = ByHand(), Answer(), Answer()
    plane = spent_plane(pipeline)
    plane.serve(inbound_of(b"A"), gone, None)
    plane.serve(inbound_of(b"B"), stays, None)
    gone.is_gone = True
    await asyncio.sleep(0)
    assert pipeline.open == {"B": stays}


async def test_a_fault_of_ours_behind_a_wait_cuts_the_connection():
    failures = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context["exception"]))
    answer = Answer()
    spent_plane(Failing()).serve(inbound_of(b"A"), answer, None)
    await asyncio.sleep(0)
    assert answer.is_aborted
    assert [type(failure) for failure in failures] == [ValueError]


async def test_a_drain_ends_also_those_who_still_waited():
    class Ended(ByHand):
        """Remembers who had begun when all were ended."""

        begun = ()

        def cancel_all(self):
            self.begun = tuple(self.open)

    pipeline = Ended()
    plane = spent_plane(pipeline)
    for model in (b"A", b"B"):
        plane.serve(inbound_of(model), Answer(), None)
    await plane.drain(0)
    assert pipeline.begun == ("A", "B")
