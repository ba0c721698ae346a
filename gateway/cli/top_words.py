"""What `tidegate top` says, in English and in Chinese."""

from types import MappingProxyType
from typing import Final

from gateway.policy.words import Language, Table, fill

SENTENCES: Final[Table] = MappingProxyType(
    {
        "gateway": (
            "tidegate {version} · workers {workers} · under way {under_way} · connections {clients} · memory {memory}",
            "tidegate {version} · 工作进程 {workers} · 处理中 {under_way} · 连接 {clients} · 内存 {memory}",
        ),
        "rates": (
            "requests {requests}/s · refused or failed {bad}/s · spilled {spilled}/s · failed over {failovers}/s",
            "请求 {requests}/秒 · 拒绝或失败 {bad}/秒 · 溢出 {spilled}/秒 · 切换 {failovers}/秒",
        ),
        "tokens": (
            "tokens/s: prompt {prompt}, completion {completion} · CPU {cpu}",
            "token/秒：输入 {prompt}，输出 {completion} · CPU {cpu}",
        ),
        "times": (
            "p50, p99 at most: own time {added} · first token {first} · queue {queue} · loop late {late}",
            "p50、p99 上限：网关自身 {added} · 首个 token {first} · 排队 {queue} · 事件循环延迟 {late}",
        ),
        "records": (
            "audit buffer {used}/{limit}, lost {lost} · memo hits {hits} · replies on record {replies}",
            "审计缓冲 {used}/{limit}，丢失 {lost} · 记忆命中 {hits} · 已记录回答 {replies}",
        ),
        "audit_broken": (
            "✗ {count} of {workers} workers cannot write their audit log: nothing of theirs goes to the cloud.",
            "✗ {workers} 个工作进程中有 {count} 个无法写入审计日志：其请求不会发往云端。",
        ),
        "replies_lost": (
            "! The record of replies proves nothing now: requests with a history stay home.",
            "! 回答记录当前不可作为依据：带历史消息的请求留在本地。",
        ),
        "burst_auto": ("burst: by pressure", "溢出：按压力"),
        "burst_share": (
            "! burst: operations send {share} of what may leave",
            "! 溢出：运维指定可外发请求的 {share} 外发",
        ),
        "budget": ("burst budget spent: {used}", "溢出预算已用：{used}"),
        "budget_closed": (
            "! burst budget: spent, or nobody can say what is ({used}); nothing leaves for the cloud",
            "! 溢出预算：已用尽或无法得知（{used}），不再外发到云端",
        ),
        "budget_hour": ("{share} of the hour's", "本小时 {share}"),
        "budget_day": ("{share} of the day's", "本日 {share}"),
        "budget_month": ("{share} of the month's", "本月 {share}"),
        "and": (", ", "，"),
        "head_pool": ("POOL", "资源池"),
        "head_zone": ("ZONE", "区域"),
        "head_places": ("PLACES", "占用"),
        "head_queued": ("QUEUED", "排队"),
        "head_pressure": ("PRESSURE", "压力"),
        "head_requests": ("REQ/S", "请求/秒"),
        "head_tokens": ("TOK/S", "token/秒"),
        "head_first": ("FIRST TOKEN", "首个 token"),
        "head_state": ("STATE", "状态"),
        "head_endpoint": ("ENDPOINT", "端点"),
        "head_in_flight": ("IN FLIGHT", "处理中"),
        "head_server": ("ITS OWN COUNT: WORKS, WAITS, CACHE", "服务器自报：处理、等待、缓存"),
        "open": ("open", "开放"),
        "spilling": ("spilling", "溢出中"),
        "full": ("full", "已满"),
        "drained": ("drained", "已排空"),
        "closed": ("closed", "已关闭"),
        "well": ("well", "正常"),
        "kept_warm": ("kept warm", "预热中"),
        "cold": ("starting", "启动中"),
        "broken": ("breaker open", "熔断"),
        "unwell": ("unwell", "不健康"),
        "of_workers": ("{state} ({count}/{workers})", "{state}（{count}/{workers}）"),
        "more": ("and {count} more endpoints that are well", "另有 {count} 个正常端点"),
        "how_to_end": ("Every {every} s. Ctrl-C ends it.", "每 {every} 秒刷新，按 Ctrl-C 结束。"),
        "silent": ("! {message}", "! {message}"),
    }
)


def say(key: str, spoken: Language, **gaps: object) -> str:
    """One sentence."""
    return fill(SENTENCES, key, spoken, **gaps)
