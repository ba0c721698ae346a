"""Random small policies, and what they decide according to the language's description: a second, slower opinion.

Written against the text of the policy language and on plain dictionaries; shares no code with `gateway.policy`.
"""

import json
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from gateway.core.facts import Budget, Capability, Complexity, Modality, Pressure, RequestFacts, Surroundings
from gateway.core.labels import Label
from gateway.core.topology import Topology

from .making import pool

LABELS = ("public", "internal", "confidential", "restricted")
NAMES = ("a", "b", "c", "d")
CLASSES = ("k", "l")
CAPABILITIES = ("tools", "vision")
SIGNS = (">=", ">", "<=", "<", "==")
SIZES = (4096, 32768)
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
ASKED = (
    *("label", "complexity", "tenant_class", "capability", "model", "modality", "context", "time", "pressure"),
    "budget",
)


Share = tuple[str, float] | None
"""A pool and its percentage: a canary or a mirror."""
Outcome = tuple[str, list[str], list[str], Share, Share]


@dataclass(frozen=True)
class World:
    """One policy with its pools and classes."""

    pools: dict[str, tuple[str, int, frozenset[str]]]  # zone, clearance, capabilities
    kinds: dict[str, tuple[int | None, str | None]]  # longest context, residency
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
            'time_zone: "+02:00"',
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
                pool(
                    name,
                    zone,
                    Label(clearance),
                    {Capability(one) for one in capabilities},
                    context=self.kinds[name][0],
                    residency=self.kinds[name][1],
                )
                for name, (zone, clearance, capabilities) in self.pools.items()
            )
        )

    def class_ceilings(self) -> dict[str, Label | None] | None:
        if self.classes is None:
            return None
        return {name: Label(rank) if rank >= 0 else None for name, rank in self.classes.items()}

    # What it decides

    def pools_of(self, facts: RequestFacts, label: int) -> "Outcome":
        """Outcome, `to`, `spill`, canary and mirror for one label."""
        alias = self.models.get(facts.model, self.models.get("*"))
        if alias is None:
            return "model_not_found", [], [], None, None
        name = facts.model if facts.model in self.models else "*"
        for route in self.routes:
            if not self._matches(route, facts, label, name):
                continue
            if "deny" in route:
                return "denied", [], [], None, None
            if not any(one in alias for one in self._list(route, "to")):
                continue
            to, spill, canary, mirror = self.permitted(route, facts, label)
            to, spill = [one for one in to if one in alias], [one for one in spill if one in alias]
            canary = canary if canary is not None and canary[0] in alias else None
            mirror = mirror if mirror is not None and mirror[0] in alias else None
            reachable, first_is_home, usual, copied = self.without_model(facts, label)
            to = [one for one in to if not self.is_cloud(one) or one in reachable]
            spill = [one for one in spill if not self.is_cloud(one) or one in reachable]
            if to and self.is_cloud(to[0]) and first_is_home:
                to = [one for one in to if not self.is_cloud(one)]
            if canary is not None and self.is_cloud(canary[0]):
                share = usual[1] if usual is not None and self.is_cloud(usual[0]) else 0.0
                if canary[0] not in reachable or (first_is_home and canary[1] > share):
                    canary = None
            if mirror is not None and self.is_cloud(mirror[0]):
                share = copied[1] if copied is not None and self.is_cloud(copied[0]) else 0.0
                if mirror[0] not in reachable or (first_is_home and mirror[1] > share):
                    mirror = None
            if not to:
                return "no_pool_permitted", [], [], None, None
            return f"route {route['id']}", to, spill, canary, mirror
        raise AssertionError("a policy that loads is total")

    def permitted(
        self, route: dict[str, object], facts: RequestFacts, label: int
    ) -> tuple[list[str], list[str], "Share", "Share"]:
        """What of a row's `to`, `spill`, canary and mirror may see the request."""
        residency = route.get("only")

        def may(name: str) -> bool:
            kept = residency is None or (self.kinds[name][1] or "none") in residency["residency"]  # type: ignore[index]
            return kept and self._permitted(name, facts, label)

        def share(key: str) -> Share:
            given = route.get(key)
            assert given is None or isinstance(given, dict)
            return (given["pool"], float(given["percent"])) if given is not None and may(given["pool"]) else None

        to, spill = self._list(route, "to"), self._list(route, "spill")
        kept = [one for one in to if may(one)], [one for one in spill if may(one)]
        return *kept, share("canary"), share("mirror")

    def without_model(self, facts: RequestFacts, label: int) -> tuple[set[str], bool, "Share", "Share"]:
        """The cloud pools that the facts reach without a model's name, whether home comes first there, its canary and
        its mirror."""
        for route in self.routes:
            when = route["when"]
            assert isinstance(when, dict)
            if "model" in when or not self._matches(route, facts, label, ""):
                continue
            if "deny" in route:
                return set(), False, None, None
            to, spill, canary, mirror = self.permitted(route, facts, label)
            if not to:
                return set(), False, None, None
            places = (*to, *spill, *(share[0] for share in (canary, mirror) if share is not None))
            return {one for one in places if self.is_cloud(one)}, not self.is_cloud(to[0]), canary, mirror
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
        longest = self.kinds[name][0]
        if longest is not None and facts.context_tokens > longest:
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
        if not World._around(when, facts):
            return False
        return "model" not in when or model in when["model"]

    @staticmethod
    def _around(when: dict[str, Any], facts: RequestFacts) -> bool:
        around, states = facts.surroundings, dict(facts.surroundings.pressure)
        if "modality" in when:
            here = {str(one) for one in facts.modalities}
            if not set(when["modality"].get("has", ())) <= here or not here <= set(when["modality"].get("only", here)):
                return False
        if "context" in when:
            sign, number = when["context"].split()
            tokens, limit = facts.context_tokens, int(number)
            holds = {">=": tokens >= limit, ">": tokens > limit, "<=": tokens <= limit, "<": tokens < limit}
            if not holds[sign]:
                return False
        if "time" in when:
            day, hour = divmod((around.minute_of_week + 120) % 10080 // 60, 24)
            begins, ends = int(when["time"]["from"][:2]), int(when["time"]["to"][:2])
            today = when["time"]["days"] == DAYS[day]
            yesterday = when["time"]["days"] == DAYS[day - 1]
            in_window = (
                today and begins <= hour < ends
                if begins < ends
                else (today and hour >= begins) or (yesterday and hour < ends)
            )
            if not in_window:
                return False
        if "pressure" in when and str(states.get("onprem", "free")) not in when["pressure"]["onprem"]:
            return False
        return "budget" not in when or when["budget"] == str(around.budget)


def _some(values: tuple[str, ...], least: int = 1) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=least, max_size=len(values), unique=True)


