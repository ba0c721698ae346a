"""The ledger: what requests took and cost, summed by hour and by who, where and what they were.

Sums are made from the outcomes of the audit log and from nothing else, so that whoever has the log can make them again.
Reading the log and keeping the sums is `runtime/usage_book.py`'s, what may be asked of them `core/ledger_asked.py`'s.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

import msgspec

HOUR_S: Final = 3600


class Where(NamedTuple):
    """What a sum is of. `hour` counts from 1970 in UTC; `stayed` is empty, or why such requests waited at home."""

    hour: int
    tenant: str
    app: str
    model: str
    pool: str
    zone: str
    label: str
    stayed: str


class Sums(msgspec.Struct):
    """What requests took together.

    `turned_away` found no place in time, `failed` ended with an error after that, `refused` were refused by policy or
    limits. `reckoned_tokens` are those that no model server counted, since an answer was broken off. `cached` answers
    were stored ones, and `cached_tokens` what they would have taken.
    """

    requests: int = 0
    turned_away: int = 0
    failed: int = 0
    refused: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    reckoned_tokens: int = 0
    cost_micros: int = 0
    cached: int = 0
    cached_tokens: int = 0
    waited_ms: int = 0

    def add(self, other: "Sums") -> None:
        """Take in what others took."""
        for name in NAMES:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def tokens(self) -> int:
        """Every token, counted or reckoned."""
        return self.prompt_tokens + self.completion_tokens + self.reckoned_tokens


NAMES: Final = Sums.__struct_fields__
HOME: Final = "onprem"
MIRROR: Final = "(mirror)"
CANARY: Final = "(canary)"
"""The apps of copies and of our own canaries, which are nobody's: not names that a key could have."""

Book = dict[Where, Sums]


# What is read of an outcome. Everything else in a line is passed over, which is most of the work saved.


class _Facts(msgspec.Struct):
    label_high: int = 0
    model: str = ""


class _Attempt(msgspec.Struct):
    pool: str
    zone: str
    status: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int


class _Cached(msgspec.Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class Finished(msgspec.Struct):
    """What the ledger needs of an outcome; in older records some of it is missing."""

    request_id: str
    at: float
    tenant: str
    path: str
    status: int
    bundle: str
    facts: _Facts | None = None
    attempts: tuple[_Attempt, ...] = ()
    usage: _Usage | None = None
    queued_ms: float = 0.0
    app: str = ""
    cost_micros: int = 0
    stayed: str | None = None
    cached: _Cached | None = None
    reckoned: _Usage | None = None
    canary: bool = False


class Begun(msgspec.Struct):
    """What it needs of an intent: an attempt in the cloud that has perhaps no outcome."""

    request_id: str
    at: float
    tenant: str
    pool: str
    zone: str
    label: str


class Copied(msgspec.Struct):
    """What it needs of a copy for a mirror, which is paid for like any request and is nobody's."""

    request_id: str
    at: float
    label: str
    pool: str
    attempts: tuple[_Attempt, ...] = ()
    usage: _Usage | None = None
    cost_micros: int = 0


class Named(msgspec.Struct):
    """What it needs of an activation: the names of a bundle's labels."""

    bundle: str
    labels: tuple[str, ...]


class Line(msgspec.Struct):
    """One line of the log."""

    outcome: Finished | None = None
    intent: Begun | None = None
    mirrored: Copied | None = None
    activation: Named | None = None


_decode: Final = msgspec.json.Decoder(Line).decode


def read_line(line: bytes) -> Line | None:
    """What a line says to the ledger; None for one that cannot be read."""
    try:
        return _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def enter_copy(book: Book, copied: Copied) -> None:
    """Enter a copy for a mirror: under no tenant, and the app `MIRROR`."""
    zone = copied.attempts[-1].zone if copied.attempts else ""
    where = Where(int(copied.at) // HOUR_S, "", MIRROR, "", copied.pool, zone, copied.label, "")
    sums = book.setdefault(where, Sums())
    sums.requests += 1
    sums.cost_micros += copied.cost_micros
    if copied.usage is not None:
        sums.prompt_tokens += copied.usage.prompt_tokens
        sums.completion_tokens += copied.usage.completion_tokens


def enter(book: Book, done: Finished, labels: Mapping[str, Sequence[str]]) -> None:
    """Enter a finished request. `labels` names the labels of bundles; whoever was nobody's is not entered, and a canary
    under no tenant and the app `CANARY`."""
    if not done.tenant or done.facts is None:
        return
    facts, last = done.facts, done.attempts[-1] if done.attempts else None
    names = labels.get(done.bundle, ())
    label = names[facts.label_high] if facts.label_high < len(names) else str(facts.label_high)
    where = Where(
        int(done.at) // HOUR_S,
        "" if done.canary else done.tenant,
        CANARY if done.canary else done.app,
        facts.model,
        last.pool if last is not None else "",
        last.zone if last is not None else "",
        label,
        done.stayed or "",
    )
    sums = book.get(where)
    if sums is None:
        sums = book[where] = Sums()
    sums.requests += 1
    status = done.status
    if status >= 400:
        if status == 503:
            sums.turned_away += 1
        elif status >= 500:
            sums.failed += 1
        else:
            sums.refused += 1
    if done.cached is not None:
        sums.cached += 1
        sums.cached_tokens += done.cached.prompt_tokens + done.cached.completion_tokens
    usage = done.usage
    if usage is not None:
        sums.prompt_tokens += usage.prompt_tokens
        sums.completion_tokens += usage.completion_tokens
    elif done.reckoned is not None:
        sums.reckoned_tokens += done.reckoned.prompt_tokens + done.reckoned.completion_tokens
    sums.cost_micros += done.cost_micros
    if done.queued_ms >= 1:
        sums.waited_ms += round(done.queued_ms)


# How sums are kept

VERSION: Final = 1


class Page(msgspec.Struct):
    """One day's sums as they are kept: each row is a `Where` and the numbers of its `Sums`, in their orders."""

    v: int
    names: tuple[str, ...]
    rows: list[tuple[Where, list[int]]]


_encode: Final = msgspec.json.Encoder().encode
_read_page: Final = msgspec.json.Decoder(Page).decode


def written(book: Book) -> bytes:
    """A day's sums, to be kept."""
    return _encode(
        Page(VERSION, NAMES, [(where, [getattr(sums, name) for name in NAMES]) for where, sums in book.items()])
    )


def read_back(data: bytes) -> Book | None:
    """What `written` has written, also a version of it that knew fewer numbers; None if it is not that."""
    try:
        page = _read_page(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if page.v != VERSION or not set(page.names) <= set(NAMES):
        return None
    return {where: Sums(**dict(zip(page.names, numbers, strict=False))) for where, numbers in page.rows}


def day_text(hour: int) -> str:
    """The day of an hour, as `2026-11-21`."""
    return datetime.fromtimestamp(hour * HOUR_S, UTC).strftime("%Y-%m-%d")
