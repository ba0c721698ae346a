"""What leaves for a pool: everything for one at home, a projection for one in the cloud."""

import copy
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.labels import Label
from gateway.core.topology import Endpoint, Pool, SageMakerTarget, Zone
from gateway.errors import Forbidden, InvalidRequest
from gateway.wire.encode import encode
from gateway.wire.requests import Dialect, Request, parse
from tests.wire.json_values import JSON_VALUES, SMALL_JSON_VALUES

HOME = Zone("onprem", None)
CLOUD = Zone("cloud", None)


def pool(backend: str = "vllm", zone: Zone = HOME) -> Pool:
    return Pool("p", zone.name, Label(1), backend, "tiny-llama", (Endpoint("e"),))


def asked(dialect: Dialect = Dialect.CHAT, **fields) -> Request:
    base = {
        Dialect.CHAT: {"messages": [{"role": "user", "content": "Hello"}]},
        Dialect.COMPLETIONS: {"prompt": "Hello"},
        Dialect.EMBEDDINGS: {"input": "Hello"},
    }[dialect]
    return parse(dialect, json.dumps({"model": "fast", **base, **fields}).encode())


def at_home(request: Request, *, backend: str = "vllm", salt: str | None = None):
    return json.loads(encode(request, pool(backend), HOME, salt=salt).body)


def in_cloud(request: Request, *, backend: str = "openai", salt: str | None = None):
    return json.loads(encode(request, pool(backend, CLOUD), CLOUD, salt=salt).body)


@pytest.mark.parametrize("zone", [HOME, CLOUD])
@pytest.mark.parametrize(
    ("dialect", "fields", "target", "accept"),
    [
        (Dialect.CHAT, {}, b"/v1/chat/completions", b"application/json"),
        (Dialect.CHAT, {"stream": True}, b"/v1/chat/completions", b"text/event-stream"),
        (Dialect.COMPLETIONS, {}, b"/v1/completions", b"application/json"),
        (Dialect.EMBEDDINGS, {}, b"/v1/embeddings", b"application/json"),
    ],
)
def test_a_message_is_a_post_with_headers_of_ours(zone, dialect, fields, target, accept):
    message = encode(asked(dialect, **fields), pool(zone=zone), zone, salt=None)
    assert (message.method, message.target) == (b"POST", target)
    assert message.headers == ((b"content-type", b"application/json"), (b"accept", accept))


@pytest.mark.parametrize("streamed", [True, False])
def test_an_inference_component_is_named_from_the_settings_and_from_nothing_else(streamed):
    target = SageMakerTarget("eu-central-1", inference_component="burst-model")
    of = replace(pool("sagemaker", CLOUD), endpoints=(Endpoint("e", base_path="/endpoints/e"),), sagemaker=target)
    headers = dict(encode(asked(stream=streamed, inference_component="other"), of, CLOUD, salt=None).headers)
    assert headers[b"x-amzn-sagemaker-inference-component"] == b"burst-model"
    plain = encode(asked(), replace(of, sagemaker=replace(target, inference_component=None)), CLOUD, salt=None)
    assert b"x-amzn-sagemaker-inference-component" not in dict(plain.headers)


# At home


@given(st.dictionaries(st.text(min_size=1).map("x_".__add__), JSON_VALUES, max_size=4))
def test_at_home_every_field_passes_through(unknown):
    request = asked(temperature=0.5, user="u", seed=7, **unknown)
    before = copy.deepcopy(request.document)
    assert at_home(request) == {**before, "model": "tiny-llama"}
    assert request.document == before


@pytest.mark.parametrize("options", [None, {}, {"include_usage": False, "continuous_usage_stats": True}])
@pytest.mark.parametrize("dialect", [Dialect.CHAT, Dialect.COMPLETIONS])
def test_usage_is_asked_for_whenever_there_is_a_stream(dialect, options):
    sent = at_home(asked(dialect, stream=True, stream_options=options))
    assert sent["stream_options"] == {**(options or {}), "include_usage": True}
    assert "stream_options" not in at_home(asked(dialect))


@pytest.mark.parametrize("mine", [{}, {"cache_salt": "somebody else's"}])
@pytest.mark.parametrize("dialect", Dialect)
def test_the_salt_is_the_gateways_where_the_server_knows_one(dialect, mine):
    assert at_home(asked(dialect, **mine), salt="s")["cache_salt"] == "s"
    assert "cache_salt" not in at_home(asked(dialect, **mine))
    assert at_home(asked(dialect, **mine), backend="embedded", salt="s").get("cache_salt") == mine.get("cache_salt")
    assert in_cloud(asked(dialect, **mine), backend="vllm", salt="s")["cache_salt"] == "s"
    assert "cache_salt" not in in_cloud(asked(dialect, **mine), salt="s")


