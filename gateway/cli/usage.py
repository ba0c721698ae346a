"""`tidegate usage`: tokens and money by tenant, app, model, pool, zone, label, day or hour, and what privacy cost.

It reads the audit log as far as it has not read it before, keeps the sums in the state folder, and needs no gateway
that runs. Days and months are those of UTC, as the budgets' are. What the tables say is `usage_view.py`.
"""

import argparse
import csv
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import time
from types import MappingProxyType
from typing import Final

import msgspec

from gateway.cli.demo_table import Colour
from gateway.cli.endings import told
from gateway.cli.main import Subparsers
from gateway.cli.page import Page
from gateway.cli.problem_report import GOOD, Misuse, text_of
from gateway.cli.progress import Progress, still_at
from gateway.cli.spoken import add_language, language
from gateway.cli.usage_view import Wording, balance, chart, privacy, table
from gateway.cli.usage_words import say
from gateway.core.ledger import HOUR_S, NAMES, Begun, Sums, Where, day_text
from gateway.core.ledger_asked import COLUMNS, Money, Wanted, grouped, hour_of, hour_text, kept, money, next_month
from gateway.core.topology import Zone
from gateway.policy.words import Language
from gateway.runtime.bundles import Bundle
from gateway.runtime.usage_book import Read, UsageBook
from gateway.settings import CONFIG_VARIABLE, load_state

_FILTERS: Final = ("tenant", "app", "model", "pool", "zone", "label")
_USUAL_DAYS: Final = 7


