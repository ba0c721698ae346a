"""tenants.yaml: tenant classes with their ceilings, and the tenants of each class.

A class's ceiling can only lower the policy's: `none` keeps everything of that class at home.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from gateway.core.facts import Tenant
from gateway.core.labels import Label, LabelOrder
from gateway.core.reading import Reader, Word, shown
from gateway.core.written import Group, Node

NONE: Final = "none"
MAY_SEE: Final = ("label", "route", "pool")


@dataclass(frozen=True, slots=True)
class TenantsFile:
    """Every class's ceiling, and every tenant with the lower of its class's and the policy's."""

    class_ceilings: Mapping[str, Label | None]
    tenants: Mapping[str, Tenant]


def read(root: Node, reader: Reader, order: LabelOrder | None, cloud_ceiling: Label | None) -> TenantsFile:
    """The classes and tenants that could be read. Without `order` labels are not checked and nothing may leave."""
    top = reader.fields(
        root, "The tenants file", ("apiVersion", "classes", "tenants"), ("apiVersion", "classes", "tenants")
    )
    reader.api_version(top)
    ceilings: dict[str, Label | None] = {}
    node = top.get("classes")
    for name, value in reader.entries(node, "`classes`"):
        what = f"The class {shown(name.text)}"
        fields = reader.fields(value, what, ("ceiling",), ("ceiling",))
        word = reader.name(fields.get("ceiling"), f"The ceiling of {shown(name.text)}")
        ceilings[name.text] = _ceiling(reader, word, order, cloud_ceiling)
    if isinstance(node, Group) and not node.entries:
        reader.report(node.at, "`classes` must not be empty.", "Write `default: {ceiling: …}`.")
    tenants: dict[str, Tenant] = {}
    for name, value in reader.entries(top.get("tenants"), "`tenants`"):
        fields = reader.fields(value, f"The tenant {shown(name.text)}", ("class", "sees"), ("class",))
        tenant_class = reader.reference(reader.name(fields.get("class"), "`class`"), "The class", ceilings)
        sees = [
            word.text
            for word in reader.names(fields.get("sees"), "`sees`", least=0)
            if reader.reference(word, "What a tenant may see", MAY_SEE) is not None
        ]
        if tenant_class is not None:
            tenants[name.text] = Tenant(name.text, tenant_class, ceilings[tenant_class], frozenset(sees))
    return TenantsFile(MappingProxyType(ceilings), MappingProxyType(tenants))


def _ceiling(reader: Reader, word: Word | None, order: LabelOrder | None, cloud_ceiling: Label | None) -> Label | None:
    if word is None or word.text == NONE or order is None:
        return None
    name = reader.reference(word, "The label", (*order.names, NONE))
    if name is None:
        return None
    rank = order.rank(name)
    if cloud_ceiling is None or rank > cloud_ceiling:
        limit = order.name(cloud_ceiling) if cloud_ceiling is not None else NONE
        message = f"This ceiling is above the policy's cloud ceiling, `{limit}`: a class may only lower it."
        reader.report(word.at, message, f"Write `{limit}` or lower.")
        return None
    return rank
