"""Chat requests in both languages, the band that each should get, and why: what the school questions cannot teach."""

from dataclasses import dataclass

S, M, H = "simple", "medium", "hard"


@dataclass(frozen=True, slots=True)
class Golden:
    """One request. `why` says what a person would say."""

    band: str
    why: str
    text: str


GOLDEN = (
    Golden(S, "a greeting asks nothing", "Hello!"),
    Golden(S, "a greeting asks nothing", "你好，在吗？"),
    Golden(S, "thanks ask nothing", "Thanks, that helped a lot."),
    Golden(S, "a fact that everybody knows", "What is the capital of France?"),
    Golden(S, "a fact that everybody knows", "法国的首都是哪里？"),
    Golden(S, "one sum with hours", "What time is it in Tokyo when it is noon in Berlin?"),
    Golden(S, "a short text to translate", "把“会议改到周三”翻译成英文。"),
    Golden(S, "a short text to translate", "Translate to German: The meeting has moved to Wednesday."),
    Golden(S, "one word", 'How do you spell "accommodate"?'),
    Golden(S, "one conversion", "Convert 5 miles to kilometres."),
    Golden(S, "a table of what is given: form, not thought", "把下面三项做成表格：苹果 3 元，香蕉 2 元，橙子 4 元。"),
    Golden(S, "a table of what is given: form, not thought", "Put these in a table: apples 3, bananas 2, oranges 4."),
    Golden(S, "a fact that everybody knows", "Who wrote Hamlet?"),
    Golden(S, "one sentence to write", "写一句生日祝福语。"),
    Golden(S, "three words", "Give me three synonyms for happy."),
    Golden(S, "a plain question", "今天的例会几点开始？"),
    Golden(
        S,
        "one sentence about one sentence",
        "Summarize this in one sentence: The office is closed on Friday because of the public holiday.",
    ),
    Golden(
        S,
        "hard words that are only carried over: nobody has to prove anything",
        "Translate into English: 证明该映射在完备度量空间上收敛于唯一不动点，并严格推导误差估计。",
    ),
    Golden(
        S,
        "hard words that are only carried over: nobody has to prove anything",
        "把这句话翻译成中文：The lemma follows by induction on the rank, and the theorem is a consequence.",
    ),
    Golden(
        M,
        "several things to say, none of them hard",
        "Write a polite email to a customer whose delivery is three days late, offer a discount of ten percent and say "
        "when the parcel will arrive.",
    ),
    Golden(
        M,
        "several things to say, none of them hard",
        "请写一封邮件通知客户：由于供应商延误，订单将晚三天发货，同时给出九折补偿，语气要礼貌，并说明新的到货时间。",
    ),
    Golden(
        M, "one small function", "Write a Python function that removes duplicates from a list while keeping the order."
    ),
    Golden(M, "one small function", "写一个 Python 函数，去掉列表中的重复元素并保持顺序。"),
    Golden(M, "a known explanation for a child", "Explain why the sky is blue to a ten-year-old child."),
    Golden(M, "a known explanation for a child", "为什么天空是蓝色的？请给十岁的孩子解释。"),
    Golden(
        M,
        "two steps of arithmetic",
        "Anna has 12 apples and gives each of her 3 friends 2 of them. How many does she have left?",
    ),
    Golden(M, "two steps of arithmetic", "小明有 12 个苹果，送给 3 个朋友每人 2 个，还剩几个？"),
    Golden(M, "two known things side by side", "What are the differences between a lease and a rental agreement?"),
    Golden(
        M,
        "a longer text with several points to keep",
        "总结下面的会议纪要，列出三项待办事项和负责人：张三周五前提交预算，李四联系供应商，王五更新合同模板，"
        "下周一再次开会讨论价格和交付时间。",
    ),
    Golden(H, "a proof, however short", "Prove that the square root of 2 is irrational."),
    Golden(H, "a proof, however short", "证明根号 2 是无理数。"),
    Golden(
        H,
        "a proof and a derivation",
        "Prove by induction that the sum of the first n odd numbers is n squared, and then derive the formula for the "
        "sum of the first n squares.",
    ),
    Golden(
        H, "a proof and a derivation", "请用数学归纳法证明前 n 个奇数之和等于 n 的平方，并推导前 n 个平方数之和的公式。"
    ),
    Golden(
        H,
        "a change over three files that must stay consistent",
        "Refactor the code across these three files so that the database access moves into one module, keep the API "
        "compatible, and explain the migration step by step.",
    ),
    Golden(
        H,
        "a change over three files that must stay consistent",
        "请重构这三个文件中的代码，把数据库访问移到一个模块里，保持接口兼容，并逐步说明迁移方案。",
    ),
    Golden(
        H,
        "two bodies of law, several outcomes",
        "Compare the rules on termination of contract in the German civil code with those of English law, and analyse "
        "who is liable for damages in each case.",
    ),
    Golden(
        H,
        "two bodies of law, several outcomes",
        "比较《民法典》与德国民法关于合同解除的规定，分析各方在三种情形下的违约责任。",
    ),
    Golden(
        H,
        "a design with goals that pull apart",
        "Design a distributed rate limiter for ten regions: discuss consistency, failure modes and the trade-offs "
        "between accuracy and latency, and outline a migration plan from our single Redis.",
    ),
    Golden(
        H,
        "a design with goals that pull apart",
        "设计一个跨三个机房的分布式限流系统，分析一致性与延迟的权衡，给出容错方案和迁移步骤。",
    ),
    Golden(
        H,
        "code whose order of events must be followed",
        "Why does this deadlock?\n```\nwith a:\n    with b: pass\n```\nThe other thread takes the locks in the other "
        "order, and then waits for the first one. Explain the race and implement a fix without changing the public "
        "interface.",
    ),
    Golden(
        H,
        "arithmetic in many steps",
        "A train leaves at 8:00 and travels at 60 miles per hour for 2 hours, then slows to half of that speed while "
        "it crosses the hills for another 90 minutes. A second train leaves two hours later on the same track and must "
        "arrive 15 minutes before the first. How fast does it need to travel on average, if it also has to stop twice "
        "for 5 minutes?",
    ),
    Golden(
        H,
        "arithmetic in many steps",
        "一列火车八点出发，先以每小时 60 公里行驶 2 小时，然后减速一半行驶 90 分钟。第二列火车晚 2 小时出发，"
        "途中停两次，每次 5 分钟，还必须比第一列早 15 分钟到达。第二列的平均速度至少是多少？",
    ),
    Golden(
        H,
        "law and risk, and a choice to justify",
        "Evaluate the risks of moving our customer data to a cloud provider under GDPR, compare three contractual "
        "options, and recommend one with reasons.",
    ),
    Golden(
        H,
        "law and risk, and a choice to justify",
        "评估将客户数据迁移到云服务商的合规风险，比较三种合同方案的利弊，并给出建议和理由。",
    ),
)
