"""The tier that reads with models: which texts of a request they are asked about, and what becomes of the answer.

Behind `ports.FullScanner`. A text is read as it reads for people, plain and decoded; what was read before is remembered
per tenant and text. Whatever goes wrong, the evidence stays what it was, and the request with it where it was. Who runs
the models, and how long they may take, is `ner_workers.py`'s.
"""

import asyncio
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final, Protocol

from msgspec import structs

from gateway.core.findings import Evidence, Finding, Hit, Remembered, Tier
from gateway.detect import decode, views
from gateway.detect.leaves import Leaf, LeafKind, walk
from gateway.detect.ner_text import Piece, pieces
from gateway.detect.ner_worth import REPORTED, Named, Worth, worth
from gateway.detect.roots import MAX_FINDINGS
from gateway.ports import Memo

LONGEST: Final = 20_000
"""Characters that nobody has read before, in one request."""

_LEVELS: Final = 4  # the plain text and three levels of decoding, as in the scanner
_INLINE: Final = 4_000  # characters that are prepared on the loop
_FORM: Final = b"ner"  # keeps what the models saw apart from what the scanner remembers of the same text
_TIERS: Final = frozenset((Tier.NER,))

Answers = Sequence[Sequence[Named]]
"""What was found in each of the pieces that were asked about."""


class Readers(Protocol):
    """Those who read pieces with models. None if they did not, for whatever reason."""

    async def read(self, asked: Sequence[Piece]) -> Answers | None:
        """What is in each piece."""
        ...


@dataclass(frozen=True, slots=True)
class _Text:
    """One text that occurs in a request, as it reads: `seen_through` leads back to the text as written."""

    paths: list[str]
    key: bytes | None
    pieces: tuple[Piece, ...]
    seen_through: tuple[views.View, ...]

    def hits(self, answers: Answers) -> Iterator[Hit]:
        """What was found in the pieces, as far as it is worth anything."""
        for piece, answer in zip(self.pieces, answers, strict=True):
            for named in answer:
                found = worth(piece, named)
                if found is not None:
                    yield self._hit(piece, found)

    def _hit(self, piece: Piece, found: Worth) -> Hit:
        """What was found in `piece`, by its place in the text as written."""
        start, end = piece.start + found.start, piece.start + found.end
        transforms: list[str] = []
        for view in reversed(self.seen_through):
            start, end = view.original(start, end)
            transforms[:0] = view.transforms
        depth = len(self.seen_through)
        return (depth, found.entity, found.score, start, end, f"ner-{piece.language}", tuple(transforms))


@dataclass(frozen=True, slots=True)
class Reading:
    """What is to be read of one request: `known` is what was read before, by the paths of the text."""

    texts: tuple[_Text, ...]
    known: tuple[tuple[Sequence[str], Sequence[Hit]], ...]

    @property
    def asked(self) -> list[Piece]:
        """The pieces that the models are to read."""
        return [piece for text in self.texts for piece in text.pieces]


class _TooMuch(Exception):
    """There is more to read than a request may have."""


