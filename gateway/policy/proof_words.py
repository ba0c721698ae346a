"""What a proof says, in English and in Chinese: for the terminal, a ticket, or whoever answers for the policy.

A reader needs no Python: every claim is one sentence, every counterexample one request in words, and the same request
as facts that `tidegate policy explain --facts` takes. Whole sentences with gaps, as in `words.py`. The problems of a
policy that is not proved are `proof_problems.py`'s.
"""

import json
from collections.abc import Iterable, Iterator
from types import MappingProxyType
from typing import Final

from gateway.policy.bans import DENY, Kind
from gateway.policy.compiled import CompiledPolicy
from gateway.policy.document import Never, Only, WrittenAttributes, WrittenGuard
from gateway.policy.fact_words import together
from gateway.policy.keys import DAYS
from gateway.policy.leaving import Leaving
from gateway.policy.proof import Counterexample, Outcome, Proof, Verdict
from gateway.policy.proof_problems import notes as notes
from gateway.policy.proof_problems import problems as problems
from gateway.policy.shown_facts import as_given, clauses
from gateway.policy.words import Language, Table, fill

_WORDS: Final[Table] = MappingProxyType(
    {
        "proved": (
            "Proved: all {claims} claims hold in every one of {states} states ({nodes} steps).",
            "已证明：{claims} 条结论在全部 {states} 种状态下都成立（{nodes} 步）。",
        ),
        "disproved": (
            "Not proved: {broken} of {claims} claims are broken; {states} states, {nodes} steps.",
            "未通过：{claims} 条结论中有 {broken} 条不成立；共 {states} 种状态，{nodes} 步。",
        ),
        "spent": (
            "Not proved: {states} states are too many for the {nodes} steps that were allowed.",
            "未能证明：共 {states} 种状态，在允许的 {nodes} 步之内无法逐一核对。",
        ),
        "unfit": (
            "Not proved: the compiled table asks for facts that its own layout does not list. This is a fault of this "
            "build.",
            "未能证明：编译后的表用到了其布局之外的事实。这是本版本程序的缺陷。",
        ),
        "claim": ("{mark} {id}: {claim}", "{mark} {id}：{claim}"),
        "claim_always": ("{mark} {claim}", "{mark} {claim}"),
        "ceiling": (
            "No request labelled above {ceiling} has a way to the cloud.",
            "高于 {ceiling} 的请求没有通往云端的路。",
        ),
        "ceiling_none": ("No request has a way to the cloud.", "任何请求都没有通往云端的路。"),
        "clearance": (
            "No pool is sent a request above its clearance.",
            "任何资源池都不会收到高于其许可级别的请求。",
        ),
        "never": ("Never: {written}.", "绝不允许：{written}。"),
        "only": ("Only: {written}.", "只允许：{written}。"),
        "monotone": (
            "A higher label, a taint or a scan that is not complete opens no way to the cloud.",
            "标签升高、带上污点或扫描不完整，都不会多出通往云端的路。",
        ),
        "client": (
            "No model name opens a way to the cloud, and none puts the cloud first.",
            "任何模型名称都不会打开通往云端的路，也不会使云端优先。",
        ),
        "total": ("Every request is covered by a route.", "每个请求都有对应的路由。"),
        "reachable": ("Every route is used by some request.", "每条路由都有请求会用到。"),
        "deny": (
            "No route that refuses is hidden by the routes before it.",
            "没有拒绝类路由被前面的路由完全遮住。",
        ),
        "deterministic": (
            "Every request has exactly one answer, and the running gateway gives it.",
            "每个请求只有一个结果，运行中的网关给出的正是它。",
        ),
        "leaving": (
            "Everything that may leave is acknowledged by name.",
            "可能外发的每一类内容都已逐一确认。",
        ),
        "unacknowledged": ("Not acknowledged: {entities}.", "尚未确认：{entities}。"),
        "request": ("For example, a request with: {clauses}.", "例如这样的请求：{clauses}。"),
        "reached": (
            "The route `{route}` (line {line}) lists {pools} for it.",
            "路由 `{route}`（第 {line} 行）为它列出了 {pools}。",
        ),
        "reached_nowhere": ("The route `{route}` (line {line}) matches it.", "它命中路由 `{route}`（第 {line} 行）。"),
        "unmatched": ("No route matches it.", "没有路由命中。"),
        "raised": (
            "It does not reach {pools}. With the label {label} it does, by the route `{route}` (line {line}).",
            "它到不了 {pools}；标签改为 {label} 后却可以，经路由 `{route}`（第 {line} 行）。",
        ),
        "class_ceiling": (
            "The ceiling of its tenant class is above that of the policy.",
            "其租户类别的上限高于策略的上限。",
        ),
        "again": ("A request shown above breaks this, too.", "上文的例子也违反这一条。"),
        "facts": ("As facts: {facts}", "以事实表示：{facts}"),
        "more": ("and {count} more like it", "另有 {count} 个类似的例子"),
        "leaves": (
            "What is found alone and may still leave for the cloud:",
            "单独出现时仍可能发往云端的内容：",
        ),
        "leaves_nothing": (
            "Nothing that was found may leave for the cloud.",
            "凡是检出的内容，都不会发往云端。",
        ),
        "leaf": ("{entity}: {limits}", "{entity}：{limits}"),
        "leaf_unacknowledged": (
            "{entity}: {limits}; `may_leave` does not acknowledge it",
            "{entity}：{limits}；`may_leave` 中没有确认",
        ),
        "any": ("always", "任何情况下"),
        "below_score": ("score below {score}", "置信度低于 {score}"),
        "below_count": ("fewer than {count}", "少于 {count} 处"),
        "worth": ("Worth knowing:", "值得注意："),
        "dead": ("No request can match the route `{route}`.", "没有请求能够命中路由 `{route}`。"),
        "shadowed": (
            "The route `{route}` is never used: everything that it accepts is taken by {by}.",
            "路由 `{route}` 永远用不到：它接受的请求全部先被 {by} 接走。",
        ),
        "vacuous": (
            "{ids} holds of nothing: no request has such a label.",
            "{ids} 形同虚设：没有请求带有这样的标签。",
        ),
        "unread": (
            "Content that nobody can read may leave, too, since `carriers` says so: {carriers}.",
            "无法扫描的内容也可能外发，因为 `carriers` 允许：{carriers}。",
        ),
        "unasked": (
            "Requests may leave before the scan {tiers} has run: `tiers` does not ask for it.",
            "请求可能在 {tiers} 扫描完成之前外发：`tiers` 没有要求它。",
        ),
        "idle": (
            "`may_leave` names {entities}, which cannot leave.",
            "`may_leave` 列出了 {entities}，但它们本来就不会外发。",
        ),
        "steered": (
            "By the route {routes} some requests would reach a pool outside only because of the model that they name; "
            "the gateway takes such pools away.",
            "经路由 {routes}，部分请求仅凭所选的模型名称就会到达外部资源池；网关会去掉这样的资源池。",
        ),
        "and": (", ", "、"),
    }
)
_MARKS: Final = MappingProxyType({Outcome.PROVED: "✓", Outcome.DISPROVED: "✗", Outcome.NOT_PROVED: "?"})
_MOST_EXAMPLES: Final = 3


