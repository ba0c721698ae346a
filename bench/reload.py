"""What a reload costs: from a policy that is put in place to the bundle that governs in every worker.

A real `tidegate serve` with two workers; the policy gets a new version again and again while one client asks without a
pause over one connection. Printed: the time from the rename to the last worker's word (half a second of it is waiting
for whoever writes to finish), what each reload cost the two workers and the supervisor's children in CPU, and the
longest answer while nothing changed and while reloads went on.
"""

import argparse
import json
import os
import re
import sys
import threading
import time
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import Final

from children import Children
from contenders import CHAT, compile_c, start_mocks, start_tidegate
from load import KEY
from machine import describe
from run import OUT, SHARED

TICKS: Final = os.sysconf("SC_CLK_TCK")
BODY: Final = json.dumps({"model": "m1", "messages": [{"role": "user", "content": "Say hello."}]})
NAME: Final = "reloaded"


class Asking(threading.Thread):
    """One client that asks without a pause. `longest` is the slowest answer since somebody looked, in seconds."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self.stop = threading.Event()
        self.longest = 0.0
        self.count = self.failed = 0

    def run(self) -> None:
        """Ask until stopped."""
        connection = HTTPConnection("127.0.0.1", self._port, timeout=30)
        headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
        while not self.stop.is_set():
            began = time.perf_counter()
            connection.request("POST", CHAT, BODY, headers)
            answer = connection.getresponse()
            answer.read()
            self.longest = max(self.longest, time.perf_counter() - began)
            self.count += 1
            self.failed += answer.status != 200


def cpu_s(pid: int) -> tuple[float, float]:
    """CPU seconds of the workers of the supervisor `pid`, and of its children that have ended."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    workers = sum(_times(int(child))[0] for child in children)
    return workers, _times(pid)[1]


def _times(pid: int) -> tuple[float, float]:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS, (int(fields[13]) + int(fields[14])) / TICKS


def reloads(log: Path) -> int:
    """How many the log tells of."""
    return log.read_bytes().count(b'"event": "reloaded"')


def main() -> int:
    """Print the figures; 1 if a request failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20, help="how many reloads")
    times = parser.parse_args().times
    mock = SHARED / "mock.c"
    if not mock.is_file():
        print("bench: skipped, nothing was measured: ../shared/bench is not here")
        return 0
    OUT.mkdir(exist_ok=True)
    with Children(OUT) as children:
        mocks = start_mocks(children, compile_c(mock, OUT / "mock"), core=1, work=OUT)

        def two(folder: Path) -> None:
            path = folder / "gateway.yaml"
            path.write_text(path.read_text().replace("workers: 1", "workers: 2"))

        front = start_tidegate(children, mocks, core=(0, 1), work=OUT, name=NAME, change=two)
        policy, log = OUT / NAME / "policy.yaml", OUT / f"{NAME}.log"
        text = policy.read_text()
        asking = Asking(front.plain)
        asking.start()
        time.sleep(3.0)
        asking.longest = 0.0
        before = cpu_s(front.pid)
        time.sleep(5.0)
        at_rest, between = asking.longest, cpu_s(front.pid)
        asked_at_rest = asking.count
        asking.longest, took = 0.0, []
        began_all = time.monotonic()
        for number in range(times):
            beside = policy.with_suffix(".new")
            beside.write_text(re.sub(r"^version: \d+$", f"version: {1000 + number}", text, flags=re.MULTILINE))
            began = time.monotonic()
            os.replace(beside, policy)
            while reloads(log) <= number:
                children.check(NAME)
                time.sleep(0.005)
            took.append(time.monotonic() - began)
        passed, after = time.monotonic() - began_all, cpu_s(front.pid)
        asking.stop.set()
        asking.join(30)
        said = [json.loads(line) for line in log.read_text().splitlines() if '"event": "reloaded"' in line]
    in_workers_ms = [line["ms"] for line in said]
    per_s = (between[0] - before[0]) / 5.0
    extra = (after[0] - between[0] - per_s * passed) / times / 2
    print(
        f"{times} reloads on two workers, {asking.count - asked_at_rest:,} requests meanwhile, {asking.failed} failed"
    )
    print(f"from the rename to the last worker   {median(took):.2f} s, longest {max(took):.2f} s")
    print(f"of that in the workers               {median(in_workers_ms):.0f} ms, longest {max(in_workers_ms):.0f} ms")
    print(f"CPU of a reload, each worker         {extra * 1000:.0f} ms (what the requests take is taken off)")
    print(f"CPU of a reload, loading and proof   {(after[1] - between[1]) / times * 1000:.0f} ms")
    reloaded = asking.longest
    print(f"longest answer at rest               {at_rest * 1000:.1f} ms")
    print(f"longest answer during reloads        {reloaded * 1000:.1f} ms, {reloaded / at_rest:.1f} × that at rest")
    print(" · ".join(f"{name} {value}" for name, value in describe(None).items()))
    return 1 if asking.failed else 0


if __name__ == "__main__":
    sys.exit(main())
