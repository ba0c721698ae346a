"""What tokens cost, in whole millionths of one currency.

A price is what a million tokens cost; a request costs what its tokens come to, rounded up once to the next millionth,
so that a sum of costs is exact and no budget is outrun by rounding. Who may spend how much is `core/burst_budget.py`'s
and `core/quota.py`'s to say.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

MICROS: Final = 1_000_000
"""Millionths in one unit of the currency; and tokens in what a price is for."""


@dataclass(frozen=True, slots=True)
class Rate:
    """What a million tokens cost, read and written ones."""

    prompt_micros: int
    completion_micros: int

    def cost_micros(self, prompt_tokens: int, completion_tokens: int) -> int:
        """What these tokens cost, rounded up."""
        exact = prompt_tokens * self.prompt_micros + completion_tokens * self.completion_micros
        return -(-exact // MICROS)


FREE: Final = Rate(0, 0)


@dataclass(frozen=True, slots=True)
class PoolPrice:
    """What a pool costs. `usual` is for every model but those of `models`, by the name that clients use; None is a pool
    that is not paid for by tokens. `per_hour_micros` is what the pool as a whole costs while it stands, work or none.
    """

    usual: Rate | None = None
    models: Mapping[str, Rate] = field(default_factory=lambda: MappingProxyType({}))
    per_hour_micros: int = 0


@dataclass(frozen=True, slots=True)
class Prices:
    """Every price there is. `currency` is its code, such as `CNY`, and empty where nothing has a price."""

    currency: str = ""
    pools: Mapping[str, PoolPrice] = field(default_factory=lambda: MappingProxyType({}))

    def rate(self, pool: str, model: str = "") -> Rate | None:
        """What tokens cost in `pool` for what clients call `model`; None where no price is known, which is not 0."""
        price = self.pools.get(pool)
        return price.models.get(model, price.usual) if price is not None else None

    def cost_micros(self, pool: str, prompt_tokens: int, completion_tokens: int, model: str = "") -> int:
        """What these tokens cost in `pool`, rounded up to a millionth; 0 where no price is known."""
        rate = self.rate(pool, model)
        return rate.cost_micros(prompt_tokens, completion_tokens) if rate is not None else 0

    def dearest_micros(self, pools: Iterable[str], prompt_tokens: int, completion_tokens: int, model: str = "") -> int:
        """What these tokens cost in the pool of `pools` where they cost most: what is reserved before one is chosen."""
        costs = [self.cost_micros(pool, prompt_tokens, completion_tokens, model) for pool in pools]
        return max(costs, default=0)


UNPRICED: Final = Prices()


def money(micros: int, decimals: int = 2) -> str:
    """`micros` as people write money: rounded half away from zero, without the currency."""
    unit = MICROS // 10**decimals
    whole, part = divmod((abs(micros) + unit // 2) // unit, 10**decimals)
    text = f"{whole:,}.{part:0{decimals}d}" if decimals else f"{whole:,}"
    return f"-{text}" if micros < 0 and (whole or part) else text
