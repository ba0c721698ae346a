"""Random small policies, total and not, and what is true of them found by looking at every state.

Written against the text of the policy language and on plain values; shares no code with `gateway.policy`. Where the
prover walks sets of states, this asks each state by itself.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from math import prod
from typing import Any

from gateway.core.entities import ENTITIES
from gateway.core.facts import Capability
from gateway.core.labels import Label
from gateway.core.topology import Topology

from .making import pool

LABELS = ("public", "internal", "confidential", "restricted")
POOLS = {"a": "onprem", "b": "onprem", "c": "cloud", "d": "cloud"}
CLASSES = ("k", "l")
OTHER = "(any other class)"
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
SIZES = (4096, 32768)
COMPLEXITIES = ("simple", "medium", "hard")
FREE_TO_LEAVE = ("EMAIL", "PERSON", "PHONE")
When = dict[str, Any]
State = dict[str, Any]


@dataclass(frozen=True)
class Truth:
    """What holds of a policy. `broken` are the ids of the claims that some state breaks."""

    states: int
    broken: frozenset[str]
    dead: frozenset[str]
    shadowed: dict[str, frozenset[str]]
    leaving: frozenset[str]


@dataclass
class Small:
    """One policy with its pools and classes."""

    labels: tuple[str, ...]
    ceiling: int  # -1: none
    classes: dict[str, int] | None
    models: dict[str, list[str]]
    pools: dict[str, dict[str, Any]]  # clearance, capabilities, context, residency
    routes: list[dict[str, Any]]
    invariants: list[dict[str, Any]] = field(default_factory=list)
    rules: list[dict[str, Any]] = field(default_factory=list)
    may_leave: list[str] = field(default_factory=list)
    default: int = 0

    def text(self) -> bytes:
        """The policy as a file."""
        top = self.labels[-1]
        label = {"default": self.labels[self.default], "unscanned": top, "unmapped": top}
        lines = [
            "apiVersion: tidegate/v1",
            "version: 1",
            'time_zone: "+02:00"',
            f"labels: {json.dumps(self.labels)}",
            f"cloud_ceiling: {self.labels[self.ceiling] if self.ceiling >= 0 else 'none'}",
            f"label: {json.dumps({**label, 'rules': self.rules, 'may_leave': self.may_leave})}",
            "zones: {onprem: {networks: [unix]}, cloud: {networks: any}}",
            f"models: {json.dumps({name: {'pools': pools} for name, pools in self.models.items()})}",
            "routes:",
            *(f"  - {json.dumps(route)}" for route in self.routes),
            *(["invariants:"] if self.invariants else []),
            *(f"  - {json.dumps(stated)}" for stated in self.invariants),
            "...",
        ]
        return "\n".join([*lines, ""]).encode()

    def topology(self) -> Topology:
        """The pools."""
        return Topology(
            tuple(
                pool(
                    name,
                    POOLS[name],
                    Label(entry["clearance"]),
                    {Capability(one) for one in entry["capabilities"]},
                    context=entry["context"],
                    residency=entry["residency"],
                )
                for name, entry in self.pools.items()
            )
        )

    def class_ceilings(self) -> dict[str, Label | None] | None:
        """The classes of tenants.yaml."""
        if self.classes is None:
            return None
        return {name: Label(rank) if rank >= 0 else None for name, rank in self.classes.items()}

    # The states

    @cached_property
    def guards(self) -> list[When]:
        """Everything that is asked of facts."""
        asked = [route["when"] for route in self.routes]
        return asked + [stated[kind] for stated in self.invariants for kind in ("never", "only") if kind in stated]

    def asks(self, fact: str) -> bool:
        return any(fact in when for when in self.guards)

    @cached_property
    def class_limits(self) -> dict[str, int]:
        named = {name for when in self.guards for name in when.get("tenant_class", ())}
        limits = dict.fromkeys(named, self.ceiling)
        limits |= {name: min(rank, self.ceiling) for name, rank in (self.classes or {}).items()}
        return {**limits, OTHER: self.ceiling if self.classes is None else -1}

    @cached_property
    def dimensions(self) -> dict[str, list[Any]]:
        """Every fact that this policy asks about, and one example of each value that it tells apart."""
        found: dict[str, list[Any]] = {"model": list(self.models)}
        routed = {name for route in self.routes for name in (*route.get("to", ()), *route.get("spill", ()))}
        routed |= {route[key]["pool"] for route in self.routes for key in ("canary", "mirror") if key in route}
        pools = [self.pools[name] for name in routed]
        if self.asks("complexity"):
            found["complexity"] = list(COMPLEXITIES)
        for capability in Capability:
            is_lacked = any(capability not in entry["capabilities"] for entry in pools)
            if is_lacked or any(capability in when.get("capability", ()) for when in self.guards):
                found[f"needs {capability}"] = [False, True]
        for modality in ("image", "audio", "file"):
            wanted = any(modality in when.get("modality", {}).get("has", ()) for when in self.guards)
            only = [when["modality"]["only"] for when in self.guards if "only" in when.get("modality", {})]
            if wanted or any(modality not in allowed for allowed in only):
                found[f"holds {modality}"] = [False, True]
        tokens = {0} | {entry["context"] + 1 for entry in pools if entry["context"] is not None}
        for when in self.guards:
            if "context" in when:
                sign, size = when["context"].split()
                tokens.add(int(size) + (sign in (">", "<=")))
        if len(tokens) > 1:
            found["tokens"] = sorted(tokens)
        if self.asks("time"):
            found["hour"] = self._told_apart()
        if self.asks("pressure"):
            found["pressure"] = ["free", "saturated", "down"]
        if self.asks("budget"):
            found["budget"] = ["ok", "spent"]
        return found

    def _told_apart(self) -> list[int]:
        """One hour of the week for each set of answers that the windows give."""
        windows = [when["time"] for when in self.guards if "time" in when]
        answers = {}
        for hour in range(7 * 24):
            answers.setdefault(tuple(_in_window(window, hour) for window in windows), hour)
        return list(answers.values())

    @property
    def size(self) -> int:
        """How many states there are, counted and not looked at."""
        tenants = sum(limit + 2 for limit in self.class_limits.values())
        return tenants * len(self.labels) * prod(len(values) for values in self.dimensions.values())

    def states(self) -> Iterator[State]:
        """All of them."""
        names, values = list(self.dimensions), list(self.dimensions.values())
        for tenant_class, limit in self.class_limits.items():
            for ceiling in range(-1, limit + 1):
                for label in range(len(self.labels)):
                    for chosen in product(*values):
                        state = dict(zip(names, chosen, strict=True))
                        yield {**state, "class": tenant_class, "limit": min(limit, ceiling), "label": label}

    # What a state does

    def accepts(self, when: When, state: State, *, model: str | None = None) -> bool:
        """Whether a guard accepts a state; `model` is what the state calls its model, None for no name at all."""
        if "model" in when and model not in when["model"]:
            return False
        if "label" in when:
            sign, name = when["label"].split()
            if not _compare(sign, state["label"], self.labels.index(name)):
                return False
        if "tenant_class" in when and state["class"] not in when["tenant_class"]:
            return False
        if "complexity" in when and state["complexity"] not in when["complexity"]:
            return False
        if not all(state[f"needs {one}"] for one in when.get("capability", ())):
            return False
        modality = when.get("modality", {})
        if not all(state[f"holds {one}"] for one in modality.get("has", ())):
            return False
        if "only" in modality:
            others = {"image", "audio", "file"}.difference(modality["only"])
            if any(state[f"holds {one}"] for one in others):
                return False
        if "context" in when:
            sign, size = when["context"].split()
            if not _compare(sign, state["tokens"], int(size)):
                return False
        if "time" in when and not _in_window(when["time"], state["hour"]):
            return False
        if "pressure" in when and state["pressure"] not in when["pressure"]["onprem"]:
            return False
        return "budget" not in when or when["budget"] == state["budget"]

    def could(self, name: str, route: dict[str, Any], state: State) -> bool:
        """Whether a pool could serve a state at all: capabilities, context, and what the row asks of it."""
        entry = self.pools[name]
        if any(state.get(f"needs {one}") and one not in entry["capabilities"] for one in Capability):
            return False
        if entry["context"] is not None and state.get("tokens", 0) > entry["context"]:
            return False
        return "only" not in route or (entry["residency"] or "none") in route["only"]["residency"]

    def as_written(self, name: str, route: dict[str, Any], state: State) -> bool:
        """Besides: a class or a tenant that keeps more at home than the policy does."""
        if not self.could(name, route, state):
            return False
        keeps_home = state["limit"] < self.ceiling and state["label"] > state["limit"]
        return not (POOLS[name] == "cloud" and keeps_home)

    def as_decided(self, name: str, route: dict[str, Any], state: State) -> bool:
        """Besides: clearance and every ceiling."""
        if not self.could(name, route, state) or state["label"] > self.pools[name]["clearance"]:
            return False
        return POOLS[name] != "cloud" or state["label"] <= min(self.ceiling, state["limit"])

    def accepting(self, state: State) -> list[dict[str, Any]]:
        """The rows that could have a state with a model's name, in order: the first has it."""
        model = state["model"]
        return [
            route
            for route in self.routes
            if self.is_for(route, model) and self.accepts(route["when"], state, model=model)
        ]

    def is_for(self, route: dict[str, Any], model: str) -> bool:
        if "model" in route["when"] and model not in route["when"]["model"]:
            return False
        return "deny" in route or any(name in self.models[model] for name in route["to"])

    def standing(self, route: dict[str, Any] | None, among: list[str], may: Any, state: State) -> "Standing":
        """What stands of a row; nothing if nothing of `to` does."""
        if route is None or "deny" in route:
            return Standing()
        to = [name for name in route["to"] if name in among and may(name, route, state)]
        if not to:
            return Standing()
        spill = [name for name in route.get("spill", []) if name in among and may(name, route, state)]
        canary, mirror = (
            share if share is not None and share["pool"] in among and may(share["pool"], route, state) else None
            for share in (route.get("canary"), route.get("mirror"))
        )
        return Standing(to, spill, canary, mirror)

    def decided(self, route: dict[str, Any] | None, state: State) -> "Standing":
        """What `route` gives, the model's name leading nowhere that the same facts do not lead without one."""
        found = self.standing(route, self.models[state["model"]], self.as_decided, state)
        if not found.cloud:
            return found
        rows = (row for row in self.routes if "model" not in row["when"])
        unnamed = next((row for row in rows if self.accepts(row["when"], state)), None)
        free = self.standing(unnamed, list(self.pools), self.as_decided, state)
        leads_home = bool(free.to) and POOLS[free.to[0]] == "onprem"
        to = [name for name in found.to if POOLS[name] == "onprem" or name in free.cloud]
        if leads_home and to and POOLS[to[0]] == "cloud":
            to = [name for name in to if POOLS[name] == "onprem"]
        if not to:
            return Standing()
        canary = found.canary
        if canary is not None and POOLS[canary["pool"]] == "cloud":
            usual = free.canary
            share = usual["percent"] if usual is not None and POOLS[usual["pool"]] == "cloud" else 0
            if canary["pool"] not in free.cloud or (leads_home and canary["percent"] > share):
                canary = None
        mirror = found.mirror
        if mirror is not None and POOLS[mirror["pool"]] == "cloud":
            usual = free.mirror
            share = usual["percent"] if usual is not None and POOLS[usual["pool"]] == "cloud" else 0
            if mirror["pool"] not in free.cloud or (leads_home and mirror["percent"] > share):
                mirror = None
        spill = [name for name in found.spill if POOLS[name] == "onprem" or name in free.cloud]
        return Standing(to, spill, canary, mirror)

    # What is true

    def truth(self) -> Truth:
        """Look at every state."""
        broken: set[str] = set()
        matched: set[str] = set()
        accepted: set[str] = set()
        takers: dict[str, set[str]] = {}
        out: dict[tuple[Any, ...], dict[int, frozenset[str]]] = {}
        count, highest = 0, -1
        for state in self.states():
            count += 1
            rows = self.accepting(state)
            route = rows[0] if rows else None
            if route is None:
                broken.add("(total)")
            else:
                matched.add(route["id"])
            accepted.update(row["id"] for row in rows)
            for other in rows[1:]:
                takers.setdefault(other["id"], set()).add(rows[0]["id"])
            written = self.standing(route, self.models[state["model"]], self.as_written, state)
            broken.update(self._forbidden(written, state))
            cloud = self.decided(route, state).cloud
            if cloud:
                highest = max(highest, state["label"])
            rest = tuple((key, value) for key, value in state.items() if key != "label")
            out.setdefault(rest, {})[state["label"]] = cloud
        if any(not by[label + 1] <= by[label] for by in out.values() for label in range(len(self.labels) - 1)):
            broken.add("(monotone)")
        unmatched = {route["id"] for route in self.routes} - matched
        if unmatched:
            broken.add("(reachable)")
        if any("deny" in route and route["id"] in unmatched & accepted for route in self.routes):
            broken.add("(deny)")
        leaving = frozenset(entity for entity in ENTITIES if self._leaves(entity, highest))
        if not leaving <= set(self.may_leave):
            broken.add("(leaving)")
        shadowed = {id: frozenset(takers[id]) for id in unmatched & accepted}
        return Truth(count, frozenset(broken), frozenset(unmatched - accepted), shadowed, leaving)

    def _forbidden(self, written: "Standing", state: State) -> Iterator[str]:
        for name in written.all:
            is_cloud = POOLS[name] == "cloud"
            if is_cloud and state["label"] > self.ceiling:
                yield "(ceiling)"
            if state["label"] > self.pools[name]["clearance"]:
                yield "(clearance)"
            residency = self.pools[name]["residency"] or "none"
            for stated in self.invariants:
                if "never" in stated and self.accepts(stated["never"], state, model=state["model"]):
                    never = stated["never"]
                    if POOLS[name] == never.get("zone") or name == never.get("pool"):
                        yield stated["id"]
                    if residency in never.get("residency", ()):
                        yield stated["id"]
                is_only = "only" in stated and self.accepts(stated["only"], state, model=state["model"])
                if is_only and residency not in stated["only"]["residency"]:
                    yield stated["id"]

    def _leaves(self, entity: str, highest: int) -> bool:
        """Whether some number of findings of `entity` with some score has a label that reaches the cloud."""
        for score, count in product((0.0, 0.25, 0.5, 0.75, 1.0), range(1, 8)):
            given = [self.default]
            is_named = False
            for rule in self.rules:
                label = self.labels.index(rule["label"])
                entities = rule.get("any_of") or rule.get("all_of") or list(rule["count"])
                is_named = is_named or entity in entities
                # One entity alone never makes up for the others that `all_of` asks for.
                is_enough = rule.get("all_of") in (None, [entity]) and count >= rule.get("count", {}).get(entity, 1)
                if entity in entities and is_enough and score >= rule.get("min_score", 0.0):
                    given.append(label)
            if not is_named:
                given.append(len(self.labels) - 1)
            if max(given) <= highest:
                return True
        return False


