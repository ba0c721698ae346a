"""What a credential reaches: which interfaces and models, and from which networks it may be used.

A limit that is not there limits nothing. Limits only add up: a key has no more than its tenant, and a token no more
than both its tenant and what one of its claims grants.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

APIS: Final = ("chat", "completions", "embeddings")
"""The interfaces that a scope may name: those that take text. What models there are, whoever is let in may ask."""

Networks = tuple[IPv4Network | IPv6Network, ...]


@dataclass(frozen=True, slots=True)
class Scope:
    """The interfaces and models that are reached together; None is all of them."""

    apis: frozenset[str] | None = None
    models: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Access:
    """What one tenant or one key is limited to. `networks` of None is anywhere."""

    scope: Scope = Scope()
    networks: Networks | None = None


UNLIMITED = Access()


def narrowed(scope: Scope, other: Scope) -> Scope:
    """What both reach."""
    return Scope(_both(scope.apis, other.apis), _both(scope.models, other.models))


def reached(scopes: Iterable[Scope], within: Scope) -> tuple[Scope, ...]:
    """Each of `scopes`, which are alternatives, as far as `within` reaches; empty where nothing is limited.

    Nobody is let in with no scope at all: whoever has none to give is refused before.
    """
    found = tuple(narrowed(scope, within) for scope in scopes)
    return () if Scope() in found else found


def allows(scopes: tuple[Scope, ...], api: str, model: str) -> bool:
    """Whether one of `scopes` reaches `model` by `api`; no scopes limit nothing."""
    return not scopes or any(
        (scope.apis is None or api in scope.apis) and (scope.models is None or model in scope.models)
        for scope in scopes
    )


def reaches_api(scopes: tuple[Scope, ...], api: str) -> bool:
    """Whether one of `scopes` reaches `api` at all."""
    return not scopes or any(scope.apis is None or api in scope.apis for scope in scopes)


def reaches_model(scopes: tuple[Scope, ...], model: str) -> bool:
    """Whether one of `scopes` reaches `model` by any interface."""
    return not scopes or any(scope.models is None or model in scope.models for scope in scopes)


def lies_in(address: IPv4Address | IPv6Address | None, demanded: tuple[Networks, ...]) -> bool:
    """Whether `address` lies in a network of each of the lists in `demanded`. One that is not known lies in none."""
    return not demanded or (
        address is not None and all(any(address in network for network in networks) for networks in demanded)
    )


def _both(first: frozenset[str] | None, second: frozenset[str] | None) -> frozenset[str] | None:
    if first is None or second is None:
        return second if first is None else first
    return first & second
