"""What the demo says, in English and in Chinese. Only words: what is asked and drawn is decided elsewhere."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Words:
    """One language. Braces are filled by whoever prints."""

    language: str
    welcome: str
    stand_in: str
    files: str
    port_taken: str
    step_home: str
    step_burst: str
    step_gateway: str
    step_questions: str
    still: str
    seconds: str
    columns: tuple[str, str, str, str, str, str, str]
    answer: str
    why_stays: str
    why_may_leave: str
    why_burst: str
    why_refused: str
    why_unknown: str
    proof: str
    proof_broken: str
    proof_unknown: str
    try_it: str
    key: str
    explain_it: str
    verify_it: str
    stop_it: str
    stopped: str
    all_well: str
    not_well: str
    gateway_gone: str
    ask: str


ENGLISH: Final = Words(
    language="en",
    welcome="Tidegate demo: two model servers, one at home and one that stands for the cloud, and the gateway between.",
    stand_in="The model is SmolLM2-135M, a small stand-in that runs on one processor core: it invents facts.",
    files="Everything it writes is in {folder}.",
    port_taken="Port {wanted} is taken, so the gateway listens on {port}.",
    step_home="the model at home (pool `home`, zone onprem)",
    step_burst="the model that stands for the cloud (pool `burst`, zone cloud)",
    step_gateway="the gateway",
    step_questions="five questions, through the OpenAI client",
    still="{step}: still at it after {seconds:.0f} s",
    seconds="{:.1f} s",
    columns=("question", "label", "route", "went to", "status", "time", "why"),
    answer="it said",
    why_stays="above `{ceiling}`: must stay",
    why_may_leave="may leave, but home has room",
    why_burst="may leave by `{route}`",
    why_refused="refused: {message}",
    why_unknown="the gateway told no more",
    proof="The cloud pool's own server counted {tokens} prompt tokens, those of question {burst}: nothing else came.",
    proof_broken="The cloud pool's own server counted {given} prompt tokens; {tokens} were meant for it.",
    proof_unknown="The cloud pool's own server could not be asked what reached it.",
    try_it="Try it yourself. The key works until the demo stops:",
    key="key",
    explain_it="Why did question {number} go where it went?",
    verify_it="Is the audit log whole?",
    stop_it="The gateway stays up at {url}. Ctrl-C stops it all.",
    stopped="Stopped.",
    all_well="Every question went where it should.",
    not_well="Question {number}: {name} is {seen}, expected {expected}.",
    gateway_gone="The gateway ended by itself. Its last words:",
    ask="Why is the sky blue?",
)

CHINESE: Final = Words(
    language="zh",
    welcome="Tidegate 演示：两台模型服务器，一台在本地，一台代表云端，网关居中。",
    stand_in="模型是 SmolLM2-135M，一个只用一个处理器核心的小型替身：它会编造事实。",
    files="演示写下的一切都在 {folder} 里。",
    port_taken="端口 {wanted} 已被占用，网关改为监听 {port}。",
    step_home="本地模型（池 `home`，区域 onprem）",
    step_burst="代表云端的模型（池 `burst`，区域 cloud）",
    step_gateway="网关",
    step_questions="五个问题，经 OpenAI 客户端发出",
    still="{step}：已过 {seconds:.0f} 秒，仍在进行",
    seconds="{:.1f} 秒",
    columns=("问题", "标签", "路由", "去向", "状态", "用时", "原因"),
    answer="回答",
    why_stays="高于 `{ceiling}`：必须留下",
    why_may_leave="可以离开，但本地有空位",
    why_burst="可以经 `{route}` 离开",
    why_refused="已拒绝：{message}",
    why_unknown="网关没有给出更多说明",
    proof="云端池自己的服务器统计到 {tokens} 个提示词元，正是问题 {burst} 的：没有其他请求到过那里。",
    proof_broken="云端池自己的服务器统计到 {given} 个提示词元，而应有 {tokens} 个。",
    proof_unknown="无法询问云端池的服务器收到过什么。",
    try_it="请亲自试试。密钥在演示停止前有效：",
    key="密钥",
    explain_it="问题 {number} 为什么去了那里？",
    verify_it="审计日志是否完整？",
    stop_it="网关在 {url} 持续运行。按 Ctrl-C 全部停止。",
    stopped="已停止。",
    all_well="每个问题都去了该去的地方。",
    not_well="问题 {number}：{name} 是 {seen}，应为 {expected}。",
    gateway_gone="网关自行退出了。它最后的输出：",
    ask="天空为什么是蓝色的？",
)


def words_for(language: str) -> Words:
    """The words of `en` or `zh`."""
    return CHINESE if language == "zh" else ENGLISH


def language_of(environment: dict[str, str]) -> str:
    """`zh` or `en`, by the first locale variable that is set, in the order that POSIX gives them."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if environment.get(name):
            return "zh" if environment[name].lower().startswith("zh") else "en"
    return "en"
