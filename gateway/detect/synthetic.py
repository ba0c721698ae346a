"""Texts that nobody wrote, with an identifier of nobody's in them: what a live canary sends.

Each is drawn anew, in Chinese and in English by turns and in one carrier after the other, so that nothing that was seen
before can answer for it. Checksums are worked out here and not by `checksums.py`, which is among what they try. Pure.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from types import MappingProxyType
from typing import Final

import msgspec

Draw = Callable[[], float]
"""Numbers from 0 to below 1."""

Message = Mapping[str, object]


class Carrier(StrEnum):
    """How an identifier lies in a request."""

    TEXT = "text"  # in a message
    PART = "part"  # in a part of one
    SYSTEM = "system"  # in what the system says, before a harmless question
    EARLIER = "earlier"  # in the message before the last
    JSON = "json"  # in JSON that is a string
    TABLE = "table"  # under the header of a table
    WIDE = "wide"  # in full-width digits
    BASE64 = "base64"  # encoded


SCORES: Final[Mapping[str, float]] = MappingProxyType({"CN_RESIDENT_ID": 0.95, "BANK_CARD": 0.9, "IBAN": 0.9})
"""The kinds of identifiers that are made here, and the least score with which our own recognizers find one."""


def messages(entity: str, turn: int, draw: Draw) -> Sequence[Message]:
    """The messages of a chat with an identifier of the kind `entity` in them, as it is their `turn`."""
    carrier, is_chinese = carrier_of(turn), turn % 2 == 0
    number = identifier(entity, draw)
    name, question, other = _WORDS[entity, is_chinese], *_QUESTIONS[is_chinese]
    said = f"{name} {number}"
    match carrier:
        case Carrier.TEXT:
            return (_user(f"{said}{question}"),)
        case Carrier.PART:
            return (_user([{"type": "text", "text": f"{said}{question}"}]),)
        case Carrier.SYSTEM:
            return ({"role": "system", "content": said}, _user(other))
        case Carrier.EARLIER:
            return (_user(said), _user(other))
        case Carrier.JSON:
            return (_user(msgspec.json.encode({"case": _digits(6, draw), name: number}).decode()),)
        case Carrier.TABLE:
            return (_user(f"| {name} |\n| --- |\n| {number} |\n\n{other}"),)
        case Carrier.WIDE:
            return (_user(f"{name} {number.translate(_FULL_WIDTH)}{question}"),)
        case Carrier.BASE64:
            return (_user(f"{other}\n{base64.b64encode(f'{said}{question}'.encode()).decode()}"),)


def carrier_of(turn: int) -> Carrier:
    """How the identifier lies in the messages of this turn: each carrier in both languages, then the next."""
    return _CARRIERS[turn // 2 % len(_CARRIERS)]


def identifier(entity: str, draw: Draw) -> str:
    """A new identifier with the right checksum: as an issuer would write it, and of nobody alive."""
    match entity:
        case "CN_RESIDENT_ID":
            return _resident_id(draw)
        case "BANK_CARD":
            return _card(draw)
        case "IBAN":
            return _iban(draw)
        case _:
            raise ValueError(entity)


def _resident_id(draw: Draw) -> str:
    # Born from 1880 to 1899: the numbers were first given out in 1984, to nobody of that age who still lives.
    birthday = f"{_whole(1880, 1899, draw)}{_whole(1, 12, draw):02}{_whole(1, 28, draw):02}"
    body = f"{_PROVINCES[_whole(0, len(_PROVINCES) - 1, draw)]}0101{birthday}{_digits(3, draw)}"
    total = sum(int(digit) * pow(2, 17 - place, 11) for place, digit in enumerate(body))
    return body + "10X98765432"[total % 11]


def _card(draw: Draw) -> str:
    # A range that card schemes keep for tests.
    body = f"400000{_digits(9, draw)}"
    total = 0
    for place, digit in enumerate(reversed(body)):
        doubled = int(digit) * (2 if place % 2 == 0 else 1)
        total += doubled // 10 + doubled % 10
    return f"{body}{-total % 10}"


def _iban(draw: Draw) -> str:
    # A bank that is none.
    account = f"TEST{_digits(14, draw)}"
    number = int("".join(str(int(character, 36)) for character in f"{account}GB00"))
    return f"GB{98 - number % 97:02}{account}"


def _user(content: object) -> Message:
    return {"role": "user", "content": content}


def _whole(least: int, most: int, draw: Draw) -> int:
    return least + int(draw() * (most - least + 1))


def _digits(count: int, draw: Draw) -> str:
    return "".join(str(_whole(0, 9, draw)) for _ in range(count))


_CARRIERS: Final = tuple(Carrier)
_PROVINCES: Final = ("11", "12", "13", "21", "31", "32", "33", "35", "37", "42", "43", "44", "50", "51", "61")
_FULL_WIDTH: Final = str.maketrans({str(digit): chr(0xFF10 + digit) for digit in range(10)})
_WORDS: Final[Mapping[tuple[str, bool], str]] = MappingProxyType(
    {
        ("CN_RESIDENT_ID", True): "身份证号",
        ("CN_RESIDENT_ID", False): "resident ID number",
        ("BANK_CARD", True): "银行卡号",
        ("BANK_CARD", False): "card number",
        ("IBAN", True): "国际银行账号 IBAN",
        ("IBAN", False): "IBAN",
    }
)
_QUESTIONS: Final[Mapping[bool, tuple[str, str]]] = MappingProxyType(
    {True: (" 填写正确吗？", "请用一个词回答。"), False: (" - is it filled in correctly?", "Answer in one word.")}
)
