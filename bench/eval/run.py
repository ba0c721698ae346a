"""Measures the detector on generated requests, beside plain Presidio: see bench/eval/README.md.

python bench/eval/run.py            # everything, a few minutes; writes the record and the pages
python bench/eval/run.py --quick    # a small sample in seconds; prints, writes nothing
python bench/eval/run.py --render   # the pages again from the record and the list of gaps
"""

import argparse
import importlib.util
import json
import multiprocessing
import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from corpus import carriers, transforms
from corpus.templates import Split
from scoring import pages
from scoring.counts import Outcome
from scoring.detectors import default_policy
from scoring.matrix import Cell, gaps, items
from scoring.record import Record, cells, record
from scoring.worker import PUBLIC, Result, Share, work

from gateway.detect.ner_models import PACKAGES, are_installed

OUT = Path(__file__).resolve().parents[1] / "out" / "eval"
PROCESSES = 2
QUICK_COUNT, FULL_COUNT = 400, 24_000
_BATCH = 200


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Recall, precision, leak rate and over-restriction of the detector.")
    parser.add_argument("--seed", type=int, default=20_261_121)
    parser.add_argument("--count", type=int, default=None, help=f"requests (default {FULL_COUNT:,})")
    parser.add_argument("--split", choices=list(Split), default=Split.HELD_OUT, help="which half of the templates")
    parser.add_argument("--quick", action="store_true", help="a small sample; prints, writes nothing")
    parser.add_argument("--no-presidio", action="store_true", help="leave the comparison out")
    parser.add_argument("--no-models", action="store_true", help="leave our own models out")
    parser.add_argument("--no-matrix", action="store_true", help="leave the matrix out")
    parser.add_argument("--dry", action="store_true", help="write nothing but bench/out/eval")
    parser.add_argument("--render", action="store_true", help="measure nothing; write the pages from the record")
    given = parser.parse_args()
    if given.render:
        written = pages.write(json.loads(pages.RECORD.read_text("utf-8")), gaps())
        print("\n".join(str(path.relative_to(pages.ROOT)) for path in written) or "nothing changed")
        return 0

    count = given.count or (QUICK_COUNT if given.quick else FULL_COUNT)
    with_presidio = not given.no_presidio and importlib.util.find_spec("presidio_analyzer") is not None
    if not with_presidio:
        print("Presidio is left out" + ("." if given.no_presidio else ": it is not installed (make eval installs it)."))
    with_models = not given.no_models and are_installed()
    if not with_models:
        print("The models are left out" + ("." if given.no_models else ": the extra `ner` is not installed."))
    what = _What(with_presidio, with_models, not given.no_matrix, given.quick)
    shares = _shares(given.seed, Split(given.split), count, what)
    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        results = pool.map(work, shares, chunksize=1)

    outcomes = [outcome for result in results for outcome in result.outcomes]
    public = [outcome for result in results for outcome in result.public]
    about = {
        "command": "make eval" if given.count is None and not given.quick else f"bench/eval/run.py --count {count}",
        "when": datetime.now(UTC).strftime("%Y-%m-%d"),
        "commit": _commit(),
        "seed": given.seed,
        "split": given.split,
        "count": count,
        "versions": _versions(),
    }
    made = record(about, outcomes, public)
    failed = _failed(results)
    if not given.no_matrix:
        made["matrix"] = _matrix(results, failed)
    _print(made)
    unknown = _unknown(failed)
    _keep(made, outcomes, failed)
    print(f"what went wrong, by class: {OUT.relative_to(pages.ROOT)}/wrong.md")
    if unknown:
        print(f"{len(unknown)} cells of the matrix fail and are no known gap, such as {unknown[0]}")
    if given.quick or given.dry:
        return 0
    pages.RECORD.write_text(json.dumps(made, ensure_ascii=False, indent=1) + "\n", "utf-8")
    for path in pages.write(made, gaps()):
        print(f"wrote {path.relative_to(pages.ROOT)}")
    return 1 if unknown else 0


@dataclass(frozen=True, slots=True)
class _What:
    """What a run is made of besides our own scanner."""

    presidio: bool
    models: bool
    matrix: bool
    is_quick: bool


def _shares(seed: int, split: Split, count: int, what: _What) -> list[Share]:
    batches = [(first, min(_BATCH, count - first)) for first in range(0, count, _BATCH)]
    chosen = tuple(transforms.NAMES[:1]) if what.is_quick else ()
    return [
        Share(
            seed,
            split,
            tuple(batches[place::PROCESSES]),
            what.presidio,
            what.models,
            public=place == 0 and not what.is_quick,
            matrix=(place, PROCESSES) if what.matrix else None,
            matrix_transforms=chosen,
        )
        for place in range(PROCESSES)
    ]


