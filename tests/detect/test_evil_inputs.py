"""No text keeps a scan busy past its deadline, nor the loop beside it from its turns.

Measured is processor time, so that a busy machine changes nothing; bench/detect.py prints the true figures.
"""

import asyncio
import gc
import importlib.util
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.cli.worker import SWITCH_S
from gateway.detect.scanner import BASE_S, PER_CHARACTER_S, build_scanner

_EVIL = Path(__file__).parents[2] / "bench" / "evil.py"
_SPEC = importlib.util.spec_from_file_location("evil", _EVIL)
assert _SPEC is not None
assert _SPEC.loader is not None
evil = sys.modules[_SPEC.name] = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(evil)

# The deadline is looked at between steps, and what was begun is finished.
LATE = 1.25
LONGEST_STALL_S = 0.050


@pytest.fixture(scope="module")
def timed():
    """A scanner with a real clock, in a process that is as a worker's is."""
    scanner = build_scanner(())
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)
    gc.collect()
    gc.freeze()
    yield scanner
    gc.unfreeze()
    sys.setswitchinterval(before)


def measured(scanner, length):
    async def each():
        with ThreadPoolExecutor(1) as executor:
            return {name: await evil.beside(executor, scanner, document) for name, document in evil.cases(length)}

    return asyncio.run(each())


def test_nothing_holds_up_a_scan_or_the_loop_beside_it(timed):
    _check(measured(timed, 100_000))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("length", [(256 << 10) + 1, 1 << 20])
def test_nothing_of_any_length_holds_up_a_scan_or_the_loop_beside_it(timed, length):
    _check(measured(timed, length))


def _check(taken):
    assert len(taken) > 55
    for name, one in taken.items():
        deadline = BASE_S + one.evidence.coverage.characters * PER_CHARACTER_S
        assert one.cpu_s <= deadline * LATE, name
        assert max(one.late_s, default=0.0) <= LONGEST_STALL_S, name
    late = sorted(turn for one in taken.values() for turn in one.late_s)
    assert late[int(len(late) * 0.99)] <= 0.010


def test_a_loop_that_is_held_up_is_seen_to_be():
    class Holding:
        def scan(self, dialect, document):
            sum(map(int, ["1"] * 4_000_000))  # one call, in which no other thread has a turn

    async def one():
        with ThreadPoolExecutor(1) as executor:
            return await evil.beside(executor, Holding(), {})

    assert max(asyncio.run(one()).late_s) > LONGEST_STALL_S
