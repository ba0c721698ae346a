"""Every fault that resilience lists has a test that injects it, and each of those tests is there."""

import ast
from pathlib import Path

import pytest

from tests.paths.fault_list import FAULTS

ROOT = Path(__file__).resolve().parents[2]
DESIGN = ROOT.parent / "shared" / "design" / "resilience.md"
PAGES = ROOT / "docs" / "resilience.md"


def named() -> list[str]:
    """The faults of the design, in its words."""
    if not DESIGN.exists():
        pytest.skip("the design is not beside this checkout")
    section = DESIGN.read_text().split("## Faults that the tests inject", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines()[1:] if line]
    return [fault.strip().replace("`", "") for line in lines for fault in line.split(" · ")]


def functions_in(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_fault_of_the_design_is_in_the_list_and_no_other():
    assert list(FAULTS) == named()


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_has_tests_that_exist(fault):
    injected = FAULTS[fault]
    ids = injected.process + injected.sockets + injected.virtual
    assert ids
    for one in ids:
        path, _, name = one.partition("::")
        assert name in functions_in(path), one
