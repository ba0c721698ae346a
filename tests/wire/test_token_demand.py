"""What is set aside for a request is what it may take: its text by bytes, its answer by what it asks for."""

import json
from typing import Any

import pytest

from gateway.wire.requests import Dialect, Request, parse
from gateway.wire.token_demand import IMAGE_TOKENS, answer_tokens, capped, prompt_tokens


def request(dialect: Dialect = Dialect.CHAT, **fields: Any) -> tuple[Request, int]:
    usual: dict[str, Any] = {"model": "m"}
    if dialect is Dialect.CHAT and "messages" not in fields:
        usual["messages"] = [{"role": "user", "content": "Hi."}]
    body = json.dumps({**usual, **fields}, ensure_ascii=False).encode()
    return parse(dialect, body), len(body)


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        ({}, None),
        ({"max_tokens": None}, None),
        ({"max_tokens": 0}, 0),
        ({"max_tokens": 7}, 7),
        ({"max_completion_tokens": 9}, 9),
        ({"max_tokens": 7, "max_completion_tokens": 9}, 9),
    ],
)
def test_the_longest_answer_is_what_the_client_asks_for(fields, asked) -> None:
    assert answer_tokens(request(**fields)[0]) == asked


def test_an_embedding_has_no_answer_and_nothing_to_cap() -> None:
    asked, size = request(Dialect.EMBEDDINGS, input=["some text"])
    assert answer_tokens(asked) == 0
    assert prompt_tokens(asked, size) == asked.context_tokens
    assert capped(asked, 5) is asked


@pytest.mark.parametrize("dialect", [Dialect.CHAT, Dialect.COMPLETIONS])
def test_what_is_asked_for_the_answer_is_no_part_of_the_prompt(dialect: Dialect) -> None:
    own = {"prompt": "Once"} if dialect is Dialect.COMPLETIONS else {}
    short, long = (request(dialect, max_tokens=most, **own) for most in (1, 9))
    assert prompt_tokens(*short) == prompt_tokens(*long) > 0


@pytest.mark.parametrize(
    ("fields", "most", "sent"),
    [
        ({}, 50, {"max_tokens": 50}),
        ({"max_tokens": 60}, 50, {"max_tokens": 50}),
        ({"max_tokens": 40}, 50, {"max_tokens": 40}),
        ({"max_completion_tokens": 60, "max_tokens": 5}, 50, {"max_completion_tokens": 50, "max_tokens": 5}),
        ({"max_completion_tokens": None, "max_tokens": None}, 50, {"max_completion_tokens": None, "max_tokens": 50}),
    ],
)
def test_no_longer_answer_is_asked_for_than_the_cap(fields, most, sent) -> None:
    asked, _ = request(**fields)
    before = dict(asked.document)
    document = capped(asked, most).document
    assert {name: value for name, value in document.items() if name not in ("model", "messages")} == sent
    assert asked.document == before
    assert capped(capped(asked, most), most).document == document


def parts(*content: Any) -> dict[str, Any]:
    return {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": list(content)}]}


PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 40_000}}
SOUND = {"type": "input_audio", "input_audio": {"data": "A" * 40_000, "format": "wav"}}
TEXT = {"type": "text", "text": "What is this?"}


@pytest.mark.parametrize(
    ("content", "least", "most"),
    [
        ((TEXT, PICTURE), IMAGE_TOKENS, IMAGE_TOKENS + 50),
        ((TEXT, PICTURE, PICTURE), 2 * IMAGE_TOKENS, 2 * IMAGE_TOKENS + 50),
        ((TEXT, SOUND), 100, 150),
        (
            (TEXT, {"type": "input_audio", "input_audio": "nonsense", "more": "A" * 9000}),
            IMAGE_TOKENS,
            IMAGE_TOKENS + 50,
        ),
        ((TEXT, "no part", {"type": "file", "file": {}}), 1, 300),  # never more than came in
    ],
)
def test_what_is_no_text_has_a_usual_size(content, least, most) -> None:
    asked, size = request(**parts(*content), max_tokens=5)
    assert least <= prompt_tokens(asked, size) <= most


def test_a_message_without_content_takes_its_template() -> None:
    messages = [{"role": "assistant", "tool_calls": []}, {"role": "user", "content": [PICTURE]}]
    asked, size = request(messages=messages)
    assert prompt_tokens(asked, size) == IMAGE_TOKENS + 32
