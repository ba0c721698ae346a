"""The prefilter's form of a customer's expression: simpler, and matching at least wherever the expression matches.

Made from what Python's parser sees, so that nothing of an expression has to be recognised by its writing. What is left
out (edges, what is looked at ahead and behind, upper bounds) only makes it match more. Pure.
"""

from re import _constants  # type: ignore[attr-defined]  # see config/regexes.py
from typing import Final

from gateway.config.regexes import LOOKS, REPEATS, Token, inner, tokens_of

_BEYOND: Final = r"\u0080-\U0010ffff"
_ANY: Final = rf"[\x00-\x7f{_BEYOND}]"
# What Python's IGNORECASE takes for a letter of ASCII besides its other case: the Kelvin sign, the long s, the i with
# and without a dot. No other character beyond ASCII is one of its letters.
_ODD_CASES: Final = {"k": r"\u212a", "s": r"\u017f", "i": r"\u0130\u0131"}
_ODD: Final = (0x212A, 0x17F, 0x130, 0x131)
_MOST_TIMES: Final = 8  # a repeat of more than this is written as one without an end


def wider(pattern: str) -> str:
    """What triggers an expression that `config.regexes.fault_of` has nothing against."""
    tokens = tokens_of(pattern)
    # What may be absent at either end adds nothing to where it matches, and would keep the prefilter awake all through.
    while tokens and _may_be_absent(tokens[0]):
        del tokens[0]
    while tokens and _may_be_absent(tokens[-1]):
        del tokens[-1]
    return _sequence(tokens) or _ANY


def _may_be_absent(token: Token) -> bool:
    kind, value = token
    return kind in LOOKS or kind is _constants.AT or (kind in REPEATS and isinstance(value, tuple) and value[0] == 0)


def _sequence(tokens: list[Token]) -> str:
    return "".join(map(_token, tokens))


def _token(token: Token) -> str:
    kind, value = token
    if kind in LOOKS or kind is _constants.AT:
        return ""
    if kind is _constants.LITERAL and isinstance(value, int):
        return _literal(chr(value))
    if kind is _constants.IN and isinstance(value, list):
        return _class(value)
    parts = [_sequence(list(part)) for part in inner(token)]
    if kind in REPEATS and isinstance(value, tuple):
        return f"(?:{parts[0]}){_times(value[0], value[1])}" if parts[0] else ""
    if kind is _constants.BRANCH:
        return f"(?:{'|'.join(parts)})"
    if kind is _constants.SUBPATTERN or kind is _constants.ATOMIC_GROUP:
        return f"(?:{parts[0]})"
    return _ANY  # `.`, all but one, and whatever a later Python may add


def _times(least: int, most: int) -> str:
    least = min(least, _MOST_TIMES)
    return f"{{{least},}}" if most > _MOST_TIMES else f"{{{least},{most}}}"


def _literal(character: str) -> str:
    """One character in any case."""
    if character.isascii():
        if not character.isalpha():
            return f"\\x{ord(character):02x}"
        low = character.lower()
        return f"[{low}{low.upper()}{_ODD_CASES.get(low, '')}]"
    if character.lower() == character.upper() == character:
        return _escaped(character)
    return f"[ksiKSI{_BEYOND}]"


def _escaped(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def _class(items: list[Token]) -> str:
    """The characters of ASCII in a class; all others are taken to be in it."""
    every = range(128)
    if any(kind is _constants.NEGATE for kind, _ in items):
        # What is excluded in the other case only is not left out here.
        codes = {code for code in every if not any(_holds(item, code) for item in items)}
    else:
        codes = {case for code in every if any(_holds(item, code) for item in items) for case in _cases(code)}
        if any(_holds(item, code) for item in items for code in _ODD):
            codes.update(map(ord, "ksiKSI"))
    return "[" + "".join(f"\\x{code:02x}" for code in sorted(codes)) + _BEYOND + "]"


def _cases(code: int) -> tuple[int, ...]:
    character = chr(code)
    return (ord(character.lower()), ord(character.upper()))


def _holds(item: Token, code: int) -> bool:
    kind, value = item
    if kind is _constants.LITERAL:
        return value == code
    if kind is _constants.RANGE and isinstance(value, tuple):
        return bool(value[0] <= code <= value[1])
    return kind is _constants.CATEGORY and _is_of(str(value), chr(code))


def _is_of(category: str, character: str) -> bool:
    is_in = (
        (character.isdigit() and "DIGIT" in category)
        or (character.isspace() and "SPACE" in category)
        or ((character.isalnum() or character == "_") and "WORD" in category)
    )
    return is_in != ("_NOT_" in category)
