"""`tidegate sagemaker`: the endpoint for burst load, from the package to the last thing that costs.

Each command lives in a module of its own with `add_command(commands)`; this file is their list.
"""

import argparse

from gateway.cli import (
    sagemaker_deploy,
    sagemaker_destroy,
    sagemaker_package,
    sagemaker_policy,
    sagemaker_rehearse,
    sagemaker_run,
    sagemaker_template,
)


def add_commands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `tidegate sagemaker` with its commands."""
    group = subparsers.add_parser("sagemaker", help="deploy, watch, scale and remove the endpoint for burst load")
    commands = group.add_subparsers(metavar="COMMAND", required=True)
    for module in (
        sagemaker_package,
        sagemaker_deploy,
        sagemaker_run,
        sagemaker_destroy,
        sagemaker_policy,
        sagemaker_template,
        sagemaker_rehearse,
    ):
        module.add_command(commands)
