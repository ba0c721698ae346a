"""Holes that people leave in policies, each in an otherwise good file: found, with a request that shows it."""

# ruff: noqa: E501  # the sentences are whole
from dataclasses import dataclass, field

import pytest

from gateway.core.facts import RequestFacts
from gateway.core.labels import Label
from gateway.core.problems import Problems
from gateway.core.topology import Topology
from gateway.policy.bans import Kind
from gateway.policy.compile import load
from gateway.policy.decide import decide
from gateway.policy.proof import Outcome, Proof
from gateway.policy.proof_words import problems, said
from gateway.policy.prove import prove

from .making import INTERNAL, pool, reached

GOOD = """\
apiVersion: tidegate/v1
version: 7
labels: [public, internal, confidential, restricted]
cloud_ceiling: internal
label:
  default: internal
  unscanned: restricted
  unmapped: restricted
  may_leave: [PERSON]
  rules:
    - {any_of: [EMAIL], label: confidential}
    - {any_of: [PERSON], label: internal}
zones: {onprem: {networks: [unix]}, cloud: {networks: any}}
models:
  chat: {pools: [home, small, burst, abroad]}
  chat-large: {pools: [home, burst]}
routes:
  - {id: keep, when: {label: ">= confidential"}, to: [home], on_full: {queue: 20s}}
  - {id: wards, when: {tenant_class: hospital}, to: [home, small]}
  - {id: no-batch, when: {tenant_class: batch, time: {days: [mon, tue, wed, thu, fri], from: "08:00", to: "20:00"}}, deny: "Batches run at night."}
  - {id: simple, when: {complexity: simple}, to: [small], spill: [burst]}
  - {id: rest, when: {}, to: [home], spill: [burst]}
invariants:
  - {id: N1, never: {label: ">= confidential", zone: cloud}}
  - {id: N2, never: {tenant_class: hospital, zone: cloud}}
  - {id: N3, monotone: {raising: [label, taint, coverage], may_not_add: cloud}}
  - {id: N4, total: true}
  - {id: N5, only: {label: ">= internal", residency: [cn]}}
  - {id: N6, client: may_not_steer}
...
"""
POOLS = Topology(
    (
        pool("home", residency="cn"),
        pool("small", residency="cn"),
        pool("burst", "cloud", INTERNAL, residency="cn"),
        pool("abroad", "cloud", INTERNAL, residency="us"),
    )
)
CLASSES: dict[str, Label | None] = {"default": INTERNAL, "hospital": INTERNAL, "batch": INTERNAL}


@dataclass(frozen=True)
class Hole:
    """What somebody wrote instead of what, and what the prover says of it."""

    name: str
    kinds: set[Kind]
    sentence: str
    edits: tuple[tuple[str, str], ...] = ()
    request: str = ""
    facts: dict[str, object] = field(default_factory=dict)
    classes: dict[str, Label | None] = field(default_factory=dict)
    topology: Topology = POOLS


