"""`tidegate top`: pools, endpoints, queues, burst and rates of a running gateway, all workers together, live.

It asks the admin port for the figures that `/metrics` has and draws them anew every other second; `--once` draws them
one time, and so does a standard output that is no terminal. What the page says is `top_view.py`.
"""

import argparse
import os
import shutil
import sys
import time
from typing import Final, TextIO

from gateway.cli.admin_port import AdminPort, add_folder
from gateway.cli.main import Subparsers
from gateway.cli.page import Page
from gateway.cli.problem_report import GOOD, MISUSED, Misuse, report
from gateway.cli.problem_words import told
from gateway.cli.spoken import add_language, language
from gateway.cli.top_view import drawn, page
from gateway.cli.top_words import say
from gateway.core.figures import Account
from gateway.core.measures import FAMILIES
from gateway.core.problems import Problems
from gateway.policy.words import Language
from gateway.wire.exposition import from_json

PATH: Final = "/admin/v1/figures"
ONCE_S: Final = 1.0
"""How long rates are measured for a page that is drawn once."""

_LEAST_S: Final = 0.5
# Its own screen, so that what was on the terminal is there again afterwards; without a cursor that jumps about.
_ENTER: Final = "\x1b[?1049h\x1b[?25l"
_LEAVE: Final = "\x1b[?25h\x1b[?1049l"
_TO_START: Final = "\x1b[H"
_CLEAR_REST: Final = "\x1b[J"


def add_commands(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add `tidegate top`."""
    parser = subparsers.add_parser("top", help="show live what a running gateway does")
    add_folder(parser)
    parser.add_argument("--once", action="store_true", help="draw the page one time and end")
    parser.add_argument("--json", action="store_true", help="print every figure as one JSON object, once")
    parser.add_argument("--every", metavar="SECONDS", type=_seconds, default=2.0, help="how often it is drawn anew")
    add_language(parser)
    parser.set_defaults(run=_top)


def _top(arguments: argparse.Namespace) -> int:
    spoken = language(arguments)
    try:
        port = AdminPort.of(arguments)
        if arguments.json:
            print(port.ask(PATH).body.decode())
            return GOOD
        if arguments.once or not sys.stdout.isatty():
            return _once(port, spoken)
        return _live(port, spoken, arguments.every, sys.stdout)
    except Misuse as found:
        return report(found.problems, json=arguments.json, spoken=language(arguments), status=MISUSED)
    except Problems as found:
        return report(found.problems, json=arguments.json, spoken=language(arguments))


def _once(port: AdminPort, spoken: Language) -> int:
    before = _figures(port)
    time.sleep(ONCE_S)
    paper = Page.on(sys.stdout, os.environ)
    lines = page(before, _figures(port), spoken)
    # Cut to a terminal's width, and whole where a program or a file gets it.
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else 1000
    sys.stdout.write(drawn(lines, columns=columns, rows=None, in_colour=paper.in_colour))
    return GOOD


def _live(port: AdminPort, spoken: Language, every_s: float, out: TextIO) -> int:
    in_colour = Page.on(out, os.environ).in_colour
    before = _figures(port)
    time.sleep(_LEAST_S)
    out.write(_ENTER)
    try:
        while True:
            size = shutil.get_terminal_size()
            try:
                now = _figures(port)
            except Misuse as found:
                # A gateway that is being restarted comes back: the page waits for it.
                silent = say("silent", spoken, message=told(found.problems[0].message, spoken))
                out.write(f"{_TO_START}{silent[: size.columns]}\x1b[K")
            else:
                text = drawn(page(before, now, spoken), columns=size.columns, rows=size.lines - 1, in_colour=in_colour)
                ends = say("how_to_end", spoken, every=f"{every_s:g}")
                # What is left of a longer line before is wiped out, line by line, so that nothing flickers.
                out.write(_TO_START + text.replace("\n", "\x1b[K\n") + ends[: size.columns] + "\x1b[K" + _CLEAR_REST)
                before = now
            out.flush()
            time.sleep(every_s)
    except KeyboardInterrupt:
        return GOOD
    finally:
        out.write(_LEAVE)
        out.flush()


def _figures(port: AdminPort) -> Account:
    answer = port.ask(PATH)
    account = from_json(answer.body, FAMILIES) if answer.status == 200 else None
    if account is None:
        raise Misuse(PATH, "What answers on this admin port is no gateway of this version.", "Update both.")
    return account


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not _LEAST_S <= seconds <= 3600:
        raise argparse.ArgumentTypeError("must be a number of seconds from 0.5 to 3600")
    return seconds
