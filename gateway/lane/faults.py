"""What can be made to go wrong at the stand-in: one fault per request, in the order in which they were planned.

Values only, and their form as JSON for the control socket; `service.py` carries them out. Nothing in a request can
bring a fault about: what a client can write must not steer the service that its tests rely on.
"""

from collections import deque
from collections.abc import Iterable
from typing import Final

import msgspec

from gateway.lane.answers import MESSAGES, STATUSES

EXCEPTIONS: Final = ("ModelStreamError", "InternalStreamFailure")
"""What the service's model lets happen inside a stream."""

ONCE: Final = 1
ALWAYS: Final = 0


class _Value(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="fault"):
    """What every fault is: a frozen value that names itself in JSON."""


class Refused(_Value, frozen=True, tag="refused"):
    """The service answers with an error instead of asking the container. `status` replaces the error's usual one."""

    error: str
    message: str | None = None
    status: int | None = None
    retry_after: str | None = None
    original_status: int | None = None
    original_message: str | None = None

    def __post_init__(self) -> None:
        if self.error not in STATUSES:
            raise ValueError(f"`{self.error}` is no error of the service; there are: {', '.join(STATUSES)}.")


class Silent(_Value, frozen=True, tag="silent"):
    """The service takes the request and never answers."""


class Raised(_Value, frozen=True, tag="raised"):
    """After so many bytes of the container's answer, an exception frame ends the stream.

    `modelled` false makes it an error frame, which carries a code of no model.
    """

    error: str
    after: int = 0
    message: str | None = None
    code: str | None = None
    modelled: bool = True

    def __post_init__(self) -> None:
        if self.modelled and self.error not in EXCEPTIONS:
            raise ValueError(f"`{self.error}` is no exception of the stream; there are: {', '.join(EXCEPTIONS)}.")


class Cut(_Value, frozen=True, tag="cut"):
    """After so many bytes of the container's answer the connection is reset, in the middle of a frame."""

    after: int = 0


class Ended(_Value, frozen=True, tag="ended"):
    """After so many bytes of the container's answer the body ends in order, in the middle of a frame."""

    after: int = 0


class WrongCrc(_Value, frozen=True, tag="wrong_crc"):
    """After so many bytes of the container's answer, a frame whose checksum is wrong, and then the rest."""

    after: int = 0
    prelude: bool = False


class Stalled(_Value, frozen=True, tag="stalled"):
    """After so many bytes of the container's answer, nothing more, and the connection stays open."""

    after: int = 0


Ending = Raised | Cut | Ended | WrongCrc | Stalled


class Disturbed(_Value, frozen=True, tag="disturbed"):
    """The container is asked, and its answer is passed on in another way than it came, or not to its end.

    `part_sizes`: bytes of the answer per frame, over and over; `write_sizes`: bytes per HTTP chunk, over and over, so
    that frames are split anywhere; `gap_s`: a pause before every chunk.
    """

    part_sizes: tuple[int, ...] = ()
    write_sizes: tuple[int, ...] = ()
    gap_s: float = 0.0
    ending: Ending | None = None

    def __post_init__(self) -> None:
        if any(size < 1 for size in (*self.part_sizes, *self.write_sizes)) or self.gap_s < 0:
            raise ValueError("Sizes are numbers from 1 up, and a pause is not negative.")


Fault = Refused | Silent | Disturbed

SOUND: Final = Disturbed()
"""No fault: the answer as it comes."""


class Planned(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fault and how often: `times` requests, or every one from now on (0)."""

    fault: Fault
    times: int = ONCE
    endpoint: str | None = None


class FaultPlan:
    """The faults that are still to come. A request uses up the first one that is meant for its endpoint."""

    __slots__ = ("_planned",)

    def __init__(self) -> None:
        self._planned: deque[Planned] = deque()

    def add(self, fault: Fault, *, times: int = ONCE, endpoint: str | None = None) -> None:
        """Let the next `times` requests meet `fault`, after those that were planned before; `ALWAYS` until cleared."""
        self._planned.append(Planned(fault, times, endpoint))

    def extend(self, planned: Iterable[Planned]) -> None:
        """Plan several."""
        self._planned.extend(planned)

    def clear(self) -> None:
        """Plan nothing more."""
        self._planned.clear()

    def take(self, endpoint: str) -> Fault:
        """What the next request to `endpoint` meets."""
        for index, planned in enumerate(self._planned):
            if planned.endpoint not in (None, endpoint):
                continue
            if planned.times == ONCE:
                del self._planned[index]
            elif planned.times != ALWAYS:
                self._planned[index] = msgspec.structs.replace(planned, times=planned.times - 1)
            return planned.fault
        return SOUND


def message_of(name: str, message: str | None) -> str:
    """What an error says."""
    return message if message is not None else MESSAGES.get(name, name)
