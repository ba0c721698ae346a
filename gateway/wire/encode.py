"""A request, encoded for one pool: the exact bytes that a clearance is then minted for.

A pool at home gets every field, unknown ones too, with the model's name replaced and what the gateway itself needs
set. A cloud pool gets a projection (`projection.py`), built from a list of fields instead of by taking some away.
No pool gets anything through which its model server would reach elsewhere (`reach.py`), and no client header.
"""

from typing import Any, Final

import msgspec

from gateway.core.message import Headers, Message
from gateway.core.topology import Invoke, Payload, Pool, SageMakerTarget, Zone
from gateway.wire import huggingface, projection, reach
from gateway.wire.requests import Dialect, Request
from gateway.wire.targets import target_of

_WHOLE: Final[Headers] = ((b"content-type", b"application/json"), (b"accept", b"application/json"))
_STREAM: Final[Headers] = ((b"content-type", b"application/json"), (b"accept", b"text/event-stream"))
# There `accept` is about the frames; what the container is to answer has a header of its own.
_INVOKED_STREAM: Final[Headers] = (
    (b"content-type", b"application/json"),
    (b"x-amzn-sagemaker-accept", b"text/event-stream"),
)
_COMPONENT: Final = b"x-amzn-sagemaker-inference-component"
_PREFIX_ID: Final = b"x-amzn-sagemaker-prefix-aware-id"
_ENCODER: Final = msgspec.json.Encoder()


def encode(
    request: Request,
    pool: Pool,
    zone: Zone,
    *,
    salt: str | None,
    left_s: float | None = None,
    endpoint: str = "",
    prefix_id: bytes | None = None,
) -> Message:
    """The message that asks `endpoint` of `pool` for an answer. `salt` keeps one tenant's prefix cache from another's.

    `left_s` is how long its client still waits, if that is worth knowing: a pool at home is told. `prefix_id` is what
    an endpoint of SageMaker's is told for its routing (`wire/prefix_id.py`).

    Raises Forbidden if the request would make the model server reach elsewhere, InvalidRequest if a field that a
    cloud pool may see does not have the form that it must have.
    """
    reach.refuse(request)
    document = _for_cloud(request, pool) if zone.is_cloud else _for_home(request)
    if pool.sagemaker is not None and pool.sagemaker.payload is Payload.HUGGINGFACE:
        document = huggingface.body_of(request, document)
    else:
        document["model"] = pool.model
    if pool.backend == "vllm":
        # Neither is ever the client's to choose: it could choose what another tenant's request has.
        if "cache_salt" in document:
            document.pop("cache_salt", None)
        if "request_id" in document:
            document.pop("request_id", None)
        if salt is not None:
            document["cache_salt"] = salt
    headers = _stream_headers(pool.sagemaker) if request.streamed else _WHOLE
    if pool.sagemaker is not None:
        component = pool.sagemaker.component(endpoint)
        if component is not None:
            headers = (*headers, (_COMPONENT, component.encode()))
        if prefix_id is not None:
            headers = (*headers, (_PREFIX_ID, prefix_id))
    if left_s is not None and not zone.is_cloud:
        headers = (*headers, (b"x-tidegate-timeout", b"%.3f" % max(left_s, 0.001)))
    return Message(b"POST", target_of(request, pool), headers, _ENCODER.encode(document))


def _stream_headers(sagemaker: SageMakerTarget | None) -> Headers:
    return _INVOKED_STREAM if sagemaker is not None and sagemaker.invoke is Invoke.INVOCATIONS else _STREAM


def _for_home(request: Request) -> dict[str, Any]:
    document = dict(request.document)
    if request.streamed:
        options = document.get("stream_options")
        document["stream_options"] = {**(options or {}), "include_usage": True}
    return document


def _for_cloud(request: Request, pool: Pool) -> dict[str, Any]:
    document = projection.project(request, pool.backend)
    if request.streamed:
        document["stream"] = True
        document["stream_options"] = {"include_usage": True}
    if pool.backend == "openai" and request.dialect is Dialect.CHAT:
        document["store"] = False
    return document
