"""What was refused while nothing served, kept until there is an audit log to write it to.

A gateway that does not start has no worker and so no chain of records. It leaves a note under its own seal beside the
other books; the first worker of the next start puts it on record, with the time at which it happened. Nothing is kept
where there is no state folder yet, or no root secret to seal with: then the log on standard error is all there is.
What is refused while workers serve the supervisor tells the first of them, which puts each on record once.
"""

import hmac
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

import msgspec

from gateway.core.keyed_hash import KeyedHash
from gateway.core.records import Refusal
from gateway.errors import AuditUnavailable
from gateway.runtime.lifeline import InForce
from gateway.runtime.whole_file import replace_file
from gateway.telemetry import EventLog

FILE: Final = "refusals.json"
BOOK_VERSION: Final = 1
MOST: Final = 100
"""The newest are kept. The same files refused for the same reasons again, as by a unit that restarts, count once."""

_DOMAIN: Final = b"tidegate/v1 refusals\n"

log = EventLog(__name__)


class _Sealed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    v: int
    refusals: msgspec.Raw
    mac: str


class Recorder:
    """Puts on record what the supervisor says was refused, each once, however often it is said."""

    def __init__(self, write: Callable[[Refusal], None]) -> None:
        self._write = write
        self._written: deque[Refusal] = deque(maxlen=MOST)

    def take(self, told: InForce) -> None:
        """The supervisor says what does not come into force, and what did not while nobody heard it."""
        newest = () if told.refused is None else (told.refused.refusal(told.refused_at, told.bundle),)
        for refusal in (*told.earlier, *newest):
            if not any((one.at, one.codes) == (refusal.at, refusal.codes) for one in self._written):
                self._written.append(refusal)
                self._write(refusal)


class Writes(Protocol):
    """The part of an audit log that is needed: it returns once the record is on disk, or raises AuditUnavailable."""

    async def committed(self, record: Refusal, /) -> None: ...


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(_Sealed).decode
_decode_refusals: Final = msgspec.json.Decoder(tuple[Refusal, ...]).decode


def note(state_dir: Path, refusal: Refusal, key: KeyedHash) -> None:
    """Keep `refusal` for the next start. Raises OSError."""
    if not state_dir.is_dir():
        return
    before = _noted(state_dir, key) or ()
    if before and (before[-1].files, before[-1].codes) == (refusal.files, refusal.codes):
        return
    data = _encode((*before, refusal)[-MOST:])
    replace_file(state_dir / FILE, _encode(_Sealed(BOOK_VERSION, msgspec.Raw(data), _mac(data, key))))


async def hand_over(state_dir: Path, key: KeyedHash, audit: Writes) -> None:
    """Put everything that was noted on record, and forget it once it is on disk; what cannot be written stays."""
    try:
        noted = _noted(state_dir, key)
        if noted is None:
            return
        for refusal in noted:
            await audit.committed(refusal)
        (state_dir / FILE).unlink(missing_ok=True)
    except (AuditUnavailable, OSError) as exc:
        log.warning("refusals_not_recorded", error=type(exc).__name__)


def _noted(state_dir: Path, key: KeyedHash) -> tuple[Refusal, ...] | None:
    """What the book says; None if there is none, or none that can be believed."""
    try:
        sealed = _decode((state_dir / FILE).read_bytes())
        data = bytes(sealed.refusals)
        if sealed.v == BOOK_VERSION and hmac.compare_digest(_mac(data, key).encode(), sealed.mac.encode()):
            return _decode_refusals(data)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, UnicodeError):
        pass
    log.warning("refusals_unreadable", file=FILE)
    return None


def _mac(data: bytes, key: KeyedHash) -> str:
    return key.digest(_DOMAIN + data).hex()
