"""What a candidate beside the policy costs each request, as a multiple of one reference operation in the same run.

Everything that a worker does for it after a decision is in it: the label and the decision in the candidate's words, the
comparison, the count. The policy is that of `bench/path.py`, the request that of `bench/micro.py`; the reference is
decoding it with msgspec. Where only the candidate asks for complexity a request is scored for it, one of four.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, cast

import msgspec
import yaml
from contenders import Front, write_config
from machine import describe
from micro import OUT, against, body

from gateway.config.gateway_file import Files
from gateway.core.facts import RequestFacts
from gateway.core.findings import Coverage, Evidence, Finding, Tier
from gateway.policy.decide import decide
from gateway.policy.labelling import label
from gateway.runtime.bundles import Bundle
from gateway.runtime.clock import SystemClock
from gateway.runtime.full_scan import Decided
from gateway.runtime.generation import Generation
from gateway.runtime.shadow import Comparison
from gateway.runtime.surroundings import Outlook
from gateway.settings import load_bundle, load_candidate
from gateway.wire.requests import Dialect, parse

LIMIT_US: Final = 10.0
"""What issue G allows."""


def cases() -> Iterator[tuple[str, Callable[[], object]]]:
    """Each case with a function that compares one request."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "gateway"
        write_config(config, Front(0, 9100, 9110), 8080, 8081)
        live = load_bundle(config, {})[1]
        written = yaml.safe_load((config / "policy.yaml").read_text())

        def candidate(when: dict[str, str]) -> Bundle:
            """The policy with one row more, for what `when` asks."""
            rows = [{"id": "new", "when": when, "to": written["routes"][-1]["to"][:1]}, *written["routes"]]
            text: str = yaml.safe_dump({**written, "routes": rows}, sort_keys=False, explicit_end=True)
            (config / Files().shadow).write_text(text)
            return load_candidate(config, Files())

        by_label = candidate({"label": ">= confidential"})
        yield "another row", _comparing(live, by_label, 0)
        yield "another row, ten findings", _comparing(live, by_label, 10)
        yield "asks for the budget as well", _comparing(live, candidate({"budget": "spent"}), 0)
        yield "asks for the complexity as well", _comparing(live, candidate({"complexity": "hard"}), 0)


def _comparing(live: Bundle, candidate: Bundle, findings: int) -> Callable[[], None]:
    comparison = Comparison(live, candidate, _outlook)
    request = parse(Dialect.CHAT, body(0))
    found = tuple(Finding("EMAIL", 0.9, "messages[1].content", at, at + 9, "bench") for at in range(findings))
    evidence = Evidence(found, Coverage(frozenset({Tier.STRUCTURED, Tier.NAMES}), (), 2, 1300))
    tenant = live.tenants["bench"]
    low, high = label(live.policy, evidence, tenant.attested)
    facts = RequestFacts(low, high, tenant.tenant_class, tenant.ceiling, request.model, request.capabilities)
    # What governs is not asked for: only what it decided.
    decided = Decided(evidence, facts, decide(live.policy, facts), cast(Generation, None))
    return lambda: comparison.take(tenant, request, decided, None)


def _outlook(bundle: Bundle) -> Outlook:
    return Outlook(
        bundle.policy.layout, bundle.topology, SystemClock(), has_place=lambda _: True, is_closed=lambda _: False
    )


def main() -> int:
    """Measure every case and print the table; ends with 1 if one takes longer than it may."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--once", action="store_true", help="do every case once, without figures: do they still run?")
    parser.add_argument("--json", type=Path, default=OUT / "shadow.json", help="where the figures go")
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
    print(f"a candidate; reference: decoding {len(sample)} bytes of JSON\n  {'':40}{'µs':>9}{'× reference':>14}")
    for name, case in cases():
        cost, ratio = against(case, lambda: decode(sample))
        figures[name] = {"us": cost, "times_reference": ratio}
        print(f"  {name:40}{cost:>9.2f}{ratio:>14.2f}")
    print("\n" + " · ".join(f"{key} {value}" for key, value in about.items()))
    options.json.parent.mkdir(exist_ok=True)
    options.json.write_text(json.dumps({"machine": about, "cases": figures}, indent=1) + "\n")
    return int(any(one["us"] > LIMIT_US for one in figures.values()))


if __name__ == "__main__":
    sys.exit(main())
