"""What a decision costs with 20 routes, as a multiple of one reference operation in the same run.

The reference is decoding a 1.3 KB request with msgspec. Each case takes turns with it in small batches, and the ratio
is the median over the turns, so that a machine that slows down slows both. Needs nothing but this repository.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
from machine import describe
from micro import OUT, against, body

from gateway.core.facts import Complexity, Modality, Pressure, RequestFacts, Surroundings
from gateway.core.labels import Label
from gateway.core.topology import Endpoint, Pool, Topology
from gateway.policy.compile import load
from gateway.policy.compiled import CompiledPolicy
from gateway.policy.decide import Step, decide

ROUTES: Final = 20
CLASSES: Final = 50
INTERNAL, CONFIDENTIAL = Label(1), Label(2)
POOLS: Final = Topology(
    tuple(
        Pool(name, zone, Label(3 if zone == "onprem" else 1), "vllm", "m", (Endpoint("a"),))
        for name, zone in (("small", "onprem"), ("large", "onprem"), ("burst", "cloud"))
    )
)
PLAIN: Final = ("label: '> confidential'", "complexity: hard", "capability: vision", "tenant_class: c{number}")
EVERY: Final = (
    *PLAIN,
    "modality: audio",
    "context: '> {number}k'",
    "time: {{days: sat, from: '{number:02}:00', to: '23:00'}}",
    "pressure: {{onprem: down}}",
    "budget: spent",
)


def policy(questions: tuple[str, ...]) -> CompiledPolicy:
    """Twenty rows that ask `questions` in turn, two of them each, for two models; the last matches everything."""
    rows = []
    for number in range(ROUTES - 2):
        asked = (questions[number % len(questions)], questions[(number + 1) % len(questions)])
        when = ", ".join(question.format(number=number + 1) for question in asked)
        rows.append(f"  - {{id: r{number}, when: {{{when}}}, to: [small, large]}}")
    text = "\n".join(
        [
            "apiVersion: tidegate/v1",
            "version: 1",
            "labels: [public, internal, confidential, restricted]",
            "cloud_ceiling: internal",
            "label: {default: internal, unscanned: restricted, unmapped: restricted, rules: []}",
            "zones: {onprem: {networks: [unix]}, cloud: {networks: any}}",
            "models: {chat: {pools: [small, large, burst]}, narrow: {pools: [large, burst]}}",
            "routes:",
            *rows,
            "  - {id: sensitive, when: {label: '>= confidential'}, to: [large]}",
            "  - {id: rest, when: {}, to: [small, large], spill: [burst]}",
            "...",
            "",
        ]
    )
    classes: dict[str, Label | None] = {f"c{number}": INTERNAL for number in range(CLASSES)}
    return load(text.encode(), "policy.yaml", POOLS, classes)


def cases() -> Iterator[tuple[str, Callable[[], object]]]:
    """Each case with a function that decides once. All but the last row are passed over."""
    plain, every = policy(PLAIN), policy(EVERY)
    moment = Surroundings(600, (("onprem", Pressure.SATURATED),))

    def facts(label: Label, low: Label, model: str = "chat", ceiling: Label | None = INTERNAL) -> RequestFacts:
        needs, holds = frozenset[Any](), frozenset({Modality.TEXT, Modality.IMAGE})
        return RequestFacts(low, label, "c49", ceiling, model, needs, Complexity.MEDIUM, holds, 900, moment)

    usual, home = facts(INTERNAL, INTERNAL), facts(INTERNAL, INTERNAL, ceiling=None)
    narrow, two = facts(INTERNAL, INTERNAL, "narrow"), facts(CONFIDENTIAL, INTERNAL)
    yield "label, complexity, class and needs", lambda: decide(plain, usual)
    yield "every fact there is", lambda: decide(every, usual)
    yield "a tenant whose work stays at home", lambda: decide(plain, home)
    yield "a model that takes a pool away", lambda: decide(plain, narrow)
    yield "two labels", lambda: decide(plain, two)

    def traced() -> None:
        steps: list[Step] = []
        decide(plain, usual, steps)

    yield "with the trace", traced


def main() -> int:
    """Measure every case and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--once", action="store_true", help="do every case once, without figures: do they still run?")
    parser.add_argument("--json", type=Path, default=OUT / "decide.json", help="where the figures go")
    options = parser.parse_args()
    if options.once:
        for name, case in cases():
            case()
            print(name)
        return 0
    decode: Callable[[bytes], Any] = msgspec.json.Decoder().decode
    sample = body(0)
    about = describe(None)
    figures = {}
    print(f"decide, {ROUTES} routes; reference: decoding {len(sample)} bytes of JSON")
    print(f"  {'':40}{'µs':>9}{'× reference':>14}")
    for name, case in cases():
        cost, ratio = against(case, lambda: decode(sample))
        figures[name] = {"us": cost, "times_reference": ratio}
        print(f"  {name:40}{cost:>9.2f}{ratio:>14.2f}")
    print("\n" + " · ".join(f"{key} {value}" for key, value in about.items()))
    options.json.parent.mkdir(exist_ok=True)
    options.json.write_text(json.dumps({"machine": about, "cases": figures}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
