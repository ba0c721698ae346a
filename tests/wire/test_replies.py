"""Replies are ours whoever wrote them, and complete only when everything that makes them so has come."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.records import Usage
from gateway.errors import Unavailable, UpstreamFailed, UpstreamRejected
from gateway.wire.replies import (
    DONE,
    Done,
    Failed,
    Forward,
    Skip,
    StreamReply,
    model_entry,
    models_list,
    whole,
)
from gateway.wire.requests import Dialect
from gateway.wire.sse import Event, SseReader
from tests.wire.recordings import recording

RECORDED = ["vllm_stream", "vllm_tool_stream", "vllm_invocations_stream", "llamacpp_stream"]
THEIRS = (b"tiny", b"SmolLM2", b"vllm-0.32.0", b"b0-unknown")


def stream(dialect=Dialect.CHAT, *, wants_usage=False, choices=1) -> StreamReply:
    return StreamReply(dialect, alias="fast", reply_id="0f", wants_usage=wants_usage, choices=choices)


def event(data: object) -> Event:
    raw = data if isinstance(data, bytes) else json.dumps(data, separators=(",", ":")).encode()
    return Event(b"data: " + raw + b"\n\n", raw)


def chunk(delta=None, *, finish=None, index=0, **fields) -> Event:
    choice = {"index": index, "delta": delta or {}, "finish_reason": finish}
    return event({"id": "theirs-1", "object": "chat.completion.chunk", "model": "tiny", "choices": [choice], **fields})


def take_all(reply: StreamReply, events) -> list:
    return [reply.take(each) for each in events]


def said(piece) -> dict:
    assert isinstance(piece, Forward)
    assert piece.data.startswith(b"data: ")
    assert piece.data.endswith(b"\n\n")
    assert piece.data.count(b"\n") == 2
    return json.loads(piece.data[6:])


# Recorded streams


@pytest.mark.parametrize("wants_usage", [True, False])
@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_stream_is_forwarded_whole_and_becomes_ours(name, wants_usage):
    events = SseReader().feed(recording(name).body)
    reply = stream(wants_usage=wants_usage)
    pieces = take_all(reply, events)
    assert pieces[-1] == Done(DONE)
    assert reply.is_complete
    assert [piece.is_content for piece in pieces[:2]] == [False, True]
    for theirs, piece in zip(events[:-1], pieces[:-1], strict=True):
        written = json.loads(theirs.data)
        if not wants_usage and written["choices"] == []:
            assert piece == Skip()
            continue
        expected = {**written, "id": "chatcmpl-0f", "model": "fast"}
        if "system_fingerprint" in written:
            expected["system_fingerprint"] = None
        assert said(piece) == expected
        assert list(said(piece)) == list(written)
        assert not any(mark in piece.data for mark in THEIRS)


def test_a_recorded_stream_is_changed_in_no_other_byte():
    events = SseReader().feed(recording("vllm_stream").body)
    piece = stream().take(events[1])
    assert piece.data == events[1].raw.replace(b"chatcmpl-abc-123", b"chatcmpl-0f").replace(b"tiny-llama", b"fast")


@pytest.mark.parametrize(
    ("name", "usage"),
    [("vllm_stream", Usage(14, 3)), ("llamacpp_stream", Usage(31, 3)), ("vllm_tool_stream", None)],
)
def test_usage_is_remembered_whether_or_not_it_is_shown(name, usage):
    reply = stream()
    take_all(reply, SseReader().feed(recording(name).body))
    assert reply.usage == usage


def test_an_engine_that_dies_is_a_failure_although_it_says_done():
    events = SseReader().feed(recording("vllm_engine_dead_stream").body)
    assert events[-1].data == b"[DONE]"
    reply = stream()
    *forwarded, broken, end = take_all(reply, events)
    assert all(isinstance(piece, Forward) for piece in forwarded)
    assert isinstance(broken, Failed)
    assert isinstance(broken.error, UpstreamFailed)
    assert broken.error.message == UpstreamFailed.default_message
    assert isinstance(end, Failed)
    assert not reply.is_complete
    assert reply.has_content


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_stream_cut_anywhere_is_not_complete(name):
    events = SseReader().feed(recording(name).body)
    for length in range(len(events)):
        reply = stream()
        take_all(reply, events[:length])
        assert not reply.is_complete


# Content


@pytest.mark.parametrize(
    ("delta", "is_content"),
    [
        ({"role": "assistant"}, False),
        ({"role": "assistant", "content": ""}, False),
        ({"role": "assistant", "content": None, "tool_calls": [], "refusal": None}, False),
        ({"content": " "}, True),
        ({"reasoning": "hm"}, True),
        ({"reasoning_content": "hm"}, True),
        ({"tool_calls": [{"index": 0}]}, True),
        ({"function_call": {"name": "f"}}, True),
        ({"refusal": "no"}, True),
        ({"audio": {"data": "A"}}, True),
        ({"a field of tomorrow": "x"}, True),
    ],
)
def test_content_begins_with_the_first_thing_that_is_said(delta, is_content):
    reply = stream()
    piece = reply.take(chunk(delta))
    assert piece.is_content is is_content
    assert reply.has_content is is_content
    if is_content:
        assert reply.take(chunk({})).is_content


def test_a_finish_is_content_of_its_own():
    assert stream().take(chunk(finish="stop")).is_content


@pytest.mark.parametrize(("text", "is_content"), [("", False), (" ", True)])
def test_a_completions_text_is_content(text, is_content):
    reply = stream(Dialect.COMPLETIONS)
    piece = reply.take(event({"id": "x", "model": "m", "choices": [{"index": 0, "text": text}]}))
    assert piece.is_content is is_content
    assert said(piece)["id"] == "cmpl-0f"


@pytest.mark.parametrize("choices", [None, []])
def test_an_event_without_choices_says_nothing_and_is_forwarded(choices):
    piece = stream().take(event({"id": "x", "model": "m", "choices": choices, "prompt_filter_results": []}))
    assert not piece.is_content
    assert said(piece)["prompt_filter_results"] == []


def test_comments_are_for_us():
    assert stream().take(Event(b": hello\n\n", b"")) == Skip()


# Usage


@pytest.mark.parametrize("wants_usage", [True, False])
def test_usage_beside_choices_stays_where_it_is(wants_usage):
    reply = stream(wants_usage=wants_usage)
    piece = reply.take(chunk({"content": "a"}, usage={"prompt_tokens": 7, "completion_tokens": 0}))
    assert said(piece)["usage"] == {"prompt_tokens": 7, "completion_tokens": 0}
    assert reply.usage == Usage(7, 0)
    assert said(reply.take(chunk({"content": "a"}, usage=None)))["usage"] is None
    assert reply.usage == Usage(7, 0)


def test_a_server_that_leaves_a_count_out_counted_nothing():
    reply = stream()
    assert reply.take(event({"choices": [], "usage": {"prompt_tokens": None}})) == Skip()
    assert reply.usage == Usage(0, 0)


# Completeness


def test_an_end_counts_only_after_a_finish():
    reply = stream()
    reply.take(chunk({"content": "a"}))
    piece = reply.take(event(b"[DONE]"))
    assert isinstance(piece, Failed)
    assert piece.error.detail == "end without a finish"
    assert not reply.is_complete


def test_an_end_without_anything_is_no_answer():
    assert isinstance(stream().take(event(b"[DONE]")), Failed)


def test_every_choice_that_began_must_finish():
    reply = stream(choices=3)
    take_all(reply, [chunk({"content": "a"}, index=0), chunk({"content": "b"}, index=2), chunk(finish="stop", index=0)])
    assert isinstance(reply.take(event(b"[DONE]")), Failed)
    reply = stream(choices=2)
    take_all(reply, [chunk({"content": "a"}, index=1), chunk(finish="stop", index=1), chunk(finish="stop", index=0)])
    assert reply.take(event(b"[DONE]")) == Done(DONE)


USAGE_ONLY = event({"id": "theirs-1", "model": "tiny", "choices": [], "usage": {"prompt_tokens": 3}})


@pytest.mark.parametrize(
    ("choices", "events", "is_complete"),
    [
        (2, [chunk({"content": "a"}), chunk(finish="stop")], False),
        (2, [chunk({"content": "a"}), chunk(finish="stop"), USAGE_ONLY], False),
        (2, [chunk(finish="stop"), chunk(finish="stop")], False),
        (3, [chunk(finish="stop", index=1), chunk(finish="length", index=2)], False),
        # One that says nothing at all has finished, too.
        (2, [chunk(finish="stop"), chunk(finish="stop", index=1)], True),
        (2, [chunk(finish="stop"), chunk({"content": "b"}, index=1), chunk(finish="stop", index=1), USAGE_ONLY], True),
        (1, [chunk({"role": "assistant"}), chunk(finish="stop"), USAGE_ONLY], True),
    ],
)
@pytest.mark.parametrize("dialect", [Dialect.CHAT, Dialect.COMPLETIONS])
def test_every_choice_that_was_asked_for_must_finish(dialect, choices, events, is_complete):
    reply = stream(dialect, choices=choices)
    take_all(reply, events)
    last = reply.take(event(b"[DONE]"))
    assert reply.is_complete is is_complete
    if is_complete:
        assert last == Done(DONE)
    else:
        assert isinstance(last, Failed)
        assert last.error.detail == "end without a finish"


def test_all_choices_in_one_event_finish_together():
    both = [{"index": index, "text": "a", "finish_reason": "stop"} for index in (0, 1)]
    reply = stream(Dialect.COMPLETIONS, choices=2)
    reply.take(event({"id": "theirs-1", "model": "tiny", "choices": both}))
    assert reply.take(event(b"[DONE]")) == Done(DONE)


def test_what_comes_after_the_end_is_not_forwarded():
    reply = stream()
    take_all(reply, [chunk(finish="stop"), event(b"[DONE]")])
    assert reply.take(chunk({"content": "more"})) == Skip()
    assert reply.is_complete


@pytest.mark.parametrize(
    ("broken", "kind"),
    [
        (event({"error": {"message": "no", "code": 400}}), UpstreamRejected),
        (event({"error": {"message": "no", "code": 503}}), Unavailable),
        (event({"error": "no"}), UpstreamFailed),
        (chunk({"content": "a"}, error={"message": "no"}), UpstreamFailed),
        (event(b"{"), UpstreamFailed),
        (event(b"<html>"), UpstreamFailed),
        (event(b"[]"), UpstreamFailed),
        (event(b'{"choices":"x"}'), UpstreamFailed),
        (event(b'{"choices":[{"index":"x"}]}'), UpstreamFailed),
        (event(b'{"id":7}'), UpstreamFailed),
        (event(b'{"choices":[],"x":"\xff"}'), UpstreamFailed),
        (event(b'{"id":"theirs-1","model":"tiny","choices":[],"x":"\xff"}'), UpstreamFailed),
        (event(b'{"id":"theirs-1","model":"tiny","choices":[],"x":[1,,2]}'), UpstreamFailed),
        (event(b'{"x":' + b"[" * 100_000), UpstreamFailed),
        (chunk({"content": "a"}, index=1), UpstreamFailed),
        (chunk({"content": "a"}, index=-1), UpstreamFailed),
        (chunk(finish="abort"), UpstreamFailed),
        (chunk(finish="error"), UpstreamFailed),
    ],
)
@pytest.mark.parametrize("before", [[], [chunk({"content": "a"})]])
def test_a_stream_that_breaks_stays_broken(broken, kind, before):
    reply = stream()
    take_all(reply, before)
    piece = reply.take(broken)
    assert isinstance(piece, Failed)
    assert type(piece.error) is kind
    for later in (chunk(finish="stop"), event(b"[DONE]")):
        assert isinstance(reply.take(later), Failed)
    assert not reply.is_complete


def test_a_delta_in_no_known_form_is_no_beginning():
    assert isinstance(stream().take(event(b'{"choices":[{"delta":"x"}]}')), Failed)


@given(st.binary(max_size=40), st.sampled_from([b"", b'{"id":"theirs-1","model":"tiny","choices":[', b'{"x":"']))
def test_no_bytes_make_it_raise_or_send_two_events(noise, start):
    piece = stream().take(Event(b"", start + noise))
    if isinstance(piece, Forward):
        said(piece)


def test_an_error_does_not_tell_private_names():
    reply = StreamReply(
        Dialect.CHAT, alias="fast", reply_id="0f", wants_usage=False, choices=1, private=("tiny-llama",)
    )
    piece = reply.take(event({"error": {"message": "tiny-llama cannot do that", "code": 400}}))
    assert piece.error.message == UpstreamRejected.default_message


def test_a_null_error_is_none():
    assert isinstance(stream().take(chunk({"content": "a"}, error=None)), Forward)


# Spelling

IDS = {"id": "theirs-1", "model": "tiny"}


@pytest.mark.parametrize(
    "data",
    [
        b'{"id": "theirs-1", "model": "tiny", "choices": []}',
        b'{ "id" : "theirs-1", "model"\t:"tiny","choices":[]}',
        b'{"id":"theirs\\u002d1","model":"tiny","choices":[]}',
        b'{"id":"theirs-1","id":"theirs-1","model":"tiny","choices":[]}',
        b'{"id":"theirs-1","model":"tiny","choices":[],"x":{"id":"theirs-1"}}',
        b'{"id":"theirs-1","model":"tiny","choices":[],"x":"\\"model\\":\\"tiny\\""}',
        b'{"x\\"id":"theirs-1","id" :"theirs-1","model":"tiny","choices":[]}',
        b'{"id":"theirs-1",\n"model":"tiny","choices":[]}',
        b'{"model":"tiny","choices":[]}',
        b'{"id":"theirs-1","choices":[]}',
        b'{"id":null,"model":null,"choices":[]}',
        b'{"id":"theirs-1","model":"tiny","system_fingerprint":"fp","choices":[]}',
        b'{"id":"theirs-1","model":"tiny","system_fingerprint" : "fp","choices":[]}',
        b'{"id":"theirs-1","model":"tiny","system_fingerprint":null,"choices":[]}',
        b'{"model":"tiny","system_fingerprint":"fp","choices":[]}',
        '{"id":"theirs-1","model":"模型\\n\\"x\\"","choices":[]}'.encode(),
    ],
)
def test_every_spelling_becomes_ours_and_nothing_else_changes(data):
    written = json.loads(data)
    expected = {**written, "id": "chatcmpl-0f", "model": "fast"}
    if "system_fingerprint" in written:
        expected["system_fingerprint"] = None
    reply = stream()
    assert said(reply.take(event(data))) == expected
    assert said(reply.take(event(data))) == expected


def test_a_server_that_changes_its_ids_midway_is_followed():
    reply = stream()
    inner = {"id": "theirs-1", "model": "theirs-1"}
    for name in ("theirs-1", "theirs-2", "theirs-1"):
        piece = reply.take(event({"id": name, "model": name, "choices": []}))
        assert said(piece) == {"id": "chatcmpl-0f", "model": "fast", "choices": []}
        piece = reply.take(event({"id": name, "model": name, "choices": [], "x": inner}))
        assert said(piece) == {"id": "chatcmpl-0f", "model": "fast", "choices": [], "x": inner}


TEXTS = st.text(max_size=8) | st.sampled_from(['"id":"theirs-1"', '"model":"tiny"', "theirs-1", "tiny", "\\", '"'])


@given(
    st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(["id", "model", "content", "x"], TEXTS)), max_size=4),
    st.fixed_dictionaries({}, optional=dict.fromkeys(["id", "model", "system_fingerprint"], TEXTS)),
    st.sampled_from([(",", ":"), (", ", ": "), (" ,", " : ")]),
    st.booleans(),
)
def test_no_content_is_ever_taken_for_an_id(inner, head, separators, escaped):
    document = {**head, "choices": [], "x": inner}
    reply = stream()
    for _ in range(2):
        data = json.dumps(document, separators=separators, ensure_ascii=escaped).encode()
        ours = said(reply.take(event(data)))
        assert ours.pop("id") == "chatcmpl-0f"
        assert ours.pop("model") == "fast"
        assert ours.pop("system_fingerprint", None) is None
        assert ours == {"choices": [], "x": inner}


# Whole answers


@pytest.mark.parametrize(
    ("name", "dialect", "usage"),
    [
        ("vllm_chat", Dialect.CHAT, Usage(14, 12)),
        ("vllm_json_schema", Dialect.CHAT, None),
        ("vllm_logprobs", Dialect.CHAT, Usage(14, 1)),
        ("vllm_tool_named", Dialect.CHAT, Usage(155, 39)),
        ("vllm_tool_req", Dialect.CHAT, Usage(155, 60)),
        ("llamacpp_json", Dialect.CHAT, Usage(41, 23)),
        ("llamacpp_tools", Dialect.CHAT, Usage(37, 64)),
        ("vllm_completions", Dialect.COMPLETIONS, Usage(3, 5)),
    ],
)
def test_a_recorded_answer_becomes_ours(name, dialect, usage):
    body = recording(name).body
    reply = whole(dialect, body, alias="fast", reply_id="0f")
    written = json.loads(body)
    prefix = "chatcmpl-" if dialect is Dialect.CHAT else "cmpl-"
    expected = {**written, "id": prefix + "0f", "model": "fast", "system_fingerprint": None}
    assert json.loads(reply.body) == expected
    assert reply.usage == (usage or Usage(written["usage"]["prompt_tokens"], written["usage"]["completion_tokens"]))


@pytest.mark.parametrize(("counted", "usage"), [((-5, 7), (0, 7)), ((3, -(10**30)), (3, 0)), ((10**30, 7), (10**9, 7))])
def test_what_a_server_counts_is_neither_credit_nor_more_than_a_record_holds(counted, usage):
    told = {"prompt_tokens": counted[0], "completion_tokens": counted[1]}
    body = json.dumps({"choices": [{"finish_reason": "stop"}], "usage": told}).encode()
    assert whole(Dialect.CHAT, body, alias="fast", reply_id="0f").usage == Usage(*usage)
    reply = stream()
    reply.take(event({"choices": [], "usage": told}))
    assert reply.usage == Usage(*usage)


def test_recorded_embeddings_lose_their_id_and_keep_their_numbers():
    body = recording("vllm_embeddings").body
    reply = whole(Dialect.EMBEDDINGS, body, alias="fast", reply_id="0f")
    expected = {**json.loads(body), "model": "fast"}
    assert expected.pop("id").startswith("embd-")
    assert json.loads(reply.body) == expected
    assert reply.usage is not None
    assert reply.usage.completion_tokens == 0


def test_embeddings_without_an_id_are_changed_in_the_model_only():
    body = b'{"object":"list","data":[{"embedding":[0.10]}],"model":"tiny"}'
    reply = whole(Dialect.EMBEDDINGS, body, alias="fast", reply_id="0f")
    assert reply.body == body.replace(b"tiny", b"fast")
    assert reply.usage is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>busy</html>",
        b"[]",
        b'{"choices":[{"finish_reason":"stop"}]',
        b'{"choices":[{"finish_reason":"stop"}],"x":"\xff"}',
        b'{"id":"x","model":"m","data":[1],"choices":[{"finish_reason":"stop"}],"x":"\xff"}',
        b'{"error":{"message":"no","code":400}}',
        b'{"error":"no","choices":[{"finish_reason":"stop"}],"data":[1]}',
        b"{}",
        b'{"choices":[],"data":[]}',
        b'{"choices":null}',
        b'{"choices":[{"finish_reason":null}]}',
        b'{"choices":[{"finish_reason":"stop"},{}]}',
        b'{"choices":[{"finish_reason":"abort"}]}',
        b'{"choices":[{"finish_reason":"error"}]}',
        b'{"choices":"x"}',
        b'{"message":"' + recording("vllm_notfound").body.replace(b'"', b"") + b'"}',
    ],
)
@pytest.mark.parametrize("dialect", Dialect)
def test_a_200_that_is_no_complete_answer_is_a_failure(dialect, body):
    with pytest.raises(UpstreamFailed) as failed:
        whole(dialect, body, alias="fast", reply_id="0f")
    assert failed.value.__cause__ is None


# Models


def test_models_are_listed_in_openais_shape():
    entry = {"id": "fast", "object": "model", "created": 7, "owned_by": "tidegate"}
    assert json.loads(model_entry("fast", 7)) == entry
    assert json.loads(models_list(["fast", "big"], 7)) == {"object": "list", "data": [entry, {**entry, "id": "big"}]}
    assert json.loads(models_list([], 7)) == {"object": "list", "data": []}
