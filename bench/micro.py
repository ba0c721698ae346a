"""What single steps of the request path cost, each as a multiple of one reference operation in the same run.

The reference is decoding the same 1.3 KB body with msgspec. Every step takes turns with it in small batches, and the
ratio is the median over the turns, so that a machine that slows down slows both. Needs nothing but this repository.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from itertools import cycle
from pathlib import Path
from time import process_time_ns
from types import SimpleNamespace
from typing import Any, Final, cast

import msgspec
from contenders import Front, write_config
from machine import describe

from gateway import settings
from gateway.core.decision import Allow
from gateway.core.facts import RequestFacts
from gateway.core.topology import Peer
from gateway.detect.scanner import build_scanner
from gateway.lane.frames import payload_part
from gateway.policy.decide import decide
from gateway.policy.labelling import label
from gateway.ports import UpstreamConnection
from gateway.runtime.clock import SystemClock
from gateway.runtime.forward import Door
from gateway.runtime.mint import Mint, new_key
from gateway.wire.encode import encode
from gateway.wire.eventstream import EventStreamReader
from gateway.wire.replies import StreamReply
from gateway.wire.requests import Dialect, parse
from gateway.wire.sse import SseReader

OUT: Final = Path(__file__).resolve().parent / "out"
BATCH_NS: Final = 10_000_000
TURNS: Final = 15
VARIANTS: Final = 512

SYSTEM: Final = (
    "You are a helpful assistant for the support team of a large retail bank. Answer briefly, name the product and "
    "never reveal internal identifiers. "
)
USER: Final = (
    "Summarise the customer's complaint in two sentences and propose a polite reply. The customer writes that the "
    "card payment on 12 March was declined twice although the balance was sufficient, and asks for a refund. "
)
CHUNK: Final = (
    b'data: {"id":"chatcmpl-8f3c2a9b7e6d4c1fa0b2c3d4e5f60718","object":"chat.completion.chunk","created":1764000000,'
    b'"model":"m1","choices":[{"index":0,"delta":{"content":"@%d@"},"logprobs":null,"finish_reason":null}]}\n\n'
)


def reference_number(number: int) -> str:
    """Sixteen hex digits that differ each time, as the load generator makes them."""
    return f"Reference {(0x2F31 << 32) ^ (86_400_000_000_000 + number * 1_000_003):016x}. "


def ordinal(number: int) -> str:
    """Words that differ each time and hold nothing that looks like an identifier."""
    return "Reference " + "".join(chr(ord("a") + int(digit)) for digit in f"{number:08}") + ". "


def body(number: int, reference: Callable[[int], str] = reference_number) -> bytes:
    """A request of about 1.3 KB in which both messages are new."""
    document = {
        "model": "m1",
        "messages": [
            {"role": "system", "content": reference(number) + SYSTEM * 3},
            {"role": "user", "content": reference(number) + USER * 3},
        ],
        "temperature": 0.2,
        "max_tokens": 128,
        "stream": False,
    }
    return json.dumps(document, separators=(",", ":")).encode()


def steps() -> Iterator[tuple[str, Callable[[], object]]]:
    """Each step with a function that does it once, on input that is new each time where a memo could matter."""
    with tempfile.TemporaryDirectory() as folder:
        write_config(Path(folder) / "gateway", Front(0, 9100, 9110), 8080, 8081)
        loaded = settings.load(Path(folder) / "gateway", {})
    policy, clock = loaded.bundle.policy, SystemClock()
    (pool,) = (pool for pool in loaded.bundle.topology.pools if pool.name == "plain")
    zone, tenant = policy.zones[pool.zone], loaded.bundle.tenants["bench"]
    scanner = build_scanner(policy.markers)

    bodies = cycle([body(number) for number in range(VARIANTS)])
    requests = [parse(Dialect.CHAT, body(number)) for number in range(VARIANTS)]
    documents = cycle([request.document for request in requests])
    wordy = cycle([parse(Dialect.CHAT, body(number, ordinal)).document for number in range(VARIANTS)])
    request = requests[0]
    evidence = scanner.scan(request.dialect, request.document)
    low, high = label(policy, evidence)
    facts = RequestFacts(low, high, tenant.tenant_class, tenant.ceiling, request.model, request.capabilities)
    allow = cast(Allow, decide(policy, facts))
    message = encode(request, pool, zone, salt="0" * 32)
    key = new_key()
    mint, door = Mint(key, clock, policy.zones), Door(key, clock, lambda: 0)
    connection = cast(UpstreamConnection, SimpleNamespace(peer=Peer(ip_address("127.0.0.1"))))

    def through_the_door() -> None:
        clearance = mint.clear(allow, message, pool, ceiling=tenant.ceiling, epoch=0)
        door.open(clearance, message, pool, zone, connection)

    reader = SseReader()
    reply = StreamReply(Dialect.CHAT, alias="chat", reply_id="0" * 32, wants_usage=False, choices=1)
    chunks = cycle([CHUNK % number for number in range(VARIANTS)])

    def one_event() -> None:
        for event in reader.feed(next(chunks)):
            reply.take(event)

    frames = EventStreamReader()
    framed = cycle([payload_part(CHUNK % number) for number in range(VARIANTS)])

    def one_framed_event() -> None:
        for event in reader.feed(frames.feed(next(framed))):
            reply.take(event)

    yield "parse: strict JSON, shape, view", lambda: parse(Dialect.CHAT, next(bodies))
    yield "scan: words only", lambda: scanner.scan(Dialect.CHAT, next(wordy))
    yield "scan: words and two reference numbers", lambda: scanner.scan(Dialect.CHAT, next(documents))
    yield "label: evidence to labels", lambda: label(policy, evidence)
    yield "decide: facts to pools", lambda: decide(policy, facts)
    yield "encode: the message for one pool", lambda: encode(request, pool, zone, salt="0" * 32)
    yield "mint and door: clear, verify, burn", through_the_door
    yield "stream: one event read and respelled", one_event
    yield "stream: the same in a frame of SageMaker's", one_framed_event


def main() -> int:
    """Measure every step and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--once", action="store_true", help="do every step once, without figures: do they still run?")
    parser.add_argument("--json", type=Path, default=OUT / "micro.json", help="where the figures go")
    options = parser.parse_args()
    if options.once:
        for name, step in steps():
            step()
            print(name)
        return 0
    decode: Callable[[bytes], Any] = msgspec.json.Decoder().decode
    sample = body(0)
    about = describe(None)
    figures = {}
    print(f"reference: decoding {len(sample)} bytes of JSON\n  {'':40}{'µs':>9}{'× reference':>14}")
    for name, step in steps():
        cost, ratio = against(step, lambda: decode(sample))
        figures[name] = {"us": cost, "times_reference": ratio}
        print(f"  {name:40}{cost:>9.2f}{ratio:>14.1f}")
    print("\n" + " · ".join(f"{key} {value}" for key, value in about.items()))
    options.json.parent.mkdir(exist_ok=True)
    options.json.write_text(json.dumps({"machine": about, "steps": figures}, indent=1) + "\n")
    return 0


def against(step: Callable[[], object], reference: Callable[[], object]) -> tuple[float, float]:
    """CPU microseconds of one `step`, and how many `reference` operations that is."""
    counts = _repeats(step), _repeats(reference)
    turns = [(_time(step, counts[0]), _time(reference, counts[1])) for _ in range(TURNS)]
    cost = statistics.median(own for own, _ in turns)
    return cost / 1000, statistics.median(own / other for own, other in turns)


def _repeats(operation: Callable[[], object]) -> int:
    _time(operation, 20)  # warm
    return max(1, int(BATCH_NS / max(_time(operation, 20), 1)))


def _time(operation: Callable[[], object], count: int) -> float:
    began = process_time_ns()
    for _ in range(count):
        operation()
    return (process_time_ns() - began) / count


if __name__ == "__main__":
    sys.exit(main())
