"""Tenants that are in another class than before, so that a comparison sees what becomes of their requests.

A policy knows classes only, and both policies may treat each class as they did. So every move is made a class of its
own, which the old policy takes for the one that the tenants leave, and the new for the one that they come to.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from gateway.core.labels import Label
from gateway.policy.compiled import CompiledPolicy

TenantClasses = Mapping[str, str]
"""The class of each tenant of tenants.yaml."""
NOBODY: Final[TenantClasses] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Moved:
    """Tenants of both files that leave the class `was` for the class `becomes`."""

    tenants: tuple[str, ...]
    was: str
    becomes: str

    @property
    def name(self) -> str:
        """What their class is called in a comparison. No name can be written so."""
        return f"{self.was} → {self.becomes}"


def moved(old: TenantClasses, new: TenantClasses) -> tuple[Moved, ...]:
    """Who is in another class than before. Who is in one file only has moved nowhere."""
    found: dict[tuple[str, str], list[str]] = {}
    for tenant, was in old.items():
        becomes = new.get(tenant, was)
        if becomes != was:
            found.setdefault((was, becomes), []).append(tenant)
    return tuple(Moved(tuple(tenants), was, becomes) for (was, becomes), tenants in found.items())


def with_classes(compiled: CompiledPolicy, same_as: Mapping[str, str]) -> CompiledPolicy:
    """`compiled` with more classes, each the same as one that it has; one that it has not is any other class."""
    if not same_as:
        return compiled
    layout = compiled.layout
    more = {name: layout.classes.get(other, layout.other_class) for name, other in same_as.items()}
    return replace(compiled, layout=replace(layout, classes=MappingProxyType({**layout.classes, **more})))


def with_attested(attested: Mapping[str, Label], same_as: Mapping[str, str]) -> Mapping[str, Label]:
    """`attested` with what the classes of `same_as` vouch for."""
    return {**attested, **{name: attested[other] for name, other in same_as.items() if other in attested}}


def with_asking(full_scans: frozenset[str], same_as: Mapping[str, str]) -> frozenset[str]:
    """`full_scans` with those classes of `same_as` that stand for one of them."""
    return full_scans | {name for name, other in same_as.items() if other in full_scans}