@st.composite
def _conditions(draw: st.DrawFn, models: tuple[str, ...]) -> dict[str, object]:
    when: dict[str, object] = {}
    asks = draw(st.sets(st.sampled_from(ASKED), max_size=2))
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
    if "modality" in asks:
        has = draw(_some(("image", "audio")))
        when["modality"] = draw(st.sampled_from(({"has": has}, {"only": ["text", *has]})))
    if "context" in asks:
        when["context"] = f"{draw(st.sampled_from(SIGNS[:4]))} {draw(st.sampled_from(SIZES))}"
    if "time" in asks:
        begins, ends = draw(st.sampled_from(((8, 20), (22, 6))))
        when["time"] = {"days": draw(st.sampled_from(DAYS)), "from": f"{begins:02}:00", "to": f"{ends:02}:00"}
    if "pressure" in asks:
        when["pressure"] = {"onprem": draw(_some(tuple(Pressure)))}
    if "budget" in asks:
        when["budget"] = draw(st.sampled_from(tuple(Budget)))
    return when


@st.composite
def _extras(draw: st.DrawFn) -> dict[str, object]:
    """What a row asks of its pools, its canary and its mirror: now and then."""
    extras: dict[str, object] = {}
    if draw(st.integers(0, 3)) == 0:
        extras["only"] = {"residency": draw(_some(("cn", "us", "none")))}
    if draw(st.integers(0, 2)) == 0:
        extras["canary"] = {"pool": draw(st.sampled_from(NAMES)), "percent": draw(st.sampled_from((0, 5, 50)))}
    if draw(st.integers(0, 2)) == 0:
        extras["mirror"] = {"pool": draw(st.sampled_from(NAMES)), "percent": draw(st.sampled_from((0, 5, 50)))}
    return extras


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
            row |= {"to": to, "spill": [one for one in draw(_some(NAMES, 0)) if one not in to], **draw(_extras())}
        routes.append(row)
    spill = [one for one in draw(_some(NAMES, 0)) if one not in last_to]
    routes.append({"id": "rest", "when": {}, "to": last_to, "spill": spill, **draw(_extras())})
    kinds = {name: (draw(st.sampled_from((None, *SIZES))), draw(st.sampled_from((None, "cn", "us")))) for name in pools}
    return World(pools, kinds, ceiling, classes, models, tuple(routes))


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
        frozenset({Modality.TEXT, *draw(st.sets(st.sampled_from(tuple(Modality))))}),
        draw(st.sampled_from((0, *SIZES, *(size + 1 for size in SIZES)))),
        Surroundings(
            draw(st.integers(0, 10079)),
            tuple(
                draw(st.dictionaries(st.sampled_from(("onprem", "cloud")), st.sampled_from(tuple(Pressure)))).items()
            ),
            draw(st.sampled_from(tuple(Budget))),
        ),
    )
