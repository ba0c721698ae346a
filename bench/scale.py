"""What grows with the work: workers, the turns of a chat, and streams at once. `make bench` runs it after `run.py`.

Three figures of performance.md that are not about nginx: CPU for one request with two workers on two cores against one
on one, CPU for one new character in turn 40 of a chat against turn 1, and the longest silence in any of two thousand
streams on one core. Load and mocks are those of `run.py`; without `../shared/bench` only the chat is measured.
"""

import argparse
import json
import os
import secrets
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Final

from children import Children, StartFailed, free_port
from contenders import CHAT, Front, compile_c, find_nginx, start_mocks, start_tidegate
from load import KEY, Load, Target, cpu_ns, drive, tree
from machine import describe
from run import OUT, SHARED, _missing

TURNS: Final = 40
CHATS: Final = 24
STREAMS: Final = 2_000
CHUNKS: Final = 64
GAP_S: Final = 0.1
STALL_S: Final = 0.1
"""A silence that is this much longer than the model server's own counts as a stall."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One row: what was measured, what performance.md wants, and whether that is so."""

    name: str
    value: float
    unit: str
    wanted: str
    is_reached: bool
    beside: str = ""


def main() -> int:
    """Measure what there is to measure with; 1 if something failed, else 0, whatever was reached."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="seconds: does it still run?")
    parser.add_argument("--only", choices=("workers", "chat", "streams"))
    options = parser.parse_args()
    OUT.mkdir(exist_ok=True)
    parts = {"workers": _workers, "chat": _chat, "streams": _streams}
    reason = _missing()
    found: list[Finding] = []
    left_out: list[str] = []
    for name, measure in parts.items():
        if options.only not in (None, name):
            continue
        if reason and name != "chat":
            left_out.append(f"{name} left out: {reason}")
            continue
        try:
            with Children(OUT) as children:
                found += measure(children, quick=options.quick)
        except (StartFailed, RuntimeError) as exc:
            left_out.append(f"{name} FAILED: {exc}")
    for one in found:
        verdict = "reached" if one.is_reached else "missed"
        print(f"  {one.name:46}{one.value:>12.2f} {one.unit:16} wanted {one.wanted:14} {verdict}  {one.beside}")
    for note in left_out:
        print(f"note: {note}")
    about = describe(find_nginx(OUT) if not reason else None)
    print(" · ".join(f"{key} {value}" for key, value in about.items()))
    record = {"machine": about, "quick": options.quick, "notes": left_out, "rows": [asdict(one) for one in found]}
    (OUT / "scale.json").write_text(json.dumps(record, indent=1) + "\n")
    return 1 if any("FAILED" in note for note in left_out) else 0


# Two workers


def _workers(children: Children, *, quick: bool) -> Iterator[Finding]:
    """One worker on one core and two on two, in turns."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise RuntimeError("this machine has one core")
    generator, mock = _programs()
    mocks = start_mocks(children, mock, core=cores[-1], work=OUT)
    load = Load(_quiet(), "all", 32)
    one = start_tidegate(children, mocks, core=cores[0], work=OUT, name="one-worker")
    two = start_tidegate(children, mocks, core=cores[:2], work=OUT, name="two-workers", change=_with_two_workers)
    rounds, seconds = (1, 1.0) if quick else (6, 2.0)
    costs: dict[str, list[float]] = {"one": [], "two": []}
    rates: dict[str, list[float]] = {"one": [], "two": []}
    for turn in range(rounds + 1):
        for name, front in (("one", one), ("two", two)):
            figures = drive(generator, _target(front), load, seconds=seconds, core=cores[-1])
            if figures.failed or not figures.requests:
                raise RuntimeError(f"{figures.failed} requests failed with {name} worker(s)")
            if turn:  # the first is for warming up
                costs[name].append(figures.cpu_us_per_request)
                rates[name].append(figures.rate)
    ratio = statistics.median(b / a for a, b in zip(costs["one"], costs["two"], strict=True))
    medians = {name: (statistics.median(costs[name]), statistics.median(rates[name])) for name in costs}
    yield Finding(
        "two workers on two cores against one",
        ratio,
        "× CPU/request",
        "unchanged",
        ratio <= 1.1,
        f"one: {medians['one'][0]:.0f} µs at {medians['one'][1]:.0f}/s, "
        f"two: {medians['two'][0]:.0f} µs at {medians['two'][1]:.0f}/s; the load runs on one of the two cores",
    )


def _with_two_workers(folder: Path) -> None:
    path = folder / "gateway.yaml"
    path.write_text(path.read_text().replace("workers: 1\n", "workers: 2\n"))


# A chat


