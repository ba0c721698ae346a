"""Every place x disguise x entity of the threat model: found, or a known gap by name and with its reason.

All places are tried with two ways of writing, and all ways of writing in four places, since walking a request and
reading a text are independent. The slow test tries every cell, and that no gap has closed unnoticed.
"""

import pytest

from tests.detect import evaluation  # noqa: F401  # isort: skip

from corpus import carriers, transforms
from corpus.transforms import Mark, disguised
from scoring.detectors import Ours, default_policy
from scoring.matrix import cells, gaps, items, tried

from gateway.core.entities import ENTITIES

PLACES = ("messages.content parts", "tool_calls arguments", "tool result", "completions prompt")
MODEL_ONLY = {"ORG", "URL", "DATE"}
CONTEXT = {"HEALTH_CONTEXT", "FINANCE_CONTEXT", "OBFUSCATION"}


@pytest.fixture(scope="module")
def policy():
    return default_policy()


@pytest.fixture(scope="module")
def ours(policy):
    return Ours(policy)


def unknown(verdict):
    return [str(cell) for cell in verdict.failed if not any(gap.covers(cell) for gap in gaps())]


@pytest.mark.parametrize("transform", ["as written", "full-width"])
def test_a_value_is_found_in_every_place(ours, policy, transform):
    verdict = tried(ours, policy, cells(policy, transforms_=[transform]))
    assert verdict.tried > 5_000
    assert unknown(verdict) == []


@pytest.mark.parametrize("place", PLACES)
def test_a_value_is_found_in_every_disguise(ours, policy, place):
    verdict = tried(ours, policy, cells(policy, carriers_=[place]))
    assert verdict.tried > 2_500
    assert unknown(verdict) == []


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_cell_is_found_or_known_and_no_gap_has_closed(ours, policy):
    verdict = tried(ours, policy, cells(policy))
    assert unknown(verdict) == []
    closed = [gap.name for gap in gaps() if not any(gap.covers(cell) for cell in verdict.failed)]
    assert closed == [], "strike these off bench/eval/gaps.yaml"


def test_every_entity_that_the_scanner_finds_by_itself_is_in_the_matrix(policy):
    tried_entities = {item.maker.partition("/")[0] for item in items(policy)}
    assert ENTITIES.keys() - MODEL_ONLY - CONTEXT <= tried_entities
    assert "MARKER" in tried_entities


def test_a_gap_names_only_what_exists(policy):
    makers = {item.maker for item in items(policy)}
    known = makers | {maker.partition("/")[0] for maker in makers}
    for gap in gaps():
        assert set(gap.carriers) <= carriers.CARRIERS.keys(), gap.name
        assert set(gap.transforms) <= set(transforms.NAMES), gap.name
        assert set(gap.makers) <= known, gap.name
        assert gap.reason_en.endswith("."), gap.name
        assert gap.reason_zh.endswith("。"), gap.name


@pytest.mark.parametrize("name", transforms.NAMES[1:])
def test_a_disguise_hides_the_value_and_keeps_its_place(name):
    text = "身份证号：11010519491231002X，手机13812345678，SSN 536-90-4399, e-mail Ann.Lee@example.com."
    values = ("11010519491231002X", "13812345678", "536-90-4399", "Ann.Lee@example.com")
    marks = tuple(Mark("X", text.index(value), text.index(value) + len(value), value) for value in values)
    changed = disguised(text, marks, name)
    assert changed is not None
    assert changed[0] != text
    for mark in changed[1]:
        assert 0 <= mark.start < mark.end <= len(changed[0])
    if name in transforms.AROUND_TRANSFORMS:
        assert [changed[0][mark.start : mark.end] for mark in changed[1]] == list(values)
    else:
        assert [changed[0][mark.start : mark.end] for mark in changed[1]] != list(values)
