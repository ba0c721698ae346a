"""The leaves of a request: every string, object key and number, with its path, in the order in which a model reads it.

What cannot be read (an image, token ids) or is not known (a field, a part) is reported, never skipped. A harmless
setting is left out only if its value has the harmless form. JSON inside a string is walked as JSON. Pure.
"""

import json
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

import msgspec

from gateway.core.findings import Unscanned
from gateway.wire.shapes import (
    DIALECTS,
    MESSAGE,
    ROLES,
    SCHEMA_WORDS,
    Either,
    Fields,
    Flag,
    Free,
    Items,
    Number,
    Opaque,
    Prompt,
    Shape,
    Tagged,
    Text,
    Url,
    Words,
)

MAX_DEPTH = 64
MAX_LEAVES = 20_000
_JSON_IN_JSON = 4  # strings of JSON within strings of JSON; deeper ones are scanned as the text they are
_SHORT_PAYLOAD = 4_096  # an opaque value up to this length is scanned as text besides being reported
_TOKEN_ID_END = 10_000_000  # no vocabulary is this large: a greater "token id" is a number that somebody wrote


class LeafKind(StrEnum):
    """What a leaf was in the document."""

    VALUE = "value"
    KEY = "key"
    NUMBER = "number"


class Leaf(msgspec.Struct, frozen=True, gc=False):
    """One scalar. A Struct: thousands are made for a request, and a tuple costs three times as much."""

    path: str
    text: str
    kind: LeafKind


class Walked(NamedTuple):
    """All leaves, the `spoken` ones first: the conversation. `failure` names the bound that ended the walk, if any."""

    leaves: tuple[Leaf, ...]
    unscanned: tuple[Unscanned, ...]
    failure: str | None = None
    spoken: int = 0


class _BoundReached(Exception):
    """The document is larger than what is walked. The argument names the bound."""


class _Pairs(list[tuple[str, object]]):
    """An object of JSON within a string, with duplicate keys kept: a model reads all of them."""


class _Digits(str):
    """A number of JSON within a string, digit for digit."""

    __slots__ = ()


def walk(dialect: str, document: object) -> Walked | None:
    """The leaves of a decoded request, or None if nobody knows the dialect."""
    shape = DIALECTS.get(dialect)
    if shape is None:
        return None
    walker = _Walker()
    try:
        if type(document) is dict:
            walker.fields(document, shape, "", 0)
        else:
            walker.misfit(document, "", 0)
    except _BoundReached as bound:
        return Walked((*walker.spoken, *walker.others), tuple(walker.unscanned), str(bound), len(walker.spoken))
    return Walked((*walker.spoken, *walker.others), tuple(walker.unscanned), None, len(walker.spoken))


def number_text(value: float) -> str:
    """A number as the encoder writes it, in full if it would write an exponent and the value is whole."""
    if type(value) is int:
        if value.bit_length() > 4_096:
            raise _BoundReached("NumberTooLong")
        return str(value)
    if value.is_integer() and abs(value) < 1e22:
        return str(int(value))
    return msgspec.json.encode(value).decode()


def _is_harmless_number(value: object, shape: Number) -> bool:
    if type(value) is int:
        return shape.low <= value <= shape.high
    # Many decimals are no setting but a place to hide digits.
    return type(value) is float and shape.low <= value <= shape.high and round(value, 4) == value


