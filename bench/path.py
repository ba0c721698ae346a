"""What the gateway's own code costs per request and per chunk: the whole path in one process, without the network.

Everything is real (front door, pipeline, scan, decision, clearance, upstream client, relay, audit with its writer) but
the two transports, which hand bytes over in memory. Each row takes turns with a reference operation, decoding a 1.3 KB
body with msgspec, and counts its calls of functions, which no other program on the machine can disturb.
"""

import argparse
import asyncio
import gc
import json
import socket
import statistics
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Sequence
from itertools import cycle
from pathlib import Path
from time import process_time_ns
from typing import Any, Final, cast

import msgspec
import uvloop
from contenders import Front, create_key, write_config
from load import KEY
from machine import describe
from micro import CHUNK, OUT, body

from gateway import settings
from gateway.api.openai import Connection
from gateway.assemble import Worker
from gateway.backends.http1 import Http1Backend, _Connection
from gateway.core.findings import Evidence
from gateway.detect.scanner import build_scanner
from gateway.ports import Memo, Scanner
from gateway.wire.requests import Dialect, parse

SHARED: Final = Path(__file__).resolve().parents[2] / "shared" / "bench" / "body_nonce.json"
MARK: Final = b"NONCE00000000000"
VARIANTS: Final = 512
TURNS: Final = 15
REQUESTS_A_TURN: Final = 250
STREAMS_A_TURN: Final = 4
CHUNKS: Final = 256
REFERENCES_A_TURN: Final = 4000

WHOLE: Final = (
    b'{"id":"chatcmpl-8f3c2a9b7e6d4c1fa0b2c3d4e5f60718","object":"chat.completion","created":1764000000,"model":"m1",'
    b'"choices":[{"index":0,"message":{"role":"assistant","content":"%b"},"logprobs":null,"finish_reason":"stop"}],'
    b'"usage":{"prompt_tokens":300,"completion_tokens":180,"total_tokens":480}}'
    % (b"The complaint is about a declined payment. " * 18)
)
HEAD: Final = (
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer %b\r\n"
    b"content-type: application/json\r\ncontent-length: %d\r\n\r\n"
)
STREAM_HEAD: Final = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
LAST: Final = (
    b'data: {"id":"chatcmpl-8f3c2a9b7e6d4c1fa0b2c3d4e5f60718","object":"chat.completion.chunk","created":1764000000,'
    b'"model":"m1","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
)


class _Transport:
    """As much of a transport as either connection asks for, with nobody at the other end."""

    def __init__(self) -> None:
        self._socket, self._other = socket.socketpair()

    def get_extra_info(self, name: str) -> object:
        return {"socket": self._socket, "peername": ("127.0.0.1", 9)}.get(name)

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def set_write_buffer_limits(self, high: int) -> None: ...
    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def abort(self) -> None: ...
    def close(self) -> None: ...
    def write(self, data: bytes) -> None:
        raise NotImplementedError


class _ModelServer(_Transport):
    """Answers each request with `pieces`, one a turn of the loop."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        super().__init__()
        self._pieces = pieces
        self.protocol: asyncio.Protocol

    def write(self, data: bytes) -> None:  # noqa: ARG002 -- what is asked is always the same
        self._say(0)

    def _say(self, at: int) -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(self.protocol.data_received, self._pieces[at])
        if at + 1 < len(self._pieces):
            loop.call_soon(self._say, at + 1)


class _Client(_Transport):
    """Sends a request as soon as the one before is answered."""

    def __init__(self, requests: Sequence[bytes], *, is_streamed: bool) -> None:
        super().__init__()
        self.protocol: asyncio.Protocol
        self._requests = cycle(requests)
        self._end = b"0\r\n\r\n" if is_streamed else b"}}"
        self._left = 0
        self._done: asyncio.Future[None] | None = None
        self._is_refused = False

    async def ask(self, times: int) -> None:
        loop = asyncio.get_running_loop()
        self._left, self._done = times, loop.create_future()
        self._next()
        await self._done
        if self._is_refused:
            raise SystemExit("bench/path.py: the gateway refused a request, so this is no figure of its path")

    def _next(self) -> None:
        self._left -= 1
        self.protocol.data_received(next(self._requests))

    def write(self, data: bytes) -> None:
        if data.startswith(b"HTTP/1.1 ") and not data.startswith(b"HTTP/1.1 200 "):
            self._is_refused = True
        if not data.endswith(self._end):
            return
        if self._left:
            asyncio.get_running_loop().call_soon(self._next)
        elif self._done is not None:
            self._done.set_result(None)


class _KnownText:
    """A scanner that has read everything before: what is left is the path without its scan."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence

    digest = "known"

    def scan(self, dialect: str, document: object, memo: Memo | None = None) -> Evidence:  # noqa: ARG002 -- the port's
        return self._evidence


def bodies() -> list[bytes]:
    """Requests of about 1.3 KB in which every message is new."""
    if not SHARED.exists():
        return [body(number) for number in range(VARIANTS)]
    parts = SHARED.read_bytes().split(MARK)
    number = (0x2F31 << 32) ^ 86_400_000_000_000
    return [b"".join([parts[0], *(b"%016x" % (number + at) + part for part in parts[1:])]) for at in range(VARIANTS)]


def plain_answer() -> list[bytes]:
    """One answer of 1 KB in one piece."""
    return [b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(WHOLE) + WHOLE]


def streamed_answer() -> list[bytes]:
    """A stream in which every chunk arrives by itself."""
    pieces = [*(CHUNK % number for number in range(CHUNKS - 1)), LAST]
    return [STREAM_HEAD, *(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces), b"0\r\n\r\n"]


