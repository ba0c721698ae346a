"""Puts requests together: a template, its values, a disguise, a length, a place; with every value labelled.

Everything follows from the seed and the number of the request, so that the same arguments give the same bytes, in any
order and on any number of processes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from random import Random

from corpus import carriers, transforms
from corpus.negatives import NEGATIVES
from corpus.templates import (
    DETAIL,
    LANGUAGES,
    Kind,
    Phrase,
    Slot,
    Split,
    Template,
    entity,
    read_phrases,
    read_templates,
)
from corpus.transforms import Mark
from corpus.values import MAKERS

LENGTHS: Mapping[str, int] = {"as written": 0, "2,000": 2_000, "10,000": 10_000}
"""Names of lengths, and how many characters a request is filled up to with other harmless requests."""

# What says nothing about a person by itself: a request that has nothing else need not stay.
_HARMLESS_ALONE = frozenset({"PERSON", "ORG", "SWIFT"})

_KINDS = ((Kind.FRAME, 0.52), (Kind.PII, 0.2), (Kind.CLEAN, 0.28))
_DISGUISED, _ELSEWHERE = 0.3, 0.2
_FILLED = (("as written", 0.9), ("2,000", 0.08), ("10,000", 0.02))


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled request.

    `text` is what the carrier carries, `spans` are in it. `is_sensitive` says whether the request holds something that
    must not leave: any identifier, or a name beside health or money.
    """

    id: str
    language: str
    split: str
    template: str
    domain: str
    kind: str
    carrier: str
    transform: str
    length: str
    is_sensitive: bool
    text: str
    spans: tuple[Mark, ...]
    dialect: str
    request: carriers.Request

    def as_json(self) -> dict[str, object]:
        """The example as a line of the output."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Stock:
    """The templates and phrases of one language and half, sorted by use."""

    language: str
    by_kind: Mapping[Kind, Sequence[Template]]
    phrases: Mapping[str, Sequence[Phrase]]


def stock(language: str, split: Split | None) -> Stock:
    """What requests of a language are made of; of both halves if `split` is None."""
    chosen = [template for template in read_templates(language) if split in (None, template.split)]
    return Stock(
        language,
        {kind: [template for template in chosen if template.kind is kind] for kind in Kind},
        {
            maker: [phrase for phrase in found if split in (None, phrase.split)]
            for maker, found in read_phrases(language).items()
        },
    )


def examples(
    seed: int,
    count: int,
    *,
    languages: Sequence[str] = LANGUAGES,
    split: Split | None = None,
    first: int = 0,
    least: int = 0,
) -> Iterator[Example]:
    """`count` requests from number `first` on, the languages in turn, each filled up to `least` characters."""
    stocks = [stock(language, split) for language in languages]
    for number in range(first, first + count):
        held = stocks[number % len(stocks)]
        yield _example(held, Random(f"{seed}/{held.language}/{number}"), f"{seed}-{number}", split, least)


def _example(held: Stock, rng: Random, name: str, split: Split | None, least: int) -> Example:
    (kind,) = rng.choices([kind for kind, _ in _KINDS], [share for _, share in _KINDS])
    template = rng.choice(held.by_kind[kind])
    phrase = None
    if kind is Kind.FRAME:
        phrase = rng.choice(held.phrases[rng.choice(sorted(held.phrases))])
    text, marks = filled(template, rng, phrase)
    transform = "as written"
    if marks and rng.random() < _DISGUISED:
        wanted = rng.choice(transforms.NAMES[1:])
        # A disguise of everything would disguise nothing if it hid among plain values.
        changed = transforms.disguised(text, marks, wanted)
        if changed is not None:
            transform = wanted
            text, marks = changed
    (length,) = rng.choices([name for name, _ in _FILLED], [share for _, share in _FILLED])
    text, marks = _padded(text, marks, max(LENGTHS[length], least), held, rng)
    carrier = carriers.USUAL
    if length == "as written" and rng.random() < _ELSEWHERE:
        carrier = rng.choice(carriers.EVERYDAY)
    put = carriers.CARRIERS[carrier](text)
    if put is None:
        carrier = carriers.USUAL
        put = carriers.CARRIERS[carrier](text)
    assert put is not None
    found = {mark.entity for mark in marks}
    topical = bool(template.topic) or phrase is not None
    return Example(
        id=name,
        language=held.language,
        split=split or "both",
        template=template.id if phrase is None else f"{template.id}+{phrase.id}",
        domain=template.domain,
        kind=kind,
        carrier=carrier,
        transform=transform,
        length=length,
        is_sensitive=bool(found - _HARMLESS_ALONE) or ("PERSON" in found and topical),
        text=text,
        spans=marks,
        dialect=put[0],
        request=put[1],
    )


def filled(template: Template, rng: Random, phrase: Phrase | None = None) -> tuple[str, tuple[Mark, ...]]:
    """The text of a template with values in its slots, and where the sensitive ones stand."""
    values: dict[tuple[str, str], str] = {}
    pieces: list[str] = []
    marks: list[Mark] = []
    length = 0
    for piece in template.pieces:
        if isinstance(piece, str):
            parts = [(piece, "")]
        elif piece.maker == DETAIL:
            assert phrase is not None
            parts = [(phrase.before, ""), (MAKERS[phrase.maker](rng), phrase.maker), (phrase.after, "")]
        else:
            key = (piece.maker, piece.index)
            if key not in values:
                values[key] = _value(piece, rng)
            parts = [(values[key], "" if piece.maker.startswith("#") else piece.maker)]
        for text, maker in parts:
            if maker:
                marks.append(Mark(entity(maker), length, length + len(text), text))
            pieces.append(text)
            length += len(text)
    return "".join(pieces), tuple(marks)


def _value(slot: Slot, rng: Random) -> str:
    return NEGATIVES[slot.maker[1:]](rng) if slot.maker.startswith("#") else MAKERS[slot.maker](rng)


def _padded(text: str, marks: tuple[Mark, ...], wanted: int, held: Stock, rng: Random) -> tuple[str, tuple[Mark, ...]]:
    """`text` with harmless requests before and behind it, until it is as long as wanted."""
    before: list[str] = []
    behind: list[str] = []
    length = len(text)
    while length < wanted:
        other, _ = filled(rng.choice(held.by_kind[Kind.CLEAN]), rng)
        (before if rng.random() < 0.5 else behind).append(other)
        length += len(other) + 2
    start = sum(len(other) + 2 for other in before)
    moved = tuple(Mark(mark.entity, mark.start + start, mark.end + start, mark.value) for mark in marks)
    return "\n\n".join((*before, text, *behind)), moved
