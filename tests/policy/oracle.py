"""Random small policies, and what they decide according to the language's description: a second, slower opinion.

Written against the text of the policy language and on plain dictionaries; shares no code with `gateway.policy`.
"""

import json
from dataclasses import dataclass
from itertools import chain

from hypothesis import strategies as st

from gateway.core.facts import Capability, Complexity, RequestFacts
from gateway.core.labels import Label
from gateway.core.topology import Topology

from .making import pool

LABELS = ("public", "internal", "confidential", "restricted")
NAMES = ("a", "b", "c", "d")
CLASSES = ("k", "l")
CAPABILITIES = ("tools", "vision")
SIGNS = (">=", ">", "<=", "<", "==")


@dataclass(frozen=True)
class World:
    """One policy with its pools and classes."""

    pools: dict[str, tuple[str, int, frozenset[str]]]  # zone, clearance, capabilities
    ceiling: int  # -1: none
    classes: dict[str, int] | None
    models: dict[str, tuple[str, ...]]
    routes: tuple[dict[str, object], ...]

    def text(self) -> bytes:
        lines = [
            "apiVersion: tidegate/v1",
            "version: 1",
            f"labels: [{', '.join(LABELS)}]",
            f"cloud_ceiling: {LABELS[self.ceiling] if self.ceiling >= 0 else 'none'}",
            "label: {default: internal, unscanned: restricted, unmapped: restricted, rules: []}",
            "zones: {onprem: {networks: [unix]}, cloud: {networks: any}}",
            f"models: {json.dumps({name: {'pools': list(pools)} for name, pools in self.models.items()})}",
            "routes:",
            *(f"  - {json.dumps(route)}" for route in self.routes),
            "...",
        ]
        return "\n".join([*lines, ""]).encode()

    def topology(self) -> Topology:
        return Topology(
            tuple(
                pool(name, zone, Label(clearance), {Capability(one) for one in capabilities})
                for name, (zone, clearance, capabilities) in self.pools.items()
            )
        )

    def class_ceilings(self) -> dict[str, Label | None] | None:
        if self.classes is None:
            return None
        return {name: Label(rank) if rank >= 0 else None for name, rank in self.classes.items()}

    # What it decides

    def pools_of(self, facts: RequestFacts, label: int) -> tuple[str, list[str], list[str]]:
        """Outcome, `to` and `spill` for one label."""
        alias = self.models.get(facts.model, self.models.get("*"))
        if alias is None:
            return "model_not_found", [], []
        name = facts.model if facts.model in self.models else "*"
        for route in self.routes:
            if not self._matches(route, facts, label, name):
                continue
            if "deny" in route:
                return "denied", [], []
            to = [one for one in self._list(route, "to") if one in alias]
            if not to:
                continue
            to = [one for one in to if self._permitted(one, facts, label)]
            spill = [one for one in self._list(route, "spill") if one in alias and self._permitted(one, facts, label)]
            reachable, first_is_home = self.without_model(facts, label)
            to = [one for one in to if not self.is_cloud(one) or one in reachable]
            spill = [one for one in spill if not self.is_cloud(one) or one in reachable]
            if to and self.is_cloud(to[0]) and first_is_home:
                to = [one for one in to if not self.is_cloud(one)]
            return (f"route {route['id']}", to, spill) if to else ("no_pool_permitted", [], [])
        raise AssertionError("a policy that loads is total")

    def without_model(self, facts: RequestFacts, label: int) -> tuple[set[str], bool]:
        """The cloud pools that the facts reach without a model's name, and whether home comes first there."""
        for route in self.routes:
            when = route["when"]
            assert isinstance(when, dict)
            if "model" in when or not self._matches(route, facts, label, ""):
                continue
            to = [one for one in self._list(route, "to") if self._permitted(one, facts, label)]
            if "deny" in route or not to:
                return set(), False
            spill = [one for one in self._list(route, "spill") if self._permitted(one, facts, label)]
            return {one for one in chain(to, spill) if self.is_cloud(one)}, not self.is_cloud(to[0])
        raise AssertionError("the last row matches everything")

    def is_cloud(self, name: str) -> bool:
        return self.pools[name][0] == "cloud"

    def limit(self, facts: RequestFacts) -> int:
        """The highest label that may leave."""
        tenant = facts.ceiling if facts.ceiling is not None else -1
        of_class = self.ceiling if self.classes is None else self.classes.get(facts.tenant_class, -1)
        return min(self.ceiling, tenant, of_class)

    def _permitted(self, name: str, facts: RequestFacts, label: int) -> bool:
        zone, clearance, capabilities = self.pools[name]
        if label > clearance or not {str(one) for one in facts.capabilities} <= capabilities:
            return False
        return zone == "onprem" or label <= self.limit(facts)

    @staticmethod
    def _list(route: dict[str, object], key: str) -> list[str]:
        listed = route.get(key, [])
        assert isinstance(listed, list)
        return listed

    @staticmethod
    def _matches(route: dict[str, object], facts: RequestFacts, label: int, model: str) -> bool:
        when = route["when"]
        assert isinstance(when, dict)
        if "label" in when:
            sign, name = when["label"].split()
            bound = LABELS.index(name)
            holds = {
                ">=": label >= bound, ">": label > bound, "<=": label <= bound,
                "<": label < bound, "==": label == bound,
            }  # fmt: skip
            if not holds[sign]:
                return False
        if "complexity" in when and str(facts.complexity) not in when["complexity"]:
            return False
        if "tenant_class" in when and facts.tenant_class not in when["tenant_class"]:
            return False
        if "capability" in when and not set(when["capability"]) <= {str(one) for one in facts.capabilities}:
            return False
        return "model" not in when or model in when["model"]


