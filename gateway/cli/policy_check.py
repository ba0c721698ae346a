"""`tidegate policy check` and `tidegate policy schema`: whether a file is a policy, and what one looks like.

Every problem at once, each with line, column and the likely mend. Where requests can get to is `prove`'s.
"""

import argparse
import os
import sys
from pathlib import Path
from types import MappingProxyType
from typing import Final

from gateway.cli import policy_files
from gateway.cli.endings import told
from gateway.cli.main import Subparsers
from gateway.cli.page import Page
from gateway.cli.problem_report import GOOD, Misuse, as_json, lines, report
from gateway.cli.spoken import add_language, language
from gateway.core.problems import Problem
from gateway.core.reading import Reader
from gateway.policy import form
from gateway.policy.compiled import CompiledPolicy
from gateway.policy.schema import schema
from gateway.policy.words import Language, Table, fill


def add_command(commands: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add `check`."""
    check = commands.add_parser("check", help="report every problem of a policy file at once")
    policy_files.add_file(check)
    check.add_argument("--after", metavar="OLD", type=Path, help="the policy in force: the version must be above its")
    add_language(check)
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
            return report((problem,), json=arguments.json, spoken=language(arguments))
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
    spoken = language(arguments)
    for note in lines(policy.notes, spoken):
        print(fill(_WORDS, "note", spoken, note=note))
    gaps = {
        "file": file,
        "seen": _seen(loaded.files, spoken),
        "version": policy.version,
        "labels": len(policy.order.names),
        "rules": len(policy.labels.rules),
        "routes": len(policy.routes),
        "models": models,
    }
    Page.on(sys.stdout, os.environ).say(fill(_WORDS, "good", spoken, **gaps))
    return GOOD


_WORDS: Final[Table] = MappingProxyType(
    {
        "good": (
            "{file}: the policy is good ({seen}): version {version}, labels: {labels}, label rules: {rules}, "
            "routes: {routes}, models: {models}.",
            "{file}：策略无误（{seen}）：版本 {version}，标签 {labels} 级，标签规则 {rules} 条，路由 {routes} 条，"
            "模型 {models} 个。",
        ),
        "note": ("note: {note}", "提示：{note}"),
        "alone": (
            "by itself; with --pools also whether what it names exists",
            "仅策略本身；加上 --pools 还会检查所提到的名称是否存在",
        ),
        "with": ("with {others}", "连同 {others}"),
        "and": (" and ", " 和 "),
    }
)


def _seen(files: policy_files.PolicyFiles, spoken: Language) -> str:
    if files.pools is None:
        return fill(_WORDS, "alone", spoken)
    others = fill(_WORDS, "and", spoken).join(str(path) for path in files.others)
    return fill(_WORDS, "with", spoken, others=others)


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
