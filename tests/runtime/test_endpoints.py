"""How endpoints are doing, what is chosen because of it, and that nothing of it widens to the cloud."""

import pytest

from gateway.core.breaker import BreakerRules, BreakerState
from gateway.core.labels import Label
from gateway.core.records import Ending
from gateway.core.topology import Endpoint, Pool, SageMakerTarget, Timeouts, Topology, Zone
from gateway.errors import (
    AuditUnavailable,
    ColdStart,
    Saturated,
    Unavailable,
    Unreachable,
    UpstreamFailed,
    UpstreamTimeout,
)
from gateway.ports import STALE
from gateway.runtime.choices import MAX_TRIES, Choices
from gateway.runtime.endpoints import Endpoints
from gateway.runtime.standing import State
from gateway.wire.metrics_text import ServerLoad
from tests.fakes.clock import FakeClock

ZONES = {"onprem": Zone("onprem", None), "cloud": Zone("cloud", None)}
A, B, C = (Endpoint(name, f"{name}.internal", 8000) for name in "abc")
FAILED = UpstreamFailed(detail="test")


def pool(name: str, *endpoints: Endpoint, zone: str = "onprem", **more) -> Pool:
    return Pool(name, zone, Label(0), "vllm", "m", endpoints, **more)


class World:
    """Endpoints of pools at home and in the cloud, and a clock."""

    def __init__(self, *pools: Pool, shut=None) -> None:
        self.clock = FakeClock()
        self.pools = pools or (pool("home", A, B), pool("other", C), pool("burst", Endpoint("cloud"), zone="cloud"))
        self.endpoints = Endpoints(Topology(self.pools), ZONES, self.clock, chance=lambda: 0.5, shut=shut)

    def trial(self, name: str, endpoint: Endpoint, *, is_first: bool = True):
        return self.endpoints.begin(name, endpoint, is_first=is_first, now=self.clock.now)

    def fail(self, name: str, endpoint: Endpoint, times: int = 5, error=FAILED) -> None:
        for _ in range(times):
            self.trial(name, endpoint).failed(error, self.clock.now)

    def succeed(self, name: str, endpoint: Endpoint, times: int = 1) -> None:
        for _ in range(times):
            self.trial(name, endpoint).ended(Ending.COMPLETED, self.clock.now)

    def view(self, endpoint: Endpoint):
        return next(view for view in self.endpoints.views() if view.endpoint == endpoint.name)

    def chosen(self, name: str, tried=()) -> set[str]:
        found = [self.endpoints.choose(name, prefix, tried) for prefix in range(64)]
        return {endpoint.name for endpoint in found if endpoint is not None}

    def choices(self) -> Choices:
        return Choices(self.endpoints, lambda: 7)


# Choosing


def test_all_that_is_well_is_chosen_and_what_has_been_tried_is_not():
    world = World()
    assert world.endpoints.is_calm
    assert world.chosen("home") == {"a", "b"}
    assert world.chosen("home", (A,)) == {"b"}
    assert world.chosen("home", (A, B)) == set()
    assert world.chosen("other") == {"c"}
    assert world.endpoints.is_alone("other")
    assert not world.endpoints.is_alone("home")


def test_one_beginning_goes_to_one_place_and_no_beginning_anywhere():
    world = World()
    assert len({world.endpoints.choose("home", 5).name for _ in range(20)}) == 1
    draws = iter([0.1, 0.9, 0.3, 0.7] * 10)
    endpoints = Endpoints(Topology(world.pools), ZONES, world.clock, chance=lambda: next(draws))
    assert {endpoints.choose("home", None).name for _ in range(8)} == {"a", "b"}


def test_an_endpoint_that_fails_is_passed_over_until_it_may_be_probed():
    world = World()
    world.fail("home", A)
    assert world.view(A).breaker is BreakerState.OPEN
    assert world.chosen("home") == {"b"}
    world.clock.now += 5.1
    assert world.chosen("home") == {"a", "b"}
    probe = world.trial("home", A)
    assert world.chosen("home") == {"b"}
    probe.ended(Ending.COMPLETED, world.clock.now)
    world.succeed("home", A, 2)
    assert world.view(A).breaker is BreakerState.CLOSED
    assert world.chosen("home") == {"a", "b"}
    assert world.endpoints.is_calm


