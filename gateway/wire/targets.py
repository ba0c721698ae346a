"""Where a message goes below an endpoint's base path, and back from there to the shape of its body.

A model server has a path for every dialect. SageMaker has OpenAI's paths below `/openai`, or one path for everything
that its container takes (backends.md); what such a body is must then be read from the body itself, so that the scan
of the final bytes knows what it reads.
"""

from types import MappingProxyType
from typing import Any, Final

from gateway.core.topology import Invoke, Pool
from gateway.wire.requests import PATHS, Dialect, Request

HUGGINGFACE: Final = "huggingface"

_OPENAI: Final = b"/openai"
_INVOKE: Final = b"/invocations"
_INVOKE_STREAM: Final = b"/invocations-response-stream"
_TARGETS: Final = MappingProxyType({dialect: path for path, dialect in PATHS.items()})
# The field that only one dialect has, the first that is there deciding.
_MARKS: Final = (("inputs", HUGGINGFACE), ("messages", Dialect.CHAT), ("prompt", Dialect.COMPLETIONS))


def target_of(request: Request, pool: Pool) -> bytes:
    """The path at which `pool` takes `request`."""
    if pool.sagemaker is None:
        return _TARGETS[request.dialect]
    if pool.sagemaker.invoke is Invoke.OPENAI:
        return _OPENAI + _TARGETS[request.dialect]
    return _INVOKE_STREAM if request.streamed else _INVOKE


def shape_of(target: bytes, document: dict[str, Any]) -> str | None:
    """The name in `shapes.DIALECTS` of a body that is sent to `target`; None if nobody knows it."""
    if target in (_INVOKE, _INVOKE_STREAM):
        return next((name for field, name in _MARKS if field in document), Dialect.EMBEDDINGS)
    return PATHS.get(target.removeprefix(_OPENAI))
