"""SageMaker endpoints as a backend: our own HTTP client, with AWS's signatures in front and its framing taken off.

What is sent was encoded and cleared before; here it is only signed. What comes back reaches the receiver as if the
container had answered by itself: frames become the container's stream, Hugging Face's form becomes OpenAI's, and
AWS's errors become statuses. An endpoint that the capture preflight has closed cannot be reached.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

from gateway.backends.http1 import Http1Backend, Http1Settings
from gateway.backends.sagemaker_capture import CapturePreflight, control_plane
from gateway.backends.sagemaker_credentials import Credentials, Keys
from gateway.core.message import Headers, Message
from gateway.core.topology import Address, DataCapture, Endpoint, Payload, Peer, Pool, SageMakerTarget
from gateway.errors import TidegateError
from gateway.ports import Receiver, UpstreamConnection, UpstreamUnreachable
from gateway.wire import sagemaker_errors
from gateway.wire.errors import aws_detail
from gateway.wire.eventstream import CONTENT_TYPE, EventStreamReader
from gateway.wire.huggingface import HuggingFaceStream, completion

MAX_KEPT_ERROR: Final = 64 << 10
MAX_KEPT_ANSWER: Final = 64 << 20

Plane = tuple[str, str | None]
"""A control plane: its region, and its address where that is not AWS's own."""

_SSE: Final = (b"content-type", b"text/event-stream")


class SageMakerBackend:
    """Implements `ports.Backend` for the endpoints of one pool, in whichever regions they are."""

    def __init__(self, pool: Pool, target: SageMakerTarget, keys: Keys | None) -> None:
        places = {endpoint.name: target.place(endpoint.name) for endpoint in pool.endpoints}
        self._places = places
        self.preflights: dict[Plane, CapturePreflight] = {}
        """By control plane, who looks whether copies are kept: none where that is allowed."""

        if target.data_capture is DataCapture.FORBID:
            self.preflights = {plane: _preflight(pool, target, keys, plane) for plane in planes_of(pool, target)}
        regions = {target.region, *(place.region for place in places.values())}
        self._credentials = Credentials(regions, target.invoke, keys)
        self._is_huggingface = target.payload is Payload.HUGGINGFACE
        # One for each region, since they sign differently. Endpoints that nobody has listed are of the pool's own.
        self._usual = target.region
        self._https = {
            region: Http1Backend(
                Http1Settings(
                    ca_file=pool.ca_file,
                    sign=partial(self._credentials.sign_in, region),
                    proxy=target.proxy,
                    certificate=pool.certificate,
                    max_connections=pool.max_connections,
                )
            )
            for region in sorted(regions)
        }

    @property
    def closed(self) -> str | None:
        """Why the pool must not be used now. One that has endpoints elsewhere that may be used is open."""
        reasons = [preflight.closed for preflight in self.preflights.values()]
        return reasons[0] if reasons and None not in reasons else None

    @property
    def connections(self) -> tuple[int, int, int]:
        """How many there are and how many of them are idle now, and how many were opened so far."""
        total, idle, dialled = zip(*(http.connections for http in self._https.values()), strict=True)
        return sum(total), sum(idle), sum(dialled)

    async def watch(self, stop: asyncio.Event) -> None:
        """Until `stop`: credentials before somebody waits for them, and an eye on what the endpoints keep."""
        with contextlib.suppress(UpstreamUnreachable):
            await self._credentials.ready()
        async with asyncio.TaskGroup() as group:
            for preflight in self.preflights.values():
                group.create_task(preflight.run(stop))

    def idle(self, endpoint: Endpoint) -> UpstreamConnection | None:  # noqa: ARG002 -- the port's signature
        """None: whether the credentials are still good has to be waited for."""
        return None

    async def connect(
        self,
        endpoint: Endpoint,
        *,
        timeout_s: float,
        may_dial: Callable[[Address | None], bool],
        fresh: bool = False,
    ) -> UpstreamConnection:
        """A connection to `endpoint`, with credentials that are good for it."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        place = self._places.get(endpoint.name)
        self._refuse_if_closed(endpoint)
        try:
            async with asyncio.timeout_at(deadline):
                await self._credentials.ready()
        except TimeoutError as exc:
            raise UpstreamUnreachable("AWS credentials: timeout") from exc
        left_s = deadline - loop.time()
        http = self._https[place.region if place is not None else self._usual]
        connection = await http.connect(endpoint, timeout_s=left_s, may_dial=may_dial, fresh=fresh)
        try:
            # The preflight may have found something while we waited.
            self._refuse_if_closed(endpoint)
        except UpstreamUnreachable:
            connection.abort()
            raise
        return _Call(connection, self._credentials.forget, is_huggingface=self._is_huggingface)

    async def close(self) -> None:
        """Close every connection, busy ones included."""
        for http in self._https.values():
            await http.close()

    def closed_at(self, endpoint: Endpoint) -> str | None:
        """Why this endpoint must not be used now."""
        place = self._places.get(endpoint.name)
        preflight = self.preflights.get((place.region, place.control)) if place is not None else None
        return preflight.closed if preflight is not None else self.closed

    def _refuse_if_closed(self, endpoint: Endpoint) -> None:
        closed = self.closed_at(endpoint)
        if closed is not None:
            raise UpstreamUnreachable(f"the pool is closed: {closed}")


def planes_of(pool: Pool, target: SageMakerTarget) -> dict[Plane, tuple[Endpoint, ...]]:
    """The control planes of a pool's endpoints, each with those that it knows."""
    found: dict[Plane, tuple[Endpoint, ...]] = {}
    for endpoint in pool.endpoints:
        place = target.place(endpoint.name)
        plane = place.region, place.control
        found[plane] = (*found.get(plane, ()), endpoint)
    return found