def test_a_full_server_is_passed_over_for_as_long_as_it_said_and_is_not_broken():
    world = World()
    world.fail("home", A, 20, Saturated(retry_after_s=7))
    assert world.view(A).breaker is BreakerState.CLOSED
    assert world.view(A).saturated_s == 7
    world.clock.now += 6.9
    assert world.chosen("home") == {"b"}
    world.clock.now += 0.2
    assert world.chosen("home") == {"a", "b"}
    assert world.endpoints.is_calm


@pytest.mark.parametrize(("said", "believed"), [(3600, 60), (0, 1), (None, 1)])
def test_a_server_that_says_that_it_is_full_is_believed_for_a_second_at_least_and_a_minute_at_most(said, believed):
    world = World()
    world.fail("home", A, 1, Saturated(retry_after_s=said))
    assert world.view(A).saturated_s == believed


def test_a_shorter_word_does_not_take_back_a_longer_one():
    world = World()
    world.fail("home", A, 1, Saturated(retry_after_s=30))
    world.fail("home", A, 1, Saturated(retry_after_s=2))
    assert world.view(A).saturated_s == 30


@pytest.mark.parametrize(
    ("ending", "answered", "state"),
    [
        (Ending.COMPLETED, True, BreakerState.CLOSED),
        (Ending.UPSTREAM_REJECTED, False, BreakerState.CLOSED),
        (Ending.UPSTREAM_FAILED, False, BreakerState.OPEN),
        (Ending.UPSTREAM_FAILED, True, BreakerState.OPEN),
        (Ending.CLIENT_GONE, False, BreakerState.CLOSED),
        (Ending.CLIENT_GONE, True, BreakerState.CLOSED),
        (Ending.SEND_FAILED, True, BreakerState.CLOSED),
        (Ending.CANCELLED, False, BreakerState.CLOSED),
    ],
)
def test_only_what_an_endpoint_did_itself_counts_against_it(ending, answered, state):
    world = World()
    for _ in range(5):
        trial = world.trial("home", A)
        if answered:
            trial.answers(world.clock.now)
            trial.answers(world.clock.now)
        trial.ended(ending, world.clock.now)
        # Whatever is said of it later.
        trial.ended(Ending.UPSTREAM_FAILED, world.clock.now)
        trial.failed(FAILED, world.clock.now)
        trial.answers(world.clock.now)
        trial.drop()
    assert world.view(A).breaker is state
    assert world.view(A).in_flight == 0


def test_what_was_never_sent_or_met_a_stale_connection_says_nothing():
    world = World()
    for _ in range(9):
        world.trial("home", A).drop()
    world.fail("home", A, 9, UpstreamFailed(detail=STALE))
    assert world.view(A).breaker is BreakerState.CLOSED
    assert world.view(A).in_flight == 0


def test_a_probe_whose_client_leaves_makes_room_for_the_next():
    world = World()
    world.fail("home", A)
    world.clock.now += 5.1
    world.trial("home", A).drop()
    assert "a" in world.chosen("home")
    world.trial("home", A).ended(Ending.CLIENT_GONE, world.clock.now)
    assert "a" in world.chosen("home")


def test_the_first_token_is_waited_for_as_long_as_is_usual_there():
    world = World()
    timeouts = Timeouts(first_content_s=40.0)
    assert world.trial("home", A).first_content_s(timeouts, 100) == 40.0
    for _ in range(20):
        trial = world.trial("home", A)
        trial.answers(world.clock.now + 2.0)
    assert world.trial("home", A).first_content_s(timeouts, 100) == 8.0
    assert world.trial("home", B).first_content_s(timeouts, 100) == 40.0
    # What did not come in time counts as that long.
    for _ in range(32):
        world.trial("home", A).failed(UpstreamTimeout(), world.clock.now + 9.0)
    assert world.trial("home", A).first_content_s(timeouts, 100) == 36.0