def test_the_servers_own_id_of_a_request_is_not_the_clients_to_choose():
    assert "request_id" not in at_home(asked(request_id="another tenant's"))


def test_at_home_a_server_is_told_how_long_its_client_still_waits_and_in_the_cloud_it_is_not():
    def headers(zone: Zone, left_s: float | None) -> dict[bytes, bytes]:
        return dict(encode(asked(), pool(zone=zone), zone, salt=None, left_s=left_s).headers)

    assert headers(HOME, 2.5)[b"x-tidegate-timeout"] == b"2.500"
    assert headers(HOME, -1.0)[b"x-tidegate-timeout"] == b"0.001"
    assert b"x-tidegate-timeout" not in headers(HOME, None)
    assert headers(CLOUD, 2.5).keys() == headers(CLOUD, None).keys()


@pytest.mark.parametrize("zone", [HOME, CLOUD])
def test_nothing_that_reaches_elsewhere_is_encoded_for_any_pool(zone):
    with pytest.raises(Forbidden):
        encode(asked(tools=[{"type": "mcp"}]), pool(zone=zone), zone, salt=None)


# In the cloud

EVERYTHING = {
    "messages": [
        {"role": "system", "content": "Be brief.", "name": "boss"},
        {"role": "developer", "content": [{"type": "text", "text": "a"}]},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "b"},
                {"type": "image_url", "image_url": {"url": "data:,", "detail": "low"}},
                {"type": "input_audio", "input_audio": {"data": "AA==", "format": "wav"}},
            ],
        },
        {
            "role": "assistant",
            "content": [{"type": "refusal", "refusal": "no"}],
            "refusal": "no",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                {"id": "c2", "type": "custom", "custom": {"name": "g", "input": "x"}},
            ],
            "function_call": {"name": "f", "arguments": "{}"},
        },
        {"role": "tool", "content": "42", "tool_call_id": "c1"},
        {"role": "function", "content": "42", "name": "f"},
    ],
    "temperature": 0.5,
    "top_p": 1,
    "n": 2,
    "max_tokens": 5,
    "max_completion_tokens": 6,
    "stop": ["a", "b"],
    "presence_penalty": 0.1,
    "frequency_penalty": 0.2,
    "logit_bias": {"50256": -100},
    "logprobs": True,
    "top_logprobs": 2,
    "tools": [
        {
            "type": "function",
            "function": {"name": "f", "description": "d", "parameters": {"any": {"thing": [1]}}, "strict": True},
        },
        {"type": "custom", "custom": {"name": "g", "description": "d", "format": {"type": "text"}}},
    ],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "parallel_tool_calls": False,
    "functions": [{"name": "f", "description": "d", "parameters": {"type": "object"}}],
    "function_call": {"name": "f"},
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "s", "description": "d", "schema": {"type": "object"}, "strict": True},
    },
    "reasoning_effort": "low",
    "verbosity": "high",
}


def test_in_the_cloud_every_listed_field_arrives():
    assert in_cloud(asked(**EVERYTHING)) == {**EVERYTHING, "model": "tiny-llama", "store": False}


IDENTITY = {
    "user": "alice",
    "safety_identifier": "alice",
    "metadata": {"case": "7"},
    "prompt_cache_key": "alice",
    "seed": 7,
    "store": True,
    "service_tier": "flex",
    "cache_salt": "alice",
    "stream_options": {"tag": "alice"},
    "unheard_of": {"name": "alice"},
}


@pytest.mark.parametrize("dialect", Dialect)
@pytest.mark.parametrize("backend", ["openai", "vllm", "sagemaker"])
def test_what_is_not_listed_does_not_leave(dialect, backend):
    sent = in_cloud(asked(dialect, **IDENTITY), backend=backend)
    body = {"messages", "prompt", "input"}
    ours = {"model"} | ({"store"} if (backend, dialect) == ("openai", Dialect.CHAT) else set())
    assert set(sent) - body == ours
    assert "alice" not in json.dumps(sent)


def test_what_is_not_listed_does_not_leave_from_any_depth():
    request = asked(
        messages=[
            {"role": "user", "content": [{"type": "text", "text": "a", "secret": 1}], "secret": 1},
            {
                "role": "assistant",
                "tool_calls": [
                    {"type": "function", "secret": 1, "function": {"name": "f", "arguments": "{}", "secret": 1}}
                ],
            },
        ],
        tools=[{"type": "function", "secret": 1, "function": {"name": "f", "secret": 1}}],
        response_format={"type": "json_schema", "secret": 1, "json_schema": {"name": "s", "secret": 1}},
    )
    assert "secret" not in json.dumps(in_cloud(request))