def _failed(results: Sequence[Result]) -> list[Cell]:
    return [cell for result in results if result.matrix for cell in result.matrix.failed]


def _unknown(failed: Sequence[Cell]) -> list[Cell]:
    known = gaps()
    return [cell for cell in failed if not any(gap.covers(cell) for gap in known)]


def _matrix(results: Sequence[Result], failed: Sequence[Cell]) -> dict[str, int]:
    return {
        "tried": sum(result.matrix.tried for result in results if result.matrix),
        "failed": len(failed),
        "carriers": len(carriers.CARRIERS),
        "transforms": len(transforms.NAMES),
        "items": len(list(items(default_policy()))),
    }


def _print(made: Record) -> None:
    text = pages.sections(made, gaps(), "en")
    for name in ("run", "totals", "entities", "transforms", "lengths", "places", "public", "matrix"):
        print(f"\n{text[name]}", end="")
    print()


def _keep(made: Record, outcomes: Sequence[Outcome], failed: Sequence[Cell]) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "record.json").write_text(json.dumps(made, ensure_ascii=False, indent=1), "utf-8")
    rows = cells(outcomes)
    head = list(rows[0]) if rows else []
    lines = [",".join(head), *(",".join(f'"{row[name]}"' for name in head) for row in rows)]
    (OUT / "cells.csv").write_text("\n".join(lines) + "\n", "utf-8")
    # Whoever mends recognizers reads this file, so it shows nothing of the held-out half but counts.
    with_examples = made["split"] == Split.DEVELOPMENT
    (OUT / "wrong.md").write_text(_wrong(outcomes, failed, with_examples), "utf-8")


def _wrong(outcomes: Sequence[Outcome], failed: Sequence[Cell], with_examples: bool) -> str:
    """What went wrong, ranked by how often, for whoever mends the recognizers next."""
    missed: defaultdict[str, list[str]] = defaultdict(list)
    counts: Counter[str] = Counter()
    for outcome in outcomes:
        if outcome.detector != "tidegate":
            continue
        example, plain = outcome.example, "as written" if outcome.transform == "as written" else "disguised"
        shown = [] if example is None else [mark for mark in example.spans if mark.entity != "ORG"]
        for place, (entity, hit) in enumerate(outcome.values):
            if not hit:
                name = f"missed, {plain}: {entity} ({outcome.language})"
                counts[name] += 1
                if example is not None and len(missed[name]) < 6:
                    mark = shown[place]
                    around = example.text[max(0, mark.start - 24) : mark.end + 12][:120]
                    missed[name].append(f"{around!r} · {outcome.transform} · {outcome.carrier}")
        for entity, around in outcome.false:
            name = f"false alarm: {entity} ({outcome.language})"
            counts[name] += 1
            if len(missed[name]) < 10:
                missed[name].append(repr(around))
        if not outcome.is_sensitive and outcome.stayed:
            counts["harmless, kept home"] += 1
            if example is not None and len(missed["harmless, kept home"]) < 20:
                missed["harmless, kept home"].append(f"{example.text[:160]!r} · {example.template} · {outcome.length}")
    lines = ["# What went wrong, most frequent first", ""]
    for name, count in counts.most_common():
        examples = missed[name] if with_examples else ()
        lines += [f"## {count} × {name}", "", *(f"- {line}" for line in examples), ""]
    by_pair = Counter((cell.transform, f"{cell.item.maker} ({cell.item.language})") for cell in failed)
    lines += ["# Cells of the matrix that fail, over all places", ""]
    lines += [f"- {count} × {transform} × {maker}" for (transform, maker), count in by_pair.most_common()]
    return "\n".join(lines) + "\n"


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for package in ("presidio-analyzer", "hyperscan", "python-stdnum", *PACKAGES.values()):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found | {"python": sys.version.split()[0], "public data": "here" if PUBLIC.exists() else "absent"}


def _commit() -> str:
    commit = _git("rev-parse", "--short", "HEAD") or "unknown"
    return commit + (
        " with changes" if _git("status", "--porcelain", "-uno", "gateway", "policies", "bench/eval") else ""
    )


def _git(*arguments: str) -> str:
    ran = subprocess.run(["git", "-C", str(pages.ROOT), *arguments], capture_output=True, text=True, check=False)
    return ran.stdout.strip()


if __name__ == "__main__":
    os.nice(5)  # who measures for minutes leaves the machine to others
    sys.exit(main())
