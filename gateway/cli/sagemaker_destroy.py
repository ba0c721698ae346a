"""`tidegate sagemaker destroy`: remove all that the lane consists of, look again, and say what is left.

It shows first what goes, and asks for the lane's name; a program says `--yes`.
"""

import argparse
import os
import sys
from pathlib import Path

from gateway.cli.endings import told
from gateway.cli.problem_report import FOUND, GOOD, Misuse, text_of
from gateway.cli.sagemaker_deploy import as_fields, show_plan
from gateway.cli.sagemaker_lane import add_lane, page_of, patience_of, reached, read_lane, screen_of, telling
from gateway.cli.sagemaker_words import say
from gateway.cli.spoken import language
from gateway.lane.deploy.operations import destroy
from gateway.lane.deploy.removal import removal


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `destroy`."""
    parser = commands.add_parser(
        "destroy",
        help="remove all of it, and verify that nothing is left that costs",
        description="Endpoint, scaling, alarms, models, packages in the bucket, role and logs; never the bucket, and "
        "nothing that does not carry the lane's name and tag.",
    )
    parser.add_argument("--plan", action="store_true", help="only show what would go")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--keep-logs", action="store_true", help="leave the containers' logs; AWS bills their storage")
    add_lane(parser)
    parser.set_defaults(run=told(_destroy))


def _destroy(arguments: argparse.Namespace) -> int:
    file: Path = arguments.file
    lane, spoken, screen, page = read_lane(file), language(arguments), screen_of(arguments), page_of()
    with telling(file):
        place = reached(lane, file)
        steps = removal(place.names, place.seen(), keep_logs=arguments.keep_logs)
        if arguments.plan:
            if arguments.json:
                print(text_of({"ok": True, "name": lane.name, "steps": [as_fields(step) for step in steps]}))
            elif steps:
                show_plan(page, place, steps, spoken)
            else:
                page.say(say("absent", spoken, name=lane.name))
            return GOOD
        if steps and not arguments.yes:
            _ask(arguments, lane.name, [f"{step.kind.value} {step.name}" for step in steps])
        try:
            left = destroy(place, screen, patience_of(os.environ), keep_logs=arguments.keep_logs)
        except KeyboardInterrupt:
            screen.interrupted()
            raise
    if arguments.json:
        shown = [{"kind": kind.value, "name": name} for kind, name in left]
        print(text_of({"ok": not left, "name": lane.name, "left": shown}))
    elif left:
        page.say(say("left", spoken))
        for kind, name in left:
            page.say(f"  ✗ {say(kind.value, spoken)} {name}")
    else:
        page.say(say("destroyed", spoken, name=lane.name))
    return FOUND if left else GOOD


def _ask(arguments: argparse.Namespace, name: str, goes: list[str]) -> None:
    """Let a person confirm; raises Misuse where there is none, or where the name is not typed."""
    if not sys.stdin.isatty() or arguments.json:
        raise Misuse(str(arguments.file), "Nobody is here to confirm.", "Add `--yes`.")
    for line in dict.fromkeys(goes):
        print(f"  - {line}", file=sys.stderr)
    print(say("ask", language(arguments)), end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != name:
        raise Misuse(str(arguments.file), "That is not the lane's name.", "Nothing was removed.")
