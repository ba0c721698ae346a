"""The relay machine: five endings, one settlement, and nothing after it."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.exchange import (
    HEARTBEAT,
    MAX_HELD,
    Action,
    Actions,
    Answer,
    Drop,
    Exchange,
    Finish,
    OpenStream,
    Patience,
    PauseUpstream,
    Refuse,
    ResumeUpstream,
    Retry,
    Send,
    SendError,
    Settle,
    StopUpstream,
)
from gateway.core.records import Ending
from gateway.errors import Overloaded, TidegateError, Unavailable, UpstreamFailed, UpstreamRejected, UpstreamTimeout

PATIENCE = Patience(heartbeat_s=10, total_s=600, blocked_s=30)
FAILED = UpstreamFailed(detail="test")
REJECTED = UpstreamRejected(422)


def exchange(*, streamed: bool = True, running: bool = True) -> Exchange:
    machine = Exchange(streamed=streamed, now=0.0, patience=PATIENCE)
    if running:
        machine.attempt(first_content_s=5, idle_s=15, total_s=600, now=0.0)
    return machine


def flowing() -> Exchange:
    machine = exchange()
    machine.events(b"data: a\n\n", has_content=True, now=1.0)
    return machine


def test_a_stream_opens_with_its_first_content_and_sends_what_was_held_before_it():
    machine = exchange()
    assert machine.events(b"role", has_content=False, now=1.0) == ()
    assert not machine.is_open
    assert machine.events(b"+text", has_content=True, now=1.1) == (OpenStream(), Send(b"role+text"))
    assert machine.events(b"+more", has_content=True, now=1.2) == (Send(b"+more"),)
    assert machine.complete(b"[DONE]") == (Send(b"[DONE]"), Finish(), Settle(Ending.COMPLETED))
    assert machine.is_over


def test_a_whole_answer_may_be_sent_as_it_is_once_and_only_while_its_attempt_runs():
    assert not exchange(streamed=False, running=False).completes()
    assert not exchange(streamed=True).completes()
    for has_begun in (False, True):
        machine = exchange(streamed=False)
        if has_begun:
            machine.bytes_arrived(now=1.0)
        assert machine.completes()
        assert machine.is_over
        assert not machine.is_running
        assert not machine.completes()
        assert machine.complete(b"{}") == ()
        assert machine.client_gone() == ()


def test_events_may_go_straight_on_only_while_an_open_stream_flows():
    machine = exchange()
    assert not machine.flows(now=1.0)
    machine.events(b"text", has_content=True, now=1.1)
    assert machine.flows(now=14.0)
    # It was heard, and it spoke: neither a stall nor a heartbeat is due.
    assert machine.next_deadline() == 29.0
    machine.client_gone()
    assert not machine.flows(now=14.1)
    assert not exchange(streamed=False).flows(now=1.0)


def test_a_stream_that_is_complete_in_one_piece_is_opened_and_finished():
    machine = exchange()
    machine.events(b"role", has_content=False, now=1.0)
    assert machine.complete(b"+all") == (OpenStream(), Send(b"role+all"), Finish(), Settle(Ending.COMPLETED))


def test_an_unstreamed_answer_is_sent_whole():
    machine = exchange(streamed=False)
    machine.bytes_arrived(now=1.0)
    assert machine.complete(b"{}") == (Answer(b"{}"), Settle(Ending.COMPLETED))


@pytest.mark.parametrize("error", [FAILED, UpstreamTimeout(), Unavailable()])
def test_before_content_another_place_may_be_tried_and_nothing_of_the_first_is_sent(error):
    machine = exchange()
    machine.events(b"role of the first", has_content=False, now=1.0)
    assert machine.fail(error) == (StopUpstream(), Retry(error))
    machine.attempt(first_content_s=5, idle_s=15, total_s=600, now=2.0)
    assert machine.events(b"second", has_content=True, now=2.1) == (OpenStream(), Send(b"second"))


def test_a_request_that_the_model_server_rejects_is_not_tried_elsewhere():
    assert exchange().fail(REJECTED) == (StopUpstream(), Refuse(REJECTED), Settle(Ending.UPSTREAM_REJECTED, REJECTED))


def test_after_content_a_fault_is_an_error_event_and_never_a_done():
    assert flowing().fail(FAILED) == (
        StopUpstream(),
        SendError(FAILED),
        Finish(),
        Settle(Ending.UPSTREAM_FAILED, FAILED),
    )


def test_an_unstreamed_answer_that_breaks_off_is_an_error_and_is_not_tried_again():
    machine = exchange(streamed=False)
    machine.bytes_arrived(now=1.0)
    assert machine.fail(FAILED) == (StopUpstream(), Refuse(FAILED), Settle(Ending.UPSTREAM_FAILED, FAILED))


def test_an_unstreamed_answer_that_is_none_may_be_asked_for_elsewhere():
    machine = exchange(streamed=False)
    machine.bytes_arrived(now=1.0)
    assert machine.fail_without_content(FAILED) == (StopUpstream(), Retry(FAILED))
    assert machine.fail_without_content(FAILED) == ()


def test_a_head_that_is_followed_by_nothing_is_a_stall_and_may_be_tried_elsewhere():
    machine = exchange(streamed=False)
    machine.head_arrived(now=2.0)
    assert machine.next_deadline() == 17.0
    assert [type(action) for action in machine.timer(now=17.0)] == [StopUpstream, Retry]


def test_a_stream_without_content_is_not_held_for_ever():
    machine = exchange()
    assert machine.events(b"x" * (MAX_HELD - 1), has_content=False, now=1.0) == ()
    actions = machine.events(b"xx", has_content=False, now=1.1)
    assert [type(action) for action in actions] == [StopUpstream, Retry]


def test_a_request_that_turns_out_to_ask_for_a_stream_is_kept_alive():
    machine = exchange(streamed=False, running=False)
    machine.expect_stream()
    assert machine.timer(now=10.0) == (OpenStream(), Send(HEARTBEAT))


def test_giving_up_answers_with_the_last_error():
    machine = exchange()
    machine.fail(FAILED)
    assert machine.give_up(FAILED) == (Refuse(FAILED), Settle(Ending.UPSTREAM_FAILED, FAILED))
    assert machine.give_up(FAILED) == ()


def test_a_refusal_by_the_gateway_itself_is_named_so():
    full = Overloaded()
    assert exchange(running=False).give_up(full, ending=Ending.REFUSED) == (Refuse(full), Settle(Ending.REFUSED, full))


@pytest.mark.parametrize(
    ("machine", "before"),
    [(exchange, (StopUpstream(),)), (flowing, (StopUpstream(),)), (lambda: exchange(running=False), ())],
)
def test_a_client_that_leaves_stops_the_upstream_and_is_told_nothing(machine, before):
    subject = machine()
    assert subject.client_gone() == (*before, Settle(Ending.CLIENT_GONE))
    assert subject.client_gone() == ()


def test_a_send_that_fails_drops_the_client():
    assert flowing().send_failed() == (StopUpstream(), Drop(), Settle(Ending.SEND_FAILED))


def test_a_gateway_that_stops_says_so():
    waiting, open_stream, idle = exchange(), flowing(), exchange(running=False)
    for machine, kinds in [
        (waiting, [StopUpstream, Refuse, Settle]),
        (open_stream, [StopUpstream, SendError, Finish, Settle]),
        (idle, [Refuse, Settle]),
    ]:
        actions = machine.cancelled()
        assert [type(action) for action in actions] == kinds
        assert isinstance(actions[-1], Settle)
        assert actions[-1].ending is Ending.CANCELLED
        assert machine.cancelled() == ()


@pytest.mark.parametrize(("now", "actions"), [(9.9, ()), (10.0, (OpenStream(), Send(HEARTBEAT)))])
def test_a_stream_that_waits_is_kept_alive_by_comments(now, actions):
    machine = exchange(running=False)
    assert machine.timer(now=now) == actions


def test_heartbeats_repeat_and_after_one_a_refusal_is_an_event():
    machine = exchange(running=False)
    machine.timer(now=10.0)
    assert machine.timer(now=19.9) == ()
    assert machine.timer(now=20.0) == (Send(HEARTBEAT),)
    assert machine.give_up(FAILED) == (SendError(FAILED), Finish(), Settle(Ending.UPSTREAM_FAILED, FAILED))


def test_no_heartbeat_is_sent_where_the_answer_is_not_a_stream():
    machine = exchange(streamed=False, running=False)
    assert machine.next_deadline() == 600
    assert machine.timer(now=100.0) == ()


def test_a_model_server_without_a_first_token_in_time_is_left_for_another():
    machine = exchange()
    assert machine.next_deadline() == 5.0
    actions = machine.timer(now=5.0)
    assert actions[0] == StopUpstream()
    assert isinstance(actions[1], Retry)
    assert isinstance(actions[1].error, UpstreamTimeout)


def test_a_stream_that_stalls_is_an_error_after_the_idle_limit():
    machine = flowing()
    machine.bytes_arrived(now=3.0)
    assert machine.next_deadline() == 18.0
    assert machine.timer(now=17.9) == ()
    assert [type(action) for action in machine.timer(now=18.0)] == [StopUpstream, SendError, Finish, Settle]


def test_the_total_deadline_ends_everything():
    for machine, kinds in [
        (exchange(streamed=False), [StopUpstream, Refuse, Settle]),
        (exchange(streamed=False, running=False), [Refuse, Settle]),
    ]:
        assert [type(action) for action in machine.timer(now=600.0)] == kinds


def test_a_pool_can_shorten_the_total_deadline_and_never_lengthen_it():
    for total_s, deadline in [(7.0, 7.0), (9999.0, 600.0)]:
        machine = exchange(streamed=False, running=False)
        machine.attempt(first_content_s=5, idle_s=15, total_s=total_s, now=1.0)
        assert machine.next_deadline() == deadline


@pytest.mark.parametrize("running", [False, True])
def test_the_clients_own_deadline_ends_everything_and_is_nobodys_fault(running):
    machine = exchange(running=False)
    machine.limit(3.0)
    if running:
        machine.attempt(first_content_s=5, idle_s=15, total_s=600, now=1.0)
    assert machine.given_s == 3.0
    assert machine.next_deadline() == 3.0
    assert machine.timer(now=2.99) == ()
    *stop, refuse, settle = machine.timer(now=3.0)
    assert stop == [StopUpstream()] * running
    assert isinstance(refuse, Refuse)
    assert (refuse.error.http_status, refuse.error.error_code) == (504, "deadline_exceeded")
    assert settle == Settle(Ending.DEADLINE, refuse.error)


def test_a_stream_that_has_begun_ends_with_an_error_event_at_its_clients_deadline():
    machine = exchange(running=False)
    machine.limit(3.0)
    machine.attempt(first_content_s=5, idle_s=15, total_s=600, now=0.0)
    machine.events(b"data: a\n\n", has_content=True, now=1.0)
    stop, event, finish, settle = machine.timer(now=3.0)
    assert (stop, finish) == (StopUpstream(), Finish())
    assert isinstance(event, SendError)
    assert settle == Settle(Ending.DEADLINE, event.error)


@pytest.mark.parametrize("given_s", [600.0, 1e9])
def test_a_client_that_waits_as_long_as_the_pool_does_shortens_nothing(given_s):
    machine = exchange(running=False)
    machine.limit(given_s)
    machine.attempt(first_content_s=1e6, idle_s=15, total_s=600, now=0.0)
    *_, settle = machine.timer(now=600.0)
    assert settle.ending is Ending.UPSTREAM_FAILED
    assert isinstance(settle.error, UpstreamTimeout)


def test_a_slow_reader_pauses_the_model_server_and_is_dropped_when_it_stays_slow():
    machine = flowing()
    assert machine.client_full(now=10.0) == (PauseUpstream(),)
    assert machine.client_full(now=11.0) == ()
    assert machine.next_deadline() == 40.0
    assert machine.timer(now=40.0) == (StopUpstream(), Drop(), Settle(Ending.SEND_FAILED))


def test_a_reader_that_catches_up_is_not_blamed_on_the_model_server():
    machine = flowing()
    machine.client_full(now=10.0)
    assert machine.client_drained(now=30.0) == (ResumeUpstream(),)
    assert machine.client_drained(now=31.0) == ()
    assert machine.timer(now=40.0) == ()
    assert machine.next_deadline() == 45.0


def test_back_pressure_between_attempts_has_nobody_to_pause():
    machine = exchange(running=False)
    assert machine.client_full(now=1.0) == ()
    assert machine.is_blocked
    assert machine.client_drained(now=2.0) == ()


def test_a_second_start_of_a_running_attempt_changes_nothing():
    machine = flowing()
    machine.attempt(first_content_s=1, idle_s=1, total_s=600, now=2.0)
    assert machine.next_deadline() == 16.0


ERRORS = st.sampled_from([FAILED, REJECTED, UpstreamTimeout(), TidegateError()])
Event = Callable[[Exchange, float], Actions]
EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(
        lambda data, content: lambda machine, now: machine.events(data, has_content=content, now=now),
        st.binary(min_size=1, max_size=4),
        st.booleans(),
    ),
    st.builds(lambda data: lambda machine, now: machine.complete(data), st.binary(max_size=4)),
    st.builds(lambda error: lambda machine, now: machine.fail(error), ERRORS),
    st.builds(lambda error: lambda machine, now: machine.give_up(error), ERRORS),
    st.sampled_from(
        [
            lambda machine, now: machine.client_gone(),
            lambda machine, now: machine.send_failed(),
            lambda machine, now: machine.cancelled(),
            lambda machine, now: machine.client_full(now=now),
            lambda machine, now: machine.client_drained(now=now),
            lambda machine, now: machine.timer(now=now),
            lambda machine, now: machine.bytes_arrived(now=now) or (),
            lambda machine, now: machine.head_arrived(now=now) or (),
            lambda machine, now: machine.attempt(first_content_s=5, idle_s=15, total_s=600, now=now) or (),
        ]
    ),
)


@given(streamed=st.booleans(), history=st.lists(st.tuples(st.floats(0, 40), EVENTS), max_size=30))
def test_whatever_happens_an_exchange_settles_once_at_most_and_is_silent_afterwards(streamed, history):
    machine = Exchange(streamed=streamed, now=0.0, patience=PATIENCE)
    now = 0.0
    seen: list[Action] = []
    for delay, event in history:
        now += delay
        was_over = machine.is_over
        actions = event(machine, now)
        assert not (was_over and actions)
        seen += actions
    settled = [action for action in seen if isinstance(action, Settle)]
    assert len(settled) == (1 if machine.is_over else 0)
    if settled:
        assert seen[-1] is settled[0]
    # The client gets one head at the most, and what it gets is complete only if the model server said so.
    assert sum(isinstance(action, OpenStream | Answer | Refuse) for action in seen) <= 1
    faults = [action for action in seen if isinstance(action, SendError | Refuse | Drop)]
    assert not (faults and settled[0].ending is Ending.COMPLETED)
    # Nothing is sent before the head.
    if any(isinstance(action, Send | SendError | Finish) for action in seen):
        first = next(action for action in seen if isinstance(action, OpenStream | Send | SendError | Finish))
        assert isinstance(first, OpenStream)


def test_events_that_nobody_waits_for_any_more_are_dropped():
    machine = exchange()
    machine.client_gone()
    assert machine.events(b"late", has_content=True, now=2.0) == ()
    assert machine.complete(b"later") == ()
