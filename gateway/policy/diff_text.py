"""A comparison of two policies in words, and as plain values: what a reviewer reads before the new one goes live.

New ways out of the building come first, then what goes elsewhere, then terms. Regions are said as clauses that all
hold; a region that only says what is usual says nothing.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final, assert_never

from gateway.policy import fact_words
from gateway.policy.answers import Allowed, Answer, Destination
from gateway.policy.diff import Change, Diff, LabelChange, PlaceChange
from gateway.policy.diff_labels import Circumstance, Combined, Found, Grounds, Together
from gateway.policy.diff_words import word
from gateway.policy.region_words import of_usual_tenants, region_said
from gateway.policy.regions import Part, Region, united
from gateway.policy.words import Language

_MOST_REGIONS: Final = 8
_PLAIN: Final = {"nothing": "nothing_found", "unnamed": "unnamed_entity"}


def said(diff: Diff, language: Language) -> str:
    """The comparison as lines of text, the answer of the gate first."""
    return "\n".join(_Telling(diff, language).lines())


class _Telling:
    def __init__(self, diff: Diff, language: Language) -> None:
        self._diff = diff
        self._language: Language = language

    def lines(self) -> Iterator[str]:
        diff = self._diff
        yield self._say(_verdict(diff))
        for unknown in diff.unknown:
            yield self._say(f"unknown_{unknown.reason}", subject=unknown.subject)
        if diff.is_empty:
            yield self._say("same")
        yield from self._lists()
        for place, changes in _by_place(diff.changes).items():
            yield from self._gain(place, changes)
        if diff.labels:
            yield self._say("labels")
        for relabelled in diff.labels:
            yield from self._label(relabelled)
        for changes in _by_rows(diff.changes):
            yield from self._others(changes)

    def _lists(self) -> Iterator[str]:
        diff = self._diff
        for key, labels in (("only_old", diff.only_old), ("only_new", diff.only_new)):
            if labels:
                yield self._say(key, labels=self._listed(labels))
        if diff.dropped:
            yield self._say("dropped", ids=self._listed(diff.dropped))
        if diff.is_reordered:
            yield self._say("reordered")
        if diff.moved:
            yield self._say("moved_tenants")
        for move in diff.moved:
            yield self._say("moved_tenant", tenants=self._listed(move.tenants), was=move.was, becomes=move.becomes)
        if diff.zones:
            yield self._say("zones")
        for zone in diff.zones:
            yield self._say("zone_wider" if zone.is_wider else "zone_narrower", zone=zone.zone)
        if diff.places:
            yield self._say("places")
        for place in diff.places:
            yield self._place(place)

    def _say(self, key: str, **gaps: object) -> str:
        return word(key, self._language, **gaps)

    def _listed(self, words: Iterable[str]) -> str:
        return self._say("list").join(words)

    # Facts

    def _gain(self, place: Destination, changes: Sequence[Change]) -> Iterator[str]:
        """One place outside the building that requests gain, with the rows that they leave and come to."""
        yield self._say("gains", pool=place.pool, zone=place.zone)
        yield from self._regions(changes, {place.pool})
        yield from self._rows(changes)

    def _others(self, changes: Sequence[Change]) -> Iterator[str]:
        """What goes from one row to another, or stays in its row and is treated otherwise."""
        moved = [change for change in changes if change.moves]
        is_renamed = all(_without_route(change.was) == _without_route(change.becomes) for change in changes)
        yield self._say("renamed" if is_renamed else "moves" if moved else "terms")
        stays = changes[0].was.route == changes[0].becomes.route
        differing = set().union(*(_pools(change.was) ^ _pools(change.becomes) for change in changes))
        yield from self._regions(changes, differing if stays else set())
        yield from self._rows([change for change in changes if not change.gained])

    def _rows(self, changes: Sequence[Change]) -> Iterator[str]:
        """The answers before and after, each row's as it is where nothing takes pools away."""
        fullest = max(changes, key=lambda change: (len(_pools(change.was)), len(_pools(change.becomes))))
        for key, answers, other in (
            ("was", [change.was for change in changes], fullest.becomes),
            ("now", [change.becomes for change in changes], fullest.was),
        ):
            rows: dict[str, Answer] = {}
            for answer in answers:
                if answer.route not in rows or len(_pools(answer)) > len(_pools(rows[answer.route])):
                    rows[answer.route] = answer
            for answer in rows.values():
                yield self._say(key, answer=self._answer(answer, other))

    def _regions(self, changes: Iterable[Change], pools: Collection[str], indent: str = "") -> Iterator[str]:
        regions = united(self._usual([region for change in changes for region in change.regions]))
        limits = [pool for pool in self._diff.pools if pool.name in pools]
        said = dict.fromkeys(
            region_said(region, self._diff.utc_offset_min, self._language, limits) for region in regions
        )
        for place, region in enumerate(list(said)[:_MOST_REGIONS]):
            yield indent + self._say("for_also" if place else "for", region=region)
        if len(said) > _MOST_REGIONS:
            yield indent + self._say("more_regions", count=len(said) - _MOST_REGIONS)

    def _usual(self, regions: Sequence[Region]) -> Sequence[Region]:
        """`regions` as they are for tenants of the classes that a file names, if there are any such.

        A tenant of another class, or with a ceiling that is not its class's, exists in no configuration that loads.
        """
        if not self._diff.knows_classes:
            return regions
        return [region for one in regions if (region := of_usual_tenants(one)) is not None] or regions

    def _named(self, places: Iterable[Destination]) -> str:
        return self._listed(place.pool for place in places)

    def _answer(self, answer: Answer, other: Answer) -> str:
        """An answer, with the terms in which it differs from the other."""
        if not isinstance(answer, Allowed):
            key = "answer_refused" if answer.route else "answer_unmatched"
            return self._say(key, message=answer.message, route=answer.route, code=answer.code)
        terms = "".join(self._terms(answer, other if isinstance(other, Allowed) else None))
        to, spill = self._named(answer.to), self._named(answer.spill)
        return self._say(
            "answer_spill" if answer.spill else "answer", to=to, spill=spill, route=answer.route, terms=terms
        )

    def _terms(self, answer: Allowed, other: Allowed | None) -> Iterator[str]:
        if answer.canary is not None:
            yield self._say("term_canary", percent=f"{answer.percent:g}", pool=answer.canary.pool)
        if answer.mirror is not None:
            yield self._say("term_mirror", percent=f"{answer.mirrored:g}", pool=answer.mirror.pool)
        if answer.weights:
            yield self._say("term_weights", weights=" : ".join(f"{weight:g}" for weight in answer.weights))
        if other is None:
            return
        if answer.queue_s != other.queue_s:
            yield self._say("term_queue", time=self._time(answer.queue_s))
        if answer.cache_s != other.cache_s:
            key = "term_cache" if answer.cache_s else "term_no_cache"
            yield self._say(key, time=self._time(answer.cache_s))
        if answer.audit is not other.audit:
            yield self._say(f"term_audit_{answer.audit}")

    def _time(self, seconds: float) -> str:
        for key, unit in (("hours", 3600), ("minutes", 60)):
            if seconds and not seconds % unit:
                return self._say(key, count=f"{seconds / unit:g}")
        return self._say("seconds", count=f"{seconds:g}")

    # Labels

    def _label(self, change: LabelChange) -> Iterator[str]:
        grounds = self._grounds(change.grounds)
        yield self._say("label_change", grounds=grounds, was=change.was, becomes=change.becomes)
        for place, changes in _by_place(change.opens).items():
            yield self._say("label_opens", pool=place.pool, zone=place.zone)
            yield from self._regions(changes, {place.pool}, indent="    ")

    def _grounds(self, grounds: Grounds) -> str:
        match grounds:
            case Found(entities=entities, score=score, count=count):
                entity = fact_words.either(entities, self._language)
                return self._say("found", entities=entity, score=self._score(score), count=self._count(*count))
            case Together(parts=parts):
                each = [f"{entity}{self._score(score)}" for entity, score in parts]
                return self._say("together", parts=self._say("and").join(each))
            case Circumstance(kind=kind, name=name):
                return self._say(_PLAIN.get(kind, kind), name=name)
            case Combined():
                return self._say("combined")
            case _:
                assert_never(grounds)

    def _score(self, score: tuple[float, float | None]) -> str:
        low, high = score
        if not low and high is None:
            return ""
        key = "score_from" if high is None else "score_between" if low else "score_below"
        return self._say(key, low=f"{low:g}", high=f"{high or 0:g}")

    def _count(self, low: int, high: int | None) -> str:
        if low == 1 and high is None:
            return ""
        if high is None:
            return self._say("count_from", low=low)
        if low == high - 1:
            return self._say("count_exactly", low=low)
        if low == 1:
            return self._say("count_below", high=high)
        return self._say("count_between", low=low, high=high - 1)

    # Places

    def _place(self, change: PlaceChange) -> str:
        was, becomes = self._where(change.was), self._where(change.becomes)
        return self._say("place_changed", pool=change.was.pool, was=was, becomes=becomes)

    def _where(self, place: Destination) -> str:
        none = self._say("none")
        return self._say(
            "place",
            zone=place.zone,
            processor=place.processor or none,
            residency=place.residency or none,
            agreement=place.agreement or none,
        )


