"""What gateway.yaml says under `canary`: that one is sent, how often, and for which model.

Without this block none is. Whether the policy has that model is checked by whoever knows it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from gateway.core.reading import Reader, Word
from gateway.core.written import Node

EVERY_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class CanaryBlock:
    """Each class of tenants has one every `every_s` seconds. `model` is what they ask for; None is each that the tenant
    may call, by turns."""

    every_s: float = EVERY_S
    model: Word | None = None


def check(reader: Reader, block: CanaryBlock | None, aliases: Collection[str], *, takes_any: bool) -> None:
    """Report a model that the policy does not have, unless it `takes_any` name for one."""
    if block is not None and not takes_any:
        reader.reference(block.model, "The model", aliases)


def read(reader: Reader, node: Node | None) -> CanaryBlock | None:
    """`canary: {every: 1h}`; None where there is no such block."""
    if node is None:
        return None
    fields = reader.fields(node, "`canary`", ("every", "model"))
    every_s = reader.duration(fields.get("every"), "`canary.every`", least=1.0, most=86_400.0)
    model = reader.name(fields.get("model"), "`canary.model`")
    return CanaryBlock(every_s if every_s is not None else EVERY_S, model)
