"""Which work left for the cloud under an older detector: what can be asked, and what the records of the log answer.

Before a recognizer was mended it may have missed something, so whatever left until then is looked at again. A record
names its bundle, and the activation of that bundle in the same process says what looked for what. Where no activation
says it, nobody knows, which is an answer of its own and never "no". Pure.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from gateway.core.audit_record import Activation, Entry, Origin
from gateway.core.records import Attempt, Ending, Intent, Mirrored, Outcome
from gateway.core.topology import Zone

NOW: Final = "now"
UNNAMED: Final = "-"
"""The label of work under a bundle whose labels the log does not name."""

_BUILD: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})+)([0-9A-Za-z.+-]{0,40})")
_FILE: Final = re.compile(r"(policy|recognizers):([0-9]{1,18})")
_EDITION: Final = re.compile(r"[0-9a-f]{6,64}")


@dataclass(frozen=True, slots=True)
class BuiltBefore:
    """The gateway itself was older than `build`."""

    build: str


@dataclass(frozen=True, slots=True)
class PolicyBefore:
    """The policy's version was below `version`."""

    version: int


@dataclass(frozen=True, slots=True)
class RecognizersBefore:
    """The version of recognizers.yaml was below `version`, or it had none."""

    version: int


@dataclass(frozen=True, slots=True)
class EditionBefore:
    """What looked for `entity` was an edition from before `edition`, which is whole."""

    entity: str
    edition: str


@dataclass(frozen=True, slots=True)
class Named:
    """An edition as somebody wrote it: its beginning, or `now`."""

    text: str


Question = BuiltBefore | PolicyBefore | RecognizersBefore | EditionBefore


class Age(StrEnum):
    """What a bundle's detectors are against what was asked."""

    OLDER = "older"
    UNKNOWN = "unknown"  # the log does not say
    GOOD = "good"


class Sent(StrEnum):
    """Whether bytes left."""

    SENT = "sent"  # the other side answered
    PERHAPS = "perhaps"  # it did not, or nobody knows how it ended


def asked(text: str) -> BuiltBefore | PolicyBefore | RecognizersBefore | Named | None:
    """What `<…` on the command line means; None if it means nothing."""
    if not text.startswith("<"):
        return None
    name = text[1:].strip()
    if _BUILD.fullmatch(name):
        return BuiltBefore(name)
    if found := _FILE.fullmatch(name):
        version = int(found[2])
        return PolicyBefore(version) if found[1] == "policy" else RecognizersBefore(version)
    return Named(name) if name == NOW or _EDITION.fullmatch(name) else None


def is_before(build: str, other: str) -> bool:
    """Whether one version of the gateway came before another. What was built on the way to one came before it."""
    return _order(build) < _order(other)


def _order(build: str) -> tuple[tuple[int, ...], bool]:
    found = _BUILD.fullmatch(build)
    if found is None:
        return (), False
    numbers = [int(part) for part in found[1].split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers), not found[2] or found[2].startswith(("+", ".post"))


@dataclass(slots=True)
class History:
    """The activations of a log, by the process that they were in: its `boot` is in the name of its segments."""

    _by_boot: dict[tuple[str, str], Activation] = field(default_factory=dict)
    _editions: dict[str, dict[str, float]] = field(default_factory=dict)

    def take(self, boot: str, activation: Activation) -> None:
        """Remember one."""
        self._by_boot[boot, activation.bundle] = activation
        for entity, edition in activation.origin.detectors.items():
            seen = self._editions.setdefault(entity, {})
            seen[edition] = min(activation.at, seen.get(edition, activation.at))

    def of(self, boot: str, bundle: str) -> Activation | None:
        """The activation of `bundle` in that process."""
        return self._by_boot.get((boot, bundle))

    def editions(self, entity: str) -> Mapping[str, float]:
        """The editions of what looked for `entity`, the oldest first, and since when there was each of them."""
        return dict(sorted(self._editions.get(entity, {}).items(), key=lambda item: item[1]))

    def entities(self) -> tuple[str, ...]:
        """Everything that anything ever looked for."""
        return tuple(sorted(self._editions))

    def age(self, boot: str, bundle: str, question: Question | None) -> Age:
        """What the detectors of `bundle` were in that process; everything is older than nothing."""
        if question is None:
            return Age.OLDER
        activation = self.of(boot, bundle)
        origin = activation.origin if activation is not None else Origin()
        if not origin.build:
            return Age.UNKNOWN
        match question:
            case BuiltBefore(build=build):
                return Age.OLDER if is_before(origin.build, build) else Age.GOOD
            case PolicyBefore(version=version):
                return Age.OLDER if origin.version < version else Age.GOOD
            case RecognizersBefore(version=version):
                return Age.OLDER if origin.recognizers < version else Age.GOOD
            case _:
                return self._age_of(origin, question.entity, question.edition)

    def _age_of(self, origin: Origin, entity: str, wanted: str) -> Age:
        if not origin.detectors:
            return Age.UNKNOWN  # more entities than a record holds
        seen, own = self._editions.get(entity, {}), origin.detectors.get(entity)
        if own is None:
            return Age.OLDER  # nothing looked for it
        # What was never in force here is newer than everything; what came back after a later one is still the older.
        is_later = wanted in seen and seen[own] > seen[wanted]
        return Age.GOOD if own == wanted or is_later else Age.OLDER


