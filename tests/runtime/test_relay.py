"""The relay when a connection raises: one ending, whatever was under way."""

import asyncio

import pytest

from gateway.core.exchange import Exchange, Patience
from gateway.core.labels import Label, LabelOrder
from gateway.core.records import Ending
from gateway.core.topology import Endpoint, Pool, Timeouts, Topology, Zone
from gateway.errors import Unavailable
from gateway.ports import Inbound
from gateway.runtime.call import Call
from gateway.runtime.endpoints import Endpoints
from gateway.runtime.relay import Relay
from gateway.wire.requests import Dialect, parse
from tests.fakes.clock import FakeClock

BODY = b'{"model": "chat", "messages": [{"role": "user", "content": "hi"}], "stream": true}'
HEAD = ((b"content-type", b"text/event-stream"),)
EVENT = b'data: {"id":"x","model":"m","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}\n\n'


class Raising:
    """A client's side of which one method raises."""

    is_gone = False

    def __init__(self, method: str) -> None:
        self.method = method
        self.is_aborted = False

    def watch(self, on_gone, on_full, on_drained): ...

    def start(self, status, headers, *, length):
        self.maybe("start")

    def write(self, data):
        self.maybe("write")

    def finish(self):
        self.maybe("finish")

    def maybe(self, method):
        if method == self.method:
            raise OSError(32, "canary")

    def abort(self):
        self.is_aborted = True


class Upstream:
    is_aborted = False

    def pause(self): ...
    def resume(self): ...

    def abort(self):
        self.is_aborted = True


def trial():
    endpoint = Endpoint("a")
    pool = Pool("home", "onprem", Label(0), "vllm", "m", (endpoint,))
    endpoints = Endpoints(Topology((pool,)), {"onprem": Zone("onprem", None)}, FakeClock(), chance=lambda: 0.5)
    return endpoints.begin("home", endpoint, is_first=True, now=1000.0)


def relay_of(downstream, settled):
    inbound = Inbound(b"POST", b"/v1/chat/completions", None, BODY, 1000.0)
    call = Call("0" * 24, inbound, path="chat", order=LabelOrder(("public",)))
    exchange = Exchange(streamed=True, now=1000.0, patience=Patience())
    return Relay(call, downstream, exchange, clock=FakeClock(), settled=lambda *ending: settled.append(ending))


@pytest.mark.parametrize("method", ["start", "write"])
async def test_a_send_that_raises_ends_the_exchange_once_and_stops_the_model_server(method):
    settled, upstream, downstream = [], Upstream(), Raising(method)
    relay = relay_of(downstream, settled)
    relay.prepare(parse(Dialect.CHAT, BODY), private=())
    relay.sending(upstream, Timeouts(), trial())
    relay.on_head(200, HEAD)
    relay.on_data(EVENT)
    relay.on_data(EVENT)
    assert settled == [(Ending.SEND_FAILED, None)]
    assert upstream.is_aborted
    assert downstream.is_aborted
    assert await asyncio.wait_for(relay.attempt.result(), 1) is None


@pytest.mark.parametrize("method", ["start", "write", "finish"])
def test_a_refusal_that_cannot_be_sent_is_settled_all_the_same(method):
    settled = []
    relay = relay_of(Raising(method), settled)
    relay.give_up(Unavailable())
    relay.give_up(Unavailable())
    assert len(settled) == 1
    assert relay.exchange.is_over