@dataclass
class Standing:
    """The pools of a row that stand."""

    to: list[str] = field(default_factory=list)
    spill: list[str] = field(default_factory=list)
    canary: dict[str, Any] | None = None
    mirror: dict[str, Any] | None = None

    @property
    def all(self) -> set[str]:
        return {*self.to, *self.spill, *(one["pool"] for one in (self.canary, self.mirror) if one is not None)}

    @property
    def cloud(self) -> frozenset[str]:
        return frozenset(name for name in self.all if POOLS[name] == "cloud")


def _compare(sign: str, left: int, right: int) -> bool:
    return {">=": left >= right, ">": left > right, "<=": left <= right, "<": left < right, "==": left == right}[sign]


def _in_window(window: dict[str, Any], hour: int) -> bool:
    """`hour` of the week on the policy's clock."""
    day, of_day = divmod(hour, 24)
    begins, ends = int(window["from"][:2]), int(window["to"][:2])
    if begins < ends:
        return DAYS[day] in window["days"] and begins <= of_day < ends
    return (DAYS[day] in window["days"] and of_day >= begins) or (DAYS[day - 1] in window["days"] and of_day < ends)


# Making them


def small(seed: int, most_states: int) -> Small:
    """A random policy. About half of them are total, and few keep everything that could be asked of them."""
    chance = random.Random(seed)
    while (found := _any(chance)).size > most_states:
        pass
    return found


