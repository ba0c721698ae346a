"""Random small policies over every fact, random requests, and a plain reading of regions: for comparing policies."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from hypothesis import strategies as st

from gateway.core.facts import Budget, Capability, Complexity, Modality, Pressure, RequestFacts, Surroundings
from gateway.core.labels import Label
from gateway.core.topology import Endpoint, Pool, Topology
from gateway.policy.compiled import OTHER_CLASS, CompiledPolicy
from gateway.policy.regions import Part, Region

from .making import unproved

LABELS = ("public", "internal", "confidential")
POOLS = ("home", "lab", "burst", "far")
CLASSES = ("bank", "press")
MODELS = ("chat", "big")


def _some(values: tuple[str, ...], least: int = 1) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=least, max_size=len(values), unique=True)


_GUARDS: Mapping[str, st.SearchStrategy[object]] = {
    "label": st.builds(
        lambda sign, name: f"{sign} {name}", st.sampled_from((">=", "<", "==")), st.sampled_from(LABELS)
    ),
    "complexity": _some(tuple(Complexity)),
    "tenant_class": _some(CLASSES),
    "capability": _some(("tools", "vision")),
    "model": _some(MODELS),
    "modality": st.sampled_from((["image"], {"has": ["image"]}, {"only": ["text", "audio"]})),
    "context": st.sampled_from(("> 32k", "<= 32k", ">= 100", "< 200000")),
    "time": st.sampled_from(
        (
            {"days": ["mon", "tue"], "from": "08:00", "to": "20:00"},
            {"days": ["sun"], "from": "22:00", "to": "06:00"},
            {"from": "00:00", "to": "12:00"},
        )
    ),
    "pressure": st.sampled_from(({"onprem": "down"}, {"onprem": ["saturated", "down"], "cloud": "free"})),
    "budget": st.sampled_from(("ok", "spent")),
}


@st.composite
def rows(draw: st.DrawFn, most: int = 3) -> list[dict[str, object]]:
    """The rows of a policy, the last for everything."""
    found: list[dict[str, object]] = []
    for number in range(draw(st.integers(0, most))):
        asked = draw(st.lists(st.sampled_from(sorted(_GUARDS)), min_size=1, max_size=2, unique=True))
        row: dict[str, object] = {"id": f"r{number}", "when": {key: draw(_GUARDS[key]) for key in asked}}
        if draw(st.integers(0, 5)) == 0:
            row["deny"] = "no"
        else:
            row |= draw(_destinations())
        found.append(row)
    return [*found, {"id": "rest", "when": {}, **draw(_destinations(everything=True))}]


@st.composite
def _destinations(draw: st.DrawFn, *, everything: bool = False) -> dict[str, object]:
    to = ["home", *draw(_some(POOLS[1:], 0))] if everything else draw(_some(POOLS))
    found: dict[str, object] = {"to": to, "spill": [one for one in draw(_some(POOLS, 0)) if one not in to]}
    if draw(st.integers(0, 3)) == 0:
        found["canary"] = {"pool": draw(st.sampled_from(POOLS)), "percent": draw(st.sampled_from((0, 5)))}
    if draw(st.integers(0, 3)) == 0:
        found["mirror"] = {"pool": draw(st.sampled_from(POOLS)), "percent": draw(st.sampled_from((0, 5)))}
    if draw(st.integers(0, 3)) == 0:
        found["cache"] = "never"
    if draw(st.integers(0, 3)) == 0:
        found["audit"] = "strict"
    if draw(st.integers(0, 3)) == 0:
        found["only"] = {"residency": ["cn"]}
    return found


@dataclass(frozen=True)
class World:
    """A policy with its pools and classes, as files."""

    text: str
    pools: Topology
    classes: dict[str, Label | None]

    def compiled(self) -> CompiledPolicy:
        return unproved(self.text.encode(), self.pools, self.classes)


@st.composite
def worlds(draw: st.DrawFn, given_rows: list[dict[str, object]] | None = None) -> World:
    """A policy with its pools and classes; `given_rows` to begin from."""
    table = given_rows if given_rows is not None else draw(rows())
    ceiling = draw(st.sampled_from((*LABELS, "none")))
    text = f"""\
