"""How many full scans one core makes in a second, English and Chinese, by the length of what is new in a request.

A worker process reads with the real models, as in the gateway; the scans follow each other. Counted is processor time,
the worker's and ours, so that a busy machine changes little. Texts are requests of bench/eval, no two alike.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from time import perf_counter, process_time
from typing import Final

from machine import describe
from micro import OUT

sys.path.insert(0, str(Path(__file__).resolve().parent / "eval"))

from corpus.build import examples
from corpus.templates import LANGUAGES

from gateway.core.findings import Coverage, Evidence, Tier
from gateway.detect.memo import MemoStore, TenantMemo
from gateway.detect.ner import ModelScanner
from gateway.detect.ner_models import are_installed, models_digest
from gateway.detect.ner_workers import NameWorkers, WorkerSettings

SIZES: Final = (200, 2_000, 20_000)
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Row:
    """One language and length. `per_core_s` counts all processor time; times are of one scan, as waited for."""

    language: str
    characters: int
    scans: int
    per_core_s: float
    p50_ms: float
    known_us: float


def texts(language: str, characters: int) -> Iterator[str]:
    """Texts of that length, made of requests one after another."""
    for seed in count():
        made = examples(seed, 10_000, languages=(language,))
        text = ""
        for example in made:
            text += example.text + "\n\n"
            if len(text) >= characters:
                yield text[:characters]
                text = ""


async def measured(language: str, characters: int, seconds: float, workers: NameWorkers) -> Row:
    """Scan texts of that kind for so long."""
    scanner = ModelScanner(workers, "")
    memo = TenantMemo(MemoStore(), b"k" * 32)
    evidence = Evidence((), Coverage(frozenset((Tier.STRUCTURED, Tier.NAMES)), leaves=1, characters=characters))
    stock = texts(language, characters)
    taken: list[float] = []
    known: list[float] = []
    ours = 0.0
    (pid,) = workers.pids
    theirs = _cpu_s(pid)
    while sum(taken) < seconds:
        document = {"model": "m", "messages": [{"role": "user", "content": next(stock)}]}
        began, began_cpu = perf_counter(), process_time()
        found = await scanner.complete("chat", document, evidence, memo)
        taken.append(perf_counter() - began)
        ours += process_time() - began_cpu
        assert Tier.NER in found.coverage.tiers, "a scan did not come to its end"
        began = perf_counter()
        assert await scanner.complete("chat", document, evidence, memo) == found
        known.append(perf_counter() - began)
    spent = ours + _cpu_s(pid) - theirs
    p50_ms, known_us = statistics.median(taken) * 1e3, statistics.median(known) * 1e6
    return Row(language, characters, len(taken), len(taken) / spent, p50_ms, known_us)


def _cpu_s(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / _TICKS


async def all_rows(seconds: float) -> list[Row]:
    """Every language and length, with one worker."""
    workers, stop = NameWorkers(WorkerSettings(models_digest(), deadline_s=60.0)), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(workers.run(stop))
        while not workers.live:  # noqa: ASYNC110 -- a process sets no event of ours
            await asyncio.sleep(0.05)
        rows = []
        for language in LANGUAGES:
            for characters in SIZES:
                await measured(language, characters, seconds / 4, workers)  # what is loaded late, is loaded now
                rows.append(await measured(language, characters, seconds, workers))
        stop.set()
    return rows


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Full scans per core and second.")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each language and length (default 5)")
    given = parser.parse_args()
    if not are_installed():
        print("bench: skipped, nothing was measured: the extra `ner` is not installed.")
        return 0
    about = describe(None)
    rows = asyncio.run(all_rows(given.seconds))
    print("| language | new characters | full scans per core and second | a scan, p50 ms | known, p50 µs |")
    print("| --- | --- | --- | --- | --- |")
    for row in rows:
        print(f"| {row.language} | {row.characters:,} | {row.per_core_s:.1f} | {row.p50_ms:.1f} | {row.known_us:.0f} |")
    OUT.mkdir(parents=True, exist_ok=True)
    record = {"about": about, "rows": [asdict(row) for row in rows]}
    (OUT / "ner.json").write_text(json.dumps(record, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
