"""Plans: which request meets which fault, and how a fault is written."""

import msgspec
import pytest

from gateway.lane.faults import ALWAYS, SOUND, Cut, Disturbed, FaultPlan, Planned, Raised, Refused, Silent, WrongCrc


def test_requests_meet_faults_in_the_order_in_which_they_were_planned():
    plan = FaultPlan()
    plan.add(Silent())
    plan.add(Refused("ThrottlingException"), times=2)
    assert [plan.take("a") for _ in range(4)] == [
        Silent(),
        Refused("ThrottlingException"),
        Refused("ThrottlingException"),
        SOUND,
    ]


def test_a_fault_for_one_endpoint_waits_for_it():
    plan = FaultPlan()
    plan.add(Silent(), endpoint="b")
    plan.add(Disturbed(gap_s=1), times=ALWAYS)
    assert [plan.take(name) for name in "aba"] == [Disturbed(gap_s=1), Silent(), Disturbed(gap_s=1)]
    plan.clear()
    assert plan.take("b") == SOUND


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ('{"fault": {"fault": "silent"}}', Planned(Silent())),
        (
            '{"fault": {"fault": "refused", "error": "InternalFailure"}, "times": 0}',
            Planned(Refused("InternalFailure"), 0),
        ),
        (
            '{"fault": {"fault": "disturbed", "part_sizes": [1, 2], "ending": {"fault": "cut", "after": 5}}}',
            Planned(Disturbed(part_sizes=(1, 2), ending=Cut(5))),
        ),
        (
            '{"fault": {"fault": "disturbed", "ending": {"fault": "wrong_crc", "prelude": true}}, "endpoint": "a"}',
            Planned(Disturbed(ending=WrongCrc(prelude=True)), endpoint="a"),
        ),
    ],
)
def test_a_plan_is_read_from_json(written, expected):
    assert msgspec.json.decode(written, type=Planned) == expected


@pytest.mark.parametrize(
    "make",
    [
        lambda: Refused("NoSuchError"),
        lambda: Raised("NoSuchException"),
        lambda: Disturbed(part_sizes=(0,)),
        lambda: Disturbed(write_sizes=(3, -1)),
        lambda: Disturbed(gap_s=-0.1),
    ],
)
def test_a_fault_that_cannot_be_is_refused(make):
    with pytest.raises(ValueError):  # noqa: PT011 -- each says its own sentence
        make()
