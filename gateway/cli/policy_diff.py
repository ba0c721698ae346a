"""`tidegate policy diff`: what a new policy changes, as the requests that are decided differently; a gate for CI.

Each policy is read with the pools and tenants beside it. An old one that stands alone, as `git show` writes it, is read
with those of the new.
"""

import argparse
import os
import sys
from pathlib import Path
from types import MappingProxyType
from typing import Final

from gateway.cli import policy_files
from gateway.cli.demo_table import Colour
from gateway.cli.endings import told
from gateway.cli.main import Subparsers
from gateway.cli.page import Page
from gateway.cli.policy_check import version_problem
from gateway.cli.policy_files import POOLS, RECOGNIZERS, TENANTS, Loaded, PolicyFiles
from gateway.cli.problem_report import FOUND, GOOD, fields_of, text_of
from gateway.cli.problem_words import line_of
from gateway.cli.progress import still_at
from gateway.cli.spoken import add_language, language
from gateway.core.problems import Problem
from gateway.policy.diff import Diff, diff
from gateway.policy.diff_tenants import TenantClasses
from gateway.policy.diff_text import as_json, said
from gateway.policy.words import Language, Table, fill

NEW_CLOUD_ACCESS: Final = "new-cloud-access"
ANY_CHANGE: Final = "any-change"
VERSION_NOT_RAISED: Final = "version-not-raised"


def add_command(commands: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add `diff`."""
    compare = commands.add_parser("diff", help="say which requests a new policy decides differently")
    compare.add_argument("old", metavar="OLD", type=Path, help="the policy in force")
    compare.add_argument("new", metavar="NEW", type=Path, help="the policy that is to replace it")
    policy_files.add_others(compare)
    compare.add_argument("--old-pools", metavar="FILE", type=Path, help=f"{POOLS} of OLD, where it differs")
    compare.add_argument("--old-tenants", metavar="FILE", type=Path, help=f"{TENANTS} of OLD, where it differs")
    compare.add_argument(
        "--fail-on",
        metavar="WHAT",
        action="append",
        default=[],
        choices=(NEW_CLOUD_ACCESS, ANY_CHANGE, VERSION_NOT_RAISED),
        help=f"end with 1 on {NEW_CLOUD_ACCESS}, {ANY_CHANGE} or {VERSION_NOT_RAISED}; may be given more than once",
    )
    add_language(compare)
    compare.set_defaults(run=told(_diff))


def _diff(arguments: argparse.Namespace) -> int:
    new_files = policy_files.named(arguments, arguments.new)
    old, new = policy_files.load(_old_files(arguments, new_files)), policy_files.load(new_files)
    with still_at("Comparing the policies"):
        found = diff(
            old.policy,
            new.policy,
            (old.attested, new.attested),
            (_classes(old), _classes(new)),
            (old.full_scans, new.full_scans),
        )
    version = _version(old, new)
    failed = _failed(arguments.fail_on, found, version)
    shared = [str(path) for path in old.files.others if path in new.files.others]
    if arguments.json:
        shown = {
            "ok": not failed,
            "problems": [],
            "old": _shown(old),
            "new": _shown(new),
            "shared": shared,
            "failed_on": failed,
            "version": fields_of(version) if version is not None else None,
        }
        print(text_of({**shown, **as_json(found, language(arguments))}))
        return FOUND if failed else GOOD
    page, spoken = Page.on(sys.stdout, os.environ), language(arguments)
    page.say(_with(old, "old", spoken))
    page.say(_with(new, "new", spoken))
    if shared:
        page.say(fill(_WORDS, "shared", spoken, others=fill(_WORDS, "and", spoken).join(shared)), Colour.WRONG)
    first, *rest = said(found, spoken).split("\n")
    page.say(first, Colour.WRONG if found.new_cloud_access else Colour.HOME)
    for line in rest:
        page.say(line)
    if version is not None:
        print(line_of(version, spoken))
    if failed:
        page.say(fill(_WORDS, "failed", spoken, on=", ".join(failed)), Colour.WRONG)
    return FOUND if failed else GOOD


_WORDS: Final[Table] = MappingProxyType(
    {
        "old": ("Old: {file}, version {version}{others}.", "旧：{file}，版本 {version}{others}。"),
        "new": ("New: {file}, version {version}{others}.", "新：{file}，版本 {version}{others}。"),
        "shared": (
            "Both are read with {others}: what has changed there does not show. Keep the old files together.",
            "两者都以 {others} 读取：其中的改动不会显示。请把旧文件放在一起保存。",
        ),
        "with": (", with {others}", "，连同 {others}"),
        "and": (" and ", " 和 "),
        "failed": ("Failed on: {on}.", "未通过：{on}。"),
    }
)


def _old_files(arguments: argparse.Namespace, new: PolicyFiles) -> PolicyFiles:
    """The files of the old policy: named, or beside it, or those of the new."""
    old: Path = arguments.old
    pools = arguments.old_pools or policy_files.beside(old, POOLS) or new.pools
    tenants = arguments.old_tenants or policy_files.beside(old, TENANTS) or new.tenants
    # What is found besides is the same for both, unless the old policy has a file of its own.
    return PolicyFiles(old, pools, tenants, policy_files.beside(old, RECOGNIZERS) or new.recognizers)


def _classes(loaded: Loaded) -> TenantClasses:
    return {name: tenant.tenant_class for name, tenant in loaded.tenants.items()}


def _version(old: Loaded, new: Loaded) -> Problem | None:
    """What is wrong with the new version, if anything but the version differs."""
    if new.policy.digest == old.policy.digest:
        return None
    return version_problem(new.policy, new.files.policy, old.policy.version, old.files.policy)


def _failed(fail_on: list[str], found: Diff, version: Problem | None) -> list[str]:
    """Those of `fail_on` that happened."""
    happened = {
        NEW_CLOUD_ACCESS: found.new_cloud_access,
        ANY_CHANGE: not found.is_empty,
        VERSION_NOT_RAISED: version is not None,
    }
    return [what for what in dict.fromkeys(fail_on) if happened[what]]


def _with(loaded: Loaded, key: str, spoken: Language) -> str:
    others = fill(_WORDS, "and", spoken).join(str(path) for path in loaded.files.others)
    beside = fill(_WORDS, "with", spoken, others=others) if others else ""
    return fill(_WORDS, key, spoken, file=loaded.files.policy, version=loaded.policy.version, others=beside)


def _shown(loaded: Loaded) -> dict[str, object]:
    return {
        "file": str(loaded.files.policy),
        "with": [str(path) for path in loaded.files.others],
        "version": loaded.policy.version,
        "digest": loaded.policy.digest,
    }
