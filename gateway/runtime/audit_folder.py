"""Reading an audit folder: its segments, its signed checkpoints, and every record of one request.

Checkpoints are read before segments, so that reading beside a running gateway never finds a signature for a record
that was not read. What the bytes are worth is judged in `core/audit_verify.py`.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.core.audit_record import Activation, Entry, Unreadable, read
from gateway.core.audit_verify import CHECKPOINTS, Report, verify
from gateway.core.keyed_hash import KeyedHash
from gateway.core.problems import Problem, Problems
from gateway.core.records import Intent, Mirrored, Outcome, Refusal
from gateway.runtime.checkpoints import PUBLIC_KEY, load_public_key

_READINGS: Final = 20


@dataclass(frozen=True, slots=True)
class Copy:
    """What the log says of one copy for a mirror."""

    record: Mirrored
    intents: tuple[Intent, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """What the log says of one request. `labels` names those of the bundle it was decided under, if the log does.

    There may be nothing but `copies`: a copy ends when it ends, and so does the gateway.
    """

    intents: tuple[Intent, ...]
    outcome: Outcome | None
    labels: tuple[str, ...] | None
    copies: tuple[Copy, ...] = ()


def judge(directory: Path, public_key: Ed25519PublicKey | None, key: KeyedHash | None) -> Report:
    """The verdict on `directory`, with its own public key where none is given."""
    if not directory.is_dir():
        raise Problems(
            [Problem(str(directory), 0, 0, "There is no such folder.", "Name the audit folder of a gateway.")]
        )
    own = directory / PUBLIC_KEY
    if public_key is None and own.exists():
        public_key = load_public_key(own)
    signed = directory / CHECKPOINTS
    checkpoints = signed.read_bytes() if signed.exists() else None
    return verify(((path.stem, _settled(path)) for path in _segments(directory)), checkpoints, public_key, key)


def find(directory: Path, request_id: str) -> Told | None:
    """Everything recorded about the request, or None. A copy's own id finds the request that it was made of."""
    found = _search(directory, (request_id,))
    if found.outcome is None and found.copied and all(copy.request_id == request_id for copy in found.copied):
        # `request_id` is a copy's: what was found and decided stands with the request.
        found = _search(directory, (found.copied[0].copy_of,))
    if found.outcome is None and not found.intents and not found.copied:
        return None
    beside = _search(directory, tuple(copy.request_id for copy in found.copied)).intents if found.copied else []
    copies = tuple(
        Copy(one, tuple(intent for intent in beside if intent.request_id == one.request_id)) for one in found.copied
    )
    records: tuple[Intent | Outcome | Mirrored, ...] = (*found.intents, *found.copied)
    bundle = found.outcome.bundle if found.outcome is not None else records[0].bundle
    return Told(tuple(found.intents), found.outcome, found.names.get(bundle), copies)


@dataclass(slots=True)
class _Found:
    """What was found of requests while segments are read. A record may be in two segments; it is told once."""

    intents: list[Intent] = field(default_factory=list)
    outcome: Outcome | None = None
    copied: list[Mirrored] = field(default_factory=list)
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def take(self, entry: Entry | None, ids: tuple[str, ...]) -> None:
        match entry:
            case Intent() if entry.request_id in ids and entry not in self.intents:
                self.intents.append(entry)
            case Outcome() if entry.request_id in ids:
                self.outcome = entry
            case Mirrored() if (entry.copy_of in ids or entry.request_id in ids) and entry not in self.copied:
                self.copied.append(entry)
            case Activation():
                self.names[entry.bundle] = entry.labels
            case _:
                pass


def _search(directory: Path, ids: tuple[str, ...]) -> _Found:
    wanted = tuple(b'"%b"' % one.encode() for one in ids)
    found = _Found()
    for path in reversed(_segments(directory)):
        data = path.read_bytes()
        if not any(word in data for word in wanted):
            continue
        for word in (b'"activation":', *wanted):
            for line in _lines_with(data, word):
                found.take(_entry(line), ids)
    found.intents.sort(key=lambda intent: intent.at)
    found.copied.sort(key=lambda copy: copy.at)
    return found


def outcomes(directory: Path, since: float = 0.0) -> Iterator[tuple[Outcome | None, tuple[str, ...] | None]]:
    """Every finished request that ended at or after `since` (Unix time), oldest segment first, with the names of its
    bundle's labels if the log says them; None for a line that nobody can read. Canaries are left out."""
    names: dict[str, tuple[str, ...]] = {}
    for entry in entries(directory, since):
        match entry:
            case Outcome():
                if entry.at >= since and not entry.canary:
                    yield entry, names.get(entry.bundle)
            case Activation():
                names[entry.bundle] = entry.labels
            case None:
                yield None, None
            case _:
                pass


def entries(directory: Path, since: float = 0.0) -> Iterator[Entry | None]:
    """Every record of the segments that were written to at or after `since`, and the activations of those before; None
    for a line that nobody can read. A line half written is left out."""
    for path in _segments(directory):
        if path.stat().st_mtime < since:
            # Which labels there were may matter for those that follow.
            for line in _lines_with(path.read_bytes(), b'"activation":'):
                entry = _entry(line)
                if isinstance(entry, Activation):
                    yield entry
            continue
        with path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                yield _entry(line)


def recent(directory: Path, since: float) -> Iterator[Activation | Refusal]:
    """What came into force and what was refused, by the first worker's log, as far as its segments were written to at
    or after `since`; in no order."""
    for path in sorted(directory.glob("*-w0-*.jsonl")):
        if path.stat().st_mtime < since:
            continue
        data = path.read_bytes()
        for line in (*_lines_with(data, b'"activation":'), *_lines_with(data, b'"refusal":')):
            entry = _entry(line)
            if isinstance(entry, Activation | Refusal):
                yield entry


def segments(directory: Path) -> list[Path]:
    """The files of `directory` that hold records, oldest first."""
    return _segments(directory)


def _segments(directory: Path) -> list[Path]:
    return sorted(path for path in directory.glob("*.jsonl") if path.name != CHECKPOINTS)


def _settled(path: Path) -> bytes:
    """What is in `path`. A line that its writer is just finishing is read again: only a crash leaves half a line."""
    data = path.read_bytes()
    for _ in range(_READINGS):
        if data.endswith(b"\n"):
            break
        data = path.read_bytes()
    return data


def _lines_with(data: bytes, word: bytes) -> Iterator[bytes]:
    """The whole lines that contain `word`."""
    at = data.find(word)
    while at >= 0:
        end = data.find(b"\n", at)
        if end < 0:
            return
        yield data[data.rfind(b"\n", 0, at) + 1 : end]
        at = data.find(word, end)


def _entry(line: bytes) -> Entry | None:
    try:
        return read(line)
    except Unreadable:
        return None
