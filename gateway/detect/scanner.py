"""Scans a whole request: leaves and their joins, views of them, the recognizers that the prefilter triggers.

It owns the order of work, the deadline and the account of what was covered. It never raises: whatever goes wrong is
evidence that nothing was covered (threats.md I2, I3).
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from time import perf_counter

from gateway.core.findings import Coverage, Evidence, Tier, nothing_covered
from gateway.detect import composed, decode, names, nearby, patterns, rules, secrets, tables, views, worldwide
from gateway.detect.foreign import ForeignRecognizer
from gateway.detect.leaves import Leaf, LeafKind, Walked, walk
from gateway.detect.prefilter import SEPARATOR, Entry, Prefilter, Seen, build_prefilter
from gateway.detect.recall import Recall
from gateway.detect.roots import MAX_FINDINGS, Roots
from gateway.detect.slices import matches
from gateway.detect.sources import (
    CHUNK,
    OVERLAP,
    Source,
    Views,
    batches,
    open_gate,
    seams,
    view_source,
)
from gateway.detect.stretches import Stretches
from gateway.ports import Memo, Recognizer

BASE_S = 0.150
PER_CHARACTER_S = 0.6e-6
_MAX_HITS = 16 * MAX_FINDINGS  # in one root; the same finding is hit again in overlaps and views

_CONTEXT = 64  # characters: as far as any rule looks back or ahead for words
_LONG = 1_000  # characters of a text of which a memo is asked before anything else; of a shorter one if it is much work
_SHORT = 1_500  # characters of a request that is looked through sooner than a memo is asked
_MANY = 16  # places to try a recognizer at that are worth a look at the clock
_MAX_TOKENS = 16  # control tokens in one text: what is told of them is the place
_MANY_CELLS = 20
_GATES = 6
_LEVELS = 4  # the plain view and three levels of decoding
_TIERS = frozenset((Tier.STRUCTURED, Tier.NAMES))

# What `wire/control_tokens.py` takes out of a chat; here it is reported wherever it still stands, also in a view.
_CONTROL_TOKENS = (
    r"<\|[0-9A-Za-z_▁.:/-]{1,48}\|>|<｜[^\s｜<>]{1,48}｜>|<</?SYS>>|</?(?:start|end)_of_turn>"
    r"|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT)\]"
)


_Worth = Mapping[int, Sequence[int]]
"""What to try, by its index, and where its triggers' matches end; none: somewhere."""


_Triggered = tuple[int, int, str, Sequence[int], _Worth]
"""A chunk in which something is worth trying: the number of its text, its offset there, itself, where texts meet in it,
and what to try."""


class _Stopped(Exception):
    """The scan cannot go on. The argument names why."""


