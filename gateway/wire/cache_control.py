"""What a client says about stored answers, in its `Cache-Control` header (RFC 9111, 5.2.1).

A client can always have less of the cache than the policy permits. It can have more in one way: whoever says that an
answer of a certain age will do, or that only a stored one will, has asked for the cache, and gets it for requests that
are not the same twice by themselves, too.
"""

import math
import re
from typing import Final

import msgspec

_FIELD: Final = re.compile(rb'([!#$%&\'*+.^_`|~0-9A-Za-z-]+)(?:\s*=\s*("[^"]*"|[^\s,"]*))?')
_SECONDS: Final = re.compile(rb"[0-9]{1,9}")


class CacheControl(msgspec.Struct, frozen=True, gc=False):
    """`reads` says that a stored answer will do, `stores` that this one may be stored; `only_stored` that no other
    will. A stored answer may be `max_age_s` old, None for any age, and must be usable for `min_fresh_s` longer.
    `is_asked_for` says that the client wants the cache."""

    reads: bool = True
    stores: bool = True
    only_stored: bool = False
    max_age_s: float | None = None
    min_fresh_s: float = 0.0
    is_asked_for: bool = False


USUAL: Final = CacheControl()
_NEITHER: Final = CacheControl(reads=False, stores=False)


def cache_control_of(value: bytes) -> CacheControl:
    """What the header says; what cannot be read says that neither is wanted."""
    if not value:
        return USUAL
    found: dict[bytes, bytes] = {}
    for piece in value.split(b","):
        text = piece.strip()
        if not text:
            continue
        match = _FIELD.fullmatch(text)
        if match is None:
            return _NEITHER
        name = match[1].lower()
        if name in found:
            return _NEITHER
        found[name] = (match[2] or b"").strip(b'"')
    if b"no-store" in found:
        return _NEITHER
    # What is no number asks for more than any answer has (RFC 9111, 4.2.1).
    max_age_s, min_fresh_s = _seconds(found, b"max-age", 0.0), _seconds(found, b"min-fresh", math.inf)
    only_stored = b"only-if-cached" in found
    return CacheControl(
        reads=b"no-cache" not in found and max_age_s != 0,
        stores=True,
        only_stored=only_stored,
        max_age_s=max_age_s,
        min_fresh_s=min_fresh_s or 0.0,
        is_asked_for=only_stored or bool(max_age_s),
    )


def _seconds(found: dict[bytes, bytes], name: bytes, otherwise: float) -> float | None:
    value = found.get(name)
    if value is None:
        return None
    return float(value) if _SECONDS.fullmatch(value) else otherwise
