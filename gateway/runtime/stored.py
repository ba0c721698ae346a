"""Where the answer to a request was found in this worker's memory; `reply_cache.py` finds it there again."""

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
