"""Recognizers that need more than a rule: e-mail addresses, IBANs, and identifiers written in groups. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.core.findings import Finding, Tier
from gateway.detect import checksums, runs
from gateway.detect.rules import LEFT, NUMBER

_LOCAL = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._%+-'&=!#$*?^{|}~/")
_DOMAIN = r"@(?P<domain>[0-9A-Za-z][0-9A-Za-z-]{0,62}(?:\.[0-9A-Za-z][0-9A-Za-z-]{0,62}){1,8})"
_IBAN = LEFT + r"[A-Za-z]{2}[0-9]{2}(?:[ -]?[0-9A-Za-z]){11,34}"
_MOBILE = r"1(?:3[0-9]|4[0145-9]|5[0-35-9]|6[2567]|7[0-8]|8[0-9]|9[0-35-9])[0-9]{8}"

# How people write a mobile number, a card, an SSN in groups. Any other grouping needs one separator throughout.
_MOBILE_SIZES = frozenset(((3, 4, 4), (3, 8), (7, 4), (4, 4, 3), (3, 3, 5), (5, 6), (1,) * 11))
_CARD_SIZES = frozenset(
    (
        (4, 4, 4, 4),
        (4, 4, 4, 4, 3),
        (4, 4, 4, 4, 2),
        (4, 4, 4, 4, 1),
        (6, 13),
        (4, 6, 5),
        (4, 6, 4),
        (6, 12),
        (8, 8),
        (6, 10),
        (4, 12),
        (4, 8, 4),
        (4, 4, 8),
    )
)


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
    """IBANs with or without spaces, cut to the length that their country has."""

    candidate: re.Pattern[str]
    name: str = "iban"
    entities: frozenset[str] = frozenset(("IBAN",))
    tier: Tier = Tier.STRUCTURED
    patterns: tuple[str, ...] = (
        r"(?:^|[^0-9A-Za-z])[A-Za-z]{2}[0-9]{2}[ -]?[0-9A-Za-z]{1,4}[ -]?[0-9A-Za-z]{0,4}[0-9]",
    )

    def find(self, text: str, path: str) -> Sequence[Finding]:
        """Every IBAN in one text."""
        findings = []
        for match in self.candidate.finditer(text):
            wanted = checksums.iban_length(match.group())
            characters: list[str] = []
            end = match.start()
            while wanted and len(characters) < wanted and end < match.end():
                if text[end] not in " -":
                    characters.append(text[end])
                end += 1
            if wanted and len(characters) == wanted and checksums.is_iban("".join(characters).upper()):
                findings.append(Finding("IBAN", 0.95, path, match.start(), end, self.name))
        return findings


@dataclass(frozen=True, slots=True)
class GroupedRecognizer:
    """Identifiers whose digits are split by separators of any kind, up to one digit at a time."""

    mobile: re.Pattern[str]
    name: str = "grouped-digits"
    entities: frozenset[str] = frozenset(("CN_RESIDENT_ID", "CN_MOBILE", "BANK_CARD", "US_SSN"))
    tier: Tier = Tier.STRUCTURED
    patterns: tuple[str, ...] = (NUMBER,)

    def find(self, text: str, path: str) -> Sequence[Finding]:
        """Every identifier in groups in one text."""
        findings = []
        for window in runs.windows(text, self._is_plausible):
            found = self._judge(window)
            if found is not None:
                entity, score = found
                findings.append(
                    Finding(entity, score, path, window.start, window.end, self.name, transforms=("collapse",))
                )
        return findings

    def _is_plausible(self, digits: str) -> bool:
        size = len(digits)
        if size == 18 and digits[6:8] in ("19", "20", "18"):
            return True
        if size == 11:
            return digits[0] == "1" and self.mobile.fullmatch(digits) is not None
        if size == 9:
            return digits.isdigit() and checksums.ssn(digits)
        return 14 <= size <= 19 and digits.isdigit() and digits[0] in "234569" and checksums.bank_card(digits)

    def _judge(self, window: runs.Window) -> tuple[str, float] | None:
        size = len(window.digits)
        if size == 18 and checksums.resident_id(window.digits):
            return "CN_RESIDENT_ID", 0.95
        if size == 11 and window.uniform and window.sizes in _MOBILE_SIZES:
            return "CN_MOBILE", 0.8
        if size == 9 and window.sizes == (3, 2, 4) and window.uniform:
            return "US_SSN", 0.75
        if size >= 14 and window.digits.isdigit() and checksums.bank_card(window.digits):
            if window.sizes in _CARD_SIZES or (window.uniform and max(window.sizes) == 1):
                return "BANK_CARD", 0.9
            return ("BANK_CARD", 0.6) if window.uniform and size >= 16 and min(window.sizes[:-1]) >= 2 else None
        return None


def composed() -> tuple[EmailRecognizer | IbanRecognizer | GroupedRecognizer, ...]:
    """The recognizers of this file, ready to run."""
    return (
        EmailRecognizer(re.compile(_DOMAIN)),
        IbanRecognizer(re.compile(_IBAN)),
        GroupedRecognizer(re.compile(_MOBILE)),
    )
