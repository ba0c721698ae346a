"""What a pool's block in pools.yaml says of its endpoints as a set: `breaker`, `balance`, `poll` and `dns`.

Every key may be left out; the defaults are those of `core/`. What is polled by default depends on the backend, since
not every model server has pages for it.
"""

import re
from typing import Final

from gateway.config.addresses import endpoint, is_literal
from gateway.core.balance import BalanceRules
from gateway.core.breaker import BreakerRules
from gateway.core.reading import Reader, Word
from gateway.core.topology import Endpoint, Polling
from gateway.core.written import Node, Scalar

NONE: Final = "none"
_PATH: Final = re.compile(r"/[A-Za-z0-9._~/-]{0,200}")
_POLLED: Final = {"vllm": ("/health", "/metrics"), "embedded": ("/health", None)}
_BALANCE: Final = ("prefix", "load")


def breaker(reader: Reader, node: Node | None) -> BreakerRules:
    """`breaker: {in_a_row: 5, percent: 50, of: 20, within: 30s, open: 5s, longest: 60s}`."""
    usual = BreakerRules()
    fields = reader.fields(node, "`breaker`", ("in_a_row", "percent", "of", "within", "open", "longest"))
    in_a_row = reader.integer(fields.get("in_a_row"), "`breaker.in_a_row`", least=1, most=1000)
    percent = reader.integer(fields.get("percent"), "`breaker.percent`", least=1, most=100)
    least = reader.integer(fields.get("of"), "`breaker.of`", least=1, most=100_000)
    within_s = reader.duration(fields.get("within"), "`breaker.within`", least=1.0, most=3600.0)
    open_s = reader.duration(fields.get("open"), "`breaker.open`", least=0.1, most=3600.0)
    longest_s = reader.duration(fields.get("longest"), "`breaker.longest`", least=0.1, most=3600.0)
    rules = BreakerRules(
        in_a_row=in_a_row if in_a_row is not None else usual.in_a_row,
        share=percent / 100 if percent is not None else usual.share,
        least=least if least is not None else usual.least,
        within_s=within_s if within_s is not None else usual.within_s,
        open_s=open_s if open_s is not None else usual.open_s,
        longest_s=longest_s if longest_s is not None else usual.longest_s,
    )
    if node is not None and rules.longest_s < rules.open_s:
        reader.report(node.at, "`breaker.longest` is shorter than `breaker.open`.", "Make it as long at least.")
    return rules


def balance(reader: Reader, node: Node | None) -> BalanceRules:
    """`balance: {by: prefix, percent: 125}`."""
    usual = BalanceRules()
    fields = reader.fields(node, "`balance`", ("by", "percent"))
    by = reader.one_of(fields.get("by"), "`balance.by`", _BALANCE)
    percent = reader.integer(fields.get("percent"), "`balance.percent`", least=100, most=1000)
    return BalanceRules(
        by_prefix=by != "load",
        bound=percent / 100 if percent is not None else usual.bound,
    )


def polling(reader: Reader, node: Node | None, backend: str | None) -> Polling:
    """`poll: {every: 2s, health: /health, metrics: /metrics}`; `none` for either page, or for all of it."""
    usual = Polling()
    health, metrics = _POLLED.get(backend or "", (None, None))
    if is_none(node):
        return usual
    fields = reader.fields(node, "`poll`", ("every", "health", "metrics"))
    every_s = reader.duration(fields.get("every"), "`poll.every`", least=0.2, most=3600.0)
    return Polling(
        every_s=every_s if every_s is not None else usual.every_s,
        health=_page(reader, fields.get("health"), "`poll.health`", health),
        metrics=_page(reader, fields.get("metrics"), "`poll.metrics`", metrics),
    )


def _page(reader: Reader, node: Node | None, what: str, usual: str | None) -> str | None:
    word = reader.text(node, what)
    if word is None:
        return usual
    if word.text == NONE:
        return None
    if _PATH.fullmatch(word.text) is None:
        reader.report(word.at, f"{what} must be a path or `none`.", "Write it as in `/health`.")
        return usual
    return word.text


def dns(reader: Reader, node: Node | None) -> tuple[Word, Endpoint] | None:
    """`dns: gpu.internal:8000`, or with a scheme in front: one endpoint for each address that the name has."""
    word = reader.text(node, "`dns`")
    if word is None:
        return None
    written = word if "://" in word.text else Word(f"http://{word.text}", word.at)
    found = endpoint(reader, written, None)
    if found is None:
        return None
    if is_literal(found.host):
        reader.report(word.at, "`dns` must be a name, and this is an address.", "List it under `endpoints`.")
        return None
    return word, found


def is_none(node: Node | None) -> bool:
    """Whether the word `none` stands there."""
    return isinstance(node, Scalar) and node.text == NONE
