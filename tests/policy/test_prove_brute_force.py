"""The prover against looking at every state: the same verdicts and the same number of states, on random policies."""

from unittest.mock import patch

import pytest

from gateway.policy import checks
from gateway.policy.bans import Kind
from gateway.policy.compile import load
from gateway.policy.compiled import CompiledPolicy
from gateway.policy.proof import Outcome, Proof
from gateway.policy.prove import prove

from .brute_force import Small, small

IDS = ("(ceiling)", "(clearance)", "(total)", "(monotone)", "(reachable)", "(deny)", "(leaving)", "I0", "I1")


def compiled(policy: Small) -> CompiledPolicy:
    # Not total is what the prover must find by itself; the compiler would refuse such a file before.
    with patch.object(checks._Checker, "_last_row"):
        return load(policy.text(), "p", policy.topology(), policy.class_ceilings())


def broken(proof: Proof) -> frozenset[str]:
    """The claims that a proof found broken; what a policy states itself by the name of what is always claimed."""
    own = {Kind.NEVER, Kind.ONLY}
    disproved = [verdict for verdict in proof.verdicts if verdict.outcome is Outcome.DISPROVED]
    return frozenset(one.id if one.kind in own or one.at is None else f"({one.kind})" for one in disproved)


def agree(seed: int, most_states: int) -> frozenset[str]:
    policy = small(seed, most_states)
    truth, proof = policy.truth(), prove(compiled(policy))
    is_stated = any("reachable" in stated for stated in policy.invariants)
    assert broken(proof) == (truth.broken if is_stated else truth.broken - {"(reachable)"}), seed
    assert proof.states == truth.states, seed
    assert frozenset(proof.dead) == truth.dead, seed
    assert {one.route: frozenset(one.by) for one in proof.shadowed} == truth.shadowed, seed
    assert {one.entity for one in proof.leaving} == truth.leaving, seed
    return truth.broken


def test_it_says_what_looking_at_every_state_says() -> None:
    broken = [agree(seed, 250) for seed in range(500)]
    # None of the claims is always true or always false among them.
    assert all(sum(id in one for one in broken) > 2 for id in IDS)
    assert sum(not one for one in broken) > 25


@pytest.mark.slow
@pytest.mark.timeout(900)  # two minutes on an idle machine, and this one may be busy
def test_it_says_so_of_ten_thousand_policies() -> None:
    assert sum(not agree(seed, 800) for seed in range(10_000)) > 500
