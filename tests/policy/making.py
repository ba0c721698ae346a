"""Policies, pools and facts for the tests, written as briefly as they can be."""

from collections.abc import Iterable, Mapping

from gateway.core.decision import Decision
from gateway.core.facts import Budget, Capability, Complexity, Modality, Pressure, RequestFacts, Surroundings
from gateway.core.findings import Coverage, Evidence, Finding, History, Tier, Unscanned
from gateway.core.labels import Label
from gateway.core.problems import Problems
from gateway.core.topology import Endpoint, Pool, Topology
from gateway.policy.compile import load
from gateway.policy.compiled import CompiledPolicy

PUBLIC, INTERNAL, CONFIDENTIAL, RESTRICTED = (Label(rank) for rank in range(4))
ALL = frozenset(Capability)
BOTH = frozenset({Tier.STRUCTURED, Tier.NAMES})

# The example of the policy language's description, whole.
EXAMPLE = """\
apiVersion: tidegate/v1
version: 42
labels: [public, internal, confidential, restricted]
cloud_ceiling: internal
label:
  default: internal
  unscanned: restricted
  unmapped: restricted
  may_leave: [ORG, URL, DATE, PERSON]
  rules:
    - {any_of: [CN_RESIDENT_ID, BANK_CARD, US_SSN, CREDENTIAL, MEDICAL_RECORD], label: restricted}
    - {any_of: [CN_MOBILE, EMAIL, ADDRESS], min_score: 0.6, label: confidential}
    - {all_of: [PERSON, HEALTH_CONTEXT], label: restricted}
    - {count: {CN_MOBILE: 5}, label: restricted}
    - {marker: [内部, 机密, do not distribute], label: confidential}
zones:
  onprem: {networks: [10.0.0.0/8, 127.0.0.0/8]}
  cloud: {networks: any, tls: required}
models:
  chat-auto: {pools: [gpu-small, gpu-large, sglang, burst]}
  chat-large: {pools: [gpu-large, burst]}
routes:
  - {id: keep-home, when: {label: ">= confidential"}, to: [gpu-large, gpu-small], on_full: {queue: 20s}}
  - {id: json, when: {capability: json_schema}, to: [sglang, gpu-large], spill: [burst]}
  - {id: simple, when: {complexity: simple}, to: [gpu-small], spill: [burst]}
  - {id: rest, when: {}, to: [gpu-large], spill: [burst]}
cache: {internal: 1h, confidential: 10m, restricted: never}
invariants:
  - {id: N1, never: {label: ">= confidential", zone: cloud}}
  - {id: N2, never: {tenant_class: hospital, zone: cloud}}
  - {id: N3, monotone: {raising: label, may_not_add: cloud}}
  - {id: N4, total: true}
  - {id: N5, reachable: all_routes}
...
"""

CLASSES: Mapping[str, Label | None] = {"default": INTERNAL, "hospital": None, "press": PUBLIC}


def pool(
    name: str,
    zone: str = "onprem",
    clearance: Label = RESTRICTED,
    capabilities: Iterable[Capability] = ALL,
    *,
    context: int | None = None,
    processor: str | None = None,
    residency: str | None = None,
    agreement: str | None = None,
) -> Pool:
    return Pool(
        name,
        zone,
        clearance,
        "vllm",
        "m",
        (Endpoint("a"),),
        capabilities=frozenset(capabilities),
        context_tokens=context,
        processor=processor,
        residency=residency,
        agreement=agreement,
    )


EXAMPLE_POOLS = Topology(
    (
        pool("gpu-small", capabilities=()),
        pool("gpu-large"),
        pool("sglang", clearance=CONFIDENTIAL),
        pool("burst", "cloud", INTERNAL, {Capability.TOOLS, Capability.JSON_SCHEMA}),
    )
)


def example() -> CompiledPolicy:
    return load(EXAMPLE.encode(), "policy.yaml", EXAMPLE_POOLS, CLASSES)


def policy(
    routes: str,
    models: str = "{chat: {pools: [home, lab, burst, far]}}",
    *,
    ceiling: str = "internal",
    rules: str = "[]",
    label: str = "",
    rest: str = "",
) -> bytes:
    """A policy around `routes`, with the zones `onprem` and `cloud`; `rest` are more keys of the file."""
    return f"""\
apiVersion: tidegate/v1
version: 1
labels: [public, internal, confidential, restricted]
cloud_ceiling: {ceiling}
label: {{default: internal, unscanned: restricted, unmapped: restricted, rules: {rules}{label}}}
zones: {{onprem: {{networks: [unix]}}, cloud: {{networks: any}}}}
models: {models}
routes:
{routes}
{rest}
...
""".encode()


POOLS = Topology(
    (
        pool("home"),
        pool("lab", clearance=CONFIDENTIAL, capabilities={Capability.TOOLS}),
        pool("burst", "cloud", INTERNAL),
        pool("far", "cloud", RESTRICTED),
    )
)


def unproved(
    data: bytes, topology: Topology | None = None, classes: Mapping[str, Label | None] | None = None
) -> CompiledPolicy:
    """A policy compiled without looking at where requests can get to: what `decide` itself guards is left alone."""
    return load(data, "policy.yaml", topology if topology is not None else POOLS, classes)


def facts(
    label: Label = INTERNAL,
    model: str = "chat",
    *,
    low: Label | None = None,
    tenant_class: str = "default",
    ceiling: Label | None = RESTRICTED,
    needs: Iterable[Capability] = (),
    complexity: Complexity = Complexity.MEDIUM,
    holds: Iterable[Modality] = (),
    tokens: int = 0,
    minute: int = 0,
    pressure: Mapping[str, Pressure] | None = None,
    budget: Budget = Budget.OK,
) -> RequestFacts:
    return RequestFacts(
        low if low is not None else label,
        label,
        tenant_class,
        ceiling,
        model,
        frozenset(needs),
        complexity,
        frozenset({Modality.TEXT, *holds}),
        tokens,
        Surroundings(minute, tuple((pressure or {}).items()), budget),
    )


def told(
    data: bytes | str, topology: Topology | None = None, classes: Mapping[str, Label | None] | None = None
) -> list[str]:
    """Every problem of a policy as `line:column: sentence mend`."""
    try:
        load(data.encode() if isinstance(data, str) else data, "p", topology, classes)
    except Problems as found:
        return [str(problem).removeprefix("p:") for problem in found.problems]
    return []


def evidence(
    *found: tuple[str, float] | str,
    tiers: frozenset[Tier] = BOTH,
    unscanned: Iterable[str] = (),
    failure: str | None = None,
    history: History = History.NONE,
    taint: Label | None = None,
) -> Evidence:
    """Evidence with the entities `found`, each certain unless it says how certain."""
    pairs = [(one, 1.0) if isinstance(one, str) else one for one in found]
    findings = tuple(
        Finding(entity, score, f"messages[{place}].content", 0, 4, "test")
        for place, (entity, score) in enumerate(pairs)
    )
    parts = tuple(Unscanned(carrier, "messages[0].content[1]") for carrier in unscanned)
    return Evidence(findings, Coverage(tiers, parts, failure=failure), history, taint)


def reached(decision: Decision) -> tuple[str, ...]:
    """Every pool that a decision names, its mirror too."""
    return getattr(decision, "reach", ())
