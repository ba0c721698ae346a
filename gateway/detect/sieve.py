"""Where a number in groups may begin: one pattern over a whole text, so that nothing is built for all the others.

Dates, times, decimals and cells are written in groups, too, and are most of what there is. Whatever `composed.py` finds
in a run of groups begins where this pattern matches; the reverse need not hold, and what it lets through is looked at
as always. Tests hold the two against each other. Pure.
"""

import re

from gateway.detect.runs import FIELDS

_BETWEEN = r"[\W_]{1,4}"
_MAYBE = r"[\W_]{0,4}"
_DIGIT = "[0-9]"
_END = "(?![0-9A-Za-z])"

# Where a group begins. The look-behind stands after the first digit: what begins with a class is found fast.
_HEAD = "[0-9](?<![0-9A-Za-z][0-9])"
# The shortest has nine digits and a separator; a card in even groups and a resident ID have more.
_SHORTEST = r"(?=[0-9\W_]{9})"
_LONGER = r"(?=[0-9\W_]{14})"

# A card in groups of any size has one separator throughout and is the whole of its run: no short group stands before
# it. Its first two digits are those of some issuer, unless it is written digit by digit.
_FIRST = "".join(rf"(?<![^0-9A-Za-z][0-9]{{{size}}}[\W_][0-9]{{2}})" for size in (1, 2, 3))
_EVEN_CARD = (
    rf"[0-9](?<=18|2[1-7]|81|[3-69][0-9]){_FIRST}(?=[0-9]*(?P<c>{_BETWEEN})[0-9]+(?:(?P=c)[0-9]+){{0,17}}{_END}"
    rf"(?!{_BETWEEN}(?:[0-9]{{1,18}}[Xx]?|[Xx]){_END}))(?=(?:{_MAYBE}{_DIGIT}){{12}})"
)
# A resident ID has a year in it. Nothing in between at all is none of ours, and what stands between fields, too, is the
# same throughout.
_FIELDS_ALIKE = rf"[0-9]*(?=[^0-9{FIELDS}]{{0,3}}[{FIELDS}])(?P<r>{_BETWEEN})[0-9]+(?P=r)[0-9Xx]"
_RESIDENT = (
    rf"(?:(?=[^{FIELDS}]{{18}})|(?={_FIELDS_ALIKE}))(?<=[1-9])(?![0-9]{{16}}[0-9Xx]{_END})"
    rf"{f'{_MAYBE}{_DIGIT}' * 5}{_MAYBE}(?:1{_MAYBE}[89]|2{_MAYBE}0)"
    rf"{f'{_MAYBE}{_DIGIT}' * 2}{_MAYBE}[01]{_MAYBE}{_DIGIT}{_MAYBE}[0-3](?:{_MAYBE}{_DIGIT}){{4}}"
    rf"{_MAYBE}[0-9Xx]{_END}"
)


def _behind_first_group() -> tuple[str, ...]:
    """What stands behind a first group of one digit, of two and so on: of mobile numbers, of cards, of US social
    security numbers, and of even groups that may be anything, where three of a kind are nine digits or more."""

    def between(size: int) -> str:
        return f"(?P<s{size}>{_BETWEEN})"

    def again(size: int, digits: str = "") -> str:
        return f"(?P=s{size}){_DIGIT}{digits}"

    return (
        f"{between(1)}{_DIGIT}(?:{again(1)}){{6}}",
        f"{between(2)}[0-9]{{2}}{again(2, '{2}') * 2}(?:{_DIGIT}|{again(2)})",
        # 3-2-4, 3-3-3 and more, 3-4-4, 3-8
        f"{between(3)}[0-9]{{2}}(?:{again(3, '{4}')}{_END}"
        f"|{_DIGIT}(?:{again(3, '{3}')}|{_DIGIT}(?:{again(3, '{4}')}{_END}|[0-9]{{4}}{_END})))",
        # 4-4 and more, 4-6-4 and more, 4-8-4, 4-12
        f"{between(4)}[0-9]{{4}}(?:{again(4)}|[0-9]{{2}}(?:{again(4, '{4}')}"
        f"|[0-9]{{2}}(?:{again(4, '{4}')}{_END}|[0-9]{{4}}{_END})))",
        # 5-5 and more, 5-6
        f"{between(5)}[0-9]{{5}}(?:{again(5)}|{_DIGIT}{_END})",
        # 6-6 and more, 6-10, 6-12, 6-13
        f"(?:{between(6)}[0-9]{{6}}{again(6)}|(?=[^{FIELDS}]{{5}}){_BETWEEN}[0-9]{{10}})",
        # 7-7 and more, 7-4
        f"{between(7)}[0-9]{{4}}(?:{_END}|[0-9]{{3}}{again(7)})",
        # 8-8 and more, and two groups on two lines
        rf"(?:\s{{1,4}}{_DIGIT}|{_BETWEEN}[0-9]{{8}})",
    )


def sieve() -> re.Pattern[str]:
    """The pattern, ready to be searched for from wherever the last run ended."""
    behind = rf"[0-9]{{0,9}}(?:\s{{1,4}}{_DIGIT}|(?P<s9>{_BETWEEN})[0-9]{{9,18}}(?P=s9){_DIGIT})"
    for those in reversed(_behind_first_group()):
        # Another digit is tried first: that a separator is none is seen at once.
        behind = f"(?:{_DIGIT}{behind}|{those})"
    # The first digit is read before it is known how many there are.
    return re.compile(f"{_HEAD}{_SHORTEST}(?:{behind}|{_LONGER}(?:{_EVEN_CARD}|{_RESIDENT}))")
