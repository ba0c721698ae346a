"""`tidegate policy`: everything that the people who answer for a policy do with it before it goes live.

Each command lives in a module of its own. None needs any Python, and none a running gateway but `shadow report` and
`status`; all end with 0 for good, 1 for something found and 2 for misused, and print JSON when asked.
"""

import argparse

from gateway.cli import (
    policy_cases,
    policy_check,
    policy_diff,
    policy_explain,
    policy_init,
    policy_prove,
    policy_replay,
    policy_shadow,
    policy_sign,
    policy_status,
)

_ENDINGS = "Every command ends with 0 when all is good, 1 when it found something, 2 when it was misused."


def add_commands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `policy` with its commands, in the order in which a change uses them."""
    group = subparsers.add_parser(
        "policy", help="write, check, test, prove, explain, compare, replay, shadow and sign policies", epilog=_ENDINGS
    )
    commands = group.add_subparsers(metavar="COMMAND", required=True)
    for module in (policy_init, policy_check, policy_cases, policy_prove, policy_explain, policy_diff, policy_replay):
        module.add_command(commands)
    policy_shadow.add_commands(commands)
    policy_sign.add_commands(commands)
    policy_status.add_command(commands)
    policy_check.add_schema(commands)
