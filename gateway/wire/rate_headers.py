"""What an answer tells a tenant of its limits: OpenAI's `x-ratelimit-…` headers, with times written as OpenAI does."""

from typing import Final

from gateway.core.message import Headers
from gateway.core.quota import Limits, Standing

DEGRADED: Final = (b"x-tidegate-quota", b"degraded")
"""The limits are counted by each worker for its part, because the store that counts for all cannot be asked."""

_US_PER_MS: Final = 1000


def headers_of(limits: Limits, standing: Standing, *, is_degraded: bool) -> Headers:
    """The headers for a tenant with these limits that stands so."""
    headers: list[tuple[bytes, bytes]] = []
    if limits.requests_per_minute is not None:
        headers += (
            (b"x-ratelimit-limit-requests", b"%d" % limits.requests_per_minute),
            (b"x-ratelimit-remaining-requests", b"%d" % standing.requests),
            (b"x-ratelimit-reset-requests", span(standing.requests_reset_us)),
        )
    if limits.tokens_per_minute is not None:
        headers += (
            (b"x-ratelimit-limit-tokens", b"%d" % limits.tokens_per_minute),
            (b"x-ratelimit-remaining-tokens", b"%d" % standing.tokens),
            (b"x-ratelimit-reset-tokens", span(standing.tokens_reset_us)),
        )
    if is_degraded:
        headers.append(DEGRADED)
    return tuple(headers)


def span(us: int) -> bytes:
    """A time as OpenAI writes it: `12ms`, `1.5s`, `6m0s`, `2h3m4s`. Rounded up: too early is too late."""
    if us <= 0:
        return b"0ms"
    ms = -(-us // _US_PER_MS)
    if ms < 1000:
        return b"%dms" % ms
    minutes, ms = divmod(ms, 60_000)
    seconds = (b"%d.%03d" % divmod(ms, 1000)).rstrip(b"0").rstrip(b".") + b"s"
    hours, minutes = divmod(minutes, 60)
    if hours:
        return b"%dh%dm%b" % (hours, minutes, seconds)
    return b"%dm%b" % (minutes, seconds) if minutes else seconds
