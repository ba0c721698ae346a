"""What gateway.yaml says under `cache`: that answers are stored, how many, and which of them outside this process.

For how long an answer may be used is the policy's to say. Without this block none is stored at all. The label is
checked by whoever knows the policy's.
"""

from dataclasses import dataclass
from typing import Final

from gateway.config import overflow_block
from gateway.core.labels import Label, LabelOrder
from gateway.core.reading import Reader, Word
from gateway.core.written import Node

KEYS_FILE: Final = "cache-keys.json"

_KIB: Final = 1 << 10
_MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class CacheBlock:
    """`memory` bytes for each worker, of which one tenant has at most `share`; no answer above `largest` is stored.

    A request waits at most `wait_s` for another that is asking the same. `clearance` is the highest label of which
    answers go to `stores.cache`, None for the one below the top. `keys` is the file with the tenants' keys, None for
    the usual one in `state_dir`; replicas that share a store must share it.
    """

    memory: int = 64 * _MIB
    share: float = 0.5
    largest: int = 256 * _KIB
    wait_s: float = 10.0
    clearance: Word | None = None
    keys: str | None = None

    def ceiling(self, order: LabelOrder) -> Label:
        """The highest label of which answers leave this process."""
        if self.clearance is None:
            return Label(max(order.top - 1, 0))
        return order.rank(self.clearance.text)


def check(reader: Reader, block: CacheBlock | None, order: LabelOrder | None) -> None:
    """Report a label that the policy does not have."""
    if block is not None and order is not None:
        reader.reference(block.clearance, "The label", order.names)


def read(reader: Reader, node: Node | None) -> CacheBlock | None:
    """`cache: {memory: 64MiB}`; None where there is no such block."""
    if node is None:
        return None
    fields = reader.fields(node, "`cache`", ("memory", "share", "largest", "wait", "clearance", "keys"))
    usual = CacheBlock()
    memory = reader.size(fields.get("memory"), "`cache.memory`", least=_MIB, most=64 << 30)
    share = overflow_block.percent(reader, fields.get("share"), "`cache.share`", most=100)
    largest = reader.size(fields.get("largest"), "`cache.largest`", least=_KIB, most=8 * _MIB)
    wait_s = reader.duration(fields.get("wait"), "`cache.wait`", least=0.0, most=60.0)
    keys = reader.text(fields.get("keys"), "`cache.keys`")
    return CacheBlock(
        memory if memory is not None else usual.memory,
        share if share is not None else usual.share,
        largest if largest is not None else usual.largest,
        wait_s if wait_s is not None else usual.wait_s,
        reader.name(fields.get("clearance"), "`cache.clearance`"),
        keys.text if keys is not None else None,
    )
