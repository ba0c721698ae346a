"""Server-sent events, read sans-I/O: bytes in, whole events out.

The reader owns where an event ends and what its data is: any of the three line ends, split anywhere, comments, data
of several lines, a byte order mark at the start. What the data means is for `replies.py`.
"""

import re
from typing import Final

import msgspec

from gateway.core.message import Headers

MAX_EVENT: Final = 1 << 20

# A carriage return ends a line by itself unless a line feed follows; at the end of the buffer it ends it at once.
_LINE_END: Final = rb"(?:\r\n|\n|\r(?!\n))"
_BLANK_LINE: Final = re.compile(_LINE_END + _LINE_END)
_LINES: Final = re.compile(rb"\r\n|\n|\r")
_BOM: Final = b"\xef\xbb\xbf"
# As a number: bytes would first be tried as one, and fail with an error that costs more than the search.
_CARRIAGE_RETURN: Final = 0x0D


class EventTooLarge(ValueError):
    """An event is longer than the reader allows."""


class Event(msgspec.Struct, frozen=True, gc=False):
    """One event. `raw` is all of it, with its blank line; `data` its data lines joined, empty for a comment."""

    raw: bytes
    data: bytes


def is_event_stream(headers: Headers) -> bool:
    """Whether an answer says of itself that it is one."""
    return any(name == b"content-type" and value.lower().startswith(b"text/event-stream") for name, value in headers)


class SseReader:
    """Splits a stream into events. Raises EventTooLarge and is of no further use after that."""

    __slots__ = ("_buffer", "_is_first", "_is_late_lf", "_max_event", "_searched", "is_between")

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self.is_between = False
        """Whether an event has come to its end and none has begun since: what comes next is an event by itself."""
        self._max_event = max_event
        self._buffer = bytearray()
        self._searched = 0
        self._is_first = True
        self._is_late_lf = False

    @property
    def pending(self) -> bool:
        """Whether half an event is left: the stream, if it ends here, was cut."""
        return bool(self._buffer.strip(b"\r\n"))

    def feed(self, data: bytes) -> list[Event]:
        """The events that `data` completes."""
        if self._is_late_lf and data:
            # The second half of a line end whose first half has already ended the event before.
            self._is_late_lf = False
            if data[0] == 0x0A:
                data = data[1:]
        if self._buffer or _CARRIAGE_RETURN in data:
            return self._feed_buffered(data)
        # Most model servers write one event at a time, and most of those arrive by themselves.
        if data.find(b"\n") == len(data) - 2 and data.endswith(b"\n\n") and data.startswith(b"data: "):
            if len(data) > self._max_event:
                raise EventTooLarge
            self._is_first = False
            self.is_between = True
            return [Event(data, data[6:-2])]
        events: list[Event] = []
        start = 0
        while (end := data.find(b"\n\n", start)) >= 0:
            stop = end + 2
            if stop - start > self._max_event:
                raise EventTooLarge
            raw = data[start:stop]
            if raw.startswith(b"data: ") and raw.find(b"\n") == len(raw) - 2:
                events.append(Event(raw, raw[6:-2]))
            else:
                events.append(self._event(raw, may_have_bom=self._is_first and not start))
            start = stop
        if start < len(data):
            self._keep(data[start:])
        self._is_first = self._is_first and not start
        self.is_between = not self._is_first and not self._buffer
        return events

    def _feed_buffered(self, data: bytes) -> list[Event]:
        buffer = self._buffer
        buffer += data
        events: list[Event] = []
        start, search_from = 0, self._searched
        while (blank := _BLANK_LINE.search(buffer, search_from)) is not None:
            stop = blank.end()
            if stop - start > self._max_event:
                raise EventTooLarge
            events.append(self._event(bytes(buffer[start:stop]), may_have_bom=self._is_first))
            self._is_first = False
            start = search_from = stop
        self._is_late_lf = bool(events) and start == len(buffer) and buffer[-1] == 0x0D
        del buffer[:start]
        self._keep(b"")
        self.is_between = not self._is_first and not buffer and not self._is_late_lf
        return events

    def _keep(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) > self._max_event:
            raise EventTooLarge
        # The last byte may end a line; a blank line that is here as a whole has been found.
        self._searched = max(0, len(self._buffer) - 1)

    @staticmethod
    def _event(raw: bytes, *, may_have_bom: bool) -> Event:
        lines = _LINES.split(raw.removeprefix(_BOM) if may_have_bom else raw)
        values = [line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:")]
        return Event(raw, b"\n".join(values))
