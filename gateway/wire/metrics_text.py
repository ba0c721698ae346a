"""What a vLLM server says of its load in Prometheus' text format: three gauges, by their present and older names.

Tolerant, since it is somebody else's page: a line that cannot be read is left out. Bounded by the caller, who reads no
more than a page may have.
"""

import re
from typing import Final

import msgspec

_MOST: Final = 1e9
"""More than any server can have of anything: sums of what is above it could be infinite, and nothing has a share of
that."""

_RUNNING: Final = ("num_requests_running",)
_WAITING: Final = ("num_requests_waiting",)
_CACHE: Final = ("kv_cache_usage_perc", "gpu_cache_usage_perc")
# Servers write `vllm:`; some collectors, which allow no colon in a name, `vllm_`.
_GAUGE: Final = re.compile(
    rb"^vllm[:_](" + "|".join((*_RUNNING, *_WAITING, *_CACHE)).encode() + rb")(?:\{[^\n]*\})?[ \t]+([^ \t\r\n]{1,40})",
    re.MULTILINE,
)


class ServerLoad(msgspec.Struct, frozen=True, gc=False):
    """A model server's own count: requests under way, requests waiting, and the share of its KV cache in use."""

    running: float
    waiting: float
    cache_share: float | None = None


def read(page: bytes) -> ServerLoad | None:
    """The load that `page` tells of, all engines of the server together; None if it says nothing of it."""
    seen: dict[str, float] = {}
    for name, text in _GAUGE.findall(page):
        try:
            value = float(text)
        except ValueError:
            continue
        if not 0 <= value <= _MOST:
            continue
        key = name.decode()
        # Requests of several engines add up; the fullest cache is the one that will stall first.
        seen[key] = max(seen.get(key, 0.0), value) if key in _CACHE else seen.get(key, 0.0) + value
    running, waiting = _first(seen, _RUNNING), _first(seen, _WAITING)
    if running is None and waiting is None:
        return None
    cache = _first(seen, _CACHE)
    return ServerLoad(running or 0.0, waiting or 0.0, min(cache, 1.0) if cache is not None else None)


def _first(seen: dict[str, float], names: tuple[str, ...]) -> float | None:
    return next((seen[name] for name in names if name in seen), None)
