"""Whose words are whose in a request, and what an answer said, streamed or not."""

import json
from typing import Any

import pytest

from gateway.core.taint import Speaker, Turn, folded
from gateway.wire.requests import Dialect, parse
from gateway.wire.turns import texts_of_answer, texts_of_stream, turns_of

CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"name": "\\u4e2d\\u6587"}'}}


def chat(*messages: dict[str, Any]) -> tuple[Turn, ...]:
    return turns_of(parse(Dialect.CHAT, json.dumps({"model": "m", "messages": messages}).encode()))


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"role": "system", "content": "a"}, Turn(Speaker.SYSTEM, ("a",))),
        ({"role": "developer", "content": "a"}, Turn(Speaker.SYSTEM, ("a",))),
        ({"role": "user", "content": "a"}, Turn(Speaker.USER, ("a",))),
        ({"role": "assistant", "content": "a"}, Turn(Speaker.MODEL, ("a",))),
        ({"role": "model", "content": "a"}, Turn(Speaker.MODEL, ("a",))),
        ({"role": "tool", "content": "a"}, Turn(Speaker.TOOL, ("a",))),
        ({"role": "function", "content": "a"}, Turn(Speaker.TOOL, ("a",))),
        ({"role": "assistant", "content": None, "refusal": "no"}, Turn(Speaker.MODEL, ("no",))),
        ({"role": "assistant", "content": "a", "reasoning_content": "b"}, Turn(Speaker.MODEL, ("a", "b"))),
        (
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url"}, "x"]},
            Turn(Speaker.USER, ("a",)),
        ),
        ({"role": "assistant", "tool_calls": [CALL, {"function": None}, 1]}, Turn(Speaker.MODEL, ('{"name":"中文"}',))),
        (
            {"role": "assistant", "function_call": {"name": "f", "arguments": "no JSON"}},
            Turn(Speaker.MODEL, ("no JSON",)),
        ),
    ],
)
def test_each_message_is_a_turn_with_its_texts(message: dict[str, Any], expected: Turn) -> None:
    assert chat(message) == (expected,)


@pytest.mark.parametrize(
    ("dialect", "fields", "expected"),
    [
        (Dialect.COMPLETIONS, {"prompt": "a"}, ("a",)),
        (Dialect.COMPLETIONS, {"prompt": ["a", "b"]}, ("a", "b")),
        (Dialect.COMPLETIONS, {"prompt": [1, 2]}, ()),
        (Dialect.EMBEDDINGS, {"input": "a"}, ("a",)),
    ],
)
def test_prompts_are_what_users_say(dialect: Dialect, fields: dict[str, Any], expected: tuple[str, ...]) -> None:
    request = parse(dialect, json.dumps({"model": "m", **fields}).encode())
    assert turns_of(request) == tuple(Turn(Speaker.USER, (text,)) for text in expected)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"choices": [{"message": {"role": "assistant", "content": "a"}}, {"message": {"content": "b"}}]}, ("a", "b")),
        ({"choices": [{"text": "a"}, {"text": "b"}]}, ("a", "b")),
        ({"choices": [{"message": {"content": None, "tool_calls": [CALL]}}]}, ('{"name":"中文"}',)),
        ({"choices": [{"message": None}, 1]}, ()),
        ({"data": []}, ()),
        ([], ()),
    ],
)
def test_an_answer_says_its_texts(answer: object, expected: tuple[str, ...]) -> None:
    assert texts_of_answer(json.dumps(answer).encode()) == expected


def test_what_is_no_answer_says_nothing() -> None:
    assert texts_of_answer(b"\xff") == ()


def events(*chunks: object) -> bytes:
    return b"".join(b"data: %b\n\n" % json.dumps(chunk).encode() for chunk in chunks) + b": c\n\ndata: [DONE]\n\n"


def delta(index: int = 0, **fields: object) -> dict[str, object]:
    return {"choices": [{"index": index, "delta": fields}]}


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (events(delta(role="assistant"), delta(content="a"), delta(content="b")), ("ab",)),
        (events(delta(content="a"), delta(1, content="b"), delta(content="c")), ("ac", "b")),
        (events(delta(reasoning_content="a"), delta(content="b")), ("a", "b")),
        (events({"choices": [{"index": 0, "text": "a"}]}, {"choices": [{"index": 0, "text": "b"}]}), ("ab",)),
        (
            events(
                delta(tool_calls=[{"index": 0, "function": {"name": "f", "arguments": '{"name": "\\u4e2d'}}]),
                delta(tool_calls=[{"index": 0, "function": {"arguments": '\\u6587"}'}}]),
                delta(tool_calls=[{"index": 1, "function": {"arguments": "{}"}}, {"index": 2}]),
            ),
            ('{"name":"中文"}', "{}"),
        ),
        (events({"choices": [{"index": 0, "delta": None}]}, {"usage": {}}), ()),
    ],
)
def test_a_stream_says_its_pieces_joined(stream: bytes, expected: tuple[str, ...]) -> None:
    assert texts_of_stream(stream) == expected


def test_what_was_streamed_is_found_again_in_the_next_request() -> None:
    said = texts_of_stream(events(delta(content="Hello, "), delta(content="world."), delta(tool_calls=[CALL])))
    again = chat({"role": "assistant", "content": "Hello,  world.", "tool_calls": [CALL]})
    assert [folded(text) for text in said] == [folded(text) for text in again[0].texts]
