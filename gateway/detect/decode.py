"""What is written in an encoding, in place of it: URL, HTML, escapes, quoted-printable, hex, base32, base64, gzip.

One call resolves one level; the caller bounds the levels. A blob that looks encrypted or compressed and does not decode
is reported as opaque. Pure.
"""

import base64
import binascii
import html
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.detect.slices import SLICE, Tick, match_at, matches
from gateway.detect.views import Rewriting, View

MAX_DECODED = 1_048_576
_OPAQUE_LENGTH = 128
_OPAQUE_HEX_LENGTH = 256
_HEX = re.compile(r"[0-9A-Fa-f]*")
_BASE32 = re.compile(r"[A-Z2-7]*")
_LAYOUT = str.maketrans("", "", "\t\r\n")
_CONTROLS = bytes((*range(9), 11, 12, *range(14, 32), 127))  # in UTF-8 and GB 18030 part of no other character
_ASCII = bytes(range(128))
_COMMON_ROWS = bytes(range(0xB0, 0xD8))

_ESCAPES = (
    r"(?P<url>(?:%[0-9A-Fa-f]{2}){1,400})"
    r"|(?P<html>&(?:#[0-9]{2,7};?|#[xX][0-9A-Fa-f]{2,6};?|[A-Za-z]{2,8};))"
    r"|(?P<backslash>(?:\\u[0-9A-Fa-f]{4}|\\x[0-9A-Fa-f]{2}|\\u\{[0-9A-Fa-f]{1,6}\}|\\U[0-9A-Fa-f]{8}){1,400})"
    r"|(?P<quoted>(?:=[0-9A-F]{2}){2,400})"
    r"|(?P<tags>[\U000e0020-\U000e007e]{1,400})"
    r"|(?P<spaced>(?<![0-9A-Za-z])(?:0x)?[0-9A-Fa-f]{2}(?:[ :,]{1,2}(?:0x)?[0-9A-Fa-f]{2}){7,4000}(?![0-9A-Za-z]))"
    r"|(?P<token>"
)
_TOKEN = (
    r"(?<![0-9A-Za-z+/_-])"
    r"(?:(?:[0-9A-Za-z+/]{60,100}\r?\n){1,20000}[0-9A-Za-z+/]{1,100}|[0-9A-Za-z+/_-]{10,})={0,6}"
)

# Which words are worth a try: long ones, padded ones, and what ASCII looks like in hex (its first digits), in base64
# (the first three of four, for three groups that begin with a capital, a digit or a separator, or two of digits) and
# base32. Every word of twelve letters would be too many.
_BASE64_REST = r"[C-HS-Xi-ny-z0-3][ABEFIJMNQRUVYZcdghklopstwx014589][0-9A-Za-z+/_-]"
_WORTH = (
    r"[0-9A-Za-z+/_-]{24}",
    r"[0-9A-Za-z+/_-]{10}={1,6}",
    r"(?:[2-7][0-9A-Fa-f]){6}",
    rf"[I-WY-Z]{_BASE64_REST}(?:[I-Za-e]{_BASE64_REST}){{2}}",
    r"(?:[MNO][DTjz][AEIMQUYcgk][w-z0-5]){2}",
    r"[A-Z2-7]{16}",
)

ESCAPE_GATES = (
    r"%[0-9A-Fa-f]{2}",
    r"&(?:#[0-9xX]|[A-Za-z]{2,8};)",
    r"\\[uUx][0-9A-Fa-f{]{2}",
    r"(?:=[0-9A-F]{2}){2}",
    r"[\U000e0020-\U000e007e]",
    r"[0-9A-Fa-f]{2}(?:[ :,]{1,2}(?:0x)?[0-9A-Fa-f]{2}){7}",
)
"""Where something may be escaped, or written in pairs. Whether it is, only decoding tells."""

# Each ends where what it looks for cannot go on, so that a long word is told once or a few times, and not with every
# character of it. Padding is told by its first character, which is enough to find the word that it ends.
TOKEN_GATES = (
    r"[0-9A-Za-z+/_-]{24}(?![0-9A-Za-z+/_-])",
    r"[0-9A-Za-z+/_-]{10}=",
    r"(?:[2-7][0-9A-Fa-f]){6}(?:\Z|[^2-7]|[2-7](?:\Z|[^0-9A-Fa-f]))",
    *_WORTH[3:5],
    r"[A-Z2-7]{16}(?![A-Z2-7])",
)
"""Where a word is worth a try: each matches in or right behind every word in which one of `_WORTH` does."""