class RequestScanner:
    """Behind `ports.Scanner`. Immutable after construction; any number of scans may run at once."""

    def __init__(
        self,
        recognizers: Sequence[Recognizer],
        *,
        clock: Callable[[], float],
        build: Callable[[Sequence[Entry], frozenset[int]], Prefilter],
    ) -> None:
        self._recognizers = tuple(recognizers)
        self._clock = clock
        self._plain = views.plain_view()
        self._numerals = views.numeral_view()
        self._decoder = decode.decoder()
        self._control = _control()
        count = len(self._recognizers)
        self._control_gate, self._plain_gate, self._numeral_gate, self._escape_gate = range(count, count + 4)
        self._token_gate, self._table_gate = count + 4, count + 5
        self._tables = tables.table_recognizer()
        self._ways = tuple(map(nearby.way_of, recognizers))
        # What a row of digits is may depend on all of it, however long: across a seam only rows near it are read.
        self._in_rows = {
            index: found for index, found in enumerate(recognizers) if isinstance(found, composed.GroupedRecognizer)
        }
        in_tables = [index for index, found in enumerate(recognizers) if isinstance(found, tables.TableRecognizer)]
        self._of_tables = frozenset((*in_tables, self._table_gate))
        # Of the ways, then of the gates, which read everything.
        self._reaches = (*((way.left, way.right) for way in self._ways), *((0, 0) for _ in range(_GATES)))
        long = [index for index, way in enumerate(self._ways) if way.is_long]
        self._is_long = frozenset((*long, *range(count, count + _GATES)))
        # Our own rules read a short text sooner than a memo is asked; nobody knows that of a customer's.
        ours = rules.PatternRecognizer | composed.GroupedRecognizer
        much = [index for index in long if not isinstance(recognizers[index], ours)]
        self._is_much = frozenset((*much, *range(count, count + _GATES)))
        entries = _entries(self._recognizers, self._control)
        always = frozenset(index for index, found in enumerate(recognizers) if not found.patterns)
        self._prefilter = build(entries, always)
        self._groups = [tuple(sorted(group)) for group in self._prefilter.groups]
        self._digest = _digest(recognizers, entries)

    @property
    def digest(self) -> str:
        """A hash over everything that decides what is found: recognizers, patterns, markers, views."""
        return self._digest

    def scan(self, dialect: str, document: object, memo: Memo | None = None) -> Evidence:
        """The evidence of one decoded request; with a `memo`, the same for less work."""
        started = self._clock()
        try:
            walked = walk(dialect, document)
            if walked is None:
                return nothing_covered("UnknownDialect")
            return self._scanned(walked, started, memo)
        except Exception as failure:  # noqa: BLE001  # whatever it is, the request counts as unscanned
            return nothing_covered(type(failure).__name__)

    def scan_text(self, text: str) -> Evidence:
        """The evidence of one text."""
        started = self._clock()
        try:
            return self._scanned(Walked((Leaf("text", text, LeafKind.VALUE),) if text else (), ()), started)
        except Exception as failure:  # noqa: BLE001  # as above
            return nothing_covered(type(failure).__name__)

    def _scanned(self, walked: Walked, started: float, memo: Memo | None = None) -> Evidence:
        leaves, unscanned, failure, _ = walked
        characters = sum([len(leaf.text) for leaf in leaves])
        deadline = started + BASE_S + characters * PER_CHARACTER_S
        recall = stretches = None
        is_short = characters <= _SHORT
        if memo is not None and not is_short:
            recall, stretches = Recall(memo), Stretches(memo, walked, _TIERS)
            roots = Roots(leaves, seams(leaves, stretches.gaps(len(leaves))), stretches.known)
            stretches.add_to(roots)
        else:
            roots = Roots(leaves, seams(leaves))
        try:
            # Nothing is left of a request that comes again.
            triggered = self._triggered(texts, roots, deadline, recall) if (texts := roots.texts()) else ()
            if memo is not None and is_short:
                triggered = list(triggered)
                # Asking pays where there is much to do.
                if self._is_much_of(triggered):
                    recall, stretches = Recall(memo), Stretches(memo, walked, _TIERS)
                    stretches.add_to(roots)
                    known = stretches.known
                    triggered = [one for one in triggered if not roots.is_within(one[0], known)] if known else triggered
            self._pass(triggered, roots, 0, deadline, recall)
            if recall is not None and stretches is not None:
                # Only here: a scan that was stopped has not seen everything.
                recall.remember(_TIERS)
                stretches.remember(roots, _TIERS)
        except _Stopped as stopped:
            failure = failure or str(stopped)
        findings, marks, is_whole = roots.told()
        failure = failure or (None if is_whole else "TooManyFindings")
        if marks:
            unscanned = tuple(dict.fromkeys((*unscanned, *marks)))
        return Evidence(
            findings,
            Coverage(frozenset() if failure else _TIERS, unscanned, len(leaves), characters, failure),
        )

    def _is_much_of(self, triggered: Sequence[_Triggered]) -> bool:
        """Whether trying all that was triggered takes longer than asking a memo."""
        tries = 0
        for _, _, _, _, worth in triggered:
            tries += sum([len(ends) or 1 for ends in worth.values()])
            if not self._is_much.isdisjoint(worth):
                return True
        return tries > _MANY

    def _triggered(
        self, texts: Sequence[str], sources: Roots | Views, deadline: float, recall: Recall | None = None
    ) -> Iterable[_Triggered]:
        """What is worth trying in some texts, chunk by chunk."""
        # To the prefilter that is an edge, which would hide what stands on both sides of it.
        texts = [text.replace(SEPARATOR, "\x01") if SEPARATOR in text else text for text in texts]
        parts = sources.parts()
        if recall is not None:
            # A long text is known sooner than it is looked through.
            known = {at for at, text in enumerate(texts) if len(text) >= _LONG and recall.knows(sources[at], _TIERS)}
            if known:
                parts = [() if at in known else ((0, len(text)),) for at, text in enumerate(texts)]
        for numbers, offsets, chunks in batches(texts, parts):
            self._look_at_clock(deadline)
            for at, seen in self._prefilter.seen(chunks):
                number, offset, chunk = numbers[at], offsets[at], chunks[at]
                joins = sources.joins(number, offset)
                worth = self._worth(seen, chunk, joins, is_part=offset > 0 or len(chunk) >= CHUNK)
                if worth:
                    yield number, offset, chunk, joins, worth

    def _pass(
        self,
        triggered: Iterable[_Triggered],
        sources: Roots | Views,
        level: int,
        deadline: float,
        recall: Recall | None = None,
    ) -> None:
        """Try what texts have triggered, then look through the views that they call for."""
        gated = sources.gated()
        for number, offset, chunk, joins, worth in triggered:
            source = sources[number]
            # Asked only now, and where there is much to do: else it is done sooner than any memo is asked.
            if recall is not None and not self._is_much.isdisjoint(worth) and recall.knows(source, _TIERS):
                continue
            self._recognize(worth, source, offset, chunk, joins, level, deadline)
            if source.gates:
                gated[number] = source
        derived = [view for number in sorted(gated) for view in self._views(gated[number], level, deadline)]
        if derived:
            views_of = Views(derived)
            triggered = self._triggered([view.text for view in derived], views_of, deadline)
            self._pass(triggered, views_of, level + 1, deadline)

    def _worth(self, seen: Seen, chunk: str, joins: Sequence[int], *, is_part: bool) -> _Worth:
        """What of `seen` is worth trying: tables where one can be, and where texts meet, what may reach from one into
        the other. All else is found in the texts themselves."""
        worth: dict[int, Sequence[int]] = {}
        for group, ends in seen.items():
            for index in self._groups[group]:
                those = ends if not joins else _across(ends, joins, self._reaches[index])
                if those is not None:
                    worth[index] = those if index not in worth else _both(worth[index], those)
        if not self._of_tables.isdisjoint(worth):
            # Far below a header is only what another part of the text may hold.
            without = self._of_tables if not tables.may_be_in(chunk) else () if is_part else (self._table_gate,)
            worth = {index: ends for index, ends in worth.items() if index not in without}
        return worth

    def _recognize(
        self,
        worth: _Worth,
        source: Source,
        offset: int,
        chunk: str,
        joins: Sequence[int],
        level: int,
        deadline: float,
    ) -> None:
        """Try what may match in a chunk, and note what is found where it is in the root."""
        end = len(chunk)
        has_head = not offset and source.is_head
        has_tail = offset + end >= len(source.text) and source.is_tail
        # Up to here, what begins near the cut is shown whole, and with all that stands before it, by the chunk before
        # or by the leaf that a seam begins with.
        shown = OVERLAP if offset else joins[0] if joins and not has_head else 0
        hits = source.seen.hits
        for index in sorted(worth):
            if index >= len(self._ways):
                open_gate(source.gates, index, offset, worth[index])
                continue
            ends = worth[index]
            if joins and index in self._in_rows:
                found = self._in_rows[index].find_across(chunk, joins, ends)
            else:
                found = self._ways[index].find(chunk, ends)
            if index in self._is_long or not 0 < len(ends) < _MANY:
                self._look_at_clock(deadline)
            for finding in found:
                first, last = finding.start, finding.end
                # What touches a cut edge may be a piece of something longer; the overlap shows it whole.
                if (first == 0 and not has_head) or (last == end and not has_tail):
                    continue
                if first < _CONTEXT and last < shown - _CONTEXT:
                    continue
                first, last = source.span(offset + first, offset + last)
                transforms = source.transforms + finding.transforms
                hits.append((level, finding.entity, finding.score, first, last, finding.detector, transforms))
            if len(hits) > _MAX_HITS:
                raise _Stopped("TooManyFindings")

    def _views(self, source: Source, level: int, deadline: float) -> Iterator[Source]:
        """The other readings of `source` that its gates call for."""
        gates, text, marks = source.gates, source.text, source.seen.marks

        def tick() -> None:
            self._look_at_clock(deadline)

        if self._control_gate in gates:
            for token in islice(matches(self._control.regex, text, tick), _MAX_TOKENS):
                marks.append((level, "control_tokens", *source.span(token.start(), token.end())))
        found: list[views.View | None] = []
        if self._plain_gate in gates:
            found.append(self._plain.of(text, tick))
        if self._numeral_gate in gates:
            found.append(self._numerals.of(text, tick))
        if self._escape_gate in gates or self._token_gate in gates:
            decoded = self._decoder.of(
                text, tick, () if self._escape_gate in gates else sorted(gates[self._token_gate])
            )
            found.append(decoded.view)
            if decoded.is_opaque:
                marks.append((level, "opaque_blob", *source.span(0, 1)))
        # What is read in one piece has its header in it, and a table of which many cells are found needs no more.
        if self._table_gate in gates and len(text) > CHUNK:
            told = sum(hit[5] == self._tables.name for hit in source.seen.hits)
            for cell in self._tables.find_far(text, tick) if told < _MANY_CELLS else ():
                transforms = source.transforms + cell.transforms
                place = source.span(cell.start, cell.end)
                source.seen.hits.append((level, cell.entity, cell.score, *place, cell.detector, transforms))
                if len(source.seen.hits) > _MAX_HITS:
                    raise _Stopped("TooManyFindings")
        for view in found:
            if view is None or view.text == text or view.text in source.seen.read:
                continue
            source.seen.read.add(view.text)
            if level >= _LEVELS:
                # Wrapped deeper than anybody has a reason to.
                marks.append((level, "opaque_blob", *source.span(0, 1)))
            elif view.text:
                # A header speaks for what is far below it, which may be all that is other here.
                yield view_source(view, source, gates.keys() & {self._table_gate})

    def _look_at_clock(self, deadline: float) -> None:
        if self._clock() > deadline:
            raise _Stopped("DeadlineExceeded")


