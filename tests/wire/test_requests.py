"""What the gateway reads of a request, and what it refuses before anybody else sees it."""

import copy
import json

import pytest

from gateway.core.facts import TEXT_ONLY, Capability, Modality
from gateway.errors import InvalidRequest
from gateway.wire.requests import PATHS, Dialect, parse

HELLO = [{"role": "user", "content": "Hello"}]


def chat(**fields):
    return parse(Dialect.CHAT, json.dumps({"model": "fast", "messages": HELLO, **fields}).encode())


def completion(**fields):
    return parse(Dialect.COMPLETIONS, json.dumps({"model": "fast", "prompt": "Hello", **fields}).encode())


def embedding(**fields):
    return parse(Dialect.EMBEDDINGS, json.dumps({"model": "fast", "input": "Hello", **fields}).encode())


def test_every_dialect_has_its_path():
    assert PATHS[b"/v1/chat/completions"] is Dialect.CHAT
    assert PATHS[b"/v1/completions"] is Dialect.COMPLETIONS
    assert PATHS[b"/v1/embeddings"] is Dialect.EMBEDDINGS


def test_the_document_is_kept_whole_unknown_fields_too():
    request = chat(unknown={"deep": [1, {"x": None}]}, temperature=0.5)
    assert request.document == {
        "model": "fast",
        "messages": HELLO,
        "unknown": {"deep": [1, {"x": None}]},
        "temperature": 0.5,
    }
    assert (request.dialect, request.model, request.choices) == (Dialect.CHAT, "fast", 1)


@pytest.mark.parametrize(
    ("fields", "streamed", "wants_usage"),
    [
        ({}, False, False),
        ({"stream": None, "stream_options": None}, False, False),
        ({"stream": False, "stream_options": {"include_usage": True}}, False, False),
        ({"stream": True}, True, False),
        ({"stream": True, "stream_options": {}}, True, False),
        ({"stream": True, "stream_options": {"include_usage": None}}, True, False),
        ({"stream": True, "stream_options": {"include_usage": False}}, True, False),
        ({"stream": True, "stream_options": {"include_usage": True}}, True, True),
    ],
)
@pytest.mark.parametrize("parsed", [chat, completion])
def test_streaming_and_usage_are_read(parsed, fields, streamed, wants_usage):
    request = parsed(**fields)
    assert (request.streamed, request.wants_usage) == (streamed, wants_usage)


def test_embeddings_never_stream():
    assert not embedding(stream=True).streamed


@pytest.mark.parametrize(
    ("request_", "choices"),
    [
        (chat(n=3), 3),
        (chat(n=None), 1),
        (completion(n=2, prompt=["a", "b", "c"]), 6),
        (completion(prompt=[1, 2, 3]), 1),
        (completion(prompt=[[1, 2], [3]]), 2),
        (embedding(input=["a", "b"]), 1),
    ],
)
def test_the_number_of_answers_is_known(request_, choices):
    assert request_.choices == choices


def content(*parts):
    return {"messages": [{"role": "user", "content": list(parts)}]}


@pytest.mark.parametrize(
    ("fields", "capabilities"),
    [
        ({}, set()),
        ({"tools": [], "functions": None, "guided_json": None, "modalities": ["text"]}, set()),
        ({"tools": [{"type": "function"}]}, {Capability.TOOLS}),
        ({"functions": [{"name": "f"}]}, {Capability.TOOLS}),
        ({"response_format": {"type": "json_schema"}}, {Capability.JSON_SCHEMA}),
        ({"response_format": {"type": "json_object"}}, set()),
        ({"response_format": "json_schema"}, set()),
        ({"guided_json": {"type": "object"}}, {Capability.JSON_SCHEMA}),
        ({"structured_outputs": {"regex": "a"}}, {Capability.JSON_SCHEMA}),
        ({"modalities": ["text", "audio"]}, {Capability.AUDIO}),
        ({"audio": {"voice": "alloy"}}, {Capability.AUDIO}),
        (content({"type": "text", "text": "a"}), set()),
        (content("a bare string", {"type": "unheard_of"}, {"type": ["not", "a", "name"]}), set()),
        (content({"type": "image_url", "image_url": {"url": "data:,"}}), {Capability.VISION}),
        (content({"image_url": "data:,"}), {Capability.VISION}),
        (content({"type": "text", "text": "a", "video_url": "data:,"}), {Capability.VISION}),
        (content({"type": "input_audio", "input_audio": {}}), {Capability.AUDIO}),
        (
            {**content({"type": "text", "text": "a"}, {"type": "image"}, {"type": "audio"}), "tools": [{}]},
            {Capability.VISION, Capability.AUDIO, Capability.TOOLS},
        ),
    ],
)
def test_capabilities_are_read_from_the_content(fields, capabilities):
    assert chat(**fields).capabilities == capabilities