def test_store_is_refused_only_where_the_server_knows_it():
    assert in_cloud(asked(store=True))["store"] is False
    assert "store" not in in_cloud(asked(store=True), backend="sagemaker")
    assert "store" not in in_cloud(asked(Dialect.COMPLETIONS, store=True))


@pytest.mark.parametrize("dialect", [Dialect.CHAT, Dialect.COMPLETIONS])
def test_a_cloud_stream_asks_for_usage_and_nothing_else(dialect):
    sent = in_cloud(asked(dialect, stream=True, stream_options={"include_usage": False, "x": 1}))
    assert sent["stream"] is True
    assert sent["stream_options"] == {"include_usage": True}


def test_sampling_that_is_not_openais_goes_only_to_other_servers():
    sampling = {
        "top_k": 5,
        "min_p": 0.1,
        "repetition_penalty": 1.1,
        "length_penalty": 1.0,
        "min_tokens": 2,
        "ignore_eos": True,
        "stop_token_ids": [2],
        "include_stop_str_in_output": False,
        "skip_special_tokens": True,
    }
    for dialect in (Dialect.CHAT, Dialect.COMPLETIONS):
        assert sampling.items() <= in_cloud(asked(dialect, **sampling), backend="sagemaker").items()
        assert not set(sampling) & set(in_cloud(asked(dialect, **sampling)))


CONSTRAINTS = {
    "guided_json": {"type": "object"},
    "guided_regex": "a+",
    "guided_choice": ["a", "b"],
    "guided_grammar": "root ::= x",
    "structured_outputs": {"json": {}, "regex": "a", "choice": ["a"], "grammar": "g", "json_object": True},
}


@pytest.mark.parametrize("dialect", [Dialect.CHAT, Dialect.COMPLETIONS])
@pytest.mark.parametrize("name", CONSTRAINTS)
def test_a_constraint_goes_where_it_is_known_and_is_never_silently_lost(dialect, name):
    request = asked(dialect, **{name: CONSTRAINTS[name]})
    assert in_cloud(request, backend="sagemaker")[name] == CONSTRAINTS[name]
    with pytest.raises(InvalidRequest) as refused:
        in_cloud(request)
    assert refused.value.param == name
    assert name not in in_cloud(asked(dialect, **{name: None}))


@pytest.mark.parametrize(
    "choice",
    [
        "auto",
        {"type": "custom", "custom": {"name": "g"}},
        {
            "type": "allowed_tools",
            "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]},
        },
    ],
)
def test_every_tool_choice_arrives(choice):
    assert in_cloud(asked(tool_choice=choice))["tool_choice"] == choice


def test_completions_and_embeddings_have_lists_of_their_own():
    fields = {"prompt": ["a", "b"], "suffix": "c", "echo": True, "best_of": 2, "logprobs": 3, "stop": "x"}
    assert in_cloud(asked(Dialect.COMPLETIONS, **fields)) == {**fields, "model": "tiny-llama"}
    fields = {"input": ["a"], "encoding_format": "base64", "dimensions": 8}
    assert in_cloud(asked(Dialect.EMBEDDINGS, **fields, tools=[])) == {**fields, "model": "tiny-llama"}


def message(**fields):
    return {"messages": [{"role": "user", "content": "a", **fields}]}


