"""An answer that the gateway has already ends the exchange as one from a model server does, once."""

import pytest

from gateway.core.exchange import HEARTBEAT, Answer, Exchange, Finish, OpenStream, Patience, Send, Settle
from gateway.core.records import Ending

COMPLETED = Settle(Ending.COMPLETED)


def exchange(*, streamed: bool) -> Exchange:
    return Exchange(streamed=streamed, now=0.0, patience=Patience())


def test_a_whole_answer_is_sent_whole_and_a_stream_as_a_stream() -> None:
    assert exchange(streamed=False).replay(b"{}") == (Answer(b"{}"), COMPLETED)
    assert exchange(streamed=True).replay(b"data: 1\n\n") == (OpenStream(), Send(b"data: 1\n\n"), Finish(), COMPLETED)


def test_a_stream_that_was_kept_alive_goes_on_with_it() -> None:
    one = exchange(streamed=True)
    assert one.timer(now=10.0) == (OpenStream(), Send(HEARTBEAT))
    assert one.replay(b"data: 1\n\n") == (Send(b"data: 1\n\n"), Finish(), COMPLETED)


@pytest.mark.parametrize("streamed", [False, True])
def test_it_is_over_then(streamed: bool) -> None:
    one = exchange(streamed=streamed)
    one.replay(b"{}")
    assert one.is_over
    assert one.replay(b"{}") == one.client_gone() == one.cancelled() == one.timer(now=1e6) == ()


def test_no_attempt_is_cut_short_by_it() -> None:
    one = exchange(streamed=False)
    one.attempt(first_content_s=5, idle_s=5, total_s=30, now=0.0)
    assert one.replay(b"{}") == ()
    assert not one.is_over


def test_whoever_has_gone_gets_nothing() -> None:
    one = exchange(streamed=False)
    one.client_gone()
    assert one.replay(b"{}") == ()
