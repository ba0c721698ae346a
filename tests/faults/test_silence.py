"""Streams of a real `tidegate serve` while a burst of others begins: what is passed on in between."""

import asyncio
import os
import signal

from tests.fakes.model_server import ModelServer, Peer, delta
from tests.fakes.process import process
from tests.faults.asking import request

BURST = 400


async def babbling(peer: Peer) -> None:
    """A chunk about every millisecond until its caller leaves."""
    await peer.open_stream()
    while not peer.received.gone.is_set():
        await peer.event(delta("word "))
        await asyncio.sleep(0.001)


class Arrivals(asyncio.Protocol):
    """Notes in a shared list what came, by its name, a read at a time."""

    def __init__(self, name, seen):
        self.name, self.seen = name, seen

    def data_received(self, data):
        self.seen.append(self.name)


async def test_a_stream_goes_on_between_the_requests_of_a_burst(tmp_path):
    loop = asyncio.get_running_loop()
    seen = []
    async with ModelServer() as server:
        server.script = babbling
        async with process(tmp_path, {"home": server}) as running:
            (worker,) = running.workers()

            async def dial(name):
                transport, _ = await loop.create_connection(lambda: Arrivals(name, seen), "127.0.0.1", running.port)
                return transport

            async def until(is_so):
                async with asyncio.timeout(60):
                    while not is_so():  # noqa: ASYNC110 -- what has arrived
                        await asyncio.sleep(0.001)

            stream = await dial("chunk")
            burst = [await dial("answer") for _ in range(BURST)]
            stream.write(request(running, stream=True))
            await until(lambda: seen)
            # All of them lie in the gateway's sockets when it goes on, as they do behind anything that held it up.
            os.kill(worker, signal.SIGSTOP)
            try:
                for number, one in enumerate(burst):
                    one.write(request(running, f"Case {number}: when does the branch open? " * 25, model="nobody"))
            finally:
                os.kill(worker, signal.SIGCONT)
            await until(lambda: seen.count("answer") >= BURST)
            for one in (stream, *burst):
                one.abort()
    first = seen.index("answer")
    last = len(seen) - 1 - seen[::-1].index("answer")
    passed_on = seen[first:last].count("chunk")
    print(f"\n{BURST} requests at once: a stream beside them was passed on {passed_on} times in between")
    assert passed_on >= 3
