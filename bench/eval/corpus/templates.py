"""Reads templates and phrases: what people ask, and how they say a number.

The format is described in bench/eval/README.md. A template or phrase belongs to the development or the held-out half by
a hash of what it says, so that adding one never moves another.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

from corpus.negatives import NEGATIVES
from corpus.values import MAKERS

DATA = Path(__file__).parent / "data"
LANGUAGES = ("en", "zh")
DETAIL = "DETAIL"

_SLOT = re.compile(r"\{(#[a-z_]+|[A-Z][A-Z_]+(?:/[a-z]+)?)(?::([0-9]))?\}")


class Split(StrEnum):
    """Which half a template or phrase belongs to."""

    DEVELOPMENT = "development"
    HELD_OUT = "held-out"


class Kind(StrEnum):
    """What a template is for."""

    PII = "pii"  # carries the values that its slots name
    FRAME = "frame"  # carries one phrase of any entity
    CLEAN = "clean"  # carries nothing sensitive; its # slots are hard negatives


class BadTemplate(ValueError):
    """A template that cannot be used. The argument says where and why."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place that a value fills: a maker's name, or with # a hard negative's. Equal `index`: the same value."""

    maker: str
    index: str


@dataclass(frozen=True, slots=True)
class Template:
    """One request with slots. `pieces` alternates literal text and slots. `topic` is `health`, `finance` or empty."""

    id: str
    language: str
    domain: str
    kind: Kind
    topic: str
    pieces: tuple[str | Slot, ...]
    split: Split


@dataclass(frozen=True, slots=True)
class Phrase:
    """One way to say a value: what stands before and behind it."""

    id: str
    language: str
    maker: str
    before: str
    after: str
    split: Split


def entity(maker: str) -> str:
    """The entity that a maker makes."""
    return maker.partition("/")[0]


def split_of(text: str) -> Split:
    """The half that `text` belongs to, for good."""
    return Split.DEVELOPMENT if sha256(text.encode()).digest()[0] % 2 else Split.HELD_OUT


def read_templates(language: str, folder: Path = DATA) -> tuple[Template, ...]:
    """All templates of a language, in the order of the file."""
    file = folder / f"{language}.txt"
    templates = tuple(_template(header, body, language, f"{file.name}:{line}") for line, header, body in _blocks(file))
    ids = [template.id for template in templates]
    twice = sorted({name for name in ids if ids.count(name) > 1})
    if twice:
        raise BadTemplate(f"{file.name}: used twice: {', '.join(twice)}")
    return templates


def read_phrases(language: str, folder: Path = DATA) -> Mapping[str, Sequence[Phrase]]:
    """All phrases of a language by maker. Each maker has at least one in each half; a lone phrase counts in both."""
    file = folder / f"{language}.phrases.txt"
    phrases: dict[str, list[Phrase]] = {}
    for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        maker, bar, text = (part.strip() for part in line.partition("|"))
        if not bar or maker not in MAKERS or text.count("{}") != 1:
            raise BadTemplate(f"{file.name}:{number}: expected 'ENTITY | text with one {{}}'")
        before, _, after = text.partition("{}")
        phrases.setdefault(maker, []).append(
            Phrase(f"{language}-phrase-{number}", language, maker, before, after, split_of(maker + text))
        )
    return {maker: _both_halves(found) for maker, found in phrases.items()}


def _both_halves(phrases: list[Phrase]) -> Sequence[Phrase]:
    # All of a maker's phrases may hash to one half; then every other one of them goes to the other.
    if len({phrase.split for phrase in phrases}) == 2:
        return phrases
    ranked = sorted(phrases, key=lambda phrase: sha256((phrase.before + phrase.after).encode()).digest())
    halves = tuple(Split)
    return [Phrase(p.id, p.language, p.maker, p.before, p.after, halves[place % 2]) for place, p in enumerate(ranked)]


def _blocks(file: Path) -> Iterator[tuple[int, str, str]]:
    header, start, body = "", 0, list[str]()
    for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
        if line.startswith("== "):
            if header:
                yield start, header, "\n".join(body).strip()
            header, start, body = line[3:], number, []
        elif header:
            body.append(line)
    if header:
        yield start, header, "\n".join(body).strip()


def _template(header: str, body: str, language: str, place: str) -> Template:
    parts = [part.strip() for part in header.split("|")]
    if len(parts) not in (3, 4) or not body:
        raise BadTemplate(f"{place}: expected '== id | domain | kind' or '== id | domain | kind | topic', and a text")
    pieces: list[str | Slot] = []
    done = 0
    for slot in _SLOT.finditer(body):
        pieces += [body[done : slot.start()], Slot(_maker(slot[1], language, place), slot[2] or f"@{slot.start()}")]
        done = slot.end()
    pieces.append(body[done:])
    try:
        kind = Kind(parts[2])
    except ValueError:
        raise BadTemplate(f"{place}: the kind is one of {', '.join(Kind)}") from None
    makers = [piece.maker for piece in pieces if isinstance(piece, Slot)]
    sensitive = [maker for maker in makers if not maker.startswith("#") and maker != DETAIL]
    fits = {
        Kind.PII: bool(sensitive) and DETAIL not in makers,
        Kind.FRAME: makers.count(DETAIL) == 1 and not sensitive,
        Kind.CLEAN: not sensitive and DETAIL not in makers,
    }
    if not fits[kind]:
        raise BadTemplate(f"{place}: its slots do not fit its kind, {kind}")
    topic = parts[3] if len(parts) == 4 else ""
    return Template(parts[0], language, parts[1], kind, topic, tuple(pieces), split_of(parts[0]))


def _maker(name: str, language: str, place: str) -> str:
    """The maker that a slot names; without a form, the one of the language if there is one."""
    if name == DETAIL:
        return name
    if name.startswith("#"):
        if name[1:] not in NEGATIVES:
            raise BadTemplate(f"{place}: no hard negative is called {name}")
        return name
    if "/" not in name and f"{name}/{language}" in MAKERS:
        return f"{name}/{language}"
    chosen = name.removesuffix("/en")
    if chosen not in MAKERS:
        raise BadTemplate(f"{place}: no value is called {name}")
    return chosen