def test_load_is_our_own_and_what_others_have_as_the_server_counted_it():
    world = World(pool("home", A, B))
    # A server with eighteen requests of others is passed over for one with a few of ours.
    world.endpoints.said("home", A, ServerLoad(18.0, 2.0, 0.5))
    world.endpoints.said("home", B, ServerLoad(0.0, 0.0))
    assert world.chosen("home") == {"b"}
    held = [world.trial("home", B) for _ in range(60)]
    assert world.chosen("home") == {"a"}
    world.endpoints.said("home", B, None)
    for trial in held:
        trial.drop()
    assert world.chosen("home") == {"b"}
    assert world.endpoints.server_load("home") == ServerLoad(18.0, 2.0, 0.5)
    world.endpoints.said("home", A, None)
    assert world.endpoints.server_load("home") is None


# What servers say


def test_a_server_that_twice_does_not_say_that_it_is_well_is_passed_over_until_it_does():
    world = World()
    world.endpoints.was_unwell("home", A, "status 503")
    assert world.chosen("home") == {"a", "b"}
    world.endpoints.was_well("home", A)
    world.endpoints.was_unwell("home", A, "status 503")
    world.endpoints.was_unwell("home", A, "status 503")
    world.endpoints.was_unwell("home", A, "status 503")
    assert world.chosen("home") == {"b"}
    assert not world.view(A).is_healthy
    assert world.endpoints.is_doubted("home", A)
    world.endpoints.was_well("home", A)
    assert world.chosen("home") == {"a", "b"}
    assert world.endpoints.is_calm


def test_a_server_seen_to_recover_is_probed_at_once_and_one_that_always_said_it_was_well_is_not():
    world = World(pool("home", A, B, breaker=BreakerRules(open_s=60.0)))
    world.fail("home", A)
    world.fail("home", B)
    world.endpoints.was_unwell("home", A, "connect timeout")
    world.clock.now += 2.0
    world.endpoints.was_well("home", A)
    world.endpoints.was_well("home", B)
    assert world.chosen("home") == {"a"}


def test_only_what_came_after_it_was_given_up_shows_that_it_recovered():
    world = World(pool("home", A, B, breaker=BreakerRules(open_s=60.0)))
    world.endpoints.was_unwell("home", A, "connect timeout")
    world.fail("home", A)
    world.endpoints.was_well("home", A)
    assert world.chosen("home") == {"b"}


# Names


def test_a_pool_that_goes_by_a_name_has_what_the_name_stands_for():
    named = pool("home", dns=Endpoint("gpu:80", "gpu", 80))
    world = World(named)
    assert world.endpoints.is_closed("home")
    assert world.endpoints.choose("home", 1) is None
    world.endpoints.resolved("home", [A, B])
    assert world.chosen("home") == {"a", "b"}
    assert world.endpoints.is_calm
    world.fail("home", A)
    late = world.trial("home", B)
    world.endpoints.resolved("home", [C, A])
    # What is known of those that stay is kept.
    assert world.view(A).breaker is BreakerState.OPEN
    assert world.chosen("home") == {"c"}
    late.failed(FAILED, world.clock.now)
    assert world.chosen("home") == {"c"}


def test_a_name_server_that_knows_nothing_takes_nothing_away():
    world = World(pool("home", A, dns=Endpoint("gpu:80", "gpu", 80)))
    world.endpoints.resolved("home", [])
    world.endpoints.resolved("home", [A])
    assert world.chosen("home") == {"a"}


def test_an_endpoint_that_is_gone_leaves_no_trouble_behind():
    world = World(pool("home", A, B, dns=Endpoint("gpu:80", "gpu", 80)))
    world.fail("home", A)
    late = [world.trial("home", A) for _ in range(5)]
    world.endpoints.resolved("home", [B])
    for trial in late:
        trial.failed(FAILED, world.clock.now)
    world.fail("home", A, 5)
    assert world.endpoints.is_calm
    assert world.endpoints.endpoints_of("home") == [B]


# Nothing left


def test_what_is_shut_is_closed_whatever_its_endpoints_do():
    is_shut = True
    world = World(shut={"other": lambda: is_shut})
    assert world.endpoints.is_closed("other")
    assert world.endpoints.choose("other", 1) is None
    assert not world.endpoints.is_closed("home")
    assert world.endpoints.last_resort(["other"]) is None
    is_shut = False
    assert world.chosen("other") == {"c"}


