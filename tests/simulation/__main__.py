"""Run scenarios by hand: `python -m tests.simulation [--from N] [--scenarios N] [--seed N] [--figures]`."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.simulation.figures import measured
from tests.simulation.scenarios import draw, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--from", dest="first", type=int, default=0, help="the first seed")
    parser.add_argument("--scenarios", type=int, default=200, help="how many")
    parser.add_argument("--seed", type=int, help="replay one, and show what its clients got where something is wrong")
    parser.add_argument("--figures", action="store_true", help="print the figures of resilience.md instead")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if given.figures:
            figures = measured(Path(folder))
            for figure in figures:
                print(f"{'ok ' if figure.holds else 'NO '} {figure.name:48} {figure.said:40} target {figure.target}")
            return int(not all(figure.holds for figure in figures))
        if given.seed is not None:
            return _replay(given.seed, Path(folder))
        return _many(given.first, given.scenarios, Path(folder))


def _replay(seed: int, base: Path) -> int:
    done = run(draw(seed), base)
    print(done.scenario)
    for breach in done.breaches:
        print(breach)
    for told in done.tolds:
        if any(told.token in breach for breach in done.breaches):
            print(told)
            print(told.raw.decode(errors="replace"))
    return int(bool(done.breaches))


def _many(first: int, count: int, base: Path) -> int:
    began, shown, asked, bad, virtual = time.monotonic(), time.monotonic(), 0, 0, 0.0
    for seed in range(first, first + count):
        done = run(draw(seed), base)
        asked += len(done.tolds)
        virtual += done.virtual_s
        if done.breaches:
            bad += 1
            print(f"seed {seed}: {done.breaches[:3]} {done.scenario.troubles}")
        if sys.stderr.isatty() and time.monotonic() - shown > 2:
            shown = time.monotonic()
            print(f"\r{seed - first + 1} of {count}", end="", file=sys.stderr)
    seconds = time.monotonic() - began
    print(
        f"{count} scenarios, {asked} requests, {virtual:.0f} s of virtual time in {seconds:.0f} s: {bad} with a breach."
        f" With none seen in {asked}, the rate is at most {3 / asked:.1e} at 95 %."
    )
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(main())
