"""Where requests can get to as written: what only the gateway's own filters would stop is refused at load."""

# ruff: noqa: E501  # one case per row of the tables
import pytest

from gateway.core.facts import Capability
from gateway.core.problems import Problems
from gateway.core.topology import Topology
from gateway.policy import reach
from gateway.policy.compile import load

from .making import CLASSES, EXAMPLE, EXAMPLE_POOLS, INTERNAL, PUBLIC, RESTRICTED, policy, pool, told

POOLS = Topology((pool("home"), pool("lab"), pool("burst", "cloud", RESTRICTED), pool("far", "cloud", INTERNAL)))
KEEP = '  - {id: keep, when: {label: ">= confidential"}, to: [home]}\n'


def test_a_route_that_leaves_above_the_ceiling_does_not_load() -> None:
    found = told(EXAMPLE.replace('>= confidential"}, to', '>= restricted"}, to'), EXAMPLE_POOLS, CLASSES)
    assert found[0] == (
        "24:5: The route `json` sends requests labelled `confidential` to the pool `burst` in the zone `cloud`, "
        'above the cloud ceiling `internal`. Put a route with `when: {label: ">= confidential"}` before it that stays '
        "home, or lower `when`."
    )
    assert [one.partition(":")[0] for one in found] == ["24", "24", "25", "25", "26", "26"]
    assert "which the invariant `N1` forbids" in found[1]


@pytest.mark.parametrize(
    ("routes", "ceiling", "sentences"),
    [
        ("  - {id: rest, when: {}, to: [home], spill: [burst]}", "internal", ["labelled `confidential` to the pool `burst`"]),
        ("  - {id: rest, when: {}, to: [home], spill: [burst]}", "none", ["above the cloud ceiling `none`"]),
        ("  - {id: rest, when: {}, to: [home], spill: [burst]}", "restricted", []),
        (KEEP + "  - {id: rest, when: {}, to: [home], spill: [burst]}", "internal", []),
        (KEEP + "  - {id: rest, when: {}, to: [home], spill: [far]}", "confidential", []),
        ("  - {id: rest, when: {}, to: [home], spill: [far]}", "restricted", ["`far`, whose clearance is only `internal`"]),
    ],
)  # fmt: skip
def test_ceiling_and_clearance_hold_on_the_table_as_written(routes: str, ceiling: str, sentences: list[str]) -> None:
    found = told(policy(routes, "{chat: {pools: [home, lab, burst, far]}}", ceiling=ceiling), POOLS)
    assert len(found) == len(sentences)
    for one, sentence in zip(found, sentences, strict=True):
        assert sentence in one


def test_a_class_that_stays_home_is_part_of_the_table() -> None:
    rows = "  - {id: rest, when: {}, to: [home], spill: [burst]}"
    rest = "invariants: [{id: H, never: {tenant_class: hospital, zone: cloud}}]"
    data = policy(KEEP + rows, "{chat: {pools: [home, burst]}}", rest=rest)
    assert told(data, POOLS, CLASSES) == []
    open_class = {**CLASSES, "hospital": PUBLIC}
    assert ["labelled `public`" in one and "`H` forbids" in one for one in told(data, POOLS, open_class)] == [True]


@pytest.mark.parametrize(
    ("never", "count"),
    [
        ("{pool: burst}", 1),
        ("{pool: burst, label: '> internal'}", 0),
        ("{pool: burst, complexity: hard}", 1),
        ("{pool: burst, complexity: simple}", 0),
        ("{pool: burst, capability: [tools, vision]}", 1),
        ("{pool: burst, capability: audio}", 0),
        ("{pool: burst, model: chat}", 1),
        ("{pool: burst, model: other}", 0),
        ("{pool: burst, tenant_class: [a, b]}", 1),
        ("{zone: cloud, label: '== public'}", 1),
        ("{zone: onprem, label: '== restricted'}", 1),
        ("{zone: elsewhere, label: '== restricted'}", 0),
    ],
)  # fmt: skip
def test_what_must_never_be_is_looked_for_in_every_state(never: str, count: int) -> None:
    rows = (
        KEEP
        + "  - {id: easy, when: {complexity: simple}, to: [home]}\n  - {id: rest, when: {}, to: [home], spill: [burst]}"
    )
    models = "{chat: {pools: [home, burst]}, same: {pools: [home, burst]}, other: {pools: [home]}}"
    data = policy(rows, models, rest=f"invariants: [{{id: X, never: {never}}}]")
    data = data.replace(b"cloud: {networks: any}", b"cloud: {networks: any}, elsewhere: {networks: any}")
    able = {Capability.TOOLS, Capability.VISION}
    pools = Topology((pool("home"), pool("burst", "cloud", RESTRICTED, able)))
    found = told(data, pools)
    assert len(found) == count
    assert all("which the invariant `X` forbids. Change the route or the invariant." in one for one in found)


def test_raising_the_label_may_not_add_a_cloud_pool() -> None:
    rows = (
        KEEP + '  - {id: low, when: {label: "== public"}, to: [home]}\n'
        "  - {id: rest, when: {}, to: [home], spill: [burst]}"
    )
    assert told(policy(rows, "{chat: {pools: [home, burst]}}"), POOLS) == [
        "11:5: Raising the label from `public` to `internal` adds the pool `burst` outside the building, by the route "
        "`rest`. Let the route for `public` list the pool as well, or keep it out of this one."
    ]
    refused = rows.replace("to: [home]}\n  - {id: rest", "deny: no}\n  - {id: rest")
    assert len(told(policy(refused, "{chat: {pools: [home, burst]}}"), POOLS)) == 1


def test_rows_that_no_request_reaches_are_noted_or_refused_if_the_policy_says_so() -> None:
    rows = KEEP + '  - {id: dead, when: {label: "== restricted"}, to: [lab]}\n  - {id: rest, when: {}, to: [home, lab]}'
    models = "{chat: {pools: [home, lab]}}"
    notes = load(policy(rows, models), "p", POOLS).notes
    assert [str(note) for note in notes] == ["p:10:5: No request ever matches the route `dead`. Remove it."]
    rest = "invariants: [{id: R, reachable: all_routes}, {id: T, total: true}]"
    assert told(policy(rows, models, rest=rest), POOLS) == [
        "10:5: No request ever matches the route `dead`. Remove it."
    ]


def test_a_policy_that_is_too_large_to_look_at_is_not_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "MOST_STATES", 10)
    with pytest.raises(Problems) as raised:
        load(EXAMPLE.encode(), "p", EXAMPLE_POOLS, CLASSES)
    assert "too many to check, so it is not proved" in str(raised.value)


def test_models_with_the_same_pools_are_looked_at_once() -> None:
    models = ", ".join(f"m{number}: {{pools: [home, burst]}}" for number in range(300))
    data = policy(
        KEEP + "  - {id: rest, when: {}, to: [home], spill: [burst]}", f"{{{models}, '*': {{pools: [home]}}}}"
    )
    assert told(data, POOLS, {f"c{number}": INTERNAL for number in range(50)}) == []
