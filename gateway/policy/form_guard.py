"""What is asked of the facts and of pools, as written: `when`, the guards of invariants, `only`.

Reads groups into `WrittenGuard` and `WrittenAttributes` and reports faults of form. Every question is about one fact
and has finitely many answers; a question that cannot be asked so is no key of the language.
"""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final, TypeVar

from gateway.core.facts import Budget, Capability, Complexity, Modality, Pressure
from gateway.core.reading import Fields, Reader, Word, shown
from gateway.core.written import Group, Listing, Node, Place, Scalar
from gateway.policy.document import Window, WrittenAttributes, WrittenGuard
from gateway.policy.keys import ATTRIBUTES, COMPARISONS, DAYS, KEYS, LIMITS, MASK_RESERVED, REQUIRED
from gateway.policy.week import MINUTES_PER_DAY

_CLOCK: Final = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])")
_Choice = TypeVar("_Choice", bound=StrEnum)


def group(reader: Reader, node: Node | None, what: str, kind: str) -> Fields:
    """A group of the keys of `kind`. `mask` is of the language and not of this build."""
    return reader.fields(_supported(reader, node), what, KEYS[kind], REQUIRED[kind])


def guard(reader: Reader, node: Node | None, what: str) -> WrittenGuard:
    """What a route asks of the facts."""
    fields = group(reader, node, what, "when")
    return asked(reader, fields, is_total=isinstance(node, Group) and not node.entries)


def asked(reader: Reader, fields: Fields, *, is_total: bool = False) -> WrittenGuard:
    """What those of `fields` ask that are questions about facts."""
    has, only = _modalities(reader, fields.get("modality"))
    return WrittenGuard(
        at=fields.at,
        label=_label(reader, fields.get("label")),
        complexities=_choices(reader, fields.get("complexity"), "complexity", Complexity),
        tenant_classes=one_or_more(reader, fields.get("tenant_class"), "`tenant_class`"),
        capabilities=_choices(reader, fields.get("capability"), "capability", Capability),
        models=one_or_more(reader, fields.get("model"), "`model`", wildcard=True),
        modalities=has,
        only_modalities=only,
        context=_context(reader, fields.get("context")),
        windows=_windows(reader, fields.get("time")),
        pressure=_pressure(reader, fields.get("pressure")),
        budget=_budget(reader, fields.get("budget")),
        is_total=is_total,
    )


def attributes(reader: Reader, node: Node | None, what: str) -> WrittenAttributes | None:
    """What pools must be; None if nothing is asked of them."""
    if node is None:
        return None
    fields = group(reader, node, what, "attributes")
    if isinstance(node, Group) and not node.entries:
        reader.report(node.at, f"{what} asks nothing.", f"Write one or more of: {', '.join(ATTRIBUTES)}.")
    return where(reader, fields)


def where(reader: Reader, fields: Fields) -> WrittenAttributes | None:
    """The attributes among `fields`; None if there are none."""
    if not any(key in fields for key in ATTRIBUTES):
        return None
    return WrittenAttributes(
        at=fields.at,
        processors=one_or_more(reader, fields.get("processor"), "`processor`"),
        residencies=one_or_more(reader, fields.get("residency"), "`residency`"),
        agreements=one_or_more(reader, fields.get("agreement"), "`agreement`"),
    )


def one_or_more(reader: Reader, node: Node | None, what: str, *, wildcard: bool = False) -> tuple[Word, ...]:
    """A name, or a list of names."""
    if isinstance(node, Listing):
        return reader.names(node, what, wildcard=wildcard)
    word = reader.name(node, what, wildcard=wildcard)
    return (word,) if word is not None else ()


def place(fields: Fields, key: str) -> Place:
    """Where `key` has its value; where the group stands if it has none."""
    node = fields.get(key)
    return node.at if node is not None else fields.at


def _supported(reader: Reader, node: Node | None) -> Node | None:
    if not isinstance(node, Group):
        return node
    kept = []
    for key, value in node.entries:
        if key.text == "mask":
            reader.report(key.at, MASK_RESERVED, "Remove it.")
        else:
            kept.append((key, value))
    return Group(tuple(kept), node.at)


def _choices(reader: Reader, node: Node | None, key: str, kind: type[_Choice]) -> tuple[_Choice, ...]:
    return tuple(
        kind(word.text)
        for word in one_or_more(reader, node, f"`{key}`")
        if reader.reference(word, f"The {key}", tuple(kind)) is not None
    )


def _compared(text: str, signs: Sequence[str]) -> tuple[str, str] | None:
    sign = next((sign for sign in signs if text.startswith(sign)), None)
    return (sign, text.removeprefix(sign).strip()) if sign is not None else None


