"""`tidegate pool list|drain|undrain`: how the pools do, and keeping work away from one of them for a while.

A drained pool finishes what it has begun and takes nothing new; work that waits for it alone is told to come again.
"""

import argparse
import os
import sys
from collections.abc import Iterator, Sequence

import msgspec

from gateway.cli.admin_port import AdminPort, add_folder
from gateway.cli.burst import sentence
from gateway.cli.demo_table import width
from gateway.cli.endings import told
from gateway.cli.main import Subparsers
from gateway.cli.override_words import say
from gateway.cli.overrides import Standing, add_for, set_override, standing, until, warmth
from gateway.cli.page import Page
from gateway.cli.problem_report import GOOD, text_of
from gateway.cli.spoken import add_language, language
from gateway.core.controls import USUAL_S, Controls, Drain, Undrain
from gateway.policy.words import Language


def add_commands(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add `tidegate pool`."""
    parser = subparsers.add_parser("pool", help="list the pools, or keep work away from one for a while")
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="list the pools and how they do")
    _add_rest(listing)
    listing.set_defaults(run=told(_list))
    drain = actions.add_parser("drain", help="let a pool finish what it has begun and take nothing new")
    drain.add_argument("pool", metavar="NAME", help="a pool of pools.yaml")
    add_for(drain)
    _add_rest(drain)
    drain.set_defaults(run=told(_drain))
    undrain = actions.add_parser("undrain", help="let a drained pool take work again")
    undrain.add_argument("pool", metavar="NAME", help="a pool of pools.yaml")
    _add_rest(undrain)
    undrain.set_defaults(run=told(_undrain), for_s=USUAL_S)


def _add_rest(parser: argparse.ArgumentParser) -> None:
    add_folder(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object, for programs")
    add_language(parser)


def _list(arguments: argparse.Namespace) -> int:
    found, spoken = standing(AdminPort.of(arguments)), language(arguments)
    if arguments.json:
        print(text_of({"ok": True, **msgspec.to_builtins(found)}))
        return GOOD
    page = Page.on(sys.stdout, os.environ)
    for line in table(found, spoken):
        print(line, file=page.out)
    page.say()
    page.say(sentence(found.controls.burst, spoken))
    page.say(say("one_worker", spoken))
    return GOOD


def table(found: Standing, spoken: Language) -> Iterator[str]:
    """One line for each pool, under a line of heads."""
    heads = ("pool", "zone", "places", "reserved", "waiting", "pressure", "state")
    rows = [[say(f"head_{head}", spoken) for head in heads]]
    for name, load in found.pools.items():
        rows.append(
            [
                name,
                load.zone,
                f"{load.in_flight}/{load.limit}",
                str(load.reserved),
                str(load.waiting),
                f"{min(load.pressure, 9.99):.0%}",
                _state(name, found, spoken),
            ]
        )
    widths = [max(width(row[column]) for row in rows) for column in range(len(heads))]
    for row in rows:
        yield _line(row, widths)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell + " " * (wide - width(cell)) for cell, wide in zip(row, widths, strict=True)).rstrip()


def _state(pool: str, found: Standing, spoken: Language) -> str:
    drained = _end_of(pool, found.controls)
    if drained is not None:
        return say("state_drained", spoken, until=until(drained, spoken))
    return say("state_spilling" if found.pools[pool].is_spilling else "state_open", spoken)


def _end_of(pool: str, controls: Controls) -> float | None:
    return next((one.until for one in controls.drained if one.pool == pool), None)


def _drain(arguments: argparse.Namespace) -> int:
    return _set(arguments, Drain(arguments.pool))


def _undrain(arguments: argparse.Namespace) -> int:
    return _set(arguments, Undrain(arguments.pool))


def _set(arguments: argparse.Namespace, change: Drain | Undrain) -> int:
    page, spoken = Page.on(sys.stdout, os.environ), language(arguments)
    done = set_override(arguments, AdminPort.of(arguments), change, page)
    if not arguments.json:
        end = _end_of(change.pool, done.controls)
        if end is None:
            page.say(say("undrained", spoken, pool=change.pool))
        else:
            page.say(say("drained", spoken, pool=change.pool, until=until(end, spoken)))
        for line in warmth((one for one in done.warm if one.pool == change.pool), spoken):
            page.say(line)
    return done.status
