"""What requests have in common that are worth sending to the same endpoint."""

import json

import pytest

from gateway.wire.beginning import MOST, beginning_of
from gateway.wire.requests import Dialect, parse


def chat(*messages: tuple[str, object]) -> str:
    listed = [{"role": role, "content": content} for role, content in messages]
    return beginning_of(parse(Dialect.CHAT, json.dumps({"model": "m", "messages": listed}).encode()))


def test_every_turn_of_a_conversation_begins_alike():
    first = [("system", "Be brief."), ("user", "What is a tide?")]
    later = [*first, ("assistant", "Water that comes and goes."), ("user", "Why?")]
    assert chat(*first) == chat(*later) == "Be brief.\nWhat is a tide?"


def test_conversations_with_one_system_prompt_do_not():
    assert chat(("system", "S"), ("user", "a")) != chat(("system", "S"), ("user", "b"))
    assert chat(("developer", "S"), ("user", "a")) == "S\na"


def test_parts_count_by_their_text_and_nothing_else_does():
    parts = [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": "data:x"}}, "odd", {"text": 1}]
    assert chat(("user", parts)) == "see"
    assert chat(("user", None)) == ""


def test_no_more_is_looked_at_than_matters():
    assert chat(("user", "x" * 100_000)) == "x" * MOST
    assert chat(("user", [{"type": "text", "text": "x" * 700}] * 20)) == "x" * MOST
    assert len(chat(*[("system", "x" * 3000)] * 20)) < 3000
    # However long what everybody shares, the question tells.
    assert chat(("system", "x" * 100_000), ("user", "a")) != chat(("system", "x" * 100_000), ("user", "b"))


@pytest.mark.parametrize(
    ("prompt", "beginning"),
    [("Once", "Once"), ("x" * 9999, "x" * MOST), (["Once", "Twice"], "Once"), ([[1, 2]], "[1, 2]"), ([1, 2], "")],
)
def test_a_completion_begins_with_its_prompt(prompt, beginning):
    body = json.dumps({"model": "m", "prompt": prompt}).encode()
    assert beginning_of(parse(Dialect.COMPLETIONS, body)) == beginning


def test_nothing_is_kept_of_what_was_embedded():
    assert beginning_of(parse(Dialect.EMBEDDINGS, b'{"model": "m", "input": "x"}')) == ""
