"""What `tidegate doctor` says of warm-ups, in English and in Chinese."""

from types import MappingProxyType
from typing import Final

from gateway.policy.words import Table

SAYS: Final[Table] = MappingProxyType(
    {
        "warm": (
            "{pool} is made ready by the trend at home; a warm-up costs {cost}.",
            "{pool} 会按本地趋势提前就绪；每次预热费用 {cost}。",
        ),
        "warm_never": (
            "{pool} has `warm`, but nothing at home spills into it, or nobody's ceiling lets anything out.",
            "{pool} 设有 `warm`，但没有本地资源池会溢出到它，或没有租户的上限允许外发。",
        ),
        "warm_unaffordable": (
            "A warm-up of {pool} costs {cost}, more than the burst budget has: none will ever begin.",
            "{pool} 的一次预热需 {cost}，超过溢出预算：永远不会开始。",
        ),
    }
)

MENDS: Final[Table] = MappingProxyType(
    {
        "warm_never": (
            "Name it under `spill` of a row whose `to` is at home, or remove `warm`.",
            "请在 `to` 为本地的路由的 `spill` 中列出它，或删除 `warm`。",
        ),
        "warm_unaffordable": (
            "Shorten `warm.hold`, raise the budget, or name a Redis under `stores.state` so that it is not in parts.",
            "请缩短 `warm.hold`、提高预算，或在 `stores.state` 中配置 Redis，使预算不再分份。",
        ),
    }
)