def test_the_last_endpoint_at_home_is_tried_although_it_is_broken_and_none_in_the_cloud_is():
    world = World()
    cloud = world.endpoints.endpoints_of("burst")[0]
    world.fail("home", A)
    assert world.endpoints.last_resort(["home", "burst"]) is None
    world.clock.now += 1
    world.fail("home", B)
    world.fail("burst", cloud)
    # In turns, since one of them may be well again.
    tried = [world.endpoints.last_resort(["burst", "home"]) for _ in range(4)]
    assert set(tried[:2]) == {("home", A), ("home", B)}
    assert tried[2:] == tried[:2]
    assert world.endpoints.last_resort(["burst"]) is None
    # Another at home that is well is the last healthy one, if the decision lists it.
    assert world.endpoints.last_resort(["home", "other"]) is None


def test_a_full_one_at_home_is_healthy_and_nothing_broken_is_tried_for_it():
    world = World()
    world.fail("home", A)
    world.fail("home", B, 1, Saturated(retry_after_s=3))
    assert world.endpoints.last_resort(["home"]) is None
    assert world.endpoints.retry_after_s(["home"]) == 3


def test_a_client_is_told_when_the_first_of_them_may_take_it():
    world = World()
    assert world.endpoints.retry_after_s([]) == 1
    world.fail("home", A)
    world.fail("home", B, 1, Saturated(retry_after_s=30))
    assert world.endpoints.retry_after_s(["home"]) == 5
    world.clock.now += 4.5
    assert world.endpoints.retry_after_s(["home"]) == 1


# One request's choices


def test_a_failed_request_goes_to_another_endpoint_of_its_pool_and_then_to_the_next_pool():
    world, choices = World(), None
    choices = world.choices()
    assert choices.left(("home", "other")) == ("home", "other")
    first = choices.endpoint("home")
    choices.learn("home", first, FAILED, 500)
    second = choices.endpoint("home")
    assert {first, second} == {A, B}
    choices.learn("home", second, FAILED, 500)
    assert choices.left(("home", "other")) == ("other",)
    assert choices.endpoint("home") is None
    assert not choices.is_over
    choices.learn("other", C, FAILED, 500)
    assert choices.is_over
    assert choices.tries == MAX_TRIES


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_pool_that_refuses_our_credential_refuses_it_everywhere(status):
    choices = World().choices()
    choices.learn("home", A, FAILED, status)
    assert choices.left(("home", "other")) == ("other",)
    assert choices.endpoint("home") is None


def test_what_was_not_the_servers_fault_is_no_try_and_takes_its_pool_away():
    choices = World().choices()
    choices.learn("home", A, AuditUnavailable(), None)
    assert choices.tries == 0
    assert choices.left(("home", "other")) == ("other",)


def test_a_stale_connection_is_tried_again_at_the_same_place_and_afresh():
    world, choices = World(), None
    choices = world.choices()
    choices.learn("home", A, UpstreamFailed(detail=STALE), None)
    assert choices.is_fresh
    assert choices.left(("home", "other")) == ("home", "other")
    assert choices.endpoint("home") == A
    choices.learn("home", A, FAILED, None)
    assert choices.endpoint("home") == B


def test_second_tries_end_with_the_budget_of_the_pool_that_failed():
    world = World()
    # As many as it takes to open a breaker.
    for _ in range(5):
        choices = world.choices()
        choices.learn("home", A, FAILED, 500)
        assert not choices.is_over
    choices = world.choices()
    choices.learn("home", A, FAILED, 500)
    assert choices.is_over
    # Each pool has its own.
    choices = world.choices()
    choices.learn("other", C, FAILED, 500)
    assert not choices.is_over
    # Requests make it grow.
    for _ in range(30):
        world.trial("home", A).drop()
    choices = world.choices()
    choices.learn("home", A, FAILED, 500)
    assert not choices.is_over


def test_whoever_is_tried_once_takes_no_second_tries_from_others():
    world = World()
    for _ in range(50):
        copy = world.choices()
        copy.once()
        copy.learn("home", A, FAILED, 500)
        assert copy.is_over
    choices = world.choices()
    choices.learn("home", A, FAILED, 500)
    assert not choices.is_over


