"""What `tidegate doctor` and `policy status` say of candidates and refusals, in English and in Chinese."""

from types import MappingProxyType
from typing import Final

from gateway.policy.words import Table

SAYS: Final[Table] = MappingProxyType(
    {
        "shadow": (
            "A candidate runs in shadow since {since}: {candidate}, version {version}. Of {compared} requests {moved} "
            "would go otherwise; {grave} of them towards the cloud, or it cannot be told.",
            "候选策略 {candidate}（版本 {version}）自 {since} 起在影子运行。"
            "已比较 {compared} 个请求，{moved} 个去向会改变，其中 {grave} 个会转向云端或无法得知。",
        ),
        "shadow_idle": (
            "A candidate stands beside the policy and is not compared ({state}).",
            "策略旁有候选，但没有在比较（{state}）。",
        ),
        "shadow_file": (
            "A candidate stands beside the policy since {since} ({file}); no gateway that runs says what of it.",
            "策略旁有候选，自 {since} 起（{file}）；没有运行中的网关能说明其结果。",
        ),
        "refused": (
            "Files were refused at {when} ({codes}), and nothing else has come into force since.",
            "配置文件曾于 {when} 被拒绝（{codes}），此后没有新的内容生效。",
        ),
    }
)
"""What is so."""

MENDS: Final[Table] = MappingProxyType(
    {
        "shadow_idle": (
            "`tidegate policy shadow report` says why.",
            "`tidegate policy shadow report` 会说明原因。",
        ),
        "refused": (
            "If they were not put back since: `tidegate policy status` and `tidegate config check` say why.",
            "若此后没有改回：用 `tidegate policy status` 和 `tidegate config check` 查看原因。",
        ),
    }
)
"""What to do, where there is something to do."""
