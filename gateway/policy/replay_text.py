"""What a replay found, in words and as plain values: how many requests would go elsewhere, and which way.

What counts comes first: whether anything may get out that did not before.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from gateway.policy.replay import Fate, Tally
from gateway.policy.words import Language, Table, fill

_SAYS: Final[Table] = MappingProxyType(
    {
        "none": (
            "No request in these records was decided, so nothing can be said.",
            "这些记录中没有任何一条包含决策，无从比较。",
        ),
        "sum": (
            "Of {decided} requests, {moved} would move, {new_cloud} of them towards the cloud; {undecidable} cannot be "
            "decided from what was recorded.",
            "在 {decided} 个请求中，{moved} 个会改变去向，其中 {new_cloud} 个转向云端；"
            "{undecidable} 个无法根据记录重新决策。",
        ),
        "span": (
            "Recorded from {first} to {last} (UTC).",
            "记录时间：{first} 至 {last}（UTC）。",
        ),
        "access_yes": (
            "New cloud access: YES. Requests would get to {pools}, where they could not get before.",
            "新增云端访问：有。部分请求将可到达 {pools}，此前无法到达。",
        ),
        "access_unknown": (
            "New cloud access: CANNOT BE RULED OUT, and so counts as yes.",
            "新增云端访问：无法排除，按“有”处理。",
        ),
        "access_no": ("New cloud access: none in these records.", "新增云端访问：在这些记录中没有。"),
        "move_moved": ("{count} × {before} → {after}", "{count} 个：{before} → {after}"),
        "move_new_cloud": (
            "✗ {count} × {before} → {after}, towards the cloud",
            "✗ {count} 个：{before} → {after}，转向云端",
        ),
        "move_undecidable": (
            "✗ {count} × {before} → cannot be decided",
            "✗ {count} 个：{before} → 无法重新决策",
        ),
        "refused": ("(no route)", "（无路由）"),
        "by_route": ("By route, before and after:", "按路由（原路由 → 新路由）："),
        "gap_labels": (
            "{count}: the log does not name the labels of then, or the new policy lacks one of them",
            "{count} 个：日志没有记录当时的标签名称，或新策略缺少其中的标签",
        ),
        "gap_tenant": (
            "{count}: the tenant is not in the new tenants file",
            "{count} 个：新的租户文件中没有该租户",
        ),
        "gap_complexity": (
            "{count}: the new policy asks for the complexity, which was not scored",
            "{count} 个：新策略需要复杂度，而当时没有评分",
        ),
        "gap_budget": (
            "{count}: the new policy asks whether the budget is spent, which was not recorded",
            "{count} 个：新策略需要预算状态，而当时没有记录",
        ),
        "gap_history": (
            "{count}: the new policy asks whether every reply in a request is on record as clean",
            "{count} 个：新策略要求请求中的每条历史回复都有“干净”记录，而当时没有记录",
        ),
        "gap_pressure": (
            "{count}: the new policy asks about the pressure of a zone that was not looked at",
            "{count} 个：新策略需要某个区域的压力状态，而当时没有观察",
        ),
        "why": ("What the records lack:", "记录中缺少的内容："),
        "named_moved": ("For example: {ids}", "例如：{ids}"),
        "named_new_cloud": ("Towards the cloud, for example: {ids}", "转向云端的请求，例如：{ids}"),
        "named_undecidable": ("Not to be decided, for example: {ids}", "无法重新决策的请求，例如：{ids}"),
        "undecided": (
            "{count} more records are of requests that ended before they were decided.",
            "另有 {count} 条记录的请求在决策之前就已结束。",
        ),
        "unreadable": (
            "✗ {count} lines cannot be read, and count as new access. `tidegate audit verify` says what they are.",
            "✗ {count} 行无法读取，按新增访问处理。`tidegate audit verify` 会说明原因。",
        ),
        "detector": (
            "Findings are those of the detector of then. What it would find more today can only keep requests home.",
            "检出结果来自当时的检测器；如今若能检出更多，只会让请求留在本地。",
        ),
        "list": (", ", "、"),
    }
)


def said(tally: Tally, language: Language) -> str:
    """The replay as lines of text, the answer of the gate first."""
    return "\n".join(_lines(tally, language))


def _lines(tally: Tally, language: Language) -> Iterator[str]:
    def say(key: str, **gaps: object) -> str:
        return fill(_SAYS, key, language, **gaps)

    fates = tally.fates
    if tally.decided:
        yield _access(tally, language)
        yield say(
            "sum",
            decided=f"{tally.decided:,}",
            moved=f"{fates[Fate.MOVED] + fates[Fate.NEW_CLOUD]:,}",
            new_cloud=f"{fates[Fate.NEW_CLOUD]:,}",
            undecidable=f"{fates[Fate.UNDECIDABLE]:,}",
        )
        yield say("span", first=_when(tally.first_at), last=_when(tally.last_at))
    else:
        yield say("none")
    if tally.moves:
        yield say("by_route")
        for (before, after, fate), count in sorted(tally.moves.items(), key=lambda move: -move[1]):
            names = {"before": before or say("refused"), "after": after or say("refused")}
            yield "  " + say(f"move_{fate}", count=f"{count:,}", **names)
    if tally.gaps:
        yield say("why")
        for gap, count in sorted(tally.gaps.items(), key=lambda one: -one[1]):
            yield "  " + say(f"gap_{gap}", count=f"{count:,}")
    for fate in (Fate.NEW_CLOUD, Fate.UNDECIDABLE, Fate.MOVED):
        if ids := tally.named.get(fate):
            yield say(f"named_{fate}", ids=say("list").join(ids))
    if tally.undecided:
        yield say("undecided", count=f"{tally.undecided:,}")
    if tally.unreadable:
        yield say("unreadable", count=f"{tally.unreadable:,}")
    yield say("detector")


def _access(tally: Tally, language: Language) -> str:
    if tally.fates[Fate.NEW_CLOUD]:
        pools = fill(_SAYS, "list", language).join(sorted(tally.gained))
        return fill(_SAYS, "access_yes", language, pools=pools)
    return fill(_SAYS, "access_unknown" if tally.has_new_access else "access_no", language)


def as_json(tally: Tally) -> Mapping[str, object]:
    """The replay as plain values."""
    return {
        "decided": tally.decided,
        "same": tally.fates[Fate.SAME],
        "moved": tally.fates[Fate.MOVED],
        "new_cloud": tally.fates[Fate.NEW_CLOUD],
        "undecidable": tally.fates[Fate.UNDECIDABLE],
        "never_decided": tally.undecided,
        "unreadable": tally.unreadable,
        "new_cloud_access": tally.has_new_access,
        "gained": dict(tally.gained),
        "gaps": {str(gap): count for gap, count in tally.gaps.items()},
        "moves": [
            {"before": before or None, "after": after or None, "fate": str(fate), "count": count}
            for (before, after, fate), count in tally.moves.items()
        ],
        "examples": {str(fate): list(ids) for fate, ids in tally.named.items()},
        "first_at": tally.first_at,
        "last_at": tally.last_at,
    }


def _when(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")
