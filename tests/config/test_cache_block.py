"""`cache` in gateway.yaml: what it says, and what it says where it says nothing."""

import pytest

from gateway.config import cache_block
from gateway.config.cache_block import CacheBlock
from gateway.core.labels import Label, LabelOrder
from gateway.core.reading import Reader, Word
from gateway.core.written import Node, Place

from .reading import CONFIDENTIAL, ORDER, PUBLIC, RESTRICTED, read


def told(text: str) -> tuple[CacheBlock | None, list[str]]:
    return read(text, lambda root, reader: cache_block.read(reader, root))


def test_without_the_block_nothing_is_stored() -> None:
    assert read("x: 1", lambda root, reader: cache_block.read(reader, None)) == (None, [])


def test_what_is_not_said_is_usual() -> None:
    assert told("{}") == (CacheBlock(), [])


def test_everything_can_be_said() -> None:
    text = "{memory: 8MiB, share: 20%, largest: 64KiB, wait: 2s, clearance: internal, keys: /mnt/keys.json}"
    clearance = Word("internal", Place("f", 1, text.index("internal") + 1))
    assert told(text) == (CacheBlock(8 << 20, 0.2, 64 << 10, 2.0, clearance, "/mnt/keys.json"), [])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{memory: 1KiB}", "`cache.memory` must be"),
        ("{memory: 64}", "`cache.memory` must be"),
        ("{share: 120%}", "`cache.share` must be a percentage from `0%` to `100%`."),
        ("{share: half}", "`cache.share` must be a percentage"),
        ("{largest: 1B}", "`cache.largest` must be"),
        ("{wait: 2h}", "`cache.wait` must be"),
        ("{clearance: [a]}", "`cache.clearance` must be"),
        ("{keys: {}}", "`cache.keys` must be"),
        ("{ttl: 1h}", "`cache`"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, problem: str) -> None:
    _, problems = told(text)
    assert len(problems) == 1
    assert problem in problems[0]
    assert problems[0].startswith("1:")


@pytest.mark.parametrize(
    ("text", "ceiling"),
    [("{}", CONFIDENTIAL), ("{clearance: public}", PUBLIC), ("{clearance: restricted}", RESTRICTED)],
)
def test_answers_below_the_top_label_may_leave_the_process_unless_it_says_otherwise(text: str, ceiling: Label) -> None:
    block, _ = told(text)
    assert block is not None
    assert block.ceiling(ORDER) == ceiling


def test_with_one_label_it_is_that_label() -> None:
    assert CacheBlock().ceiling(LabelOrder(("only",))) == Label(0)


def test_a_label_that_the_policy_does_not_have_is_reported() -> None:
    def checked(root: Node, reader: Reader) -> None:
        block = cache_block.read(reader, root)
        cache_block.check(reader, None, ORDER)
        cache_block.check(reader, block, None)
        cache_block.check(reader, block, ORDER)

    assert read("{clearance: internal}", checked) == (None, [])
    assert read("{}", checked) == (None, [])
    _, problems = read("{clearance: secret}", checked)
    assert len(problems) == 1
    assert problems[0].startswith("1:13: The label")
