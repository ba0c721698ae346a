"""Ids, model names and fingerprints in a reply, respelled as ours without decoding the rest.

The values are known from the decoded view; their spelling in the bytes is learnt once per stream and then replaced
where it stands. Where that is not beyond doubt (spelled otherwise, spelled twice, missing), the reply is decoded
in full and encoded anew.
"""

from typing import Final

import msgspec

_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder()
_BACKSLASH: Final = 0x5C


class _Field:
    """One member of the reply's object: what it is to say, and how the server has spelled it so far."""

    __slots__ = ("_key", "_ours", "_spelled", "_theirs")

    def __init__(self, key: bytes, ours: bytes) -> None:
        self._key = key
        self._ours = key + ours
        self._theirs: str | None = None
        self._spelled = b""

    def respelled(self, data: bytes, theirs: str) -> bytes | None:
        """`data` with the one place that says `theirs` replaced; None if that place is in doubt."""
        if theirs != self._theirs:
            self._learn(data, theirs)
        spelled = self._spelled
        at = data.find(spelled)
        # A quote in the middle of a string has a backslash before it, so a match that begins with a bare quote and
        # has a bare quote before its colon is a member of some object; if it is the only one, it is this one.
        if at < 1 or data[at - 1] == _BACKSLASH or data.find(spelled, at + 1) >= 0:
            return None
        return data[:at] + self._ours + data[at + len(spelled) :]

    def _learn(self, data: bytes, theirs: str) -> None:
        value = _ENCODER.encode(theirs)
        compact = self._key + value
        self._theirs = theirs
        self._spelled = compact if compact in data else self._key + b" " + value


class Respeller:
    """Makes the replies of one stream, or one whole reply, ours. `reply_id` of None: replies of this kind have none."""

    __slots__ = ("_alias", "_fingerprint", "_id", "_model", "_reply_id")

    def __init__(self, *, alias: str, reply_id: str | None) -> None:
        self._alias = alias
        self._reply_id = reply_id
        self._id = _Field(b'"id":', _ENCODER.encode(reply_id))
        self._model = _Field(b'"model":', _ENCODER.encode(alias))
        self._fingerprint = _Field(b'"system_fingerprint":', b"null")

    def event(self, data: bytes, reply_id: str | None, model: str | None, fingerprint: str | None) -> bytes:
        """The event whose data is `data`; the other arguments are what was decoded of it."""
        ours = self._in_place(data, reply_id, model, fingerprint)
        if ours is None or b"\n" in ours:
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
            ours = None if reply_id is None else self._id.respelled(data, reply_id)
        if ours is None or model is None:
            return None
        ours = self._model.respelled(ours, model)
        if ours is None or fingerprint is None:
            return ours
        return self._fingerprint.respelled(ours, fingerprint)

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
