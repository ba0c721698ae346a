"""`tidegate policy check` and `tidegate policy schema`: whether a file is a policy, and what one looks like.

Every problem at once, each with line, column and the likely mend. Where requests can get to is `prove`'s.
"""

import argparse
import sys
from pathlib import Path

from gateway.cli import policy_files
from gateway.cli.endings import told
from gateway.cli.main import Subparsers
from gateway.cli.problem_report import GOOD, Misuse, as_json, report
from gateway.core.problems import Problem
from gateway.core.reading import Reader
from gateway.policy import form
from gateway.policy.compiled import CompiledPolicy
from gateway.policy.schema import schema


def add_command(commands: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add `check`."""
    check = commands.add_parser("check", help="report every problem of a policy file at once")
    policy_files.add_file(check)
    check.add_argument("--after", metavar="OLD", type=Path, help="the policy in force: the version must be above its")
    check.set_defaults(run=told(_check))


def add_schema(commands: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add `schema`."""
    shape = commands.add_parser("schema", help="print the JSON Schema, so that an editor completes and underlines")
    shape.add_argument("--json", action="store_true", help="nothing changes: a schema is JSON")
    shape.set_defaults(run=told(_schema))


def version_problem(new: CompiledPolicy, new_file: Path, old_version: int, old_file: Path) -> Problem | None:
    """What is wrong with the version of a policy that is to replace another."""
    if new.version > old_version:
        return None
    message = f"The version is {new.version}, and that of {old_file} is {old_version}: versions only rise."
    mend = f"Write `version: {old_version + 1}`"
    mend += (
        f"; to go back to what {new.version} was, add `restores: {new.version}`." if new.version < old_version else "."
    )
    return Problem(str(new_file), 0, 0, message, mend)


def _check(arguments: argparse.Namespace) -> int:
    loaded = policy_files.load(policy_files.named(arguments, arguments.file))
    policy, file = loaded.policy, loaded.files.policy
    if arguments.after is not None:
        problem = version_problem(policy, file, _version_of(arguments.after), arguments.after)
        if problem is not None:
            return report((problem,), json=arguments.json)
    models = len(policy.aliases) + (policy.any_alias is not None)
    if arguments.json:
        more = {
            "file": str(file),
            "with": [str(path) for path in loaded.files.others],
            "version": policy.version,
            "digest": policy.digest,
            "labels": list(policy.order.names),
            "routes": [route.id for route in policy.routes],
            "models": models,
            "label_rules": len(policy.labels.rules),
        }
        print(as_json((), policy.notes, **more))
        return GOOD
    for note in policy.notes:
        print(f"note: {note}")
    print(
        f"{file}: the policy is good ({_seen(loaded.files)}): version {policy.version}, "
        f"labels: {len(policy.order.names)}, label rules: {len(policy.labels.rules)}, "
        f"routes: {len(policy.routes)}, models: {models}."
    )
    return GOOD


def _seen(files: policy_files.PolicyFiles) -> str:
    if files.pools is None:
        return "by itself; with --pools also whether what it names exists"
    return "with " + " and ".join(str(path) for path in files.others)


def _version_of(old: Path) -> int:
    """The version in a policy file of which nothing else matters here."""
    document = policy_files.read(old)
    version = form.read(document, Reader(document.problems)).version
    if version is None:
        raise Misuse(str(old), "This file has no version to compare with.", f"`tidegate policy check {old}` says why.")
    return version


def _schema(_: argparse.Namespace) -> int:
    sys.stdout.write(schema())
    return GOOD
