"""What a written question means: numbers that a comparison accepts, pools that have what is asked of them."""

import pytest

from gateway.core.reading import Word
from gateway.core.written import Place
from gateway.policy.document import WrittenAttributes
from gateway.policy.meaning import ENDLESS, accepted_tokens, has_all, has_any

from .making import pool

HERE = Place("p")
OWN = pool("own", processor="own", residency="cn")
UNKNOWN = pool("unknown")


def asking(
    processor: tuple[str, ...] = (), residency: tuple[str, ...] = (), agreement: tuple[str, ...] = ()
) -> WrittenAttributes:
    words = ([Word(name, HERE) for name in names] for names in (processor, residency, agreement))
    return WrittenAttributes(HERE, *(tuple(given) for given in words))


@pytest.mark.parametrize(
    ("asked", "of_own", "of_unknown"),
    [
        (asking(processor=("own",)), (True, True), (False, False)),
        (asking(processor=("own",), residency=("us",)), (False, True), (False, False)),
        (asking(processor=("own",), residency=("us", "cn")), (True, True), (False, False)),
        (asking(agreement=("dpa",)), (False, False), (False, False)),
        (asking(agreement=("none",)), (True, True), (True, True)),
        (asking(processor=("none", "own"), agreement=("none",)), (True, True), (True, True)),
        (asking(residency=("none",)), (False, False), (True, True)),
        (asking(residency=("none",), processor=("own",)), (False, True), (False, True)),
        (asking(), (True, False), (True, False)),
    ],
)
def test_a_pool_has_all_or_any_of_what_is_asked(
    asked: WrittenAttributes, of_own: tuple[bool, bool], of_unknown: tuple[bool, bool]
) -> None:
    assert (has_all(OWN, asked), has_any(OWN, asked)) == of_own
    assert (has_all(UNKNOWN, asked), has_any(UNKNOWN, asked)) == of_unknown


@pytest.mark.parametrize("number", [0, 1, 9, 10, 11, 10**9, ENDLESS - 1])
def test_tokens_are_compared_as_numbers_are(number: int) -> None:
    assert (number in accepted_tokens((">=", 10))) is (number >= 10)
    assert (number in accepted_tokens((">", 10))) is (number > 10)
    assert (number in accepted_tokens(("<=", 10))) is (number <= 10)
    assert (number in accepted_tokens(("<", 10))) is (number < 10)
