"""Good policies with one thing changed: whatever that breaks is found, and what it does not break stays proved."""

import copy
import random
from collections.abc import Callable
from typing import Any

import pytest

from gateway.policy.proof import Outcome
from gateway.policy.prove import prove

from .brute_force import CLASSES, POOLS, Small, small
from .test_prove_brute_force import broken, compiled

Change = Callable[[Small, random.Random], None]
MOST_STATES = 150


def good() -> list[Small]:
    """Policies that keep everything asked of them, and go to the cloud at all."""
    found = []
    for seed in range(5_000, 20_000):
        policy = small(seed, MOST_STATES)
        is_open = any(POOLS[name] == "cloud" for route in policy.routes for name in route.get("to", ()))
        if is_open and policy.ceiling >= 0 and prove(compiled(policy)).is_proved:
            found.append(policy)
        if len(found) == 40:
            return found
    raise AssertionError("too few good policies")


def _row(policy: Small, chance: random.Random) -> dict[str, Any]:
    return chance.choice([route for route in policy.routes if "to" in route] or [{"to": ["a"], "when": {}}])


def _set_spill(row: dict[str, Any], names: list[str]) -> None:
    row["spill"] = [name for name in dict.fromkeys(names) if name not in row["to"]]
    if not row["spill"]:
        del row["spill"]


def add_spill(policy: Small, chance: random.Random) -> None:
    row = _row(policy, chance)
    _set_spill(row, [*row.get("spill", ()), "c", "d"])


def put_first(policy: Small, chance: random.Random) -> None:
    row = _row(policy, chance)
    row["to"] = list(dict.fromkeys([chance.choice("cd"), *row["to"]]))
    _set_spill(row, row.get("spill", []))


def add_canary(policy: Small, chance: random.Random) -> None:
    _row(policy, chance)["canary"] = {"pool": chance.choice("cd"), "percent": chance.choice((0, 50))}


def add_mirror(policy: Small, chance: random.Random) -> None:
    _row(policy, chance)["mirror"] = {"pool": chance.choice("cd"), "percent": chance.choice((0, 50))}


def drop_row(policy: Small, chance: random.Random) -> None:
    if len(policy.routes) > 1:
        policy.routes.remove(chance.choice(policy.routes))


def swap_rows(policy: Small, chance: random.Random) -> None:
    chance.shuffle(policy.routes)


def widen_row(policy: Small, chance: random.Random) -> None:
    when = chance.choice(policy.routes)["when"]
    if when:
        del when[chance.choice(list(when))]


def move_bound(policy: Small, chance: random.Random) -> None:
    for route in policy.routes:
        if "label" in route["when"]:
            route["when"]["label"] = f"{chance.choice(('>=', '>', '<=', '<', '=='))} {chance.choice(policy.labels)}"


def refuse(policy: Small, chance: random.Random) -> None:
    row = chance.choice(policy.routes)
    when = row["when"]
    row.clear()
    row |= {"id": f"no{chance.random()}".replace(".", ""), "when": when, "deny": "no"}


def lift_ceiling(policy: Small, chance: random.Random) -> None:
    policy.ceiling = min(policy.ceiling + 1, len(policy.labels) - 1)


def lower_ceiling(policy: Small, chance: random.Random) -> None:
    policy.ceiling -= 1
    if policy.classes is not None:
        policy.classes = {name: min(rank, policy.ceiling) for name, rank in policy.classes.items()}


def open_class(policy: Small, chance: random.Random) -> None:
    if policy.classes is not None:
        policy.classes[chance.choice(CLASSES)] = policy.ceiling


def lower_clearance(policy: Small, chance: random.Random) -> None:
    entry = policy.pools[chance.choice(list(POOLS))]
    entry["clearance"] = max(0, entry["clearance"] - 1)


def move_pool(policy: Small, chance: random.Random) -> None:
    policy.pools[chance.choice(list(POOLS))]["residency"] = chance.choice((None, "cn", "us"))


def forget_entity(policy: Small, chance: random.Random) -> None:
    policy.may_leave = [name for name in policy.may_leave if name not in ("EMAIL", "PERSON", "PHONE")]


def add_rule(policy: Small, chance: random.Random) -> None:
    policy.rules.append({"any_of": ["EMAIL", "IBAN"], "label": policy.labels[0]})


def forbid_cloud(policy: Small, chance: random.Random) -> None:
    label = f"{chance.choice(('>=', '<='))} {chance.choice(policy.labels)}"
    policy.invariants.append({"id": "I9", "never": {"label": label, "zone": "cloud"}})


def narrow_model(policy: Small, chance: random.Random) -> None:
    name = chance.choice(list(policy.models))
    policy.models[name] = chance.sample(list(POOLS), chance.randint(1, 4))


CHANGES: tuple[Change, ...] = (
    add_spill, put_first, add_canary, add_mirror, drop_row, swap_rows, widen_row, move_bound, refuse, lift_ceiling,
    lower_ceiling, open_class, lower_clearance, move_pool, forget_entity, add_rule, forbid_cloud, narrow_model,
)  # fmt: skip


def mutate(policies: list[Small], number: int) -> tuple[str, frozenset[str]]:
    chance = random.Random(number)
    policy = copy.deepcopy(policies[number % len(policies)])
    change = CHANGES[number % len(CHANGES)]
    # The deep copy carries what was worked out of the original.
    for name in ("guards", "class_limits", "dimensions"):
        vars(policy).pop(name, None)
    change(policy, chance)
    truth, proof = policy.truth(), prove(compiled(policy))
    expected = truth.broken
    if not any("reachable" in stated for stated in policy.invariants):
        expected -= {"(reachable)"}
    assert broken(proof) == expected, (number, change.__name__)
    assert proof.is_proved == (not expected)
    assert all(
        verdict.counterexample is not None or verdict.kind == "reachable"
        for verdict in proof.verdicts
        if verdict.outcome is Outcome.DISPROVED
    )
    return change.__name__, expected


def all_found(count: int) -> None:
    policies = good()
    found: dict[str, int] = {}
    for number in range(count):
        name, expected = mutate(policies, number)
        found[name] = found.get(name, 0) + bool(expected)
    assert {change.__name__ for change in CHANGES} == set(found)
    # Most kinds of change break something somewhere; or the test would show little.
    assert sum(times > 0 for times in found.values()) > len(CHANGES) / 2
    assert sum(found.values()) > count / 6


def test_a_change_is_found_if_it_breaks_anything() -> None:
    all_found(len(CHANGES) * 15)


@pytest.mark.slow
def test_so_are_a_thousand() -> None:
    all_found(1_000)
