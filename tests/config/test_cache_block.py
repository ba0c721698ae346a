"""`cache` in gateway.yaml: what it says, and what it says where it says nothing."""

import pytest

from gateway.config import cache_block
from gateway.config.cache_block import CacheBlock
from gateway.core.reading import Word
from gateway.core.written import Place

from .reading import read


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
