"""Scans a whole request: leaves and their joins, views of them, the recognizers that the prefilter triggers.

It owns the order of work, the deadline and the account of what was covered. It never raises: whatever goes wrong is
evidence that nothing was covered (threats.md I2, I3).
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from time import perf_counter
from types import MappingProxyType

from gateway.core.findings import Coverage, Evidence, Finding, Hit, Mark, Tier, Unscanned, nothing_covered
from gateway.detect import composed, decode, names, patterns, rules, secrets, views, worldwide
from gateway.detect.foreign import ForeignRecognizer
from gateway.detect.leaves import Leaf, LeafKind, walk
from gateway.detect.prefilter import SEPARATOR, Entry, Prefilter, build_prefilter
from gateway.detect.recall import Recall
from gateway.detect.runs import digit_runs
from gateway.detect.slices import matches
from gateway.detect.sources import (
    BATCH,
    LeafSource,
    Root,
    Source,
    batches,
    seam_source,
    seams,
    view_source,
)
from gateway.ports import Memo, Recognizer

BASE_S = 0.150
PER_CHARACTER_S = 0.6e-6
MAX_FINDINGS = 2_000
_MAX_HITS = 16 * MAX_FINDINGS  # in one root; the same finding is hit again in overlaps and views

_MAX_TOKENS = 16  # control tokens in one text: what is told of them is the place
_LEVELS = 4  # the plain view and three levels of decoding
_TIERS = frozenset((Tier.STRUCTURED, Tier.NAMES))

# What `wire/control_tokens.py` takes out of a chat; here it is reported wherever it still stands, also in a view.
_CONTROL_TOKENS = (
    r"<\|[0-9A-Za-z_▁.:/-]{1,48}\|>|<｜[^\s｜<>]{1,48}｜>|<</?SYS>>|</?(?:start|end)_of_turn>"
    r"|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT)\]"
)


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
        self._control_gate, self._plain_gate, self._numeral_gate, self._decode_gate = range(count, count + 4)
        # Those that are tried around runs of digits only, at the place of their index.
        self._near_digits = tuple(
            found if isinstance(found, rules.PatternRecognizer) and found.rule.runs else None for found in recognizers
        )
        self._is_near = frozenset(index for index, near in enumerate(self._near_digits) if near is not None)
        self._by_run = _by_run(self._near_digits)
        entries = _entries(self._recognizers, self._control)
        always = frozenset(index for index, found in enumerate(recognizers) if not found.patterns)
        self._prefilter = build(entries, always)
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
            return self._scanned(walked.leaves, walked.unscanned, walked.failure, started, memo)
        except Exception as failure:  # noqa: BLE001  # whatever it is, the request counts as unscanned
            return nothing_covered(type(failure).__name__)

    def scan_text(self, text: str) -> Evidence:
        """The evidence of one text."""
        started = self._clock()
        try:
            return self._scanned((Leaf("text", text, LeafKind.VALUE),) if text else (), (), None, started)
        except Exception as failure:  # noqa: BLE001  # as above
            return nothing_covered(type(failure).__name__)

    def _scanned(
        self,
        leaves: tuple[Leaf, ...],
        unscanned: tuple[Unscanned, ...],
        failure: str | None,
        started: float,
        memo: Memo | None = None,
    ) -> Evidence:
        texts = [leaf.text for leaf in leaves]
        characters = sum(map(len, texts))
        deadline = started + BASE_S + characters * PER_CHARACTER_S
        around = seams(leaves)
        findings: tuple[Finding, ...] = ()
        # A small request goes through the prefilter in one piece, and nearly always that is all.
        is_small = characters <= BATCH
        if not is_small or self._prefilter.triggered(SEPARATOR.join((*texts, *[seam[0] for seam in around]))):
            roots: tuple[Root, ...] = (
                *(LeafSource(leaf.text, leaf.path) for leaf in leaves),
                *(seam_source(seam, leaves) for seam in around),
            )
            recall = Recall(memo) if memo is not None else None
            try:
                self._pass(roots, 0, deadline, recall, is_triggered=is_small)
                if recall is not None:
                    recall.remember(_TIERS)  # only here: a scan that was stopped has not seen everything
            except _Stopped as stopped:
                failure = failure or str(stopped)
            findings, marks, is_whole = _told(roots)
            failure = failure or (None if is_whole else "TooManyFindings")
            unscanned = tuple(dict.fromkeys((*unscanned, *marks)))
        return Evidence(
            findings,
            Coverage(frozenset() if failure else _TIERS, unscanned, len(leaves), characters, failure),
        )

    def _pass(
        self,
        sources: Sequence[Source],
        level: int,
        deadline: float,
        recall: Recall | None = None,
        *,
        is_triggered: bool = False,
    ) -> None:
        """Scan `sources`, of which some may be known to trigger something, then the views that they call for."""
        has_gates = False
        for batch in batches(sources):
            self._look_at_clock(deadline)
            if not is_triggered and not self._prefilter.triggered(SEPARATOR.join([chunk for _, _, chunk in batch])):
                continue
            for source, offset, chunk in batch:
                # Asked only now: where nothing triggers, the prefilter is quicker than any memo.
                if recall is not None and recall.knows(source, _TIERS):
                    continue
                triggered = self._prefilter.triggered(chunk)
                if triggered:
                    self._recognize(triggered, source, offset, chunk, level, deadline)
                    has_gates = has_gates or bool(source.gates)
        if has_gates:
            derived = [view for source in sources if source.gates for view in self._views(source, level, deadline)]
            if derived:
                self._pass(derived, level + 1, deadline)

    def _recognize(
        self, triggered: frozenset[int], source: Source, offset: int, chunk: str, level: int, deadline: float
    ) -> None:
        """Run what a chunk triggered, and note what it finds where it is in the root."""
        windows: Sequence[tuple[int, int]] = ()
        if not triggered.isdisjoint(self._is_near):
            # Of the rules that know their runs of digits, those whose runs are there, and there only.
            digits = [(self._by_run[length], at) for length, at in digit_runs(chunk).items() if length in self._by_run]
            windows = rules.windows_around([span for _, spans in digits for span in spans])
            triggered = (triggered - self._is_near).union(*[triggered & indexes for indexes, _ in digits])
        end = len(chunk)
        has_head = not offset and source.is_head
        has_tail = offset + end >= len(source.text) and source.is_tail
        hits = source.seen.hits
        for index in sorted(triggered):
            if index >= len(self._recognizers):
                source.gates.add(index)
                continue
            near = self._near_digits[index]
            found = self._recognizers[index].find(chunk, "") if near is None else near.find_near(windows, chunk, "")
            self._look_at_clock(deadline)
            for finding in found:
                # What touches a cut edge may be a piece of something longer; the overlap shows it whole.
                if (finding.start == 0 and not has_head) or (finding.end == end and not has_tail):
                    continue
                first, last = source.span(offset + finding.start, offset + finding.end)
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
        if self._decode_gate in gates:
            decoded = self._decoder.of(text, tick)
            found.append(decoded.view)
            if decoded.is_opaque:
                marks.append((level, "opaque_blob", *source.span(0, 1)))
        for view in found:
            if view is None or view.text == text:
                continue
            if level >= _LEVELS:
                # Wrapped deeper than anybody has a reason to.
                marks.append((level, "opaque_blob", *source.span(0, 1)))
            elif view.text:
                yield view_source(view, source)

    def _look_at_clock(self, deadline: float) -> None:
        if self._clock() > deadline:
            raise _Stopped("DeadlineExceeded")


def _by_run(near_digits: Sequence[rules.PatternRecognizer | None]) -> Mapping[int, frozenset[int]]:
    """Which recognizers a run of digits of each length can matter to."""
    found: dict[int, set[int]] = {}
    for index, near in enumerate(near_digits):
        for length in near.rule.runs if near is not None else ():
            found.setdefault(length, set()).add(index)
    return MappingProxyType({length: frozenset(indexes) for length, indexes in found.items()})


def _told(roots: Sequence[Root]) -> tuple[tuple[Finding, ...], list[Unscanned], bool]:
    """What was seen in all roots, each finding once, as written before it is through a view; False if too much."""
    findings: dict[tuple[str, str, int, int], Finding] = {}
    for root, hit in sorted([(of, hit) for of in roots for hit in of.seen.hits], key=_level):
        _, entity, score, first, last, detector, seen_through = hit
        path, start, end = root.locate(first, last)
        key = (entity, path, start, end)
        known = findings.get(key)
        if known is None or known.score < score:
            transforms = known.transforms if known is not None else seen_through
            findings[key] = Finding(entity, score, path, start, end, detector, transforms)
            if len(findings) > MAX_FINDINGS:
                return tuple(findings.values()), [], False
    marks = sorted([(of, mark) for of in roots for mark in of.seen.marks], key=_level)
    return tuple(findings.values()), [Unscanned(m[1], root.locate(m[2], m[3])[0]) for root, m in marks], True


def _level(seen: tuple[Root, Hit] | tuple[Root, Mark]) -> int:
    return seen[1][0]


def _control() -> rules.PatternRecognizer:
    return rules.recognizer(rules.Rule("control-tokens", "CONTROL_TOKENS", _CONTROL_TOKENS, 1.0))


def _entries(recognizers: Sequence[Recognizer], control: Recognizer) -> list[Entry]:
    """What the prefilter looks for: the recognizers' patterns, then the four gates."""
    gate = len(recognizers)
    return [
        *(Entry(index, pattern) for index, found in enumerate(recognizers) for pattern in found.patterns),
        *(Entry(gate, pattern) for pattern in control.patterns),
        *(Entry(gate + 1, pattern, beyond_ascii=True) for pattern in views.PLAIN_GATES),
        *(Entry(gate + 2, pattern) for pattern in views.NUMERAL_GATES),
        *(Entry(gate + 3, pattern) for pattern in decode.DECODE_GATES),
    ]


def _digest(recognizers: Sequence[Recognizer], entries: Sequence[Entry]) -> str:
    hasher = hashlib.sha256(b"tidegate-detect-1\n")
    for recognizer in recognizers:
        hasher.update(f"{_identity(recognizer)}\n".encode())
    for entry in entries:
        hasher.update(f"{entry.index} {entry.pattern}\n".encode())
    return hasher.hexdigest()


def _identity(recognizer: Recognizer) -> str:
    # Not its repr: that shows addresses of functions, which differ from process to process.
    parts: tuple[object, ...] = (recognizer.name, sorted(recognizer.entities), recognizer.tier)
    if isinstance(recognizer, rules.PatternRecognizer):
        rule = recognizer.rule
        check = rule.check.__qualname__ if rule.check else ""
        parts += (rule.pattern, rule.score, rule.bare, rule.context, rule.unless, rule.reach, rule.after, check)
        parts += (rule.ignore_case, rule.compact, sorted(rule.runs))
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
