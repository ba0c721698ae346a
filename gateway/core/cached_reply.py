"""An answer as it is stored: what was sent to the client, when, how long it may be used, and when it is made anew.

Only answers that came to their end are made into one, and nothing here decides whether one may be stored. Time and
chance are arguments. An answer that is used much is made anew a little before its time is up, by one request drawn by
lot, sooner the longer it takes to make (XFetch: Vattani, Chierichetti, Lowenstein, 2015): so that the moment at which
it ends does not send everybody to the model servers at once.
"""

import math
from typing import Final

import msgspec

from gateway.core.records import Usage

VERSION: Final = 1
SKEW_S: Final = 5.0
"""How far two gateways' clocks may be apart: what was stored later than that from now was not stored by us."""

_EAGER: Final = 1.0
_MOST_EAGER: Final = 37.0
"""-log(1 - draw) is below that for every float from 0 to below 1."""
_MARGIN_S: Final = 0.001


class CachedReply(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One whole answer: the body of an unstreamed one, or all events of a stream. Times are Unix seconds.

    `reply_id` is what the answer calls itself, empty for an answer without an id. `took_s` is how long it took to make.
    """

    v: int
    stored_at: float
    lives_s: float
    took_s: float
    reply_id: str
    usage: Usage | None
    body: bytes

    def age_s(self, now: float) -> float:
        """How old it is."""
        return self.age_and_left_s(now)[0]

    def left_s(self, now: float) -> float:
        """How long it may still be used; 0 if not any more, or if it is said to come from the future."""
        return self.age_and_left_s(now)[1]

    def age_and_left_s(self, now: float) -> tuple[float, float]:
        """`age_s` and `left_s`, of one look."""
        age_s, left_s = now - self.stored_at, self.lives_s
        if age_s < 0.0:
            if age_s < -SKEW_S:
                left_s = 0.0
            age_s = 0.0
        left_s -= age_s
        return age_s, left_s if left_s > 0.0 else 0.0

    def as_reply(self, reply_id: str) -> bytes:
        """The body under an id of its own. The old one is 96 random bits, which no model can have said."""
        if not self.reply_id:
            return self.body
        return self.body.replace(self.reply_id.encode(), reply_id.encode())


def is_drawn(left_s: float, took_s: float, draw: float) -> bool:
    """Whether the request that drew `draw`, from 0 to below 1, makes an answer anew that could be used for `left_s`."""
    return took_s * _EAGER * -math.log(1.0 - draw) >= left_s


def may_be_drawn(left_s: float, took_s: float) -> bool:
    """Whether `is_drawn` could say yes, whatever is drawn."""
    return took_s * _EAGER * _MOST_EAGER >= left_s


def usable_until(reply: CachedReply, lives_s: float, max_age_s: float | None, min_fresh_s: float) -> float:
    """Until when `reply` may be given without another look, from `stored_at` on: no rule takes it away before, neither
    the policy's `lives_s` nor what its client takes, and no lot that might be drawn."""
    left_s = max(min_fresh_s, reply.took_s * _EAGER * _MOST_EAGER)
    longest_s = min(reply.lives_s - left_s, lives_s - min_fresh_s)
    if max_age_s is not None:
        longest_s = min(longest_s, max_age_s)
    # What lies at the edge is looked at once more: sums of such numbers are off by less than a microsecond.
    return reply.stored_at + longest_s - _MARGIN_S


_encode: Final = msgspec.msgpack.Encoder().encode
_decoder: Final = msgspec.msgpack.Decoder(CachedReply)


def write(reply: CachedReply) -> bytes:
    """`reply` as it is sealed."""
    return _encode(reply)


def read(data: bytes) -> CachedReply | None:
    """What `write` has written; None if it is not that, or of a later version."""
    try:
        reply = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return reply if reply.v == VERSION else None
