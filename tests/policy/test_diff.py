"""A comparison of two policies says exactly what changes, and never misses a way out."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.facts import RequestFacts
from gateway.policy.answers import Places, cloud
from gateway.policy.decide import decide
from gateway.policy.diff import diff

from .changing import World, lies_in, requests, rows, worlds

THOROUGH = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[World, World]:
    """Two policies, often with the same rows but for one."""
    table = draw(rows())
    other = [row for row in table if row["id"] == "rest" or draw(st.integers(0, 3))]
    if draw(st.booleans()):
        other = draw(rows())
    return draw(worlds(table)), draw(worlds(other))


@THOROUGH
@given(st.data())
def test_every_request_is_decided_differently_exactly_where_it_says(data: st.DataObject) -> None:
    old, new = (world.compiled() for world in data.draw(pairs()))
    changes = diff(old, new).changes
    of_old, of_new = Places(old), Places(new)
    for _ in range(25):
        facts: RequestFacts = data.draw(requests())
        was, becomes = of_old.answer(decide(old, facts)), of_new.answer(decide(new, facts))
        told = [
            change for change in changes if any(lies_in(region, facts, old.order.names) for region in change.regions)
        ]
        assert [(change.was, change.becomes) for change in told] == ([(was, becomes)] if was != becomes else [])
        assert all(set(change.gained) == cloud(becomes) - cloud(was) for change in told)
