"""One burst of load against one target: what the load generator saw, and what the target's processes cost.

CPU time is the figure that survives a noisy machine. It is read from the scheduler's own account (nanoseconds) of
every process below the target's pid, before and after.
"""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

KEY = "sk-test"


@dataclass(frozen=True, slots=True)
class Target:
    """Something that answers requests. `pid` is the root of its process tree."""

    name: str
    url: str
    pid: int


@dataclass(frozen=True, slots=True)
class Load:
    """How to load a target. `rate` 0 is a closed loop of `connections`; `nonce` is `last`, `all` or empty: the same
    request each time."""

    body: Path
    nonce: str
    connections: int
    rate: float = 0
    streamed: bool = False


@dataclass(frozen=True, slots=True)
class Figures:
    """What one burst gave. Times in microseconds; `failed` counts everything that was not a complete 200."""

    requests: int
    chunks: int
    failed: int
    cpu_us: float
    cores_used: float
    rate: float
    p50_us: float
    p99_us: float
    chunk_delay_p99_us: float
    resident_mib: float
    gap_max_us: float = 0.0
    max_us: float = 0.0

    @property
    def cpu_us_per_request(self) -> float:
        """CPU of the process tree for one request."""
        return self.cpu_us / max(self.requests, 1)

    @property
    def cpu_us_per_chunk(self) -> float:
        """CPU of the process tree for one chunk, its share of the request's own cost included."""
        return self.cpu_us / max(self.chunks, 1)


def drive(generator: Path, target: Target, load: Load, *, seconds: float, core: int) -> Figures:
    """Load `target` for `seconds` from `core`; RuntimeError if the generator gives no account."""
    argv = [
        "taskset",
        "-c",
        str(core),
        str(generator),
        str(urlsplit(target.url).port),
        urlsplit(target.url).path,
        str(load.body),
        KEY,
        str(load.connections),
        str(seconds),
        str(load.rate),
        str(int(load.streamed)),
    ]
    processes = tree(target.pid)
    before = cpu_ns(processes)
    environ = {**os.environ, "LG_NONCE": load.nonce} if load.nonce else {**os.environ}
    ran = subprocess.run(argv, capture_output=True, text=True, env=environ, timeout=seconds + 30)
    spent_us = (cpu_ns(processes) - before) / 1000
    try:
        seen = json.loads(ran.stdout)
        return _figures(seen, spent_us, resident_mib(processes))
    except (ValueError, KeyError):
        raise RuntimeError(f"no figures for {target.name}: {(ran.stdout + ran.stderr)[-300:]}") from None


def _figures(seen: Mapping[str, float | Mapping[str, float]], spent_us: float, mib: float) -> Figures:
    def number(key: str) -> float:
        value = seen.get(key, 0)
        assert isinstance(value, int | float)
        return value

    def percentile(key: str, which: str) -> float:
        value = seen.get(key, {})
        return value.get(which, 0.0) if isinstance(value, Mapping) else 0.0

    elapsed = number("elapsed_s")
    return Figures(
        requests=int(number("requests")),
        chunks=int(number("chunks")),
        failed=int(sum(number(key) for key in ("errors", "non200", "incomplete", "unfinished"))),
        cpu_us=spent_us,
        cores_used=spent_us / 1e6 / elapsed,
        rate=number("rps"),
        p50_us=percentile("lat_us", "p50"),
        p99_us=percentile("lat_us", "p99"),
        chunk_delay_p99_us=percentile("chunk_delay_us", "p99"),
        resident_mib=mib,
        gap_max_us=percentile("gap_us", "max"),
        max_us=percentile("lat_us", "max"),
    )


def tree(pid: int) -> tuple[int, ...]:
    """`pid` and every process below it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            children.setdefault(int(stat[stat.rindex(")") + 2 :].split()[1]), []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        todo += children.get(found[-1], [])
    return tuple(found)


def cpu_ns(pids: tuple[int, ...]) -> int:
    """Nanoseconds on a CPU, over all threads of `pids`."""
    total = 0
    for pid in pids:
        for thread in _listed(Path(f"/proc/{pid}/task")):
            try:
                total += int((thread / "schedstat").read_text().split()[0])
            except OSError:
                continue
    return total


def resident_mib(pids: tuple[int, ...]) -> float:
    """Resident memory of `pids`, pages that they share counted for each."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
    return total / 1024


def _listed(folder: Path) -> tuple[Path, ...]:
    try:
        return tuple(folder.iterdir())
    except OSError:
        return ()