def said(proof: Proof, compiled: CompiledPolicy, language: Language) -> str:
    """The whole proof as lines of text."""
    return "\n".join(_Report(proof, compiled, language).lines())


class _Report:
    def __init__(self, proof: Proof, compiled: CompiledPolicy, language: Language) -> None:
        self._proof = proof
        self._compiled = compiled
        self._language: Language = language
        self._shown: list[Counterexample] = []
        self._lines = {route.id: route.line for route in compiled.routes}

    def lines(self) -> Iterator[str]:
        yield self._headline()
        for verdict in self._proof.verdicts:
            yield from self._verdict(verdict)
        yield from self._leaving()
        worth = [f"  · {line}" for line in self._worth()]
        if worth:
            yield self._say("worth")
        yield from worth

    def _say(self, key: str, **gaps: object) -> str:
        return fill(_WORDS, key, self._language, **gaps)

    def _list(self, names: Iterable[str]) -> str:
        return self._say("and").join(f"`{name}`" for name in names)

    def _headline(self) -> str:
        proof = self._proof
        broken = sum(verdict.outcome is Outcome.DISPROVED for verdict in proof.verdicts)
        gaps = {"claims": len(proof.verdicts), "states": f"{proof.states:,}", "nodes": f"{proof.nodes:,}"}
        if proof.is_proved:
            return self._say("proved", **gaps)
        if broken:
            return self._say("disproved", broken=broken, **gaps)
        return self._say("spent" if proof.is_spent else "unfit", **gaps)

    def _verdict(self, verdict: Verdict) -> Iterator[str]:
        gaps = {"mark": _MARKS[verdict.outcome], "id": verdict.id, "claim": self._claim(verdict)}
        yield "  " + self._say("claim" if verdict.at is not None else "claim_always", **gaps)
        if verdict.kind is Kind.LEAVING and verdict.outcome is Outcome.DISPROVED:
            unknown = dict.fromkeys(one.entity for one in self._proof.leaving if not one.acknowledged)
            yield f"      {self._say('unacknowledged', entities=self._list(unknown))}"
        new = [example for example in verdict.counterexamples if example not in self._shown]
        if len(new) < len(verdict.counterexamples):
            yield f"      {self._say('again')}"
        for example in new[:_MOST_EXAMPLES]:
            self._shown.append(example)
            yield from (f"      {line}" for line in self._example(verdict, example))
        more = len(new) - _MOST_EXAMPLES
        if more > 0:
            yield f"      {self._say('more', count=more)}"

    def _claim(self, verdict: Verdict) -> str:
        compiled = self._compiled
        if verdict.kind is Kind.CEILING:
            if compiled.ceiling is None:
                return self._say("ceiling_none")
            return self._say("ceiling", ceiling=compiled.order.name(compiled.ceiling))
        for stated in compiled.invariants:
            if stated.id == verdict.id and isinstance(stated, Never | Only):
                return self._say(verdict.kind, written=_written(stated))
        return self._say("deny" if verdict.id == DENY else verdict.kind)

    def _example(self, verdict: Verdict, example: Counterexample) -> Iterator[str]:
        compiled, facts = self._compiled, example.facts
        said = together(list(clauses(compiled, facts, self._language)), self._language)
        gaps = {
            "route": example.route,
            "line": self._lines.get(example.route, 0),
            "pools": self._list(example.pools),
        }
        yield self._say("request", clauses=said)
        if example.second is not None:
            label = compiled.order.name(example.second.label_high)
            yield self._say("raised", **{**gaps, "pools": self._list(example.second_pools)}, label=label)
        elif not example.route:
            yield self._say("unmatched")
        elif verdict.kind is Kind.CEILING and not example.pools:
            yield self._say("class_ceiling")
        else:
            yield self._say("reached" if example.pools else "reached_nowhere", **gaps)
        yield self._say("facts", facts=json.dumps(as_given(compiled, facts), ensure_ascii=False))

    def _leaving(self) -> Iterator[str]:
        if self._proof.is_spent:
            return
        if not self._proof.leaving:
            yield self._say("leaves_nothing")
            return
        yield self._say("leaves")
        by_entity: dict[str, list[Leaving]] = {}
        for one in self._proof.leaving:
            by_entity.setdefault(one.entity, []).append(one)
        for entity, found in by_entity.items():
            limits = "; ".join(self._limits(one) for one in found)
            key = "leaf" if found[0].acknowledged else "leaf_unacknowledged"
            yield f"  · {self._say(key, entity=entity, limits=limits)}"

    def _limits(self, one: Leaving) -> str:
        limits = []
        if one.below_score is not None:
            limits.append(self._say("below_score", score=f"{one.below_score:g}"))
        if one.below_count is not None:
            limits.append(self._say("below_count", count=one.below_count))
        return self._say("and").join(limits) or self._say("any")

    def _worth(self) -> Iterator[str]:
        proof = self._proof
        for route in proof.dead:
            yield self._say("dead", route=route)
        for one in proof.shadowed:
            yield self._say("shadowed", route=one.route, by=self._list(one.by))
        if proof.steered:
            yield self._say("steered", routes=self._list(dict.fromkeys(example.route for example in proof.steered)))
        if proof.vacuous:
            yield self._say("vacuous", ids=self._list(proof.vacuous))
        if proof.unread:
            yield self._say("unread", carriers=self._list(proof.unread))
        if proof.unasked:
            yield self._say("unasked", tiers=self._list(proof.unasked))
        if proof.idle:
            yield self._say("idle", entities=self._list(proof.idle))


