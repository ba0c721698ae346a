"""Which endpoint gets a request: the same for every gateway, near where its beginning was read, and never a pile."""

import random
from collections import Counter, OrderedDict
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.balance import BalanceRules, pick_by_load, pick_by_prefix, rank, seed_of

RULES = BalanceRules()
numbers = st.integers(0, (1 << 64) - 1)


@dataclass
class Endpoint:
    name: str
    load: float = 0.0

    def __post_init__(self) -> None:
        self.seed = seed_of(self.name)


def endpoints(*loads: float) -> list[Endpoint]:
    return [Endpoint(f"10.0.0.{number}:8000", load) for number, load in enumerate(loads)]


def idle(count: int) -> list[Endpoint]:
    return endpoints(*[0.0] * count)


@given(st.lists(st.floats(0, 500), min_size=1, max_size=9), numbers, st.randoms(use_true_random=False))
def test_the_order_in_which_endpoints_are_listed_does_not_matter(loads, prefix, chance):
    listed = endpoints(*loads)
    shuffled = listed.copy()
    chance.shuffle(shuffled)
    # Two of exactly the same load are told apart by their place in the order of the prefix.
    assert pick_by_prefix(listed, prefix, RULES).name == pick_by_prefix(shuffled, prefix, RULES).name
    assert pick_by_load(listed, prefix).name == pick_by_load(shuffled, prefix).name


@given(numbers, st.integers(2, 12))
def test_an_endpoint_that_goes_away_moves_only_what_was_its_own(prefix, count):
    listed = idle(count)
    first = pick_by_prefix(listed, prefix, RULES)
    for gone in listed:
        left = [one for one in listed if one is not gone]
        if gone is not first:
            assert pick_by_prefix(left, prefix, RULES) is first


@given(st.lists(st.integers(0, 500), min_size=2, max_size=9), numbers)
def test_none_is_picked_above_its_share_while_another_is_within(loads, prefix):
    listed = endpoints(*loads)
    picked = pick_by_prefix(listed, prefix, RULES)
    share = RULES.bound * sum(loads) / len(loads) + RULES.slack
    first, *others = sorted(listed, key=lambda one: rank(one.seed, prefix), reverse=True)
    if first.load < share:
        assert picked is first
    else:
        # Not all can be above the mean.
        two = [one for one in others if one.load < share][:2]
        assert picked in two
        assert picked.load == min(one.load for one in two)


@given(numbers)
def test_by_load_the_less_busy_of_two_is_taken(chance):
    busy, free = endpoints(5.0, 1.0)
    assert pick_by_load([busy, free], chance) is free
    assert pick_by_load([busy], chance) is busy
    assert pick_by_prefix([busy], chance, RULES) is busy


def test_beginnings_spread_evenly():
    listed = idle(8)
    chance = random.Random(7)
    counted = Counter(pick_by_prefix(listed, chance.getrandbits(64), RULES).name for _ in range(16_000))
    assert len(counted) == 8
    assert max(counted.values()) < 1.1 * 2000
    assert min(counted.values()) > 0.9 * 2000


# A simulation: conversations of many turns, answered by endpoints that remember the last so many of them.


@dataclass
class Figures:
    hits: float
    busiest: float


def simulated(gateways: int, *, by_prefix: bool = True, hot: float = 0.0, seed: int = 11) -> Figures:
    """What share of turns meets an endpoint that remembers the turn before, and how uneven the load becomes.

    Gateways know their own requests at once, and those of the others as of the last poll, 40 arrivals ago. A share of
    `hot` turns begins like one and the same conversation.
    """
    chance = random.Random(seed)
    count, kept, in_flight, turns, every = 8, 60, 160, 12_000, 40
    names = [endpoint.name for endpoint in idle(count)]
    views = [idle(count) for _ in range(gateways)]
    own = [Counter() for _ in range(gateways)]
    polled: list[tuple[Counter, Counter]] = [(Counter(), Counter()) for _ in range(gateways)]
    truth: Counter = Counter()
    memory = {name: OrderedDict() for name in names}
    running: list[tuple[int, str]] = []
    hits = seen = 0
    busiest = 0.0
    known: set[int] = set()
    for turn in range(turns):
        conversation = 0 if chance.random() < hot else chance.randrange(1, 400)
        gateway = chance.randrange(gateways)
        exported, own_then = polled[gateway]
        for endpoint in views[gateway]:
            name = endpoint.name
            endpoint.load = max(own[gateway][name], exported[name] + own[gateway][name] - own_then[name])
        prefix = random.Random(conversation).getrandbits(64)
        if by_prefix:
            picked = pick_by_prefix(views[gateway], prefix, RULES).name
        else:
            picked = pick_by_load(views[gateway], chance.getrandbits(64)).name
        if conversation in known:
            seen += 1
            hits += conversation in memory[picked]
        known.add(conversation)
        memory[picked][conversation] = None
        memory[picked].move_to_end(conversation)
        if len(memory[picked]) > kept:
            memory[picked].popitem(last=False)
        truth[picked] += 1
        own[gateway][picked] += 1
        running.append((gateway, picked))
        if len(running) > in_flight:
            of, done = running.pop(chance.randrange(len(running)))
            truth[done] -= 1
            own[of][done] -= 1
            busiest = max(busiest, max(truth.values()) / (in_flight / count))
        if turn % every == 0:
            polled = [(truth.copy(), own[number].copy()) for number in range(gateways)]
    return Figures(hits / seen, busiest)


def test_eight_gateways_meet_the_same_memories_as_one_within_a_few_percent():
    one, eight = simulated(1), simulated(8)
    assert one.hits > 0.9
    assert eight.hits > one.hits - 0.03


def test_beginnings_are_worth_it():
    assert simulated(8).hits > simulated(8, by_prefix=False).hits + 0.5


@pytest.mark.parametrize(("gateways", "most"), [(1, 1.5), (8, 2.5)])
def test_a_beginning_that_everybody_shares_does_not_pile_up(gateways, most):
    # Left alone it would load its endpoint with five times the mean. Eight gateways know of one another late.
    assert simulated(gateways, hot=0.6).busiest < most


def test_one_above_its_share_is_passed_over_for_another_within():
    prefix = 7
    listed = idle(4)
    first = pick_by_prefix(listed, prefix, RULES)
    first.load = 100.0
    assert pick_by_prefix(listed, prefix, RULES) is not first


def test_the_only_one_is_taken_however_busy_it_is():
    (only,) = endpoints(1e9)
    assert pick_by_prefix([only], 7, RULES) is only
