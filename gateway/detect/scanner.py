"""Scans a whole request: leaves and their joins, views of them, the recognizers that the prefilter triggers.

It owns the order of work, the deadline and the account of what was covered. It never raises: whatever goes wrong is
evidence that nothing was covered (threats.md I2, I3).
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter

from gateway.core.findings import Coverage, Evidence, Finding, Tier, Unscanned, nothing_covered
from gateway.detect import composed, decode, names, patterns, rules, secrets, views, worldwide
from gateway.detect.leaves import Leaf, LeafKind, walk
from gateway.detect.prefilter import SEPARATOR, Entry, Prefilter, build_prefilter
from gateway.detect.sources import LeafSource, Source, batches, seams, view_source
from gateway.ports import Recognizer

BASE_S = 0.150
PER_CHARACTER_S = 0.6e-6
MAX_FINDINGS = 2_000

_LEVELS = 4  # the plain view and three levels of decoding
_TIERS = frozenset((Tier.STRUCTURED, Tier.NAMES))

# What `wire/control_tokens.py` takes out of a chat; here it is reported wherever it still stands, also in a view.
_CONTROL_TOKENS = (
    r"<\|[0-9A-Za-z_▁.:/-]{1,48}\|>|<｜[^\s｜<>]{1,48}｜>|<</?SYS>>|</?(?:start|end)_of_turn>"
    r"|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT)\]"
)


class _Stopped(Exception):
    """The scan cannot go on. The argument names why."""


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
        entries = _entries(self._recognizers, self._control)
        always = frozenset(index for index, found in enumerate(recognizers) if not found.patterns)
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
            self._pass([*(LeafSource(leaf.text, leaf.path) for leaf in leaves), *seams(leaves)], 0, scan)
        except _Stopped as stopped:
            failure = failure or str(stopped)
        return Evidence(
            tuple(scan.findings.values()),
            Coverage(frozenset() if failure else _TIERS, tuple(scan.unscanned), len(leaves), characters, failure),
        )

    def _pass(self, sources: Sequence[Source], level: int, scan: _Scan) -> None:
        """Scan `sources`, then the views of them that they call for."""
        has_gates = False
        for batch in batches(sources):
            self._look_at_clock(scan)
            if not self._prefilter.triggered(SEPARATOR.join([chunk for _, _, chunk in batch])):
                continue
            for source, offset, chunk in batch:
                for index in sorted(self._prefilter.triggered(chunk)):
                    if index < len(self._recognizers):
                        self._recognize(self._recognizers[index], source, offset, chunk, scan)
                    else:
                        has_gates = True
                        source.gates.add(index)
        if has_gates:
            derived = [view for source in sources if source.gates for view in self._views(source, level, scan)]
            if derived:
                self._pass(derived, level + 1, scan)

    def _recognize(self, recognizer: Recognizer, source: Source, offset: int, chunk: str, scan: _Scan) -> None:
        found = recognizer.find(chunk, "")
        self._look_at_clock(scan)
        for finding in found:
            # What touches a cut edge may be a piece of something longer; the overlap shows it whole.
            if finding.start == 0 and (offset or not source.is_head):
                continue
            if finding.end == len(chunk) and (offset + len(chunk) < len(source.text) or not source.is_tail):
                continue
            path, start, end = source.locate(offset + finding.start, offset + finding.end)
            key = (finding.entity, path, start, end)
            known = scan.findings.get(key)
            if known is None or known.score < finding.score:
                transforms = known.transforms if known is not None else source.transforms + finding.transforms
                scan.findings[key] = Finding(
                    finding.entity, finding.score, path, start, end, finding.detector, transforms
                )
                if len(scan.findings) > MAX_FINDINGS:
                    raise _Stopped("TooManyFindings")

    def _views(self, source: Source, level: int, scan: _Scan) -> Iterator[Source]:
        """The other readings of `source` that its gates call for."""
        gates, text = source.gates, source.text
        if self._control_gate in gates:
            for token in self._control.find(text, ""):
                scan.unscanned[Unscanned("control_tokens", source.locate(token.start, token.end)[0])] = None
        found: list[views.View | None] = []

        def tick() -> None:
            self._look_at_clock(scan)

        if self._plain_gate in gates:
            found.append(self._plain.of(text, tick))
        if self._numeral_gate in gates:
            found.append(self._numerals.of(text, tick))
        if self._decode_gate in gates:
            decoded = self._decoder.of(text, tick)
            found.append(decoded.view)
            if decoded.is_opaque:
                scan.unscanned[Unscanned("opaque_blob", source.locate(0, 1)[0])] = None
        for view in found:
            if view is None or view.text == text:
                continue
            if level >= _LEVELS:
                # Wrapped deeper than anybody has a reason to.
                scan.unscanned[Unscanned("opaque_blob", source.locate(0, 1)[0])] = None
            elif view.text:
                yield view_source(view, source)

    def _look_at_clock(self, scan: _Scan) -> None:
        if self._clock() > scan.deadline:
            raise _Stopped("DeadlineExceeded")


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
    return repr(parts)


def catalogue(markers: Sequence[str]) -> tuple[Recognizer, ...]:
    """Every recognizer of this build, and one per marker."""
    return (
        *(
            rules.recognizer(rule)
            for rule in (*patterns.NATIONAL, *worldwide.WORLDWIDE, *secrets.SECRETS, *names.NAMES)
        ),
        *composed.composed(),
        *(rules.marker(text) for text in markers if text.strip()),
    )


def build_scanner(markers: Sequence[str], *, clock: Callable[[], float] = perf_counter) -> RequestScanner:
    """The scanner with this build's recognizers. Compiles for about a second: build it off the event loop."""
    return RequestScanner(catalogue(markers), clock=clock, build=build_prefilter)


def scanner_digest(markers: Sequence[str]) -> str:
    """The digest of `build_scanner(markers)`, without compiling it."""
    recognizers = catalogue(markers)
    return _digest(recognizers, _entries(recognizers, _control()))
