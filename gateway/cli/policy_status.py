"""`tidegate policy status`: what governs in a gateway that runs, since when, and what of its files does not, and why.

Ends with 1 while the files on disk are not what governs because they were refused.
"""

import argparse
import os
import sys
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

import msgspec

from gateway.cli.admin_port import AdminPort, add_folder
from gateway.cli.checkup_policy import of_report, report_from
from gateway.cli.doctor_policy_words import SAYS
from gateway.cli.endings import told
from gateway.cli.main import Subparsers
from gateway.cli.page import Page
from gateway.cli.problem_report import FOUND, GOOD, Misuse, lines, text_of
from gateway.cli.shadow_report import as_json
from gateway.cli.spoken import add_language, language
from gateway.core.records import RefusalCode
from gateway.policy.words import Language, Table, fill
from gateway.runtime.lifeline import InForce

PATH: Final = "/admin/v1/status"

_WORDS: Final[Table] = MappingProxyType(
    {
        "governs": (
            "Version {version} of the policy governs since {since}.",
            "当前生效的是策略版本 {version}，自 {since} 起。",
        ),
        "bundle": ("Bundle {bundle}", "配置包 {bundle}"),
        "certificate": ("Certificate {certificate}", "证书 {certificate}"),
        "good": ("The files that it was told of are what governs.", "它所读到的配置文件与生效内容一致。"),
        "refused": (
            "The files on disk were refused at {at} and changed nothing: {why}.",
            "磁盘上的配置文件已于 {at} 被拒绝，未作任何改变：{why}。",
        ),
        "more": (
            "… and {count} more problems; see `tidegate config check`.",
            "……另有 {count} 个问题，见 `tidegate config check`。",
        ),
        "count": ("Refused since it started: {count}.", "自启动以来被拒绝的次数：{count}。"),
    }
)
_REASONS: Final[Table] = MappingProxyType(
    {
        RefusalCode.UNREADABLE: ("a file is missing or cannot be read", "有文件缺失或无法读取"),
        RefusalCode.PROBLEMS: ("something in them cannot be meant", "内容有错误"),
        RefusalCode.NOT_PROVED: ("an invariant does not hold or was not proved", "有不变量不成立或未能证明"),
        RefusalCode.CHANGED: ("they changed while they were read", "读取期间文件又有改动"),
        RefusalCode.UNSIGNED: ("a signature is missing", "缺少签名"),
        RefusalCode.STRANGER: ("somebody signed who is not among the signers", "签名者不在名单中"),
        RefusalCode.INVALID: ("a signature does not fit the files", "签名与文件不符"),
        RefusalCode.ALONE: ("they let more out, which takes two signatures", "放宽了外发范围，需要两人签名"),
        RefusalCode.VERSION_BELOW: ("the version is below the highest that was in force", "版本低于曾生效的最高版本"),
        RefusalCode.VERSION_TAKEN: ("the version was in force with other content", "该版本号曾用于其他内容"),
        RefusalCode.RESTORES_UNKNOWN: ("what it restores was never in force", "所恢复的版本从未生效"),
        RefusalCode.RESTORES_OTHER: ("it is not what it says it restores", "内容与所称恢复的版本不同"),
        RefusalCode.BOOK: ("the book of activations cannot be believed", "生效记录不可信"),
        RefusalCode.STATE: ("the state folder cannot be written", "状态目录无法写入"),
        RefusalCode.FAILED: ("loading them failed", "加载过程失败"),
        RefusalCode.LATE: ("loading them took too long", "加载超时"),
        RefusalCode.RESTART: ("they change what takes a restart", "其中的改动需要重启"),
        RefusalCode.TOO_MANY: ("there are too many workers, those that leave included", "工作进程过多（含正在退出的）"),
        RefusalCode.WORKER: ("a worker would not take them", "有工作进程未能接受"),
    }
)


class _Status(msgspec.Struct):
    bundle: str
    epoch: int
    policy: int
    certificate: str
    in_force: InForce | None


def add_command(commands: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add `status`."""
    parser = commands.add_parser("status", help="say what governs in a running gateway, and what was refused and why")
    add_folder(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object, for programs")
    add_language(parser)
    parser.set_defaults(run=told(_status))


def _status(arguments: argparse.Namespace) -> int:
    port = AdminPort.of(arguments)
    try:
        found = msgspec.json.decode(port.ask(PATH).body, type=_Status)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Misuse(port.place, "What answers on this admin port is no gateway.", "Check `admin.listen`.") from None
    files = found.in_force
    refused = files.refused if files is not None else None
    report = report_from(arguments)
    if arguments.json:
        shown = msgspec.to_builtins(found)
        candidate = as_json(report) if report is not None else None
        print(text_of({"ok": refused is None, **shown, "shadow": candidate}))
        return GOOD if refused is None else FOUND
    page, spoken = Page.on(sys.stdout, os.environ), language(arguments)
    page.say(_say("governs", spoken, version=found.policy, since=_when(files.since if files is not None else 0.0)))
    page.say(f"  {_say('bundle', spoken, bundle=found.bundle)}")
    page.say(f"  {_say('certificate', spoken, certificate=found.certificate)}")
    if report is not None:
        check = of_report(report)
        page.say(fill(SAYS, check.key, spoken, **check.gaps))
    if files is None or refused is None:
        page.say(_say("good", spoken))
        return GOOD
    why = ", ".join(fill(_REASONS, code, spoken) for code in refused.codes)
    page.say(_say("refused", spoken, at=_when(files.refused_at), why=why))
    for line in lines(refused.problems, spoken):
        page.say(f"  {line}")
    if refused.count > len(refused.problems):
        page.say(f"  {_say('more', spoken, count=refused.count - len(refused.problems))}")
    page.say(_say("count", spoken, count=files.refusals))
    return FOUND


def _say(key: str, spoken: Language, **gaps: object) -> str:
    return fill(_WORDS, key, spoken, **gaps)


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if at else "-"
