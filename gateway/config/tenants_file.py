"""tenants.yaml: tenant classes with their ceilings, and the tenants of each class.

A class's ceiling can only lower the policy's: `none` keeps everything of that class at home. `attests` is the label
that the class vouches for where nothing at all was found: the one thing that is below the policy's default.
`full_scan: always` has the models look at each of its requests; what they do not get through counts as unscanned.
`priority` is how much of a head start its requests have in the queue of a pool: seconds, from 0 to 9, and 5 usually.
A tenant may be limited to `apis`, `models` and `addresses` (`config/access_block.py`), and no key of its reaches more;
`limits` say how much it may use (`config/limits_block.py`).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from gateway.config import prices_block
from gateway.config.access_block import ACCESS_KEYS, access
from gateway.config.budgets_block import burst_budget
from gateway.config.limits_block import limits as read_limits
from gateway.core.burst_budget import BurstBudget
from gateway.core.facts import Tenant
from gateway.core.findings import Tier
from gateway.core.labels import Label, LabelOrder
from gateway.core.prices import UNPRICED, Prices
from gateway.core.quota import Limits
from gateway.core.reading import Reader, Word, shown
from gateway.core.topology import Topology
from gateway.core.waiting import LEAST_PRIORITY, MOST_PRIORITY, USUAL_PRIORITY
from gateway.core.written import Group, Node, Place

NONE: Final = "none"
MAY_SEE: Final = ("label", "route", "pool", "cache")
ALWAYS: Final = "always"
WHEN_NEEDED: Final = "when_needed"


@dataclass(frozen=True, slots=True)
class TenantsFile:
    """Every class's ceiling, and every tenant with the lower of its class's and the policy's. `attested` holds the
    classes that vouch for a label where nothing was found, `full_scans` those that ask for a full scan always, with the
    place where they do."""

    class_ceilings: Mapping[str, Label | None]
    tenants: Mapping[str, Tenant]
    attested: Mapping[str, Label]
    full_scans: Mapping[str, Place]
    prices: Prices = UNPRICED
    budget: BurstBudget | None = None

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """The tiers that some class asks for, whatever the policy does."""
        return (Tier.NER,) if self.full_scans else ()


def read(
    root: Node,
    reader: Reader,
    order: LabelOrder | None,
    cloud_ceiling: Label | None,
    default: Label | None = None,
    topology: Topology | None = None,
    aliases: Collection[str] | None = None,
) -> TenantsFile:
    """The classes and tenants that could be read. Without `order` labels are not checked and nothing may leave.

    `default` is the policy's label where nothing was found. Without it no class can attest anything. Pools of
    `topology` and `aliases` may have a price; without them that is not checked.
    """
    required = ("apiVersion", "classes", "tenants")
    top = reader.fields(root, "The tenants file", (*required, "prices", "budgets"), required)
    reader.api_version(top)
    ceilings: dict[str, Label | None] = {}
    attested: dict[str, Label] = {}
    full_scans: dict[str, Place] = {}
    priorities: dict[str, int] = {}
    class_limits: dict[str, Limits | None] = {}
    node = top.get("classes")
    for name, value in reader.entries(node, "`classes`"):
        what = f"The class {shown(name.text)}"
        fields = reader.fields(value, what, ("ceiling", "attests", "full_scan", "priority", "limits"), ("ceiling",))
        word = reader.name(fields.get("ceiling"), f"The ceiling of {shown(name.text)}")
        ceilings[name.text] = _ceiling(reader, word, order, cloud_ceiling)
        given = reader.name(fields.get("attests"), f"What {shown(name.text)} attests")
        label = _attested(reader, given, order, default)
        if label is not None:
            attested[name.text] = label
        scan = fields.get("full_scan")
        if scan is not None and reader.one_of(scan, "`full_scan`", (ALWAYS, WHEN_NEEDED)) == ALWAYS:
            full_scans[name.text] = scan.at
        priority = reader.integer(fields.get("priority"), "`priority`", least=LEAST_PRIORITY, most=MOST_PRIORITY)
        priorities[name.text] = priority if priority is not None else USUAL_PRIORITY
        class_limits[name.text] = read_limits(reader, fields.get("limits"), None, has_prices="prices" in top)
    if isinstance(node, Group) and not node.entries:
        reader.report(node.at, "`classes` must not be empty.", "Write `default: {ceiling: …}`.")
    tenants: dict[str, Tenant] = {}
    for name, value in reader.entries(top.get("tenants"), "`tenants`"):
        fields = reader.fields(
            value, f"The tenant {shown(name.text)}", ("class", "sees", "limits", *ACCESS_KEYS), ("class",)
        )
        tenant_class = reader.reference(reader.name(fields.get("class"), "`class`"), "The class", ceilings)
        reach = access(reader, fields, aliases)
        usual = class_limits.get(tenant_class) if tenant_class is not None else None
        limits = read_limits(reader, fields.get("limits"), usual, has_prices="prices" in top)
        sees = [
            word.text
            for word in reader.names(fields.get("sees"), "`sees`", least=0)
            if reader.reference(word, "What a tenant may see", MAY_SEE) is not None
        ]
        if tenant_class is not None:
            ceiling, label = ceilings[tenant_class], attested.get(tenant_class)
            is_full = tenant_class in full_scans
            priority = priorities[tenant_class]
            tenants[name.text] = Tenant(
                name.text, tenant_class, ceiling, frozenset(sees), label, is_full, priority, reach, limits
            )
    pools = [pool.name for pool in topology.pools] if topology is not None else None
    costs = prices_block.prices(reader, top.get("prices"), pools, aliases)
    return TenantsFile(
        MappingProxyType(ceilings),
        MappingProxyType(tenants),
        MappingProxyType(attested),
        MappingProxyType(full_scans),
        costs,
        burst_budget(reader, top.get("budgets"), tenants, costs, topology),
    )


def _attested(reader: Reader, word: Word | None, order: LabelOrder | None, default: Label | None) -> Label | None:
    if word is None or order is None or default is None:
        return None
    name = reader.reference(word, "The label", order.names)
    if name is None:
        return None
    if order.rank(name) > default:
        message = f"`attests` is above `label.default`, `{order.name(default)}`: a class can only vouch for less."
        reader.report(word.at, message, "Write a lower label, or leave it out.")
        return None
    return order.rank(name)


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
