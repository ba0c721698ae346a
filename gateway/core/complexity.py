"""How hard a request looks: a score from 0 to 1 out of counts of words and marks, and the band that a policy routes by.

A pure function of the question's text; no model, no network, no memory, and nothing here is looked at by what labels a
request. The words are in `complexity_words.py`, the weights in `complexity_weights.py`, made by bench/complexity. What
may be asked for is bounded: of a long text the beginning and the end are read, and its length counts.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from math import exp, log, log1p
from operator import mul
from types import MappingProxyType
from typing import Final

from gateway.core.complexity_weights import CHOICE, OPEN, QUANTILES
from gateway.core.complexity_words import CARRYING, CARRYING_PHRASES, COURTESY, FITTED, JUDGED, NUMBER
from gateway.core.facts import Complexity

HEAD: Final = 320
TAIL: Final = 128
HEAD_CHINESE: Final = 110
TAIL_CHINESE: Final = 50
"""Of a longer question so many characters of its beginning and of its end are read for words. More of it takes longer
and makes the score no better on the questions that the weights are of."""

MOST_OF_A_CUE: Final = 3
MOST_NUMBERS: Final = 6
_NAMES_AMONG: Final = 32
_MOST_NAMES: Final = 8
_USUAL_WORD: Final = 5.4
"""Characters to a word of the training questions, its space included."""

SHAPE: Final = ("length", "length_over_120", "sentences", "commas", "ands", "decimals")
OPTIONS: Final = (
    *("options_repeat", "options_repeat_half", "options_length", "options_numeric", "options_commas"),
    *("option_word_length", "numeric_of_numbers", "word_length", "question_mark", "vignette", "symbols", "statements"),
)
_CUES: Final = tuple(cue.name for cue in FITTED)
CHOICE_PARTS: Final = (*SHAPE, *_CUES, *OPTIONS)
OPEN_PARTS: Final = (*SHAPE, *_CUES, "names", *(cue.name for cue in JUDGED), "code_block", "conversation")
"""What a score is made of, by the kind of question: several answers to choose from, or none."""

JUDGED_WEIGHTS: Final[Mapping[str, float]] = MappingProxyType(
    {**{cue.name: cue.judged or 0.0 for cue in JUDGED}, "code_block": 0.1, "conversation": 0.02}
)


@dataclass(frozen=True, slots=True)
class Question:
    """What is scored: the last thing that was asked, and how many characters of conversation came before it."""

    text: str
    before: int = 0


@dataclass(frozen=True, slots=True)
class Bands:
    """Where the bands part, as scores: below `simple` is simple, `hard` and above is hard."""

    simple: float = 0.35
    hard: float = 0.75

    def of(self, score: float) -> Complexity:
        """The band of a score."""
        if score < self.simple:
            return Complexity.SIMPLE
        return Complexity.HARD if score >= self.hard else Complexity.MEDIUM


USUAL_BANDS: Final = Bands()


@dataclass(frozen=True, slots=True)
class Measured:
    """A question as counts. `values` stand in the order of CHOICE_PARTS or OPEN_PARTS."""

    has_options: bool
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """What one count adds to the score before it is put on its scale."""

    name: str
    value: float
    adds: float


class Scorer:
    """Scores questions; everything that can be made beforehand is. The same question has the same score everywhere."""

    def __init__(
        self,
        choice: Mapping[str, float] = CHOICE,
        open_: Mapping[str, float] = OPEN,
        quantiles: Sequence[float] = QUANTILES,
    ) -> None:
        self._quantiles: Final = tuple(quantiles)
        cues = {cue.name: at for at, cue in enumerate((*FITTED, *JUDGED))}
        numbers = cues[NUMBER.name]
        known = {
            form: cues[cue.name] for cue in (*FITTED, *JUDGED) for word in cue.words for form in _forms(word)
        }  # fmt: skip
        for number in (*range(101), *range(110, 1000, 10), *range(1000, 10_001, 500)):
            for written in (str(number), f"${number}", f"{number}%"):
                known.update(dict.fromkeys((written, f"{written},", f"{written}.", f"{written}?"), numbers))
        self._cue_of: Final = known
        self._known: Final = frozenset(known)
        phrases = {phrase: cues[cue.name] for cue in (*FITTED, *JUDGED) for phrase in cue.phrases}
        self._characters: Final = tuple((one, cue) for one, cue in phrases.items() if len(one) == 1)
        pairs = {phrase[:2]: cue for phrase, cue in phrases.items() if len(phrase) > 1}
        pairs.update(dict.fromkeys((a + b for a in _DIGITS for b in _AFTER_DIGITS), numbers))
        self._pairs: Final = {_pairs_of(pair)[0][0]: cue for pair, cue in pairs.items()}
        self._known_pairs: Final = frozenset(self._pairs)
        self._numbers: Final = numbers
        self._most: Final = tuple(MOST_NUMBERS if at == numbers else MOST_OF_A_CUE for at in range(len(cues)))
        self._fitted: Final = len(FITTED)
        self._zeros: Final = [0] * len(cues)
        open_weights = {**open_, **JUDGED_WEIGHTS}
        self._choice: Final = tuple(choice.get(name, 0.0) for name in CHOICE_PARTS)
        self._open: Final = tuple(open_weights.get(name, 0.0) for name in OPEN_PARTS)
        self._choice_base: Final = choice.get("base", 0.0)
        self._open_base: Final = open_.get("base", 0.0)

    def score(self, question: Question) -> float:
        """How hard it looks, above 0 and below 1: 0.6 is harder than 60 % of the questions that the weights are of."""
        return self.weigh(self.measure(question))

    def weigh(self, measured: Measured) -> float:
        """The score of what was counted."""
        if measured.has_options:
            return _placed(self._choice_base + sum(map(mul, self._choice, measured.values)), self._quantiles)
        return _placed(self._open_base + sum(map(mul, self._open, measured.values)), self._quantiles)

    def adds(self, measured: Measured) -> tuple[tuple[str, float], ...]:
        """What each count adds, to four places, in the order of counting: `parts` for the record of every request."""
        if measured.has_options:
            names, adds = CHOICE_PARTS, map(mul, self._choice, measured.values)
        else:
            names, adds = OPEN_PARTS, map(mul, self._open, measured.values)
        return tuple([(name, round(added, 4)) for name, added in zip(names, adds, strict=True) if added])

    def parts(self, measured: Measured) -> tuple[Part, ...]:
        """What each count adds, the greatest first; what adds nothing is left out."""
        names, weights = (CHOICE_PARTS, self._choice) if measured.has_options else (OPEN_PARTS, self._open)
        found = (
            Part(name, value, weight * value)
            for name, weight, value in zip(names, weights, measured.values, strict=True)
            if value and weight
        )
        return tuple(sorted(found, key=lambda part: -abs(part.adds)))

    def measure(self, question: Question) -> Measured:
        """What is counted of a question. Its length is bytes of UTF-8: a Chinese character is three of English."""
        stem, options = _parted(question.text)
        if options is None:
            stem = _without_courtesy(stem)
        size = len(stem)
        is_chinese, head, tail = False, HEAD, TAIL
        if not stem.isascii():
            sample = stem[:HEAD_CHINESE]
            more = len(sample.encode("utf-8", "replace")) - len(sample)
            if more * 8 > len(sample):
                is_chinese, head, tail = True, HEAD_CHINESE, TAIL_CHINESE
                size += size * more // len(sample)
        text = stem if len(stem) <= head + tail else f"{stem[:head]} {stem[-tail:]}"
        words = text.split()
        counts = self._zeros.copy()
        cue_of, most = self._cue_of, self._most
        for word in self._known.intersection(words):
            cue = cue_of[word]
            if counts[cue] < most[cue]:
                counts[cue] += 1
        sentences = text.count(". ") + text.count("? ") + text.count("\n")
        commas = text.count(",")
        if is_chinese:
            even, odd = _pairs_of(text)
            for pair in self._known_pairs.intersection(even).union(self._known_pairs.intersection(odd)):
                cue = self._pairs[pair]
                if counts[cue] < most[cue]:
                    counts[cue] += 1
            for character, cue in self._characters:
                if character in text and counts[cue] < most[cue]:
                    counts[cue] += 1
            sentences += text.count("。") + text.count("？") + text.count("；")
            commas += text.count("，") + text.count("、")
        length = log1p(size)
        decimals = len(_DECIMAL.findall(text))
        values = [
            length,
            max(0.0, length - _LOG_120),
            log1p(sentences),
            log1p(commas),
            log1p(text.count(" and ")),
            decimals if decimals < MOST_OF_A_CUE else MOST_OF_A_CUE,
        ]
        if options is not None:
            values += counts[: self._fitted]
            width = _USUAL_WORD if is_chinese or not words else min(len(text) / len(words), 10.0)
            values += _of_options(text, options, width, counts[self._numbers])
            return Measured(True, tuple(values))
        is_carried = _is_carried(text, words)
        values += counts[: self._fitted]
        names = sum(map(str.istitle, words[1:_NAMES_AMONG])) or (1 + sentences if is_chinese else 0)
        values.append(names if names < _MOST_NAMES else _MOST_NAMES)
        values += self._zeros[self._fitted :] if is_carried else counts[self._fitted :]
        values.append(0.0 if is_carried or not ("```" in text or "def " in text or "();" in text) else 1.0)
        values.append(log1p(min(question.before, 20_000) / 500.0))
        return Measured(False, tuple(values))


_DECIMAL: Final = re.compile(r"\.[0-9]")
_CARRYING_PHRASE: Final = re.compile("|".join(CARRYING_PHRASES))
_DIGITS: Final = "0123456789"
_AFTER_DIGITS: Final = "个元块米岁天年月日人只本件次倍小公千万百%.，。" + _DIGITS
_LOG_120: Final = log(120.0)
_MARKS: Final = (". ", ") ", "、")
_ENDS_OF_SENTENCES: Final = (". ", "? ", "! ", "\n", "。", "？", "！", "?", ".")
_MOST_OF_COURTESY: Final = 60
_MOST_OF_OPTIONS: Final = 4_000
_REQUESTED_WITHIN: Final = 30
_REQUESTED_WITHIN_WORDS: Final = 5


def _forms(word: str) -> Iterator[str]:
    """A word as it may stand between two spaces."""
    for case in dict.fromkeys((word, word.capitalize(), word.upper())):
        yield case
        for mark in ".,?!;:":
            yield case + mark


def _pairs_of(text: str) -> tuple[memoryview, memoryview]:
    """Every two characters that stand beside each other, as numbers: those at even places, and those between.

    Half the time of a pattern that finds phrases, and no character is lost to a match that means nothing.
    """
    units = memoryview(text.encode("utf-16-le", "replace"))
    size = len(units)
    return units[: size - size % 4].cast("I"), units[2 : size - (size - 2) % 4].cast("I")


def _parted(text: str) -> tuple[str, str | None]:
    """What is asked, and the lines with the answers to choose from if there are any."""
    if text.rfind("\nB", -_MOST_OF_OPTIONS) <= 0:
        return text, None
    for mark in _MARKS:
        second = text.rfind("\nB" + mark, -_MOST_OF_OPTIONS)
        if second > 0:
            first = text.rfind("\nA" + mark, -_MOST_OF_OPTIONS, second)
            if first >= 0:
                return text[:first], text[first:]
    return text, None


def _without_courtesy(text: str) -> str:
    """`text` without a last sentence or two that only thank or greet: they make nothing harder."""
    for _ in range(2):
        end = text[-_MOST_OF_COURTESY:].lower()
        for phrase in COURTESY:
            if phrase in end:
                at = len(text) - len(end) + end.rfind(phrase)
                break
        else:
            return text
        begin = max(map(text.rfind, _ENDS_OF_SENTENCES, repeat(0), repeat(at)))
        if len(text) - begin > _MOST_OF_COURTESY or begin < 0:
            return text
        text = text[: begin + 1].rstrip()
    return text


def _of_options(text: str, block: str, width: float, numbers: int) -> list[float]:
    mark = block[2]
    options = [line[3:].strip() for line in block.split("\n") if line[1:2] == mark]
    joined = " ".join(options)
    words = joined.split()
    distinct = len(set(words)) / len(words) if words else 1.0
    numeric = sum([(o[:1].isdigit() or o[-1:].isdigit() or o[:1] == "$") for o in options]) / len(options)
    return [
        max(0.0, 0.8 - distinct),
        1.0 if distinct < 0.5 else 0.0,
        log1p(len(joined)),
        numeric,
        1.0 if joined.count(",") > 3 else 0.0,
        min(len(joined) / (len(words) or 1), 10.0),
        numeric * numbers / 3.0,
        width - _USUAL_WORD,
        1.0 if text.endswith(("?", "？")) else 0.0,
        1.0 if text.startswith(("A ", "An ")) else 0.0,
        1.0 if "=" in text or "^" in text or "\\" in text else 0.0,
        1.0 if "1 |" in text else 0.0,
    ]


_CARRYING_WORDS: Final = frozenset(form for word in CARRYING for form in _forms(word))


def _is_carried(text: str, words: list[str]) -> bool:
    """Whether it is asked to carry a text over, as in a translation, rather than to do what stands in it."""
    if not _CARRYING_WORDS.isdisjoint(words[:_REQUESTED_WITHIN_WORDS]):
        return True
    return not text.isascii() and _CARRYING_PHRASE.search(text, 0, _REQUESTED_WITHIN) is not None


def _placed(raw: float, quantiles: tuple[float, ...]) -> float:
    """A weighted sum as its place among the training questions: between two quantiles a line, outside them a tail."""
    at, last = bisect_right(quantiles, raw), len(quantiles)
    if at == 0:
        return _TAIL * exp((raw - quantiles[0]) * _STEEP)
    if at == last:
        return 1.0 - _TAIL * exp((quantiles[-1] - raw) * _STEEP)
    low, high = quantiles[at - 1], quantiles[at]
    return _TAIL + (1.0 - 2 * _TAIL) * (at - 1 + (raw - low) / (high - low)) / (last - 1)


_TAIL: Final = 0.01
_STEEP: Final = 5.0
