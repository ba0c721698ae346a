"""Facts from a person: what is left out is usual, what is wrong is told."""

import pytest

from gateway.core.facts import (
    Budget,
    Capability,
    Complexity,
    Modality,
    Pressure,
    RequestFacts,
    Surroundings,
)
from gateway.core.reading import Reader
from gateway.core.written import parse
from gateway.policy import given_facts
from gateway.policy.compile import load
from gateway.policy.compiled import CompiledPolicy

from .making import EXAMPLE, INTERNAL, PUBLIC, RESTRICTED, example


def read(text: str, compiled: CompiledPolicy | None = None) -> tuple[RequestFacts | None, list[str]]:
    document = parse(text.encode(), "--facts")
    reader = Reader(document.problems)
    return given_facts.read(document.root, reader, compiled or example()), [
        problem.message for problem in reader.problems
    ]


def test_what_is_left_out_is_usual() -> None:
    assert read('{"label": "internal", "model": "chat-auto"}') == (
        RequestFacts(INTERNAL, INTERNAL, "default", INTERNAL, "chat-auto"), [],
    )  # fmt: skip
    hospital, _ = read('{"label": "internal", "model": "chat-auto", "tenant_class": "hospital"}')
    assert hospital is not None
    assert hospital.ceiling is None


def test_everything_can_be_given() -> None:
    given, problems = read(
        '{"label": "restricted", "label_low": "public", "model": "m", "tenant_class": "press", "ceiling": "internal", '
        '"capabilities": ["tools", "vision"], "complexity": "hard", "modalities": ["image"], "context": "32k", '
        '"time": "tue 00:01", "pressure": {"onprem": "down", "cloud": "free"}, "budget": "spent"}'
    )
    assert problems == []
    assert given == RequestFacts(
        PUBLIC,
        RESTRICTED,
        "press",
        INTERNAL,
        "m",
        frozenset({Capability.TOOLS, Capability.VISION}),
        Complexity.HARD,
        frozenset({Modality.TEXT, Modality.IMAGE}),
        32768,
        Surroundings(1441, (("onprem", Pressure.DOWN), ("cloud", Pressure.FREE)), Budget.SPENT),
    )
    given, _ = read('{"label": "public", "model": "m", "ceiling": "none"}')
    assert given is not None
    assert given.ceiling is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"label": "internal"}', "The facts lacks the key `model`."),
        (
            '{"label": "internal", "label_low": "restricted", "model": "m"}',
            "`label_low` is above `label`: a full scan can only take away.",
        ),
        ('{"label": "secret", "model": "m"}', "The label `secret` does not exist."),
        ('{"label": "public", "model": "m", "capabilities": ["tool"]}', "The capability `tool` does not exist."),
        ('{"label": "public", "model": "m", "modalities": ["picture"]}', "The modality `picture` does not exist."),
        (
            '{"label": "public", "model": "m", "context": "0"}',
            "`context` must be a whole number such as `32768` or `32k`, from 1 to 100000000.",
        ),
        ('{"label": "public", "model": "m", "time": "09:00"}', "`time` must be a day and a time."),
        ('{"label": "public", "model": "m", "time": "day 09:00"}', "`time` must be a day and a time."),
        ('{"label": "public", "model": "m", "time": "mon 24:00"}', "`time` must be a day and a time."),
        ('{"label": "public", "model": "m", "pressure": {"onprm": "down"}}', "The zone `onprm` does not exist."),
        (
            '{"label": "public", "model": "m", "pressure": {"onprem": "full"}}',
            "The pressure of `onprem` must be one of: free, saturated, down.",
        ),
        ('{"label": "public", "model": "m", "budget": "gone"}', "`budget` must be one of: ok, spent."),
        ("[]", "The facts must be a group of keys."),
        ("{a: b", "A group in braces is not closed, or lacks a comma."),
    ],
)
def test_what_is_wrong_is_told(text: str, message: str) -> None:
    assert message in read(text)[1]


def test_a_time_is_on_the_clock_of_the_policy() -> None:
    east = load(EXAMPLE.replace("version: 42", 'version: 42\ntime_zone: "+08:00"').encode(), "p")
    given, problems = read('{"label": "public", "model": "m", "time": "mon 07:59"}', east)
    assert problems == []
    assert given is not None
    assert given.surroundings.minute_of_week == 10079
