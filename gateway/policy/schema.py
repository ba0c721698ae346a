"""The JSON Schema of a policy file, so that an editor completes and underlines.

Made from the key table and the enumerations that `form.py` reads with: a key that one of them lacks is an error here.
It is weaker than the reader (it knows no references), never stronger.
"""

import json
from collections.abc import Mapping

from gateway.core.entities import ENTITIES
from gateway.core.facts import Capability, Complexity
from gateway.core.findings import Tier
from gateway.core.reading import API_VERSION, NAME_PATTERN
from gateway.core.topology import Tls
from gateway.policy.document import CARRIERS
from gateway.policy.form import COMPARISONS, EVIDENCE_KINDS, INVARIANT_KINDS, KEYS, REQUIRED

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
            "labels": _list(label, "a total order, lowest first"),
            "cloud_ceiling": _name("nothing above this label ever leaves; `none`: nothing leaves"),
            "label": _evidence(label, entity),
            "zones": _named(_zone(), "where data is; `onprem` is home, every other zone counts as gone"),
            "models": _named(_group("model", {"pools": pools}), "what clients may call; `*`: any other", least=1),
            "routes": _list(_route(pools), "first match wins; the last row matches everything", unique=False),
            "cache": _named({"anyOf": [{"const": "never"}, _time()]}, "how long an answer may be reused, by label"),
            "invariants": _list(_invariant(), "proved for every state before the policy loads", unique=False, least=0),
        },
    )
    title = "Tidegate policy"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title, **top}


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
    tiers = [tier for tier in Tier if tier is not Tier.NER]
    return _group(
        "label",
        {
            "default": _name("the label when nothing was found"),
            "unscanned": _name("the label of what could not be read: the highest"),
            "unmapped": _name("the label of a finding that no rule names: the highest"),
            "may_leave": _list(entity, "entities that may leave, acknowledged by name", least=0),
            "rules": _list(rule, "each can only raise the label", unique=False, least=0),
            "carriers": {
                "type": "object",
                "description": "labels for kinds of content that cannot be read",
                "properties": {name: {**label, "description": text} for name, text in CARRIERS.items()},
                "additionalProperties": False,
            },
            "tiers": _list({"enum": tiers}, "what must have been looked for before a request may leave"),
        },
    )


def _zone() -> _Schema:
    network: _Schema = {"type": "string", "description": "`10.0.0.0/8`, `unix`, or `any`"}
    return _group(
        "zone",
        {"networks": {"anyOf": [network, {"type": "array", "items": network, "minItems": 1}]}, "tls": _enum(Tls)},
    )


def _conditions() -> Mapping[str, _Schema]:
    pattern = f"^({'|'.join(COMPARISONS)}) *[A-Za-z0-9]"
    return {
        "label": {"type": "string", "pattern": pattern, "description": "`>= confidential`, `< internal`, `== public`"},
        "complexity": _one_or_more(_enum(Complexity)),
        "tenant_class": _one_or_more(_name("a class of tenants.yaml")),
        "capability": _one_or_more(_enum(Capability)),
        "model": _one_or_more({"type": "string"}),
    }


def _route(pools: _Schema) -> _Schema:
    route = _group(
        "route",
        {
            "id": _name("what records and explanations call this row"),
            "when": {**_group("when", _conditions()), "description": "all of these must hold; `{}` is everything"},
            "to": pools,
            "spill": {**pools, "minItems": 0, "description": "pools for when those in `to` have no room"},
            "on_full": _group("on_full", {"queue": _time()}),
            "deny": {"type": "string", "description": "refuse, with this message for the caller"},
        },
    )
    return {**route, "oneOf": [{"required": ["to"]}, {"required": ["deny"]}]}


def _invariant() -> _Schema:
    place = {"zone": _name("a zone"), "pool": _name("a pool")}
    never = _group("never", {**_conditions(), **place})
    never["oneOf"] = [{"required": [key]} for key in place]
    invariant = _group(
        "invariant",
        {
            "id": _name("what a failed proof calls it"),
            "never": never,
            "monotone": _group("monotone", {"raising": {"const": "label"}, "may_not_add": {"const": "cloud"}}),
            "total": {"const": True},
            "reachable": {"const": "all_routes"},
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


def _one_or_more(value: _Schema) -> _Schema:
    return {"anyOf": [value, {"type": "array", "items": value, "minItems": 1, "uniqueItems": True}]}


def _name(description: str) -> _Schema:
    return {"type": "string", "pattern": f"^{NAME_PATTERN}$", "description": description}


def _enum(values: type[Capability] | type[Complexity] | type[Tls]) -> _Schema:
    return {"enum": [str(value) for value in values]}


def _integer(description: str) -> _Schema:
    return {"type": "integer", "minimum": 1, "description": description}


def _time() -> _Schema:
    return {"type": "string", "pattern": "^[0-9]{1,9}(ms|s|m|h)$", "description": "`250ms`, `10s`, `5m`, `2h`"}