apiVersion: tidegate/v1
version: 1
time_zone: "+08:00"
labels: [{", ".join(LABELS)}]
cloud_ceiling: {ceiling}
label: {{default: internal, unscanned: confidential, unmapped: confidential, rules: {json.dumps(draw(rules()))}}}
zones: {{onprem: {{networks: [unix]}}, cloud: {{networks: any}}}}
models: {json.dumps({name: {"pools": ["home", *draw(_some(POOLS[1:], 0))]} for name in MODELS})}
routes: {json.dumps(table)}
cache: {{internal: 1h, confidential: 10m}}
...
"""
    rank = LABELS.index(ceiling) if ceiling != "none" else -1
    lower = draw(st.integers(-1, rank))
    classes = {"bank": Label(lower) if lower >= 0 else None, "press": Label(rank) if rank >= 0 else None}
    return World(text, draw(topologies()), classes)


@st.composite
def rules(draw: st.DrawFn) -> list[dict[str, object]]:
    """Label rules."""
    entities = ("PERSON", "EMAIL", "CN_MOBILE", "URL")
    found: list[dict[str, object]] = []
    for _ in range(draw(st.integers(0, 4))):
        kind = draw(st.sampled_from(("any_of", "all_of", "count", "marker")))
        rule: dict[str, object] = {"label": draw(st.sampled_from(LABELS))}
        if kind == "marker":
            rule["marker"] = draw(_some(("secret", "机密")))
        else:
            rule["min_score"] = draw(st.sampled_from((0.0, 0.4, 0.7)))
            chosen = draw(_some(entities))
            rule[kind] = {one: draw(st.integers(1, 4)) for one in chosen} if kind == "count" else chosen
        found.append(rule)
    return found


@st.composite
def topologies(draw: st.DrawFn) -> Topology:
    """The pools: two at home, two in the cloud."""
    made = []
    for name, zone in zip(POOLS, ("onprem", "onprem", "cloud", "cloud"), strict=True):
        capabilities = frozenset(Capability(one) for one in draw(_some(("tools", "vision"), 0)))
        clearance = Label(2) if name == "home" else Label(draw(st.integers(0, 2)))
        made.append(
            Pool(
                name,
                zone,
                clearance,
                "vllm",
                "m",
                (Endpoint("a"),),
                capabilities=frozenset(Capability) if name == "home" else capabilities,
                context_tokens=draw(st.sampled_from((None, 32768))),
                residency=draw(st.sampled_from((None, "cn"))),
            )
        )
    return Topology(tuple(made))


@st.composite
def requests(draw: st.DrawFn) -> RequestFacts:
    """Facts of a request, with one label."""
    label = Label(draw(st.integers(0, 2)))
    ceiling = draw(st.integers(-1, 2))
    pressures = [(zone, Pressure(draw(st.sampled_from(tuple(Pressure))))) for zone in ("onprem", "cloud")]
    return RequestFacts(
        label_low=label,
        label_high=label,
        tenant_class=draw(st.sampled_from((*CLASSES, "other"))),
        ceiling=Label(ceiling) if ceiling >= 0 else None,
        model=draw(st.sampled_from(MODELS)),
        capabilities=frozenset(Capability(one) for one in draw(_some(("tools", "vision"), 0))),
        complexity=draw(st.sampled_from(tuple(Complexity))),
        modalities=frozenset({Modality.TEXT, *(Modality(one) for one in draw(_some(("image", "audio"), 0)))}),
        context_tokens=draw(st.sampled_from((0, 100, 32768, 32769, 250_000))),
        surroundings=Surroundings(
            draw(st.sampled_from((0, 1, 700, 4000, 9000, 10_000, 10_079))),
            tuple(pressures),
            draw(st.sampled_from(tuple(Budget))),
        ),
    )


def lies_in(region: Region, facts: RequestFacts, names: tuple[str, ...]) -> bool:
    """Whether `facts` lie in `region`, by the words that its parts say; `names` are the labels."""
    return all(_holds(part, facts, names) for part in region.parts)


def _holds(part: Part, facts: RequestFacts, names: tuple[str, ...]) -> bool:
    axis, chosen = part.axis, part.axis.chosen(part.mask)
    around = facts.surroundings
    if axis.spans:
        number = facts.context_tokens if axis.fact == "context" else around.minute_of_week
        spans = [span for place, spans in enumerate(axis.spans) if part.mask >> place & 1 for span in spans]
        return any(start <= number and (end is None or number < end) for start, end in spans)
    given = {
        "model": facts.model,
        "tenant_class": facts.tenant_class if facts.tenant_class in CLASSES else OTHER_CLASS,
        "label": names[facts.label_high],
        "own_ceiling": "yes" if facts.ceiling is None or facts.label_high > facts.ceiling else "no",
        "complexity": facts.complexity,
        "capability": "yes" if axis.member in facts.capabilities else "no",
        "modality": "yes" if axis.member in facts.modalities else "no",
        "pressure": dict(around.pressure).get(axis.member, "free"),
        "budget": around.budget,
    }
    return given[axis.fact] in chosen