def _across(ends: Sequence[int], joins: Sequence[int], reach: tuple[int, int]) -> Sequence[int] | None:
    """Those of `ends` from which something reaches over one of `joins`; None where nothing does."""
    left, right = reach
    low, high = joins[0] - right, joins[-1] + left
    if not left or not ends or low <= ends[0] <= ends[-1] <= high:
        return ends
    if ends[0] > high or ends[-1] < low:
        return None
    return [end for end in ends if low <= end <= high] or None


def _both(ends: Sequence[int], others: Sequence[int]) -> Sequence[int]:
    """All of them in order; anywhere, if one of the two may be anywhere."""
    return sorted({*ends, *others}) if ends and others else ()


def _control() -> rules.PatternRecognizer:
    return rules.recognizer(rules.Rule("control-tokens", "CONTROL_TOKENS", _CONTROL_TOKENS, 1.0))


def _entries(recognizers: Sequence[Recognizer], control: Recognizer) -> list[Entry]:
    """What the prefilter looks for: the recognizers' patterns, then the gates."""
    gate = len(recognizers)
    return [
        *(
            Entry(index, pattern, is_common=nearby.is_common(found))
            for index, found in enumerate(recognizers)
            for pattern in found.patterns
        ),
        *(Entry(gate, pattern, is_common=True) for pattern in control.patterns),
        Entry(gate + 1, views.HIDDEN_GATE, is_common=True),
        *(Entry(gate + 1, pattern, beyond_ascii=True, is_common=True) for pattern in views.PLAIN_GATES),
        *(Entry(gate + 2, pattern, is_common=True) for pattern in views.NUMERAL_GATES),
        *(Entry(gate + 3, pattern, is_common=True) for pattern in decode.ESCAPE_GATES),
        *(Entry(gate + 4, pattern) for pattern in decode.TOKEN_GATES),
        *(Entry(gate + 5, pattern) for pattern in tables.HEADER_GATES),
    ]


