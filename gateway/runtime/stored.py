"""Where the answer to a request was found in this worker's memory, and until when that will do.

`reply_cache.py` finds it there again.
"""

import msgspec

from gateway.core.cache_key import Scope
from gateway.runtime.cache_keys import TenantKey
from gateway.wire.cache_control import CacheControl


class Stored(msgspec.Struct, frozen=True, gc=False):
    """For whom it is and under which key, and how old it may be: by the policy, and as its client takes it."""

    tenant: str
    own: TenantKey
    scope: Scope
    key: bytes
    lives_s: float
    control: CacheControl


class Opened(msgspec.Struct, frozen=True, gc=False):
    """An answer that was opened before: how it is told from any other, from when and until when it may be given without
    another look, and where in what is sealed its body begins, under which id. Nothing of its text."""

    stored: Stored
    bound_to: bytes
    mark: bytes
    since: float
    until: float
    begins: int
    size: int
    reply_id: bytes
    prompt_tokens: int
    completion_tokens: int


def serves(control: CacheControl, lives_s: float, age_s: float, left_s: float) -> bool:
    """Whether an answer so old, which lives so much longer, may be used under a policy of `lives_s`, and is what the
    client takes."""
    is_young = control.max_age_s is None or age_s <= control.max_age_s
    return is_young and left_s > control.min_fresh_s and lives_s - age_s > control.min_fresh_s
