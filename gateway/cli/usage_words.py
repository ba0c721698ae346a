"""What `tidegate usage` says, in English and in Chinese."""

from types import MappingProxyType
from typing import Final

from gateway.policy.words import Language, Table, fill

SENTENCES: Final[Table] = MappingProxyType(
    {
        "period": (
            "{since} to {until} (UTC): {requests} requests, {tokens} tokens, {money}",
            "{since} 至 {until}（UTC）：请求 {requests} 次，token {tokens} 个，{money}",
        ),
        "nothing": (
            "No requests from {since} to {until} (UTC) that fit.",
            "{since} 至 {until}（UTC）期间没有符合条件的请求。",
        ),
        "no_prices": ("no prices set", "未设置价格"),
        "head_tenant": ("tenant", "租户"),
        "head_app": ("app", "应用"),
        "head_model": ("model", "模型"),
        "head_pool": ("pool", "资源池"),
        "head_zone": ("zone", "区域"),
        "head_label": ("label", "标签"),
        "head_day": ("day", "日期"),
        "head_hour": ("hour", "小时"),
        "head_stayed": ("kept by", "留下原因"),
        "head_requests": ("requests", "请求"),
        "head_prompt": ("tokens in", "输入 token"),
        "head_completion": ("tokens out", "输出 token"),
        "head_reckoned": ("reckoned", "估算 token"),
        "head_money": ("{currency}", "{currency}"),
        "head_waited": ("waited s", "排队秒数"),
        "head_away": ("turned away", "因满被拒"),
        "head_refused": ("refused", "被拒绝"),
        "head_failed": ("failed", "失败"),
        "head_cached": ("from cache", "来自缓存"),
        "total": ("all", "合计"),
        "privacy": ("What privacy cost", "隐私的代价"),
        "privacy_none": (
            "Nothing: no request had to wait at home or was turned away while it could not leave.",
            "无：没有请求因不能外发而在本地排队或被拒。",
        ),
        "kept_label": (
            "{label}: {requests} kept by their label; waited {waited} s, {away} turned away",
            "{label}：{requests} 个请求因标签留在本地；共排队 {waited} 秒，{away} 个因满被拒",
        ),
        "kept_policy": (
            "{label}: {requests} kept by their row or class; waited {waited} s, {away} turned away",
            "{label}：{requests} 个请求因路由或租户类别留在本地；共排队 {waited} 秒，{away} 个因满被拒",
        ),
        "kept_budget": (
            "{label}: {requests} kept since the burst budget was spent; waited {waited} s, {away} turned away",
            "{label}：{requests} 个请求因溢出预算用尽留在本地；共排队 {waited} 秒，{away} 个因满被拒",
        ),
        "kept_operations": (
            "{label}: {requests} kept by operations; waited {waited} s, {away} turned away",
            "{label}：{requests} 个请求因运维设定留在本地；共排队 {waited} 秒，{away} 个因满被拒",
        ),
        "spent": ("Spent on tokens: {money}.", "token 支出：{money}。"),
        "saved": (
            "What was served at home would have cost {money} in the cheapest pool of the cloud, at today's prices.",
            "本地处理的 token 若在最便宜的云端资源池处理，按当前价格需 {money}。",
        ),
        "standing": (
            "Pools that are paid by the hour: {money} for these {hours} hours.",
            "按小时计费的资源池：{hours} 小时共 {money}。",
        ),
        "unsettled": (
            "{count} attempts in the cloud have no outcome on record, as a killed process leaves them: what they cost "
            "is not in these sums.",
            "有 {count} 次云端尝试没有结果记录（进程被强制终止所致），其费用不在上述合计中。",
        ),
        "unreadable": (
            "{count} lines of the audit log could not be read. `tidegate audit verify` says where and why.",
            "审计日志有 {count} 行无法读取，请用 `tidegate audit verify` 查看位置和原因。",
        ),
        "not_kept": (
            "The sums could not be written to the state folder: the next run reads the whole log again.",
            "合计无法写入状态目录：下次运行将重新读取整个日志。",
        ),
        "reading": ("Reading the audit log", "正在读取审计日志"),
        "reading_detail": ("{records} records, {share}", "{records} 条记录，{share}"),
        "chart": ("█ at home  ▒ in the cloud", "█ 本地  ▒ 云端"),
    }
)


def say(key: str, language: Language, **gaps: object) -> str:
    """The sentence `key`, with its gaps filled."""
    return fill(SENTENCES, key, language, **gaps)
