"""What `tidegate policy shadow` says, in English and in Chinese, sentence by sentence."""

from types import MappingProxyType
from typing import Final

from gateway.policy.words import Language, Table, fill

SENTENCES: Final[Table] = MappingProxyType(
    {
        # start, promote, drop
        "started": (
            "{file} stands beside the policy: candidate {candidate}, version {version}, proved in {states} states. "
            "A running gateway compares it with every decision within a second and acts on nothing of it.",
            "{file} 已与策略并存：候选 {candidate}，版本 {version}，已在 {states} 个状态中完成证明。"
            "正在运行的网关会在一秒内开始将其与每个决策比较，其结果从不生效。",
        ),
        "look": ("See what it would change:", "查看它会改变什么："),
        "note_version": (
            "note: it cannot be promoted with this version. {problem}",
            "提示：该版本号无法转为正式策略。{problem}",
        ),
        "note_markers": (
            "note: {count} markers that only the candidate has are looked for once it is in force; until then requests "
            "count as if they were not in them.",
            "提示：有 {count} 个标记词只在候选策略中，要到它生效后才会查找；在此之前按请求中没有这些词计算。",
        ),
        "note_scored": (
            "note: only the candidate asks for the complexity, so one request of {every} is compared.",
            "提示：只有候选策略需要复杂度，因此每 {every} 个请求比较一个。",
        ),
        "promoted": (
            "{file} is what {shadow} was: version {version}, proved in {states} states. A running gateway proves it "
            "again and lets it govern; `tidegate policy shadow report` has nothing more to compare.",
            "{file} 现为原 {shadow} 的内容：版本 {version}，已在 {states} 个状态中完成证明。正在运行的网关会再次证明"
            "并使其生效；`tidegate policy shadow report` 不再有可比较的内容。",
        ),
        "not_promoted": ("Nothing was changed. Failed on: {on}.", "没有做任何改动。未通过：{on}。"),
        "unsigned": (
            "Without the root secret nobody here knows what the gateway remembers; it may ask for a second signature:",
            "此处没有根密钥，无法得知网关的记录；它可能要求第二个签名：",
        ),
        "note_unsigned": (
            "note: this gateway asks for signatures. Until the candidate has them, this stands against promoting it:",
            "提示：该网关要求签名。在候选完成签名之前，以下各项使其不能转为正式策略：",
        ),
        "not_signed": (
            "Nothing was changed. Sign the candidate with `tidegate policy sign --shadow --key FILE`, then promote it.",
            "没有做任何改动。请用 `tidegate policy sign --shadow --key FILE` 对候选签名，再转为正式策略。",
        ),
        "dropped": ("{file} is gone, and with it candidate {candidate}.", "{file} 已删除，候选 {candidate} 随之取消。"),
        "dropped_unread": (
            "{file} is gone. It was no policy that could be read.",
            "{file} 已删除。其内容无法作为策略读取。",
        ),
        # report
        "access_yes": (
            "New cloud access: YES. Requests would get to {pools}, where they cannot get now.",
            "新增云端访问：有。部分请求将可到达 {pools}，目前无法到达。",
        ),
        "access_unknown": (
            "New cloud access: CANNOT BE RULED OUT, and so counts as yes.",
            "新增云端访问：无法排除，按“有”处理。",
        ),
        "access_no": (
            "New cloud access: none in these requests.",
            "新增云端访问：在这些请求中没有。",
        ),
        "nothing_yet": ("No request has been compared yet.", "尚未比较任何请求。"),
        "who": (
            "Candidate {candidate}, version {version}, beside bundle {bundle}, since {since} (UTC).",
            "候选 {candidate}，版本 {version}，与生效的 {bundle} 并存，自 {since}（UTC）起。",
        ),
        "sum": (
            "Of {compared} requests that were compared, {same} would go as they went and {moved} would not.",
            "在比较过的 {compared} 个请求中，{same} 个去向不变，{moved} 个会改变。",
        ),
        "head_count": ("requests", "请求数"),
        "head_route": ("route", "现路由"),
        "head_new_route": ("candidate's route", "候选路由"),
        "head_new_label": ("and label", "候选标签"),
        "head_direction": ("which way", "变化"),
        "way_new_cloud": ("towards the cloud", "转向云端"),
        "way_undecidable": ("cannot be told", "无法得知"),
        "way_refused": ("refused, and was not", "将被拒绝（目前放行）"),
        "way_allowed": ("allowed, and was refused", "将放行（目前拒绝）"),
        "way_to_home": ("towards home", "转回本地"),
        "way_moved": ("to another pool", "改到其他资源池"),
        "way_same": ("as it is", "不变"),
        "gap_labels": (
            "{count}: the candidate lacks a label that an earlier reply in the request has",
            "{count} 个：请求中某条历史回复的标签在候选策略中不存在",
        ),
        "gap_tenant": ("{count}: the candidate's files lack the tenant", "{count} 个：候选的文件中没有该租户"),
        "gap_history": (
            "{count}: only the candidate asks whether every reply in a request is on record as clean",
            "{count} 个：只有候选策略要求请求中的每条历史回复都有“干净”记录",
        ),
        "why": ("What is not known:", "未知的内容："),
        "state_comparing": ("", ""),
        "state_stale": (
            "✗ {workers}: the file cannot be read as it is now; what is compared is the candidate of before.",
            "✗ {workers}：文件目前无法读取，仍在比较之前的候选。",
        ),
        "state_unreadable": (
            "✗ {workers}: the file cannot be read, so nothing is compared.",
            "✗ {workers}：文件无法读取，因此没有比较。",
        ),
        "state_waiting": (
            "✗ {workers}: pools, tenants or recognizers beside the candidate are not those in force, so nothing is "
            "compared until they are.",
            "✗ {workers}：候选旁边的资源池、租户或识别器文件与生效的不一致，一致之后才会比较。",
        ),
        "state_in_force": (
            "{workers}: the candidate says what the policy in force says; there is nothing to compare.",
            "{workers}：候选与生效的策略内容相同，没有可比较的内容。",
        ),
        "state_failed": (
            "✗ {workers}: comparing failed, which is a fault of the gateway; the log says where (`shadow_failed`). No "
            "request was harmed.",
            "✗ {workers}：比较出错，这是网关自身的问题，日志（`shadow_failed`）说明位置。请求没有受到影响。",
        ),
        "workers": ("Workers {count} of {all}", "工作进程 {count}/{all}"),
        "other_file": (
            "✗ The file is another one than what is compared: it is candidate {candidate} now.",
            "✗ 文件与正在比较的不同：它现在是候选 {candidate}。",
        ),
        "bad_file": (
            "✗ The file does not load: {count} problems, listed by `tidegate policy check {file}`.",
            "✗ 文件无法载入：{count} 个问题，由 `tidegate policy check {file}` 列出。",
        ),
        "next": ("Put it in force, or take it away:", "使其生效，或取消："),
        "failed": ("Failed on: {on}.", "未通过：{on}。"),
        "list": (", ", "、"),
    }
)


def say(key: str, language: Language, **gaps: object) -> str:
    """The sentence `key` with its gaps filled."""
    return fill(SENTENCES, key, language, **gaps)
