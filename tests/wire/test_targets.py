"""Where messages go below an endpoint, and what their bodies are."""

import json

import pytest

from gateway.core.labels import Label
from gateway.core.topology import Endpoint, Invoke, Payload, Pool, SageMakerTarget, Zone
from gateway.errors import InvalidRequest
from gateway.wire.encode import encode
from gateway.wire.requests import Dialect, parse
from gateway.wire.targets import shape_of

CLOUD = Zone("cloud", None)
BODIES = {
    Dialect.CHAT: {"messages": [{"role": "user", "content": "Hello"}]},
    Dialect.COMPLETIONS: {"prompt": "Hello"},
    Dialect.EMBEDDINGS: {"input": "Hello"},
}


def sent(dialect: Dialect, invoke: Invoke, payload: Payload = Payload.CHAT, **fields):
    target = SageMakerTarget("eu-central-1", invoke, payload)
    pool = Pool("p", "cloud", Label(1), "sagemaker", "served", (Endpoint("e"),), sagemaker=target)
    request = parse(dialect, json.dumps({"model": "fast", **BODIES[dialect], **fields}).encode())
    return encode(request, pool, CLOUD, salt="tenant-salt")


@pytest.mark.parametrize(
    ("dialect", "invoke", "streamed", "target"),
    [
        (Dialect.CHAT, Invoke.OPENAI, False, b"/openai/v1/chat/completions"),
        (Dialect.CHAT, Invoke.OPENAI, True, b"/openai/v1/chat/completions"),
        (Dialect.CHAT, Invoke.INVOCATIONS, False, b"/invocations"),
        (Dialect.CHAT, Invoke.INVOCATIONS, True, b"/invocations-response-stream"),
        (Dialect.COMPLETIONS, Invoke.INVOCATIONS, False, b"/invocations"),
        (Dialect.EMBEDDINGS, Invoke.INVOCATIONS, False, b"/invocations"),
    ],
)
def test_the_target_says_how_and_the_body_what(dialect, invoke, streamed, target):
    fields = {"stream": True} if streamed else {}
    message = sent(dialect, invoke, user="u", metadata={"a": "b"}, **fields)
    document = json.loads(message.body)
    assert message.target == target
    assert shape_of(message.target, document) == dialect
    expected = {**BODIES[dialect], "model": "served"}
    if streamed:
        expected |= {"stream": True, "stream_options": {"include_usage": True}}
    assert document == expected


@pytest.mark.parametrize(
    ("invoke", "streamed", "headers"),
    [
        (Invoke.OPENAI, False, {b"accept": b"application/json"}),
        (Invoke.OPENAI, True, {b"accept": b"text/event-stream"}),
        (Invoke.INVOCATIONS, False, {b"accept": b"application/json"}),
        (Invoke.INVOCATIONS, True, {b"x-amzn-sagemaker-accept": b"text/event-stream"}),
    ],
)
def test_headers_are_few_and_ours(invoke, streamed, headers):
    message = sent(Dialect.CHAT, invoke, stream=streamed)
    assert dict(message.headers) == {b"content-type": b"application/json", **headers}


def test_hugging_faces_form_has_no_model_and_is_known_to_the_scan():
    message = sent(Dialect.CHAT, Invoke.INVOCATIONS, Payload.HUGGINGFACE, max_tokens=5, user="u")
    document = json.loads(message.body)
    assert document == {
        "inputs": "User: Hello\n\nAssistant:",
        "parameters": {"details": True, "return_full_text": False, "max_new_tokens": 5},
    }
    assert shape_of(message.target, document) == "huggingface"
    with pytest.raises(InvalidRequest):
        sent(Dialect.EMBEDDINGS, Invoke.INVOCATIONS, Payload.HUGGINGFACE)


@pytest.mark.parametrize("target", [b"/v1/other", b"/openai", b"/invocation", b""])
def test_a_target_that_nobody_knows_has_no_shape(target):
    assert shape_of(target, {"messages": []}) is None
