"""How long the proof of a large policy takes, and how much longer it would take to look at every state.

4 labels, 20 routes, 50 tenant classes, 12 pools; times of day, zone pressure, burst budget, contexts, modalities. The
ratio is against brute force over a policy of the same kind that is small enough for it, in the same run: seconds per
state of looking at each, times the states of the large one.
"""

import argparse
import statistics
import sys
from pathlib import Path
from time import process_time
from typing import Final

# ruff: noqa: E501  # routes are whole lines, as in a policy
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from gateway.core.facts import Capability
from gateway.core.labels import Label
from gateway.core.topology import Endpoint, Pool, Topology
from gateway.policy.compile import load
from gateway.policy.compiled import CompiledPolicy
from gateway.policy.proof import Outcome
from gateway.policy.prove import prove
from tests.policy.brute_force import small

TURNS: Final = 5
SMALL: Final = 200
CLASSES: Final = 50
ROUTES: Final = """\
  - {id: keep, when: {label: ">= confidential"}, to: [home-l, home-m, home-s], on_full: {queue: 20s}}
  - {id: wards, when: {tenant_class: [c00, c01, c02, c03]}, to: [home-m, home-s]}
  - {id: law, when: {tenant_class: [c04, c05], capability: json_schema}, to: [home-json], spill: [home-l]}
  - {id: night, when: {time: {from: "22:00", to: "06:00"}, complexity: hard}, to: [batch], spill: [home-l]}
  - {id: broke, when: {budget: spent}, to: [home-l, home-m], only: {residency: [cn]}}
  - {id: down, when: {pressure: {onprem: down}}, to: [home-l, home-v], spill: [cloud-a, cloud-b, cloud-v, cloud-long]}
  - {id: pictures, when: {modality: image}, to: [home-v], spill: [cloud-v]}
  - {id: sound, when: {modality: {has: [audio]}, tenant_class: [c06, c07, c08]}, to: [home-v]}
  - {id: very-long, when: {context: "> 131072", tenant_class: [c09, c10, c11]}, to: [home-long], spill: [cloud-long]}
  - {id: long, when: {context: "> 32768"}, to: [home-long], spill: [cloud-long]}
  - {id: tools-hard, when: {capability: tools, complexity: hard}, to: [home-l], spill: [cloud-a, cloud-b]}
  - {id: tools, when: {capability: tools}, to: [home-m, home-l], spill: [cloud-a]}
  - {id: json, when: {capability: json_schema}, to: [home-json, home-l], spill: [cloud-b]}
  - {id: weekend, when: {time: {days: [sat, sun]}, complexity: simple}, to: [home-s]}
  - {id: office, when: {time: {days: [mon, tue, wed, thu, fri], from: "08:00", to: "20:00"}, tenant_class: [c12, c13]}, to: [home-l], spill: [cloud-a]}
  - {id: full, when: {pressure: {onprem: [saturated, down]}, complexity: simple}, to: [home-s, home-m], spill: [cloud-b]}
  - {id: large, when: {model: chat-large}, to: [home-l], spill: [cloud-a]}
  - {id: press, when: {tenant_class: [c14, c15, c16]}, to: [home-s, cloud-b], canary: {pool: cloud-a, percent: 5}}
  - {id: simple, when: {complexity: simple}, to: [home-s], spill: [cloud-b]}
  - {id: rest, when: {}, to: [home-m, home-l], spill: [cloud-a, cloud-b]}
"""
MODELS: Final = {
    "chat-auto": "home-s, home-m, home-l, home-json, home-v, home-long, batch, cloud-a, cloud-b, cloud-v, cloud-long",
    "chat-large": "home-m, home-l, home-v, home-long, cloud-a, cloud-long",
    "chat-home": "home-s, home-m, home-l, home-json, home-v, home-long, batch, home-x",
    "vision": "home-v, home-m, cloud-v",
}
TEXT: Final = f"""\
apiVersion: tidegate/v1
version: 1
time_zone: "+08:00"
labels: [public, internal, confidential, restricted]
cloud_ceiling: internal
label: {{default: internal, unscanned: restricted, unmapped: restricted, rules: []}}
zones: {{onprem: {{networks: [unix]}}, cloud: {{networks: any}}}}
models: {{{", ".join(f"{name}: {{pools: [{pools}]}}" for name, pools in MODELS.items())}}}
routes:
{ROUTES}
invariants:
  - {{id: N1, never: {{label: ">= confidential", zone: cloud}}}}
  - {{id: N2, never: {{tenant_class: [c00, c01, c02, c03], zone: cloud}}}}
  - {{id: N3, never: {{budget: spent, pool: cloud-b}}}}
  - {{id: N4, monotone: {{raising: [label, taint, coverage], may_not_add: cloud}}}}
  - {{id: N5, total: true}}
  - {{id: N6, client: may_not_steer}}
...
"""
_ALL: Final = frozenset(Capability)
_TEXT: Final = _ALL - {Capability.VISION, Capability.AUDIO}
POOLS: Final = {
    "home-s": ("onprem", _TEXT - {Capability.TOOLS}, 8192),
    "home-m": ("onprem", _TEXT, 32768),
    "home-l": ("onprem", _ALL, 131072),
    "home-json": ("onprem", _TEXT, 65536),
    "home-v": ("onprem", _ALL - {Capability.JSON_SCHEMA}, 32768),
    "home-long": ("onprem", _TEXT, 262144),
    "home-x": ("onprem", _TEXT, None),
    "batch": ("onprem", _TEXT, None),
    "cloud-a": ("cloud", _ALL, 131072),
    "cloud-b": ("cloud", _TEXT, 32768),
    "cloud-v": ("cloud", _ALL, 32768),
    "cloud-long": ("cloud", _TEXT, None),
}


