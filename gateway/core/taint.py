"""How replies are found again in later requests, so that they keep the label of what produced them (threats.md 13).

A reply is remembered as a keyed hash of its letters and digits, under its tenant and credential; a short one only
together with the message before it, since "Yes." was said to everybody. Here is what is hashed, what of a request is
looked up, and what the answers mean. Hashing needs a key and remembering a store: both are the runtime's.

What this cannot catch: a reply that somebody retypes, paraphrases, translates or quotes in part; one that was cut off
and of which the client kept another piece than we sent; and what was copied to another credential.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from gateway.core.findings import History
from gateway.core.labels import Label, LabelOrder, join

SHORT: Final = 180
"""Letters and digits up to which a reply says too little to be told from the same words said elsewhere: a refusal in
one or two polite sentences is that long. Lower, and refusals keep harmless chats home; higher, and more replies are
lost with their question (`bench/taint.py` shows both)."""


_ELSE: Final = re.compile(r"[\W_]+")
_ELSE_ASCII: Final = bytes(code for code in range(128) if not chr(code).isalnum())
_LOWER: Final = bytes(range(256)).lower()


class Speaker(StrEnum):
    """Whose words a turn holds, as far as it matters here."""

    SYSTEM = "system"  # instructions: the same for everybody, and never marked
    USER = "user"
    MODEL = "model"
    TOOL = "tool"


class Turn(msgspec.Struct, frozen=True, gc=False):
    """One message of a conversation: all texts in it, the arguments of its tool calls included."""

    speaker: Speaker
    texts: tuple[str, ...]


class Sought(msgspec.Struct, frozen=True, gc=False):
    """Something of a request that may be a reply of ours. `is_reply` says that the request presents it as one."""

    material: bytes
    is_reply: bool


class Provenance(msgspec.Struct, frozen=True, gc=False):
    """What the record says about a request's history."""

    history: History
    taint: Label | None


NOTHING: Final = Provenance(History.NONE, None)
_MODEL: Final = Speaker.MODEL
_TOOL: Final = Speaker.TOOL
_USER: Final = Speaker.USER


def folded(text: str) -> str:
    """The letters and digits of `text`, compatibility forms and cases made equal: wrapping, quoting and Markdown go."""
    if text.isascii():
        # Fifty times as fast as the expression where every word is followed by a space.
        return text.encode().translate(_LOWER, _ELSE_ASCII).decode()
    return _ELSE.sub("", unicodedata.normalize("NFKC", text)).casefold()


def material(credential: str, text: str, before: Sequence[str]) -> bytes:
    """What is hashed of the reply `text` that followed a turn with the texts `before`, for one credential."""
    who = credential.encode()
    return _material(who, len(who), text, before)


def _material(who: bytes, size: int, text: str, before: Sequence[str]) -> bytes:
    if text.isascii():
        said = text.encode().translate(_LOWER, _ELSE_ASCII)  # as `folded`
        letters = len(said)
    else:
        words = folded(text)
        said = words.encode("utf-8", "surrogatepass")
        # Its letters count, and not their bytes.
        letters = len(words)
    # Without a letter or digit, an emoji for example, the text itself is what there is.
    what = said or text.strip().encode("utf-8", "surrogatepass")
    # Lengths first, so that no two lists of parts share one encoding.
    if letters > SHORT:
        return b"%d:%d:%b%b" % (size, len(what), who, what)
    asked = folded("\n".join(before)).encode("utf-8", "surrogatepass")
    return b"%d:%d:%d:%b%b%b" % (size, len(what), len(asked), who, what, asked)


def of_reply(credential: str, texts: Iterable[str], turns: Sequence[Turn]) -> tuple[bytes, ...]:
    """What is remembered of a reply with `texts` to a conversation of `turns`."""
    before = turns[-1].texts if turns else ()
    return tuple(material(credential, text, before) for text in texts if text.strip())


def sought_in(credential: str, turns: Sequence[Turn]) -> tuple[Sought, ...]:
    """What of a request is looked up: everything presented as a reply, and users' long texts, which may hold one."""
    found: list[Sought] = []
    # A long chat has many turns, and all of them are looked up each time.
    who = credential.encode()
    size = len(who)
    before: tuple[str, ...] = ()
    for turn in turns:
        speaker = turn.speaker
        for text in turn.texts:
            if speaker is _MODEL:
                if text.strip():
                    found += (Sought(_material(who, size, text, before), True),)
            elif speaker is _USER and len(text) > SHORT:
                found += (Sought(_material(who, size, text, before), False),)
        before = turn.texts
    return tuple(found)


def has_history(turns: Iterable[Turn]) -> bool:
    """Whether something in the conversation was not said by its users and their instructions."""
    for turn in turns:
        speaker = turn.speaker
        if speaker is _MODEL or speaker is _TOOL:
            return True
    return False


def judged(
    turns: Sequence[Turn],
    sought: Sequence[tuple[Sought, bytes]],
    recorded: Mapping[bytes, Collection[str]] | None,
    order: LabelOrder,
) -> Provenance:
    """What `recorded` says: label names by mark, or None if the record cannot be trusted. `sought` pairs with marks.

    A label that the order no longer has counts as the highest.
    """
    is_grown = has_history(turns)
    if not is_grown and not recorded:
        return NOTHING
    if recorded is None:
        return Provenance(History.LOST, None)
    labels = [_rank(order, name) for _, mark in sought for name in recorded.get(mark, ())]
    taint = join(labels) if labels else None
    if not is_grown:
        return Provenance(History.NONE, taint)
    is_known = all(mark in recorded for one, mark in sought if one.is_reply)
    return Provenance(History.ON_RECORD if is_known else History.UNKNOWN, taint)


def _rank(order: LabelOrder, name: str) -> Label:
    return order.rank(name) if name in order.names else order.top
