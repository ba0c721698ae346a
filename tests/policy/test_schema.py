"""The schema that editors use is the one that the reader's own tables give, and accepts what the reader accepts."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.core.problems import Problems
from gateway.policy.compile import load
from gateway.policy.keys import KEYS, REQUIRED
from gateway.policy.schema import schema

from .making import EXAMPLE

ROOT = Path(__file__).parents[2]


def test_the_schema_in_the_folder_is_the_one_that_the_types_give() -> None:
    assert (ROOT / "policies" / "policy.schema.json").read_text("utf-8") == schema()


def test_every_group_of_keys_is_closed_and_the_same_as_the_readers() -> None:
    top = json.loads(schema())
    assert list(top["properties"]) == list(KEYS["policy"])
    assert top["required"] == list(REQUIRED["policy"])
    assert top["additionalProperties"] is False
    route = top["properties"]["routes"]["items"]
    assert list(route["properties"]) == list(KEYS["route"])
    assert list(route["properties"]["when"]["properties"]) == list(KEYS["when"])


KINDS: dict[str, type | tuple[type, ...]] = {
    "object": dict, "array": list, "string": str, "integer": int, "number": (int, float),
}  # fmt: skip


def fits(value: Any, rule: dict[str, Any]) -> bool:
    """As much of JSON Schema as the schema uses: whether `value` satisfies every keyword of `rule`."""
    return all(check(value, given, rule) for keyword, given in rule.items() if (check := KEYWORDS.get(keyword)))


def _of_kind(value: Any, given: Any, rule: dict[str, Any]) -> bool:
    kinds = given if isinstance(given, list) else [given]
    return not isinstance(value, bool) and any(isinstance(value, KINDS[kind]) for kind in kinds)


def _properties(value: Any, given: Any, rule: dict[str, Any]) -> bool:
    return all(fits(one, given[key]) for key, one in value.items() if key in given)


def _others(value: Any, given: Any, rule: dict[str, Any]) -> bool:
    others = [one for key, one in value.items() if key not in rule.get("properties", {})]
    return not others if given is False else all(fits(one, given) for one in others)


KEYWORDS: dict[str, Callable[[Any, Any, dict[str, Any]], bool]] = {
    "anyOf": lambda value, given, rule: any(fits(value, one) for one in given),
    "oneOf": lambda value, given, rule: sum(fits(value, one) for one in given) == 1,
    "const": lambda value, given, rule: value == given and isinstance(value, type(given)),
    "enum": lambda value, given, rule: value in given,
    "type": _of_kind,
    "properties": lambda value, given, rule: isinstance(value, dict) and _properties(value, given, rule),
    "additionalProperties": lambda value, given, rule: isinstance(value, dict) and _others(value, given, rule),
    "propertyNames": lambda value, given, rule: all(fits(key, given) for key in value),
    "required": lambda value, given, rule: isinstance(value, dict) and all(key in value for key in given),
    "items": lambda value, given, rule: isinstance(value, list) and all(fits(one, given) for one in value),
    "minItems": lambda value, given, rule: len(value) >= given,
    "uniqueItems": lambda value, given, rule: len({json.dumps(one) for one in value}) == len(value),
    "minProperties": lambda value, given, rule: len(value) >= given,
    "minimum": lambda value, given, rule: isinstance(value, int | float) and value >= given,
    "maximum": lambda value, given, rule: value <= given,
    "pattern": lambda value, given, rule: isinstance(value, str) and re.search(given, value) is not None,
}

EVERYTHING = EXAMPLE.replace("version: 42\n", "version: 42\ntime_zone: '+08:00'\n")
EVERYTHING = EVERYTHING.replace("  may_leave:", "  history: known_clean\n  carriers: {image: internal}\n  may_leave:")
EVERYTHING = EVERYTHING.replace(
    "  - {id: rest",
    """\
  - id: whole
    when:
      label: "<= internal"
      complexity: [simple, hard]
      tenant_class: hospital
      model: chat-auto
      capability: [tools, vision]
      modality: {has: image, only: [text, image]}
      context: "> 32k"
      time: [{days: [mon, fri], from: "08:00", to: "20:00"}, {to: "24:00"}]
      pressure: {onprem: [saturated, down], cloud: free}
      budget: ok
    to: [gpu-large]
    spill: [burst]
    on_full: {queue: 5s}
    only: {processor: [none, own], residency: none, agreement: none}
    canary: {pool: sglang, percent: 2.5}
    cache: never
    audit: strict
  - {id: night, when: {modality: [image, audio], time: {from: "22:00", to: "06:00"}}, to: [sglang], cache: 5m}
  - {id: green, when: {budget: spent}, to: [{pool: sglang, weight: 9}, {pool: gpu-small, weight: 0.5}], cache: 5m,
     mirror: {pool: gpu-large, percent: 1}}
  - {id: rest""",
)
EVERYTHING = EVERYTHING.replace(
    "  - {id: N4, total: true}",
    """\
  - {id: N4, total: true}
  - {id: P1, never: {budget: spent, residency: [us, none], processor: other}}
  - {id: P2, only: {modality: image, residency: none}}
  - {id: P3, monotone: {raising: [label, taint, coverage], may_not_add: cloud}}
  - {id: P4, client: may_not_steer}""",
)


def test_good_policies_fit_the_schema() -> None:
    rules = json.loads(schema())
    files = [ROOT / "policies" / "default.yaml", *(ROOT / "policies" / "examples").glob("*.yaml")]
    for text in (EXAMPLE, EVERYTHING, *(file.read_text("utf-8") for file in files)):
        assert fits(yaml.safe_load(text), rules)
    assert load(EVERYTHING.encode(), "p").utc_offset_min == 480


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("time_zone: '+08:00'", "time_zone: Asia/Shanghai"),
        ("history: known_clean", "history: clean"),
        ("apiVersion: tidegate/v1", "more: 1\napiVersion: tidegate/v1"),
        ("only: [text, image]}", "onyl: [text, image]}"),
        ('context: "> 32k"', 'context: "== 32k"'),
        ('context: "> 32k"', 'context: "> many"'),
        ('from: "08:00"', 'from: "8:00"'),
        ('{to: "24:00"}', "{}"),
        ("days: [mon, fri]", "days: [monday]"),
        ("[saturated, down]", "[saturated, saturated]"),
        ("budget: ok", "budget: [ok]"),
        ("percent: 2.5", "percent: 101"),
        ("{pool: sglang, percent: 2.5}", "{pool: sglang}"),
        ("only: {processor: [none, own], residency: none, agreement: none}", "only: {}"),
        ("cache: never\n", "cache: always\n"),
        ("audit: strict", "audit: full"),
        ("    to: [gpu-large]\n", ""),
        ("    to: [gpu-large]\n", "    to: [gpu-large]\n    deny: no\n"),
        ("    to: [gpu-large]\n", "    to: [gpu-large]\n    mask: [EMAIL]\n"),
        ("residency: [us, none], processor: other", "zone: cloud, processor: other"),
        ("residency: [us, none], processor: other", "label: '> public'"),
        ("{modality: image, residency: none}", "{modality: image}"),
        ("raising: [label, taint, coverage]", "raising: [budget]"),
        ("client: may_not_steer", "client: may_steer"),
        ("{id: P4, client", "{id: P4, total: true, client"),
    ],
)
def test_what_the_schema_refuses_the_reader_refuses_too(old: str, new: str) -> None:
    assert EVERYTHING.count(old) == 1, old
    text = EVERYTHING.replace(old, new)
    assert not fits(yaml.safe_load(text), json.loads(schema()))
    with pytest.raises(Problems):
        load(text.encode(), "p")
