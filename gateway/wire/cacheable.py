"""Which requests have one answer, and how equal ones are written alike, so that it is found again.

One answer have embeddings, and texts at temperature 0. Where tools are offered an answer may be an order to act, and
acting twice on one order is not what repeating a question means: such a request is answered from the cache only if its
client asks for that. Spoken answers are never stored: they name themselves, and expire, at the server that made them.
"""

from typing import Final

import msgspec

from gateway.core.facts import Capability
from gateway.wire.cache_control import CacheControl
from gateway.wire.requests import Dialect, Request

_NOT_TWICE: Final = frozenset({Capability.AUDIO})
_ACTS: Final = frozenset({Capability.TOOLS})

_ENCODER: Final = msgspec.json.Encoder(order="deterministic")


def is_cacheable(request: Request, control: CacheControl) -> bool:
    """Whether the answer to `request` may be stored and used again, as far as the request itself says."""
    capabilities = request.capabilities
    if not _NOT_TWICE.isdisjoint(capabilities):
        return False
    if control.is_asked_for:
        return True
    return _has_one_answer(request) and _ACTS.isdisjoint(capabilities)


def _has_one_answer(request: Request) -> bool:
    if request.dialect is Dialect.EMBEDDINGS:
        return True
    document = request.document
    temperature = document["temperature"] if "temperature" in document else None  # noqa: SIM401 -- a call less
    return (type(temperature) is int or type(temperature) is float) and temperature == 0


def canonical(request: Request) -> bytes:
    """The request in the one form that requests have in common which are equal but for the order of their fields.

    All of it, the fields that say how it is to be answered included: what was stored as a stream is replayed as one.
    """
    return _ENCODER.encode(request.document)
