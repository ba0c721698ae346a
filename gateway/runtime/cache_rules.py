"""What a reply cache is told: its rules, what its near level must be able to do, and the ways an answer can take."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from gateway.core.labels import Label

MOST_WAITING: Final = 1_000
"""Requests of one worker that may wait for others' answers; the rest ask for themselves."""


class NearStore(Protocol):
    """The level in this process: it answers at once, and can drop what is one owner's."""

    def read_now(self, key: bytes) -> bytes | None: ...
    def write(self, key: bytes, value: bytes, *, lives_s: float, owner: str) -> None: ...
    def forget(self, owner: str) -> None: ...
    def sweep(self) -> None: ...
    @property
    def size(self) -> tuple[int, int]: ...


@dataclass(frozen=True, slots=True)
class CacheRules:
    """No answer above `largest` bytes is stored, and none of a label above `clearance` outside this process. A request
    waits `wait_s` for another's answer at the most."""

    largest: int
    wait_s: float
    clearance: Label
    most_waiting: int = MOST_WAITING


class Way(StrEnum):
    """Where an answer came from, or why not from here."""

    NEAR = "near"  # this worker's memory
    FAR = "far"  # the store that all share
    WAITED = "waited"  # another request, which was just asking the same
    OLD = "old"  # it was to be made anew, and that failed
    MISS = "miss"
    BYPASS = "bypass"  # the policy, the request or its client does not want it
