"""From where a Redis is said to be to a connection on which it answers: one server, whom sentinels name, a cluster.

A connection counts only once the server has answered on it, as whoever we say we are: one that is loading, or a
replica that was a primary a moment ago, is not there yet.
"""

import asyncio
import ssl
from collections.abc import Callable

from gateway.config.addresses import Listen, Tcp, Unix
from gateway.stores.redis_cluster import ClusterLanes, slots_of
from gateway.stores.redis_lane import Carrier, Lane, LaneRefused, asked, named
from gateway.stores.redis_settings import AtCluster, AtSentinels, AtServer, Login, RedisSettings, StoreTls


async def connect(settings: RedisSettings, on_lost: Callable[[str], None], within_s: float) -> Carrier:
    """A connection that answers; raises LaneRefused or OSError. That it takes no longer is for the caller to see."""
    match settings.place:
        case AtServer(address):
            return await dial(address, settings.login, settings, on_lost)
        case AtSentinels():
            return await _primary(settings.place, settings, on_lost, within_s)
        case AtCluster():
            return await _cluster(settings.place, settings, on_lost, within_s)


async def dial(address: Listen, login: Login, settings: RedisSettings, on_lost: Callable[[str], None]) -> Lane:
    """A lane on which the server has answered, as whoever `login` is."""
    loop = asyncio.get_running_loop()

    def made() -> Lane:
        return Lane(loop, timeout_s=settings.timeout_s, on_lost=on_lost)

    if isinstance(address, Unix):
        _, lane = await loop.create_unix_connection(made, address.path)
    else:
        context = tls_context(settings.tls) if settings.tls is not None else None
        name = address.host if context is not None else None
        _, lane = await loop.create_connection(made, address.host, address.port, ssl=context, server_hostname=name)
    try:
        if login.password is not None:
            await asked(lane, "AUTH", *((login.username,) if login.username is not None else ()), login.password)
        await asked(lane, "PING")
    except BaseException:
        lane.abort("not ready")
        raise
    return lane


async def _primary(
    place: AtSentinels, settings: RedisSettings, on_lost: Callable[[str], None], within_s: float
) -> Lane:
    """Ask one sentinel after another; the first that knows a primary which says so itself is right."""
    why = "no sentinel answers"
    each_s = within_s / 2  # so that one which is gone does not cost the whole time
    for sentinel in place.addresses:
        try:
            async with asyncio.timeout(each_s):
                named_one = await _named_by(sentinel, place, settings)
            lane = await dial(named_one, settings.login, settings, on_lost)
        except (LaneRefused, OSError, ValueError, OverflowError) as error:  # the last two: it named no address at all
            why = error.reason if isinstance(error, LaneRefused) else named(error)
            continue
        role = await asked(lane, "ROLE")
        if isinstance(role, list) and role and role[0] == b"master":
            return lane
        lane.abort("not the primary")
        why = "not the primary"
    raise LaneRefused(why)


async def _named_by(sentinel: Tcp, place: AtSentinels, settings: RedisSettings) -> Tcp:
    lane = await dial(sentinel, place.login, settings, lambda _: None)
    try:
        found = await asked(lane, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", place.master)
    finally:
        lane.abort("asked")
    if not isinstance(found, list) or len(found) != 2:
        raise LaneRefused("the sentinel knows no such primary")
    host, port = found
    if not isinstance(host, bytes) or not isinstance(port, bytes) or not port.isdigit():
        raise LaneRefused("out of step")
    return Tcp(host.decode("ascii", "replace"), int(port))


async def _cluster(
    place: AtCluster, settings: RedisSettings, on_lost: Callable[[str], None], within_s: float
) -> ClusterLanes:
    """Ask one node after another who has which keys, and connect to all of those: with one less it is not there."""
    why = "no node answers"
    for node in place.addresses:
        try:
            async with asyncio.timeout(within_s / 2):
                lane = await dial(node, settings.login, settings, lambda _: None)
                try:
                    slots = slots_of(await asked(lane, "CLUSTER", "SLOTS"), node)
                finally:
                    lane.abort("asked")
        except (LaneRefused, OSError) as error:
            why = error.reason if isinstance(error, LaneRefused) else named(error)
            continue
        return await _lanes(ClusterLanes(slots, on_lost), settings)
    raise LaneRefused(why)


async def _lanes(cluster: ClusterLanes, settings: RedisSettings) -> ClusterLanes:
    dialling: list[asyncio.Task[Lane]] = []
    try:
        async with asyncio.TaskGroup() as group:
            for primary in cluster.primaries:
                dialling.append(group.create_task(dial(primary, settings.login, settings, cluster.lost_one)))
    except BaseException as error:
        for task in dialling:
            if not task.cancelled() and task.exception() is None:
                task.result().abort("not ready")
        if isinstance(error, ExceptionGroup) and error.subgroup((LaneRefused, OSError)) is not None:
            raise LaneRefused("a node does not answer") from None
        raise
    cluster.run_on(dict(zip(cluster.primaries, (task.result() for task in dialling), strict=True)))
    return cluster


def tls_context(tls: StoreTls) -> ssl.SSLContext:
    """TLS 1.2 or later, names checked."""
    # Not ssl.create_default_context: that writes every connection's secrets to the file that SSLKEYLOGFILE names.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if tls.ca is not None:
        context.load_verify_locations(tls.ca)
    else:
        context.load_default_certs()
    if tls.client is not None:
        context.load_cert_chain(*tls.client)
    return context