class _House:
    """One worker between one client and one model server, both in memory."""

    def __init__(
        self, folder: Path, scanner: Scanner | None, *, is_streamed: bool, asked: Sequence[bytes] = ()
    ) -> None:
        loop = asyncio.get_running_loop()
        worker = Worker(settings.load(folder, {}), number=0, scanner=scanner)
        self._audit = worker._audit
        self._audit.open()
        if worker._cache is not None:
            worker._cache.open()
        server = _ModelServer(streamed_answer() if is_streamed else plain_answer())
        backend = cast(Http1Backend, worker._backends["plain"])
        (endpoint,) = worker._pipeline.generation.bundle.topology.pool("plain").endpoints
        server.protocol = upstream = _Connection(loop, backend, endpoint)
        upstream.connection_made(cast(asyncio.Transport, server))
        upstream.idle_since = loop.time()
        backend._idle[endpoint] = deque([upstream])
        asked = asked or bodies()
        if is_streamed:
            asked = [text.replace(b'"stream":false', b'"stream":true') for text in asked]
        self._client = _Client([HEAD % (KEY.encode(), len(text)) + text for text in asked], is_streamed=is_streamed)
        self._client.protocol = Connection(worker._plane, loop)
        self._client.protocol.connection_made(cast(asyncio.Transport, self._client))

    async def ask(self, times: int) -> None:
        """Send `times` requests, each after the answer to the one before, and wait until their records are written."""
        await self._client.ask(times)
        # Nothing else here ever waits: without this the writer falls behind until requests are refused.
        while self._audit._queue:  # noqa: ASYNC110 -- the writer is a thread and tells nobody
            await asyncio.sleep(0.02)

    def close(self) -> None:
        """End the audit's writer."""
        self._audit.flush_and_close()


async def measure(
    folder: Path, scanner: Scanner | None, *, is_streamed: bool, turns: int, asked: Sequence[bytes] = ()
) -> dict[str, float]:
    """One row: CPU microseconds per request or chunk, as a multiple of the reference, and calls of functions.

    `asked` are the requests, in turn; else they are `bodies`.
    """
    house = _House(folder, scanner, is_streamed=is_streamed, asked=asked)
    requests, per_request = (STREAMS_A_TURN, CHUNKS) if is_streamed else (REQUESTS_A_TURN, 1)
    decode: Callable[[bytes], Any] = msgspec.json.Decoder().decode
    sample = body(0)
    await house.ask(requests)
    calls = await _calls(house, requests) / (requests * per_request)
    gc.collect()
    gc.freeze()
    costs, ratios = [], []
    for _ in range(turns):
        began = process_time_ns()
        await house.ask(requests)
        cost = (process_time_ns() - began) / (requests * per_request)
        began = process_time_ns()
        for _ in range(REFERENCES_A_TURN):
            decode(sample)
        costs.append(cost)
        ratios.append(cost / ((process_time_ns() - began) / REFERENCES_A_TURN))
    house.close()
    return {
        "us": statistics.median(costs) / 1000,
        "least_us": min(costs) / 1000,
        "times_reference": statistics.median(ratios),
        "calls": calls,
    }


async def _calls(house: _House, requests: int) -> int:
    """How many functions are called, Python's and C's, on the loop's thread."""
    count = 0

    def counted(frame: object, event: str, argument: object) -> None:  # noqa: ARG001 -- the hook's signature
        nonlocal count
        if event in ("call", "c_call"):
            count += 1

    sys.setprofile(counted)
    await house.ask(requests)
    sys.setprofile(None)
    return count


def rows(folder: Path) -> dict[str, tuple[Scanner | None, bool]]:
    """What is measured: the scanner, None for the real one, and whether the answer is a stream."""
    policy = settings.load(folder, {}).bundle.policy
    found = build_scanner(policy.markers).scan(Dialect.CHAT, parse(Dialect.CHAT, bodies()[0]).document)
    known = _KnownText(found)
    return {
        "request: all text new, 1.3 KB": (None, False),
        "request: without its scan": (known, False),
        "request: nothing found, no scan": (_KnownText(Evidence((), found.coverage)), False),
        "stream: one chunk": (known, True),
    }


def configured(folder: Path) -> Path:
    """`folder` with a gateway's configuration and a key in it."""
    write_config(folder, Front(0, 9100, 9110), 8080, 8081)
    create_key(folder)
    return folder


def main() -> int:
    """Measure every row and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--once", action="store_true", help="one turn for every row: do they still run?")
    parser.add_argument("--only", default="", help="rows whose names contain this")
    parser.add_argument("--json", type=Path, default=OUT / "path.json", help="where the figures go")
    options = parser.parse_args()
    about = describe(None)
    figures: dict[str, dict[str, float]] = {}
    print(f"reference: decoding 1.3 KB of JSON\n  {'':32}{'µs':>8}{'least':>8}{'× reference':>14}{'calls':>8}")
    with tempfile.TemporaryDirectory() as name:
        for row, (scanner, is_streamed) in rows(configured(Path(name) / "rows")).items():
            if options.only not in row:
                continue
            turns = 1 if options.once else TURNS
            # A folder of its own: a second gateway in the same one takes itself for a restart, whose record is lost.
            folder = configured(Path(name) / f"row-{len(figures)}")
            figure = uvloop.run(measure(folder, scanner, is_streamed=is_streamed, turns=turns))
            figures[row] = figure
            print(
                f"  {row:32}{figure['us']:>8.1f}{figure['least_us']:>8.1f}"
                f"{figure['times_reference']:>14.1f}{figure['calls']:>8.0f}"
            )
    print("\n" + " · ".join(f"{key} {value}" for key, value in about.items()))
    options.json.parent.mkdir(exist_ok=True)
    options.json.write_text(json.dumps({"machine": about, "rows": figures}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
