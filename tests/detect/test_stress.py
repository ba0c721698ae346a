"""An expression that a text can keep busy is found out before it runs, and finding out does not keep us busy."""

from itertools import count

import pytest

from gateway.detect.stress import is_quick

QUICK = [
    "AC-[0-9]{6}",
    r"\b[A-Z]{2}\d{4}\b",
    r"工号[:：]?\s*[A-Z]{2}\d{5}",
    r"(?<![0-9])(?:[ -]?\d{1,4}){3,5}(?![0-9])",
    r"[A-Za-z0-9._-]{1,64}@[a-z.]{1,64}",
    r"(?:Mr|Mrs|Dr)\.? [A-Z][a-z]{1,20}",
]
SLOW = [
    r"(?:a|a)*b",
    r"(?:a|b|ab)*c",
    r"(?:\w{1,30} ?){1,20}x",
    r"(?:[a-z]{1,30}){1,30}!",
    r"\d+\d+\d+x",
    r"a.*b.*c.*d",
    r"x(?:(?:0|1|01){1,31}){1,31}y",
    r"(?:.+,){3}P",
    r"[^x]*[^y]*[^z]*!!",
    r"\s*\s*\s*:",
    r"(?:(?:\W|-){1,30}){1,9}#",
]


@pytest.mark.parametrize("pattern", QUICK)
def test_an_expression_that_no_text_keeps_busy_is_quick(pattern: str) -> None:
    assert is_quick(pattern)


@pytest.mark.parametrize("pattern", SLOW)
def test_one_that_tries_everything_in_every_way_is_found_out(pattern: str) -> None:
    # To its end it would take years: that this returns is what shows that texts grow step by step.
    assert not is_quick(pattern)


def test_one_slow_turn_of_the_machine_refuses_nothing() -> None:
    turns = count()

    def clock() -> float:
        # Every other measurement takes a second.
        turn = next(turns)
        return turn // 4 + (1.0 if turn % 4 == 1 else 0.0)

    assert is_quick("AC-[0-9]{6}", clock)
    assert not is_quick("AC-[0-9]{6}", iter(range(10**6)).__next__)
