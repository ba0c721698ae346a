"""A way through an HTTP proxy: CONNECT, then TLS inside the tunnel, with the endpoint's certificate checked.

The proxy comes from the pool's settings and never from the environment (threats.md I10). What it answers beyond "yes"
is not kept; who is at the other end of the tunnel only the certificate can say, so there is no tunnel without TLS.
"""

import asyncio
import ssl
from typing import TypeVar

from gateway.core.topology import Endpoint
from gateway.ports import UpstreamUnreachable
from gateway.wire.http1 import ResponseInvalid, ResponseReader

Inside = TypeVar("Inside", bound=asyncio.Protocol)


async def through_tunnel(
    loop: asyncio.AbstractEventLoop,
    inside: Inside,
    endpoint: Endpoint,
    address: str,
    port: int,
    context: ssl.SSLContext | None,
) -> Inside:
    """Connect `inside` to `endpoint` through the proxy at `address` and `port`; UpstreamUnreachable if it says no."""
    if context is None:
        raise UpstreamUnreachable("a proxy without TLS to the endpoint")
    transport, knock = await loop.create_connection(lambda: _Knock(loop, endpoint), address, port)
    try:
        await knock.answered
        tls = await loop.start_tls(transport, inside, context, server_hostname=endpoint.host)
        if tls is None:
            raise UpstreamUnreachable("the proxy closed the tunnel")
        inside.connection_made(tls)
    except BaseException:
        transport.abort()
        raise
    return inside


class _Knock(asyncio.Protocol):
    """Asks the proxy for a tunnel; `answered` is done once there is one."""

    def __init__(self, loop: asyncio.AbstractEventLoop, endpoint: Endpoint) -> None:
        self.answered: asyncio.Future[None] = loop.create_future()
        host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
        self._request = f"CONNECT {host}:{endpoint.port} HTTP/1.1\r\nhost: {host}:{endpoint.port}\r\n\r\n".encode()
        self._reader = ResponseReader()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(self._request)  # type: ignore[attr-defined]  # uvloop's is no subclass of asyncio's

    def data_received(self, data: bytes) -> None:
        try:
            surplus = self._reader.feed(data)
        except ResponseInvalid as invalid:
            self._fail(f"the proxy's answer is invalid: {invalid.reason}")
            return
        head = self._reader.head
        if head is not None and not 200 <= head.status <= 299:
            self._fail(f"the proxy answered {head.status}")
        elif surplus:
            self._fail("the proxy spoke inside the tunnel")
        elif head is not None and not self.answered.done():
            self.answered.set_result(None)

    def connection_lost(self, _: Exception | None) -> None:
        self._fail("the proxy closed the connection")

    def _fail(self, reason: str) -> None:
        if not self.answered.done():
            self.answered.set_exception(UpstreamUnreachable(reason))
