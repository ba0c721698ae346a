"""The mint and the door: what may not leave does not, however it is asked."""

from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as changed

from gateway.core.decision import Allow, Canary
from gateway.core.labels import Label
from gateway.core.message import Message
from gateway.core.topology import Address, Endpoint, Peer, Pool, Zone, address_of
from gateway.errors import ClearanceRefused
from gateway.runtime.forward import Door, Forwarder
from gateway.runtime.mint import Mint, new_key
from tests.fakes.clock import FakeClock

HOME = Zone("onprem", (ip_network("10.0.0.0/8"),))
CLOUD = Zone("cloud", None)
ZONES = {zone.name: zone for zone in (HOME, CLOUD)}
TOP, INTERNAL = Label(3), Label(1)
AT_HOME = Pool("home", "onprem", TOP, "vllm", "m", (Endpoint("h"),))
BURST = Pool("burst", "cloud", Label(1), "openai", "m", (Endpoint("b"),))
MESSAGE = Message(b"POST", b"/v1/chat/completions", (), b"{}")
ALLOW = Allow(("home",), ("burst",), 1.0, "rest", Label(1))


@dataclass
class FakeConnection:
    peer: Peer
    sent: list = field(default_factory=list)
    is_aborted: bool = False

    def start(self, message, receiver):
        self.sent.append(message)

    def pause(self): ...
    def resume(self): ...

    def abort(self):
        self.is_aborted = True


@dataclass
class FakeBackend:
    connection: FakeConnection
    may_dial: Callable[[Address | None], bool] | None = None

    def idle(self, endpoint):
        return self.connection

    async def connect(self, endpoint, *, timeout_s, may_dial, fresh=False):
        self.may_dial = may_dial
        return self.connection

    async def close(self): ...


class House:
    """A mint, a door and two fake backends behind a real forwarder."""

    def __init__(self) -> None:
        key, self.clock, self.epoch = new_key(), FakeClock(), 0
        self.mint = Mint(key, self.clock, ZONES)
        self.door = Door(key, self.clock, lambda: self.epoch)
        self.home = FakeConnection(Peer(address_of("10.0.0.1")))
        self.burst = FakeConnection(Peer(address_of("203.0.113.1"), is_verified_tls=True))
        self.label_of_bytes = Label(0)
        self.rescans = 0
        self.backends = {"home": FakeBackend(self.home), "burst": FakeBackend(self.burst)}
        self.forwarder = Forwarder(
            self.door,
            backends=self.backends,
            zones=ZONES,
            top=TOP,
            rescan=self.rescan,
        )

    async def rescan(self, message, tenant):
        self.rescans += 1
        return self.label_of_bytes

    async def send(self, clearance, message=MESSAGE, pool=AT_HOME):
        await self.forwarder.send(clearance, message, pool, pool.endpoints[0], None, sending=lambda connection: None)

    def send_now(self, clearance, message=MESSAGE, pool=AT_HOME):
        connection = self.backends[pool.name].connection
        self.forwarder.send_now(clearance, message, pool, connection, None, sending=lambda connection: None)

    def clear(self, message=MESSAGE, pool=AT_HOME, allow=ALLOW, ceiling=INTERNAL):
        return self.mint.clear(allow, message, pool, ceiling=ceiling, epoch=self.epoch)


@pytest.fixture
def house():
    return House()


async def test_a_cleared_message_is_sent_as_it_is(house):
    await house.send(house.clear())
    assert house.home.sent == [MESSAGE]


async def test_a_clearance_opens_the_door_once(house):
    clearance = house.clear()
    await house.send(clearance)
    with pytest.raises(ClearanceRefused):
        await house.send(clearance)
    assert len(house.home.sent) == 1


async def test_a_forged_clearance_is_refused_and_burnt(house):
    clearance = house.clear()
    with pytest.raises(ClearanceRefused):
        await house.send(changed(clearance, label=Label(0)))
    with pytest.raises(ClearanceRefused):
        await house.send(clearance)
    assert house.home.sent == []
    assert house.home.is_aborted


async def test_a_message_changed_after_it_was_cleared_does_not_leave(house):
    clearance = house.clear()
    with pytest.raises(ClearanceRefused):
        await house.send(clearance, changed(MESSAGE, body=b'{"more": 1}'))
    assert house.home.sent == []


async def test_a_clearance_for_one_pool_does_not_open_another(house):
    clearance = house.clear()
    with pytest.raises(ClearanceRefused):
        await house.send(clearance, pool=BURST)
    assert house.burst.sent == []


async def test_what_was_cleared_before_something_was_tightened_does_not_leave(house):
    clearance = house.clear()
    house.epoch += 1
    with pytest.raises(ClearanceRefused):
        await house.send(clearance)


async def test_a_clearance_does_not_lie_about(house):
    clearance = house.clear()
    house.clock.now += 31
    with pytest.raises(ClearanceRefused):
        await house.send(clearance)


