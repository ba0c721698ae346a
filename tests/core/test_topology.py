"""Zones: who is inside."""

from ipaddress import ip_network

import pytest

from gateway.core.labels import Label, LabelOrder, join
from gateway.core.topology import Endpoint, Peer, Pool, Tls, Topology, Zone, address_of

HOME = Zone("onprem", (ip_network("10.0.0.0/8"), ip_network("fd00::/8")), unix=True)
CLOUD = Zone("cloud", None, tls=Tls.REQUIRED)


@pytest.mark.parametrize(
    ("zone", "peer", "admitted"),
    [
        (HOME, Peer(address_of("10.1.2.3")), True),
        (HOME, Peer(address_of("11.1.2.3")), False),
        (HOME, Peer(address_of("::ffff:10.1.2.3")), True),
        (HOME, Peer(address_of("::ffff:11.1.2.3")), False),
        (HOME, Peer(address_of("fd00::1")), True),
        (HOME, Peer(address_of("fd00::1%eth0")), True),
        (HOME, Peer(address_of("fe80::1")), False),
        (HOME, Peer(address_of("not an address")), False),
        (HOME, Peer(is_unix=True), True),
        (CLOUD, Peer(is_unix=True), False),
        (CLOUD, Peer(address_of("203.0.113.1")), False),
        (CLOUD, Peer(address_of("203.0.113.1"), is_verified_tls=True), True),
        (CLOUD, Peer(is_verified_tls=True), False),
        (Zone("cloud", (ip_network("203.0.113.0/24"),)), Peer(address_of("203.0.113.9")), True),
    ],
)
def test_a_peer_is_inside_a_zone_or_it_is_not(zone, peer, admitted):
    assert zone.admits(peer) is admitted
    assert zone.admits(peer) is admitted


def test_a_peer_that_one_zone_admits_is_looked_at_anew_by_every_other():
    peer = Peer(address_of("8.8.8.8"), is_verified_tls=True)
    assert CLOUD.admits(peer)
    assert not HOME.admits(peer)
    assert CLOUD.admits(peer)
    assert not HOME.admits(peer)


@pytest.mark.parametrize(("name", "is_cloud"), [("onprem", False), ("cloud", True), ("Onprem", True), ("", True)])
def test_only_onprem_is_home(name, is_cloud):
    assert Zone(name, None).is_cloud is is_cloud


def test_pools_are_found_by_name():
    pool = Pool("home", "onprem", Label(0), "vllm", "m", (Endpoint("a"),))
    topology = Topology((pool,))
    assert topology.pool("home") is pool
    with pytest.raises(KeyError):
        topology.pool("away")


def test_labels_are_ranks_in_an_order():
    order = LabelOrder(("public", "internal", "restricted"))
    assert order.top == order.rank("restricted") == 2
    assert order.name(Label(1)) == "internal"
    assert join([Label(0), Label(2), Label(1)]) == 2
    assert join([]) == 0
    with pytest.raises(ValueError, match=r"."):
        order.rank("secret")