def _verdict(diff: Diff) -> str:
    if not diff.new_cloud_access:
        return "access_no"
    is_known = any(change.gained for change in diff.changes) or any(change.opens for change in diff.labels)
    return "access_yes" if is_known or any(zone.is_wider for zone in diff.zones) else "access_unknown"


def _by_place(changes: Iterable[Change]) -> dict[Destination, list[Change]]:
    """Changes by the place outside the building that they gain."""
    found: dict[Destination, list[Change]] = {}
    for change in changes:
        for place in change.gained:
            found.setdefault(place, []).append(change)
    return found


def _by_rows(changes: Iterable[Change]) -> list[list[Change]]:
    """Changes by the rows that they leave and come to, where anything but a new way out is to be said of them."""
    found: dict[object, list[Change]] = {}
    for change in changes:
        found.setdefault((change.was.route, change.becomes.route, *_kept(change)), []).append(change)
    said = [group for group in found.values() if _says_more(group)]
    return sorted(said, key=lambda group: not any(change.moves for change in group))


def _kept(change: Change) -> tuple[float, float]:
    """For how long answers may be reused, before and after, if that differs: it goes by label, not by row."""
    was, becomes = change.was, change.becomes
    if not isinstance(was, Allowed) or not isinstance(becomes, Allowed) or was.cache_s == becomes.cache_s:
        return 0.0, 0.0
    return was.cache_s, becomes.cache_s


