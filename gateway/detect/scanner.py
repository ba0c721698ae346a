"""Scans a whole request: leaves and their joins, views of them, the recognizers that the prefilter triggers.

It owns the order of work, the deadline and the account of what was covered. It never raises: whatever goes wrong is
evidence that nothing was covered, and findings made until then are kept (threats.md I2, I3).
"""

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter

from gateway.core.findings import Coverage, Evidence, Finding, Tier, Unscanned, nothing_covered
from gateway.detect import composed, decode, names, patterns, prefilter, rules, runs, secrets, views
from gateway.detect.leaves import Leaf, LeafKind, walk
from gateway.ports import Recognizer

BASE_S = 0.150
PER_CHARACTER_S = 0.6e-6

_CHUNK = 2_000  # characters that a recognizer sees at once: bounds the longest step between two looks at the clock
_OVERLAP = 300  # longer than any match
_BATCH = 4_096  # characters that go through the prefilter in one pass
_SEAM = 160  # characters on each side of a seam: a cue, a gap and an identifier
_LEVELS = 4  # the plain view and three levels of decoding
_TIERS = frozenset((Tier.STRUCTURED, Tier.NAMES))

_CONTROL_TOKENS = (
    r"<[|｜][0-9A-Za-z_▁ -]{2,40}[|｜]>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_turn>|<\|?(?:bos|eos|pad)\|?>|\[gMASK\]"
)

Locate = Callable[[int, int], tuple[str, int, int]]
"""From a span of some text to the leaf's path and the span there."""


class DeadlineExceeded(Exception):
    """The scan took longer than its text allows."""


@dataclass(slots=True)
class _Source:
    """A text to scan, and where its characters come from."""

    text: str
    locate: Locate
    transforms: tuple[str, ...]
    wanted: set[int] = field(default_factory=set)  # the gates that it triggered


@dataclass(slots=True)
class _Scan:
    """What one scan has gathered so far."""

    deadline: float
    findings: dict[tuple[str, str, int, int], Finding] = field(default_factory=dict)
    unscanned: dict[Unscanned, None] = field(default_factory=dict)


