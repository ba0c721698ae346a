"""Facts as a person gives them: `--facts` on the command line, and the cases of `policy test`.

JSON is YAML, so one reader does both. A time is on the clock of the policy's own time windows.
"""

import re
from enum import StrEnum
from typing import Final, TypeVar

from gateway.core.facts import (
    MINUTES_PER_WEEK,
    Budget,
    Capability,
    Complexity,
    Modality,
    Pressure,
    RequestFacts,
    Surroundings,
)
from gateway.core.labels import Label
from gateway.core.reading import Fields, Reader
from gateway.core.written import Node
from gateway.policy.compiled import CompiledPolicy
from gateway.policy.document import NONE
from gateway.policy.keys import DAYS
from gateway.policy.week import MINUTES_PER_DAY

KEYS: Final = (
    *("label", "model", "label_low", "tenant_class", "ceiling", "capabilities", "complexity", "modalities", "context"),
    *("time", "pressure", "budget"),
)
_TIME: Final = re.compile(r"([a-z]+) ([01][0-9]|2[0-3]):([0-5][0-9])")
_Member = TypeVar("_Member", bound=StrEnum)


def read(root: Node, reader: Reader, compiled: CompiledPolicy) -> RequestFacts | None:
    """The facts at `root` under `compiled`; what is not given is usual: the class `default` and its ceiling, text,
    a quiet moment."""
    fields = reader.fields(root, "The facts", KEYS, ("label", "model"))
    high = _label(fields, "label", reader, compiled)
    low = _label(fields, "label_low", reader, compiled)
    if high is not None and low is not None and low > high:
        reader.report(fields.at, "`label_low` is above `label`: a full scan can only take away.", "Lower it.")
    model = reader.text(fields.get("model"), "`model`")
    named = reader.name(fields.get("tenant_class"), "`tenant_class`")
    tenant_class = named.text if named is not None else "default"
    complexity = reader.one_of(fields.get("complexity"), "`complexity`", tuple(Complexity))
    capabilities = _members(fields, "capabilities", "The capability", Capability, reader)
    modalities = _members(fields, "modalities", "The modality", Modality, reader) | {Modality.TEXT}
    tokens = reader.tokens(fields.get("context"), "`context`")
    ceiling = _ceiling(fields, tenant_class, reader, compiled)
    surroundings = _surroundings(fields, reader, compiled)
    if high is None or model is None:
        return None
    return RequestFacts(
        label_low=low if low is not None else high,
        label_high=high,
        tenant_class=tenant_class,
        ceiling=ceiling,
        model=model.text,
        capabilities=capabilities,
        complexity=Complexity(complexity) if complexity is not None else Complexity.MEDIUM,
        modalities=modalities,
        context_tokens=tokens if tokens is not None else 0,
        surroundings=surroundings,
    )


def _label(fields: Fields, key: str, reader: Reader, compiled: CompiledPolicy) -> Label | None:
    name = reader.reference(reader.name(fields.get(key), f"`{key}`"), "The label", compiled.order.names)
    return compiled.order.rank(name) if name is not None else None


def _ceiling(fields: Fields, tenant_class: str, reader: Reader, compiled: CompiledPolicy) -> Label | None:
    given = reader.name(fields.get("ceiling"), "`ceiling`")
    if given is None:
        return compiled.class_ceilings.get(tenant_class, compiled.ceiling)
    return None if given.text == NONE else _label(fields, "ceiling", reader, compiled)


def _members(fields: Fields, key: str, what: str, kind: type[_Member], reader: Reader) -> frozenset[_Member]:
    return frozenset(
        kind(word.text)
        for word in reader.names(fields.get(key), f"`{key}`", least=0)
        if reader.reference(word, what, tuple(kind)) is not None
    )


def _surroundings(fields: Fields, reader: Reader, compiled: CompiledPolicy) -> Surroundings:
    pressure = []
    for zone, value in reader.entries(fields.get("pressure"), "`pressure`"):
        reader.reference(zone, "The zone", compiled.zones)
        state = reader.one_of(value, f"The pressure of `{zone.text}`", tuple(Pressure))
        if state is not None:
            pressure.append((zone.text, Pressure(state)))
    budget = reader.one_of(fields.get("budget"), "`budget`", tuple(Budget))
    return Surroundings(
        minute_of_week=_minute(fields.get("time"), reader, compiled.utc_offset_min),
        pressure=tuple(pressure),
        budget=Budget(budget) if budget is not None else Budget.OK,
    )


def _minute(node: Node | None, reader: Reader, utc_offset_min: int) -> int:
    """The minute of the week in UTC that `mon 09:30` means in the policy's time zone."""
    word = reader.text(node, "`time`")
    if word is None:
        return 0
    found = _TIME.fullmatch(word.text)
    if found is None or found[1] not in DAYS:
        reader.report(word.at, "`time` must be a day and a time.", "Write `mon 09:30`, for example.")
        return 0
    minute = DAYS.index(found[1]) * MINUTES_PER_DAY + int(found[2]) * 60 + int(found[3])
    return (minute - utc_offset_min) % MINUTES_PER_WEEK
