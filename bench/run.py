"""Measure the gateway against nginx, side by side: `make bench`, or `bench/run.py --quick` for a first look.

Every row of a table is loaded once per round, in turn, so that a machine that slows down slows all of them; a ratio
is the median of the ratios within each round. The load generator and the mock model server are compiled from
`../shared/bench`, which is not part of this repository; without it there is nothing to measure with.
"""

import argparse
import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, NoReturn

from children import Children, StartFailed
from contenders import (
    CHAT,
    Front,
    compile_c,
    find_nginx,
    start_mocks,
    start_nginx,
    start_passthrough,
    start_tidegate,
)
from load import Figures, Load, Target, drive
from machine import describe
from peers import PEERS, SLOW
from tables import Row, Table, as_markdown, as_record, as_text

HERE: Final = Path(__file__).resolve().parent
OUT: Final = HERE / "out"
SHARED: Final = HERE.parent.parent / "shared" / "bench"


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how often."""

    rounds: int
    seconds: float
    warm_up_s: float


FULL: Final = Plan(rounds=4, seconds=2.0, warm_up_s=1.0)
_OPTIONAL: Final = tuple(name for name, _ in PEERS)
QUICK: Final = Plan(rounds=1, seconds=1.0, warm_up_s=0.3)


def main() -> int:
    """Run everything; 1 if a row is missing or had failures, else 0, also where there is nothing to measure with."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round: is it still in the region?")
    parser.add_argument("--only", choices=("requests", "streams", "latency"), help="one table")
    parser.add_argument("--json", type=Path, default=OUT / "run.json", help="where the figures go")
    options = parser.parse_args()
    if reason := _missing():
        print(f"bench: skipped, nothing was measured: {reason}")
        return 0
    signal.signal(signal.SIGTERM, _interrupt)
    OUT.mkdir(exist_ok=True)
    plan = QUICK if options.quick else FULL
    try:
        return _measure(plan, options.only, options.json)
    except KeyboardInterrupt:
        print("bench: stopped; nothing is left running.", file=sys.stderr)
        return 130


def _measure(plan: Plan, only: str | None, report: Path) -> int:
    cores = sorted(os.sched_getaffinity(0))
    gateway_core, load_core = cores[0], cores[-1]
    generator = compile_c(SHARED / "lg.c", OUT / "lg")
    mock = compile_c(SHARED / "mock.c", OUT / "mock")
    nginx = find_nginx(OUT)
    about = describe(nginx)
    notes = []
    if len(cores) < 2:
        notes.append("Only one core: load and gateway share it, so latencies mean nothing here.")
    with Children(OUT) as children:
        mocks = start_mocks(children, mock, core=load_core, work=OUT)
        fronts: dict[str, tuple[Front, Front]] = {}
        if nginx is None:
            notes.append("nginx left out, so no ratios: it is not installed and Debian's package could not be fetched.")
        else:
            front = start_nginx(children, nginx, mocks, core=gateway_core, work=OUT)
            fronts["nginx"] = (front, front)
        for name, start in PEERS:
            try:
                fronts[name] = start(children, mocks, core=gateway_core, work=OUT)
            except StartFailed as exc:
                notes.append(f"{name} left out: {exc}")
        try:
            fronts["pass-through"] = start_passthrough(children, mocks, core=gateway_core)
        except StartFailed as exc:
            notes.append(f"pass-through left out: {exc}")
        try:
            front = start_tidegate(children, mocks, core=gateway_core, work=OUT)
            fronts["tidegate"] = (front, front)
        except StartFailed as exc:
            notes.append(f"tidegate left out: {exc}")
        tables = [t for name, t in _tables(mocks, fronts).items() if only in (None, name)]
        for table in tables:
            notes.extend(_fill(table, plan, generator, load_core))
    machine = " · ".join(f"{key} {value}" for key, value in about.items())
    print("\n\n".join(["", *map(as_text, tables), machine]))
    for note in notes:
        print(f"note: {note}")
    record = {"machine": about, "notes": notes, "plan": asdict(plan), "tables": list(map(as_record, tables))}
    report.write_text(json.dumps(record, indent=1) + "\n")
    document = report.with_suffix(".md")
    document.write_text("\n\n".join([*map(as_markdown, tables), f"*{machine}*"]) + "\n")
    print(f"every burst: {os.path.relpath(report)}; the tables for a document: {os.path.relpath(document)}")
    is_whole = not any("left out" in note for note in notes if not note.startswith(_OPTIONAL))
    return 0 if is_whole and not any(table.failed(row) for table in tables for row in table.rows) else 1


