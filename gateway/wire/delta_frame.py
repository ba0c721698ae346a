"""What stays the same around the words of a stream: learnt from one delta, recognised in the next.

Model servers write hundreds of events that differ in one string only. Where an event begins and ends exactly as one
that was decoded and judged before, and what differs is plain text inside that one string, it says the same about
everything else, and what becomes of it is known without decoding it again.
"""

import re
from typing import Final

_OPENING: Final = b'"content":"'
_DATA: Final = b"data: "
_BLANK: Final = b"\n\n"
_MOST: Final = 1 << 18
"""Bytes of an event that are worth a look: longer ones are left to whoever limits them."""

# The inside of a JSON string without escapes: it can neither end the string nor need decoding.
_PLAIN: Final = re.compile(rb"[ !#-\[\]-~\x80-\xff]+")


class DeltaFrame:
    """The bytes around the text of one delta, as the model server writes them and as they are forwarded."""

    __slots__ = (
        "_after",
        "_before",
        "_behind",
        "_closing",
        "_fixed",
        "_opening",
        "_ours_after",
        "_ours_before",
        "_start",
    )

    def __init__(self, before: bytes, after: bytes, ours_before: bytes, ours_after: bytes) -> None:
        self._before = before
        self._after = after
        # The same with what is around an event's data where it is one line.
        self._opening = _DATA + before
        self._closing = after + _BLANK
        self._ours_before = ours_before
        self._ours_after = ours_after
        self._start = len(self._opening)
        self._behind = len(self._closing)
        self._fixed = self._start + self._behind

    def forwarded(self, data: bytes) -> bytes | None:
        """What to forward for an event's `data`; None unless only its plain text is new."""
        if not data.startswith(self._before) or not data.endswith(self._after):
            return None
        return self.event(b"%b%b%b" % (_DATA, data, _BLANK))

    def event(self, raw: bytes) -> bytes | None:
        """The same for `raw`, which may be all bytes of one event: one line of data and a blank one."""
        size = len(raw)
        if not self._fixed < size < _MOST or not raw.startswith(self._opening) or not raw.endswith(self._closing):
            return None
        # Plain text has no line end in it, so that this is one event and no more.
        text = raw[self._start : size - self._behind]
        if _PLAIN.fullmatch(text) is None or not (text.isascii() or _is_text(text)):
            return None
        return b"%b%b%b" % (self._ours_before, text, self._ours_after)


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def frame_of(data: bytes, forwarded: bytes) -> DeltaFrame | None:
    """The frame of an event that was judged to be one delta and nothing else; None if it does not show plainly."""
    theirs, ours = _cut(data), _cut(forwarded)
    if theirs is None or ours is None:
        return None
    return DeltaFrame(*theirs, *ours)


def _cut(data: bytes) -> tuple[bytes, bytes] | None:
    at = data.find(_OPENING)
    start = at + len(_OPENING)
    # A bare quote before the key: a member of some object; twice would leave open which one.
    if at < 1 or data[at - 1] not in b"{," or data.find(_OPENING, start) >= 0:
        return None
    end = data.find(b'"', start)
    if _PLAIN.fullmatch(data, start, end) is None:
        return None
    return data[:start], data[end:]
