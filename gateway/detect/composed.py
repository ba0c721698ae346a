"""Recognizers that need more than a rule: e-mail addresses, IBANs, and identifiers written in groups. Pure."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from gateway.core.findings import Finding, Tier
from gateway.detect import checksums, runs
from gateway.detect.borrowed import LONGEST, Borrower, borrower, found_beside
from gateway.detect.patterns import NATIONAL
from gateway.detect.rules import LEFT, NUMBER
from gateway.detect.sieve import sieve
from gateway.detect.tables import TableRecognizer, table_recognizer
from gateway.detect.worldwide import WORLDWIDE

_LOCAL = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._%+-'&=!#$*?^{|}~/")
_DOMAIN = r"@(?P<domain>[0-9A-Za-z][0-9A-Za-z-]{0,62}(?:\.[0-9A-Za-z][0-9A-Za-z-]{0,62}){1,8})"
_IBAN_HEADS = tuple(rf"(?i:{country})[0-9]{{2}}[ -]?[0-9A-Za-z]" for country in checksums.IBAN_COUNTRIES)
_IBAN_HEAD = rf"{LEFT}(?i:{'|'.join(checksums.IBAN_COUNTRIES)})[0-9]{{2}}[ -]?[0-9A-Za-z]"
_Found = tuple[str, float, int, int]  # entity, score, first and last group

# Every place in a run where a resident ID or a mobile number could begin, found without a loop over the digits.
_RESIDENT = r"(?=([1-9][0-9]{5}(?:18|19|20)[0-9]{2}[01][0-9][0-3][0-9]{4}[0-9Xx]))"
_MOBILE = r"(?=(1(?:3[0-9]|4[0145-9]|5[0-35-9]|6[2567]|7[0-8]|8[0-9]|9[0-35-9])[0-9]{8}))"

# How people group a mobile number and a card. Cards in other groups need one separator throughout and nothing beside.
_MOBILE_SIZES = frozenset(((3, 4, 4), (3, 8), (7, 4), (4, 4, 3), (3, 3, 5), (3, 3, 3, 2), (5, 6), (1,) * 11))
_CARD_SIZES = MappingProxyType(
    {
        4: (
            (4, 4, 4, 4, 3),
            (4, 4, 4, 4, 2),
            (4, 4, 4, 4, 1),
            (4, 4, 4, 4),
            (4, 6, 5),
            (4, 6, 4),
            (4, 12),
            (4, 8, 4),
            (4, 4, 8),
        ),
        6: ((6, 13), (6, 12), (6, 10)),
        8: ((8, 8),),
    }
)
_SSN_SIZES = (3, 2, 4)
_IN_UUID = re.compile(r"[0-9A-Fa-f]{4}-\Z")

# How far from a number in odd groups the words stand that say what it is.
_WORDS_BEFORE = 48
_WORDS_BEHIND = 16
_RESIDENT_DIGITS, _MOBILE_DIGITS = 18, 11


@dataclass(frozen=True, slots=True)
class EmailRecognizer:
    """E-mail addresses of any domain, internal ones above all. Found at the `@`, so that no text costs a long walk."""

    domain: re.Pattern[str]
    name: str = "email"
    entities: frozenset[str] = frozenset(("EMAIL",))
    tier: Tier = Tier.STRUCTURED
    patterns: tuple[str, ...] = (r"[0-9A-Za-z_%+'~/=-]" + "@" + r"[0-9A-Za-z][0-9A-Za-z-]{0,62}\.[0-9A-Za-z]",)

    def find(self, text: str, path: str) -> Sequence[Finding]:
        """Every e-mail address in one text."""
        findings = []
        for match in self.domain.finditer(text):
            start = at = match.start()
            while start > 0 and at - start < 64 and text[start - 1] in _LOCAL:
                start -= 1
            while start < at and text[start] in ".-'=/":
                start += 1
            top = match["domain"].rpartition(".")[2]
            if start < at and text[at - 1] != "." and len(top) >= 2 and not top.isdigit():
                findings.append(Finding("EMAIL", 0.9, path, start, match.end(), self.name))
        return findings


@dataclass(frozen=True, slots=True)
class IbanRecognizer:
    """IBANs with or without spaces, cut to the length that their country has. `head` is how every candidate begins."""

    regex: re.Pattern[str]
    head: str = _IBAN_HEAD
    name: str = "iban"
    entities: frozenset[str] = frozenset(("IBAN",))
    tier: Tier = Tier.STRUCTURED
    patterns: tuple[str, ...] = _IBAN_HEADS

    def find(self, text: str, path: str) -> Sequence[Finding]:
        """Every IBAN in one text."""
        return self.checked(self.regex.finditer(text), text, path)

    def checked(self, matches: Iterable[re.Match[str]], text: str, path: str) -> Sequence[Finding]:
        """The findings among these matches of the pattern in `text`."""
        findings = []
        for match in matches:
            wanted = checksums.iban_length(match.group())
            characters: list[str] = []
            end = match.start()
            while len(characters) < wanted and end < match.end():
                if text[end] not in " -":
                    characters.append(text[end])
                end += 1
            if len(characters) == wanted and checksums.is_iban("".join(characters).upper()):
                findings.append(Finding("IBAN", 0.95, path, match.start(), end, self.name))
        return findings


@dataclass(frozen=True, slots=True)
class GroupedRecognizer:
    """Identifiers whose digits are split by separators of any kind, up to one digit at a time.

    Only runs in which `sieve` matches are looked at.
    """

    sieve: re.Pattern[str]
    resident: re.Pattern[str]
    mobile: re.Pattern[str]
    told: Borrower
    name: str = "grouped-digits"
    entities: frozenset[str] = frozenset(("CN_RESIDENT_ID", "CN_MOBILE", "BANK_CARD", "US_SSN"))
    tier: Tier = Tier.STRUCTURED
    patterns: tuple[str, ...] = (NUMBER,)

    def find(self, text: str, path: str) -> Sequence[Finding]:
        """Every identifier in groups in one text."""
        return self._found(self._worth(text, 0, len(text)), path)

    def find_across(self, text: str, joins: Sequence[int], ends: Sequence[int] = ()) -> Sequence[Finding]:
        """Those of them that are not to be found in one of the texts which meet at `joins`.

        All that may end one is at `ends`, in order; without any, anywhere.
        """
        pieces = runs.stretches(text, ends) if ends else ((0, len(text)),)
        near = [
            run
            for first, last in pieces
            if _is_near(joins, first, last)
            for run in self._worth(text, first, last)
            if _is_near(joins, run.starts[0], run.ends[-1])
        ]
        return self._found(near, "")

    def _worth(self, text: str, first: int, last: int) -> Iterator[runs.Run]:
        """The runs in which one of them may begin between `first` and `last`."""
        search, done = self.sieve.search, first
        while begun := search(text, first, last):
            run = runs.run_around(text, begun.start(), done)
            if run is None:
                first = begun.start() + 1
            else:
                first = done = run.ends[-1]
                yield run

    def _found(self, those: Iterable[runs.Run], path: str) -> Sequence[Finding]:
        return [
            Finding(entity, score, path, run.starts[first], run.ends[last], self.name, ("collapse",))
            for run in those
            for entity, score, first, last in (
                *(self._residents(run) if len(run.digits) >= _RESIDENT_DIGITS else ()),
                *(self._mobiles(run) if len(run.digits) >= _MOBILE_DIGITS else ()),
                *_cards_and_ssns(run),
                *self._told(run),
            )
        ]

    def _residents(self, run: runs.Run) -> Iterator[_Found]:
        for match in self.resident.finditer(run.digits):
            groups = run.groups(match.start(), match.start() + _RESIDENT_DIGITS)
            if groups and run.is_one_number(*groups) and checksums.resident_id(match[1]):
                yield "CN_RESIDENT_ID", 0.95, *groups

    def _mobiles(self, run: runs.Run) -> Iterator[_Found]:
        for match in self.mobile.finditer(run.digits):
            groups = run.groups(match.start(), match.start() + _MOBILE_DIGITS)
            if groups is None:
                continue
            first, last = groups
            sizes = run.sizes[first : last + 1]
            # Single digits without end are a table or a game, not a telephone number.
            if sizes in _MOBILE_SIZES and run.is_uniform(first, last) and (sizes[0] > 1 or len(run.sizes) <= 13):
                yield "CN_MOBILE", 0.8, first, last

    def _told(self, run: runs.Run) -> Iterator[_Found]:
        """Numbers without a checksum, in even groups, that the words around them name."""
        for first, last in run.even_pieces():
            digits = run.digits[run.offsets[first] : run.offsets[last] + run.sizes[last]]
            if not 9 <= len(digits) <= LONGEST or not digits.isdigit():
                continue
            start, end = run.starts[first], run.ends[last]
            before = run.text[max(0, start - _WORDS_BEFORE) : start]
            after = run.text[end : end + _WORDS_BEHIND]
            called = self.told.called_whole(before, digits, after)
            if called:
                for entity, score, _, _ in found_beside(called, before, digits, after, whole=True):
                    yield entity, score, first, last


def _is_near(joins: Sequence[int], first: int, last: int) -> bool:
    """Whether one of `joins` is in what decides about numbers from `first` to `last`."""
    index = bisect_left(joins, first - _WORDS_BEFORE)
    return index < len(joins) and joins[index] <= last + _WORDS_BEHIND


def _cards_and_ssns(run: runs.Run) -> Iterator[_Found]:
    sizes = run.sizes
    count = len(sizes)
    if _IN_UUID.search(run.text, max(0, run.starts[0] - 5), run.starts[0]):
        return
    if 14 <= len(run.digits) <= 19 and run.digits.isdigit() and sizes not in _CARD_SIZES.get(sizes[0], ()):
        is_even = (max(sizes) == 1 or min(sizes[:-1]) >= 2) and run.is_uniform(0, count - 1)
        if is_even and checksums.bank_card(run.digits):
            yield "BANK_CARD", 0.9 if max(sizes) == 1 else 0.6, 0, count - 1
    for first, size in enumerate(sizes):
        if size == 3 and sizes[first : first + 3] == _SSN_SIZES and run.is_uniform(first, first + 2):
            digits = run.digits[run.offsets[first] : run.offsets[first] + 9]
            if digits.isdigit() and checksums.ssn(digits):
                yield "US_SSN", 0.75, first, first + 2
        for wanted in _CARD_SIZES.get(size, ()):
            last = first + len(wanted) - 1
            if sizes[first : last + 1] == wanted and run.is_uniform(first, last) and run.is_one_number(first, last):
                digits = run.digits[run.offsets[first] : run.offsets[first] + sum(wanted)]
                if digits.isdigit() and checksums.bank_card(digits):
                    yield "BANK_CARD", 0.9, first, last
                    break


def composed() -> tuple[EmailRecognizer | IbanRecognizer | GroupedRecognizer | TableRecognizer, ...]:
    """The recognizers that are more than a rule, ready to run."""
    told = borrower((*NATIONAL, *WORLDWIDE))
    grouped = GroupedRecognizer(sieve(), re.compile(_RESIDENT), re.compile(_MOBILE), told)
    entities = grouped.entities.union(found.rule.entity for _, found in told.rules)
    return (
        EmailRecognizer(re.compile(_DOMAIN)),
        IbanRecognizer(re.compile(_IBAN_HEAD + r"(?:[ -]?[0-9A-Za-z]){10,33}")),
        replace(grouped, entities=entities),
        table_recognizer(),
    )