def _tables(mocks: Front, fronts: dict[str, tuple[Front, Front]]) -> dict[str, Table]:
    small, large = SHARED / "body_nonce.json", SHARED / "body_nonce16k.json"
    # The shared body names a person three times over. The same text without the name: nothing is found in it.
    quiet = {}
    for body in (small, large):
        quiet[body] = OUT / f"quiet_{body.name}"
        quiet[body].write_bytes(body.read_bytes().replace(b", John Example,", b" of ten years"))
    streamed = OUT / "body_stream.json"
    streamed.write_bytes((SHARED / "body_nonce_s64.json").read_bytes().replace(b'"model":"m1"', b'"model":"m1s"', 1))

    def target(name: str, *, paced: bool = False) -> Target:
        front = fronts[name][paced]
        return Target(name, f"http://127.0.0.1:{front.paced if paced else front.plain}{CHAT}", front.pid)

    requests, streams = [], []
    latency = [
        Row(
            "model server itself",
            Target("mock", f"http://127.0.0.1:{mocks.plain}{CHAT}", mocks.pid),
            Load(small, "all", 32, rate=100),
            None,
        )
    ]
    names = {"pass-through": "two ends alone (bench only)", "tidegate": "tidegate, full path"}
    for front in fronts:
        name = names.get(front, front)
        if front != "tidegate":
            requests.append(Row(f"{name}, 1.3 KB", target(front), Load(small, "all", 32), "nginx, 1.3 KB"))
            requests.append(Row(f"{name}, 17 KB", target(front), Load(large, "all", 32), "nginx, 17 KB"))
        else:
            for what, nonce in (("(a) last message new", "last"), ("(b) all new, nothing found", "all")):
                of = {"all": quiet, "last": {small: small, large: large}}[nonce]
                requests.append(
                    Row(f"{name}, {what}, 1.3 KB", target(front), Load(of[small], nonce, 32), "nginx, 1.3 KB")
                )
                requests.append(
                    Row(f"{name}, {what}, 17 KB", target(front), Load(of[large], nonce, 32), "nginx, 17 KB")
                )
            what = "(c) all new, three names found"
            requests.append(Row(f"{name}, {what}, 1.3 KB", target(front), Load(small, "all", 32), "nginx, 1.3 KB"))
            requests.append(Row(f"{name}, {what}, 17 KB", target(front), Load(large, "all", 32), "nginx, 17 KB"))
        if front in SLOW:
            continue
        for count in (200, 600):
            load = Load(streamed, "last", count, streamed=True)
            streams.append(Row(f"{name}, {count} at once", target(front, paced=True), load, f"nginx, {count} at once"))
        latency.append(Row(name, target(front), Load(small, "all", 32, rate=100), "nginx"))
    requests.sort(key=lambda row: "17 KB" in row.name)
    streams.sort(key=lambda row: "600" in row.name)
    per_request, per_chunk = _per_request, _per_chunk
    return {
        "requests": Table(
            "Requests, 32 connections, as fast as they come",
            "CPU µs/request",
            per_request,
            (("requests/s", lambda f: f.rate), ("p50 µs", lambda f: f.p50_us), ("MiB", lambda f: f.resident_mib)),
            requests,
        ),
        "streams": Table(
            "Streams, 64 chunks each, 10 ms apart",
            "CPU µs/chunk",
            per_chunk,
            (
                ("cores used", lambda f: f.cores_used),
                ("chunk p99 ms", lambda f: f.chunk_delay_p99_us / 1000),
                ("MiB", lambda f: f.resident_mib),
            ),
            streams,
        ),
        "latency": Table(
            "100 requests/s, 1.3 KB, all text new",
            "p50 µs",
            lambda f: f.p50_us,
            (("p99 µs", lambda f: f.p99_us), ("CPU µs/request", per_request)),
            latency,
        ),
    }


def _per_request(figures: Figures) -> float:
    return figures.cpu_us_per_request


def _per_chunk(figures: Figures) -> float:
    return figures.cpu_us_per_chunk


def _fill(table: Table, plan: Plan, generator: Path, core: int) -> Iterator[str]:
    """Measure every row; yields a sentence for each that answers nothing, and leaves it out."""
    for row in tuple(table.rows):
        warm = drive(generator, row.target, row.load, seconds=plan.warm_up_s, core=core)
        if not warm.requests:
            # The generator waits 20 s for answers that do not come: once is enough.
            table.rows.remove(row)
            yield f"{row.name} left out: not one of {warm.failed} requests was answered."
    for turn in range(plan.rounds):
        for row in table.rows:
            figures = drive(generator, row.target, row.load, seconds=plan.seconds, core=core)
            table.figures.setdefault(row.name, []).append(figures)
        print(f"  {table.title}: round {turn + 1} of {plan.rounds}", file=sys.stderr)


def _missing() -> str | None:
    if not (SHARED / "lg.c").exists() or not (SHARED / "mock.c").exists():
        return "the load generator and the mock model server are not in ../shared/bench beside this repository."
    for program in ("gcc", "taskset"):
        if not shutil.which(program):
            return f"`{program}` is not installed; it comes with the Debian package {_DEBIAN[program]}."
    return None


_DEBIAN: Final = {"gcc": "gcc", "taskset": "util-linux"}


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