@dataclass(frozen=True, slots=True)
class Dispatch:
    """One request's way into one pool in the cloud. `copy_of` is the request that a mirror's copy was made of."""

    request_id: str
    at: float
    tenant: str
    app: str
    pool: str
    zone: str
    label: str
    route: str
    bundle: str
    sent: Sent
    age: Age
    copy_of: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which dispatches: those `since` and `before` two moments, under bundles whose digests begin with `bundle`."""

    question: Question | None
    since: float = 0.0
    before: float = float("inf")
    bundle: str = ""

    def holds(self, at: float, bundle: str) -> bool:
        """Whether something at that moment under that bundle is asked about."""
        return self.since <= at < self.before and bundle.startswith(self.bundle)


@dataclass(slots=True)
class Exposure:
    """Records in, dispatches out. Records of one process must come in their order; one may come twice."""

    wanted: Wanted
    history: History
    good: int = 0
    """Dispatches into the cloud under detectors that are as good as what was asked."""

    canaries: int = 0
    """Requests of the gateway's own that went there, which hold nothing of anybody's."""

    unreadable: int = 0
    _found: dict[tuple[str, str], Dispatch] = field(default_factory=dict)
    _good: set[tuple[str, str]] = field(default_factory=set)
    _canaries: set[str] = field(default_factory=set)
    _open: dict[str, list[tuple[str, Intent]]] = field(default_factory=dict)

    def take(self, boot: str, entry: Entry | None) -> None:
        """Look at one record of that process; None is a line that nobody can read."""
        match entry:
            case None:
                self.unreadable += 1
            case Intent() if _is_cloud(entry.zone):
                self._open.setdefault(entry.request_id, []).append((boot, entry))
            case Outcome() | Mirrored():
                self._settle(boot, entry)
            case _:
                pass

    def finish(self) -> tuple[Dispatch, ...]:
        """Everything that was found, the earliest first. An intent without an outcome may have been sent."""
        for intents in self._open.values():
            for boot, intent in intents:
                self._add(boot, intent, _of_intent(intent))
        self._open.clear()
        self.good, self.canaries = len(self._good), len(self._canaries)
        return tuple(sorted(self._found.values(), key=lambda one: (one.at, one.request_id, one.pool)))

    def _settle(self, boot: str, record: Outcome | Mirrored) -> None:
        intents = {intent.pool: intent for _, intent in self._open.pop(record.request_id, ())}
        for attempt in record.attempts:
            if _is_cloud(attempt.zone) and attempt.ending is not Ending.REFUSED:
                intent = intents.get(attempt.pool)
                label = intent.label if intent is not None else self._label(boot, record)
                self._add(boot, record, _of_record(record, attempt, label))

    def _add(self, boot: str, record: Intent | Outcome | Mirrored, made: Dispatch) -> None:
        if not self.wanted.holds(made.at, made.bundle):
            return
        if record.canary:
            self._canaries.add(made.request_id)
            return
        key = made.request_id, made.pool
        age = self.history.age(boot, made.bundle, self.wanted.question)
        if age is Age.GOOD:
            self._good.add(key)
            return
        before = self._found.get(key)
        # Tried twice there: what left once has left.
        if before is None or before.sent is Sent.PERHAPS:
            self._found[key] = replace(made, age=age)

    def _label(self, boot: str, record: Outcome | Mirrored) -> str:
        if isinstance(record, Mirrored):
            return record.label
        activation = self.history.of(boot, record.bundle)
        names = activation.labels if activation is not None else ()
        high = record.facts.label_high if record.facts is not None else len(names)
        return names[high] if high < len(names) else UNNAMED


@dataclass(frozen=True, slots=True)
class Group:
    """Whose work went where with which label."""

    tenant: str
    pool: str
    zone: str
    label: str


@dataclass(slots=True)
class Count:
    """How much of it, and when; `unknown` of them under detectors of which the log says nothing."""

    sent: int = 0
    perhaps: int = 0
    unknown: int = 0
    first: float = float("inf")
    last: float = 0.0


def grouped(found: Iterable[Dispatch]) -> Mapping[Group, Count]:
    """The dispatches by tenant, pool and label."""
    counts: dict[Group, Count] = {}
    for one in found:
        count = counts.setdefault(Group(one.tenant, one.pool, one.zone, one.label), Count())
        count.sent += one.sent is Sent.SENT
        count.perhaps += one.sent is Sent.PERHAPS
        count.unknown += one.age is Age.UNKNOWN
        count.first, count.last = min(count.first, one.at), max(count.last, one.at)
    return dict(sorted(counts.items(), key=lambda item: (item[0].tenant, item[0].pool, item[0].zone, item[0].label)))


def matching(editions: Iterable[str], beginning: str) -> tuple[str, ...]:
    """The editions that begin so."""
    return tuple(one for one in editions if one.startswith(beginning))


def _is_cloud(zone: str) -> bool:
    return Zone(zone, None).is_cloud


def _of_intent(intent: Intent) -> Dispatch:
    return Dispatch(
        request_id=intent.request_id,
        at=intent.at,
        tenant=intent.tenant,
        app="",
        pool=intent.pool,
        zone=intent.zone,
        label=intent.label,
        route=intent.route,
        bundle=intent.bundle,
        sent=Sent.PERHAPS,
        age=Age.OLDER,
    )


def _of_record(record: Outcome | Mirrored, attempt: Attempt, label: str) -> Dispatch:
    if isinstance(record, Mirrored):
        app, route, copy_of = "", record.route, record.copy_of
    else:
        app, route, copy_of = record.app, record.decision.route if record.decision is not None else "", ""
    return Dispatch(
        request_id=record.request_id,
        at=record.at,
        tenant=record.tenant,
        app=app,
        pool=attempt.pool,
        zone=attempt.zone,
        label=label,
        route=route,
        bundle=record.bundle,
        sent=Sent.PERHAPS if attempt.status is None else Sent.SENT,
        age=Age.OLDER,
        copy_of=copy_of,
    )
