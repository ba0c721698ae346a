"""Reading an audit folder: its segments, its signed checkpoints, and every record of one request.

Checkpoints are read before segments, so that reading beside a running gateway never finds a signature for a record
that was not read. What the bytes are worth is judged in `core/audit_verify.py`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.core.audit_record import Activation, Entry, Unreadable, read
from gateway.core.audit_verify import CHECKPOINTS, Report, verify
from gateway.core.keyed_hash import KeyedHash
from gateway.core.problems import Problem, Problems
from gateway.core.records import Intent, Outcome
from gateway.runtime.checkpoints import PUBLIC_KEY, load_public_key

_READINGS: Final = 20


@dataclass(frozen=True, slots=True)
class Told:
    """What the log says of one request. `labels` names those of the bundle it was decided under, if the log does."""

    intents: tuple[Intent, ...]
    outcome: Outcome | None
    labels: tuple[str, ...] | None


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
    """Everything recorded about the request, or None. A record may be in two segments; it is told once."""
    wanted = b'"request_id":"%b"' % request_id.encode()
    intents: list[Intent] = []
    outcome: Outcome | None = None
    names: dict[str, tuple[str, ...]] = {}
    for path in reversed(_segments(directory)):
        data = path.read_bytes()
        if wanted not in data:
            continue
        for line in _lines_with(data, b'"activation":'):
            entry = _entry(line)
            if isinstance(entry, Activation):
                names[entry.bundle] = entry.labels
        for line in _lines_with(data, wanted):
            entry = _entry(line)
            if isinstance(entry, Intent) and entry.request_id == request_id and entry not in intents:
                intents.append(entry)
            elif isinstance(entry, Outcome) and entry.request_id == request_id:
                outcome = entry
    if outcome is None and not intents:
        return None
    bundle = outcome.bundle if outcome is not None else intents[0].bundle
    intents.sort(key=lambda intent: intent.at)
    return Told(tuple(intents), outcome, names.get(bundle))


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