@pytest.mark.parametrize(
    ("dialect", "fields", "param"),
    [
        (Dialect.CHAT, {"temperature": "hot"}, "temperature"),
        (Dialect.CHAT, {"temperature": True}, "temperature"),
        (Dialect.CHAT, {"logprobs": "yes"}, "logprobs"),
        (Dialect.CHAT, {"stop": 5}, "stop"),
        (Dialect.CHAT, {"stop": ["a", 5]}, "stop[1]"),
        (Dialect.CHAT, {"logit_bias": ["a"]}, "logit_bias"),
        (Dialect.CHAT, {"logit_bias": {"alice": 1}}, "logit_bias"),
        (Dialect.CHAT, {"logit_bias": {"٣": 1}}, "logit_bias"),
        (Dialect.CHAT, {"logit_bias": {"5": "alice"}}, "logit_bias"),
        (Dialect.CHAT, {"reasoning_effort": "alice"}, "reasoning_effort"),
        (Dialect.CHAT, {"reasoning_effort": ["low"]}, "reasoning_effort"),
        (Dialect.CHAT, {"parallel_tool_calls": 1}, "parallel_tool_calls"),
        (Dialect.CHAT, {"tool_choice": {"type": "mcp"}}, "tool_choice.type"),
        (Dialect.CHAT, {"tool_choice": 5}, "tool_choice.type"),
        (Dialect.CHAT, {"tools": [{"function": {"name": "f"}}]}, "tools[0].type"),
        (Dialect.CHAT, {"tools": [{"type": "function"}]}, "tools[0].function"),
        (Dialect.CHAT, {"functions": [5]}, "functions[0]"),
        (
            Dialect.CHAT,
            {"tools": [{"type": "function", "function": {"parameters": "x"}}]},
            "tools[0].function.parameters",
        ),
        (Dialect.CHAT, {"response_format": {"type": ["text"]}}, "response_format.type"),
        (Dialect.CHAT, message(role="oracle"), "messages[0].role"),
        (Dialect.CHAT, message(name=5), "messages[0].name"),
        (Dialect.CHAT, message(content=["bare"]), "messages[0].content[0].type"),
        (Dialect.CHAT, message(content=[{"type": "file", "file": {"file_id": "f"}}]), "messages[0].content[0].type"),
        (Dialect.CHAT, message(content=[{"type": "text"}]), "messages[0].content[0].text"),
        (Dialect.CHAT, message(role="assistant", tool_calls="x"), "messages[0].tool_calls"),
        (Dialect.COMPLETIONS, {"prompt": [1, 2]}, "prompt[0]"),
        (Dialect.COMPLETIONS, {"prompt": [[1, 2]]}, "prompt[0]"),
        (Dialect.EMBEDDINGS, {"encoding_format": "alice"}, "encoding_format"),
    ],
)
def test_a_listed_field_in_no_known_form_is_refused_for_the_cloud_and_not_at_home(dialect, fields, param):
    request = asked(dialect, **fields)
    with pytest.raises(InvalidRequest) as refused:
        in_cloud(request)
    assert refused.value.param == param
    assert "alice" not in refused.value.message
    assert fields.items() <= at_home(request).items()


def strings(value) -> set[str]:
    if isinstance(value, str):
        return {value}
    if isinstance(value, dict):
        return set(value).union(*map(strings, value.values()))
    if isinstance(value, list):
        return set().union(*map(strings, value))
    return set()


WORDS = st.text(max_size=4)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "user", "assistant", "tool"])},
        optional={
            "content": st.none()
            | WORDS
            | st.lists(
                st.fixed_dictionaries({"type": st.just("text"), "text": WORDS}, optional={"x": SMALL_JSON_VALUES}),
                max_size=3,
            ),
            "name": WORDS,
            "tool_call_id": WORDS,
            "reasoning_content": WORDS,
            "tool_calls": st.lists(
                st.fixed_dictionaries(
                    {
                        "type": st.just("function"),
                        "id": WORDS,
                        "function": st.fixed_dictionaries({"name": WORDS, "arguments": WORDS}),
                    }
                ),
                max_size=2,
            ),
        },
    ),
    min_size=1,
    max_size=3,
)
DOCUMENTS = st.fixed_dictionaries(
    {"messages": MESSAGES},
    optional={
        "stream": st.booleans(),
        "stop": WORDS | st.lists(WORDS, max_size=2),
        "user": WORDS,
        "metadata": SMALL_JSON_VALUES,
        "tools": st.lists(
            st.fixed_dictionaries(
                {
                    "type": st.just("function"),
                    "function": st.fixed_dictionaries(
                        {"name": WORDS, "parameters": st.dictionaries(WORDS, SMALL_JSON_VALUES, max_size=2)}
                    ),
                }
            ),
            max_size=2,
        ),
    },
)
HOSTILE = st.dictionaries(
    st.sampled_from(["temperature", "logit_bias", "response_format", "tool_choice", "stop", "functions", "verbosity"]),
    JSON_VALUES,
    min_size=1,
    max_size=2,
)
UNKNOWN = st.dictionaries(WORDS.map("x_".__add__), JSON_VALUES, max_size=3)
OURS = {"model", "tiny-llama", "stream", "stream_options", "include_usage", "store"}


@given(DOCUMENTS, UNKNOWN, st.sampled_from(["openai", "sagemaker"]))
def test_every_string_in_a_cloud_message_is_the_requests_or_ours(document, unknown, backend):
    request = parse(Dialect.CHAT, json.dumps({**unknown, **document, "model": "fast"}).encode())
    before = copy.deepcopy(request.document)
    sent = in_cloud(request, backend=backend)
    assert strings(sent) <= strings(before) | OURS
    assert not set(sent) & {*unknown, "user", "metadata"}
    assert request.document == before


@given(DOCUMENTS, HOSTILE)
def test_a_field_in_any_form_brings_nothing_else_along(document, hostile):
    request = parse(Dialect.CHAT, json.dumps({**document, **hostile, "model": "fast"}).encode())
    try:
        sent = in_cloud(request)
    except InvalidRequest:
        return
    assert strings(sent) <= strings(request.document) | OURS
