"""No request makes a model server reach anywhere, whatever the pool (threats.md, I11)."""

import json

import pytest

from gateway.errors import Forbidden, InvalidRequest
from gateway.wire import reach
from gateway.wire.requests import Dialect, parse


def chat(*parts, dialect=Dialect.CHAT, **fields):
    message = {"role": "user", "content": list(parts) or "Hello"}
    document = {"model": "m", "messages": [message], "prompt": "p", "input": "i", **fields}
    return parse(dialect, json.dumps(document).encode())


@pytest.mark.parametrize(
    "kind", ["mcp", "web_search", "file_search", "code_interpreter", "computer", "tomorrow", None, 5]
)
def test_tools_that_the_server_would_run_are_refused(kind):
    with pytest.raises(Forbidden) as refused:
        reach.refuse(chat(tools=[{"type": "function", "function": {"name": "f"}}, {"type": kind}]))
    assert (refused.value.param, refused.value.error_code) == ("tools[1].type", "server_side_tool")


@pytest.mark.parametrize("tools", [None, [], [{"type": "function"}], [{"function": {"name": "f"}}, {"type": "custom"}]])
def test_tools_that_the_caller_runs_may_pass(tools):
    reach.refuse(chat(tools=tools))


@pytest.mark.parametrize(("tools", "param"), [({"type": "mcp"}, "tools"), (["mcp"], "tools[0]")])
def test_tools_in_no_known_form_are_invalid(tools, param):
    with pytest.raises(InvalidRequest) as refused:
        reach.refuse(chat(tools=tools))
    assert refused.value.param == param


@pytest.mark.parametrize(
    "name",
    [
        "web_search_options",
        "search_parameters",
        "enable_search",
        "mcp_servers",
        "data_sources",
        "plugins",
        "kv_transfer_params",
        "ec_transfer_params",
    ],
)
@pytest.mark.parametrize("dialect", Dialect)
def test_fields_that_make_a_server_search_or_fetch_are_refused_in_every_dialect(name, dialect):
    with pytest.raises(Forbidden) as refused:
        reach.refuse(chat(dialect=dialect, **{name: {"remote_host": "10.0.0.7"}}))
    assert refused.value.param == name
    reach.refuse(chat(dialect=dialect, **{name: None}))


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "http://169.254.169.254/latest"}},
        {"type": "image_url", "image_url": {"url": "HTTPS://example"}},
        {"type": "image_url", "image_url": {"url": " data:image/png;base64,AAAA"}},
        {"type": "image_url", "image_url": {"url": "file:///etc/passwd"}},
        {"type": "image_url", "image_url": {"url": "/etc/passwd"}},
        {"type": "image_url", "image_url": {"url": ["http://example"]}},
        {"type": "image_url", "image_url": "ftp://example"},
        {"type": "input_image", "image_url": "relative"},
        {"type": "video_url", "video_url": {"url": "http://example"}},
        {"type": "audio_url", "audio_url": {"url": "http://example"}},
        {"type": "file", "file": {"file_url": "http://example"}},
        {"type": "image", "image": "https://example"},
        {"type": "image", "source": {"kind": "x", "uri": "s3-thing"}},
        {"type": "tomorrow", "deep": [[{"er": "\ts3://bucket/key"}]]},
        {"image_url": {"url": "http://example"}},
        {"type": "text", "text": "look", "image_url": {"url": "http://example"}},
        {"type": "text", "text": {"url": "http://example"}},
        {"type": "text", "image_url": "http://example"},
        {"type": ["http://example"], "text": "x"},
    ],
)
def test_content_that_the_server_would_fetch_is_refused(part):
    with pytest.raises(Forbidden) as refused:
        reach.refuse(chat({"type": "text", "text": "before"}, part))
    assert (refused.value.param, refused.value.error_code) == ("messages[0].content[1]", "remote_content")
    assert "example" not in refused.value.message


@pytest.mark.parametrize(
    "part",
    [
        {"type": "text", "text": "see http://example/ and file:///etc/passwd"},
        {"type": "text", "text": "http://example/", "cache_control": {"type": "ephemeral"}},
        {"type": "refusal", "refusal": "https://example"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
        {"type": "image_url", "image_url": {"url": "DATA:image/png;base64,AAAA"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav", "rate": 8}},
        {"type": "file", "file": {"file_id": "file-7"}},
        "a bare string with http://example",
        7,
    ],
)
def test_content_that_travels_with_the_request_may_pass(part):
    reach.refuse(chat({"type": "text", "text": "before"}, part))


def test_messages_are_looked_at_in_every_dialect():
    remote = {"type": "image_url", "image_url": {"url": "http://example"}}
    with pytest.raises(Forbidden):
        reach.refuse(chat(remote, dialect=Dialect.EMBEDDINGS))
    reach.refuse(chat(dialect=Dialect.EMBEDDINGS, messages=["Hello", {"content": "Hello"}]))
    reach.refuse(chat(dialect=Dialect.EMBEDDINGS, messages="Hello"))
