"""The schema that editors use is the one that the reader's own tables give, and accepts what the reader accepts."""

import json
from pathlib import Path

import yaml

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


def fits(value: object, rule: dict[str, object]) -> bool:
    """As much of JSON Schema as is needed to see that keys and enumerations agree with a good file."""
    if "anyOf" in rule:
        return any(fits(value, one) for one in rule["anyOf"])  # type: ignore[attr-defined]
    if "const" in rule:
        return value == rule["const"]
    if "enum" in rule:
        return value in rule["enum"]  # type: ignore[operator]
    if isinstance(value, dict):
        properties = rule.get("properties", {})
        other = rule.get("additionalProperties", True)
        required = rule.get("required", [])
        return all(key in value for key in required) and all(  # type: ignore[attr-defined]
            fits(one, properties[key]) if key in properties else isinstance(other, dict) and fits(one, other)  # type: ignore[index,operator]
            for key, one in value.items()
        )
    if isinstance(value, list):
        return rule["type"] == "array" and all(fits(one, rule["items"]) for one in value)  # type: ignore[arg-type]
    kind = {"string": str, "integer": int, "number": (int, float)}
    wanted = rule["type"] if isinstance(rule["type"], list) else [rule["type"]]
    return any(isinstance(value, kind[one]) for one in wanted)


def test_good_policies_fit_the_schema() -> None:
    rules = json.loads(schema())
    for text in (EXAMPLE, (ROOT / "policies" / "default.yaml").read_text("utf-8")):
        assert fits(yaml.safe_load(text), rules)
    assert not fits({**yaml.safe_load(EXAMPLE), "more": 1}, rules)
