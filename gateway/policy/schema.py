"""The JSON Schema of a policy file, so that an editor completes and underlines.

Made from the key table (`keys.py`) and the enumerations that `form.py` reads with: a key that one of them lacks is an
error here. It is weaker than the reader (it knows no references), never stronger.
"""

import json
from collections.abc import Mapping
from enum import StrEnum

from gateway.core.decision import AuditLevel
from gateway.core.entities import ENTITIES
from gateway.core.facts import Budget, Capability, Complexity, Modality, Pressure
from gateway.core.findings import Tier
from gateway.core.reading import API_VERSION, NAME_PATTERN
from gateway.core.topology import Tls
from gateway.policy.document import CARRIERS, HistoryMode
from gateway.policy.form_rows import MOST_WEIGHT
from gateway.policy.keys import (
    ATTRIBUTES,
    COMPARISONS,
    DAYS,
    EVIDENCE_KINDS,
    INVARIANT_KINDS,
    KEYS,
    LIMITS,
    RAISED,
    REQUIRED,
)

_Schema = dict[str, object]


def schema() -> str:
    """The schema as JSON text, the same for every call."""
    return json.dumps(_policy(), indent=2, ensure_ascii=False) + "\n"


def _policy() -> _Schema:
    label = _name("a label")
    entity: _Schema = {"enum": list(ENTITIES), "description": "an entity that the scanner can report"}
    pools = _list(_name("a pool of pools.yaml"), "pools, in order")
    top = _group(
        "policy",
        {
            "apiVersion": {"const": API_VERSION},
            "version": _integer("rises with every change"),
            "restores": _integer("the earlier version that this one brings back"),
            "time_zone": {
                "type": "string",
                "pattern": "^[+-](0[0-9]|1[0-4]):[0-5][0-9]$",
                "description": "the clock of `time`: its distance from UTC, such as `+08:00`",
            },
            "labels": _list(label, "a total order, lowest first"),
            "cloud_ceiling": _name("nothing above this label ever leaves; `none`: nothing leaves"),
            "label": _evidence(label, entity),
            "zones": _named(_zone(), "where data is; `onprem` is home, every other zone counts as gone"),
            "models": _named(_group("model", {"pools": pools}), "what clients may call; `*`: any other", least=1),
            "complexity": _group(
                "complexity",
                {
                    "simple_below": _share("scores below are `simple`; 0.35 if it is not said"),
                    "hard_from": _share("scores from here on are `hard`; 0.75 if it is not said"),
                },
            ),
            "routes": _list(_route(pools), "first match wins; the last row matches everything", unique=False),
            "cache": _named(_reuse(), "how long an answer may be reused, by label"),
            "invariants": _list(_invariant(), "proved for every state before the policy loads", unique=False, least=0),
        },
    )
    title = "Tidegate policy"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title, **top}


def _share(means: str) -> _Schema:
    return {"type": "number", "minimum": 0, "maximum": 1, "description": means}


def _evidence(label: _Schema, entity: _Schema) -> _Schema:
    entities = _list(entity, "entities")
    rule = _group(
        "rule",
        {
            "any_of": entities,
            "all_of": entities,
            "count": {
                "type": "object",
                "description": "at least so many findings of any one of these",
                "propertyNames": entity,
                "additionalProperties": _integer("how many"),
                "minProperties": 1,
            },
            "marker": _list({"type": ["string", "number"]}, "words on papers that must not leave"),
            "min_score": {"type": "number", "minimum": 0, "maximum": 1, "description": "findings below do not count"},
            "label": label,
        },
    )
    rule["oneOf"] = [{"required": [kind]} for kind in EVIDENCE_KINDS]
    return _group(
        "label",
        {
            "default": _name("the label when nothing was found"),
            "unscanned": _name("the label of what could not be read: the highest"),
            "unmapped": _name("the label of a finding that no rule names: the highest"),
            "history": {
                "enum": list(HistoryMode),
                "description": "`known_clean`: a reply in the history that is not on record counts as unscanned",
            },
            "may_leave": _list(entity, "entities that may leave, acknowledged by name", least=0),
            "rules": _list(rule, "each can only raise the label", unique=False, least=0),
            "carriers": {
                "type": "object",
                "description": "labels for kinds of content that cannot be read",
                "properties": {name: {**label, "description": text} for name, text in CARRIERS.items()},
                "additionalProperties": False,
            },
            "tiers": _list(_enum(Tier), "what must have been looked for before a request may leave"),
        },
    )


