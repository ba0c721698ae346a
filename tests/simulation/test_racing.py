"""Racing the addresses of one name in virtual time: who is tried when, who wins, and what becomes of the others."""

import asyncio
from contextlib import contextmanager
from ipaddress import ip_network

import pytest

from gateway.backends.http1 import Http1Backend, Http1Settings
from gateway.core.message import Message
from gateway.core.topology import Endpoint, Zone
from gateway.ports import UpstreamFull, UpstreamUnreachable
from tests.backends.test_http1 import Ear
from tests.simulation.loop import VirtualLoop
from tests.simulation.wire import LATENCY_S, Place, Wire

ENDPOINT = Endpoint("gpu", "gpu.test", 80)
MESSAGE = Message(b"POST", b"/v1/chat/completions", (), b"{}")
ANYWHERE = Zone("onprem", None)
REFUSED, SWALLOWED = "refused", "black hole"
PACE = pytest.approx(0.25)
"""RFC 8305, 8: the recommended delay between two attempts."""


class Network:
    """Addresses of `gpu.test` and what befalls who dials each of them, in the resolver's order."""

    def __init__(self, loop: VirtualLoop, dials: dict[str, str | float | None]) -> None:
        self.loop = loop
        self.wire = loop.network = Wire(names={"gpu.test": tuple(dials)})
        self.peers = []
        for address, befalls in dials.items():
            self.wire.places[(address, 80)] = Place(self._script, lambda befalls=befalls: befalls)

    async def _script(self, peer):
        self.peers.append(peer)
        while await peer.request() is not None:
            peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")

    @property
    def dialled(self) -> list[tuple[str, float]]:
        """Who was dialled, and how long after the first."""
        began = self.wire.dialled[0][0]
        return [(address, at - began) for at, (address, _) in self.wire.dialled]

    def open_peers(self) -> list[str]:
        return [peer.address[0] for peer in self.peers if not peer.is_gone]


@contextmanager
def virtual(dials):
    loop = VirtualLoop()
    network = Network(loop, dials)
    try:
        yield network
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0.01))
        network.wire.close()
        loop.close()


def dialled(dials, *, zone=ANYWHERE, timeout_s=1.0):
    """Who won or why nobody did, after how long, who was dialled when, and whose connections are open afterwards."""

    async def race(network):
        backend = Http1Backend(Http1Settings())
        began = network.loop.time()
        try:
            connection = await backend.connect(ENDPOINT, timeout_s=timeout_s, may_dial=zone.holds)
            outcome = str(connection.peer.address)
        except UpstreamUnreachable as unreachable:
            outcome = unreachable.reason
        took = network.loop.time() - began
        await asyncio.sleep(100)
        assert len(backend._open) == (1 if outcome in dials else 0)
        assert not [task for task in asyncio.all_tasks() if task.get_coro().__qualname__.endswith(".dial")]
        still_open = network.open_peers()
        await backend.close()
        return outcome, pytest.approx(took, abs=0.002), network.dialled, still_open

    with virtual(dials) as network:
        return network.loop.run_until_complete(race(network))


@pytest.mark.parametrize(
    ("dials", "winner", "after", "order"),
    [
        ({"10.0.0.1": None, "10.0.0.2": None}, "10.0.0.1", 0, [("10.0.0.1", 0)]),
        ({"10.0.0.1": SWALLOWED, "10.0.0.2": None}, "10.0.0.2", 0.25, [("10.0.0.1", 0), ("10.0.0.2", PACE)]),
        (
            {"10.0.0.1": REFUSED, "10.0.0.2": None},
            "10.0.0.2",
            0,
            [("10.0.0.1", 0), ("10.0.0.2", pytest.approx(0.0004))],
        ),
        ({"10.0.0.1": 0.2, "10.0.0.2": None}, "10.0.0.1", 0.2, [("10.0.0.1", 0)]),
        ({"10.0.0.1": 0.4, "10.0.0.2": 0.01}, "10.0.0.2", 0.26, [("10.0.0.1", 0), ("10.0.0.2", PACE)]),
        ({"10.0.0.1": 0.4, "10.0.0.2": SWALLOWED}, "10.0.0.1", 0.4, [("10.0.0.1", 0), ("10.0.0.2", PACE)]),
        ({"10.0.0.1": SWALLOWED, "10.0.0.2": REFUSED}, "connect timeout", 1, [("10.0.0.1", 0), ("10.0.0.2", PACE)]),
        ({"10.0.0.1": REFUSED, "10.0.0.2": REFUSED}, "ConnectionRefusedError 111", 0, None),
        ({"10.0.0.1": 0.3, "10.0.0.2": REFUSED}, "10.0.0.1", 0.3, None),
        # Families take turns, so that one that leads nowhere costs one step.
        (
            {"fd00::1": SWALLOWED, "fd00::2": SWALLOWED, "fd00::3": SWALLOWED, "10.0.0.1": None},
            "10.0.0.1",
            0.125,
            [("fd00::1", 0), ("10.0.0.1", pytest.approx(0.125))],
        ),
    ],
)
def test_the_next_address_is_tried_soon_and_the_first_to_connect_wins(dials, winner, after, order):
    outcome, took, tried, still_open = dialled(dials)
    assert (outcome, after) == (winner, took)
    assert order is None or tried == order
    assert still_open == ([winner] if winner in dials else [])