class RequestScanner:
    """Behind `ports.Scanner`. Immutable after construction; any number of scans may run at once."""

    def __init__(
        self,
        recognizers: Sequence[Recognizer],
        *,
        clock: Callable[[], float],
        build: Callable[[Sequence[tuple[int, str]], frozenset[int]], prefilter.Prefilter],
    ) -> None:
        self._recognizers = tuple(recognizers)
        self._clock = clock
        self._plain = views.plain_view()
        self._numerals = views.numeral_view()
        self._decoder = decode.decoder()
        self._control = rules.recognizer(rules.Rule("control-tokens", "CONTROL_TOKENS", _CONTROL_TOKENS, 1.0))
        count = len(self._recognizers)
        self._control_gate, self._plain_gate, self._numeral_gate, self._decode_gate, self._runs_gate = range(
            count, count + 5
        )
        gates = (
            (self._control_gate, self._control.patterns),
            (self._plain_gate, views.PLAIN_GATES),
            (self._numeral_gate, views.NUMERAL_GATES),
            (self._decode_gate, decode.DECODE_GATES),
            (self._runs_gate, runs.GATES),
        )
        entries = [(index, pattern) for index, recognizer in enumerate(recognizers) for pattern in recognizer.patterns]
        always = frozenset(index for index, recognizer in enumerate(recognizers) if not recognizer.patterns)
        entries += [(index, pattern) for index, those in gates for pattern in those]
        self._prefilter = build(entries, always)
        self._digest = _digest(recognizers, entries)

    @property
    def digest(self) -> str:
        """A hash over everything that decides what is found: recognizers, patterns, markers, views."""
        return self._digest

    def scan(self, dialect: str, document: object) -> Evidence:
        """The evidence of one decoded request."""
        started = self._clock()
        try:
            walked = walk(dialect, document)
            if walked is None:
                return nothing_covered("UnknownDialect")
            return self._scanned(walked.leaves, walked.unscanned, walked.failure, started)
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
        self, leaves: tuple[Leaf, ...], unscanned: tuple[Unscanned, ...], failure: str | None, started: float
    ) -> Evidence:
        characters = sum([len(leaf.text) for leaf in leaves])
        scan = _Scan(started + BASE_S + characters * PER_CHARACTER_S, unscanned=dict.fromkeys(unscanned))
        try:
            self._pass([*_leaf_sources(leaves), *_seam_sources(leaves)], 0, scan)
        except DeadlineExceeded as exceeded:
            failure = failure or type(exceeded).__name__
        return Evidence(
            tuple(scan.findings.values()),
            Coverage(frozenset() if failure else _TIERS, tuple(scan.unscanned), len(leaves), characters, failure),
        )

    def _pass(self, sources: Sequence[_Source], level: int, scan: _Scan) -> None:
        """Scan `sources`, then the views of them that they call for."""
        for batch in _batches(sources):
            self._look_at_clock(scan)
            triggered = self._prefilter.triggered(prefilter.SEPARATOR.join([chunk for _, _, chunk in batch]))
            for index in triggered:
                if index < len(self._recognizers):
                    for source, offset, chunk in batch:
                        self._recognize(self._recognizers[index], source, offset, chunk, scan)
                else:
                    for source, _, _ in batch:
                        source.wanted.add(index)
        derived: list[_Source] = []
        for source in sources:
            if source.wanted:
                derived.extend(self._views(source, level, scan))
        if derived:
            self._pass(derived, level + 1, scan)

    def _recognize(self, recognizer: Recognizer, source: _Source, offset: int, chunk: str, scan: _Scan) -> None:
        found = recognizer.find(chunk, "")
        self._look_at_clock(scan)
        for finding in found:
            # What touches the cut edge of a chunk may be a piece of something longer; the overlap shows it whole.
            if offset and finding.start == 0:
                continue
            if finding.end == len(chunk) and offset + len(chunk) < len(source.text):
                continue
            path, start, end = source.locate(offset + finding.start, offset + finding.end)
            key = (finding.entity, path, start, end)
            known = scan.findings.get(key)
            if known is None or known.score < finding.score:
                scan.findings[key] = Finding(
                    finding.entity,
                    finding.score,
                    path,
                    start,
                    end,
                    finding.detector,
                    known.transforms if known is not None else (*source.transforms, *finding.transforms),
                )

    def _views(self, source: _Source, level: int, scan: _Scan) -> Iterator[_Source]:
        """The other readings of `source` that its gates call for."""
        wanted, text = source.wanted, source.text
        self._look_at_clock(scan)
        if self._control_gate in wanted:
            for token in self._control.find(text, ""):
                scan.unscanned[Unscanned("control_tokens", source.locate(token.start, token.end)[0])] = None
        if self._plain_gate in wanted:
            plain = self._plain.of(text)
            self._look_at_clock(scan)
            if plain is not None and plain.text != text:
                yield from self._derived(source, plain, level, scan)
        if self._runs_gate in wanted:
            short = views.rewritten(text, runs.endless(text), ("runs",))
            self._look_at_clock(scan)
            if short is not None:
                yield from self._derived(source, short, level, scan)
        if self._numeral_gate in wanted:
            numerals = self._numerals.of(text)
            self._look_at_clock(scan)
            if numerals is not None:
                yield from self._derived(source, numerals, level, scan)
        if self._decode_gate in wanted:
            decoded = self._decoder.of(text)
            self._look_at_clock(scan)
            if decoded.opaque:
                scan.unscanned[Unscanned("opaque_blob", source.locate(0, 1)[0])] = None
            if decoded.view is not None:
                yield from self._derived(source, decoded.view, level, scan)

    def _derived(self, source: _Source, view: views.View, level: int, scan: _Scan) -> Iterator[_Source]:
        if level >= _LEVELS:
            # Encoded deeper than anybody has a reason to.
            scan.unscanned[Unscanned("opaque_blob", source.locate(0, 1)[0])] = None
        elif view.text:
            yield _Source(view.text, _through(view, source.locate), source.transforms + view.transforms)

    def _look_at_clock(self, scan: _Scan) -> None:
        if self._clock() > scan.deadline:
            raise DeadlineExceeded


