"""What `tidegate doctor` says of live canaries, in English and in Chinese: what is so, and what to do."""

from types import MappingProxyType
from typing import Final

from gateway.policy.words import Table

SAYS: Final[Table] = MappingProxyType(
    {
        "canary_off": (
            "No canary is sent, so a fault that lets text out is noticed only by whoever happens to look.",
            "未发送金丝雀请求，若有缺陷使文本外泄，只能靠人工偶然发现。",
        ),
        "canary_no_tenants": (
            "The class {tenant_class} has no tenant, and so no canary.",
            "租户类 {tenant_class} 没有租户，因此没有金丝雀。",
        ),
        "canary_no_model": (
            "No tenant of the class {tenant_class} may chat with a model that canaries ask for.",
            "租户类 {tenant_class} 中没有租户可以与金丝雀所用的模型对话。",
        ),
        "canary_may_leave": (
            "Under this policy everything may leave that a canary of the class {tenant_class} could hold.",
            "按此策略，租户类 {tenant_class} 的金丝雀所能携带的内容都可以外发。",
        ),
        "canary_waits": (
            "Canaries of the class {tenant_class} are to be sent; none was yet.",
            "将为租户类 {tenant_class} 发送金丝雀，目前尚未发送。",
        ),
        "canary_held": (
            "The last canary of the class {tenant_class} was held ({when}).",
            "租户类 {tenant_class} 的最近一个金丝雀已守住（{when}）。",
        ),
        "canary_failed": (
            "Nobody could answer the last canary of the class {tenant_class} ({when}).",
            "租户类 {tenant_class} 的最近一个金丝雀无人应答（{when}）。",
        ),
        "canary_not_held": (
            "No canary of the class {tenant_class} was held for too long; the last was at {when}.",
            "租户类 {tenant_class} 的金丝雀已很久没有守住，上次为 {when}。",
        ),
        "canary_left": (
            "The canary {id} of the class {tenant_class} went, or may have gone, where it must not be seen ({when}).",
            "租户类 {tenant_class} 的金丝雀 {id} 已经或可能被发往不得看到它的地方（{when}）。",
        ),
        "canary_unlabelled": (
            "The canary {id} of the class {tenant_class} was labelled lower than what is in it ({when}).",
            "租户类 {tenant_class} 的金丝雀 {id} 的密级低于其内容应有的密级（{when}）。",
        ),
        "canary_unseen": (
            "The audit log has no record of the canary {id} of the class {tenant_class} ({when}).",
            "审计日志中没有租户类 {tenant_class} 的金丝雀 {id} 的记录（{when}）。",
        ),
        "canary_alarmed": (
            "A canary of the class {tenant_class} alarmed before ({verdict}, {id}, {when}); those since did not.",
            "租户类 {tenant_class} 的一个金丝雀曾报警（{verdict}，{id}，{when}），之后的没有。",
        ),
    }
)
"""What is so."""

MENDS: Final[Table] = MappingProxyType(
    {
        "canary_off": (
            "Write `canary: {{every: 1h}}` in gateway.yaml (docs/canary.md).",
            "在 gateway.yaml 中写入 `canary: {{every: 1h}}`（docs/canary.zh.md）。",
        ),
        "canary_no_tenants": (
            "Add one to tenants.yaml whose key nobody has.",
            "在 tenants.yaml 中为该类添加一个不发放密钥的租户。",
        ),
        "canary_no_model": (
            "Set `canary.model`, or add a tenant of that class that may chat and whose key nobody has.",
            "设置 `canary.model`，或为该类添加一个可以对话且不发放密钥的租户。",
        ),
        "canary_may_leave": (
            "If that is meant, nothing; canaries hold a resident ID, a card number or an IBAN.",
            "如属有意，则无需处理；金丝雀携带身份证号、银行卡号或 IBAN。",
        ),
        "canary_failed": (
            "Look at the pools at home with `tidegate top`.",
            "请用 `tidegate top` 查看本地资源池。",
        ),
        "canary_not_held": (
            "Look whether the gateway runs, and for `canary_` in its log.",
            "请检查网关是否在运行，并在其日志中查找 `canary_`。",
        ),
        "canary_left": (
            "Stop what may leave with `tidegate burst off`, then `tidegate explain {id}`.",
            "先用 `tidegate burst off` 停止外发，再运行 `tidegate explain {id}`。",
        ),
        "canary_unlabelled": (
            "Stop what may leave with `tidegate burst off`; `tidegate explain {id}` says what was found.",
            "先用 `tidegate burst off` 停止外发；`tidegate explain {id}` 会说明识别到的内容。",
        ),
        "canary_unseen": (
            "Run `tidegate audit verify`, and look at who may write to the audit folder.",
            "请运行 `tidegate audit verify`，并检查谁可以写入审计目录。",
        ),
        "canary_alarmed": (
            "`tidegate explain {id}` says what became of it.",
            "`tidegate explain {id}` 会说明其经过。",
        ),
    }
)
"""What to do, where there is something to do."""
