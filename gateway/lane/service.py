"""The stand-in for the SageMaker runtime: an HTTP server that answers as the service would, from a container of ours.

Routes, checks who calls, meets the planned fault, asks the container and writes its answer in the service's form.
A development tool: it has no quotas and no autoscaling, and knows one account with one key.
"""

import asyncio
import re
import ssl
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from typing import Final, Self

from gateway.config.addresses import Listen
from gateway.core.message import Headers
from gateway.core.topology import Endpoint
from gateway.lane import answers, container, signatures, streaming
from gateway.lane.answers import MAX_BODY, Answer, ServiceError
from gateway.lane.connection import Connection, Heard
from gateway.lane.container import Reply
from gateway.lane.faults import SOUND, Disturbed, FaultPlan, Refused, Silent, message_of
from gateway.lane.listener import LOOPBACK, listening
from gateway.lane.signatures import Credentials, Request

WHOLE: Final = b"invocations"
STREAMED: Final = b"invocations-response-stream"
OPENAI: Final = b"openai/v1/chat/completions"

_NAME: Final = r"[A-Za-z0-9](?:-*[A-Za-z0-9]){0,62}"
_PATH: Final = re.compile(f"/endpoints/({_NAME})/([a-z0-9/-]+)".encode())
_BEARER: Final = re.compile(rb"Bearer ([\x21-\x7e]+)")
_PASSED_ON: Final = frozenset(
    f"x-amzn-sagemaker-{name}".encode()
    for name in ("custom-attributes", "inference-id", "session-id", "prefix-aware-id", "inference-component")
)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long the service waits for a container: for a whole answer or a stream's head, and for a stream's end."""

    answer_s: float = 60.0
    stream_s: float = 480.0


@dataclass(frozen=True, slots=True)
class Received:
    """One request that was read whole, let in or `refused` with an error of that name. Header names are lower case."""

    connection: int
    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    refused: str | None


@dataclass(frozen=True, slots=True)
class _Call:
    """A request that was let in."""

    connection: Connection
    request: Request
    id: str
    endpoint: str
    operation: bytes
    fault: Disturbed


class Standin:
    """Serves while it is open, as `async with`; `url` says where.

    `faults` may be planned at any time. With `keeps_record`, `received` holds every whole request and `heard` every
    byte of every connection.
    """

    def __init__(
        self,
        endpoints: Mapping[str, str],
        credentials: Credentials,
        *,
        region: str,
        listen: Listen = LOOPBACK,
        tls: ssl.SSLContext | None = None,
        keeps_record: bool = False,
        limits: Limits | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._containers: dict[str, Endpoint] = {}
        for name, url in endpoints.items():
            found = container.address(url)
            if found is None or not re.fullmatch(_NAME, name):
                raise ValueError(f"`{name}` must be an endpoint's name, and its container at http://HOST:PORT.")
            self._containers[name] = found
        self._credentials = credentials
        self._region = region
        self._listen = listen
        self._tls = tls
        self._keeps_record = keeps_record
        self._limits = limits if limits is not None else Limits()
        self._clock = clock
        self._stack = AsyncExitStack()
        self.faults = FaultPlan()
        self.received: list[Received] = []
        self.heard: list[Heard] = []
        self.url = ""

    async def __aenter__(self) -> Self:
        on_heard = self.heard.append if self._keeps_record else None
        self.url = await self._stack.enter_async_context(
            listening(self._listen, self._handle, tls=self._tls, on_heard=on_heard)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    def clear_record(self) -> None:
        """Forget what was received; connections that still stand are recorded from here on."""
        self.received.clear()
        for heard in self.heard:
            heard.raw.clear()

    async def _handle(self, connection: Connection, request: Request) -> bool:
        match = _PATH.fullmatch(request.target)
        name, operation = (match[1].decode(), match[2]) if match is not None else ("", b"")
        refusal = self._refusal(request, name, operation)
        if self._keeps_record:
            self.received.append(_received(connection.number, request, refusal))
        request_id = str(uuid.uuid4())
        if refusal is not None:
            return await _answered(connection, refusal.answer(request_id))
        match self.faults.take(name):
            case Refused() as fault:
                return await _answered(connection, _planned(fault, name, self._region).answer(request_id))
            case Silent():
                # The caller's leaving cancels this.
                await asyncio.Event().wait()
                return False
            case Disturbed() as fault:
                return await self._invoke(_Call(connection, request, request_id, name, operation, fault))

    def _refusal(self, request: Request, name: str, operation: bytes) -> ServiceError | None:
        if request.method != b"POST" or operation not in (WHOLE, STREAMED, OPENAI):
            return answers.unknown_operation()
        refusal = self._unauthorized(request, operation)
        if refusal is not None:
            return refusal
        if len(request.body) > MAX_BODY:
            return answers.too_large()
        return None if name in self._containers else answers.unknown_endpoint(name)

    def _unauthorized(self, request: Request, operation: bytes) -> ServiceError | None:
        now = self._clock()
        if operation != OPENAI:
            return signatures.refusal_of_signed(request, self._credentials, region=self._region, now=now)
        written = [value for name, value in request.headers if name == b"authorization"]
        bearer = _BEARER.fullmatch(written[0]) if len(written) == 1 else None
        if bearer is None:
            return answers.unsigned()
        return signatures.refusal_of_bearer(bearer[1], self._credentials, region=self._region, now=now)

    async def _invoke(self, call: _Call) -> bool:
        """Ask the container and pass on what it says; whether the connection may serve again."""
        async with AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(self._limits.answer_s):
                    asked = container.asked(self._containers[call.endpoint], _for_container(call), call.request.body)
                    reply = await stack.enter_async_context(asked)
                    whole = None if _streams(call, reply) else await reply.whole()
            except container.ContainerUnreachable:
                error = ServiceError("ServiceUnavailable", message_of("ServiceUnavailable", None))
            except container.ContainerBroke:
                error = answers.model_error(500, b"", endpoint=call.endpoint, region=self._region)
            except TimeoutError:
                error = answers.model_timeout(endpoint=call.endpoint, region=self._region)
            else:
                if whole is None:
                    return await self._pass_stream(call, reply)
                return await self._pass_whole(call, reply, whole)
        return await _answered(call.connection, error.answer(call.id))

    async def _pass_whole(self, call: _Call, reply: Reply, body: bytes) -> bool:
        if not 200 <= reply.status < 300 and call.operation != OPENAI:
            error = answers.model_error(reply.status, body, endpoint=call.endpoint, region=self._region)
            return await _answered(call.connection, error.answer(call.id))
        headers = answers.whole_headers(call.id, reply.content_type)
        if call.fault == SOUND:
            return await _answered(call.connection, Answer(reply.status, headers, body))
        await call.connection.start_chunked(reply.status, headers)
        return await streaming.pass_on(call.connection, _once(body), streaming.Plain(), call.fault)

    async def _pass_stream(self, call: _Call, reply: Reply) -> bool:
        is_framed = call.operation == STREAMED
        form = streaming.Framed() if is_framed else streaming.Plain()
        headers = (answers.stream_headers if is_framed else answers.whole_headers)(call.id, reply.content_type)
        await call.connection.start_chunked(reply.status, headers)
        try:
            async with asyncio.timeout(self._limits.stream_s), aclosing(reply.body()) as body:
                return await streaming.pass_on(call.connection, body, form, call.fault)
        except container.ContainerBroke:
            return await streaming.break_off(call.connection, form, streaming.STREAM_BROKEN)
        except TimeoutError:
            return await streaming.break_off(call.connection, form, streaming.TIME_EXCEEDED)


def _streams(call: _Call, reply: Reply) -> bool:
    """Whether the answer is passed on as it comes. An error never is: the service makes one of its own of it."""
    if call.operation == OPENAI:
        return reply.content_type.startswith(b"text/event-stream")
    return call.operation == STREAMED and 200 <= reply.status < 300


def _for_container(call: _Call) -> Headers:
    """The headers that the service passes on: what the body is, what is wanted, and the service's own."""
    headers = dict(call.request.headers)
    accept = b"x-amzn-sagemaker-accept" if call.operation == STREAMED else b"accept"
    kept = [(name, value) for name, value in call.request.headers if name in _PASSED_ON]
    return (
        (b"content-type", headers.get(b"content-type", b"application/octet-stream")),
        (b"accept", headers.get(accept, b"*/*")),
        *kept,
    )


def _planned(fault: Refused, endpoint: str, region: str) -> ServiceError:
    if fault.error == "ModelError":
        status = fault.original_status if fault.original_status is not None else 500
        said = fault.original_message if fault.original_message is not None else "The model failed."
        return answers.model_error(status, said.encode(), endpoint=endpoint, region=region)
    message = message_of(fault.error, fault.message)
    return ServiceError(fault.error, message, status=fault.status, retry_after=fault.retry_after)


def _received(connection: int, request: Request, refusal: ServiceError | None) -> Received:
    return Received(
        connection,
        request.method.decode("latin-1"),
        request.target.decode("latin-1"),
        tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers),
        request.body,
        None if refusal is None else refusal.name,
    )


async def _answered(connection: Connection, answer: Answer) -> bool:
    await connection.answer(answer)
    return True


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body
