"""What a stored answer is found by, and what its sealing is bound to.

A key is a keyed hash of everything that an answer depends on and of everybody who may have it: the request, the bundle,
the route with its pools, the label. It is made under a key of the tenant's own, so that nobody else can make it, not
even to find out whether something was asked (threats.md 17). The same scope goes into the sealing as associated data:
a value that comes back under another key, of another tenant, bundle or label does not open (threats.md I5, I12).
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.core.keyed_hash import KeyedHash

VERSION: Final = 1
"""Of keys and values alike: what another version has stored is not found."""


class Scope(msgspec.Struct, frozen=True, gc=False):
    """For whom and under what an answer is stored. Made by `scope_of`, and the same for many requests."""

    before_request: bytes
    before_key: bytes


def scope_of(*, tenant: str, bundle: str, label: str, route: str, pools: Sequence[str]) -> Scope:
    """The scope of work of this tenant and label that `route` lets into `pools`."""
    whose = framed(b"tidegate cache", b"%d" % VERSION, tenant.encode(), bundle.encode(), label.encode())
    where = framed(route.encode(), *(pool.encode() for pool in pools))
    return Scope(whose + framed(where), whose)


def key_of(scope: Scope, dialect: str, request: bytes, key: KeyedHash) -> bytes:
    """The key of `request`, written in the one way that equal requests have in common. `key` is the tenant's own."""
    return key.digest(b"%b%b\0" % (scope.before_request, dialect.encode()), request)


def bound_to(scope: Scope, key: bytes) -> bytes:
    """The associated data of the value that is stored under `key`."""
    return scope.before_key + key


def framed(*parts: bytes) -> bytes:
    """`parts` one after the other, each behind its length, so that no two lists of parts look the same."""
    return b"".join(b"%d:%b" % (len(part), part) for part in parts)