def _some(values: tuple[str, ...], least: int = 1) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=least, max_size=len(values), unique=True)


@st.composite
def _conditions(draw: st.DrawFn, models: tuple[str, ...]) -> dict[str, object]:
    when: dict[str, object] = {}
    asks = draw(st.sets(st.sampled_from(("label", "complexity", "tenant_class", "capability", "model")), max_size=2))
    if "label" in asks:
        when["label"] = f"{draw(st.sampled_from(SIGNS))} {draw(st.sampled_from(LABELS))}"
    if "complexity" in asks:
        when["complexity"] = draw(_some(("simple", "medium", "hard")))
    if "tenant_class" in asks:
        when["tenant_class"] = draw(_some(CLASSES))
    if "capability" in asks:
        when["capability"] = draw(_some(CAPABILITIES))
    if "model" in asks:
        when["model"] = draw(_some(models))
    return when


@st.composite
def worlds(draw: st.DrawFn, *, stays_home: bool = False) -> World:
    """A policy that compiles. `stays_home` begins with a row that keeps everything above the ceiling at home."""
    homes, clouds = ("a", "b"), ("c", "d")
    pools = {
        name: (
            "onprem" if name in homes else "cloud",
            3 if stays_home and name in homes else draw(st.integers(0, 3)),
            frozenset(CAPABILITIES) if stays_home else frozenset(draw(_some(CAPABILITIES, 0))),
        )
        for name in (*homes, *clouds)
    }
    ceiling = draw(st.integers(-1, 3))
    classes = {name: draw(st.integers(-1, ceiling)) for name in CLASSES} if draw(st.booleans()) or stays_home else None
    last_to = draw(_some(NAMES))
    models = {
        name: tuple(draw(_some(NAMES)))
        for name in draw(st.sampled_from((("m",), ("m", "n"), ("m", "*"), ("m", "n", "*"))))
    }
    # The last row must have a pool for every model, or the file does not load.
    models = {name: pools if set(pools) & set(last_to) else (*pools, last_to[0]) for name, pools in models.items()}
    routes: list[dict[str, object]] = []
    if stays_home:
        above = f"> {LABELS[ceiling]}" if ceiling >= 0 else ">= public"
        if ceiling < 3:
            routes.append({"id": "home", "when": {"label": above}, "to": ["a", "b"]})
            models = {name: (*pools, *({"a"} - set(pools))) for name, pools in models.items()}
        if ceiling < 0:
            routes[0]["when"] = {"label": ">= public"}
    for number in range(draw(st.integers(0, 3))):
        when = draw(_conditions(tuple(models)))
        if not when:
            continue
        row: dict[str, object] = {"id": f"r{number}", "when": when}
        if draw(st.integers(0, 5)) == 0:
            row["deny"] = "no"
        else:
            to = draw(_some(NAMES))
            row |= {"to": to, "spill": [one for one in draw(_some(NAMES, 0)) if one not in to]}
        routes.append(row)
    spill = [one for one in draw(_some(NAMES, 0)) if one not in last_to]
    routes.append({"id": "rest", "when": {}, "to": last_to, "spill": spill})
    return World(pools, ceiling, classes, models, tuple(routes))


@st.composite
def states(draw: st.DrawFn, world: World) -> RequestFacts:
    """Facts about one request in `world`."""
    high = draw(st.integers(0, 3))
    ceiling = draw(st.integers(-1, 3))
    return RequestFacts(
        Label(draw(st.integers(0, high))),
        Label(high),
        draw(st.sampled_from((*CLASSES, "other"))),
        Label(ceiling) if ceiling >= 0 else None,
        draw(st.sampled_from(("m", "n", "other"))),
        frozenset(Capability(one) for one in draw(_some((*CAPABILITIES, "audio"), 0))),
        draw(st.sampled_from(tuple(Complexity))),
    )