@pytest.mark.parametrize("peer", [Peer(address_of("203.0.113.1")), Peer(is_unix=True), Peer()])
async def test_a_peer_outside_the_zone_gets_nothing(house, peer):
    house.home.peer = peer
    with pytest.raises(ClearanceRefused):
        await house.send(house.clear())
    assert house.home.sent == []


async def test_only_addresses_of_the_pools_zone_may_be_dialled(house):
    await house.send(house.clear())
    may_dial = house.backends["home"].may_dial
    inside, outside = address_of("10.1.2.3"), address_of("203.0.113.1")
    assert [may_dial(address) for address in (inside, outside, None)] == [True, False, False]


async def test_a_canary_is_cleared_by_the_decision_that_names_it_and_by_no_other(house):
    at_home = changed(ALLOW, to=("home",), spill=())
    await house.send(house.clear(pool=BURST, allow=changed(at_home, canary=Canary("burst", 0.0))), pool=BURST)
    assert len(house.burst.sent) == 1
    for canary in (None, Canary("home", 100.0)):
        with pytest.raises(ClearanceRefused):
            house.clear(pool=BURST, allow=changed(at_home, canary=canary))


async def test_the_final_bytes_are_scanned_again_only_where_not_everything_may_be_seen(house):
    await house.send(house.clear())
    assert house.rescans == 0
    await house.send(house.clear(pool=BURST), pool=BURST)
    assert house.rescans == 1
    house.label_of_bytes = Label(2)
    with pytest.raises(ClearanceRefused):
        await house.send(house.clear(pool=BURST), pool=BURST)
    assert len(house.burst.sent) == 1


async def test_final_bytes_above_the_label_that_was_decided_on_do_not_leave_whatever_the_pool_may_see(house):
    # A projection puts texts beside each other that were not: what they make up, no ceiling has been asked about.
    allow = changed(ALLOW, label=Label(0))
    house.label_of_bytes = Label(1)
    with pytest.raises(ClearanceRefused):
        await house.send(house.clear(pool=BURST, allow=allow, ceiling=Label(0)), pool=BURST)
    assert house.burst.sent == []


async def test_without_a_wait_only_what_need_not_be_scanned_again_is_sent(house):
    assert house.forwarder.idle(AT_HOME, AT_HOME.endpoints[0]) is house.home
    assert house.forwarder.idle(BURST, BURST.endpoints[0]) is None
    house.send_now(house.clear())
    assert house.home.sent == [MESSAGE]
    with pytest.raises(ClearanceRefused):
        house.send_now(house.clear(pool=BURST), pool=BURST)
    assert house.burst.sent == []
    assert house.burst.is_aborted


async def test_the_door_is_the_same_without_a_wait(house):
    clearance = house.clear()
    with pytest.raises(ClearanceRefused):
        house.send_now(clearance, changed(MESSAGE, body=b'{"more": 1}'))
    assert house.home.sent == []
    assert house.home.is_aborted


@pytest.mark.parametrize(
    ("pool", "allow", "ceiling"),
    [
        (AT_HOME, changed(ALLOW, to=("burst",), spill=()), Label(3)),
        (BURST, changed(ALLOW, label=Label(2)), Label(3)),
        (BURST, ALLOW, None),
        (BURST, ALLOW, Label(0)),
    ],
)
def test_nothing_is_minted_that_the_decision_or_a_ceiling_does_not_permit(house, pool, allow, ceiling):
    with pytest.raises(ClearanceRefused):
        house.clear(pool=pool, allow=allow, ceiling=ceiling)


def test_the_door_forgets_old_clearances_as_spent(house, monkeypatch):
    monkeypatch.setattr("gateway.runtime.forward._REMEMBERED", 4)
    clearances = [house.clear() for _ in range(8)]
    for clearance in clearances:
        house.door.open(clearance, MESSAGE, AT_HOME, HOME, house.home)
    for clearance in clearances:
        with pytest.raises(ClearanceRefused):
            house.door.open(clearance, MESSAGE, AT_HOME, HOME, house.home)


@given(
    label=st.integers(0, 3),
    ceiling=st.none() | st.integers(0, 3),
    seen=st.integers(0, 3),
    to=st.lists(st.sampled_from(["home", "burst"]), unique=True),
    pool=st.sampled_from([AT_HOME, BURST]),
)
async def test_no_combination_brings_bytes_to_a_pool_below_their_label(label, ceiling, seen, to, pool):
    house = House()
    house.label_of_bytes = Label(seen)
    allow = Allow(tuple(to), (), 1.0, "r", Label(label))
    try:
        await house.send(house.clear(pool=pool, allow=allow, ceiling=ceiling), pool=pool)
    except ClearanceRefused:
        return
    assert pool.name in to
    assert label <= pool.clearance
    if pool is BURST:
        assert ceiling is not None
        assert max(label, seen) <= ceiling
        assert seen <= label
