"""How the canaries of each class of tenants fared last, kept in the state folder over restarts.

For `tidegate doctor`, which looks while no gateway need be running, and so that a restart does not forget when a canary
was last held. The audit log has every canary; this is no more than the last of them.
"""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from gateway.policy.live_canary import ALARMS, Verdict
from gateway.runtime.whole_file import replace_file

FILE: Final = "canary.json"

_VERSION: Final = 1


class Fared(msgspec.Struct, frozen=True):
    """One class's canaries: how many were `sent`, and the last of them. Times are Unix seconds, 0 for never; `since` is
    when its first was due. `alarm` and `alarm_id` are the verdict on the last that somebody had to be woken for, and
    its request."""

    since: float
    sent: int = 0
    at: float = 0.0
    verdict: Verdict | None = None
    held_at: float = 0.0
    alarm_at: float = 0.0
    alarm: Verdict | None = None
    alarm_id: str = ""

    def with_another(self, verdict: Verdict, request_id: str, at: float) -> "Fared":
        """This, and one more."""
        fared = msgspec.structs.replace(self, sent=self.sent + 1, at=at, verdict=verdict)
        if verdict is Verdict.HELD:
            fared = msgspec.structs.replace(fared, held_at=at)
        if verdict in ALARMS:
            fared = msgspec.structs.replace(fared, alarm_at=at, alarm=verdict, alarm_id=request_id)
        return fared


class _Page(msgspec.Struct, frozen=True):
    v: int
    classes: dict[str, Fared]


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(_Page).decode


def read_book(path: Path) -> Mapping[str, Fared]:
    """What is kept in `path`, by class; nothing where nothing can be read."""
    with contextlib.suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
        page = _decode(path.read_bytes())
        if page.v == _VERSION:
            return page.classes
    return {}


def write_book(path: Path, classes: Mapping[str, Fared]) -> None:
    """Keep `classes` in `path`; raises OSError."""
    replace_file(path, _encode(_Page(_VERSION, dict(classes))))