def test_of_two_that_connect_in_the_same_moment_the_first_wins_and_the_other_is_closed():
    # The second is dialled after 0.25 s; both arrive at 0.5 s.
    outcome, _, tried, still_open = dialled({"10.0.0.1": 0.5, "10.0.0.2": 0.25})
    assert len(tried) == 2
    assert still_open == [outcome]


def test_an_address_outside_the_zone_is_left_out_of_the_race_and_costs_no_time():
    zone = Zone("onprem", (ip_network("10.0.0.0/8"),))
    outcome, took, tried, _ = dialled({"192.0.2.1": None, "10.0.0.1": SWALLOWED, "10.0.0.2": None}, zone=zone)
    assert (outcome, 0.25) == ("10.0.0.2", took)
    assert [address for address, _ in tried] == ["10.0.0.1", "10.0.0.2"]


@pytest.mark.parametrize("timeout_s", [0.05, 0.2, 1.0, 3.0])
@pytest.mark.parametrize("dead", [1, 2, 5])
def test_however_little_time_there_is_the_last_address_gets_its_turn_within_half_of_it(timeout_s, dead):
    dials = {f"10.0.0.{number}": SWALLOWED for number in range(1, dead + 1)} | {"10.0.0.9": None}
    outcome, took, _, _ = dialled(dials, timeout_s=timeout_s)
    assert outcome == "10.0.0.9"
    assert took.expected <= timeout_s / 2 + LATENCY_S * 2


def test_the_winner_serves_and_a_loser_never_sees_a_byte():
    async def race(network):
        backend = Http1Backend(Http1Settings())
        connection = await backend.connect(ENDPOINT, timeout_s=1, may_dial=ANYWHERE.holds)
        ear = Ear()
        connection.start(MESSAGE, ear)
        await ear.over.wait()
        await backend.close()
        return ear.heard, {address for _, (address, _), _ in network.wire.carried}

    with virtual({"10.0.0.1": 0.4, "10.0.0.2": 0.2}) as network:
        assert network.loop.run_until_complete(race(network)) == ([200, "end"], {"10.0.0.1"})


@pytest.mark.parametrize("after", [0.1, 0.25, 0.3, 0.4, 0.5])
def test_a_race_that_is_called_off_leaves_no_connection_and_no_slot(after):
    async def race(network):
        backend = Http1Backend(Http1Settings(max_connections=1))
        dialling = asyncio.create_task(backend.connect(ENDPOINT, timeout_s=1, may_dial=ANYWHERE.holds))
        await asyncio.sleep(after)
        dialling.cancel()
        await asyncio.wait([dialling])
        if not dialling.cancelled():
            dialling.result().abort()
        await asyncio.sleep(1)
        assert not backend._open
        assert backend._slots.taken(ENDPOINT) == 0
        return network.open_peers()

    with virtual({"10.0.0.1": 0.5 - LATENCY_S, "10.0.0.2": 0.25 - LATENCY_S}) as network:
        assert network.loop.run_until_complete(race(network)) == []


# How many there may be


def test_waiting_for_a_connection_has_the_bound_of_connecting_and_is_told_apart_from_an_endpoint_that_is_down():
    async def wait(network):
        backend = Http1Backend(Http1Settings(max_connections=1))
        await backend.connect(ENDPOINT, timeout_s=1, may_dial=ANYWHERE.holds)
        began = network.loop.time()
        with pytest.raises(UpstreamFull):
            await backend.connect(ENDPOINT, timeout_s=1, may_dial=ANYWHERE.holds)
        took = network.loop.time() - began
        await backend.close()
        return took

    with virtual({"10.0.0.1": None}) as network:
        assert network.loop.run_until_complete(wait(network)) == pytest.approx(1)
        assert len(network.dialled) == 1


def test_time_that_was_lost_by_waiting_is_not_held_against_the_endpoint():
    async def wait(network):
        backend = Http1Backend(Http1Settings(max_connections=1))
        first = await backend.connect(ENDPOINT, timeout_s=1, may_dial=ANYWHERE.holds)
        network.loop.call_later(0.9, first.abort)
        with pytest.raises(UpstreamFull):
            await backend.connect(ENDPOINT, timeout_s=1, may_dial=ANYWHERE.holds)
        assert backend._slots.taken(ENDPOINT) == 0

    with virtual({"10.0.0.1": 0.5}) as network:
        network.loop.run_until_complete(wait(network))
        assert len(network.dialled) == 2
