"""What a SageMaker endpoint that routes by prefix is told of a request: a keyed hash, and nothing of anybody's.

AWS sees which requests of one day go together, and no more: the key is ours, the value another for each tenant, pool
and day, and what it stands for cannot be read from it (threats.md, projection).
"""

from typing import Final

from gateway.core.keyed_hash import KeyedHash
from gateway.core.topology import Pool, PrefixId

# A prefix that nothing else under the key begins with: names of tenants have no such character.
_KIND: Final = b"\0sagemaker prefix id\0"
_DAY_S: Final = 86_400
_BYTES: Final = 16


def prefix_id(key: KeyedHash, pool: Pool, tenant: str, beginning: int | None, *, at: float) -> bytes | None:
    """The header's value for a request of `tenant` that begins so, at the Unix time `at`; None where none is sent.

    `beginning` is what stands for how the request begins, None if nothing does.
    """
    asked = pool.sagemaker.prefix_id if pool.sagemaker is not None else PrefixId.NONE
    if asked is PrefixId.NONE or (asked is PrefixId.BEGINNING and beginning is None):
        return None
    begins = b"" if asked is PrefixId.TENANT else b"%d" % (beginning or 0)
    text = b"\0".join((pool.name.encode(), tenant.encode(), b"%d" % (at // _DAY_S), begins))
    return key.digest(_KIND, text)[:_BYTES].hex().encode()
