"""`tidegate sagemaker status`, `scale` and `warm`: how the endpoint does, and more of it for now or for a while."""

import argparse
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from gateway.cli.endings import told
from gateway.cli.problem_report import FOUND, GOOD, Misuse, text_of
from gateway.cli.sagemaker_deploy import endpoint_url
from gateway.cli.sagemaker_lane import (
    add_lane,
    check_budget,
    known_price,
    package_path,
    page_of,
    patience_of,
    reached,
    read_lane,
    read_package,
    screen_of,
    telling,
    version_of,
)
from gateway.cli.sagemaker_words import say
from gateway.cli.spoken import language
from gateway.core.deployment import Lane
from gateway.lane.deploy.observed import Observed
from gateway.lane.deploy.operations import cool, planned, scale, warm
from gateway.policy.words import Language

_MOST: Final = 1000
_TIME: Final = re.compile(r"([0-9]{1,5})([mhd])")
_UNITS: Final = {"m": 60.0, "h": 3600.0, "d": 86_400.0}
_SHORTEST_S: Final = 300.0
_LONGEST_S: Final = 7 * 86_400.0


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `status`, `scale` and `warm`."""
    status = commands.add_parser("status", help="say how the endpoint does, what it costs now, and what differs")
    add_lane(status)
    status.set_defaults(run=told(_status))
    more = commands.add_parser("scale", help="ask for so many instances now; scaling goes on from there")
    more.add_argument("count", metavar="N", type=_count)
    add_lane(more)
    more.set_defaults(run=told(_scale))
    ready = commands.add_parser(
        "warm",
        help="keep at least so many ready for a while, before a rush",
        description="Raise the lower bound of scaling for a while. Its end is a scheduled action at AWS, put there "
        "before the bound is raised: it comes whatever becomes of this machine.",
    )
    ready.add_argument("count", metavar="N|off", type=_count_or_off)
    ready.add_argument(
        "--for", dest="for_s", metavar="TIME", type=_seconds, default=3600.0, help="such as 30m or 8h; default: 1h"
    )
    add_lane(ready)
    ready.set_defaults(run=told(_warm))


def _status(arguments: argparse.Namespace) -> int:
    file: Path = arguments.file
    lane, spoken, screen = read_lane(file), language(arguments), screen_of(arguments)
    price, page = known_price(lane), page_of()
    has_package = package_path(lane, file).exists()
    package = read_package(lane, file, screen) if has_package else None
    with telling(file):
        place = reached(lane, file)
        if package is not None:
            steps, seen = planned(place, version_of(place, package))
        else:
            steps, seen = (), place.seen()
    instances = seen.endpoint.now if seen.endpoint is not None else 0
    costs = round(price.amount * instances, 4) if price is not None else None
    if arguments.json:
        print(text_of({"ok": not steps, **_facts(lane, seen), "costs_per_hour": costs, "differs": len(steps)}))
        return FOUND if steps else GOOD
    page.say(say("title", spoken, name=lane.name, region=lane.region, account=place.names.account))
    if seen.endpoint is None:
        if seen.is_nothing:
            page.say(say("absent", spoken, name=lane.name))
            return FOUND
    else:
        endpoint = seen.endpoint
        page.say(_line("endpoint", lane.name, f"{endpoint.status}, {endpoint.config}", spoken))
        if seen.component is not None:
            page.say(_line("component", place.names.component, seen.component.status, spoken))
        thing = seen.component or endpoint
        bounds = seen.bounds
        least, most = (bounds.least, bounds.most) if bounds is not None else ("-", "-")
        page.say(say("instances", spoken, now=thing.now, coming=thing.coming, least=least, most=most))
        if costs is not None and price is not None:
            page.say(say("costs_now", spoken, amount=f"{costs:.2f}", currency=price.currency))
        if seen.warm_until is not None:
            page.say(say("warm_until", spoken, at=seen.warm_until))
        page.say(say("captures" if endpoint.captures else "captures_not", spoken))
        page.say(say("address", spoken, url=endpoint_url(lane)))
    if package is None:
        page.say(say("no_package", spoken))
    elif steps:
        page.say(say("differs", spoken))
    return FOUND if steps or seen.endpoint is None else GOOD


def _line(kind: str, name: str, status: str, spoken: Language) -> str:
    return say("status", spoken, what=say(kind, spoken), name=name, status=status)


def _facts(lane: Lane, seen: Observed) -> dict[str, object]:
    endpoint, component, bounds = seen.endpoint, seen.component, seen.bounds
    return {
        "name": lane.name,
        "region": lane.region,
        "url": endpoint_url(lane),
        "endpoint": None
        if endpoint is None
        else {
            "status": endpoint.status,
            "config": endpoint.config,
            "now": endpoint.now,
            "asked_for": endpoint.coming,
            "data_capture": endpoint.captures,
        },
        "component": None
        if component is None
        else {"status": component.status, "now": component.now, "asked_for": component.coming},
        "bounds": None if bounds is None else {"least": bounds.least, "most": bounds.most},
        "warm_until": seen.warm_until,
        "previous": seen.previous.name if seen.previous is not None else None,
    }


def _scale(arguments: argparse.Namespace) -> int:
    file, count = arguments.file, arguments.count
    lane, spoken = read_lane(file), language(arguments)
    _check_count(lane, file, count)
    check_budget(lane, file, known_price(lane), count)
    with telling(file):
        scale(reached(lane, file), count, screen_of(arguments), patience_of(os.environ))
    if arguments.json:
        print(text_of({"ok": True, "name": lane.name, "asked_for": count}))
    else:
        page_of().say(say("scaled", spoken, name=lane.name, count=count))
    return GOOD


def _warm(arguments: argparse.Namespace) -> int:
    file, count = arguments.file, arguments.count
    lane, spoken = read_lane(file), language(arguments)
    screen, patience = screen_of(arguments), patience_of(os.environ)
    if count is None:
        with telling(file):
            cool(reached(lane, file), screen, patience)
        sentence = say("cooled", spoken, name=lane.name, count=lane.scaling.least)
        shown: dict[str, object] = {"warm_until": None, "least": lane.scaling.least}
    else:
        _check_count(lane, file, count)
        check_budget(lane, file, known_price(lane), count)
        with telling(file):
            end = warm(reached(lane, file), count, arguments.for_s, lambda: datetime.now(UTC), screen, patience)
        sentence = say("warmed", spoken, name=lane.name, count=count, at=f"{end:%Y-%m-%d %H:%M:%S}")
        shown = {"warm_until": f"{end:%Y-%m-%dT%H:%M:%S}Z", "least": count}
    if arguments.json:
        print(text_of({"ok": True, "name": lane.name, **shown}))
    else:
        page_of().say(sentence)
    return GOOD


def _check_count(lane: Lane, file: Path, count: int) -> None:
    if not lane.scaling.least <= count <= lane.scaling.most:
        message = f"{count} is not between `scaling.least` ({lane.scaling.least}) and `scaling.most`."
        raise Misuse(str(file), message, f"`scaling.most` is {lane.scaling.most}.")


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= _MOST):
        raise argparse.ArgumentTypeError("must be a whole number")
    return int(text)


def _seconds(text: str) -> float:
    found = _TIME.fullmatch(text)
    seconds = int(found[1]) * _UNITS[found[2]] if found is not None else 0.0
    if not _SHORTEST_S <= seconds <= _LONGEST_S:
        raise argparse.ArgumentTypeError("must be a time such as 30m, 8h or 2d, from 5m to 7d")
    return seconds


def _count_or_off(text: str) -> int | None:
    return None if text == "off" else _count(text)