def _zone() -> _Schema:
    network: _Schema = {"type": "string", "description": "`10.0.0.0/8`, `unix`, or `any`"}
    return _group(
        "zone",
        {"networks": {"anyOf": [network, {"type": "array", "items": network, "minItems": 1}]}, "tls": _enum(Tls)},
    )


def _conditions() -> Mapping[str, _Schema]:
    modality, window = _enum(Modality), _window()
    groups = _group("modality", {"has": _one_or_more(modality), "only": _one_or_more(modality)})
    return {
        "label": {
            "type": "string",
            "pattern": f"^({'|'.join(COMPARISONS)}) *[A-Za-z0-9]",
            "description": "`>= confidential`, `< internal`, `== public`",
        },
        "complexity": _one_or_more(_enum(Complexity)),
        "tenant_class": _one_or_more(_name("a class of tenants.yaml")),
        "capability": _one_or_more(_enum(Capability), "what the request needs: all of these"),
        "model": _one_or_more({"type": "string"}),
        "modality": {
            "anyOf": [*_choices_of(modality), {**groups, "minProperties": 1}],
            "description": "what the request is made of: all of these, or `{has: …, only: …}`",
        },
        "context": {
            "type": "string",
            "pattern": f"^({'|'.join(LIMITS)}) *[0-9]+[kK]?$",
            "description": "tokens of prompt and answer together: `> 32k`, `<= 8192`",
        },
        "time": {
            "anyOf": [window, {"type": "array", "items": window, "minItems": 1}],
            "description": "one of these parts of the week, on the clock of `time_zone`",
        },
        "pressure": _named(
            _one_or_more(_enum(Pressure)), "how zones are doing: `{onprem: [saturated, down]}`", least=1
        ),
        "budget": {**_enum(Budget), "description": "whether the money for burst is spent"},
    }