@pytest.mark.parametrize(
    ("fields", "others"),
    [
        ({}, set()),
        ({"audio": {"voice": "alloy"}, "tools": [{}]}, set()),
        (content("a bare string", {"type": "text", "text": "a", "cache_control": {}}, {"text": "a"}), set()),
        (content({"type": "refusal", "refusal": "no"}), set()),
        (content({"type": "image_url", "image_url": {"url": "data:,"}}), {Modality.IMAGE}),
        (content({"type": "text", "text": "a", "video_url": "data:,"}), {Modality.IMAGE}),
        (content({"type": "input_audio", "input_audio": {}}, {"type": "image"}), {Modality.AUDIO, Modality.IMAGE}),
        (content({"type": "file", "file": {"file_id": "f"}}), {Modality.FILE}),
        (content({"type": "hologram", "text": "a"}), {Modality.FILE}),
        (content({"type": ["text"], "text": "a"}), {Modality.FILE}),
        (content({"hologram": "a"}), {Modality.FILE}),
    ],
)
def test_what_the_content_is_made_of_is_read_from_it(fields, others):
    assert chat(**fields).modalities == TEXT_ONLY | others


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("plain words " * 30, 90), ("机密" * 50, 100), ("中文 and English " * 20, 100)]
)
def test_the_context_is_an_estimate_on_the_high_side_with_the_answer_in_it(text, tokens):
    messages = [{"role": "user", "content": text}, {"role": "user", "content": [{"type": "text", "text": text}]}]
    for dialect, fields in (
        (Dialect.CHAT, {"messages": messages, "max_tokens": 700}),
        (Dialect.CHAT, {"messages": messages, "max_tokens": 2, "max_completion_tokens": 700}),
        (Dialect.COMPLETIONS, {"prompt": [text, text], "max_tokens": 700}),
        (Dialect.EMBEDDINGS, {"input": [text, text]}),
    ):
        body = json.dumps({"model": "m", **fields}, ensure_ascii=False).encode()
        needed = 2 * tokens + (0 if dialect is Dialect.EMBEDDINGS else 700)
        assert needed <= parse(dialect, body).context_tokens <= 2.2 * needed + 100


def test_token_ids_take_no_more_tokens_than_the_context_says():
    assert completion(prompt=[50_000] * 500).context_tokens >= 500


def test_nobody_knows_the_context_of_what_is_not_text():
    assert chat(**content({"type": "image_url", "image_url": {"url": "https://a/b"}}), max_tokens=5).context_tokens == 0


def test_other_dialects_have_capabilities_of_their_own():
    assert completion(guided_json={"a": 1}).capabilities == {Capability.JSON_SCHEMA}
    assert embedding(tools=[1]).capabilities == {Capability.EMBEDDINGS}


@pytest.mark.parametrize(
    "message",
    [
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "assistant"},
        {"role": "a role of tomorrow", "content": ""},
    ],
)
def test_messages_are_not_held_to_more_than_the_gateway_needs(message):
    assert chat(messages=[message]).document["messages"] == [message]


@pytest.mark.parametrize(
    ("parsed", "fields", "param", "code"),
    [
        (chat, {"model": None}, "model", "missing_required_parameter"),
        (chat, {"model": ""}, "model", "invalid_type"),
        (chat, {"model": 5}, "model", "invalid_type"),
        (chat, {"messages": None}, "messages", "missing_required_parameter"),
        (chat, {"messages": "Hello"}, "messages", "invalid_type"),
        (chat, {"messages": []}, "messages", "empty_array"),
        (chat, {"messages": [*HELLO, "Hello"]}, "messages[1]", "invalid_type"),
        (chat, {"messages": [{"content": "Hello"}]}, "messages[0].role", "missing_required_parameter"),
        (chat, {"messages": [{"role": ""}]}, "messages[0].role", "invalid_type"),
        (chat, {"messages": [{"role": "user", "content": {"text": ""}}]}, "messages[0].content", "invalid_type"),
        (chat, {"stream": "yes"}, "stream", "invalid_type"),
        (chat, {"stream": 1}, "stream", "invalid_type"),
        (chat, {"stream_options": []}, "stream_options", "invalid_type"),
        (chat, {"stream_options": {"include_usage": 1}}, "stream_options.include_usage", "invalid_type"),
        (chat, {"n": 0}, "n", "invalid_value"),
        (chat, {"n": 129}, "n", "invalid_value"),
        (chat, {"n": True}, "n", "invalid_type"),
        (chat, {"n": 1.0}, "n", "invalid_type"),
        (completion, {"best_of": 129}, "best_of", "invalid_value"),
        (completion, {"best_of": -1}, "best_of", "invalid_value"),
        (completion, {"best_of": "20"}, "best_of", "invalid_type"),
        (chat, {"best_of": 20.0}, "best_of", "invalid_type"),
        (chat, {"max_tokens": -1}, "max_tokens", "invalid_value"),
        (chat, {"max_completion_tokens": "7"}, "max_completion_tokens", "invalid_type"),
        (completion, {"max_tokens": 1 << 31}, "max_tokens", "invalid_value"),
        (completion, {"prompt": None}, "prompt", "missing_required_parameter"),
        (completion, {"prompt": {}}, "prompt", "invalid_type"),
        (completion, {"prompt": []}, "prompt", "empty_array"),
        (completion, {"prompt": ["a", 1]}, "prompt", "invalid_type"),
        (completion, {"prompt": [True]}, "prompt", "invalid_type"),
        (embedding, {"input": None}, "input", "missing_required_parameter"),
        (embedding, {"input": [{}]}, "input", "invalid_type"),
    ],
)
def test_a_wrong_field_is_named_in_openais_words(parsed, fields, param, code):
    with pytest.raises(InvalidRequest) as refused:
        parsed(**fields)
    assert (refused.value.param, refused.value.error_code) == (param, code)
    assert f"'{param}'" in refused.value.message


def test_a_view_is_only_a_view():
    body = {"model": "fast", "messages": copy.deepcopy(HELLO), "tools": [{"type": "function"}], "stream": True}
    assert parse(Dialect.CHAT, json.dumps(body).encode()).document == body
