"""Facts from a person: what is left out is usual, what is wrong is told."""

import pytest

from gateway.core.facts import Capability, Complexity, RequestFacts
from gateway.core.reading import Reader
from gateway.core.written import parse
from gateway.policy import given_facts

from .making import INTERNAL, PUBLIC, RESTRICTED, example


def read(text: str) -> tuple[RequestFacts | None, list[str]]:
    document = parse(text.encode(), "--facts")
    reader = Reader(document.problems)
    return given_facts.read(document.root, reader, example()), [problem.message for problem in reader.problems]


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
        '"capabilities": ["tools", "vision"], "complexity": "hard"}'
    )
    assert problems == []
    needs = frozenset({Capability.TOOLS, Capability.VISION})
    assert given == RequestFacts(PUBLIC, RESTRICTED, "press", INTERNAL, "m", needs, Complexity.HARD)
    given, _ = read('{"label": "public", "model": "m", "ceiling": "none"}')
    assert given is not None
    assert given.ceiling is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"label": "internal"}', "The facts lacks the key `model`."),
        ('{"label": "secret", "model": "m"}', "The label `secret` does not exist."),
        ('{"label": "public", "model": "m", "capabilities": ["tool"]}', "The capability `tool` does not exist."),
        ("[]", "The facts must be a group of keys."),
        ("{a: b", "A group in braces is not closed, or lacks a comma."),
    ],
)
def test_what_is_wrong_is_told(text: str, message: str) -> None:
    assert message in read(text)[1]
