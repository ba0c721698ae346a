"""Passes a container's answer on piece by piece: framed or plain, at the pace and to the end that a fault asks for.

Without a fault every piece is passed on as it came. What cannot be said in a plain stream, an exception say, becomes
a connection that is dropped: the real service passes such a stream on as it is, and has no other word for its end.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Final, Protocol

from gateway.lane import frames
from gateway.lane.connection import Connection
from gateway.lane.faults import Cut, Disturbed, Ended, Ending, Raised, Stalled, WrongCrc, message_of

STREAM_BROKEN: Final = "StreamBroken"
TIME_EXCEEDED: Final = "ModelInvocationTimeExceeded"


class Form(Protocol):
    """How bytes of the container's answer, and the end of a broken one, are written."""

    def part(self, data: bytes) -> bytes: ...
    def wrong(self, data: bytes, *, prelude: bool) -> bytes: ...
    def exception(self, raised: Raised) -> bytes | None: ...


class Framed:
    """Event-stream frames."""

    def part(self, data: bytes) -> bytes:
        """One `PayloadPart`."""
        return frames.payload_part(data)

    def wrong(self, data: bytes, *, prelude: bool) -> bytes:
        """One `PayloadPart` with a wrong checksum."""
        whole = frames.payload_part(data)
        return frames.with_wrong_prelude_crc(whole) if prelude else frames.with_wrong_message_crc(whole)

    def exception(self, raised: Raised) -> bytes | None:
        """The frame that says what happened."""
        message = message_of(raised.error, raised.message)
        if not raised.modelled:
            return frames.error(raised.error, message)
        members = {"Message": message}
        if raised.error == "ModelStreamError":
            members["ErrorCode"] = raised.code if raised.code is not None else STREAM_BROKEN
        return frames.exception(raised.error, members)


class Plain:
    """The bytes as they are."""

    def part(self, data: bytes) -> bytes:
        """The same."""
        return data

    def wrong(self, data: bytes, *, prelude: bool) -> bytes:  # noqa: ARG002 -- there is no checksum to be wrong
        """The same."""
        return data

    def exception(self, raised: Raised) -> bytes | None:  # noqa: ARG002 -- one end for all
        """None: it cannot be said."""
        return None


async def pass_on(connection: Connection, body: AsyncIterator[bytes], form: Form, fault: Disturbed) -> bool:
    """Write the body of a chunked answer; whether it ended in order, so that the connection may serve again."""
    writer = _Writer(connection, fault)
    part_sizes = frames.endless(fault.part_sizes)
    ending = fault.ending
    left = ending.after if ending is not None else 0
    async for data in body:
        for piece in frames.cut(data, part_sizes):
            if ending is None or len(piece) < left:
                left -= len(piece)
                await writer.write(form.part(piece))
                continue
            if left:
                await writer.write(form.part(piece[:left]))
            if not isinstance(ending, WrongCrc):
                return await _end(writer, form, ending, piece[left:])
            await writer.write(form.wrong(piece[left:], prelude=ending.prelude))
            ending = None
    if ending is not None:
        return await _end(writer, form, ending, b"")
    await writer.finish()
    return True


async def break_off(connection: Connection, form: Form, code: str) -> bool:
    """End an answer that the container did not end; whether the connection may serve again."""
    return await _end(_Writer(connection, Disturbed()), form, Raised("ModelStreamError", code=code), b"")


async def _end(writer: "_Writer", form: Form, ending: Ending, rest: bytes) -> bool:
    match ending:
        case Raised():
            said = form.exception(ending)
            if said is None:
                await writer.drop()
                return False
            await writer.write(said)
            await writer.finish()
            return True
        case WrongCrc(prelude=prelude):
            await writer.write(form.wrong(rest, prelude=prelude))
            await writer.finish()
            return True
        case Cut():
            await writer.write(_half(form.part(rest)))
            await writer.drop()
            return False
        case Ended():
            await writer.write(_half(form.part(rest)))
            await writer.finish()
            return True
        case Stalled():
            await writer.flush()
            # The caller's leaving cancels this.
            await asyncio.Event().wait()
            return False


def _half(data: bytes) -> bytes:
    return data[: max(1, len(data) // 2)]


class _Writer:
    """Writes in the pieces that the fault asks for, across the borders of what it is given."""

    def __init__(self, connection: Connection, fault: Disturbed) -> None:
        self._connection = connection
        self._gap_s = fault.gap_s
        self._sizes = frames.endless(fault.write_sizes)
        self._size = next(self._sizes) if self._sizes is not None else 0
        self._held = b""

    async def write(self, data: bytes) -> None:
        if self._sizes is None:
            await self._chunk(data)
            return
        self._held += data
        while len(self._held) >= self._size:
            piece, self._held = self._held[: self._size], self._held[self._size :]
            self._size = next(self._sizes)
            await self._chunk(piece)

    async def flush(self) -> None:
        held, self._held = self._held, b""
        await self._chunk(held)

    async def finish(self) -> None:
        await self.flush()
        await self._connection.end_chunks()

    async def drop(self) -> None:
        await self.flush()
        self._connection.drop()

    async def _chunk(self, data: bytes) -> None:
        if self._gap_s:
            await asyncio.sleep(self._gap_s)
        elif self._sizes is not None:
            # Each piece by itself on the wire, as far as that is ours to say.
            await asyncio.sleep(0)
        await self._connection.chunk(data)
