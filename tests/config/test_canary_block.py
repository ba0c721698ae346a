"""`canary` in gateway.yaml: what it says, and what it says where it says nothing."""

import pytest

from gateway.config import canary_block
from gateway.config.canary_block import CanaryBlock
from gateway.core.reading import Reader, Word
from gateway.core.written import Node, Place

from .reading import read


def told(text: str) -> tuple[CanaryBlock | None, list[str]]:
    return read(text, lambda root, reader: canary_block.read(reader, root))


def test_without_the_block_there_is_none() -> None:
    assert read("x: 1", lambda root, reader: canary_block.read(reader, None)) == (None, [])


def test_what_is_not_said_is_usual() -> None:
    assert told("{}") == (CanaryBlock(3600.0, None), [])


def test_everything_can_be_said() -> None:
    text = "{every: 10m, model: chat-auto}"
    assert told(text) == (CanaryBlock(600.0, Word("chat-auto", Place("f", 1, text.index("chat-auto") + 1))), [])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{every: 0s}", "`canary.every` must be between"),
        ("{every: 25h}", "`canary.every` must be between"),
        ("{every: often}", "`canary.every` must be a time"),
        ("{model: [a]}", "`canary.model` must be a name"),
        ("{each: 1h}", "`canary`"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, problem: str) -> None:
    _, problems = told(text)
    assert len(problems) == 1
    assert problem in problems[0]
    assert problems[0].startswith("1:")


def test_a_model_that_the_policy_does_not_have_is_reported() -> None:
    def checked(takes_any: bool) -> tuple[None, list[str]]:
        def check(root: Node, reader: Reader) -> None:
            block = canary_block.read(reader, root)
            canary_block.check(reader, None, ("chat",), takes_any=takes_any)
            canary_block.check(reader, block, ("chat", "gone"), takes_any=takes_any)
            canary_block.check(reader, block, ("chat",), takes_any=takes_any)

        return read("{model: gone}", check)

    assert checked(takes_any=True) == (None, [])
    _, problems = checked(takes_any=False)
    assert len(problems) == 1
    assert problems[0].startswith("1:9: The model")
