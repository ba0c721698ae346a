"""What an archive of evidence says of a month, and how it is signed, so that a stranger can check it without us.

The archive is files, and a manifest with the SHA-256 of each of them; one Ed25519 signature covers the manifest. Counts
are taken from the records; nothing in it is content. Pure.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import msgspec

from gateway.core.audit_record import Activation, Entry
from gateway.core.decision import Deny
from gateway.core.records import Ending, Intent, Mirrored, Outcome, Override, Refusal

VERSION: Final = 1
DOMAIN: Final = b"tidegate/v1 evidence\n"
MANIFEST: Final = "manifest.json"
SIGNATURE: Final = "manifest.sig"


class Manifest(msgspec.Struct, frozen=True):
    """What the archive holds. `since` and `until` are Unix seconds, `files` the SHA-256 of each file in hex."""

    month: str
    since: float
    until: float
    made_at: float
    build: str
    files: dict[str, str]
    v: int = VERSION


def month_of(text: str) -> tuple[float, float] | None:
    """The seconds from and until which `2026-11` lasts, in UTC; None if it is no month."""
    try:
        first = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
    except ValueError:
        return None
    following = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return first.timestamp(), following.timestamp()


def manifest_bytes(
    month: str, span: tuple[float, float], made_at: float, build: str, files: Mapping[str, bytes]
) -> bytes:
    """The manifest of `files` as it is signed."""
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}
    return msgspec.json.format(msgspec.json.encode(Manifest(month, *span, made_at, build, digests)), indent=1) + b"\n"


def to_be_signed(manifest: bytes) -> bytes:
    """The bytes that the key of the audit log signs."""
    return DOMAIN + manifest


@dataclass(slots=True)
class Month:
    """What the records of one month add up to. `attempts` counts by zone and label (`-`: of a bundle whose labels the
    log does not name); `unanswered` are attempts in the cloud of which nobody knows how they ended. Canaries, which are
    requests of our own, are counted apart."""

    since: float
    until: float
    requests: int = 0
    refused: int = 0
    attempts: dict[str, dict[str, int]] = field(default_factory=dict)
    canaries: int = 0
    canary_attempts: dict[str, dict[str, int]] = field(default_factory=dict)
    intents: int = 0
    unreadable: int = 0
    activations: list[dict[str, object]] = field(default_factory=list)
    refusals: list[dict[str, object]] = field(default_factory=list)
    overrides: list[dict[str, object]] = field(default_factory=list)
    _before: tuple[float, str] = (0.0, "")
    _names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _activations: set[tuple[float, str]] = field(default_factory=set)
    _open: set[str] = field(default_factory=set)

    def take(self, entry: Entry | None) -> None:
        """Look at one record; None is a line that nobody can read."""
        match entry:
            case None:
                self.unreadable += 1
            case Activation(at=at, bundle=bundle, labels=labels):
                self._names[bundle] = labels
                if self._holds(at):
                    self._activated(entry)
                elif at < self.since:
                    self._before = max(self._before, (at, bundle))
            case Refusal() if self._holds(entry.at):
                # A worker that took the place of another may have been told again of the last one.
                if (told := msgspec.to_builtins(entry)) not in self.refusals[-1:]:
                    self.refusals.append(told)
            case Override(at=at, by=by, change=change, until=until) if self._holds(at):
                self.overrides.append({"at": at, "by": by, "change": change, "until": until})
            case Intent(request_id=request_id, at=at, canary=False) if self._holds(at):
                self.intents += 1
                self._open.add(request_id)
            case Mirrored(request_id=request_id):
                self._open.discard(request_id)
            case Outcome(request_id=request_id):
                self._open.discard(request_id)
                if self._holds(entry.at):
                    self._count(entry)
            case _:
                pass

    def _activated(self, one: Activation) -> None:
        # Every segment begins with the one in force: it is told once.
        if (one.at, one.bundle) in self._activations:
            return
        self._activations.add((one.at, one.bundle))
        told: dict[str, object] = {"at": one.at, "bundle": one.bundle, "certificate": one.certificate}
        if one.origin.build:
            origin = one.origin
            signed_by = [msgspec.to_builtins(who) for who in origin.signed_by]
            told |= {"version": origin.version, "build": origin.build, "signed_by": signed_by, "previous": one.previous}
        self.activations.append(told)

    def _holds(self, at: float) -> bool:
        return self.since <= at < self.until

    def _count(self, outcome: Outcome) -> None:
        if outcome.canary:
            self.canaries += 1
            self._place(outcome, self.canary_attempts)
            return
        self.requests += 1
        if isinstance(outcome.decision, Deny) or (outcome.decision is None and outcome.ending is Ending.REFUSED):
            self.refused += 1
        self._place(outcome, self.attempts)

    def _place(self, outcome: Outcome, attempts: dict[str, dict[str, int]]) -> None:
        names = self._names.get(outcome.bundle, ())
        high = outcome.facts.label_high if outcome.facts is not None else len(names)
        label = names[high] if high < len(names) else "-"
        for attempt in outcome.attempts:
            by_label = attempts.setdefault(attempt.zone, {})
            by_label[label] = by_label.get(label, 0) + 1

    @property
    def bundles(self) -> tuple[str, ...]:
        """The bundles that were in force: the last one of before the month, and those that came into force in it."""
        before = (self._before[1],) if self._before[1] else ()
        return tuple(dict.fromkeys((*before, *(str(one["bundle"]) for one in self.activations))))

    def as_json(self) -> bytes:
        """The sums as a file."""
        return _pretty(
            {
                "requests": self.requests,
                "refused": self.refused,
                "attempts": self.attempts,
                "canaries": self.canaries,
                "canary_attempts": self.canary_attempts,
                "intents": self.intents,
                "intents_without_outcome": len(self._open),
                "unreadable_lines": self.unreadable,
                "activations": self.activations,
                "refusals": self.refusals,
                "overrides": self.overrides,
            }
        )


def _pretty(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value, order="sorted"), indent=1) + b"\n"