class _Walker:
    __slots__ = ("_count", "others", "spoken", "unscanned")

    def __init__(self) -> None:
        self.spoken: list[Leaf] = []
        self.others: list[Leaf] = []
        self.unscanned: list[Unscanned] = []
        self._count = 0

    def fields(self, document: dict[str, object], shape: Fields, path: str, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise _BoundReached("TooDeep")
        known = shape.fields
        prefix = path + "." if path else ""
        for key, value in document.items():
            place = known.get(key)
            if place is None:
                self.unknown_field(key, value, prefix, depth)
            elif value is None:
                continue
            else:
                # The usual values of a request, without a call for each that says nothing.
                kind = type(place)
                if type(value) is str:
                    if kind is Either:
                        place = place.scalar  # type: ignore[union-attr]  # kind is Either
                        kind = type(place)
                    if kind is Text:
                        self.text(value, prefix + key, place.spoken, 0)  # type: ignore[union-attr]  # kind is Text
                        continue
                    if kind is Words and value in place.allowed:  # type: ignore[union-attr]  # kind is Words
                        continue
                elif kind is Flag:
                    if value is True or value is False:
                        continue
                elif kind is Number and _is_harmless_number(value, place):  # type: ignore[arg-type]  # kind is Number
                    continue
                self.shaped(value, place, prefix + key, depth + 1)

    def shaped(self, value: object, shape: Shape, path: str, depth: int) -> None:
        """Walk `value`, which stands where `shape` is expected."""
        if value is None:
            return None
        match shape:
            case Fields():
                if type(value) is dict:
                    return self.fields(value, shape, path, depth)
            case Items(of=of):
                if type(value) is list:
                    return self.items(value, of, path, depth)
            case Tagged(by_type=by_type):
                if type(value) is dict:
                    return self.tagged(value, by_type.get(str(value.get("type"))), path, depth)
            case Either(scalar=scalar, array=array, object=object_):
                chosen = array if type(value) is list else object_ if type(value) is dict else scalar
                if chosen is not None:
                    return self.shaped(value, chosen, path, depth)
            case Free():
                return self.free(value, path, depth, spoken=False, nested=0)
            case Prompt():
                return self.prompt(value, path, depth)
            case Opaque(carrier=carrier):
                return self.opaque(value, carrier, path, depth)
            case Url(carrier=carrier):
                return self.url(value, carrier, path, depth)
            case Text(spoken=spoken):
                if type(value) is str:
                    return self.text(value, path, spoken, 0)
            case Words(allowed=allowed):
                if type(value) is str:
                    return None if value in allowed else self.text(value, path, False, 0)
            case Number():
                if _is_harmless_number(value, shape):
                    return None
            case Flag():
                if type(value) is bool:
                    return None
        return self.misfit(value, path, depth)

    def misfit(self, value: object, path: str, depth: int) -> None:
        """A value of a kind that does not belong here: a scalar is scanned, anything larger is unknown besides."""
        if type(value) in (dict, list):
            self.unscanned.append(Unscanned("unknown_field", path))
        self.free(value, path, depth, spoken=False, nested=0)

    def unknown_field(self, key: str, value: object, prefix: str, depth: int) -> None:
        path = prefix + "{key}"
        self.unscanned.append(Unscanned("unknown_field", path))
        self.leaf(Leaf(path, key, LeafKind.KEY), spoken=False)
        self.free(value, path, depth + 1, spoken=False, nested=0)

    def items(self, values: list[object], shape: Shape, path: str, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise _BoundReached("TooDeep")
        is_message = shape is MESSAGE
        for index, value in enumerate(values):
            # A role and its words, and nothing else: nearly every message, and of these a chat has many.
            if is_message and type(value) is dict and len(value) == 2 and "content" in value and "role" in value:
                text, role = value["content"], value["role"]
                # What begins with a letter or digit is no JSON.
                if type(text) is str and type(role) is str and role in ROLES and text[:1].isalnum():
                    self._count += 1
                    if self._count > MAX_LEAVES:
                        raise _BoundReached("TooManyLeaves")
                    self.spoken.append(Leaf(f"{path}[{index}].content", text, LeafKind.VALUE))
                    continue
            place = f"{path}[{index}]"
            if type(shape) is Fields and type(value) is dict:
                self.fields(value, shape, place, depth + 1)
            else:
                self.shaped(value, shape, place, depth + 1)

    def tagged(self, value: dict[str, object], shape: Fields | None, path: str, depth: int) -> None:
        if shape is not None:
            self.fields(value, shape, path, depth)
            return
        self.unscanned.append(Unscanned("unknown_part", path))
        self.free(value, path, depth, spoken=True, nested=0)

    def prompt(self, value: object, path: str, depth: int) -> None:
        if type(value) is str:
            self.text(value, path, True, 0)
        elif type(value) is list and all(type(item) is int for item in value):
            if value:
                self.unscanned.append(Unscanned("token_ids", path))
            for index, item in enumerate(value):
                if not 0 <= item < _TOKEN_ID_END:
                    self.leaf(Leaf(f"{path}[{index}]", number_text(item), LeafKind.NUMBER), spoken=True)
        elif type(value) is list:
            for index, item in enumerate(value):
                if type(item) is list and depth > MAX_DEPTH:
                    raise _BoundReached("TooDeep")
                self.prompt(item, f"{path}[{index}]", depth + 1)
        elif type(value) is dict:
            self.unscanned.append(Unscanned("unknown_part", path))
            self.free(value, path, depth, spoken=True, nested=0)
        else:
            self.free(value, path, depth, spoken=True, nested=0)

    def opaque(self, value: object, carrier: str, path: str, depth: int) -> None:
        self.unscanned.append(Unscanned(carrier, path))
        if type(value) is not str or len(value) <= _SHORT_PAYLOAD:
            self.free(value, path, depth, spoken=False, nested=0)

    def url(self, value: object, carrier: str, path: str, depth: int) -> None:
        if type(value) is not str:
            return self.misfit(value, path, depth)
        if value[:5].lower() != "data:":
            return self.opaque(value, "remote_url", path, depth)
        # A `data:` URL that does not even claim to be such a medium is not what a policy means by the carrier.
        media_type = value[5:32].lower()
        is_medium = media_type.startswith(("image/", "audio/", "video/"))
        return self.opaque(value, carrier if is_medium else "unknown_part", path, depth)

    def free(self, value: object, path: str, depth: int, *, spoken: bool, nested: int) -> None:
        """Walk JSON of which no schema knows anything: keys, strings and numbers alike."""
        if depth > MAX_DEPTH:
            raise _BoundReached("TooDeep")
        kind = type(value)
        if kind is str:
            if value not in SCHEMA_WORDS:
                self.text(value, path, spoken, nested)  # type: ignore[arg-type]  # kind is str
        elif kind is dict or kind is _Pairs:
            pairs: Iterable[tuple[str, object]] = value.items() if kind is dict else value  # type: ignore[attr-defined, assignment]
            for key, inner in pairs:
                if key in SCHEMA_WORDS:
                    place = f"{path}.{key}"
                else:
                    place = f"{path}.{{key}}"
                    self.leaf(Leaf(place, key, LeafKind.KEY), spoken=spoken)
                self.free(inner, place, depth + 1, spoken=spoken, nested=nested)
        elif kind is list:
            for index, inner in enumerate(value):  # type: ignore[arg-type]  # kind is list
                self.free(inner, f"{path}[{index}]", depth + 1, spoken=spoken, nested=nested)
        elif kind is _Digits:
            self.leaf(Leaf(path, str(value), LeafKind.NUMBER), spoken=spoken)
        elif kind is int or kind is float:
            self.leaf(Leaf(path, number_text(value), LeafKind.NUMBER), spoken=spoken)  # type: ignore[arg-type]  # a number
        elif value is not None and kind is not bool:
            raise _BoundReached("NotJson")

    def text(self, text: str, path: str, spoken: bool, nested: int) -> None:
        if nested < _JSON_IN_JSON and text.lstrip()[:1] in ("{", "["):
            inner = _json_within(text)
            if inner is not None:
                # Nothing of the text is lost: keys keep their duplicates and numbers their digits.
                self.free(inner, path, 0, spoken=spoken, nested=nested + 1)
                return
        # As `leaf` does, without the call: nearly every leaf comes by here.
        if text:
            self._count += 1
            if self._count > MAX_LEAVES:
                raise _BoundReached("TooManyLeaves")
            (self.spoken if spoken else self.others).append(Leaf(path, text, LeafKind.VALUE))

    def leaf(self, leaf: Leaf, *, spoken: bool) -> None:
        if not leaf.text:
            return
        self._count += 1
        if self._count > MAX_LEAVES:
            raise _BoundReached("TooManyLeaves")
        (self.spoken if spoken else self.others).append(leaf)


def _json_within(text: str) -> object | None:
    """The JSON object or array that `text` is, or None."""
    try:
        return json.loads(text, object_pairs_hook=_Pairs, parse_int=_Digits, parse_float=_Digits)  # type: ignore[no-any-return]  # json's own typing
    except (ValueError, RecursionError):
        return None
