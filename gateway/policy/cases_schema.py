"""The JSON Schema of a file of golden cases, so that an editor completes and underlines.

Made from the key tables and enumerations that `cases_file.py` and `given_facts.py` read with: a key that one of them
lacks is an error here. It is weaker than the reader (it knows no policy), never stronger.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Final

from gateway.core.decision import AuditLevel, DenyCode
from gateway.core.entities import ENTITIES
from gateway.core.facts import Budget, Capability, Complexity, Modality, Pressure
from gateway.core.findings import History, Tier
from gateway.core.reading import API_VERSION, NAME_PATTERN
from gateway.policy import given_facts
from gateway.policy.cases_file import ACTIONS, KEYS, REQUIRED
from gateway.policy.document import CARRIERS
from gateway.policy.keys import DAYS

_Schema = dict[str, object]

_DURATION: Final = "^(never|[0-9]{1,9}(ms|s|m|h))$"


def schema() -> str:
    """The schema as JSON text, the same for every call."""
    top = _group(
        "file",
        {
            "apiVersion": {"const": API_VERSION},
            "facts": {**_facts(), "description": "usual for every case of this file"},
            "cases": {"type": "array", "items": _case(), "minItems": 1},
        },
    )
    shown = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Tidegate policy cases", **top}
    return json.dumps(shown, indent=2, ensure_ascii=False) + "\n"


def _case() -> _Schema:
    return _group(
        "case",
        {
            "name": {"type": ["string", "number"], "description": "what a failure calls it"},
            "text": {"type": ["string", "number"], "description": "a chat with this one message"},
            "request": {"type": "object", "description": "a chat request as a client sends it"},
            "findings": {"type": "array", "items": {"anyOf": [_enum(ENTITIES), _finding()]}},
            "unscanned": _list(_enum(CARRIERS), "parts that nobody could read"),
            "failure": _name("why the scan did not finish"),
            "tiers": _list(_enum(Tier), "the scans that ran; all of them if not given"),
            "history": _enum(History),
            "taint": _name("the highest label of what produced the replies in the history"),
            "facts": _facts(),
            "expect": _expected(),
        },
    )


def _finding() -> _Schema:
    finding = _group(
        "finding",
        {
            "entity": _enum(ENTITIES),
            "marker": {"type": ["string", "number"], "description": "a marker of the policy"},
            "score": {"type": "number", "minimum": 0, "maximum": 1},
            "count": {"type": "integer", "minimum": 1, "description": "so many of them"},
        },
    )
    return {**finding, "oneOf": [{"required": ["entity"]}, {"required": ["marker"]}]}


def _expected() -> _Schema:
    pools = _list(_name("a pool"), "the whole list, in order")
    label = _name("a label")
    expected = _group(
        "expect",
        {
            "label": {**label, "description": "the label that governs"},
            "label_low": {**label, "description": "the label of what was found so far"},
            "action": _enum(ACTIONS),
            "route": _name("the row that matches"),
            "to": pools,
            "spill": pools,
            "canary": _name("the pool that takes a share first, or `none`"),
            "mirror": _name("the pool that gets copies of a share, or `none`"),
            "code": _enum(DenyCode),
            "cache": {"type": "string", "pattern": _DURATION},
            "audit": _enum(AuditLevel),
        },
    )
    return {**expected, "minProperties": 1}


def _facts() -> _Schema:
    days = "|".join(DAYS)
    label = _name("a label")
    properties: dict[str, _Schema] = {
        "label": {**label, "description": "only where a case has nothing that gives a label"},
        "model": {"type": ["string", "number"], "description": "what the client asks for"},
        "label_low": {**label, "description": "what was found so far"},
        "tenant_class": _name("a class of tenants.yaml"),
        "ceiling": _name("the highest label that may leave, or `none`; the class's if not given"),
        "capabilities": _list(_enum(Capability), "what the request needs"),
        "complexity": _enum(Complexity),
        "modalities": _list(_enum(Modality), "what its content is made of"),
        "context": {"type": ["integer", "string"], "description": "tokens that it may need, `32768` or `32k`"},
        "time": {"type": "string", "pattern": f"^({days}) [0-2][0-9]:[0-5][0-9]$", "description": "`mon 09:30`"},
        "pressure": {"type": "object", "additionalProperties": _enum(Pressure), "description": "by zone"},
        "budget": _enum(Budget),
    }
    assert set(properties) == set(given_facts.KEYS)  # noqa: S101  # the schema and the reader know the same keys
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _group(name: str, properties: Mapping[str, _Schema]) -> _Schema:
    assert set(properties) == set(KEYS[name])  # noqa: S101  # the schema and the reader know the same keys
    return {
        "type": "object",
        "properties": {key: properties[key] for key in KEYS[name]},
        "required": list(REQUIRED[name]),
        "additionalProperties": False,
    }


def _list(item: _Schema, description: str) -> _Schema:
    return {"type": "array", "description": description, "items": item, "uniqueItems": True}


def _name(description: str) -> _Schema:
    return {"type": "string", "pattern": f"^{NAME_PATTERN}$", "description": description}


def _enum(values: Iterable[str]) -> _Schema:
    return {"enum": [str(value) for value in values]}
