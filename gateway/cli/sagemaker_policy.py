"""`tidegate sagemaker policy`: the least rights that containers, operators and the gateway need, as IAM documents."""

import argparse
from pathlib import Path
from typing import Final

from gateway.cli.endings import told
from gateway.cli.problem_report import GOOD, Misuse, text_of
from gateway.cli.sagemaker_lane import add_lane, read_lane
from gateway.lane.deploy.documents import Names
from gateway.lane.deploy.permissions import container_policy, gateway_policy, operator_policy, trust, warm_up_policy

_WHO: Final = ("containers", "trust", "operator", "gateway", "warm-ups")


def add_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `policy`."""
    parser = commands.add_parser(
        "policy",
        help="print the least rights that somebody needs, for IAM",
        description="containers: what a role of your own must allow; trust: who may take it; operator: whoever runs "
        "these commands; gateway: the keys in pools.yaml; warm-ups: the same keys besides, where a pool has `warm`. "
        "Asks nobody: `account` must stand in the file.",
    )
    parser.add_argument("--for", dest="who", choices=_WHO, required=True)
    add_lane(parser)
    parser.set_defaults(run=told(_policy))


def _policy(arguments: argparse.Namespace) -> int:
    file: Path = arguments.file
    lane = read_lane(file)
    if lane.account is None:
        raise Misuse(str(file), "The documents name the account, and the file does not.", 'Add `account: "…"`.')
    names = Names(lane, lane.account)
    documents = {
        "containers": lambda: container_policy(lane, names.account, names.folder, names.log_groups),
        "trust": lambda: trust(names.account),
        "operator": lambda: operator_policy(lane, names.account, names.folder, names.role_arn),
        "gateway": lambda: gateway_policy(lane, names.account),
        "warm-ups": lambda: warm_up_policy(lane, names.account),
    }
    print(text_of(documents[arguments.who]()))
    return GOOD
