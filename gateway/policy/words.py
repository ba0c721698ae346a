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
            "标签：以 {high} 为准。目前发现的内容对应 {low}，尚未完成的扫描仍可能使其升高。",
        ),
        "evidence_none": ("Nothing sensitive was found.", "未发现敏感内容。"),
        "evidence_unknown": ("The evidence was not recorded.", "没有记录检测依据。"),
        "evidence": ("What gave the label:", "标签的依据："),
        "more": ("and {count} more of the same kind", "以及另外 {count} 项同类依据"),
        "cause_default": (
            "{label} is where every request starts.",
            "所有请求的起始标签为 {label}。",
        ),
        "cause_rule": (
            "{label}: the rule on line {line} matches {findings}.",
            "{label}：第 {line} 行的规则命中 {findings}。",
        ),
        "cause_unmapped": (
            "{label}: {findings}, which no rule of the policy names.",
            "{label}：发现 {findings}，策略中没有规则提到该类型。",
        ),
        "cause_unscanned": (
            "{label}: at {path} there is content that cannot be read ({subject}).",
            "{label}：{path} 处有无法读取的内容（{subject}）。",
        ),
        "cause_carrier": (
            "{label}: at {path} there is content that cannot be read ({subject}); the policy gives it this label.",
            "{label}：{path} 处有无法读取的内容（{subject}），策略为其指定了该标签。",
        ),
        "cause_failure": (
            "{label}: the scan did not finish ({subject}), so the highest label counts.",
            "{label}：扫描未完成（{subject}），因此按最高标签处理。",
        ),
        "cause_not_run": (
            "{label}: the scan `{subject}`, which the policy requires, has not run, so the highest label counts.",
            "{label}：策略要求的扫描“{subject}”尚未运行，因此按最高标签处理。",
        ),
        "finding": ("{entity} (score {score}) at {path}", "{path} 处的 {entity}（置信度 {score}）"),
        "finding_many": (
            "{entity} ({count} times, best score {score}) at {path}",
            "{path} 处的 {entity}（{count} 次，最高置信度 {score}）",
        ),
        "disguised": ("{finding}, seen through {views}", "{finding}（经 {views} 还原后发现）"),
        "facts": (
            "Request: model {model}, tenant class {tenant_class}, complexity {complexity}, needs {capabilities}.",
            "请求：模型 {model}，租户类别 {tenant_class}，复杂度 {complexity}，所需能力：{capabilities}。",
        ),
        "ceiling": (
            "Nothing above {ceiling} may leave for the cloud for this tenant.",
            "该租户高于 {ceiling} 的内容不得发往云端。",
        ),
        "ceiling_none": ("Nothing of this tenant may leave for the cloud.", "该租户的任何内容都不得发往云端。"),
        "nothing": ("nothing special", "无特殊要求"),
        "routes": ("Routes, in order:", "路由（按顺序）："),
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
        "skip_model": ("{route}: only for the model {accepted}.", "{route}：仅适用于模型 {accepted}。"),
        "skip_no_pool": (
            "{route}: none of its pools belongs to the model {model}.",
            "{route}：其资源池均不属于模型 {model}。",
        ),
        "pools": ("Pools of that route:", "该路由的资源池："),
        "kept": ("{pool} ({place}): yes.", "{pool}（{place}）：可以使用。"),
        "kept_spill": (
            "{pool} ({place}): yes, but only when those before it have no room.",
            "{pool}（{place}）：可以使用，但仅在前面的资源池没有余量时。",
        ),
        "out_model": (
            "{pool} ({place}): no, the model {model} does not include it.",
            "{pool}（{place}）：不可，模型 {model} 不包含该资源池。",
        ),
        "out_capability": (
            "{pool} ({place}): no, it lacks {missing}.",
            "{pool}（{place}）：不可，缺少能力 {missing}。",
        ),
        "out_clearance": (
            "{pool} ({place}): no, it may see nothing above {clearance}.",
            "{pool}（{place}）：不可，该资源池最高只能处理 {clearance}。",
        ),
        "out_cloud_ceiling": (
            "{pool} ({place}): no, the policy lets nothing above {ceiling} leave.",
            "{pool}（{place}）：不可，策略禁止高于 {ceiling} 的内容离开本地。",
        ),
        "out_tenant_ceiling": (
            "{pool} ({place}): no, it is above what this tenant may let out.",
            "{pool}（{place}）：不可，超出该租户允许外发的上限。",
        ),
        "out_spill_alone": (
            "{pool} ({place}): no, nothing of `to` may see it, and `spill` never stands in for `to`.",
            "{pool}（{place}）：不可，`to` 中没有可用的资源池，而 `spill` 不能代替 `to`。",
        ),
        "out_steered": (
            "{pool} ({place}): no, only the choice of the model {model} would lead there; callers cannot choose that.",
            "{pool}（{place}）：不可，仅因选择了模型 {model} 才会发往该处；调用方无权选择外发。",
        ),
        "home": ("on premises", "本地"),
        "cloud": ("cloud", "云端"),
        "none": ("none", "无"),
        "unnamed": ("(a name that the policy does not have)", "（策略中没有的名称）"),
        "result_allow": (
            "Result: {to}. It waits at most {queue} s for a free place.",
            "结果：发往 {to}。最多等待 {queue} 秒以获得空位。",
        ),
        "result_allow_spill": (
            "Result: {to}; if there is no room, {spill}. It waits at most {queue} s for a free place.",
            "结果：发往 {to}；没有余量时发往 {spill}。最多等待 {queue} 秒以获得空位。",
        ),
        "result_if_scanned": (
            "If the rest of the scan finds nothing more: {pools} as well.",
            "如果其余扫描没有新的发现，还可以发往 {pools}。",
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
        "would": ("What would change it: {change} {result}", "怎样会改变结果：{change}{result}"),
        "would_label": ("with the label {value} instead of {now}:", "若标签为 {value} 而不是 {now}："),
        "would_model": ("with the model {value} instead of {now}:", "若模型为 {value} 而不是 {now}："),
        "would_complexity": ("with complexity {value} instead of {now}:", "若复杂度为 {value} 而不是 {now}："),
        "would_capability": ("without the need for {value}:", "若不需要 {value}："),
        "would_ceiling": ("if this tenant's ceiling were {value}:", "若该租户的上限为 {value}："),
        "would_go": ("it would go to {pools}.", "将发往 {pools}。"),
        "would_be_refused": ("it would be refused.", "将被拒绝。"),
        "would_nothing": (
            "No single change of label, model, needs, complexity or ceiling would change it.",
            "仅改变标签、模型、所需能力、复杂度或上限中的任何一项，都不会改变结果。",
        ),
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
