"""`tidegate policy check`, `schema` and `explain`: what the security team needs before a policy goes live.

Checks need no running gateway and no Python. With the pools' and tenants' files a check is complete; with the policy
alone it says what it could not look at.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from gateway.cli.problem_report import as_json, report
from gateway.config import pools_file, tenants_file
from gateway.core import written
from gateway.core.labels import Label
from gateway.core.problems import Problem, Problems
from gateway.core.reading import Reader
from gateway.core.topology import Topology
from gateway.policy import compile as policy_compile
from gateway.policy import form, given_facts
from gateway.policy.compiled import CompiledPolicy
from gateway.policy.explain import explain
from gateway.policy.schema import schema
from gateway.policy.words import Language


def add_commands(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `policy` with its commands."""
    group = subparsers.add_parser("policy", help="check a policy, and ask what it would decide")
    commands = group.add_subparsers(metavar="COMMAND", required=True)
    check = commands.add_parser("check", help="report every problem of a policy file at once")
    check.add_argument("file", metavar="FILE", type=Path)
    _add_files(check, required=False)
    check.add_argument("--json", action="store_true", help="print the problems as JSON")
    check.set_defaults(run=_check)
    commands.add_parser("schema", help="print the JSON Schema for editors").set_defaults(run=_schema)
    asked = commands.add_parser("explain", help="say what a policy decides for given facts, and why")
    asked.add_argument("--policy", metavar="FILE", type=Path, required=True, dest="file")
    _add_files(asked, required=True)
    asked.add_argument(
        "--facts",
        metavar="JSON",
        required=True,
        help='{"label": …, "model": …, and if you like "label_low", "tenant_class", "ceiling", "capabilities", '
        '"complexity"}',
    )
    asked.add_argument("--language", choices=("en", "zh"), default="en")
    asked.set_defaults(run=_explain)


def _add_files(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument("--pools", metavar="FILE", type=Path, required=required, help="pools.yaml")
    parser.add_argument("--tenants", metavar="FILE", type=Path, help="tenants.yaml")


def _check(arguments: argparse.Namespace) -> int:
    try:
        compiled = _load(arguments)
    except Problems as found:
        return report(found.problems, json=arguments.json)
    if arguments.json:
        print(as_json((), compiled.notes))
        return 0
    for note in compiled.notes:
        print(f"note: {note}")
    seen = "with pools" if arguments.pools is not None else "by itself; add --pools to check where requests can get to"
    models = len(compiled.aliases) + (compiled.any_alias is not None)
    print(
        f"{arguments.file}: the policy is good ({seen}): version {compiled.version}, "
        f"routes: {len(compiled.routes)}, models: {models}, label rules: {len(compiled.labels.rules)}."
    )
    return 0


def _schema(_: argparse.Namespace) -> int:
    sys.stdout.write(schema())
    return 0


def _explain(arguments: argparse.Namespace) -> int:
    try:
        compiled = _load(arguments)
    except Problems as found:
        return report(found.problems, json=False)
    document = written.parse(arguments.facts.encode(), "--facts")
    reader = Reader(document.problems)
    facts = given_facts.read(document.root, reader, compiled)
    if facts is None or reader.problems:
        report(reader.problems, json=False)
        return 2
    print(explain(compiled, None, facts, cast(Language, arguments.language)))
    return 0


def _load(arguments: argparse.Namespace) -> CompiledPolicy:
    document = written.parse(arguments.file.read_bytes(), str(arguments.file), end_marker=True)
    reader = Reader(document.problems)
    policy = form.read(document, reader)
    frame = policy_compile.frame(policy, reader)
    others: list[Problem] = []
    topology: Topology | None = None
    classes: Mapping[str, Label | None] | None = None
    if arguments.pools is not None:
        other = written.parse(arguments.pools.read_bytes(), str(arguments.pools))
        of_pools = Reader(other.problems)
        zones = frame.zones if frame.order is not None else None
        topology = pools_file.read(other.root, of_pools, frame.order, zones).topology
        others += of_pools.problems
    if arguments.tenants is not None:
        other = written.parse(arguments.tenants.read_bytes(), str(arguments.tenants))
        of_tenants = Reader(other.problems)
        classes = tenants_file.read(other.root, of_tenants, frame.order, frame.ceiling).class_ceilings
        others += of_tenants.problems
    # What another file failed to say is no mistake of the policy.
    compiled = policy_compile.compile_policy(
        policy, frame, reader, topology if not others else None, classes if not others else None
    )
    if others or compiled is None:
        raise Problems([*reader.problems, *others])
    return compiled
