"""What counting costs a request: our instruments, and prometheus_client's in their place where it is installed.

Both count the same of the same settled request: one counter and its duration, its tokens, its try, the gateway's own
time and its scan. prometheus_client's children are looked up beforehand, which is its fastest way.
"""

import argparse
import sys
from collections.abc import Callable
from time import thread_time_ns
from typing import Final

from gateway.core.decision import Allow
from gateway.core.facts import RequestFacts, Tenant
from gateway.core.labels import Label, LabelOrder
from gateway.core.measures import ADDED, DURATION, SCAN
from gateway.core.records import Ending, Usage
from gateway.core.topology import Endpoint, Pool, Topology
from gateway.ports import Inbound
from gateway.runtime.call import Call
from gateway.runtime.instruments import Instruments

TIMES: Final = 5_000
ROUNDS: Final = 60
ORDER: Final = LabelOrder(("public", "internal", "confidential", "restricted"))
HOME: Final = Pool("home", "onprem", Label(3), "vllm", "m", (Endpoint("h"),))


def settled_call() -> Call:
    """A request that has gone the usual way."""
    call = Call("0" * 24, Inbound(b"POST", b"/v1/chat/completions", None, b"{}", 10.0), path="chat", order=ORDER)
    call.tenant = Tenant("bank", "default", None)
    call.facts = RequestFacts(Label(1), Label(1), "default", None, "chat")
    call.decision = Allow(("home",), (), 1.0, "rest", Label(1))
    call.usage = Usage(300, 180)
    call.begin_attempt(HOME, HOME.endpoints[0], now=10.0002)
    call.end_attempt(Ending.COMPLETED, 200, "", now=10.9)
    return call


def ours() -> Callable[[], None]:
    """Count one request."""
    instruments, call = Instruments(Topology((HOME,)), ORDER), settled_call()
    scan = instruments.meter(SCAN, "request")

    def count() -> None:
        scan(0.00012)
        instruments.settled(call, Ending.COMPLETED, None, now=10.91)

    return count


def theirs() -> Callable[[], None] | None:
    """The same with prometheus_client."""
    try:
        from prometheus_client import CollectorRegistry, Counter, Histogram
    except ImportError:
        return None
    registry = CollectorRegistry()
    requests = Counter("r", "r", list("abcdef"), registry=registry).labels(*"abcdef")
    tokens = Counter("t", "t", list("abcd"), registry=registry)
    prompt, completion = tokens.labels(*"abcp"), tokens.labels(*"abcc")
    tries = Counter("a", "a", list("abc"), registry=registry).labels(*"abc")
    duration = Histogram("d", "d", list("abc"), buckets=DURATION.bounds, registry=registry).labels(*"abc")
    added = Histogram("o", "o", ["z"], buckets=ADDED.bounds, registry=registry).labels("z")
    scan = Histogram("s", "s", ["z"], buckets=SCAN.bounds, registry=registry).labels("z")

    def count() -> None:
        scan.observe(0.00012)
        requests.inc()
        prompt.inc(300)
        completion.inc(180)
        tries.inc()
        duration.observe(0.91)
        added.observe(0.0002)

    return count


def least_ns(rounds: int, *counts: Callable[[], None]) -> list[float]:
    """The least cost of each over all rounds, in which they take turns."""
    least = [float("inf")] * len(counts)
    for _ in range(rounds):
        for at, count in enumerate(counts):
            began = thread_time_ns()
            for _ in range(TIMES):
                count()
            least[at] = min(least[at], (thread_time_ns() - began) / TIMES)
    return least


def cost_of_an_account_us(kinds: int) -> float:
    """What it costs to tell, with so many kinds of requests."""
    instruments, call = Instruments(Topology((HOME,)), ORDER), settled_call()
    for number in range(kinds):
        call.path = f"api-{number}"
        instruments.settled(call, Ending.COMPLETED, None, now=10.91)
    least = float("inf")
    for _ in range(ROUNDS):
        began = thread_time_ns()
        instruments.account(now=11.0)
        least = min(least, thread_time_ns() - began)
    return least / 1000


def main() -> int:
    """Print both, and what an account costs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--once", action="store_true", help="one round: does it still run?")
    rounds = 1 if parser.parse_args().once else ROUNDS
    other = theirs()
    least = least_ns(rounds, ours(), *([other] if other is not None else []))
    for name, cost in zip(("ours", "prometheus_client"), least, strict=False):
        print(f"{name:24}{cost:>8.0f} ns a request")
    if other is None:
        print("prometheus_client is not installed")
    for kinds in (50, 500):
        print(f"{f'an account of {kinds} kinds':24}{cost_of_an_account_us(kinds):>8.0f} µs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
