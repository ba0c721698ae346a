"""The label order: how sensitive a request is, as a total order of names.

A label is a rank in the order that the policy declares, so joining is `max` and comparing is `<`.
Only `LabelOrder` turns ranks into names and back; nothing else knows what the names are.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NewType

Label = NewType("Label", int)
"""A rank in one `LabelOrder`; 0 is the least sensitive."""

LOWEST = Label(0)


@dataclass(frozen=True, slots=True)
class LabelOrder:
    """The names of the labels, lowest first. At least one; unique."""

    names: tuple[str, ...]

    @property
    def top(self) -> Label:
        """The highest label: what everything unknown counts as."""
        return Label(len(self.names) - 1)

    def rank(self, name: str) -> Label:
        """The label called `name`; ValueError if the order has none."""
        return Label(self.names.index(name))

    def name(self, label: Label) -> str:
        """What `label` is called."""
        return self.names[label]


def join(labels: Iterable[Label]) -> Label:
    """The highest of `labels`; the lowest label of all if there are none."""
    return max(labels, default=LOWEST)
