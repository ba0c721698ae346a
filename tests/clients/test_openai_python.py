"""openai-python against a running gateway: what an application that changes only its base URL meets."""

import contextlib
from collections.abc import AsyncIterator, Iterator

import openai
import pytest

from tests.clients.conftest import Gateway

QUESTION = [{"role": "user", "content": "What is the capital of France? Answer in one sentence."}]
ID_NUMBER = [{"role": "user", "content": "请核对身份证号11010519491231002X。"}]


def connect(gateway: Gateway, key: str | None = None) -> openai.OpenAI:
    # Without the environment: a proxy set there must not come between.
    http = openai.DefaultHttpxClient(trust_env=False)
    return openai.OpenAI(
        base_url=gateway.url, api_key=key or gateway.key, max_retries=0, timeout=60.0, http_client=http
    )


@pytest.fixture
def client(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with connect(gateway) as client:
        yield client


@pytest.fixture
async def async_client(gateway: Gateway) -> AsyncIterator[openai.AsyncOpenAI]:
    http = openai.DefaultAsyncHttpxClient(trust_env=False)
    async with openai.AsyncOpenAI(
        base_url=gateway.url, api_key=gateway.key, max_retries=0, timeout=60.0, http_client=http
    ) as client:
        yield client


def test_a_chat_is_answered_in_the_name_that_was_called(client):
    chat = client.chat.completions.create(model="chat-auto", messages=QUESTION, max_tokens=24, temperature=0)
    assert chat.object == "chat.completion"
    assert chat.model == "chat-auto"
    assert chat.choices[0].message.role == "assistant"
    assert chat.choices[0].message.content
    assert chat.choices[0].finish_reason in ("stop", "length")
    assert chat.usage is not None
    assert chat.usage.total_tokens == chat.usage.prompt_tokens + chat.usage.completion_tokens


def test_a_streamed_chat_says_what_the_whole_one_says(client):
    options = {"model": "chat-auto", "messages": QUESTION, "max_tokens": 24, "temperature": 0}
    whole = client.chat.completions.create(**options)
    chunks = list(client.chat.completions.create(**options, stream=True))
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert said == whole.choices[0].message.content
    assert chunks[-1].choices[0].finish_reason == whole.choices[0].finish_reason
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert {chunk.model for chunk in chunks} == {"chat-auto"}
    assert not any(chunk.usage for chunk in chunks)


def test_usage_comes_last_in_a_stream_to_those_who_ask(client):
    chunks = list(
        client.chat.completions.create(
            model="chat-auto", messages=QUESTION, max_tokens=8, stream=True, stream_options={"include_usage": True}
        )
    )
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert 0 < chunks[-1].usage.completion_tokens <= 8
    assert not any(chunk.usage for chunk in chunks[:-1])


def test_leaving_a_stream_early_is_no_trouble(client):
    for _ in range(3):
        with client.chat.completions.create(model="chat-auto", messages=QUESTION, stream=True) as stream:
            assert next(iter(stream)).object == "chat.completion.chunk"
    assert client.models.list().data


async def test_the_asynchronous_client_streams_too(async_client):
    stream = await async_client.chat.completions.create(model="chat-auto", messages=QUESTION, max_tokens=8, stream=True)
    assert [chunk async for chunk in stream][-1].choices[0].finish_reason in ("stop", "length")


@pytest.mark.parametrize("stream", [False, True])
def test_a_plain_completion_is_answered(client, stream):
    reply = client.completions.create(
        model="chat-auto", prompt="Once upon a time", max_tokens=8, temperature=0, stream=stream
    )
    last = list(reply)[-1] if stream else reply
    assert last.object == "text_completion"
    assert last.model == "chat-auto"
    assert last.choices[0].finish_reason == "length"


@pytest.mark.parametrize("form", ["float", "base64", None])
def test_an_embedding_is_a_vector_in_either_form(client, form):
    options = {} if form is None else {"encoding_format": form}
    reply = client.embeddings.create(model="chat-auto", input=["one", "two"], **options)
    assert [entry.index for entry in reply.data] == [0, 1]
    assert reply.model == "chat-auto"
    assert reply.data[0].embedding != reply.data[1].embedding
    assert len(reply.data[0].embedding) == len(reply.data[1].embedding) > 100


def test_the_models_are_the_aliases(client):
    names = [model.id for model in client.models.list()]
    assert "chat-auto" in names
    assert client.models.retrieve("chat-auto").id == "chat-auto"
    assert client.models.retrieve("chat-auto").object == "model"


def test_a_json_schema_goes_to_the_cloud_and_with_an_id_number_stays_home(client):
    schema = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 8}}, "required": ["name"]}
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    pools = []
    for messages in (QUESTION, ID_NUMBER):
        raw = client.chat.completions.with_raw_response.create(
            model="chat-auto", messages=messages, max_tokens=32, response_format=form
        )
        pools.append((raw.headers["x-tidegate-label"], raw.headers["x-tidegate-pool"]))
    assert pools == [("internal", "burst"), ("restricted", "home")]