def _any(chance: random.Random) -> Small:
    labels = LABELS[: chance.randint(2, 4)]
    top = len(labels) - 1
    ceiling = chance.randint(-1, top)
    is_careful = chance.random() < 0.5
    pools = {
        name: {
            "clearance": top if chance.random() < (0.9 if is_careful else 0.5) else chance.randint(0, top),
            # A capability that every pool has is asked about by no one: fewer states to look at.
            "capabilities": [one for one in Capability if one not in ("tools", "vision") or chance.random() < 0.8],
            "context": chance.choice((None, None, None, *SIZES)),
            "residency": chance.choice((None, "cn", "us")),
        }
        for name in POOLS
    }
    names = chance.choice((["m"], ["m", "n"], ["m", "*"]))
    models = {name: _some(chance, list(POOLS), 2 if is_careful else 1) for name in names}
    classes = {name: chance.randint(-1, ceiling) for name in CLASSES} if chance.random() < 0.4 else None
    routes: list[dict[str, Any]] = []
    if is_careful and ceiling < top:
        above = f"> {labels[ceiling]}" if ceiling >= 0 else f">= {labels[0]}"
        routes.append({"id": "home", "when": {"label": above}, "to": ["a", "b"]})
    for number in range(chance.randint(1, 3)):
        routes.append({"id": f"r{number}", "when": _when(chance, labels, names), **_row(chance)})
    if is_careful or chance.random() < 0.5:
        routes.append({"id": "rest", "when": {}, **_row(chance)})
    invariants = [
        {"id": f"I{number}", **_invariant(chance, labels, names)} for number in range(chance.choice((0, 0, 1, 2)))
    ]
    stated = [{"reachable": "all_routes"}, {"total": True}, {"monotone": {"raising": "label", "may_not_add": "cloud"}}]
    invariants += [{"id": f"S{number}", **one} for number, one in enumerate(stated) if chance.random() < 0.2]
    return Small(
        labels=labels,
        ceiling=ceiling,
        classes=classes,
        models=models,
        pools=pools,
        routes=routes,
        invariants=invariants,
        rules=[_rule(chance, labels) for _ in range(chance.choice((0, 0, 1, 3)))],
        may_leave=list(ENTITIES) if is_careful else [one for one in FREE_TO_LEAVE if chance.random() < 0.5],
        default=chance.randint(0, 1),
    )


