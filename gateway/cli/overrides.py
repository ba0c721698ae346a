"""What `tidegate burst` and `tidegate pool` share: an override is asked for over the admin port and its end is told.

Every override ends by itself, after an hour unless `--for` says otherwise; what should last stands in the files.
"""

import argparse
import getpass
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeVar

import msgspec

from gateway.cli.admin_port import AdminPort
from gateway.cli.override_words import say
from gateway.cli.page import Page
from gateway.cli.problem_report import GOOD, Misuse, text_of
from gateway.cli.spoken import language
from gateway.core.burst_budget import Level
from gateway.core.controls import LONGEST_S, SHORTEST_S, USUAL_S, Change, Controls, Order
from gateway.core.problems import Problem, Problems
from gateway.policy.words import Language

PATH: Final = "/admin/v1/controls"
_FOR: Final = re.compile(r"([0-9]{1,6})([smhd])")
_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_NO_NAME: Final = re.compile(r"[^A-Za-z0-9@._-]")


class Load(msgspec.Struct, frozen=True):
    """How one pool does, as the worker with the admin port sees it."""

    in_flight: int
    limit: int
    waiting: int
    zone: str = ""
    reserved: int = 0
    pressure: float = 0.0
    is_spilling: bool = False
    is_drained: bool = False


class Spent(msgspec.Struct, frozen=True):
    """How the money for burst stands: its level, and the shares spent of the hour's, the day's and the month's."""

    level: Level
    shares: tuple[float | None, float | None, float | None]


class Warm(msgspec.Struct, frozen=True):
    """A warm-up of the gateway's own that holds; `error` is why it could not be ended though it is to."""

    pool: str
    endpoint: str
    until: float
    is_ending: bool = False
    error: str = ""


class Standing(msgspec.Struct, frozen=True):
    """What stands, how the pools do, and how the money for burst."""

    controls: Controls
    pools: dict[str, Load]
    budget: Spent | None = None
    warm: tuple[Warm, ...] = ()


class _Done(msgspec.Struct, frozen=True):
    controls: Controls
    is_kept: bool
    is_recorded: bool
    warm: tuple[Warm, ...] = ()


class _Error(msgspec.Struct, frozen=True):
    message: str


class _Refused(msgspec.Struct, frozen=True):
    error: _Error


_Shape = TypeVar("_Shape", Standing, _Done, _Refused)


def add_for(parser: argparse.ArgumentParser) -> None:
    """Let the command line say how long an override holds."""
    parser.add_argument(
        "--for",
        dest="for_s",
        metavar="TIME",
        type=_seconds,
        default=USUAL_S,
        help="how long it holds, such as 30m, 8h or 2d; default: 1h",
    )


def standing(port: AdminPort) -> Standing:
    """What stands now; raises Problems."""
    return _read(port, port.ask(PATH).body, Standing)


@dataclass(frozen=True, slots=True)
class Done:
    """What stands after an order, and the exit status."""

    controls: Controls
    warm: tuple[Warm, ...]
    status: int


def set_override(arguments: argparse.Namespace, port: AdminPort, change: Change, page: Page) -> Done:
    """Ask for `change` and tell what does not hold or is not written."""
    order = Order(change, _who(), arguments.for_s)
    answer = port.ask(PATH, method="POST", body=msgspec.json.encode(order))
    if answer.status != 200:
        refused = _read(port, answer.body, _Refused)
        raise Problems([Problem(str(port.place), 0, 0, refused.error.message)])
    done = _read(port, answer.body, _Done)
    spoken = language(arguments)
    if arguments.json:
        print(text_of({"ok": True, **msgspec.to_builtins(done)}))
        return Done(done.controls, done.warm, GOOD)
    for key, is_so in (("not_kept", not done.is_kept), ("not_recorded", not done.is_recorded)):
        if is_so:
            Page(sys.stderr, page.columns, in_colour=False).say(say(key, spoken))
    return Done(done.controls, done.warm, GOOD)


def warmth(found: Iterable[Warm], spoken: Language) -> Iterator[str]:
    """What is told of warm-ups: which hold, which are being ended, and of which that fails."""
    for one in found:
        key = "warm_not_ended" if one.error else "warm_ending" if one.is_ending else "warm"
        yield say(key, spoken, pool=one.pool, until=until(one.until, spoken), error=one.error)


def until(at: float, spoken: Language) -> str:
    """When something ends, in the time of this machine, with its zone."""
    then = datetime.fromtimestamp(at, UTC).astimezone()
    offset = then.strftime("%z")
    return say("until", spoken, when=f"{then:%Y-%m-%d %H:%M} (UTC{offset[:3]}:{offset[3:]})")


def _read(port: AdminPort, body: bytes, shape: type[_Shape]) -> _Shape:
    try:
        return msgspec.json.decode(body, type=shape)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Misuse(str(port.place), "What answers here is no gateway of this version.", "Update both.") from None


def _seconds(text: str) -> float:
    found = _FOR.fullmatch(text)
    seconds = int(found[1]) * _UNITS[found[2]] if found is not None else 0.0
    if not SHORTEST_S <= seconds <= LONGEST_S:
        raise argparse.ArgumentTypeError("must be a time such as 90s, 30m, 8h or 2d, up to 7d")
    return seconds


def _who() -> str:
    """What the audit log calls whoever asks: the name on this machine, which proves nothing and says where to look."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
    return _NO_NAME.sub("_", name)[:64].lstrip("@._-") or "unknown"
