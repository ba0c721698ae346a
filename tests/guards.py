"""Remove each guard of tests/guards.toml in turn, in a copy of the tree, and see the named test fail.

A guard whose removal no test notices is decoration: this prints it and exits 1. Run by `make test-guards`; with names
as arguments, only those.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("gateway", "tests", "policies", "deploy", "pyproject.toml")


def main() -> int:
    guards = tomllib.loads((ROOT / "tests" / "guards.toml").read_text())["guard"]
    wanted = set(sys.argv[1:])
    alive = []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in COPIED:
            source = ROOT / name
            ignore = shutil.ignore_patterns("__pycache__", "node_modules")
            shutil.copytree(source, copy / name, ignore=ignore) if source.is_dir() else shutil.copy(source, copy / name)
        for number, guard in enumerate(guards, 1):
            if wanted and guard["name"] not in wanted:
                continue
            verdict = tried(copy, guard)
            print(f"[{number}/{len(guards)}] {verdict:9} {guard['name']}", flush=True)
            if verdict != "guarded":
                alive.append(guard["name"])
    if alive:
        print(f"{len(alive)} of {len(guards)} guards can be removed without a test failing.", file=sys.stderr)
    return 1 if alive else 0


def tried(copy: Path, guard: dict[str, str]) -> str:
    """`guarded` if the test passes with the guard and fails without it."""
    path = copy / guard["file"]
    whole = path.read_text()
    if whole.count(guard["find"]) != 1:
        return "NOT FOUND"
    if not passes(copy, guard["test"]):
        return "RED BEFORE"
    path.write_text(whole.replace(guard["find"], guard["replace"]))
    try:
        return "SURVIVES" if passes(copy, guard["test"]) else "guarded"
    finally:
        path.write_text(whole)


def passes(copy: Path, test: str) -> bool:
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", *test.split()]
    environ = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=copy, env=environ, capture_output=True).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
