"""What `tidegate audit exposure` says, in English and in Chinese."""

from types import MappingProxyType
from typing import Final

from gateway.policy.words import Language, Table, fill

SENTENCES: Final[Table] = MappingProxyType(
    {
        "found": (
            "{sent} requests were sent to the cloud and {perhaps} may have been, {question}.",
            "{question}，有 {sent} 个请求已发往云端，{perhaps} 个可能已发出。",
        ),
        "nothing": ("Nothing was sent to the cloud {question}.", "{question}，没有任何请求发往云端。"),
        "of_build": ("by a gateway older than {build}", "在网关版本早于 {build} 时"),
        "of_policy": ("under a policy below version {version}", "在策略版本低于 {version} 时"),
        "of_recognizers": (
            "under recognizers.yaml of a version below {version}, or of none",
            "在 recognizers.yaml 的版本低于 {version} 或没有版本时",
        ),
        "of_edition": (
            "while what looked for {entity} was older than edition {edition}",
            "在 {entity} 的识别规则早于 {edition} 版时",
        ),
        "of_time": ("in the time and under the bundles that were named", "在所指定的时间和配置包范围内"),
        "unknown": (
            "Of {count} of these the log does not say what looked for what. They are counted in: nobody can rule them "
            "out.",
            "其中 {count} 个，日志没有说明当时使用的识别规则。由于无法排除，已计入上述数字。",
        ),
        "good": (
            "{count} more were sent while that was as good as it is asked for, or better.",
            "另有 {count} 个请求在识别规则已达到所问版本之后发往云端。",
        ),
        "canaries": (
            "{count} requests of the gateway's own went there and are left out.",
            "网关自身的 {count} 个探测请求不计在内。",
        ),
        "unreadable": (
            "{count} lines of the log cannot be read. Run `tidegate audit verify`.",
            "日志中有 {count} 行无法读取，请运行 `tidegate audit verify`。",
        ),
        "more": ("and {count} more: --csv or --json lists all", "另有 {count} 个：用 --csv 或 --json 列出全部"),
        "head_tenant": ("tenant", "租户"),
        "head_pool": ("pool", "资源池"),
        "head_zone": ("zone", "区域"),
        "head_label": ("label", "标签"),
        "head_sent": ("sent", "已发出"),
        "head_perhaps": ("perhaps", "可能发出"),
        "head_unknown": ("unknown", "规则未知"),
        "head_first": ("first (UTC)", "最早（UTC）"),
        "head_last": ("last (UTC)", "最晚（UTC）"),
        "head_request": ("request", "请求"),
        "head_at": ("at (UTC)", "时间（UTC）"),
        "head_edition": ("edition", "版本"),
        "head_since": ("in force since (UTC)", "首次生效（UTC）"),
        "sent": ("sent", "已发出"),
        "perhaps": ("perhaps", "可能发出"),
        "editions_none": (
            "The log says of no edition of what looks for {entity}.",
            "日志中没有 {entity} 识别规则的任何版本记录。",
        ),
        "edition_now": ("as the files are now", "当前文件"),
    }
)


def say(key: str, language: Language, **gaps: object) -> str:
    """The sentence `key` with its gaps filled."""
    return fill(SENTENCES, key, language, **gaps)
