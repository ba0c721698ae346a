"""What operations may set on a running gateway, and for how long: how much may burst, and which pools are drained.

Each override ends by itself. None of them can bring in a pool that a decision does not list: they take pools away, and
open or close the spill that the policy has written down. `epoch` rises whenever one of them takes something away, so
that the door refuses what was cleared before. Times are Unix seconds; the caller supplies them and keeps the result.
"""

import re
from typing import Final

import msgspec

SHORTEST_S: Final = 1.0
LONGEST_S: Final = 7 * 86_400.0
USUAL_S: Final = 3600.0
MOST_DRAINED: Final = 200
"""Bounds what is told to every worker; whoever drains more pools than that has a file to edit."""

_VERSION: Final = 1
_LONGEST_NAME: Final = 100
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9@._-]{0,63}")


class SetBurst(msgspec.Struct, frozen=True, tag="burst"):
    """`share`, from 0 to 1, of what may leave does; None leaves it to the pressure."""

    share: float | None


class Drain(msgspec.Struct, frozen=True, tag="drain"):
    """`pool` takes no more work; what it has begun it finishes."""

    pool: str


class Undrain(msgspec.Struct, frozen=True, tag="undrain"):
    """`pool` takes work again."""

    pool: str


Change = SetBurst | Drain | Undrain


class Order(msgspec.Struct, frozen=True):
    """Somebody who holds the admin token, and calls himself `by`, wants `change` for `for_s` seconds."""

    change: Change
    by: str
    for_s: float = USUAL_S


class Burst(msgspec.Struct, frozen=True):
    """How much of what may leave does, until `until`."""

    share: float
    by: str
    at: float
    until: float


class Drained(msgspec.Struct, frozen=True):
    """A pool that takes no more work until `until`."""

    pool: str
    by: str
    at: float
    until: float


class Controls(msgspec.Struct, frozen=True):
    """Every override that stands. `revision` rises with every change, `epoch` with those that take something away."""

    revision: int = 0
    epoch: int = 0
    burst: Burst | None = None
    drained: tuple[Drained, ...] = ()
    v: int = _VERSION

    @property
    def share(self) -> float | None:
        """The share of what may leave that does; None is by pressure."""
        return self.burst.share if self.burst is not None else None

    @property
    def pools(self) -> frozenset[str]:
        """The pools that are drained."""
        return frozenset(one.pool for one in self.drained)


class Refused(Exception):
    """An order that cannot be carried out. `reason` is a sentence of ours and quotes nothing."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


NOTHING_SET: Final = Controls()

_encode: Final = msgspec.json.Encoder().encode
_decoder: Final = msgspec.json.Decoder(Controls)


def ordered(controls: Controls, order: Order, now: float) -> Controls:
    """`controls` after `order`; raises Refused."""
    _check(controls, order)
    change, until = order.change, now + order.for_s
    if isinstance(change, SetBurst):
        burst = None if change.share is None else Burst(change.share, order.by, now, until)
        return _next(controls, burst=burst, closes=_closes(controls.share, change.share))
    others = tuple(one for one in controls.drained if one.pool != change.pool)
    if isinstance(change, Undrain):
        return _next(controls, drained=others)
    return _next(controls, drained=(*others, Drained(change.pool, order.by, now, until)), closes=True)


def standing(controls: Controls, now: float) -> Controls:
    """`controls` without what has ended; the same object if nothing has."""
    drained = tuple(one for one in controls.drained if one.until > now)
    has_burst_ended = controls.burst is not None and controls.burst.until <= now
    if not has_burst_ended and len(drained) == len(controls.drained):
        return controls
    burst = None if has_burst_ended else controls.burst
    return _next(controls, burst=burst, drained=drained, closes=has_burst_ended and _closes(controls.share, None))


def takes_away(controls: Controls, change: Change) -> bool:
    """Whether `change` leaves less open than before: what need not wait for its record."""
    return _closes(controls.share, change.share) if isinstance(change, SetBurst) else isinstance(change, Drain)


def words(change: Change) -> str:
    """`change` as the command that makes it."""
    if isinstance(change, SetBurst):
        return f"burst {share_words(change.share)}"
    return f"pool {'drain' if isinstance(change, Drain) else 'undrain'} {change.pool}"


def share_words(share: float | None) -> str:
    """`auto`, `off`, `on` or `25%`."""
    if share is None:
        return "auto"
    return {0.0: "off", 1.0: "on"}.get(share) or f"{share * 100:g}%"


def read(data: bytes) -> Controls | None:
    """What `write` has written; None if it is not that, of a later version, or nothing that could have been ordered."""
    try:
        controls = _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return controls if controls.v <= _VERSION and _could_stand(controls) else None


def _could_stand(controls: Controls) -> bool:
    """Whether orders lead there: an override that somebody wrote in could be for ever, or too long to be told."""
    burst, drained = controls.burst, controls.drained
    standing: tuple[Burst | Drained, ...] = drained if burst is None else (burst, *drained)
    return (
        (burst is None or 0.0 <= burst.share <= 1.0)
        and len(drained) <= MOST_DRAINED
        and all(0 < len(one.pool) <= _LONGEST_NAME for one in drained)
        and all(_NAME.fullmatch(one.by) and one.until - one.at <= LONGEST_S + 1 for one in standing)
    )


def write(controls: Controls) -> bytes:
    """`controls` as they are kept."""
    return _encode(controls) + b"\n"


def _next(
    controls: Controls,
    *,
    burst: Burst | msgspec.UnsetType | None = msgspec.UNSET,
    drained: tuple[Drained, ...] | None = None,
    closes: bool = False,
) -> Controls:
    return Controls(
        revision=controls.revision + 1,
        epoch=controls.epoch + closes,
        burst=controls.burst if isinstance(burst, msgspec.UnsetType) else burst,
        drained=controls.drained if drained is None else drained,
    )


def _closes(old: float | None, new: float | None) -> bool:
    """Whether less may leave under `new` than under `old`; where it depends on the pressure, it may be less."""
    if new == old or new == 1.0 or old == 0.0:
        return False
    return old is None or new is None or new < old


def _check(controls: Controls, order: Order) -> None:
    if not _NAME.fullmatch(order.by):
        raise Refused("Who asks must be a name: letters, digits and `. _ - @`, at most 64 of them.")
    if not SHORTEST_S <= order.for_s <= LONGEST_S:
        raise Refused("An override holds for one second at least and for seven days at most.")
    match order.change:
        case SetBurst(share) if share is not None and not 0.0 <= share <= 1.0:
            raise Refused("A share is from 0 % to 100 %.")
        case Drain(pool) if len(controls.pools - {pool}) >= MOST_DRAINED:
            raise Refused(f"{MOST_DRAINED} pools are drained. Take others out of pools.yaml.")
        case _:
            return
