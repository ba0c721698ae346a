"""Every fault that resilience lists has a test that injects it, and each of those tests is there."""

import ast
import re
from pathlib import Path

import pytest

from tests.paths.fault_list import FAULTS, NO_REDIS

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
def test_every_fault_has_tests_that_exist_or_a_reason(fault):
    injected = FAULTS[fault]
    ids = injected.process + injected.sockets + injected.virtual
    assert bool(ids) != bool(injected.because)
    for one in ids:
        path, _, name = one.partition("::")
        assert name in functions_in(path), one


def test_only_redis_is_without_tests_and_only_while_the_gateway_does_not_know_it():
    without = [fault for fault, injected in FAULTS.items() if injected.because]
    assert [FAULTS[fault].because for fault in without] == [NO_REDIS]
    imports = re.compile(r"^\s*(from|import) redis\b", re.MULTILINE)
    assert not [path for path in (ROOT / "gateway").rglob("*.py") if imports.search(path.read_text())]
