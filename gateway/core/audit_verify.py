"""What can be said of an audit folder from its bytes alone: intact, torn, cut, forged, or unproven.

A pure function over the files' bytes, so that a third party runs the same check as we do. With the audit key every
line is proved; without it every line up to the last signed checkpoint is, and the report counts the rest.
Nothing here reads a file or says what the records mean.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.core.audit_chain import (
    NO_CHECKPOINT,
    START,
    Checkpoint,
    hex_seal,
    is_linked,
    is_ours,
    line_hash,
    read_checkpoint,
    split_signature,
    to_be_signed,
    unseal,
)
from gateway.core.audit_record import Header, Unreadable, read, read_seq, starts_of
from gateway.core.keyed_hash import KeyedHash


class State(StrEnum):
    """Worst last; the worst of its files is the folder's."""

    INTACT = "intact"  # everything hangs together and is proved by a signature or the key
    UNPROVEN = "unproven"  # everything hangs together, and nothing proves that it was ours
    TORN = "torn"  # the last line is incomplete: written when the power or the process went; all before it is sound
    CUT = "cut"  # records, a segment or checkpoints are missing
    FORGED = "forged"  # a line was changed, added, moved or signed by somebody else


_SEVERITY = tuple(State)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of one file. `line` counts from 1; 0 means the file as a whole.

    `records` hang together from the start of the file; `proved` of them are proved by the key or a signature.
    """

    file: str
    state: State
    records: int = 0
    proved: int = 0
    line: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """Every file's verdict, and the worst of them."""

    verdicts: tuple[Verdict, ...]

    @property
    def state(self) -> State:
        """The worst state of any file; a folder without files is intact."""
        return max((verdict.state for verdict in self.verdicts), key=_SEVERITY.index, default=State.INTACT)


CHECKPOINTS: Final = "checkpoints.jsonl"

_NAME: Final = re.compile(r"[0-9TZ]+-(?P<writer>w[0-9]+-[0-9a-f]+)-(?P<part>[0-9]{4,})")


@dataclass(frozen=True, slots=True)
class _Boot:
    """The parts of one worker's boot so far: the last one's number, and the seals that the next may follow."""

    part: int = -1
    seals: frozenset[bytes] = frozenset({START})
    state: State = State.INTACT


def verify(
    segments: Iterable[tuple[str, bytes]],
    checkpoints: bytes | None,
    public_key: Ed25519PublicKey | None,
    key: KeyedHash | None,
) -> Report:
    """The verdict on a whole folder.

    `segments` are (name without ending, bytes), in the order of their names, read one at a time. `checkpoints` is the
    content of checkpoints.jsonl, None if there is no such file. Without `public_key` no checkpoint is believed.
    """
    signed: dict[str, list[Checkpoint]] = {}
    verdicts: list[Verdict] = []
    if checkpoints is None and public_key is not None:
        # The public key is written before the first worker starts, the first checkpoint moments after.
        verdicts.append(Verdict(CHECKPOINTS, State.CUT, reason="there is a signing key and no checkpoint file"))
    if checkpoints is not None:
        verdict, believed = _verify_checkpoints(checkpoints, public_key)
        verdicts.append(verdict)
        for checkpoint in believed:
            signed.setdefault(checkpoint.head.segment, []).append(checkpoint)
    boots: dict[str, _Boot] = {}
    for name, data in segments:
        verdict, follows, seals = _verify_segment(name, data, signed.pop(name, []), key)
        written = _NAME.fullmatch(name)
        if written is None:
            verdicts.append(replace(verdict, state=State.FORGED, line=0, reason="no segment of ours has such a name"))
            continue
        part = int(written["part"])
        before = boots.get(written["writer"], _Boot())
        verdicts.append(_continued(verdict, part, follows, before))
        boots[written["writer"]] = _Boot(part, seals | before.seals if len(seals) <= 1 else seals, verdict.state)
    verdicts += [
        Verdict(name, State.CUT, reason=f"the segment is missing; it was signed up to record {held[-1].head.seq}")
        for name, held in sorted(signed.items())
    ]
    return Report(tuple(verdicts))


