"""On what a benchmark ran: without it, a figure means nothing to the next reader."""

import importlib.metadata
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

PACKAGES = ("uvloop", "httptools", "msgspec", "hyperscan")


def describe(nginx: Path | None) -> dict[str, str]:
    """The machine, the programs and the commit, as text."""
    about = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "cpu": _cpu(),
        "cores": str(len(os.sched_getaffinity(0))),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load before": f"{os.getloadavg()[0]:.2f}",
    }
    for package in PACKAGES:
        try:
            about[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            about[package] = "absent"
    if nginx is not None:
        about["nginx"] = _output([str(nginx), "-v"]).rpartition("/")[2]
    return about


def _commit() -> str:
    here = str(Path(__file__).resolve().parent)
    commit = _output(["git", "-C", here, "rev-parse", "--short", "HEAD"]) or "unknown"
    return commit + (" with changes" if _output(["git", "-C", here, "status", "--porcelain", "-uno"]) else "")


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _output(argv: list[str]) -> str:
    try:
        ran = subprocess.run(argv, capture_output=True, text=True, timeout=10)
    except OSError:
        return ""
    return (ran.stdout + ran.stderr).strip() if ran.returncode == 0 else ""
