"""What is wrong with what a person wrote, in Chinese: the English sentence itself is the key, as with gettext.

A message is held against the sentences of the `problem_words_*` tables; what stands in their gaps is carried over as it
is, unless it is a phrase of ours (`The zone x`). A sentence that no table has stays English. Nothing here changes what
a problem is: logs, the API and JSON have the English one.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from string import Formatter
from typing import Final

from gateway.cli import (
    approval_words,
    problem_words_commands,
    problem_words_config,
    problem_words_files,
    problem_words_lane,
    problem_words_phrases,
    problem_words_policy,
    problem_words_recognizers,
    shadow_words,
)
from gateway.core.problems import Problem
from gateway.policy.words import Language, Table

TABLES: Final[Sequence[Mapping[str, str]]] = (
    problem_words_files.SENTENCES,
    problem_words_config.SENTENCES,
    problem_words_policy.SENTENCES,
    problem_words_recognizers.SENTENCES,
    problem_words_commands.SENTENCES,
    problem_words_commands.ANSWERS,
    problem_words_lane.SENTENCES,
)
"""Every sentence by its English form. Gaps are `{}`; where Chinese has them in another order, `{0}`, `{1}` …"""

PHRASES: Final[Sequence[Mapping[str, str]]] = (problem_words_phrases.PHRASES, problem_words_phrases.CLAUSES)
"""What may stand in a gap and is a word of ours, in the same form."""

_GAP: Final = re.compile(r"\{(\d?)\}")
_NAMES: Final = re.compile(r"`?[\w.:/*-]+`?(, `?[\w.:/*-]+`?)+", re.ASCII)
_WIDE: Final = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uff60]")
_SPOKEN: Final = re.compile("fault_|raise_")


def line_of(problem: Problem, spoken: Language) -> str:
    """A problem as a person reads it: where, what is wrong, and the likely mend."""
    return str(problem) if spoken == "en" else Chinese().shown(problem)


def told(sentence: str, spoken: Language) -> str:
    """A message or a mend, without its place."""
    return sentence if spoken == "en" else Chinese().told(sentence)


@dataclass(frozen=True, slots=True)
class _Sentence:
    """One sentence: the English between its gaps, and the Chinese, in which a number stands for a gap."""

    english: tuple[str, ...]
    chinese: tuple[str | int, ...]

    @property
    def weight(self) -> int:
        return sum(map(len, self.english))

    def gaps(self, text: str) -> tuple[str, ...] | None:
        """What stands in the gaps if `text` is this sentence."""
        if not (text.startswith(self.english[0]) and text.endswith(self.english[-1])):
            return None
        if len(self.english) == 1:
            return () if text == self.english[0] else None
        found = re.fullmatch("(.*?)".join(map(re.escape, self.english)), text, re.DOTALL)
        return found.groups() if found is not None else None

    def is_quoted(self, gap: int) -> bool:
        """Whether a gap stands between backticks: there are names and values, and never a phrase."""
        return "".join(self.english[: gap + 1]).count("`") % 2 == 1


class Chinese:
    """The sentences and phrases, the more exact ones first. Cheap to make; for the end of one command."""

    def __init__(self) -> None:
        sentences = [*_of_tables(TABLES), *_of_words(approval_words.SENTENCES, shadow_words.SENTENCES)]
        self._sentences = sorted(sentences, key=lambda one: -one.weight)
        self._phrases = sorted(_of_tables(PHRASES), key=lambda one: -one.weight)

    def shown(self, problem: Problem) -> str:
        """One problem on a line, as `str` has it in English."""
        message, mend = self.told(problem.message), self.told(problem.mend)
        file = problem_words_phrases.PLACES.get(problem.file, problem.file)
        place = f"{file}:{problem.line}:{problem.column}" if problem.line else file
        between = " " if mend and not _WIDE.match(message[-1:]) else ""
        return f"{place}: {message}{between}{mend}"

    def told(self, text: str) -> str:
        """A message or a mend; as it is where no sentence fits."""
        found = self._translated(text, self._sentences)
        if found is not None:
            return found
        # `name: what is wrong with it`, the only sentence that has no words of its own.
        name, _, rest = text.partition(": ")
        phrase = self._translated(rest, self._phrases)
        return f"{name}：{phrase}" if phrase is not None else text

    def _translated(self, text: str, among: Sequence[_Sentence]) -> str | None:
        for one in among:
            gaps = one.gaps(text)
            if gaps is not None:
                filled = [gap if one.is_quoted(at) else self._filled(gap) for at, gap in enumerate(gaps)]
                return _joined(part if isinstance(part, str) else filled[part] for part in one.chinese)
        return None

    def _filled(self, gap: str) -> str:
        """What stands in a gap: clauses, a list of names, a phrase of ours, or what only the caller knows."""
        clauses = [self._translated(clause, self._phrases) for clause in gap.split(", ")]
        if None not in clauses:
            return "，".join(filter(None, clauses))
        if _NAMES.fullmatch(gap):
            return gap.replace(", ", "、")
        return self._translated(gap, self._phrases) or gap


def _of_tables(tables: Sequence[Mapping[str, str]]) -> Iterator[_Sentence]:
    for table in tables:
        for english, chinese in table.items():
            parts: list[str | int] = []
            for at, part in enumerate(_GAP.split(chinese)):
                # Every second part is the number of a gap, or nothing where the gaps come in their order.
                parts.append(part if at % 2 == 0 else int(part or at // 2))
            yield _Sentence(tuple(english.split("{}")), tuple(parts))


def _of_words(*tables: Table) -> Iterator[_Sentence]:
    """What `approval_words` and `shadow_words` say of problems; their gaps have names."""
    for table in tables:
        for key, (english, chinese) in table.items():
            if _SPOKEN.match(key) or key == "not_signed":
                names = [name for _, name, _, _ in Formatter().parse(english) if name is not None]
                parts: list[str | int] = []
                for literal, name, _, _ in Formatter().parse(chinese):
                    parts += [literal] if name is None else [literal, names.index(name)]
                yield _Sentence(tuple(literal for literal, *_ in _closed(english)), tuple(parts))


def _closed(english: str) -> Iterator[tuple[str, str | None]]:
    """The literals of a sentence with a gap after each but the last, which may be empty."""
    name: str | None = ""
    for literal, name, _, _ in Formatter().parse(english):
        yield literal, name
    if name is not None:
        yield "", None


def _joined(parts: Iterator[str]) -> str:
    """The parts as one sentence; between two Chinese characters no space is left."""
    text = ""
    for part in parts:
        before, after = text.rstrip(" ") if text.endswith(" ") else text, part.removeprefix(" ")
        is_tight = _WIDE.match(before[-1:]) and _WIDE.match(after[:1])
        text = before + after if is_tight else text + part
    return text