def _label(reader: Reader, node: Node | None) -> tuple[str, Word] | None:
    word = reader.text(node, "`label`")
    if word is None:
        return None
    compared = _compared(word.text, COMPARISONS)
    if compared is not None:
        return compared[0], Word(compared[1], word.at)
    mend = f'Write `label: ">= {word.text}"`' if shown(word.text).startswith("`") else 'Write `label: ">= internal"`'
    reader.report(word.at, "A label is compared by >=, <=, ==, > or <.", f"{mend}, for example.")
    return None


def _context(reader: Reader, node: Node | None) -> tuple[str, int] | None:
    word = reader.text(node, "`context`")
    if word is None:
        return None
    compared = _compared(word.text, LIMITS)
    if compared is None:
        message = "What a request needs of context is compared by >=, <=, > or <."
        reader.report(word.at, message, 'Write `context: "> 32k"`, for example.')
        return None
    number = reader.tokens(Scalar(compared[1], is_plain=True, at=word.at), "The number of tokens in `context`")
    return (compared[0], number) if number is not None else None


def _modalities(reader: Reader, node: Node | None) -> tuple[tuple[Modality, ...], tuple[Modality, ...]]:
    only: tuple[Modality, ...] = ()
    if isinstance(node, Group):
        fields = group(reader, node, "`modality`", "modality")
        has = _choices(reader, fields.get("has"), "modality", Modality)
        only = _choices(reader, fields.get("only"), "modality", Modality)
        if not node.entries:
            reader.report(node.at, "`modality` asks nothing.", "Write `has`, `only` or both.")
    else:
        has = _choices(reader, node, "modality", Modality)
    if node is not None and has == (Modality.TEXT,):
        message = "Every request holds text, so this asks nothing."
        reader.report(node.at, message, "For requests with nothing else write `modality: {only: text}`.")
    if node is not None and only and Modality.TEXT not in only:
        reader.report(node.at, "Every request holds text, so this never holds.", "Add `text` to `only`.")
    elif node is not None and only and not set(has) <= set(only):
        message = "`has` asks for what `only` forbids, so this never holds."
        reader.report(node.at, message, "Add it to `only`, or take it out of `has`.")
    return has, only


def _windows(reader: Reader, node: Node | None) -> tuple[Window, ...]:
    items = reader.items(node, "`time`") if isinstance(node, Listing) else (node,) if node is not None else ()
    return tuple(window for item in items if (window := _window(reader, item)) is not None)


def _window(reader: Reader, node: Node) -> Window | None:
    fields = group(reader, node, "A time window", "time")
    if isinstance(node, Group) and not node.entries:
        reader.report(node.at, "A time window asks nothing.", "Write `days`, `from` or `to`.")
    days = [
        DAYS.index(word.text)
        for word in one_or_more(reader, fields.get("days"), "`days`")
        if reader.reference(word, "The day", DAYS) is not None
    ]
    start = _minute(reader, fields.get("from"), "`from`", 0)
    end = _minute(reader, fields.get("to"), "`to`", MINUTES_PER_DAY)
    if start is None or end is None:
        return None
    if start in (MINUTES_PER_DAY, end) or end == 0:
        message = "This time window begins and ends at the same time, or at a time that its day does not have."
        reader.report(fields.at, message, "A day is from `00:00` to `24:00`; leave both out for the whole of it.")
        return None
    return Window(frozenset(days if "days" in fields else range(len(DAYS))), start, end)


def _minute(reader: Reader, node: Node | None, what: str, default: int) -> int | None:
    if node is None:
        return default
    word = reader.text(node, what)
    found = _CLOCK.fullmatch(word.text) if word is not None else None
    minute = int(found[1]) * 60 + int(found[2]) if found is not None else MINUTES_PER_DAY + 1
    if word is not None and minute > MINUTES_PER_DAY:
        reader.report(word.at, f"{what} must be a time of the day.", "Write `08:00`, or `24:00` for midnight.")
    return minute if minute <= MINUTES_PER_DAY else None


def _pressure(reader: Reader, node: Node | None) -> tuple[tuple[Word, tuple[Pressure, ...]], ...]:
    found = []
    for zone, value in reader.entries(node, "`pressure`"):
        states = _choices(reader, value, "pressure", Pressure)
        if states:
            found.append((zone, states))
    if isinstance(node, Group) and not node.entries:
        reader.report(node.at, "`pressure` must not be empty.", "Write `pressure: {onprem: saturated}`.")
    return tuple(found)


def _budget(reader: Reader, node: Node | None) -> Budget | None:
    found = reader.one_of(node, "`budget`", tuple(Budget))
    return Budget(found) if found is not None else None