def test_headers_carry_what_support_and_billing_ask_for(client):
    raw = client.chat.completions.with_raw_response.create(model="chat-auto", messages=QUESTION, max_tokens=4)
    assert raw.headers["x-request-id"]
    assert raw.parse()._request_id == raw.headers["x-request-id"]
    assert float(raw.headers["openai-processing-ms"]) > 0
    assert raw.headers["x-tidegate-decision"]
    assert raw.headers["content-type"].startswith("application/json")
    assert "server" not in raw.headers or "llama" not in raw.headers["server"].lower()


# Errors


def wrong_key(client: openai.OpenAI, gateway: Gateway) -> None:
    with connect(gateway, "not-a-key-of-this-gateway") as stranger:
        stranger.chat.completions.create(model="chat-auto", messages=QUESTION)


def unknown_model(client: openai.OpenAI, gateway: Gateway) -> None:
    client.chat.completions.create(model="gpt-4o", messages=QUESTION)


def unknown_model_entry(client: openai.OpenAI, gateway: Gateway) -> None:
    client.models.retrieve("gpt-4o")


def unknown_path(client: openai.OpenAI, gateway: Gateway) -> None:
    client.files.list()


def no_messages(client: openai.OpenAI, gateway: Gateway) -> None:
    client.chat.completions.create(model="chat-auto", messages="hello")  # type: ignore[arg-type]


def no_model(client: openai.OpenAI, gateway: Gateway) -> None:
    client.chat.completions.create(model=7, messages=QUESTION)  # type: ignore[arg-type]


def refused_by_the_model_server(client: openai.OpenAI, gateway: Gateway) -> None:
    client.chat.completions.create(model="chat-auto", messages=[{"role": "user", "content": "word " * 5000}])


@pytest.mark.parametrize(
    ("call", "error", "type_", "code"),
    [
        (wrong_key, openai.AuthenticationError, "invalid_request_error", "invalid_api_key"),
        (unknown_model, openai.NotFoundError, "invalid_request_error", "model_not_found"),
        (unknown_model_entry, openai.NotFoundError, "invalid_request_error", "model_not_found"),
        (unknown_path, openai.NotFoundError, "invalid_request_error", "unknown_url"),
        (no_messages, openai.BadRequestError, "invalid_request_error", None),
        (no_model, openai.BadRequestError, "invalid_request_error", None),
        (refused_by_the_model_server, openai.BadRequestError, "invalid_request_error", None),
    ],
)
def test_each_refusal_is_the_clients_own_kind_of_error(client, gateway, call, error, type_, code):
    with pytest.raises(error) as raised:
        call(client, gateway)
    refusal = raised.value
    assert refusal.type == type_
    assert code is None or refusal.code == code
    assert refusal.message
    assert refusal.request_id
    assert refusal.response.headers["x-tidegate-decision"]


def test_a_refusal_before_a_stream_is_a_plain_error(client, gateway):
    with contextlib.ExitStack() as stack, pytest.raises(openai.NotFoundError):
        stack.enter_context(client.chat.completions.create(model="gpt-4o", messages=QUESTION, stream=True))
