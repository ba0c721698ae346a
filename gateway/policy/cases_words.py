"""What `cases.py` says, in English and in Chinese: one sentence for every way in which a case can fail."""

from types import MappingProxyType
from typing import Final

from gateway.policy.words import Language, Table, fill

SENTENCES: Final[Table] = MappingProxyType(
    {
        "failed_unreadable": (
            "{place}: {name}: the gateway would not read this as a chat request.",
            "{place}：{name}：网关不会将其作为对话请求受理。",
        ),
        "failed_label": (
            "{place}: {name}: expected the label {expected}, got {got}.",
            "{place}：{name}：期望标签 {expected}，实际为 {got}。",
        ),
        "failed_label_low": (
            "{place}: {name}: expected what was found to give {expected}, got {got}.",
            "{place}：{name}：期望已检出内容对应 {expected}，实际为 {got}。",
        ),
        "failed_route": (
            "{place}: {name}: expected the route {expected}, got {got}.",
            "{place}：{name}：期望命中路由 {expected}，实际为 {got}。",
        ),
        "failed_action": (
            "{place}: {name}: expected it to be {expected}, it is {got}.",
            "{place}：{name}：期望{expected}，实际{got}。",
        ),
        "failed_code": (
            "{place}: {name}: expected the refusal {expected}, got {got}.",
            "{place}：{name}：期望的拒绝代码为 {expected}，实际为 {got}。",
        ),
        "failed_to": (
            "{place}: {name}: expected `to` to be {expected}, got {got}.",
            "{place}：{name}：期望 `to` 为 {expected}，实际为 {got}。",
        ),
        "failed_spill": (
            "{place}: {name}: expected `spill` to be {expected}, got {got}.",
            "{place}：{name}：期望 `spill` 为 {expected}，实际为 {got}。",
        ),
        "failed_canary": (
            "{place}: {name}: expected the canary {expected}, got {got}.",
            "{place}：{name}：期望灰度资源池为 {expected}，实际为 {got}。",
        ),
        "failed_mirror": (
            "{place}: {name}: expected the mirror {expected}, got {got}.",
            "{place}：{name}：期望镜像资源池为 {expected}，实际为 {got}。",
        ),
        "failed_cache": (
            "{place}: {name}: expected answers to be kept: {expected}; got: {got}.",
            "{place}：{name}：期望应答缓存时长为 {expected}，实际为 {got}。",
        ),
        "failed_audit": (
            "{place}: {name}: expected {expected} audit, got {got}.",
            "{place}：{name}：期望审计级别为 {expected}，实际为 {got}。",
        ),
        "allow": ("allowed", "放行"),
        "deny": ("refused", "拒绝"),
        "never": ("never", "不缓存"),
        "matched_before": (
            "{route} matches and stands before {expected}.",
            "{route} 排在 {expected} 之前，已先命中。",
        ),
        "not_in_route": (
            "The route {route} does not name {pool} there.",
            "路由 {route} 的该列表中没有 {pool}。",
        ),
        "unreached_route": (
            "No case reaches the route {route} (line {line}).",
            "没有用例覆盖路由 {route}（第 {line} 行）。",
        ),
        "unreached_rule": (
            "No case reaches the label rule on line {line} ({kind}: {entities}).",
            "没有用例覆盖第 {line} 行的标签规则（{kind}：{entities}）。",
        ),
        "list": (", ", "、"),
        "tally": (
            "Cases: {passed} of {total} pass, {failed} fail.",
            "用例：共 {total} 个，通过 {passed} 个，失败 {failed} 个。",
        ),
        "coverage": (
            "Reached: {routes} of {all_routes} routes, {rules} of {all_rules} label rules.",
            "覆盖：路由 {routes}/{all_routes}，标签规则 {rules}/{all_rules}。",
        ),
    }
)


def word(key: str, language: Language, **gaps: object) -> str:
    """The sentence `key` with its gaps filled."""
    return fill(SENTENCES, key, language, **gaps)