def add_commands(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add `tidegate usage`."""
    parser = subparsers.add_parser(
        "usage",
        help="say who has used how many tokens, what they cost, and what privacy cost",
        description="Sums of the audit log, by day and hour of UTC. Without a period: the last seven days.",
    )
    parser.add_argument(
        "--by",
        metavar="A,B",
        type=_columns,
        default=("tenant",),
        help=f"one line for each: {', '.join(COLUMNS)}; default: tenant",
    )
    period = parser.add_mutually_exclusive_group()
    period.add_argument("--days", type=_days, metavar="N", help="the last N days, today included")
    period.add_argument("--day", type=_hour, metavar="YYYY-MM-DD", help="one day")
    period.add_argument(
        "--month",
        type=_month,
        nargs="?",
        const=-1,
        metavar="YYYY-MM",
        help="one month as a chart; this one if none is named",
    )
    period.add_argument("--since", type=_hour, metavar="YYYY-MM-DD", help="from the beginning of this day")
    parser.add_argument(
        "--until", type=_hour, metavar="YYYY-MM-DD", help="with --since: before the beginning of this day"
    )
    for name in _FILTERS:
        parser.add_argument(f"--{name}", metavar="NAME", action="append", help=f"only this {name}; may be repeated")
    parser.add_argument(
        "--config",
        metavar="DIR",
        type=Path,
        default=Path(os.environ.get(CONFIG_VARIABLE) or "."),
        help=f"the folder with gateway.yaml; ${CONFIG_VARIABLE} or the current one if not given",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object, for programs")
    form.add_argument("--csv", action="store_true", help="print the lines as CSV, money in millionths")
    add_language(parser)
    parser.set_defaults(run=told(_usage))


@dataclass(frozen=True, slots=True)
class _Found:
    """What was asked for, and what there is of it."""

    wanted: Wanted
    rows: tuple[tuple[Where, Sums], ...]
    read: Read
    unsettled: tuple[Begun, ...]
    hours: float
    today: int


def _usage(arguments: argparse.Namespace) -> int:
    spoken = language(arguments)
    state_dir, bundle = load_state(arguments.config, os.environ)
    now = time()
    wanted = _wanted(arguments, now)
    found = _found(state_dir, wanted, now, spoken)
    groups = grouped(found.rows, arguments.by)
    if arguments.json:
        print(text_of(_as_json(found, groups, arguments.by, bundle)))
    elif arguments.csv:
        _print_csv(groups, arguments.by)
    else:
        _print_page(found, groups, arguments, bundle, spoken)
    return GOOD


def _found(state_dir: Path, wanted: Wanted, now: float, spoken: Language) -> _Found:
    if not (state_dir / "audit").is_dir():
        raise Misuse(
            str(state_dir / "audit"), "There is no audit log yet.", "Name the configuration of a gateway that has run."
        )
    with still_at(say("reading", spoken)) as progress, UsageBook.opened(state_dir) as book:
        read = book.read(_telling(progress, spoken))
        first, last = day_text(wanted.since), day_text(min(wanted.until, int(now) // HOUR_S + 24) - 1)
        sums = book.sums([day for day in book.days() if first <= day <= last])
        unsettled = book.unsettled(now)
    rows = tuple((where, one) for where, one in sums.items() if wanted.takes(where))
    until_s = min(float(wanted.until * HOUR_S), now)
    hours = max(0.0, until_s - wanted.since * HOUR_S) / HOUR_S
    return _Found(wanted, rows, read, unsettled, hours, _today(now))


def _telling(progress: Progress, spoken: Language) -> Callable[[int, int, int], None]:
    def tell(records: int, done: int, whole: int) -> None:
        progress.detail = say("reading_detail", spoken, records=f"{records:,}", share=f"{done / max(1, whole):.0%}")

    return tell


def _print_page(
    found: _Found,
    groups: Mapping[tuple[str, ...], Sums],
    arguments: argparse.Namespace,
    bundle: Bundle,
    spoken: Language,
) -> None:
    page, wording = Page.on(sys.stdout, os.environ), Wording(spoken, bundle.prices.currency)
    whole = grouped(found.rows, ()).get((), Sums())
    period = {"since": hour_text(found.wanted.since) + ":00", "until": hour_text(found.wanted.until) + ":00"}
    if not found.rows:
        page.say(say("nothing", spoken, **period))
    else:
        cost = wording.money(whole.cost_micros)
        page.say(
            say("period", spoken, **period, requests=f"{whole.requests:,}", tokens=f"{whole.tokens:,}", money=cost)
        )
        page.say()
        if arguments.month is not None:
            for line in chart(found.rows, found.wanted, found.today, wording):
                print(line, file=page.out)
            page.say()
        for line in table(found.rows, groups, arguments.by, wording):
            print(line, file=page.out)
        page.say()
        page.say(say("privacy", spoken), Colour.STRONG)
        for line in privacy(kept(found.rows), wording):
            page.say(line)
        for line in balance(_money(found, bundle), found.hours, wording):
            page.say(line)
    for key, count in (("unsettled", len(found.unsettled)), ("unreadable", found.read.unreadable)):
        if count:
            page.say(say(key, spoken, count=f"{count:,}"))
    if not found.read.is_kept:
        Page(sys.stderr, page.columns, in_colour=False).say(say("not_kept", spoken))


def _print_csv(groups: Mapping[tuple[str, ...], Sums], by: Sequence[str]) -> None:
    lines = csv.writer(sys.stdout, lineterminator="\n")
    lines.writerow((*by, *NAMES))
    for key, sums in groups.items():
        lines.writerow([*key, *_numbers(sums)])


def _as_json(
    found: _Found, groups: Mapping[tuple[str, ...], Sums], by: Sequence[str], bundle: Bundle
) -> dict[str, object]:
    whole = grouped(found.rows, ()).get((), Sums())
    return {
        "ok": True,
        "since": hour_text(found.wanted.since) + ":00",
        "until": hour_text(found.wanted.until) + ":00",
        "currency": bundle.prices.currency,
        "by": list(by),
        "rows": [
            dict(zip(by, key, strict=True)) | dict(zip(NAMES, _numbers(sums), strict=True))
            for key, sums in groups.items()
        ],
        "total": dict(zip(NAMES, _numbers(whole), strict=True)),
        "privacy": [asdict(one) for one in kept(found.rows)],
        "money": asdict(_money(found, bundle)),
        "unsettled": [msgspec.to_builtins(one) for one in found.unsettled],
        "unreadable": found.read.unreadable,
    }


def _numbers(sums: Sums) -> list[int]:
    return [getattr(sums, name) for name in NAMES]


def _money(found: _Found, bundle: Bundle) -> Money:
    cloud = [pool.name for pool in bundle.topology.pools if Zone(pool.zone, None).is_cloud]
    return money(found.rows, bundle.prices, cloud, found.hours)


# What the command line asks for


def _wanted(arguments: argparse.Namespace, now: float) -> Wanted:
    values = {name: frozenset(given) for name in _FILTERS if (given := getattr(arguments, name))}
    today = _today(now)
    if arguments.until is not None and arguments.since is None:
        raise Misuse("--until", "It goes with `--since`.", "Name the first day, too.")
    if arguments.month is not None:
        since = arguments.month if arguments.month >= 0 else hour_of(day_text(today)[:7])
        until = next_month(since)
    elif arguments.day is not None:
        since, until = arguments.day, arguments.day + 24
    elif arguments.since is not None:
        since, until = arguments.since, arguments.until if arguments.until is not None else today + 24
    else:
        since, until = today - 24 * ((arguments.days or _USUAL_DAYS) - 1), today + 24
    if until <= since:
        raise Misuse("--until", "The period ends before it begins.", "Name a later day.")
    return Wanted(since, until, MappingProxyType(values))


def _today(now: float) -> int:
    """The first hour of the day."""
    hour = int(now) // HOUR_S
    return hour - hour % 24


def _columns(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    if len(set(names)) < len(names) or not set(names) <= set(COLUMNS):
        raise argparse.ArgumentTypeError(f"must be some of {', '.join(COLUMNS)}, each once")
    return names


def _days(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= 3660):
        raise argparse.ArgumentTypeError("must be a number of days from 1 to 3660")
    return int(text)


def _hour(text: str) -> int:
    return _first_hour(text, "2026-11-21")


def _month(text: str) -> int:
    return _first_hour(text, "2026-11")


def _first_hour(text: str, example: str) -> int:
    try:
        if len(text) == len(example) and text.count("-") == example.count("-"):
            return hour_of(text)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"must be like {example}")