def _chat(children: Children, *, quick: bool) -> Iterator[Finding]:
    """Many chats side by side, turn by turn: the whole of each goes through the gateway again in every turn."""
    chats = 3 if quick else CHATS
    port = free_port()
    server = ThreadingHTTPServer(("127.0.0.1", port), _Answering)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        front = start_tidegate(
            children, Front(0, port, port), core=sorted(os.sched_getaffinity(0))[0], work=OUT, name="chat"
        )
        processes = tree(front.pid)
        connection = HTTPConnection("127.0.0.1", front.plain, timeout=30)
        histories: list[list[dict[str, str]]] = [[] for _ in range(chats)]
        for warm in range(20):
            _ask(connection, [{"role": "user", "content": _said(warm)}])
        per_character: list[float] = []
        for turn in range(TURNS):
            new = 0
            before = cpu_ns(processes)
            for number, history in enumerate(histories):
                history.append({"role": "user", "content": _said(number)})
                new += len(history[-1]["content"]) + (len(_REPLY) if turn else 0)
                _ask(connection, history)
            per_character.append((cpu_ns(processes) - before) / new)
            for history in histories:
                history.append({"role": "assistant", "content": _REPLY})
        connection.close()
    finally:
        server.shutdown()
        server.server_close()
    # The first turn alone is one sample: its neighbours say what a turn costs while there is little history.
    first, last = statistics.median(per_character[:3]), statistics.median(per_character[-3:])
    yield Finding(
        f"turn {TURNS} of a chat against turn 1",
        last / first,
        "× per character",
        "≤ 1.5 ×",
        last / first <= 1.5,
        f"{first:.0f} and {last:.0f} ns of CPU for a new character, {chats} chats; "
        + ", ".join(f"turn {turn}: {per_character[turn - 1]:.0f}" for turn in (1, 10, 20, 30, TURNS)),
    )


_REPLY: Final = "The branch opens at nine and closes at five, and on Saturdays at noon. " * 6


class _Answering(BaseHTTPRequestHandler):
    """A model server that says the same to everything."""

    protocol_version = "HTTP/1.1"
    _BODY: Final = json.dumps(
        {
            "id": "x",
            "object": "chat.completion",
            "created": 1764000000,
            "model": "m1",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": _REPLY}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 100, "total_tokens": 200},
        }
    ).encode()

    def do_POST(self) -> None:
        """Answer."""
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(self._BODY)))
        self.end_headers()
        self.wfile.write(self._BODY)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _said(number: int) -> str:
    # Different in every turn of every chat, so that nothing of it is known already; about as much as the reply.
    return f"Question {secrets.token_hex(8)} of chat {number}: when does the branch open, and who has the keys? " * 5


def _ask(connection: HTTPConnection, messages: Sequence[dict[str, str]]) -> None:
    body = json.dumps({"model": "m1", "messages": messages})
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    connection.request("POST", CHAT, body=body, headers=headers)
    answer = connection.getresponse()
    answer.read()
    if answer.status != 200:
        raise RuntimeError(f"the gateway answered {answer.status} in a chat")


# Streams


def _streams(children: Children, *, quick: bool) -> Iterator[Finding]:
    """As many streams as end, begin: about `STREAMS` at once, each with a chunk every `GAP_S` seconds."""
    cores = sorted(os.sched_getaffinity(0))
    generator, mock = _programs()
    port = free_port()
    children.start("mock-slow", [mock, str(port), str(int(GAP_S * 1e6))], core=cores[-1], cwd=OUT)
    children.await_port("mock-slow", port)
    front = start_tidegate(children, Front(0, port, port), core=cores[0], work=OUT, name="streams")
    body = OUT / "body_long_stream.json"
    body.write_bytes((SHARED / "body_nonce_s64.json").read_bytes())
    streams = STREAMS // 10 if quick else STREAMS
    rate = streams / (CHUNKS * GAP_S)
    load = Load(body, "last", round(streams * 1.3), rate=rate, streamed=True)
    figures = drive(generator, _target(front), load, seconds=CHUNKS * GAP_S * (1.5 if quick else 4), core=cores[-1])
    if not figures.requests:
        raise RuntimeError("not one stream came to its end")
    stall_ms = figures.gap_max_us / 1000 - GAP_S * 1000
    yield Finding(
        f"{streams} streams on one core: longest silence",
        stall_ms,
        "ms",
        f"≤ {STALL_S * 1000:.0f} ms",
        stall_ms <= STALL_S * 1000 and not figures.failed,
        f"beyond the {GAP_S * 1000:.0f} ms of the model server; {figures.requests} streams, of which {figures.failed} "
        f"failed or were under way at the end, {figures.cpu_us_per_chunk:.1f} µs/chunk, {figures.cores_used:.2f} cores",
    )


# All


def _programs() -> tuple[Path, Path]:
    return compile_c(SHARED / "lg.c", OUT / "lg"), compile_c(SHARED / "mock.c", OUT / "mock")


def _quiet() -> Path:
    """The shared body without the name in it: nothing is found."""
    body = OUT / "quiet_body_nonce.json"
    body.write_bytes((SHARED / "body_nonce.json").read_bytes().replace(b", John Example,", b" of ten years"))
    return body


def _target(front: Front) -> Target:
    return Target("tidegate", f"http://127.0.0.1:{front.plain}{CHAT}", front.pid)


if __name__ == "__main__":
    sys.exit(main())