class ModelScanner:
    """Behind `ports.FullScanner`. `executor` is where long requests are prepared; `longest` is in characters."""

    def __init__(
        self, readers: Readers, digest: str, *, longest: int = LONGEST, executor: Executor | None = None
    ) -> None:
        self._readers = readers
        self._digest = digest
        self._longest = longest
        self._executor = executor
        self._plain = views.plain_view()
        self._decoder = decode.decoder()

    @property
    def digest(self) -> str:
        """A hash over the models."""
        return self._digest

    async def complete(self, dialect: str, document: object, evidence: Evidence, memo: Memo | None = None) -> Evidence:
        """`evidence` with what the models find; the same object if they do not come to their end."""

        def prepared() -> Reading | None:
            return self._reading(dialect, document, memo)

        return await self._complete(prepared, evidence, memo)

    async def complete_text(self, text: str, evidence: Evidence) -> Evidence:
        """The same for one text by itself, as `RequestScanner.scan_text` looks at it."""

        def prepared() -> Reading | None:
            return self._reading_of((Leaf("text", text, LeafKind.VALUE),), None)

        return await self._complete(prepared, evidence, None)

    async def _complete(
        self, prepared: Callable[[], Reading | None], evidence: Evidence, memo: Memo | None
    ) -> Evidence:
        coverage = evidence.coverage
        if coverage.failure is not None or Tier.NER in coverage.tiers:
            return evidence
        try:
            if coverage.characters <= _INLINE:
                reading = prepared()
            else:
                reading = await asyncio.get_running_loop().run_in_executor(self._executor, prepared)
            if reading is None:
                return evidence
            asked = reading.asked
            answers = await self._readers.read(asked) if asked else ()
            return evidence if answers is None else completed(evidence, reading, answers, memo)
        except Exception:  # noqa: BLE001  # whatever it is, the models have not read the request
            return evidence

    def _reading(self, dialect: str, document: object, memo: Memo | None) -> Reading | None:
        """What is to be read of a request; None if it is too much, or cannot be told."""
        walked = walk(dialect, document)
        if walked is None or walked.failure is not None:
            return None
        return self._reading_of(walked.leaves, memo)

    def _reading_of(self, leaves: Sequence[Leaf], memo: Memo | None) -> Reading | None:
        """What is to be read of `leaves`; None if it is too much."""
        paths: dict[str, list[str]] = {}
        for leaf in leaves:
            if leaf.kind is not LeafKind.NUMBER and leaf.text:
                paths.setdefault(leaf.text, []).append(leaf.path)
        texts: list[_Text] = []
        known: list[tuple[Sequence[str], Sequence[Hit]]] = []
        left = self._longest
        for text, places in paths.items():
            key = memo.key_of_seam((memo.key_of(text),), _FORM) if memo is not None else None
            seen = memo.recall(key) if memo is not None and key is not None else None
            if seen is not None:
                known.append((places, seen.hits))
                continue
            try:
                plain, seen_through = self._plainly(text, left)
            except _TooMuch:
                return None
            asked = tuple(pieces(plain))
            left -= len(plain) if asked else 0
            texts.append(_Text(places, key, asked, seen_through))
        return Reading(tuple(texts), tuple(known))

    def _plainly(self, text: str, longest: int) -> tuple[str, tuple[views.View, ...]]:
        """`text` as it reads, and the views that lead there; raises _TooMuch."""
        seen_through: list[views.View] = []
        for level in range(_LEVELS + 1):
            # Also where there seems to be nothing to read: what is encoded shows only when it is decoded.
            if len(text) > longest:
                raise _TooMuch
            if level == _LEVELS:
                break
            view = self._plain.of(text, _untimed)
            decoded = self._decoder.of(view.text if view is not None else text, _untimed).view
            made = [one for one in (view, decoded) if one is not None]
            if not made or made[-1].text == text:
                break
            seen_through += made
            text = made[-1].text
        return text, tuple(seen_through)


def completed(evidence: Evidence, reading: Reading, answers: Answers, memo: Memo | None = None) -> Evidence:
    """`evidence` with what the models answered about `reading`; the same object if that is more than can be told.

    Remembers what was read.
    """
    found: list[tuple[Sequence[str], Sequence[Hit]]] = list(reading.known)
    rest = iter(answers)
    for text in reading.texts:
        hits = tuple(text.hits([next(rest) for _ in text.pieces]))
        if memo is not None and text.key is not None:
            memo.remember(text.key, Remembered(_TIERS, hits, ()))
        found.append((text.paths, hits))
    findings = _Findings(evidence.findings)
    for paths, seen in found:
        for hit in seen:
            for path in paths:
                findings.add(path, hit)
        if len(findings.all) > MAX_FINDINGS:
            return evidence
    coverage = structs.replace(evidence.coverage, tiers=evidence.coverage.tiers | _TIERS)
    return structs.replace(evidence, findings=tuple(findings.all), coverage=coverage)


class _Findings:
    """What was found so far. Where two saw the same thing it counts once, with the higher score: policies count."""

    def __init__(self, before: Sequence[Finding]) -> None:
        self.all = list(before)
        self._places: dict[tuple[str, str], list[tuple[int, int]]] = {}  # start and index, in order
        self._longest = 0
        for index, finding in enumerate(before):
            if finding.entity in REPORTED:
                self._place(finding, index)

    def add(self, path: str, hit: Hit) -> None:
        """Count a hit in the leaf at `path`."""
        _, entity, score, start, end, detector, transforms = hit
        places = self._places.get((path, entity), [])
        # All that begin before the end, as far back as one could reach over the start.
        last = bisect_left(places, (end, -1))
        first = bisect_left(places, (start - self._longest, -1), 0, last)
        for _, index in places[first:last]:
            same = self.all[index]
            if start < same.end:
                if same.score < score:
                    self.all[index] = Finding(entity, score, path, same.start, same.end, detector, same.transforms)
                return
        finding = Finding(entity, score, path, start, end, detector, transforms)
        self.all.append(finding)
        self._place(finding, len(self.all) - 1)

    def _place(self, finding: Finding, index: int) -> None:
        insort(self._places.setdefault((finding.path, finding.entity), []), (finding.start, index))
        self._longest = max(self._longest, finding.end - finding.start)


def _untimed() -> None:
    """Nobody looks at the clock: what is read here is bounded by its length."""