@pytest.mark.parametrize("error", [Unreachable(), Saturated(retry_after_s=2)])
def test_what_no_server_has_worked_on_costs_no_budget(error):
    world = World()
    for _ in range(50):
        choices = world.choices()
        choices.learn("home", A, error, None)
        assert not choices.is_over


def test_a_server_that_is_merely_unavailable_costs_budget():
    world = World()
    ends = []
    for _ in range(6):
        choices = world.choices()
        choices.learn("home", A, Unavailable(), 503)
        ends.append(choices.is_over)
    assert ends == [False] * 5 + [True]


def test_with_everything_broken_one_is_tried_once():
    world = World(pool("home", A, B))
    world.fail("home", A)
    world.fail("home", B)
    choices = world.choices()
    assert choices.left(("home",)) == ()
    assert choices.resort(("home",)) == ("home",)
    assert choices.left(("home",)) == ("home",)
    endpoint = choices.endpoint("home")
    assert endpoint is not None
    choices.learn("home", endpoint, FAILED, 500)
    assert choices.left(("home",)) == ()
    assert choices.resort(("home",)) == ()


def test_with_everything_full_nothing_is_tried():
    world = World(pool("home", A))
    world.fail("home", A, 1, Saturated(retry_after_s=2))
    choices = world.choices()
    assert choices.left(("home",)) == choices.resort(("home",)) == ()


def test_what_answers_as_a_last_resort_is_trusted_again():
    world = World(pool("home", A))
    world.fail("home", A)
    world.succeed("home", A, 3)
    assert world.view(A).breaker is BreakerState.CLOSED
    assert world.chosen("home") == {"a"}


# Models that are started from nothing


def starting() -> World:
    target = SageMakerTarget("eu-central-1", cold_start_s=200.0)
    return World(pool("home", A), pool("burst", B, C, zone="cloud", sagemaker=target))


def test_a_start_is_no_failure_and_nobody_is_sent_there_meanwhile():
    world = starting()
    error = ColdStart()
    world.fail("burst", B, times=1, error=error)
    assert error.retry_after_s == 200.0
    assert (world.view(B).state, world.view(B).breaker) == (State.COLD, BreakerState.CLOSED)
    assert world.chosen("burst") == {"c"}
    assert world.endpoints.said_cold["burst"] == 1
    assert world.endpoints.opened["burst"] == world.endpoints.said_full["burst"] == 0
    world.clock.now += 10
    assert world.chosen("burst") == {"b", "c"}, "one looks whether it is up"


def test_however_often_a_start_is_met_no_breaker_opens():
    world = starting()
    for _ in range(20):
        world.fail("burst", B, times=1, error=ColdStart())
        world.clock.now += 10
    assert world.view(B).breaker is BreakerState.CLOSED
    assert world.view(B).state is State.COLD
    assert world.endpoints.opened["burst"] == 0


@pytest.mark.parametrize("streamed", [False, True])
def test_the_first_answer_ends_a_start_and_tells_how_long_one_takes(streamed):
    world = starting()
    for _ in range(10):
        world.fail("burst", B, times=1, error=ColdStart())
        world.clock.now += 10
    trial = world.trial("burst", B)
    if streamed:
        trial.answers(world.clock.now)
    else:
        trial.ended(Ending.COMPLETED, world.clock.now)
    assert (world.view(B).state, world.view(B).start_s) == (State.WELL, 100.0)
    error = ColdStart()
    world.fail("burst", B, times=1, error=error)
    assert error.retry_after_s == 150.0, "between what was thought and what was seen"


def test_while_all_are_being_started_the_caller_hears_that_and_for_how_long():
    world = starting()
    assert type(world.endpoints.unavailable(("burst",))) is Unavailable
    for endpoint in (B, C):
        world.fail("burst", endpoint, times=1, error=ColdStart())
    world.clock.now += 50
    error = world.endpoints.unavailable(("burst",))
    assert isinstance(error, ColdStart)
    assert error.retry_after_s == 150.0
    assert type(world.endpoints.unavailable(("home", "burst"))) is Unavailable


def test_what_is_not_sagemakers_is_merely_full_if_it_speaks_of_a_start():
    world = starting()
    world.fail("home", A, times=1, error=ColdStart(retry_after_s=7.0))
    assert world.view(A).state is State.FULL
    assert world.endpoints.retry_after_s(("home",)) == 7.0
