"""What `tidegate explain` says of a recorded request, in English and in Chinese, sentence by sentence.

Whole sentences with gaps, as in `policy/words.py`, which says what the policy thought of it.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.policy.words import Language

SENTENCES: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "request": (
            "Request {id}, {when}, tenant {tenant}, {path}: status {status} after {ms} ms.",
            "请求 {id}，{when}，租户 {tenant}，{path}：状态 {status}，用时 {ms} 毫秒。",
        ),
        "canary": (
            "It is a canary: a request of the gateway's own in that tenant's name, billed to nobody.",
            "这是金丝雀：网关以该租户名义自行发出的请求，不计入任何人的用量。",
        ),
        "nobody": ("nobody (no valid key)", "未识别（没有有效密钥）"),
        "error": ("It was answered with the error `{error}`.", "返回的错误为 `{error}`。"),
        "queued": ("It waited {ms} ms for a free place.", "为等待空位排队 {ms} 毫秒。"),
        "scan_leaves_first": (
            "The models read it before it went anywhere, since it would have left first: {ms} ms.",
            "它本应先发往云端，因此在发送之前由模型扫描：{ms} 毫秒。",
        ),
        "scan_no_place": (
            "The models read it while no permitted pool had a free place: {ms} ms.",
            "允许的资源池没有空位，等待期间由模型扫描：{ms} 毫秒。",
        ),
        "scan_all_failed": (
            "The models read it after every permitted pool had failed: {ms} ms.",
            "允许的资源池全部失败后，由模型扫描：{ms} 毫秒。",
        ),
        "scan_refused": (
            "The models read it since it would have been refused otherwise: {ms} ms.",
            "它本应被拒绝，因此由模型扫描：{ms} 毫秒。",
        ),
        "scan_always": (
            "The models read it, as its tenant's class asks for every request: {ms} ms.",
            "按租户类别的要求，每个请求都由模型扫描：{ms} 毫秒。",
        ),
        "scan_relabelled": ("The label was {before} and became {after}.", "标签由 {before} 变为 {after}。"),
        "scan_same_label": ("The label stayed {after}.", "标签仍为 {after}。"),
        "scan_opened": ("That opened {pools}.", "由此可用：{pools}。"),
        "scan_closed": ("That closed {pools}.", "由此不可用：{pools}。"),
        "scan_same_pools": ("Where it could go stayed the same.", "可去之处不变。"),
        "scan_incomplete": (
            "They did not get through it: what was decided before stood.",
            "扫描未完成：以此前的决定为准。",
        ),
        "scan_always_incomplete": (
            "They did not get through it, which counts as the highest label.",
            "扫描未完成，按最高标签处理。",
        ),
        "scan_overtaken": (
            "It was not waited for to the end: what was decided before stood.",
            "没有等到扫描结束：以此前的决定为准。",
        ),
        "scan_unconfirmed": (
            "The bytes about to leave could not be read to the end: what was decided before stood.",
            "即将发出的内容未能扫描完成：以此前的决定为准。",
        ),
        "intent_only": (
            "Request {id}, {when}, tenant {tenant}: the log holds its intent and no outcome.",
            "请求 {id}，{when}，租户 {tenant}：日志中只有发送意向，没有结果。",
        ),
        "may_have_been_sent": (
            "To {pool} ({zone}), label {label}, by the route {route}: may have been sent.",
            "发往 {pool}（{zone}），标签 {label}，路由 {route}：可能已发送。",
        ),
        "copy_only": (
            "Request {id}: the log holds a copy of it that was made for a mirror, and no outcome.",
            "请求 {id}：日志中有为镜像制作的副本，没有结果。",
        ),
        "is_copy": (
            "{id} is a copy that was made for a mirror; this is the story of the request that it is a copy of.",
            "{id} 是为镜像制作的副本；以下是原请求的经过。",
        ),
        "undecided": ("It ended before the policy was asked.", "在询问策略之前就已结束。"),
        "live": (
            "Why, by the policy that is in force and was in force then:",
            "原因（按当前策略，与当时相同）：",
        ),
        "not_live": (
            "The configuration has changed since (it was {bundle}); this is what was recorded, not worked out again:",
            "此后配置已变更（当时为 {bundle}）；以下为当时的记录，未重新推算：",
        ),
        "label": ("Label: {label}.", "标签：{label}。"),
        "label_two": (
            "Label: {high} governs; what was found gives {low}.",
            "标签：以 {high} 为准；已发现的内容对应 {low}。",
        ),
        "finding": (
            "  found {entity}, score {score}, at {path}, by {detector}",
            "  发现 {entity}，分值 {score}，位于 {path}，由 {detector} 检出",
        ),
        "finding_disguised": (
            "  found {entity}, score {score}, at {path}, by {detector}, seen through {views}",
            "  发现 {entity}，分值 {score}，位于 {path}，由 {detector} 检出，经 {views} 还原",
        ),
        "unscanned": ("  could not be read: {carrier} at {path}", "  无法读取：{path} 处的 {carrier}"),
        "scan_failed": ("  the scan did not finish: {failure}", "  扫描未完成：{failure}"),
        "nothing_found": ("  nothing sensitive was found", "  未发现敏感内容"),
        "allow": ("Route {route}: {to}.", "路由 {route}：{to}。"),
        "allow_spill": (
            "Route {route}: {to}; under pressure also {spill}.",
            "路由 {route}：{to}；拥塞时还可用 {spill}。",
        ),
        "mirror": (
            "A copy of {percent} % of such requests goes to {pool}; what it answers is thrown away.",
            "此类请求中有 {percent}% 会复制一份发往 {pool}（镜像），其应答被丢弃。",
        ),
        "deny": ("Refused by {route}: {message}", "被 {route} 拒绝：{message}"),
        "attempts": ("What happened:", "经过："),
        "attempt": (
            "  {number}. {pool} ({zone}), endpoint {endpoint}: {ending}, {ms} ms",
            "  {number}. {pool}（{zone}），端点 {endpoint}：{ending}，{ms} 毫秒",
        ),
        "attempt_status": (
            "  {number}. {pool} ({zone}), endpoint {endpoint}: {ending}, status {status}, {ms} ms",
            "  {number}. {pool}（{zone}），端点 {endpoint}：{ending}，状态 {status}，{ms} 毫秒",
        ),
        "attempt_cold": (
            "     its model was being started from nothing, which takes minutes; nothing was wrong with it",
            "     模型正从零启动，需要数分钟，并非故障",
        ),
        "no_attempt": ("It was sent nowhere.", "没有发往任何地方。"),
        "cached": (
            "Its answer was a stored one, {age} s old; making it had taken {prompt} tokens in and {completion} out.",
            "应答来自缓存，已存 {age} 秒；生成时所用令牌数：输入 {prompt}，输出 {completion}。",
        ),
        "stayed": ("It stayed at home.", "数据没有离开本地。"),
        "stayed_itself": (
            "It stayed at home itself; of its copy the same cannot be said, see below.",
            "原请求没有离开本地；其副本则未必，见下文。",
        ),
        "no_attempt_itself": (
            "It was sent nowhere itself; for its copy see below.",
            "原请求没有发往任何地方；副本见下文。",
        ),
        "copy": (
            "A copy of it, {id}, was made for {pool}, the mirror of the route {route}; nobody got an answer. {ms} ms.",
            "为路由 {route} 的镜像 {pool} 制作了副本 {id}；其应答未发给任何人。用时 {ms} 毫秒。",
        ),
        "copy_allowed": (
            "  Allowed by a decision of its own: {pool} and nothing else, label {label}.",
            "  由单独的决定放行：仅限 {pool}，标签 {label}。",
        ),
        "copy_allowed_clearance": (
            "  Allowed by a decision of its own: {pool} and nothing else, label {label}; "
            "that pool may see up to {clearance}.",
            "  由单独的决定放行：仅限 {pool}，标签 {label}；该资源池最高可见 {clearance}。",
        ),
        "copy_left": ("The copy was sent to the cloud: {pools}.", "副本已发往云端：{pools}。"),
        "copy_stayed": ("The copy stayed at home.", "副本没有离开本地。"),
        "copy_no_attempt": ("The copy was sent nowhere.", "副本没有发往任何地方。"),
        "copy_usage": (
            "Tokens that count as nobody's: {prompt} in, {completion} out.",
            "令牌数（不计入任何人的用量）：输入 {prompt}，输出 {completion}。",
        ),
        "copy_error": ("It was given up with the error `{error}`.", "因错误 `{error}` 放弃。"),
        "copy_ending_deadline": ("it took longer than a copy may", "超过副本允许的时间"),
        "copy_ending_cancelled": (
            "it gave way to work that waited, or the gateway stopped",
            "让位给排队的请求，或网关已停止",
        ),
        "no_copy": (
            "No copy for the mirror {pool} is on record: it was not of its share, the pool was busy, or it still ran.",
            "没有为镜像 {pool} 制作副本的记录：不在比例之内、资源池繁忙，或副本尚未结束。",
        ),
        "left": ("It was sent to the cloud: {pools}.", "已发往云端：{pools}。"),
        "kept_label": (
            "It could not leave meanwhile: its label keeps it home.",
            "等待期间不能外发：标签要求其留在本地。",
        ),
        "kept_policy": (
            "It could not leave meanwhile: its route or its tenant class keeps it home, whatever its label.",
            "等待期间不能外发：无论标签如何，其路由或租户类别都要求留在本地。",
        ),
        "kept_budget": (
            "It could have left, but the burst budget was spent.",
            "本可外发，但溢出预算已用尽。",
        ),
        "kept_operations": (
            "It could have left, but operations had closed the way.",
            "本可外发，但运维已关闭外发。",
        ),
        "reckoned": (
            "Tokens, reckoned here since no model server counted them: {prompt} in, {completion} out.",
            "令牌数（模型服务器未统计，由网关估算）：输入 {prompt}，输出 {completion}。",
        ),
        "cost": ("Cost: {money}.", "费用：{money}。"),
        "usage": ("Tokens: {prompt} in, {completion} out.", "令牌数：输入 {prompt}，输出 {completion}。"),
        "ending": ("End: {ending}.", "结局：{ending}。"),
        "ending_completed": ("completed", "已完成"),
        "ending_client_gone": ("the caller left", "调用方已离开"),
        "ending_deadline": ("the time that the caller had given it ran out", "调用方给定的时间已用完"),
        "ending_upstream_failed": ("the model server failed", "模型服务器出错"),
        "ending_upstream_rejected": ("the model server rejected the request", "模型服务器拒绝了请求"),
        "ending_send_failed": ("the answer could not be sent to the caller", "无法把回答发送给调用方"),
        "ending_cancelled": ("the gateway stopped", "网关已停止"),
        "ending_refused": ("refused by the gateway", "被网关拒绝"),
        "list": (", ", "、"),
        "rank": ("label number {rank}", "第 {rank} 级标签"),
        "unknown": ("no record of {id} in {place}.", "在 {place} 中没有 {id} 的记录。"),
    }
)


def say(key: str, language: Language, **gaps: object) -> str:
    """The sentence `key` with its gaps filled."""
    english, chinese = SENTENCES[key]
    return (chinese if language == "zh" else english).format(**gaps)