def _says_more(group: Sequence[Change]) -> bool:
    """Whether a group is more than the new ways out, and what stays as it was beside them under another row."""
    others = [change for change in group if not change.gained]
    if len(others) == len(group):
        return True
    return any(change.moves for change in others)


def _pools(answer: Answer) -> frozenset[str]:
    if not isinstance(answer, Allowed):
        return frozenset()
    return frozenset(place.pool for place in answer.places)


def _without_route(answer: Answer) -> Answer:
    return replace(answer, route="")


# For programs

_Json = dict[str, object]


def as_json(diff: Diff, language: Language = "en") -> _Json:
    """The comparison as plain values; `said` holds regions and grounds in words."""
    telling = _Telling(diff, language)
    return {
        "new_cloud_access": diff.new_cloud_access,
        "is_empty": diff.is_empty,
        "unknown": [{"reason": one.reason, "subject": one.subject or None} for one in diff.unknown],
        "changes": [_change(change, diff.utc_offset_min, language) for change in diff.changes],
        "labels": [
            {
                "grounds": telling._grounds(change.grounds),
                "was": change.was,
                "becomes": change.becomes,
                "is_lower": change.is_lower,
                "opens": [_change(opened, diff.utc_offset_min, language) for opened in change.opens],
            }
            for change in diff.labels
        ],
        "pools": [{"was": _destination(place.was), "becomes": _destination(place.becomes)} for place in diff.places],
        "tenants_moved": [
            {"tenants": list(move.tenants), "was": move.was, "becomes": move.becomes} for move in diff.moved
        ],
        "zones": [{"zone": zone.zone, "is_wider": zone.is_wider} for zone in diff.zones],
        "labels_removed": list(diff.only_old),
        "labels_added": list(diff.only_new),
        "invariants_removed": list(diff.dropped),
        "labels_reordered": diff.is_reordered,
    }


def _change(change: Change, utc_offset_min: int, language: Language) -> _Json:
    return {
        "gained": [place.pool for place in change.gained],
        "moves": change.moves,
        "was": _answer(change.was),
        "becomes": _answer(change.becomes),
        "regions": [
            {"said": region_said(region, utc_offset_min, language), "facts": [_part(part) for part in region.parts]}
            for region in change.regions
        ],
    }


def _part(part: Part) -> _Json:
    shown: _Json = {"fact": part.axis.fact, "member": part.axis.member or None}
    if part.axis.spans:
        return {**shown, "spans": [list(span) for span in part.spans]}
    return {**shown, "values": list(part.names)}


def _answer(answer: Answer) -> _Json:
    if not isinstance(answer, Allowed):
        return {"action": "deny", "route": answer.route, "code": answer.code, "message": answer.message}
    return {
        "action": "allow",
        "route": answer.route,
        "to": [_destination(place) for place in answer.to],
        "spill": [_destination(place) for place in answer.spill],
        "canary": _destination(answer.canary) if answer.canary is not None else None,
        "percent": answer.percent,
        "mirror": _destination(answer.mirror) if answer.mirror is not None else None,
        "mirrored": answer.mirrored,
        "weights": list(answer.weights),
        "queue_s": answer.queue_s,
        "cache_s": answer.cache_s,
        "audit": answer.audit,
    }


def _destination(place: Destination) -> _Json:
    return {
        "pool": place.pool,
        "zone": place.zone,
        "is_cloud": place.is_cloud,
        "processor": place.processor,
        "residency": place.residency,
        "agreement": place.agreement,
    }