def _some(chance: random.Random, values: list[str], least: int = 1) -> list[str]:
    return chance.sample(values, chance.randint(min(least, len(values)), len(values)))


def _when(chance: random.Random, labels: tuple[str, ...], models: list[str], most: int = 2) -> When:
    when: When = {}
    kinds = ("label", "label", "complexity", "tenant_class", "capability", "model", "modality", "context", "time")
    for kind in chance.sample((*kinds, "pressure", "budget"), chance.randint(0 if chance.random() < 0.1 else 1, most)):
        match kind:
            case "label":
                when["label"] = f"{chance.choice(('>=', '>', '<=', '<', '=='))} {chance.choice(labels)}"
            case "complexity":
                when["complexity"] = _some(chance, list(COMPLEXITIES))
            case "tenant_class":
                when["tenant_class"] = _some(chance, list(CLASSES))
            case "capability":
                when["capability"] = _some(chance, ["tools", "vision"])
            case "model":
                when["model"] = _some(chance, models)
            case "modality":
                has = _some(chance, ["image", "audio"])
                when["modality"] = chance.choice(({"has": has}, {"only": ["text", *has]}))
            case "context":
                when["context"] = f"{chance.choice(('>=', '>', '<=', '<'))} {chance.choice(SIZES)}"
            case "time":
                begins, ends = chance.choice(((8, 20), (22, 6)))
                days = _some(chance, list(DAYS))
                when["time"] = {"days": days, "from": f"{begins:02}:00", "to": f"{ends:02}:00"}
            case "pressure":
                when["pressure"] = {"onprem": _some(chance, ["free", "saturated", "down"])}
            case _:
                when["budget"] = chance.choice(("ok", "spent"))
    return when