_BEHIND = 8  # how far behind such a word its gate's match may end: its padding, and what shows that it is over
_STEP = 256  # characters of a word that are looked at in one step
_WORD = re.compile(r"[0-9A-Za-z+/_-]*")
_OF_WORDS = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+/_-")
_LINE = re.compile(r"[0-9A-Za-z+/]{60,100}")  # of a blob that is wrapped


@dataclass(frozen=True, slots=True)
class Decoded:
    """One level resolved. `view` is None if nothing was encoded; `is_opaque` if a blob would not decode."""

    view: View | None
    is_opaque: bool


@dataclass(frozen=True, slots=True)
class Decoder:
    """Finds and resolves what is encoded."""

    encoded: re.Pattern[str]
    token: re.Pattern[str]
    backslash: re.Pattern[str]
    hex_pair: re.Pattern[str]
    worth: re.Pattern[str]

    def of(self, text: str, tick: Tick, ends: Sequence[int] = ()) -> Decoded:
        """`text` with one level of encodings resolved.

        With `ends`, only the words are, in or right behind which one of them is: where no gate for escapes has opened
        and these are all the ends of the matches of `TOKEN_GATES`, that is the same.
        """
        rewriting = Rewriting(text)
        names: set[str] = set()
        opaque = False
        budget = MAX_DECODED
        for match in self._words(text, tick, ends) if ends else matches(self.encoded, text, tick):
            kind = match.lastgroup or "token"
            piece = match.group()
            start = match.start()
            plain, name = self._resolve(kind, piece)
            if plain is None and kind == "spaced":
                # "cc 6c 66 …": a short word before it may look like a pair.
                start += 3
                plain, name = self._resolve(kind, piece[3:])
            if plain is None:
                opaque = opaque or (kind == "token" and _looks_opaque(piece))
                continue
            budget -= len(plain)
            if budget < 0:
                return Decoded(rewriting.view(names), is_opaque=True)
            rewriting.edit(start, match.end(), plain)
            names.add(name)
        return Decoded(rewriting.view(names), opaque)

    def _words(self, text: str, tick: Tick, ends: Sequence[int]) -> Iterator[re.Match[str]]:
        """The words at `ends`, which are in order, wrapped ones from their first line."""
        done = 0
        for end in ends:
            if end <= done:
                continue
            start = _start_of_word(text, end, tick)
            if start is None or start < done:
                continue
            tick()
            match = match_at(self.token, text, tick, start)
            if match is not None:
                yield match
                done = match.end()

    def _resolve(self, kind: str, piece: str) -> tuple[str | None, str]:
        if kind == "token":
            return _token(piece) if self.worth.search(piece) else (None, "")
        match kind:
            case "url":
                return _as_text(bytes.fromhex(piece.replace("%", "")), 1), "url"
            case "html":
                plain = html.unescape(piece)
                return (None if plain == piece else plain), "html"
            case "backslash":
                return self.backslash.sub(_character, piece), "escapes"
            case "quoted":
                return _as_text(bytes.fromhex(piece.replace("=", "")), 1), "quoted-printable"
            case "tags":
                return "".join(chr(ord(character) - 0xE0000) for character in piece), "tags"
            case _:  # "spaced"
                return _as_text(bytes.fromhex("".join(self.hex_pair.findall(piece))), 4), "hex"


def _start_of_word(text: str, end: int, tick: Tick) -> int | None:
    """Where the word begins that a gate's match ends in or right behind: if it is wrapped, its first line."""
    place = min(end, len(text))
    while place > 0 and text[place - 1] not in _OF_WORDS:
        place -= 1
        if place == 0 or end - place > _BEHIND:
            return None
    start = _back(text, place, tick)
    while start > 1 and text[start - 1] == "\n":
        before = start - (2 if text[start - 2] == "\r" else 1)
        first = _back(text, before, tick)
        if _LINE.fullmatch(text, first, before) is None:
            break
        start = first
    return start


def _back(text: str, place: int, tick: Tick) -> int:
    """Where the word begins that ends at `place`."""
    while True:
        piece = text[max(0, place - _STEP) : place][::-1]
        match = _WORD.match(piece)
        length = match.end() if match else 0
        place -= length
        if length < _STEP:
            return place
        tick()


def decoder() -> Decoder:
    """The decoder, ready to run."""
    return Decoder(
        re.compile(f"{_ESCAPES}{_TOKEN})"),
        re.compile(_TOKEN),
        re.compile(r"\\(?:u\{([0-9A-Fa-f]{1,6})\}|[uUx]([0-9A-Fa-f]+))"),
        re.compile(r"(?:0x)?([0-9A-Fa-f]{2})(?![x])"),
        re.compile("|".join(_WORTH)),
    )


