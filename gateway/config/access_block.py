"""What a tenant, a key or a token is limited to: `apis`, `models` and `addresses`, wherever they stand.

A name that is none of the policy's models is a mistake, unless the policy takes any name.
"""

from collections.abc import Collection
from ipaddress import ip_network
from typing import Final

from gateway.core.access import APIS, Access, Networks, Scope
from gateway.core.reading import Fields, Reader, Word
from gateway.core.written import Node

ACCESS_KEYS: Final = ("apis", "models", "addresses")
SCOPE_KEYS: Final = ("apis", "models")
ANY_MODEL: Final = "*"


def access(reader: Reader, fields: Fields, models: Collection[str] | None) -> Access:
    """`apis: [chat]`, `models: [small]` and `addresses: [10.0.0.0/8]`, each of them or none."""
    return Access(scope(reader, fields, models), addresses(reader, fields.get("addresses")))


def scope(reader: Reader, fields: Fields, models: Collection[str] | None) -> Scope:
    """`apis: [chat]` and `models: [small]`. The policy has `models`, or it is not known which."""
    apis, named = fields.get("apis"), fields.get("models")
    found = []
    for word in reader.names(named, "`models`"):
        if models is None or ANY_MODEL in models or reader.reference(word, "The model", models) is not None:
            found.append(word.text)
    return Scope(_apis(reader, apis) if apis is not None else None, frozenset(found) if named is not None else None)


def _apis(reader: Reader, node: Node) -> frozenset[str]:
    words = reader.names(node, "`apis`")
    return frozenset(word.text for word in words if reader.reference(word, "The interface", APIS) is not None)


def addresses(reader: Reader, node: Node | None) -> Networks | None:
    """`addresses: [10.0.0.0/8, 2001:db8::/32]`; None if nothing is said."""
    if node is None:
        return None
    return networks(
        reader, tuple(reader.text(item, "Each of `addresses`") for item in reader.items(node, "`addresses`"))
    )


def networks(reader: Reader, words: tuple[Word | None, ...]) -> Networks:
    """The networks that `words` are."""
    found = []
    for word in words:
        try:
            found += [ip_network(word.text)] if word is not None else []
        except ValueError:
            assert word is not None  # noqa: S101 -- nothing else raises
            reader.report(word.at, "This is not a network.", "Write `10.0.0.0/8` or `::1/128`; host bits must be 0.")
    return tuple(found)
