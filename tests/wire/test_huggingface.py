"""Hugging Face's form: what is asked, what is answered, and what is refused because the form cannot say it."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidRequest, UpstreamFailed
from gateway.wire import huggingface
from gateway.wire.huggingface import MAX_LINE, HuggingFaceStream, completion
from gateway.wire.projection import project
from gateway.wire.replies import Done, Failed, Forward, StreamReply, whole
from gateway.wire.requests import Dialect, parse
from gateway.wire.sse import SseReader

HELLO = [{"role": "user", "content": "Hello"}]


def asked(messages=None, **fields):
    request = parse(Dialect.CHAT, json.dumps({"model": "m", "messages": messages or HELLO, **fields}).encode())
    return huggingface.body_of(request, project(request, "sagemaker"))


def test_a_conversation_becomes_one_text():
    body = asked(
        [
            {"role": "system", "content": "Be brief."},
            {"role": "developer", "content": ""},
            {"role": "user", "content": [{"type": "text", "text": "One"}, {"type": "text", "text": "two?"}]},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]},
            {"role": "assistant", "content": None},
            {"role": "user", "content": "Why?", "name": "never-sent"},
        ]
    )
    assert body == {
        "inputs": "System: Be brief.\n\nSystem: \n\nUser: One\ntwo?\n\n"
        "Assistant: No.\n\nAssistant: \n\nUser: Why?\n\nAssistant:",
        "parameters": {"details": True, "return_full_text": False},
    }


@pytest.mark.parametrize(
    ("fields", "parameters"),
    [
        ({"max_tokens": 5}, {"max_new_tokens": 5}),
        ({"max_tokens": 5, "max_completion_tokens": 6}, {"max_new_tokens": 6}),
        ({"temperature": 0}, {"do_sample": False}),
        ({"temperature": 0.7}, {"do_sample": True, "temperature": 0.7}),
        ({"top_p": 1}, {}),
        ({"top_p": 0.9}, {"top_p": 0.9}),
        ({"top_k": -1}, {}),
        ({"top_k": 40}, {"top_k": 40}),
        ({"repetition_penalty": 1.1, "frequency_penalty": 0}, {"repetition_penalty": 1.1}),
        ({"stop": "END"}, {"stop": ["END"]}),
        ({"stop": ["a", "b"]}, {"stop": ["a", "b"]}),
        ({"stop": []}, {}),
        ({"presence_penalty": 1, "user": "u", "metadata": {"a": "b"}, "seed": 1, "verbosity": "low"}, {}),
        ({"response_format": {"type": "text"}, "tools": [], "logprobs": False, "n": 1}, {}),
    ],
)
def test_settings_are_said_in_their_words_or_left_out(fields, parameters):
    assert asked(**fields)["parameters"] == {"details": True, "return_full_text": False, **parameters}


def test_a_stream_is_asked_for():
    assert asked(stream=True)["stream"] is True
    assert "stream" not in asked(stream=False)


TOOL = {"type": "function", "function": {"name": "f"}}
CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [TOOL]}, "tools"),
        ({"logprobs": True}, "logprobs"),
        ({"logit_bias": {"5": 1}}, "logit_bias"),
        ({"guided_regex": "a"}, "guided_regex"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"n": 2}, "n"),
        ({"messages": [*HELLO, {"role": "tool", "content": "x", "tool_call_id": "1"}]}, "messages[1]"),
        ({"messages": [{"role": "assistant", "tool_calls": [CALL]}]}, "messages[0]"),
        (
            {"messages": [{"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}}]},
            "messages[0]",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,x"}}]}]},
            "messages[0]",
        ),
    ],
)
def test_what_the_form_cannot_say_is_refused(fields, param):
    with pytest.raises(InvalidRequest) as refused:
        asked(**fields)
    assert refused.value.param == param


def test_only_a_chat_is_asked():
    request = parse(Dialect.COMPLETIONS, b'{"model": "m", "prompt": "Hello"}')
    with pytest.raises(InvalidRequest, match="chat completions only"):
        huggingface.body_of(request, project(request, "sagemaker"))


# Whole answers


def completed(document):
    return json.loads(completion(json.dumps(document).encode(), created=7))


@pytest.mark.parametrize("wrap", [lambda answer: answer, lambda answer: [answer]])
def test_an_answer_becomes_a_completion_and_unknown_usage_stays_unknown(wrap):
    assert completed(wrap({"generated_text": " Hi."})) == {
        "id": "huggingface",
        "object": "chat.completion",
        "created": 7,
        "model": "huggingface",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": " Hi."},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
    }


@pytest.mark.parametrize(
    ("details", "finish", "usage"),
    [
        ({"finish_reason": "length", "generated_tokens": 3}, "length", None),
        ({"finish_reason": "eos_token", "generated_tokens": 3, "prefill": []}, "stop", None),
        ({"finish_reason": "stop_sequence", "generated_tokens": 3, "prefill": [{}, {}]}, "stop", (2, 3)),
        ({"finish_reason": "stop", "generated_tokens": 3, "input_length": 9}, "stop", (9, 3)),
        ({"finish_reason": "melted"}, "error", None),
        ({}, "stop", None),
    ],
)
def test_details_say_how_it_ended_and_what_it_cost(details, finish, usage):
    reply = completed([{"generated_text": "Hi", "details": details}])
    assert reply["choices"][0]["finish_reason"] == finish
    counted = reply.get("usage")
    assert (counted and (counted["prompt_tokens"], counted["completion_tokens"])) == usage


def test_the_relay_takes_it_as_any_other_answer():
    body = completion(b'[{"generated_text": "Hi"}]', created=7)
    reply = whole(Dialect.CHAT, body, alias="chat", reply_id="abc")
    assert json.loads(reply.body)["model"] == "chat"
    assert json.loads(reply.body)["id"] == "chatcmpl-abc"
    assert reply.usage is None
    broken = completion(b'[{"generated_text": "Hi", "details": {"finish_reason": "melted"}}]', created=7)
    with pytest.raises(UpstreamFailed):
        whole(Dialect.CHAT, broken, alias="chat", reply_id="abc")


def test_a_container_that_answers_in_openais_form_is_believed():
    body = b'{"choices": [{"index": 0}], "model": "m"}'
    assert completion(body, created=7) is body


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"[]", b"{}", b'[{"generated_text": "a"}, {}]', b'"a"'])
def test_what_is_no_answer_fails(body):
    with pytest.raises(UpstreamFailed):
        completion(body, created=7)


# Streams

TGI = (
    b'data:{"index":1,"token":{"id":1,"text":"Hel","logprob":-1,"special":false},"generated_text":null,"details":null}\n\n'
    b": comment\n\n"
    b'data:{"token":{"id":2,"text":"lo","special":false},"generated_text":null}\n\n'
    b'data:{"token":{"id":3,"text":"</s>","special":true},"generated_text":"Hello",'
    b'"details":{"finish_reason":"eos_token","generated_tokens":3,"input_length":4}}\n\n'
)
LINES = (
    b'{"token": {"id": 1, "text": "Hello"}}\n'
    b'{"token": {"id": 2, "text": "!"}, "details": {"finish_reason": "length"}, "generated_text": "Hello!"}'
)


def streamed(data: bytes, *cuts: int) -> tuple[bytes, str | None]:
    stream = HuggingFaceStream(created=7)
    edges = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    events = [stream.feed(data[a:b]) for a, b in pairwise(edges)]
    return b"".join([*events, stream.end()]), stream.failure


def relayed(data: bytes):
    reply = StreamReply(Dialect.CHAT, alias="chat", reply_id="abc", wants_usage=True, choices=1)
    return [reply.take(event) for event in SseReader().feed(data)], reply


@pytest.mark.parametrize(
    ("data", "text", "finish", "usage"), [(TGI, "Hello", "stop", 4), (LINES, "Hello!", "length", None)]
)
def test_a_stream_becomes_chunks_that_the_relay_takes(data, text, finish, usage):
    events, failure = streamed(data)
    assert failure is None
    pieces, reply = relayed(events)
    assert isinstance(pieces[-1], Done)
    assert reply.is_complete
    assert (reply.usage and reply.usage.prompt_tokens) == usage
    chunks = [json.loads(piece.data[6:]) for piece in pieces if isinstance(piece, Forward)]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert "".join(delta.get("content", "") for delta in deltas) == text
    assert [c["finish_reason"] for chunk in chunks for c in chunk["choices"] if c["finish_reason"]] == [finish]


def test_a_stream_that_is_cut_is_never_done():
    for length in range(len(TGI) - 2):
        events, _ = streamed(TGI[:length])
        assert b"[DONE]" not in events


def test_nothing_is_said_after_the_end():
    assert streamed(TGI + LINES) == streamed(TGI)


def test_a_finish_that_nobody_knows_is_no_completed_answer():
    events, _ = streamed(b'{"token":{"text":"a"},"generated_text":"a","details":{"finish_reason":"melted"}}')
    assert isinstance(relayed(events)[0][-2], Failed)


def test_events_in_openais_form_pass():
    data = b'data: {"id":"x","choices":[{"index":0,"delta":{"content":"a"}}]}\n\ndata: [DONE]\n\n'
    assert streamed(data) == (data, None)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"error": "Traceback: secret", "error_type": "generation"}\n', "error in a stream"),
        (b"{not json}\n", "line that is not Hugging Face's form"),
        (b"[1]\n", "line that is not Hugging Face's form"),
    ],
)
def test_a_stream_that_fails_says_so_in_our_words(data, reason):
    events, failure = streamed(LINES[:38] + data + LINES)
    assert failure == reason
    assert b"[DONE]" not in events
    assert events.count(b"\n\n") == 2


def test_a_line_without_an_end_is_not_kept_for_ever():
    stream = HuggingFaceStream(created=7)
    assert stream.feed(b"{" + b"x" * MAX_LINE) == b""
    assert stream.failure == "line too long"
    assert stream.feed(LINES) == b""


@given(st.sampled_from([TGI, LINES, TGI[:-40], LINES[:30] + b"\n{}\n"]), st.lists(st.integers(0, 500), max_size=12))
def test_any_split_gives_the_same(data, cuts):
    assert streamed(data, *cuts) == streamed(data)
