"""Ids, model names and fingerprints in a reply, respelled as ours without decoding the rest.

The values are known from the decoded view, and are replaced where they stand in the bytes. Where that is not beyond
doubt (spelled otherwise, spelled twice, missing), the reply is decoded in full and encoded anew.
"""

from typing import Final

import msgspec

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder()
_BACKSLASH: Final = 0x5C
_LINE_FEED: Final = 0x0A
_ID: Final = b'"id":'
_MODEL: Final = b'"model":'
_FINGERPRINT: Final = b'"system_fingerprint":'


def _replaced(data: bytes, key: bytes, theirs: str, ours: bytes) -> bytes | None:
    """`data` with `ours` where its member `key` says `theirs`; None if that place is in doubt."""
    value = _ENCODER.encode(theirs)
    spelled = key + value
    # Three parts tell two places from one. `in` would first try bytes as a number, and fail with an error.
    parts = data.split(spelled, 2)
    if len(parts) == 1:
        parts = data.split(key + b" " + value, 2)
    if len(parts) != 2:
        return None
    before, after = parts
    # A quote in the middle of a string has a backslash before it, so a match that begins with a bare quote and
    # has a bare quote before its colon is a member of some object; if it is the only one, it is this one.
    if not before or not after or before[-1] == _BACKSLASH:
        return None
    return b"%b%b%b%b" % (before, key, ours, after)


class Respeller:
    """Makes the replies of one stream, or one whole reply, ours. `reply_id` of None: replies of this kind have none."""

    __slots__ = ("_alias", "_our_alias", "_our_id", "_reply_id")

    def __init__(self, *, alias: str, reply_id: str | None) -> None:
        self._alias = alias
        self._reply_id = reply_id
        self._our_alias = _ENCODER.encode(alias)
        self._our_id = _ENCODER.encode(reply_id)

    def event(self, data: bytes, reply_id: str | None, model: str | None, fingerprint: str | None) -> bytes:
        """The event whose data is `data`; the other arguments are what was decoded of it."""
        ours = self._in_place(data, reply_id, model, fingerprint)
        if ours is None or _LINE_FEED in ours:
            ours = self._anew(data)
        return b"data: " + ours + b"\n\n"

    def body(self, data: bytes, reply_id: str | None, model: str | None, fingerprint: str | None) -> bytes:
        """The body that `data` becomes; the other arguments are what was decoded of it."""
        ours = self._in_place(data, reply_id, model, fingerprint)
        return self._anew(data) if ours is None else ours

    def _in_place(self, data: bytes, reply_id: str | None, model: str | None, fingerprint: str | None) -> bytes | None:
        ours: bytes | None = data
        if self._reply_id is None:
            if reply_id is not None:
                return None
        else:
            ours = None if reply_id is None else _replaced(data, _ID, reply_id, self._our_id)
        if ours is None or model is None:
            return None
        ours = _replaced(ours, _MODEL, model, self._our_alias)
        if ours is None or fingerprint is None:
            return ours
        return _replaced(ours, _FINGERPRINT, fingerprint, b"null")

    def _anew(self, data: bytes) -> bytes:
        document = _DECODER.decode(data)
        if self._reply_id is None:
            document.pop("id", None)
        else:
            document["id"] = self._reply_id
        document["model"] = self._alias
        if "system_fingerprint" in document:
            document["system_fingerprint"] = None
        return _ENCODER.encode(document)