def _digest(recognizers: Sequence[Recognizer], entries: Sequence[Entry]) -> str:
    hasher = hashlib.sha256(b"tidegate-detect-1\n")
    for recognizer in recognizers:
        hasher.update(f"{identity(recognizer)}\n".encode())
    for entry in entries:
        hasher.update(f"{entry.index} {entry.pattern}\n".encode())
    return hasher.hexdigest()


def identity(recognizer: Recognizer) -> str:
    """What a digest knows `recognizer` by: everything about it that decides what it finds, as far as that is data."""
    # Not its repr: that shows addresses of functions, which differ from process to process.
    parts: tuple[object, ...] = (recognizer.name, sorted(recognizer.entities), recognizer.tier)
    if isinstance(recognizer, rules.PatternRecognizer):
        rule = recognizer.rule
        check = rule.check.__qualname__ if rule.check else ""
        parts += (rule.pattern, rule.score, rule.bare, rule.context, rule.unless, rule.reach, rule.after, check)
        parts += (rule.ignore_case, rule.compact)
    elif isinstance(recognizer, ForeignRecognizer):
        parts += (recognizer.identity,)
    return repr(parts)


def catalogue(markers: Sequence[str], recognizers: Sequence[Recognizer] = ()) -> tuple[Recognizer, ...]:
    """Every recognizer of this build, the customer's `recognizers`, and one per marker."""
    return (
        *(
            rules.recognizer(rule)
            for rule in (*patterns.NATIONAL, *worldwide.WORLDWIDE, *secrets.SECRETS, *names.NAMES)
        ),
        *composed.composed(),
        *recognizers,
        *(rules.marker(text) for text in markers if text.strip()),
    )


def build_scanner(
    markers: Sequence[str], recognizers: Sequence[Recognizer] = (), *, clock: Callable[[], float] = perf_counter
) -> RequestScanner:
    """The scanner with this build's recognizers and a customer's own. Compiles for about a second: build it off the
    event loop."""
    return RequestScanner(catalogue(markers, recognizers), clock=clock, build=build_prefilter)


def scanner_digest(markers: Sequence[str], recognizers: Sequence[Recognizer] = ()) -> str:
    """The digest of `build_scanner(markers, recognizers)`, without compiling it."""
    every = catalogue(markers, recognizers)
    return _digest(every, _entries(every, _control()))
