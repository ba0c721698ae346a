"""What `explain.py` says, in English and in Chinese, sentence by sentence.

Whole sentences with gaps, never assembled from fragments: word order and plurals differ. Each key has both languages,
with the same gaps; a test holds them to it.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

Language = Literal["en", "zh"]
Table = Mapping[str, tuple[str, str]]
"""Sentences with gaps by key, each in English and in Chinese."""

SENTENCES: Final[Table] = MappingProxyType(
    {
        "label": ("Label: {label}.", "标签：{label}。"),
        "label_two": (
            "Label: {high} governs. What was found so far gives {low}; the rest of the scan could still raise it.",
            "标签：以 {high} 为准。目前已检出的内容对应 {low}，尚未完成的扫描仍可能提高级别。",
        ),
        "evidence_none": ("Nothing sensitive was found.", "未发现敏感内容。"),
        "evidence_unknown": ("The evidence was not recorded.", "未记录判定依据。"),
        "evidence": ("What gave the label:", "判定依据："),
        "more": ("and {count} more of the same kind", "另有 {count} 项同类依据"),
        "cause_default": (
            "{label} is where every request starts.",
            "所有请求的起始标签为 {label}。",
        ),
        "cause_attested": (
            "{label}: nothing was found, and the tenant class {tenant_class} vouches for it.",
            "{label}：未发现任何内容，且租户类别 {tenant_class} 已为此作出声明。",
        ),
        "cause_taint": (
            "{label}: a reply in the history was made from something of this label.",
            "{label}：历史消息中的某条回答由该级别的内容生成。",
        ),
        "cause_history_unknown": (
            "{label}: a reply in the history is not on record, so it counts as unscanned.",
            "{label}：历史消息中有一条回答没有记录，按未扫描处理。",
        ),
        "cause_history_lost": (
            "{label}: the record of earlier replies cannot be read, so the highest label counts.",
            "{label}：无法读取以往回答的记录，因此按最高标签处理。",
        ),
        "cause_rule": (
            "{label}: the rule on line {line} matches {findings}.",
            "{label}：命中策略第 {line} 行的规则，检出 {findings}。",
        ),
        "cause_unmapped": (
            "{label}: {findings}, which no rule of the policy names.",
            "{label}：检出 {findings}，策略中没有规则涵盖该类型。",
        ),
        "cause_unscanned": (
            "{label}: at {path} there is content that cannot be read ({subject}).",
            "{label}：{path} 处有无法扫描的内容（{subject}）。",
        ),
        "cause_carrier": (
            "{label}: at {path} there is content that cannot be read ({subject}); the policy gives it this label.",
            "{label}：{path} 处有无法扫描的内容（{subject}），按策略为其指定的标签处理。",
        ),
        "cause_failure": (
            "{label}: the scan did not finish ({subject}), so the highest label counts.",
            "{label}：扫描未完成（{subject}），因此按最高标签处理。",
        ),
        "cause_not_run": (
            "{label}: the scan `{subject}`, which the policy requires, has not run, so the highest label counts.",
            "{label}：策略要求的扫描“{subject}”尚未执行，因此按最高标签处理。",
        ),
        "finding": ("{entity} (score {score}) at {path}", "{entity}（位于 {path}，置信度 {score}）"),
        "finding_many": (
            "{entity} ({count} times, best score {score}) at {path}",
            "{entity}（位于 {path}，共 {count} 处，最高置信度 {score}）",
        ),
        "disguised": ("{finding}, seen through {views}", "{finding}（经 {views} 还原）"),
        "facts": (
            "Request: model {model}, tenant class {tenant_class}, complexity {complexity}, needs {capabilities}.",
            "请求：模型 {model}，租户类别 {tenant_class}，复杂度 {complexity}，所需能力：{capabilities}。",
        ),
        "beside": ("Besides: {clauses}.", "其他事实：{clauses}。"),
        "context_need": ("a context of {tokens} tokens at most", "上下文最多需要 {tokens} 个 token"),
        "context_unknown": ("a context of unknown length", "上下文长度未知"),
        "at_minute": ("{minute} ({zone})", "时间为{minute}（{zone}）"),
        "ceiling": (
            "Nothing above {ceiling} may leave for the cloud for this tenant.",
            "该租户高于 {ceiling} 级别的内容不得发往云端。",
        ),
        "ceiling_none": ("Nothing of this tenant may leave for the cloud.", "该租户的任何内容都不得发往云端。"),
        "nothing": ("nothing special", "无特殊要求"),
        "routes": ("Routes, in order:", "路由匹配过程（自上而下）："),
        "matched": ("{route}: matches.", "{route}：命中。"),
        "skip_label": ("{route}: only for {accepted}.", "{route}：仅适用于标签 {accepted}。"),
        "skip_complexity": ("{route}: only for complexity {accepted}.", "{route}：仅适用于复杂度 {accepted}。"),
        "skip_tenant_class": (
            "{route}: only for the tenant class {accepted}.",
            "{route}：仅适用于租户类别 {accepted}。",
        ),
        "skip_capability": (
            "{route}: only for requests that need {accepted}.",
            "{route}：仅适用于需要 {accepted} 的请求。",
        ),
        "skip_modality": ("{route}: only for requests {accepted}.", "{route}：仅适用于{accepted}的请求。"),
        "skip_context": ("{route}: only for a {accepted}.", "{route}：仅适用于{accepted}的请求。"),
        "skip_time": ("{route}: only {accepted}.", "{route}：仅适用于以下时间：{accepted}。"),
        "skip_pressure": ("{route}: only while {accepted}.", "{route}：仅在{accepted}时适用。"),
        "skip_budget": ("{route}: only while {accepted}.", "{route}：仅在{accepted}时适用。"),
        "skip_model": ("{route}: only for the model {accepted}.", "{route}：仅适用于模型 {accepted}。"),
        "skip_no_pool": (
            "{route}: none of its pools belongs to the model {model}.",
            "{route}：其资源池均不属于模型 {model}。",
        ),
        "pools": ("Pools of that route:", "该路由的资源池："),
        "kept": ("{pool} ({place}): yes.", "{pool}（{place}）：可用。"),
        "kept_spill": (
            "{pool} ({place}): yes, but only when those before it have no room.",
            "{pool}（{place}）：可用，仅在前面的资源池容量不足时启用。",
        ),
        "kept_canary": (
            "{pool} ({place}): yes, as the canary: {percent} % of the requests try it first.",
            "{pool}（{place}）：可用，作为灰度资源池优先承接 {percent}% 的请求。",
        ),
        "as_canary": ("As the canary, {sentence}", "作为灰度资源池，{sentence}"),
        "kept_mirror": (
            "{pool} ({place}): yes, as the mirror: it gets a copy of {percent} % of the requests, and never answers.",
            "{pool}（{place}）：可用，作为镜像资源池接收 {percent}% 的请求副本，其应答不会返回给调用方。",
        ),
        "as_mirror": ("As the mirror, {sentence}", "作为镜像资源池，{sentence}"),
        "out_attribute": (
            "{pool} ({place}): no, it is not what the route asks for (processor {processor}, residency {residency}, "
            "agreement {agreement}).",
            "{pool}（{place}）：不可用，不符合该路由的要求"
            "（处理方 {processor}，数据驻留地 {residency}，协议 {agreement}）。",
        ),
        "out_context": (
            "{pool} ({place}): no, its model takes {limit} tokens, and the request may need {tokens}.",
            "{pool}（{place}）：不可用，其模型最多处理 {limit} 个 token，而该请求可能需要 {tokens} 个。",
        ),
        "out_model": (
            "{pool} ({place}): no, the model {model} does not include it.",
            "{pool}（{place}）：不可用，模型 {model} 不包含该资源池。",
        ),
        "out_capability": (
            "{pool} ({place}): no, it lacks {missing}.",
            "{pool}（{place}）：不可用，缺少能力 {missing}。",
        ),
        "out_clearance": (
            "{pool} ({place}): no, it may see nothing above {clearance}.",
            "{pool}（{place}）：不可用，该资源池最高只能处理 {clearance}。",
        ),
        "out_cloud_ceiling": (
            "{pool} ({place}): no, the policy lets nothing above {ceiling} leave.",
            "{pool}（{place}）：不可用，策略禁止高于 {ceiling} 级别的内容离开本地。",
        ),
        "out_tenant_ceiling": (
            "{pool} ({place}): no, it is above what this tenant may let out.",
            "{pool}（{place}）：不可用，超出该租户允许外发的上限。",
        ),
        "out_spill_alone": (
            "{pool} ({place}): no, nothing of `to` may see it, and nothing else stands in for `to`.",
            "{pool}（{place}）：不可用，`to` 中没有可用的资源池，且不能由其他资源池代替 `to`。",
        ),
        "out_steered": (
            "{pool} ({place}): no, only the choice of the model {model} would lead there; callers cannot choose that.",
            "{pool}（{place}）：不可用，仅因选择了模型 {model} 才会发往该处；调用方无权选择外发。",
        ),
        "home": ("on premises", "本地"),
        "cloud": ("cloud", "云端"),
        "none": ("none", "无"),
        "unnamed": ("(a name that the policy does not have)", "（策略中没有的名称）"),
        "result_allow": (
            "Result: {to}. It waits at most {queue} for a free place.",
            "结果：发往 {to}。排队最长 {queue}。",
        ),
        "result_allow_spill": (
            "Result: {to}; if there is no room, {spill}. It waits at most {queue} for a free place.",
            "结果：发往 {to}；容量不足时转往 {spill}。排队最长 {queue}。",
        ),
        "result_canary": (
            "{percent} % of such requests try {pool} first.",
            "此类请求中有 {percent}% 先发往 {pool}（灰度）。",
        ),
        "result_mirror": (
            "A copy of {percent} % of such requests goes to {pool}; what it answers is thrown away.",
            "此类请求中有 {percent}% 会复制一份发往 {pool}（镜像），其应答被丢弃。",
        ),
        "result_weights": (
            "The first place is shared out among {pools} as {weights}.",
            "首选资源池在 {pools} 之间按 {weights} 分配。",
        ),
        "result_cache": ("Its answer may be reused for {time}.", "应答可缓存 {time}。"),
        "result_no_cache": ("Its answer is not reused.", "应答不缓存。"),
        "result_strict": (
            "Each attempt is on record before anything is sent, at home too.",
            "每次发送（含发往本地）前，均先将审计记录落盘。",
        ),
        "seconds": ("{count} s", "{count} 秒"),
        "minutes": ("{count} min", "{count} 分钟"),
        "hours": ("{count} h", "{count} 小时"),
        "result_if_scanned": (
            "If the rest of the scan finds nothing more: {pools} as well.",
            "若其余扫描没有新的检出，还可发往 {pools}。",
        ),
        "result_deny": ("Result: refused.", "结果：拒绝。"),
        "deny_model_not_found": (
            "Result: refused. The policy has no model {model}.",
            "结果：拒绝。策略中没有模型 {model}。",
        ),
        "deny_no_pool_permitted": (
            "Result: refused. No pool in `to` of the route {route} may see it, and `spill` never stands in for `to`.",
            "结果：拒绝。路由 {route} 的 `to` 中没有资源池可以处理该请求，而 `spill` 不能代替 `to`。",
        ),
        "deny_denied_by_policy": (
            "Result: refused by the route {route}. The caller reads: {message}",
            "结果：被路由 {route} 拒绝。调用方看到的说明：{message}",
        ),
        "deny_no_route_matches": ("Result: refused. No route matches.", "结果：拒绝。没有路由命中。"),
        "and": (", ", "、"),
    }
)


def say(key: str, language: Language, **gaps: object) -> str:
    """The sentence `key` with its gaps filled."""
    return fill(SENTENCES, key, language, **gaps)


def fill(table: Table, key: str, language: Language, **gaps: object) -> str:
    """The sentence `key` of `table` with its gaps filled."""
    english, chinese = table[key]
    return (chinese if language == "zh" else english).format(**gaps)
