"""The words by which `complexity.py` knows what a request asks for: one table, English and Chinese side by side.

A cue is an idea, not a topic: of 57 school subjects none has a cue here whose weight was fitted, since weights of
subjects learn the examination and not the difficulty (docs/complexity.md). No word belongs to two cues.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Cue:
    """Words and phrases that say the same thing of a request.

    `words` are English, as they stand between two spaces, and count in any case and before a punctuation mark;
    `phrases` are Chinese and are found anywhere. `judged` is the weight in an open question of a cue that the training
    questions do not hold; it is a judgement, held by the golden requests. None: the weights are fitted.
    """

    name: str
    words: tuple[str, ...]
    phrases: tuple[str, ...]
    judged: float | None = None


def _cue(name: str, words: str, phrases: str, judged: float | None = None) -> Cue:
    return Cue(name, tuple(words.split()), tuple(phrases.split()), judged)


NUMBER: Final = _cue(
    "numbers", "two three four five six seven eight nine ten eleven twelve dozen", "两个 三个 四个 五个 六个 十个"
)
"""Numbers in words; those in digits, up to 999 and round ones above, are added where the vocabulary is built."""

FITTED: Final = (
    _cue(
        "condition",
        "if suppose assume assuming given let whether would could should otherwise provided",
        "如果 假设 假如 倘若 前提 设有",
    ),
    _cue(
        "relation",
        "more less fewer than twice thrice half third thirds quarter double triple times fraction ratio longer older "
        "younger taller faster as",
        "倍 一半 分之 更多 更少 还多 还少",
    ),
    _cue(
        "sequence",
        "then after before first second next when while until later rest remaining left last once",
        "然后 之后 之前 首先 其次 最后 剩下 还剩 接着",
    ),
    _cue(
        "sharing",
        "each every per both all total together altogether same another other",
        "每 一共 总共 分别 平均",
    ),
    _cue("people", "he she his her him they them their", "他 她"),
    _cue("past", "was were had did", "了"),
    _cue(
        "judging",
        "true best correct statement statements following likely describes valid",
        "哪一项 哪项 下列 以下 正确",
    ),
    NUMBER,
)
"""Cues whose weights the training questions give."""

JUDGED: Final = (
    _cue(
        "proof",
        "prove proof proves theorem lemma derive derivation induction contradiction irrational convergence converges "
        "rigorous rigorously formally",
        "证明 推导 定理 归纳法 反证 收敛 严格",
        0.22,
    ),
    _cue(
        "reasoning",
        "why explain justify reason reasoning because implications consequences consequence assumptions underlying "
        "mechanism",
        "为什么 为何 解释 理由 原理 后果 推理 机制",
        0.055,
    ),
    _cue(
        "code",
        "code python javascript typescript java rust golang c++ sql function class async api bug exception traceback "
        "thread threads deadlock race query schema compiler regex unit tests",
        "代码 函数 编程 程序 报错 线程 死锁 接口 数据库 并发 异步 单元测试",
        0.06,
    ),
    _cue(
        "building",
        "refactor implement design architecture architect optimize optimise debug migrate migration module modules "
        "files repository distributed scalable fault-tolerant system systems concurrency consistency rollback",
        "重构 实现 设计 架构 优化 调试 迁移 模块 文件 分布式 容错 一致性 回滚 系统",
        0.085,
    ),
    _cue(
        "weighing",
        "compare contrast analyse analyze evaluate assess versus trade-offs tradeoffs trade-off pros cons advantages "
        "disadvantages differences critique strengths weaknesses recommend recommendation risks risk",
        "比较 对比 分析 评估 权衡 利弊 优缺点 区别 论证 风险 建议",
        0.085,
    ),
    _cue(
        "law",
        "statute contract clause liability liable plaintiff defendant jurisdiction gdpr compliance regulation "
        "regulations indemnity negligence breach court legal contractual directive termination",
        "法律 合同 条款 诉讼 民法典 被告 原告 法院 合规 违约 责任 法规 解除 适用",
        0.07,
    ),
    _cue(
        "mathematics",
        "equation equations integral integrals matrix polynomial probability derivative eigenvalue eigenvalues "
        "functions integers integer prime vector variance expected optimal optimum minimize maximise maximize",
        "方程 积分 矩阵 多项式 概率 导数 特征值 整数 质数 向量 方差 期望 最优 极限",
        0.05,
    ),
    _cue(
        "steps",
        "step steps step-by-step plan outline detailed detail thorough thoroughly comprehensive phases stage stages "
        "roadmap strategy milestones constraints requirements",
        "步骤 逐步 一步步 计划 方案 详细 阶段 路线图 策略 约束 要求",
        0.05,
    ),
    _cue("writing", "write draft essay report article memo specification", "撰写 起草 报告 论文 文章 说明书", 0.025),
)
"""Cues that school questions do not hold, with weights by judgement; all of them raise."""

CARRYING: Final = (
    *("translate", "summarize", "summarise", "rephrase", "paraphrase", "proofread", "reword", "spell", "shorten"),
)
CARRYING_PHRASES: Final = ("翻译", "译成", "总结", "概括", "润色", "改写", "校对")
"""What is asked of the text that follows, which is only carried: its cues are not what is asked for."""

COURTESY: Final = (
    *("thank", "best regards", "kind regards", "cheers", "please answer", "please reply", "grateful", "appreciate"),
    *("hope you", "谢", "麻烦", "辛苦"),
)
"""What says in a last sentence that it asks for nothing more."""