def _written(stated: Never | Only) -> str:
    """What an invariant says, in the words of the file."""
    asked = [*_guard(stated.guard), *(_attributes(stated.where) if stated.where is not None else ())]
    if isinstance(stated, Never):
        asked += [f"zone {stated.zone.text}"] if stated.zone is not None else []
        asked += [f"pool {stated.pool.text}"] if stated.pool is not None else []
    return ", ".join(asked)


def _guard(guard: WrittenGuard) -> Iterator[str]:
    if guard.label is not None:
        sign, word = guard.label
        yield f"label {sign} {word.text}"
    lists = (
        ("complexity", guard.complexities),
        ("tenant_class", [word.text for word in guard.tenant_classes]),
        ("capability", guard.capabilities),
        ("model", [word.text for word in guard.models]),
        ("modality", guard.modalities),
        ("no modality but", guard.only_modalities),
    )
    for key, values in lists:
        if values:
            yield f"{key} {' '.join(values)}"
    if guard.context is not None:
        yield f"context {guard.context[0]} {guard.context[1]}"
    for window in guard.windows:
        days = " ".join(DAYS[day] for day in sorted(window.days))
        yield f"time {days} {_clock(window.start)}-{_clock(window.end)}"
    for zone, states in guard.pressure:
        yield f"pressure {zone.text} {' '.join(states)}"
    if guard.budget is not None:
        yield f"budget {guard.budget}"


def _attributes(where: WrittenAttributes) -> Iterator[str]:
    for key, words in (
        ("processor", where.processors),
        ("residency", where.residencies),
        ("agreement", where.agreements),
    ):
        if words:
            yield f"{key} {' '.join(word.text for word in words)}"


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
