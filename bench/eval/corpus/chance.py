"""Strings of random digits and letters, from which every value is made."""

import string
from random import Random

_DIGITS = string.digits
_UPPER = string.ascii_uppercase


def digits(rng: Random, count: int, first: str = "123456789") -> str:
    """`count` digits; the first one of `first`."""
    return rng.choice(first) + "".join(rng.choices(_DIGITS, k=count - 1))


def letters(rng: Random, count: int, alphabet: str = _UPPER) -> str:
    """`count` characters of `alphabet`."""
    return "".join(rng.choices(alphabet, k=count))