def large() -> CompiledPolicy:
    """The policy that is proved."""
    pools = Topology(
        tuple(
            Pool(
                name,
                zone,
                Label(3 if zone == "onprem" else 1),
                "vllm",
                "m",
                (Endpoint("a"),),
                capabilities=capabilities,
                context_tokens=context,
                residency="cn" if zone == "onprem" else "us",
            )
            for name, (zone, capabilities, context) in POOLS.items()
        )
    )
    # Most classes may let out what the policy may; some less, some nothing.
    ceilings = [None if number < 4 else Label(0) if number % 7 == 0 else Label(1) for number in range(CLASSES)]
    return load(TEXT.encode(), "large", pools, {f"c{number:02}": ceiling for number, ceiling in enumerate(ceilings)})


def main() -> int:
    """Print one table; 1 if anything was not proved, since then the figure is of something else."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--once", action="store_true", help="one turn and few small policies: does it still run?")
    turns, policies = (1, 5) if parser.parse_args().once else (TURNS, SMALL)
    policy = large()
    seconds = []
    for _ in range(turns):
        began = process_time()
        proof = prove(policy)
        seconds.append(process_time() - began)
    took = statistics.median(seconds)
    looked_at, states = process_time(), 0
    for seed in range(policies):
        states += small(seed, 2_000).truth().states
    each = (process_time() - looked_at) / states
    size = f"{len(policy.order.names)}, {len(policy.routes)}, {CLASSES}, {len(POOLS)}"
    for name, value in (
        ("labels, routes, classes, pools", size),
        ("states", f"{proof.states:,}"),
        ("nodes walked", f"{proof.nodes:,}"),
        ("claims proved", f"{sum(one.outcome is Outcome.PROVED for one in proof.verdicts)} of {len(proof.verdicts)}"),
        ("prove, CPU seconds", f"{took:.3f} (median of {turns})"),
        ("brute force, CPU seconds per state", f"{each:.1e} (over {states:,} states of {policies} small policies)"),
        ("brute force / prove", f"{each * proof.states / took:,.0f}"),
    ):
        print(f"{name:36}{value}")
    return 0 if proof.is_proved else 1


if __name__ == "__main__":
    sys.exit(main())
