"""`tidegate sagemaker template`: the same lane as a CloudFormation template, without asking AWS anything."""

import argparse
from pathlib import Path

from gateway.cli.endings import told
from gateway.cli.problem_report import GOOD, Misuse, text_of
from gateway.cli.sagemaker_lane import add_lane, read_lane, read_package, screen_of
from gateway.lane.deploy.documents import Names, Wanted
from gateway.lane.deploy.template import template


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `template`."""
    parser = commands.add_parser(
        "template",
        help="print the lane as a CloudFormation template",
        description="For who deploys with CloudFormation: upload the package to the place that the description names, "
        "then make the stack. Asks nobody: `account` must stand in the file.",
    )
    add_lane(parser)
    parser.set_defaults(run=told(_template))


def _template(arguments: argparse.Namespace) -> int:
    file: Path = arguments.file
    lane = read_lane(file)
    if lane.account is None:
        raise Misuse(str(file), "The template names the account, and the file does not.", 'Add `account: "…"`.')
    package = read_package(lane, file, screen_of(arguments))
    print(text_of(template(Wanted(Names(lane, lane.account), package))))
    return GOOD