def _row(chance: random.Random) -> dict[str, Any]:
    if chance.random() < 0.15:
        return {"deny": "no"}
    to = _some(chance, list(POOLS))
    row: dict[str, Any] = {"to": to}
    spill = [name for name in _some(chance, list(POOLS)) if name not in to]
    if spill and chance.random() < 0.6:
        row["spill"] = spill
    if chance.random() < 0.2:
        row["only"] = {"residency": _some(chance, ["cn", "us", "none"])}
    if chance.random() < 0.25:
        row["canary"] = {"pool": chance.choice(list(POOLS)), "percent": chance.choice((0, 5, 50))}
    if chance.random() < 0.25:
        row["mirror"] = {"pool": chance.choice(list(POOLS)), "percent": chance.choice((0, 5, 50))}
    return row


def _invariant(chance: random.Random, labels: tuple[str, ...], models: list[str]) -> dict[str, Any]:
    when = _when(chance, labels, models, most=1)
    kind = chance.choice(("zone", "zone", "pool", "residency", "only"))
    if kind == "only":
        return {"only": {**when, "residency": _some(chance, ["cn", "us", "none"])}}
    if kind == "residency":
        return {"never": {**when, "residency": _some(chance, ["cn", "us"])}}
    value = chance.choice(list(POOLS)) if kind == "pool" else chance.choice(("cloud", "cloud", "onprem"))
    return {"never": {**when, kind: value}}


def _rule(chance: random.Random, labels: tuple[str, ...]) -> dict[str, Any]:
    entities = _some(chance, [*FREE_TO_LEAVE, "IBAN"])
    kind = chance.choice(("any_of", "all_of", "count"))
    rule: dict[str, Any] = {"label": chance.choice(labels)}
    rule[kind] = {one: chance.randint(1, 6) for one in entities} if kind == "count" else entities
    if chance.random() < 0.5:
        rule["min_score"] = chance.choice((0.25, 0.5, 1.0))
    return rule