def _preflight(pool: Pool, target: SageMakerTarget, keys: Keys | None, plane: Plane) -> CapturePreflight:
    region, control = plane
    planes = planes_of(pool, target)
    there = replace(target, region=region, control=control)
    look = control_plane(replace(pool, endpoints=planes[plane]), there, keys)
    where = f" in {region}" if len(planes) > 1 else ""
    return CapturePreflight(pool.name + where, look, every_s=target.check_every_s)


class _Call:
    """One connection for one exchange: `ports.UpstreamConnection` around the plain one, and its receiver inside."""

    def __init__(self, inner: UpstreamConnection, forget: Callable[[], None], *, is_huggingface: bool) -> None:
        self._inner = inner
        self._forget = forget
        self._is_huggingface = is_huggingface
        self._receiver: Receiver | None = None
        self._sent = 0
        self._status = 0
        self._headers: Headers = ()
        self._kept: list[bytes] = []
        self._kept_size = 0
        self._frames: EventStreamReader | None = None
        self._lines: HuggingFaceStream | None = None
        self._is_open = False

    # ports.UpstreamConnection

    @property
    def peer(self) -> Peer:
        """Who is at the other end."""
        return self._inner.peer

    def start(self, message: Message, receiver: Receiver) -> None:
        """Write `message`; `receiver` hears the container's answer."""
        self._receiver = receiver
        self._sent = len(message.body)
        self._inner.start(message, self)

    def pause(self) -> None:
        """Stop reading."""
        self._inner.pause()

    def resume(self) -> None:
        """Read on."""
        self._inner.resume()

    def abort(self) -> None:
        """Close now, tell nobody."""
        self._receiver = None
        self._inner.abort()

    # ports.Receiver

    def on_head(self, status: int, headers: Headers) -> None:
        """SageMaker's head. It is passed on once it is known what the container has to say."""
        self._status, self._headers = status, headers
        if status != 200:
            return
        if _content_type(headers) == CONTENT_TYPE:
            self._frames = EventStreamReader()
            self._lines = HuggingFaceStream(created=int(time.time())) if self._is_huggingface else None
            self._headers = (_SSE, *(header for header in headers if header[0] != b"content-type"))
        elif not self._is_huggingface:
            self._open()

    def on_data(self, data: bytes) -> None:
        """Bytes of the body."""
        receiver = self._receiver
        if receiver is None:
            return
        if self._frames is not None:
            self._framed(self._frames, data)
        elif self._is_open:
            receiver.on_data(data)
        else:
            self._kept_size += len(data)
            if self._status == 200 and self._kept_size > MAX_KEPT_ANSWER:
                self._fail("answer too large")
            elif self._status == 200 or self._kept_size <= MAX_KEPT_ERROR:
                self._kept.append(data)

    def on_end(self) -> None:
        """The framing is complete."""
        if self._frames is not None:
            if self._frames.pending:
                self._fail("the event stream ended within a frame")
                return
            self._pass(self._lines.end() if self._lines is not None else b"")
            if self._lines is not None and self._lines.failure is not None:
                self._fail(self._lines.failure)
                return
            self._open()
        elif not self._is_open and not self._translated():
            return
        if self._receiver is not None:
            self._receiver.on_end()
            # Not before: if it fails in this call, the connection below tells it so through us.
            self._receiver = None

    def on_failure(self, reason: str) -> None:
        """The connection broke."""
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.on_failure(reason + aws_detail(self._headers))

    # Inside. The receiver may abort us in any of its calls; then it hears no more.

    def _open(self) -> None:
        if not self._is_open and self._receiver is not None:
            self._is_open = True
            self._receiver.on_head(self._status, self._headers)

    def _pass(self, data: bytes) -> None:
        if data:
            self._open()
            if self._receiver is not None:
                self._receiver.on_data(data)

    def _framed(self, frames: EventStreamReader, data: bytes) -> None:
        said = frames.feed(data)
        self._pass(self._lines.feed(said) if self._lines is not None else said)
        failure = frames.failure
        if failure is not None and not self._is_open and failure.kind in sagemaker_errors.BUSY:
            # Refused before the container has said anything: as good as an answer with that status.
            self._refuse(failure.kind)
        elif failure is not None:
            self._fail(str(failure))
        elif self._lines is not None and self._lines.failure is not None:
            self._fail(self._lines.failure)

    def _refuse(self, kind: str) -> None:
        self._inner.abort()
        self._status = sagemaker_errors.busy_status(kind)
        self._headers = (*self._headers, (sagemaker_errors.ERROR_TYPE, kind.encode()))
        if sagemaker_errors.is_cold(kind):
            self._status, self._headers = 503, (sagemaker_errors.COLD, *self._headers)
        self._open()
        receiver, self._receiver = self._receiver, None
        if receiver is not None:
            receiver.on_end()

    def _fail(self, reason: str) -> None:
        self._inner.abort()
        self.on_failure(reason)

    def _translated(self) -> bool:
        """Pass on what was kept, as the container would have said it; False if that is a failure."""
        body = b"".join(self._kept)
        if self._status == 200:
            try:
                body = completion(body, created=int(time.time()))
            except TidegateError as error:
                self.on_failure(error.detail)
                return False
        else:
            if sagemaker_errors.kind_of(self._headers, body) in sagemaker_errors.DENIED:
                self._forget()
            self._status, self._headers, body = sagemaker_errors.from_container(
                self._status, self._headers, body, sent=self._sent
            )
        self._open()
        if body and self._receiver is not None:
            self._receiver.on_data(body)
        return True


def _content_type(headers: Headers) -> bytes:
    value = next((value for name, value in headers if name == b"content-type"), b"")
    return value.partition(b";")[0].strip().lower()