def _through(view: views.View, locate: Locate) -> Locate:
    return lambda start, end: locate(*view.original(start, end))


def _leaf_sources(leaves: Sequence[Leaf]) -> Iterator[_Source]:
    for leaf in leaves:
        yield _Source(leaf.text, _in_leaf(leaf.path), ())


def _in_leaf(path: str) -> Locate:
    return lambda start, end: (path, start, end)


def _seam_sources(leaves: Sequence[Leaf]) -> Iterator[_Source]:
    """The text around every seam between neighbours, joined with nothing and with one space."""
    if len(leaves) < 2:
        return
    texts = [leaf.text for leaf in leaves]
    for glue, name in (("", "joined"), (" ", "joined-by-space")):
        joined = glue.join(texts)
        starts = []
        place = 0
        for text in texts:
            starts.append(place)
            place += len(text) + len(glue)
        locate = _in_joined(leaves, starts)
        window_start, window_end = max(0, starts[1] - _SEAM), starts[1] + _SEAM
        for seam in starts[2:]:
            if seam - _SEAM > window_end:
                yield _window(joined, window_start, window_end, locate, name)
                window_start = seam - _SEAM
            window_end = seam + _SEAM
        yield _window(joined, window_start, window_end, locate, name)


def _window(joined: str, start: int, end: int, locate: Locate, name: str) -> _Source:
    return _Source(joined[start:end], lambda s, e: locate(start + s, start + e), (name,))


def _in_joined(leaves: Sequence[Leaf], starts: Sequence[int]) -> Locate:
    def locate(start: int, end: int) -> tuple[str, int, int]:
        index = bisect_right(starts, start) - 1
        leaf = leaves[index]
        # What reaches into the next leaf is reported where it begins.
        return leaf.path, min(start - starts[index], len(leaf.text)), min(end - starts[index], len(leaf.text))

    return locate


def _batches(sources: Sequence[_Source]) -> Iterator[list[tuple[_Source, int, str]]]:
    """Chunks of sources, with their offsets, as many as go through the prefilter at once."""
    batch: list[tuple[_Source, int, str]] = []
    size = 0
    for source in sources:
        text = source.text
        length = len(text)
        offset = 0
        while True:
            chunk = text if length <= _CHUNK else text[offset : offset + _CHUNK]
            batch.append((source, offset, chunk))
            size += len(chunk)
            if size >= _BATCH:
                yield batch
                batch, size = [], 0
            if offset + _CHUNK >= length:
                break
            offset += _CHUNK - _OVERLAP
    if batch:
        yield batch


def _digest(recognizers: Sequence[Recognizer], entries: Sequence[tuple[int, str]]) -> str:
    hasher = hashlib.sha256(b"tidegate-detect-1\n")
    for recognizer in recognizers:
        hasher.update(f"{_identity(recognizer)}\n".encode())
    for index, pattern in entries:
        hasher.update(f"{index} {pattern}\n".encode())
    return hasher.hexdigest()


def _identity(recognizer: Recognizer) -> str:
    # Not its repr: that shows addresses of functions, which differ from process to process.
    parts: tuple[object, ...] = (recognizer.name, sorted(recognizer.entities), recognizer.tier)
    if isinstance(recognizer, rules.PatternRecognizer):
        rule = recognizer.rule
        check = rule.check.__qualname__ if rule.check else ""
        parts += (rule.pattern, rule.score, rule.bare, rule.context, rule.unless, rule.reach, rule.after, check)
    return repr(parts)


def catalogue(markers: Sequence[str]) -> tuple[Recognizer, ...]:
    """Every recognizer of this build, and one per marker."""
    return (
        *(rules.recognizer(rule) for rule in (*patterns.IDENTIFIERS, *secrets.SECRETS, *names.NAMES)),
        *composed.composed(),
        *(rules.marker(text) for text in markers if text.strip()),
    )


def build_scanner(markers: Sequence[str], *, clock: Callable[[], float] = perf_counter) -> RequestScanner:
    """The scanner with this build's recognizers. Compiles for about a second: build it off the event loop."""
    return RequestScanner(catalogue(markers), clock=clock, build=prefilter.build_prefilter)
