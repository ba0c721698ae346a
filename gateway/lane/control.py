"""Steers a stand-in from another process, over a socket of its own: plans faults, reads the record.

HTTP with JSON: `POST /faults` (a list of what `faults.Planned` is), `DELETE /faults`, `GET /received`,
`DELETE /received`. The socket must be one that only tests reach: whoever does sees everything that was received.
"""

import json
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import msgspec

from gateway.config.addresses import Listen
from gateway.core.message import Headers
from gateway.lane.answers import JSON, Answer
from gateway.lane.connection import Connection
from gateway.lane.faults import Planned
from gateway.lane.listener import LOOPBACK, listening
from gateway.lane.service import Standin
from gateway.lane.signatures import Request

_HEADERS: Final[Headers] = ((b"Content-Type", JSON),)
_DONE: Final = Answer(200, _HEADERS, b"{}")


@asynccontextmanager
async def controlled(standin: Standin, listen: Listen = LOOPBACK) -> AsyncIterator[str]:
    """Serve the control socket inside the block; yields its URL."""
    planned = msgspec.json.Decoder(list[Planned])

    async def handle(connection: Connection, request: Request) -> bool:
        await connection.answer(_answer(standin, planned, request))
        return True

    async with listening(listen, handle) as url:
        yield url


def _answer(standin: Standin, planned: msgspec.json.Decoder[list[Planned]], request: Request) -> Answer:
    match (request.method, request.target):
        case (b"POST", b"/faults"):
            try:
                standin.faults.extend(planned.decode(request.body))
            except msgspec.DecodeError as exc:
                # The form of a fault is its caller's own: what is wrong with it may be said.
                return Answer(400, _HEADERS, json.dumps({"error": str(exc)}).encode())
            return _DONE
        case (b"DELETE", b"/faults"):
            standin.faults.clear()
            return _DONE
        case (b"GET", b"/received"):
            return Answer(200, _HEADERS, json.dumps(_record(standin)).encode())
        case (b"DELETE", b"/received"):
            standin.clear_record()
            return _DONE
    return Answer(404, _HEADERS, b'{"error": "There are /faults and /received."}')


def _record(standin: Standin) -> dict[str, object]:
    return {
        "requests": [
            {
                "connection": received.connection,
                "method": received.method,
                "target": received.target,
                "headers": received.headers,
                "body": b64encode(received.body).decode(),
                "refused": received.refused,
            }
            for received in standin.received
        ],
        "bytes": [{"connection": heard.connection, "raw": b64encode(heard.raw).decode()} for heard in standin.heard],
    }