HOLES = (
    Hole(
        "a spill to the cloud from a route for confidential text",
        {Kind.CEILING, Kind.CLEARANCE, Kind.NEVER},
        "p:18:5: The route `keep` sends requests labelled `confidential` to the pool `burst` in the zone `cloud`, above the cloud ceiling `internal`. Put a route with `when: {label: \">= confidential\"}` before it that stays home, or lower `when`.",
        (("to: [home], on_full", "to: [home], spill: [burst], on_full"),),
        "label confidential, tenant class default, model chat",
        {"label_high": Label(2)},
    ),
    Hole(
        "a route for sensitive text that begins one label too high",
        {Kind.CEILING, Kind.CLEARANCE, Kind.NEVER},
        "p:22:5: The route `rest` sends requests labelled `confidential` to the pool `burst` in the zone `cloud`, above the cloud ceiling `internal`. Put a route with `when: {label: \">= confidential\"}` before it that stays home, or lower `when`.",
        (('{id: keep, when: {label: ">= confidential"}', '{id: keep, when: {label: ">= restricted"}'),),
        "label confidential, tenant class default, model chat",
    ),
    Hole(
        "a cloud ceiling that was lifted, and a route moved after it",
        {Kind.NEVER, Kind.CLEARANCE},
        "p:22:5: The route `rest` sends requests labelled `confidential` to the pool `burst`, whose clearance is only `internal`. Take the pool out of the route, or lower `when`.",
        (
            ("cloud_ceiling: internal", "cloud_ceiling: confidential"),
            ('{id: keep, when: {label: ">= confidential"}', '{id: keep, when: {label: "> confidential"}'),
        ),
        "label confidential, tenant class default, model chat",
        classes={"default": Label(2)},
    ),
    Hole(
        "a class that raises its ceiling",
        {Kind.CEILING},
        "p: The tenant class `batch` has the ceiling `confidential`, above the policy's cloud ceiling `internal`. A class may only lower the ceiling: lower it in tenants.yaml.",
        classes={"batch": Label(2)},
        request="label confidential, tenant class batch",
        facts={"tenant_class": "batch"},
    ),
    Hole(
        "a route that refuses, behind one that takes its requests",
        {Kind.REACHABLE},
        "p:21:5: The route `no-batch` refuses nothing: the routes `keep`, `batches` take everything that it is for. Move it up, or remove it.",
        (("  - {id: no-batch", '  - {id: batches, when: {tenant_class: batch}, to: [home]}\n  - {id: no-batch'),),
        "tenant class batch, model chat",
        {"tenant_class": "batch"},
    ),
    Hole(
        "an entity that may leave and is not acknowledged",
        {Kind.LEAVING},
        "p:12:1: Findings of `PERSON` may still leave for the cloud, unacknowledged. Add `PERSON` to `label.may_leave`, or raise its label by a rule.",
        (("may_leave: [PERSON]", "may_leave: []"),),
        "Not acknowledged: `PERSON`.",
    ),
    Hole(
        "an entity that leaves while it is unsure or alone",
        {Kind.LEAVING},
        "p:11:1: Findings of `EMAIL` with a score below 0.6 may still leave for the cloud, unacknowledged. Add `EMAIL` to `label.may_leave`, or raise its label by a rule.",
        (("{any_of: [EMAIL], label", "{any_of: [EMAIL], min_score: 0.6, label"),),
        "EMAIL: score below 0.6; `may_leave` does not acknowledge it",
    ),
    Hole(
        "a mirror in the cloud, at weight 0, of a class that stays home",
        {Kind.NEVER},
        "p:19:5: The route `wards` sends requests labelled `public` as copies to its mirror, which counts at any share, to the pool `burst` in the zone `cloud`, which the invariant `N2` forbids. Change the route or the invariant.",
        (("to: [home, small]}", "to: [home, small], mirror: {pool: burst, percent: 0}}"),),
        "label public, tenant class hospital, model chat",
        {"tenant_class": "hospital"},
    ),
    Hole(
        "a canary in the cloud, at weight 0, of a class that stays home",
        {Kind.NEVER},
        "p:19:5: The route `wards` sends requests labelled `public` as its canary, which counts at any share, to the pool `burst` in the zone `cloud`, which the invariant `N2` forbids. Change the route or the invariant.",
        (("to: [home, small]}", "to: [home, small], canary: {pool: burst, percent: 0}}"),),
        "label public, tenant class hospital, model chat",
        {"tenant_class": "hospital"},
    ),
    Hole(
        "a pool abroad for text that stays in the country, in the middle of the night",
        {Kind.ONLY},
        "p:21:5: The route `night` sends requests labelled `internal` to the pool `abroad` in the zone `cloud`, which the invariant `N5` forbids (for example: on Mon 01:00 (UTC)). Change the route or the invariant.",
        (("  - {id: simple", '  - {id: night, when: {time: {from: "01:00", to: "05:00"}}, to: [home], spill: [burst, abroad]}\n  - {id: simple'),),
        "on Mon 01:00 (UTC)",
    ),
    Hole(
        "a label that opens the cloud when it is raised",
        {Kind.MONOTONE},
        "p:23:5: Raising the label from `public` to `internal` adds the pool `burst` outside the building, by the route `rest`. Let the route for `public` list the pool as well, or keep it out of this one.",
        (("  - {id: simple", '  - {id: website, when: {label: "== public"}, to: [home, small]}\n  - {id: simple'),),
        "It does not reach `burst`. With the label internal it does",
    ),
    Hole(
        "a pool whose clearance is lower than what its route sends",
        {Kind.CLEARANCE},
        "p:19:5: The route `wards` sends requests labelled `internal` to the pool `small`, whose clearance is only `public`. Take the pool out of the route, or lower `when`.",
        topology=Topology(tuple(pool("small", clearance=Label(0), residency="cn") if one.name == "small" else one for one in POOLS.pools)),
        request="label internal, tenant class hospital, model chat",
    ),
    Hole(
        "a model by whose name alone a class gets out",
        {Kind.NEVER},
        "p:19:5: The route `large` sends requests labelled `public` to the pool `burst` in the zone `cloud`, which the invariant `N2` forbids (for example: model chat-large). Change the route or the invariant.",
        (("  - {id: wards", '  - {id: large, when: {model: chat-large}, to: [home], spill: [burst]}\n  - {id: wards'),),
        "label public, tenant class hospital, model chat-large",
        {"model": "chat-large"},
    ),
)  # fmt: skip


def proof_of(hole: Hole) -> tuple[Proof, str, tuple[str, ...], RequestFacts | None]:
    text = GOOD
    for old, new in hole.edits:
        text = text.replace(old, new)
    assert text != GOOD or hole.classes or hole.topology is not POOLS
    compiled = load(text.encode(), "p", hole.topology, {**CLASSES, **hole.classes})
    proof = prove(compiled)
    first = next((one.counterexample for one in proof.verdicts if one.counterexample is not None), None)
    if first is not None:
        # A real request, whatever becomes of it: the gateway's own filters still stand.
        assert "burst" not in reached(decide(compiled, first.facts)) or first.facts.label_high <= INTERNAL
    return proof, said(proof, compiled, "en"), tuple(map(str, problems(proof, compiled, "p"))), first and first.facts


def test_the_policy_without_a_hole_is_proved() -> None:
    compiled = load(GOOD.encode(), "p", POOLS, CLASSES)
    proof = prove(compiled)
    assert proof.is_proved
    assert problems(proof, compiled, "p") == ()


@pytest.mark.parametrize("hole", HOLES, ids=lambda hole: hole.name)
def test_a_hole_is_found_and_shown_by_a_request(hole: Hole) -> None:
    proof, report, sentences, facts = proof_of(hole)
    disproved = {verdict.kind for verdict in proof.verdicts if verdict.outcome is Outcome.DISPROVED}
    assert disproved == hole.kinds
    assert sentences[0] == hole.sentence
    assert hole.request in report
    assert facts is not None
    for name, value in hole.facts.items():
        assert getattr(facts, name) == value


def test_a_file_without_a_last_row_does_not_compile() -> None:
    with pytest.raises(Problems, match="does not match everything"):
        load(GOOD.replace("  - {id: rest, when: {}, to: [home], spill: [burst]}\n", "").encode(), "p", POOLS, CLASSES)