def _window() -> _Schema:
    clock: _Schema = {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$"}
    window = _group(
        "time",
        {
            "days": {**_one_or_more({"enum": list(DAYS)}), "description": "every day if it is left out"},
            "from": {**clock, "description": "`08:00`; the day's beginning if it is left out"},
            "to": {**clock, "description": "`20:00`; before `from`: on the next day; the day's end if it is left out"},
        },
    )
    return {**window, "minProperties": 1}


def _attributes() -> dict[str, _Schema]:
    said = {
        "processor": "who runs the pool",
        "residency": "where its data stays",
        "agreement": "the contract that covers it",
    }
    none = "; `none`: nobody vouches for it"
    return {key: _one_or_more(_name(text + none), text) for key, text in said.items()}


def _route(pools: _Schema) -> _Schema:
    only = {**_group("attributes", _attributes()), "minProperties": 1}
    route = _group(
        "route",
        {
            "id": _name("what records and explanations call this row"),
            "when": {**_group("when", _conditions()), "description": "all of these must hold; `{}` is everything"},
            "to": _pools_or_shares(pools),
            "spill": {**pools, "minItems": 0, "description": "pools for when those in `to` have no room"},
            "on_full": _group("on_full", {"queue": _time()}),
            "only": {**only, "description": "what its pools must be; others are left out and the row still matches"},
            "canary": _group(
                "canary",
                {
                    "pool": _name("a pool of pools.yaml that takes a share of this row's requests first"),
                    "percent": {"type": "number", "minimum": 0, "maximum": 100, "description": "how large a share"},
                },
            ),
            "mirror": _group(
                "mirror",
                {
                    "pool": _name("a pool of pools.yaml that gets a copy of a share of this row's requests"),
                    "percent": {"type": "number", "minimum": 0, "maximum": 100, "description": "how large a share"},
                },
            ),
            "cache": {**_reuse(), "description": "how long an answer may be reused; can only shorten the label's"},
            "audit": {**_enum(AuditLevel), "description": "`strict`: on disk before every attempt, at home too"},
            "deny": {"type": "string", "description": "refuse, with this message for the caller"},
        },
    )
    return {**route, "oneOf": [{"required": ["to"]}, {"required": ["deny"]}]}


def _pools_or_shares(pools: _Schema) -> _Schema:
    weight: _Schema = {
        "type": "number",
        "minimum": 0,
        "maximum": MOST_WEIGHT,
        "description": "how often it comes first, as part of the sum of all; 0: only when the others cannot",
    }
    weighted = _group("weighted", {"pool": _name("a pool of pools.yaml"), "weight": weight})
    return {"anyOf": [pools, _list(weighted, "pools of one zone that share out the first place", unique=False)]}


def _invariant() -> _Schema:
    place = {"zone": _name("a zone"), "pool": _name("a pool")}
    never = _group("never", {**_conditions(), **place, **_attributes()})
    attributed: list[_Schema] = [{"required": [key]} for key in ATTRIBUTES]
    never["oneOf"] = [*({"required": [key]} for key in place), {"anyOf": attributed}]
    only = {**_group("only", {**_conditions(), **_attributes()}), "anyOf": attributed}
    raising = _one_or_more({"enum": list(RAISED)}, "taint and coverage act through the label")
    invariant = _group(
        "invariant",
        {
            "id": _name("what a failed proof calls it"),
            "never": {**never, "description": "where nothing of this may ever get"},
            "only": {**only, "description": "what every pool that this can reach must be"},
            "monotone": _group("monotone", {"raising": raising, "may_not_add": {"const": "cloud"}}),
            "total": {"const": True},
            "reachable": {"const": "all_routes"},
            "client": {"const": "may_not_steer"},
        },
    )
    invariant["oneOf"] = [{"required": [kind]} for kind in INVARIANT_KINDS]
    return invariant


def _group(name: str, properties: Mapping[str, _Schema]) -> _Schema:
    assert set(properties) == set(KEYS[name])  # noqa: S101  # the schema and the reader know the same keys
    return {
        "type": "object",
        "properties": {key: properties[key] for key in KEYS[name]},
        "required": list(REQUIRED[name]),
        "additionalProperties": False,
    }


def _named(value: _Schema, description: str, *, least: int = 0) -> _Schema:
    return {"type": "object", "description": description, "additionalProperties": value, "minProperties": least}


def _list(item: _Schema, description: str, *, unique: bool = True, least: int = 1) -> _Schema:
    listed: _Schema = {"type": "array", "description": description, "items": item, "minItems": least}
    return {**listed, "uniqueItems": True} if unique else listed


def _one_or_more(value: _Schema, description: str = "") -> _Schema:
    said: _Schema = {"description": description} if description else {}
    return {"anyOf": _choices_of(value), **said}


def _choices_of(value: _Schema) -> list[_Schema]:
    return [value, {"type": "array", "items": value, "minItems": 1, "uniqueItems": True}]


def _name(description: str) -> _Schema:
    return {"type": "string", "pattern": f"^{NAME_PATTERN}$", "description": description}


def _enum(values: type[StrEnum]) -> _Schema:
    return {"enum": [value.value for value in values]}


def _integer(description: str) -> _Schema:
    return {"type": "integer", "minimum": 1, "description": description}


def _reuse() -> _Schema:
    return {"anyOf": [{"const": "never"}, _time()]}


def _time() -> _Schema:
    return {"type": "string", "pattern": "^[0-9]{1,9}(ms|s|m|h)$", "description": "`250ms`, `10s`, `5m`, `2h`"}
