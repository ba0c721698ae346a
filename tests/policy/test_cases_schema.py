"""The schema of case files is the one that the reader's own tables give, and accepts the cases that ship."""

import json
from pathlib import Path

import pytest

from gateway.core import written
from gateway.policy.cases_file import KEYS, REQUIRED
from gateway.policy.cases_schema import schema
from gateway.policy.given_facts import KEYS as FACTS

from .test_schema import fits

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "policies" / "cases").glob("*.yaml"))


def test_the_schema_in_the_folder_is_the_one_that_the_types_give() -> None:
    assert (ROOT / "policies" / "cases.schema.json").read_text("utf-8") == schema()


def test_every_group_of_keys_is_closed_and_the_same_as_the_readers() -> None:
    top = json.loads(schema())
    case = top["properties"]["cases"]["items"]
    assert list(top["properties"]) == list(KEYS["file"])
    assert list(case["properties"]) == list(KEYS["case"])
    assert case["required"] == list(REQUIRED["case"])
    assert list(case["properties"]["expect"]["properties"]) == list(KEYS["expect"])
    assert list(case["properties"]["facts"]["properties"]) == list(FACTS)
    assert top["additionalProperties"] is case["additionalProperties"] is False


@pytest.mark.parametrize("file", FILES, ids=[file.name for file in FILES])
def test_the_cases_that_ship_fit_the_schema(file: Path) -> None:
    shown = json.loads(written.canonical(written.parse(file.read_bytes(), file.name).root))
    assert fits(shown, json.loads(schema()))


@pytest.mark.parametrize(
    "case",
    [
        {"name": "a", "text": "b"},
        {"name": "a", "text": "b", "expect": {}},
        {"name": "a", "text": "b", "expect": {"action": "drop"}},
        {"name": "a", "text": "b", "expect": {"label": "x", "pool": "y"}},
        {"name": "a", "findings": [{"entity": "EMAIL", "marker": "x"}], "expect": {"action": "deny"}},
    ],
)
def test_what_the_reader_refuses_for_its_form_does_not_fit(case: dict[str, object]) -> None:
    assert not fits({"apiVersion": "tidegate/v1", "cases": [case]}, json.loads(schema()))
