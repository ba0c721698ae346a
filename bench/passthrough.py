"""The gateway's two ends and nothing between them: what forwarding alone costs.

This is an assembly for measuring only and never ships: it uses the real front door and the real upstream client, and
leaves out the credential, the parse, the scan, the decision, the clearance, the encoding, the relay's machine and the
audit. No configuration of the gateway can produce it; the difference to the full path is the price of inspection.
"""

import argparse
import asyncio
from typing import cast

import uvloop

from gateway.api.openai import Connection
from gateway.api.plane import DataPlane, Limits
from gateway.backends.http1 import Http1Backend, Http1Settings
from gateway.core.message import Headers, Message
from gateway.core.topology import Endpoint
from gateway.errors import TidegateError
from gateway.pipeline import Pipeline, Spawn
from gateway.ports import Downstream, Inbound, UpstreamConnection

JSON: Headers = ((b"content-type", b"application/json"),)


class _Copy:
    """Implements `ports.Receiver`: every byte of one answer goes straight on."""

    def __init__(self, upstream: UpstreamConnection, downstream: Downstream) -> None:
        self._downstream = downstream
        downstream.watch(upstream.abort, upstream.pause, upstream.resume)

    def on_head(self, status: int, headers: Headers) -> None:
        kept = {name: value for name, value in headers if name in (b"content-type", b"content-length")}
        length = kept.pop(b"content-length", None)
        self._downstream.start(status, tuple(kept.items()), length=None if length is None else int(length))

    def on_data(self, data: bytes) -> None:
        self._downstream.write(data)

    def on_end(self) -> None:
        self._downstream.finish()

    def on_failure(self, reason: str) -> None:  # noqa: ARG002 -- nothing is measured once something fails
        self._downstream.abort()


class _PassThrough:
    """Stands where the pipeline stands."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._backend = Http1Backend(Http1Settings())

    def serve(self, dialect: object, inbound: Inbound, downstream: Downstream, spawn: Spawn) -> None:  # noqa: ARG002
        upstream = self._backend.idle(self._endpoint)
        if upstream is None:
            spawn(self._serve_anew(inbound, downstream))
        else:
            self._forward(inbound, upstream, downstream)

    async def _serve_anew(self, inbound: Inbound, downstream: Downstream) -> None:
        upstream = await self._backend.connect(self._endpoint, timeout_s=1.0, may_dial=lambda _: True)
        self._forward(inbound, upstream, downstream)

    def _forward(self, inbound: Inbound, upstream: UpstreamConnection, downstream: Downstream) -> None:
        upstream.start(Message(inbound.method, inbound.path, JSON, inbound.body), _Copy(upstream, downstream))

    def refuse(self, inbound: Inbound, downstream: Downstream, error: TidegateError) -> None:  # noqa: ARG002
        downstream.start(error.status, (), length=0)
        downstream.finish()

    def is_known(self, authorization: bytes | None) -> bool:  # noqa: ARG002
        return True


async def run(listen: int, upstream: int) -> None:
    """Serve on loopback port `listen` until terminated."""
    pipeline = cast(Pipeline, _PassThrough(Endpoint("mock", host="127.0.0.1", port=upstream)))
    loop = asyncio.get_running_loop()
    plane = DataPlane(pipeline, Limits())
    server = await loop.create_server(lambda: Connection(plane, loop), "127.0.0.1", listen, backlog=4096)
    await server.serve_forever()


def main() -> None:
    """Parse two ports and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("listen", type=int)
    parser.add_argument("upstream", type=int)
    ports = parser.parse_args()
    uvloop.run(run(ports.listen, ports.upstream))


if __name__ == "__main__":
    main()
