"""How the script that counts quotas in Redis is asked, and what its answers mean.

Everything of one subject lies in one slot of a cluster, under keys that say their version; what the script does is in
`quota.lua`, and is `core/quota_book.py` over again.
"""

from collections.abc import Sequence
from importlib.resources import files
from typing import Final

from gateway.core.quota import OF_NUMBER, Answer, Ask, Granted, Limits, Refused, Standing
from gateway.core.quota_book import Leased, Slice
from gateway.stores.redis_connection import Script
from gateway.wire.resp import Argument, Reply

VERSION: Final = "q1"

_PARTS: Final = ("state", "live", "undone", "held", "leases")
_NONE: Final = b"-1"
_NUMBERS: Final = 13


class Garbled(Exception):
    """Redis answered something that the script never says."""


def quota_script() -> Script:
    """The script as it is installed."""
    return Script(files("gateway.stores").joinpath("quota.lua").read_text("utf-8"))


def keys_of(prefix: str, subject: str) -> tuple[bytes, ...]:
    """The keys of one subject, all in the same slot. A brace would end the part of a key that decides about that."""
    tag = subject.replace("%", "%25").replace("{", "%7B").replace("}", "%7D")
    return tuple(f"{prefix}:{VERSION}:{{{tag}}}:{part}".encode() for part in _PARTS)


def limits_of(limits: Limits) -> tuple[bytes, ...]:
    """The limits as the script takes them."""
    return tuple(
        _NONE if limit is None else b"%d" % limit
        for limit in (
            limits.requests_per_minute,
            limits.tokens_per_minute,
            limits.concurrency,
            limits.money_per_hour,
            limits.money_per_day,
            limits.money_per_month,
        )
    )


def to_reserve(key: str, ask: Ask) -> tuple[Argument, ...]:
    """What the script is asked for a reservation, after its limits."""
    # As bytes, which a connection sends as they are.
    return key.encode(), b"%d" % ask.requests, b"%d" % ask.tokens, b"%d" % ask.cost_micros


def to_settle(settled: Sequence[tuple[str, Ask]]) -> tuple[Argument, ...]:
    """The same for any number of settlements."""
    parts: list[Argument] = []
    for key, took in settled:
        parts += (key.encode(), b"%d" % took.tokens, b"%d" % took.cost_micros)
    return tuple(parts)


def to_lease(holder: str, back: Slice, need: Slice, want: Slice) -> tuple[Argument, ...]:
    """The same for a lease."""
    return holder, back.requests, back.tokens, need.requests, need.tokens, want.requests, want.tokens


def numbers_of(reply: Reply) -> list[int]:
    """The numbers that every answer of the script is made of; raises Garbled."""
    try:
        numbers = [int(number) for number in reply.split(b" ")] if isinstance(reply, bytes) else []
    except ValueError:
        numbers = []
    if len(numbers) == _NUMBERS and 0 <= numbers[0] <= len(OF_NUMBER):
        return numbers
    raise Garbled


def answer_of(reply: Reply) -> Answer:
    """What was answered to a reservation."""
    numbers = numbers_of(reply)
    standing = Standing(*numbers[2:6])
    return Granted(standing) if not numbers[0] else _refused(numbers, standing)


def lease_of(reply: Reply) -> Leased | Refused:
    """What was answered to a worker that wants a slice."""
    numbers = numbers_of(reply)
    standing = Standing(*numbers[2:6])
    return Leased(Slice(numbers[6], numbers[7]), standing) if not numbers[0] else _refused(numbers, standing)


def count_of(reply: Reply) -> int:
    """How many reservations were settled or renewed."""
    return numbers_of(reply)[8]


def live_of(reply: Reply) -> int:
    """How many reservations stand."""
    return numbers_of(reply)[9]


def spent_of(reply: Reply) -> tuple[int, int, int]:
    """What was spent in this hour, on this day and in this month, of those that are limited."""
    hour, day, month = numbers_of(reply)[10:13]
    return hour, day, month


def _refused(numbers: Sequence[int], standing: Standing) -> Refused:
    wait_us = numbers[1] if numbers[1] >= 0 else None
    return Refused(OF_NUMBER[numbers[0] - 1], wait_us, standing)
