"""Runs `tidegate policy` as a person would, in a folder that `init` wrote."""

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.cli import policy_asked
from gateway.cli.main import main
from gateway.detect.scanner import RequestScanner, build_scanner
from gateway.ports import Recognizer

ROOT = Path(__file__).parents[2]
POLICIES = ROOT / "policies"
EXAMPLES = ("bank", "hospital", "startup")

Said = tuple[int, str, str]
"""A command's status, and what it wrote to standard output and to standard error."""


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Said:
    """One command of `tidegate policy`."""
    capsys.readouterr()
    try:
        status = main(["policy", *map(str, arguments)])
    except SystemExit as ended:  # argparse
        status = int(ended.code or 0)
    said = capsys.readouterr()
    return status, said.out, said.err


def policy_file(name: str) -> Path:
    """One of the policies that ship."""
    return POLICIES / "default.yaml" if name == "default" else POLICIES / "examples" / f"{name}.yaml"


@functools.cache
def _built(markers: tuple[str, ...], recognizers: tuple[Recognizer, ...]) -> RequestScanner:
    return build_scanner(markers, recognizers)


@pytest.fixture(scope="module", autouse=True)
def one_scanner_for_each_policy() -> Iterator[None]:
    """The real scanner, built once for each set of markers instead of once for each command; reports in English, on
    lines that hold the path of a test's folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LC_ALL", "en_US.UTF-8")
        patch.setenv("COLUMNS", "120")
        patch.setattr(
            policy_asked, "build_scanner", lambda markers, recognizers: _built(tuple(markers), tuple(recognizers))
        )
        yield