def _character(match: re.Match[str]) -> str:
    code = int(match[1] or match[2], 16)
    # A lone half of a surrogate pair is no character; the pair is put together by whoever wrote real JSON.
    return chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd"


def _token(piece: str) -> tuple[str | None, str]:
    body = piece.replace("\r", "").replace("\n", "").rstrip("=")
    if len(body) % 2 == 0 and _is_all(_HEX, body):
        plain = _unpacked(bytes.fromhex(body))
        if plain is not None:
            return plain, "hex"
    if len(body) >= 13 and _is_all(_BASE32, body):
        try:
            plain = _unpacked(base64.b32decode(body + "=" * (-len(body) % 8)))
        except binascii.Error:
            plain = None
        if plain is not None:
            return plain, "base32"
    usual = body.replace("-", "+").replace("_", "/")
    # A text that is not cut at a group of four still decodes up to there.
    usual = usual[:-1] if len(usual) % 4 == 1 else usual
    try:
        plain = _unpacked(base64.b64decode(usual + "=" * (-len(usual) % 4), validate=True))
    except binascii.Error:
        plain = None
    return plain, "base64"


def _unpacked(raw: bytes) -> str | None:
    if raw[:2] == b"\x1f\x8b" or (raw[:1] == b"\x78" and raw[1:2] in (b"\x01", b"\x5e", b"\x9c", b"\xda")):
        inflater = zlib.decompressobj(47)
        try:
            unpacked = inflater.decompress(raw, MAX_DECODED)
        except zlib.error:
            return None
        return None if inflater.unconsumed_tail else _as_text(unpacked, 4)
    return _as_text(raw, 6)


def _as_text(raw: bytes, least: int) -> str | None:
    """`raw` as the text it is: UTF-8, UTF-16 or GB 18030, and nearly all of it printable."""
    if len(raw) < least:
        return None
    encodings = ("utf-8", "gb18030")
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encodings = ("utf-16", "gb18030")
    elif 0 in raw and raw[1::2].count(0) > len(raw) // 3:
        encodings = ("utf-16-le", "utf-8")
    elif 0 in raw and raw[::2].count(0) > len(raw) // 3:
        encodings = ("utf-16-be", "utf-8")
    elif (len(raw) - len(raw.translate(None, _CONTROLS))) * 20 > len(raw):
        return None  # sooner said than by decoding it
    for encoding in encodings:
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        odd = _unprintable(text)
        if odd * 20 <= len(text) and (encoding != "gb18030" or _is_everyday_chinese(text)):
            return text
    return None


def _is_all(characters: re.Pattern[str], body: str) -> bool:
    if characters.fullmatch(body, 0, SLICE) is None:
        return False
    return all(characters.fullmatch(body, start, start + SLICE) for start in range(SLICE, len(body), SLICE))


def _unprintable(text: str) -> int:
    """How many characters of `text` cannot be shown, but for those that lay it out."""
    odd = 0
    for start in range(0, len(text), SLICE):
        piece = text[start : start + SLICE].translate(_LAYOUT)
        if not piece.isprintable():
            odd += sum(1 for character in piece if not character.isprintable())
    return odd


def _is_everyday_chinese(text: str) -> bool:
    # GB 18030 reads nearly any bytes as rare characters: what is meant as Chinese is mostly the common third of them.
    others = len(text) - len(text.encode("ascii", "ignore"))
    # What GB 2312 has, in two bytes each; its characters are in the rows from 0xB0, the common ones up to 0xD7.
    rows = text.encode("gb2312", "ignore").translate(None, _ASCII)[::2]
    common = len(rows) - len(rows.translate(None, _COMMON_ROWS))
    return others >= 2 and common * 10 >= others * 7


def _looks_opaque(piece: str) -> bool:
    body = piece.rstrip("=")
    if len(body) < _OPAQUE_LENGTH:
        return False
    seen: set[str] = set()
    for start in range(0, len(body), SLICE):
        seen.update(body[start : start + SLICE])
    kinds = len(seen)
    if kinds <= 16:
        return len(body) >= _OPAQUE_HEX_LENGTH and kinds >= 12
    return (
        kinds >= 24
        and any(c.isdigit() for c in body)
        and any(c.isupper() for c in body)
        and any(c.islower() for c in body)
    )
