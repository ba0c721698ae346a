"""How fast the audit log becomes the ledger, and how long a month's answer takes once it has.

Records are made as the gateway writes them: a request of 20 tenants, three pools, four labels, with findings in one of
four; written to a temporary state folder, read by `UsageBook`, and asked for by the month. Time is of one process.
"""

import argparse
import random
import tempfile
import time
from pathlib import Path
from typing import Final

from gateway.core.audit_record import Activation, Header, write
from gateway.core.decision import Allow
from gateway.core.facts import RequestFacts
from gateway.core.findings import Coverage, Evidence, Finding, Tier
from gateway.core.labels import Label
from gateway.core.ledger_asked import grouped
from gateway.core.records import Attempt, Ending, Outcome, Usage
from gateway.runtime.usage_book import UsageBook

DAYS: Final = 30
BEGAN: Final = 1_790_000_000.0
LABELS: Final = ("public", "internal", "confidential", "restricted")
SEAL: Final = b',"seal":"' + b"0" * 128 + b'"}\n'


def outcome(number: int, at: float, chance: random.Random) -> Outcome:
    """One request as it would be recorded."""
    label = Label(chance.choices(range(4), (2, 5, 2, 1))[0])
    pool, zone = ("home", "onprem") if label > 1 or chance.random() < 0.8 else ("burst", "cloud")
    found = (Finding("PERSON", 0.55, "messages[1].content", 5, 12, "zh-name-after-role"),) * (chance.random() < 0.25)
    return Outcome(
        f"{number:024x}", at, 812.5, f"tenant-{number % 20}", "chat", 200, Ending.COMPLETED, "b" * 64, 3,
        chance.random() < 0.6, 1400, 2100,
        Evidence(found, Coverage(frozenset({Tier.STRUCTURED, Tier.NAMES}), (), 3, 1100)),
        RequestFacts(label, label, "default", Label(1), "chat", context_tokens=900),
        Allow(("home",), ("burst",), 10.0, "rest", label),
        (Attempt(pool, zone, "10.0.0.5:8000", Ending.COMPLETED, 200, 790.1),),
        Usage(400, 250),
        cost_micros=2800 if zone == "cloud" else 0,
    )  # fmt: skip


def fill(audit: Path, records: int) -> int:
    """Write a month of the log, a day to a segment; its size in bytes."""
    chance, size = random.Random(1), 0
    audit.mkdir(parents=True)
    for day in range(DAYS):
        began = BEGAN + day * 86_400
        name = f"20260101T{day:06d}Z-w0-{'a' * 16}-{day:04d}"
        with (audit / f"{name}.jsonl").open("wb") as file:
            size += file.write(write(0, Header(name, 0, "a" * 16, day, began, began, "0" * 64)) + SEAL)
            size += file.write(write(1, Activation(began, "b" * 64, LABELS)) + SEAL)
            for number in range(records // DAYS):
                at = began + number * 86_400 * DAYS / records
                size += file.write(write(2 + number, outcome(day * records + number, at, chance)) + SEAL)
    return size


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=300_000)
    records = parser.parse_args().records
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        size = fill(state / "audit", records)
        began = time.perf_counter()
        with UsageBook.opened(state) as book:
            read = book.read()
        took = time.perf_counter() - began
        size_mib, rate = size / 2**20, read.records / took
        print(f"first reading: {read.records:,} records, {size_mib:,.0f} MiB, {took:.2f} s: {rate:,.0f} records/s")
        began = time.perf_counter()
        with UsageBook.opened(state) as book:
            book.read()
            sums = book.sums(book.days())
            groups = grouped(sums.items(), ("tenant", "pool"))
        print(f"a month again: {(time.perf_counter() - began) * 1000:,.0f} ms, {len(sums):,} sums, {len(groups)} lines")
        print(f"kept: {sum(path.stat().st_size for path in (state / 'usage').iterdir()) / 2**10:,.0f} KiB")


if __name__ == "__main__":
    main()
