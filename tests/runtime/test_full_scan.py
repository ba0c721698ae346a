"""A second decision governs as a whole or not at all, and says what came of its scan."""

import asyncio

import pytest

from gateway.core.decision import Allow, Deny, DenyCode
from gateway.core.facts import RequestFacts
from gateway.core.findings import Coverage, Evidence, Tier
from gateway.core.labels import Label, LabelOrder
from gateway.core.records import FullScan, ScanEnding, ScanReason
from gateway.errors import Forbidden, NotFound
from gateway.ports import Inbound
from gateway.runtime.call import Call
from gateway.runtime.full_scan import Decided, SecondDecision, refusal_of
from tests.fakes.clock import FakeClock

TOP, LOW = Label(3), Label(1)


def decided(label: Label, *pools: str) -> Decided:
    evidence = Evidence((), Coverage(frozenset(Tier) if label is LOW else frozenset()))
    facts = RequestFacts(LOW, label, "default", LOW, "chat")
    return Decided(evidence, facts, Allow(pools, (), 1.0, "row", label), None)


FIRST, SECOND = decided(TOP, "home"), decided(LOW, "home", "burst")


class Asked:
    """A second decision whose scan the test plays."""

    def __init__(self, outcome=SECOND) -> None:
        self.clock = FakeClock()
        self.call = Call(
            "1", Inbound(b"POST", b"/", None, b"", 0.0), path="chat", order=LabelOrder(("a", "b", "c", "d"))
        )
        self.outcome = outcome
        self.scans = 0
        self.acted: list[Decided] = []
        self.second = SecondDecision(self.call, FIRST, self.scan, self.acted.append, self.clock)

    async def scan(self):
        self.scans += 1
        self.clock.now += 0.25
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome

    def noted(self) -> tuple[ScanReason, ScanEnding]:
        scan = self.call.full_scan
        assert scan is not None
        return scan.because, scan.ending


async def test_what_a_scan_gives_governs_only_once_it_is_adopted():
    asked = Asked()
    assert asked.second.is_open
    assert await asked.second.seek(ScanReason.NO_PLACE) is SECOND
    assert asked.acted == []
    assert asked.noted() == (ScanReason.NO_PLACE, ScanEnding.OVERTAKEN)
    assert asked.second.adopt(SECOND) is SECOND.decision
    assert asked.acted == [SECOND]
    assert asked.call.full_scan == FullScan(ScanReason.NO_PLACE, ScanEnding.COMPLETED, 250.0, LOW, TOP)
    assert not asked.second.is_open


async def test_one_scan_is_enough_however_often_somebody_asks():
    asked = Asked()
    await asked.second.seek(ScanReason.NO_PLACE)
    assert asked.second.is_open
    assert await asked.second.seek(ScanReason.ALL_FAILED) is SECOND
    assert asked.scans == 1


@pytest.mark.parametrize("outcome", [None, MemoryError("canary")])
async def test_a_scan_that_does_not_get_through_leaves_everything_as_it_was(outcome):
    asked = Asked(outcome)
    assert await asked.second.seek(ScanReason.LEAVES_FIRST) is None
    assert asked.noted() == (ScanReason.LEAVES_FIRST, ScanEnding.INCOMPLETE)
    assert not asked.second.is_open
    assert await asked.second.seek(ScanReason.ALL_FAILED) is None
    assert (asked.scans, asked.acted) == (1, [])


async def test_a_scan_that_was_not_waited_for_may_be_asked_for_again():
    asked = Asked(asyncio.CancelledError())
    with pytest.raises(asyncio.CancelledError):
        await asked.second.seek(ScanReason.NO_PLACE)
    assert asked.noted() == (ScanReason.NO_PLACE, ScanEnding.OVERTAKEN)
    assert asked.second.is_open
    asked.outcome = SECOND
    assert await asked.second.seek(ScanReason.ALL_FAILED) is SECOND
    assert asked.noted() == (ScanReason.ALL_FAILED, ScanEnding.OVERTAKEN)


async def test_the_first_decision_governs_again_once_the_second_is_withdrawn_and_for_good():
    asked = Asked()
    assert asked.second.withdraw() is None
    await asked.second.seek(ScanReason.NO_PLACE)
    asked.second.adopt(SECOND)
    assert asked.second.withdraw() is FIRST.decision
    assert asked.acted == [SECOND, FIRST]
    assert asked.noted() == (ScanReason.NO_PLACE, ScanEnding.UNCONFIRMED)
    assert not asked.second.is_open
    assert asked.second.withdraw() is None


def test_a_refusal_is_told_by_its_code():
    assert isinstance(refusal_of(Deny(DenyCode.MODEL_UNKNOWN, "", "No such model.")), NotFound)
    refused = refusal_of(Deny(DenyCode.DENIED_BY_ROUTE, "closed", "Not here."))
    assert isinstance(refused, Forbidden)
    assert (refused.message, refused.error_code) == ("Not here.", "denied_by_policy")
