"""What `diff_text.py` says, in English and in Chinese, sentence by sentence."""

from types import MappingProxyType
from typing import Final

from gateway.policy.words import Language, Table, fill

SENTENCES: Final[Table] = MappingProxyType(
    {
        "same": ("Every request is decided as before.", "所有请求的决策均与之前一致。"),
        "access_yes": (
            "New cloud access: YES. Requests can get to places outside the building that they could not get to before.",
            "新增云端访问：有。部分请求可以到达此前无法到达的外部位置。",
        ),
        "access_unknown": (
            "New cloud access: CANNOT BE RULED OUT, and so counts as yes.",
            "新增云端访问：无法排除，按“有”处理。",
        ),
        "access_no": ("New cloud access: none.", "新增云端访问：无。"),
        "unknown_no_pools_old": (
            "The old policy was read without its pools, so nothing is known of where it leads.",
            "旧策略读取时未提供资源池文件，无法得知其去向。",
        ),
        "unknown_no_pools_new": (
            "The new policy was read without its pools, so nothing is known of where it leads.",
            "新策略读取时未提供资源池文件，无法得知其去向。",
        ),
        "unknown_too_large": (
            "The two policies tell more states apart than can be walked; facts were not compared.",
            "两份策略区分的状态数超出可遍历范围，未能比较各项事实。",
        ),
        "unknown_cut": (
            "There are more differences than are listed here.",
            "差异数量超出可列出的范围，此处并不完整。",
        ),
        "unknown_bands": (
            "The bands of complexity part elsewhere ({subject}); which requests change bands cannot be told.",
            "复杂度的分档界限已变（{subject}）；无法得知哪些请求会换档。",
        ),
        "unknown_untried": (
            "The rule for {subject} together has too many combinations of scores to try.",
            "{subject} 并存的规则涉及的置信度组合过多，未能逐一比较。",
        ),
        "gains": (
            "May now leave for {pool} (in {zone}), as far as that pool can take it:",
            "新增外发去向 {pool}（区域 {zone}），以该资源池可承接的请求为限：",
        ),
        "moves": ("Goes elsewhere:", "去向改变："),
        "terms": ("Goes where it went, on other terms:", "去向不变，条件改变："),
        "renamed": ("Decided alike, by another route:", "决策结果相同，命中的路由改变："),
        "for": ("  for  {region}", "  适用：{region}"),
        "for_also": ("  or   {region}", "  　或：{region}"),
        "was": ("  was  {answer}", "  原为：{answer}"),
        "now": ("  now  {answer}", "  现为：{answer}"),
        "more_regions": ("  and {count} more", "  另有 {count} 种情形"),
        "answer": ("{to} (route {route}{terms})", "{to}（路由 {route}{terms}）"),
        "answer_spill": (
            "{to}; if there is no room, {spill} (route {route}{terms})",
            "{to}；容量不足时转往 {spill}（路由 {route}{terms}）",
        ),
        "answer_refused": ("refused: {message} (route {route})", "拒绝：{message}（路由 {route}）"),
        "answer_unmatched": ("refused: {code}", "拒绝：{code}"),
        "term_canary": (", {percent} % to {pool} first", "，{percent}% 先发往 {pool}"),
        "term_mirror": (", copies of {percent} % to {pool}", "，{percent}% 的请求副本发往 {pool}"),
        "term_weights": (", shared out {weights}", "，按 {weights} 分配"),
        "term_queue": (", waits {time}", "，排队最长 {time}"),
        "term_cache": (", answers kept {time}", "，应答缓存 {time}"),
        "term_no_cache": (", answers not kept", "，应答不缓存"),
        "term_audit_strict": (", strict audit", "，严格审计"),
        "term_audit_standard": (", standard audit", "，标准审计"),
        "hours": ("{count} h", "{count} 小时"),
        "minutes": ("{count} min", "{count} 分钟"),
        "seconds": ("{count} s", "{count} 秒"),
        "list": (", ", "、"),
        "labels": ("Evidence that gets another label:", "标签发生变化的依据："),
        "label_change": ("  · {grounds}: {was} → {becomes}", "  · {grounds}：{was} → {becomes}"),
        "label_opens": (
            "    so it may now leave for {pool} (in {zone}), as far as that pool can take it:",
            "    因此新增外发去向 {pool}（区域 {zone}），以该资源池可承接的请求为限：",
        ),
        "found": ("{entities}{score}{count}", "{entities}{score}{count}"),
        "score_below": (" with a score below {high}", "（置信度低于 {high}）"),
        "score_from": (" with a score of {low} or more", "（置信度不低于 {low}）"),
        "score_between": (" with a score from {low} to below {high}", "（置信度不低于 {low} 且低于 {high}）"),
        "count_below": (", fewer than {high} of them", "，少于 {high} 处"),
        "count_from": (", {low} or more of them", "，{low} 处及以上"),
        "count_exactly": (", exactly {low} of them", "，恰为 {low} 处"),
        "count_between": (", {low} to {high} of them", "，{low} 至 {high} 处"),
        "together": ("{parts} in one request", "同一请求中同时出现 {parts}"),
        "and": (" and ", "、"),
        "nothing_found": ("a request in which nothing was found", "未检出任何内容的请求"),
        "unnamed_entity": ("a finding that no rule names", "没有规则涵盖的检出项"),
        "carrier": ("content that cannot be read ({name})", "无法扫描的内容（{name}）"),
        "tier": ("a request for which the scan `{name}` has not run", "尚未执行“{name}”扫描的请求"),
        "failure": ("a scan that did not finish", "未完成的扫描"),
        "history": ("a history whose replies are {name}", "历史回答的记录状态为 {name}"),
        "attested": (
            "a request of the class {name} in which nothing was found",
            "租户类别 {name} 中未检出任何内容的请求",
        ),
        "unread": (
            "a request of the class {name} that the models did not get through",
            "租户类别 {name} 中模型未能读完的请求",
        ),
        "combined": ("several of these in one request", "同一请求中同时具备上述多项"),
        "places": ("Pools that are somewhere else, or of another kind:", "所在位置或属性改变的资源池："),
        "place_changed": ("  · {pool}: {was} → {becomes}", "  · {pool}：{was} → {becomes}"),
        "place": (
            "zone {zone}, processor {processor}, residency {residency}, agreement {agreement}",
            "区域 {zone}，处理方 {processor}，数据驻留地 {residency}，协议 {agreement}",
        ),
        "none": ("none", "无"),
        "moved_tenants": ("Tenants in another class:", "所属类别改变的租户："),
        "moved_tenant": ("  · {tenants}: {was} → {becomes}", "  · {tenants}：{was} → {becomes}"),
        "zones": ("Zones with other limits:", "限制发生变化的区域："),
        "zone_wider": ("  · {zone}: lets in peers that it did not", "  · {zone}：放宽，接受此前不接受的对端"),
        "zone_narrower": ("  · {zone}: lets in nobody new", "  · {zone}：未放宽"),
        "only_old": ("Labels that are gone: {labels}.", "已删除的标签：{labels}。"),
        "only_new": ("Labels that are new: {labels}.", "新增的标签：{labels}。"),
        "dropped": (
            "Invariants that are gone, and so not proved any more: {ids}.",
            "已删除、不再证明的底线：{ids}。",
        ),
        "reordered": ("The labels stand in another order.", "标签的高低次序发生变化。"),
    }
)


def word(key: str, language: Language, **gaps: object) -> str:
    """The sentence `key` with its gaps filled."""
    return fill(SENTENCES, key, language, **gaps)
