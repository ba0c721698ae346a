"""What a score costs: microseconds, function calls, and times the decoding of a body of the same size.

python bench/complexity/speed.py        # seconds

Score and decoding take turns; of each the fastest of many short batches counts, which a busy machine disturbs least.
"""

import json
import sys
from collections.abc import Callable
from time import process_time_ns

import msgspec

from gateway.core.complexity import Question, Scorer

BATCH, TURNS = 200, 60
ENGLISH = (
    "A company rents two warehouses, and each of them has 14 docks. If every dock handles 6 lorries before noon and "
    "half as many after, explain how many lorries are served in a week, and compare this with the plan of last year. "
)
CHINESE = (
    "公司租用两个仓库，每个仓库有 14 个装卸口。如果上午每个装卸口处理 6 辆货车，下午减半，"
    "请说明一周一共处理多少辆，并与去年的计划比较。"
)
OPTIONS = "\nA. 252 lorries\nB. 504 lorries\nC. 1,008 lorries\nD. none of these\nAnswer:"
SIZE = 1300
TEXTS = {
    "English": (ENGLISH * 9)[:SIZE],
    "English with answers to choose from": (ENGLISH * 9)[: SIZE - len(OPTIONS)] + OPTIONS,
    "Chinese": (CHINESE * 9).encode()[:SIZE].decode("utf-8", "ignore"),
    "English, 100 KB": (ENGLISH * 900)[:100_000],
    "a short question": "What is the capital of France?",
}


def main() -> None:
    """Print the table."""
    scorer, decode = Scorer(), msgspec.json.Decoder().decode
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": TEXTS["English"]}]}).encode()
    print("| text | bytes | µs | × decoding 1.3 KB | function calls |\n| --- | --- | --- | --- | --- |")
    for name, text in TEXTS.items():
        question = Question(text)
        least = {"score": float("inf"), "decode": float("inf")}
        for _ in range(TURNS):
            for what, work in (("score", lambda q=question: scorer.score(q)), ("decode", lambda: decode(body))):
                least[what] = min(least[what], _timed(work))
        ratio = least["score"] / least["decode"]
        calls = _calls(lambda q=question: scorer.score(q))
        print(f"| {name} | {len(text.encode()):,} | {least['score']:.1f} | {ratio:.1f} | {calls} |")


def _timed(work: Callable[[], object]) -> float:
    began = process_time_ns()
    for _ in range(BATCH):
        work()
    return (process_time_ns() - began) / BATCH / 1000


def _calls(work: Callable[[], object]) -> int:
    count = 0

    def hear(_frame: object, event: str, _arg: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(hear)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


if __name__ == "__main__":
    main()
