"""How long a replay of the audit log takes: records made as the gateway writes them, then `tidegate policy replay`.

The records are requests of the tenants of `policies/examples/bank.yaml`, decided by it; they are replayed under the
same policy with one more label raised. Time is of one process, whatever starts it included; the reference is decoding
the same lines with msgspec, without knowing what they mean.
"""

import argparse
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import msgspec
from machine import describe

from gateway.cli import policy_files
from gateway.cli.policy_files import POOLS, TENANTS, Loaded, PolicyFiles
from gateway.core.audit_chain import START, seal
from gateway.core.audit_record import Activation
from gateway.core.facts import RequestFacts
from gateway.core.findings import Coverage, Evidence, Finding, Tier
from gateway.core.keyed_hash import KeyedHash
from gateway.core.records import Attempt, Ending, Outcome, Usage
from gateway.policy.decide import decide
from gateway.policy.labelling import label

ROOT: Final = Path(__file__).resolve().parents[1]
POLICY: Final = ROOT / "policies" / "examples" / "bank.yaml"
BEGAN: Final = 1_790_000_000.0
BUNDLE: Final = "b" * 64
IN_A_SEGMENT: Final = 100_000
MINUTE_S: Final = 60.0


def outcome(number: int, rules: Loaded, tenants: list[str], chance: random.Random) -> Outcome:
    """One request as it would be recorded."""
    tenant = rules.tenants[chance.choice(tenants)]
    found = tuple(
        Finding(chance.choice(("EMAIL", "PERSON", "CN_RESIDENT_ID")), 0.9, "messages[0].content", 5, 23, "by-rule")
        for _ in range(chance.choice((0, 0, 0, 1, 2)))
    )
    evidence = Evidence(found, Coverage(frozenset({Tier.STRUCTURED, Tier.NAMES}), (), 4, 1_300))
    low, high = label(rules.policy, evidence, tenant.attested)
    facts = RequestFacts(
        low,
        high,
        tenant.tenant_class,
        tenant.ceiling,
        chance.choice(sorted(rules.policy.aliases)),
        context_tokens=chance.randrange(4_000),
    )
    return Outcome(
        f"{number:024x}",
        BEGAN + number,
        812.5,
        tenant.id,
        "chat",
        200,
        Ending.COMPLETED,
        BUNDLE,
        1,
        number % 2 == 0,
        1_300,
        1_024,
        evidence,
        facts,
        decide(rules.policy, facts),
        (Attempt("gpu", "onprem", "10.0.0.1:8000", Ending.COMPLETED, 200, 800.0),),
        Usage(300, 180),
    )


def fill(folder: Path, records: int, rules: Loaded) -> int:
    """Write that many records in segments; their size in bytes."""
    chance, tenants, size = random.Random(1), sorted(rules.tenants), 0
    key = KeyedHash(b"a key of the benchmark")
    for segment, first in enumerate(range(0, records, IN_A_SEGMENT)):
        last = START
        with (folder / f"20261121T{segment:06d}Z-w0-{'a' * 16}-{segment:04d}.jsonl").open("wb") as file:
            line, last = seal(last, 0, Activation(BEGAN, BUNDLE, rules.policy.order.names), key)
            size += file.write(line)
            for number in range(first, min(first + IN_A_SEGMENT, records)):
                line, last = seal(last, 1 + number - first, outcome(number, rules, tenants, chance), key)
                size += file.write(line)
    return size


def decoded(folder: Path) -> float:
    """CPU seconds to decode every line."""
    decode = msgspec.json.Decoder().decode
    began = time.process_time()
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            for line in file:
                decode(line)
    return time.process_time() - began


def replayed(folder: Path, new: Path) -> tuple[float, float]:
    """Seconds on the clock and of CPU that the command takes."""
    beside = POLICY.with_suffix("")
    command = [str(Path(sys.executable).with_name("tidegate")), "policy", "replay", str(new), "--audit", str(folder)]
    command += ["--old", str(POLICY), "--pools", str(beside / POOLS), "--tenants", str(beside / TENANTS), "--json"]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env={**os.environ, "NO_COLOR": "1"})
    took, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    """Print the figures; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000, help="how many; a million takes two minutes to write")
    records = parser.parse_args().records
    beside = POLICY.with_suffix("")
    rules = policy_files.load(PolicyFiles(POLICY, beside / POOLS, beside / TENANTS))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "audit"
        folder.mkdir()
        print(f"writing {records:,} records …", file=sys.stderr)
        size = fill(folder, records, rules)
        new = Path(name) / "new.yaml"
        new.write_text(POLICY.read_text().replace("label: confidential}", "label: restricted}", 1))
        took_s, cpu_s = replayed(folder, new)
        reference_s = decoded(folder)
    print(f"{records:,} records, {size / 2**20:.0f} MiB: {took_s:.1f} s")
    print(f"CPU {cpu_s:.1f} s, {cpu_s / reference_s:.1f} × decoding the lines")
    per_million = took_s / records * 1_000_000
    print(f"a million at this rate: {per_million:.0f} s (wanted: {MINUTE_S:.0f})")
    print(" · ".join(f"{name} {value}" for name, value in describe(None).items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