def _verify_segment(
    name: str, data: bytes, checkpoints: Sequence[Checkpoint], key: KeyedHash | None
) -> tuple[Verdict, bytes | None, frozenset[bytes]]:
    """Walk the lines of one segment; the first thing that is wrong ends the walk.

    Besides the verdict: the seal that the segment follows, None if that cannot be read, and the seals of its lines.
    """
    due = {checkpoint.head.seq: checkpoint for checkpoint in checkpoints}
    follows: bytes | None = None
    previous = START
    seals: list[bytes] = []
    proved = 0
    size = 0

    def ended(state: State, reason: str) -> tuple[Verdict, bytes | None, frozenset[bytes]]:
        line = 0 if state is State.INTACT else len(seals) + 1
        return Verdict(name, state, len(seals), proved, line, reason), follows, frozenset(seals)

    lines, rest = _lines(data)
    for seq, line in enumerate(lines):
        parts = unseal(line)
        if parts is None:
            return ended(State.FORGED, "the line does not end in a seal")
        body, seal = parts
        if seq == 0:
            try:
                follows = previous = _follows(name, line)
            except Unreadable as unreadable:
                return ended(State.FORGED, unreadable.reason)
        if not body.startswith(starts_of(seq)):
            return ended(State.FORGED, _misnumbered(line, seq))
        if not is_linked(previous, body, seal):
            return ended(State.FORGED, "the seal does not follow from this line and the one before")
        if key is not None and not is_ours(seal, key):
            return ended(State.FORGED, "the seal was not made with this audit key")
        size += len(line) + 1
        checkpoint = due.pop(seq, None)
        if checkpoint is not None and (checkpoint.head.seal != seal.hex() or checkpoint.head.size != size):
            return ended(State.FORGED, f"the line is not the one that checkpoint {checkpoint.number} signed")
        seals.append(seal)
        previous = seal
        if checkpoint is not None or key is not None:
            proved = len(seals)
    if due:
        return ended(State.CUT, f"records up to {max(due)} were signed and the file ends before")
    if rest or not seals:
        if not any(rest[: len(start)] == start[: len(rest)] for start in starts_of(len(seals))):
            return ended(State.FORGED, "what stands after the last whole line is not the beginning of a record")
        return ended(State.TORN, "the last line is incomplete; everything before it is sound")
    if not proved:
        return ended(State.UNPROVEN, "no checkpoint signs these records and no audit key was given")
    return ended(State.INTACT, "")


def _continued(verdict: Verdict, part: int, follows: bytes | None, before: _Boot) -> Verdict:
    """The verdict on a segment, with what the parts before it have to say."""
    if verdict.state is State.FORGED:
        return verdict
    if part > before.part + 1:
        return replace(verdict, state=State.CUT, line=0, reason=f"part {part - 1} of this boot is missing")
    if part <= before.part:
        return replace(verdict, state=State.FORGED, line=0, reason=f"part {part} of this boot is there twice")
    if follows is not None and follows not in before.seals and before.state is not State.FORGED:
        return replace(verdict, state=State.CUT, line=1, reason="it follows a record that the part before lacks")
    return verdict


def _follows(name: str, line: bytes) -> bytes:
    """The seal that the segment called `name` says it follows, from its first line; raises Unreadable."""
    entry = read(line)
    if not isinstance(entry, Header):
        raise Unreadable("the first line is not a segment's header")
    if name != entry.segment or not name.endswith(f"-w{entry.worker}-{entry.boot}-{entry.part:04d}"):
        raise Unreadable("the header is that of another segment")
    follows = hex_seal(entry.follows)
    if follows is None:
        raise Unreadable("the header does not say what its chain follows")
    return follows


def _misnumbered(line: bytes, seq: int) -> str:
    try:
        found = read_seq(line)
    except Unreadable as unreadable:
        return unreadable.reason
    return f"record {found} stands where record {seq} belongs"


def _verify_checkpoints(data: bytes, public_key: Ed25519PublicKey | None) -> tuple[Verdict, list[Checkpoint]]:
    """The verdict on checkpoints.jsonl, and the checkpoints before the first that is wrong."""
    believed: list[Checkpoint] = []

    def ended(state: State, reason: str) -> tuple[Verdict, list[Checkpoint]]:
        number = len(believed)
        return Verdict(CHECKPOINTS, state, number, number, number + 1, reason), believed

    if public_key is None:
        return ended(State.UNPROVEN, "no public key to check the signatures with")
    previous = NO_CHECKPOINT
    lines, rest = _lines(data)
    for line in lines:
        parts = split_signature(line)
        if parts is None:
            return ended(State.FORGED, "the line does not end in a signature")
        body, signature = parts
        try:
            public_key.verify(signature, to_be_signed(body))
            checkpoint = read_checkpoint(line)
        except InvalidSignature:
            return ended(State.FORGED, "the signature is not that of this public key")
        except Unreadable as unreadable:
            return ended(State.FORGED, unreadable.reason)
        if checkpoint.number < len(believed):
            return ended(State.FORGED, f"checkpoint {checkpoint.number} stands where {len(believed)} belongs")
        if checkpoint.number > len(believed):
            return ended(State.CUT, f"checkpoints {len(believed)} to {checkpoint.number - 1} are missing")
        if checkpoint.previous != previous:
            return ended(State.FORGED, "it follows another checkpoint than the one before it")
        believed.append(checkpoint)
        previous = line_hash(line + b"\n")
    if rest:
        return ended(State.TORN, "the last checkpoint is incomplete; everything before it is sound")
    if not believed:
        return ended(State.CUT, "there is no checkpoint in it")
    return Verdict(CHECKPOINTS, State.INTACT, len(believed), len(believed)), believed


def _lines(data: bytes) -> tuple[list[bytes], bytes]:
    """The whole lines, and what stands after the last newline."""
    *lines, rest = data.split(b"\n")
    return lines, rest
