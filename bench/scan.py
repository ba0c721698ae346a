"""What a scan costs, as a distribution: among random hex digits something looks like a number now and then.

Every row scans many requests that differ in their nonces and keeps the least of several takings for each, so that what
is left is the text's doing and not the machine's. It also counts the recognizers' calls of functions, which no other
program on the machine can disturb. Needs nothing but this repository.
"""

import argparse
import random
import statistics
import sys
from collections.abc import Sequence
from time import perf_counter_ns
from typing import Final

import msgspec
from micro import SYSTEM

from gateway.detect.scanner import build_scanner
from gateway.ports import Scanner

NONCES: Final = 500
TAKINGS: Final = 9
SEED: Final = 1

NAMED: Final = (
    "Summarise the customer's complaint in two sentences and propose a polite reply. The customer, John Example, "
    "writes that the card payment on 12 March was declined twice although the balance was sufficient, and asks for a "
    "refund of the fee. "
)
UNNAMED: Final = NAMED.replace(", John Example,", "")
HAN: Final = (
    "请用两句话总结这位顾客的投诉，并起草一份礼貌的回复。顾客来信说，三月十二日的付款被拒绝了两次，尽管余额充足。"
)
NUMBERS: Final = (
    "Please update order {nonce}: my name is Jane Miller, phone 212-555-0147, mail jane.miller@example.com, and the "
    "card 4111 1111 1111 1111 is to be charged. I live at 12 Main Street, Springfield, IL 62704. "
)


def bodies(system: str, user: str) -> list[bytes]:
    """Requests of two messages, each with a nonce of its own."""
    chance = random.Random(SEED)

    def text(words: str) -> str:
        nonce = f"{chance.getrandbits(64):016x}"
        return f"Reference {nonce}. {words.replace('{nonce}', nonce)}"

    messages = [
        [{"role": "system", "content": text(system)}, {"role": "user", "content": text(user)}] for _ in range(NONCES)
    ]
    return [msgspec.json.encode({"model": "m1", "messages": both, "user": "u-123"}) for both in messages]


ROWS: Final = {
    "a name, 1.3 KB": (SYSTEM * 3, NAMED * 3),
    "nothing, 1.3 KB": (SYSTEM * 3, UNNAMED * 3),
    "a name and numbers, 1.3 KB": (SYSTEM * 3, NUMBERS * 3),
    "Chinese, 2,000 characters": ("请简短回答。", (HAN * 40)[:2_000]),
    "a name, 8 KB": (SYSTEM * 3, NAMED * 34),
}


def least_us(scanner: Scanner, documents: Sequence[object], takings: int) -> list[float]:
    """The least time of each scan, in order."""
    least = [2**62] * len(documents)
    for _ in range(takings):
        for at, document in enumerate(documents):
            began = perf_counter_ns()
            scanner.scan("chat", document)
            least[at] = min(least[at], perf_counter_ns() - began)
    return sorted(each / 1000 for each in least)


def calls(scanner: Scanner, documents: Sequence[object]) -> list[int]:
    """How many functions each scan calls, Python's and C's, in order."""
    counts = []
    count = 0

    def counted(frame: object, event: str, argument: object) -> None:  # noqa: ARG001 -- the hook's signature
        nonlocal count
        if event in ("call", "c_call"):
            count += 1

    for document in documents:
        count = 0
        sys.setprofile(counted)
        evidence = scanner.scan("chat", document)
        sys.setprofile(None)
        if evidence.coverage.failure not in (None, "DeadlineExceeded"):  # being counted takes its time
            raise SystemExit(f"bench/scan.py: {evidence.coverage.failure}, so this is no figure of a scan")
        counts.append(count)
    return sorted(counts)


def main() -> int:
    """Measure every row and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--once", action="store_true", help="one taking of every row: do they still run?")
    parser.add_argument("--only", default="", help="rows whose names contain this")
    options = parser.parse_args()
    scanner = build_scanner(())
    print(f"µs per scan, {NONCES} nonces\n  {'':32}{'min':>8}{'p50':>8}{'p90':>8}{'p99':>8}{'calls p50':>11}{'p99':>8}")
    for row, texts in ROWS.items():
        if options.only not in row:
            continue
        documents = [msgspec.json.decode(body) for body in bodies(*texts)]
        figures = least_us(scanner, documents, 1 if options.once else TAKINGS)
        called = calls(scanner, documents)
        at = [len(figures) * part // 100 for part in (90, 99)]
        took = (figures[0], statistics.median(figures), figures[at[0]], figures[at[1]])
        print(
            f"  {row:32}{''.join(f'{each:>8.1f}' for each in took)}{statistics.median(called):>11.0f}{called[at[1]]:>8}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
