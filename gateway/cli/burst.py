"""`tidegate burst [on|off|auto|NN%]`: how much of the work that may leave for the cloud does, for a while.

It moves work within the pools that the policy lists for it, and reaches no other: what must stay home stays under any
setting. Without a setting it says what holds.
"""

import argparse
import os
import re
import sys
from typing import Final

import msgspec

from gateway.cli.admin_port import AdminPort, add_folder
from gateway.cli.endings import told
from gateway.cli.main import Subparsers
from gateway.cli.override_words import say
from gateway.cli.overrides import Spent, add_for, set_override, standing, until, warmth
from gateway.cli.page import Page
from gateway.cli.problem_report import GOOD, text_of
from gateway.cli.spoken import add_language, language
from gateway.core.burst_budget import WINDOWS
from gateway.core.controls import Burst, SetBurst, share_words
from gateway.policy.words import Language

_WORDS: Final = {"auto": None, "off": 0.0, "on": 1.0}
_PERCENT: Final = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,3})?)%")


def add_commands(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add `tidegate burst`."""
    parser = subparsers.add_parser(
        "burst",
        help="say how much of what may leave for the cloud does, for a while",
        description="on: all work that may leave goes to the cloud while there is room. off: none of it is spilled. "
        "25%%: that much of it goes, the rest stays. auto: by the pressure on the pools, as pools.yaml says. "
        "Work that the policy keeps home stays home under any of them.",
    )
    parser.add_argument("share", nargs="?", metavar="on|off|auto|NN%", type=_setting, help="left out: say what holds")
    add_for(parser)
    add_folder(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object, for programs")
    add_language(parser)
    parser.set_defaults(run=told(_burst))


def _burst(arguments: argparse.Namespace) -> int:
    port, page, spoken = AdminPort.of(arguments), Page.on(sys.stdout, os.environ), language(arguments)
    budget: Spent | None = None
    if arguments.share is None:
        found = standing(port)
        controls, warm, budget, status = found.controls, found.warm, found.budget, GOOD
        if arguments.json:
            told_of = {"controls": controls, "budget": budget, "warm": warm}
            print(text_of({"ok": True, **msgspec.to_builtins(told_of)}))
    else:
        done = set_override(arguments, port, arguments.share, page)
        controls, warm, status = done.controls, done.warm, done.status
    if not arguments.json:
        page.say(sentence(controls.burst, spoken))
        if budget is not None:
            page.say(money(budget, spoken))
        for line in warmth(warm, spoken):
            page.say(line)
    return status


def money(budget: Spent, spoken: Language) -> str:
    """How the money for burst stands."""
    used = [
        say(f"spent_{window}", spoken, share=f"{share:.0%}")
        for window, share in zip(WINDOWS, budget.shares, strict=True)
        if share is not None
    ]
    return say(f"budget_{budget.level}", spoken, used=say("and", spoken).join(used))


def sentence(burst: Burst | None, spoken: Language) -> str:
    """How much of what may leave does, until when, and who said so."""
    if burst is None:
        return say("burst_auto", spoken)
    end = say("by", spoken, until=until(burst.until, spoken), who=burst.by)
    words = share_words(burst.share)
    return say(f"burst_{words}" if words in _WORDS else "burst_share", spoken, share=words, until=end)


def _setting(text: str) -> SetBurst:
    if text in _WORDS:
        return SetBurst(_WORDS[text])
    found = _PERCENT.fullmatch(text)
    share = float(found[1]) / 100 if found is not None else 2.0
    if share > 1.0:
        raise argparse.ArgumentTypeError("must be on, off, auto or a share such as 25%")
    return SetBurst(share)
