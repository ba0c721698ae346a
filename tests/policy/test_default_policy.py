"""What a newcomer gets: harmless text may spill to the cloud, everything sensitive stays at home."""

from pathlib import Path

import pytest

from gateway.core.entities import ENTITIES
from gateway.core.facts import Complexity
from gateway.core.findings import MARKER_PREFIX
from gateway.core.topology import Topology
from gateway.policy.compile import load
from gateway.policy.compiled import CompiledPolicy
from gateway.policy.decide import decide
from gateway.policy.labelling import label

from .making import INTERNAL, RESTRICTED, evidence, facts, pool, reached

FILE = Path(__file__).parents[2] / "policies" / "default.yaml"
POOLS = Topology((pool("home"), pool("burst", "cloud", INTERNAL)))


@pytest.fixture(scope="module")
def policy() -> CompiledPolicy:
    return load(FILE.read_bytes(), "default.yaml", POOLS, {"default": INTERNAL})


def places(policy: CompiledPolicy, *found: tuple[str, float] | str, model: str = "chat-auto") -> tuple[str, ...]:
    low, high = label(policy, evidence(*found))
    return reached(decide(policy, facts(high, model, low=low, complexity=Complexity.SIMPLE)))


def test_it_loads_alone_and_with_the_pools_that_it_names(policy: CompiledPolicy) -> None:
    assert policy.notes == ()
    assert load(FILE.read_bytes(), "default.yaml").digest == policy.digest
    assert b"\n  - {id: keep-home, " in FILE.read_bytes()
    assert b"\n  - {id: N1, never: " in FILE.read_bytes()
    assert policy.ceiling == INTERNAL


def test_a_harmless_question_may_leave_when_home_is_full(policy: CompiledPolicy) -> None:
    assert places(policy) == ("home", "burst")
    assert places(policy, model="chat-home") == ("home",)


@pytest.mark.parametrize("entity", ENTITIES)
def test_every_entity_is_named_and_leaves_only_if_that_is_acknowledged(policy: CompiledPolicy, entity: str) -> None:
    assert entity in policy.labels.named
    assert (places(policy, (entity, 0.0)) == ("home", "burst")) == (entity in policy.may_leave)


@pytest.mark.parametrize("entity", ["CN_RESIDENT_ID", "US_SSN", "BANK_CARD", "CREDENTIAL", "MEDICAL_RECORD"])
def test_hard_identifiers_are_restricted(policy: CompiledPolicy, entity: str) -> None:
    assert label(policy, evidence(entity)) == (RESTRICTED, RESTRICTED)


@pytest.mark.parametrize(
    ("found", "stays"),
    [
        (["EMAIL"], True), (["CN_MOBILE"], True), (["ADDRESS"], True), ([("EMAIL", 0.4)], False),
        (["PERSON"], False), (["HEALTH_CONTEXT"], False), (["FINANCE_CONTEXT"], False), (["ORG", "DATE", "URL"], False),
        (["PERSON", "HEALTH_CONTEXT"], True), (["PERSON", "FINANCE_CONTEXT"], True), (["PERSON"] * 20, True),
        ([f"{MARKER_PREFIX}机密"], True), ([f"{MARKER_PREFIX}internal only"], True), (["NEVER_HEARD_OF"], True),
    ],
)  # fmt: skip
def test_what_points_at_somebody_stays(policy: CompiledPolicy, found: list[str], stays: bool) -> None:
    assert places(policy, *found) == (("home",) if stays else ("home", "burst"))


def test_markers_are_in_both_languages(policy: CompiledPolicy) -> None:
    assert any(marker.isascii() for marker in policy.markers)
    assert any(not marker.isascii() for marker in policy.markers)
