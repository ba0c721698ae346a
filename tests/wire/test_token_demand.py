"""What is set aside for a request is what it may take: its text by bytes, its answer by what it asks for."""

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.wire.requests import Dialect, Request, parse
from gateway.wire.token_demand import IMAGE_TOKENS, answer_tokens, answers_written, capped, prompt_tokens, text_tokens

ROOT = Path(__file__).resolve().parents[2]


def request(dialect: Dialect = Dialect.CHAT, **fields: Any) -> tuple[Request, bytes]:
    usual: dict[str, Any] = {"model": "m"}
    if dialect is Dialect.CHAT and "messages" not in fields:
        usual["messages"] = [{"role": "user", "content": "Hi."}]
    body = json.dumps({**usual, **fields}, ensure_ascii=False).encode()
    return parse(dialect, body), body


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


@pytest.mark.parametrize(
    ("dialect", "fields", "written"),
    [
        (Dialect.CHAT, {}, 1),
        (Dialect.CHAT, {"n": 3}, 3),
        (Dialect.CHAT, {"best_of": 5}, 5),
        (Dialect.CHAT, {"n": 3, "best_of": 5}, 5),
        (Dialect.CHAT, {"n": 3, "best_of": None}, 3),
        (Dialect.COMPLETIONS, {"prompt": "a", "best_of": 20}, 20),
        (Dialect.COMPLETIONS, {"prompt": ["a", "b"], "best_of": 20}, 40),
        (Dialect.COMPLETIONS, {"prompt": ["a", "b"], "n": 2, "best_of": 3}, 6),
        # A server refuses that; should it not, it writes what it gives.
        (Dialect.COMPLETIONS, {"prompt": "a", "n": 4, "best_of": 2}, 4),
        (Dialect.COMPLETIONS, {"prompt": "a", "best_of": 0}, 1),
    ],
)
def test_what_is_written_is_more_than_what_is_given_where_the_best_of_many_is_asked_for(
    dialect: Dialect, fields: dict[str, Any], written: int
) -> None:
    assert answers_written(request(dialect, **fields)[0]) == written


@pytest.mark.parametrize("other", [-5_000_000_000, 0, 5, 5_000_000_000, "5"])
def test_a_name_of_another_dialect_says_nothing_of_the_answer(other: object) -> None:
    # It is passed on unread: a number below 0 would be credit, in the tenant's limits and in everybody's budget.
    unsaid, _ = request(Dialect.COMPLETIONS, prompt="Once", max_completion_tokens=other)
    said, _ = request(Dialect.COMPLETIONS, prompt="Once", max_completion_tokens=other, max_tokens=7)
    assert (answer_tokens(unsaid), answer_tokens(said)) == (None, 7)
    assert capped(unsaid, 50).document["max_tokens"] == 50
    assert capped(said, 5).document["max_tokens"] == 5
    assert capped(said, 50) is said


def test_an_embedding_has_no_answer_and_nothing_to_cap() -> None:
    asked, body = request(Dialect.EMBEDDINGS, input=["some text"])
    assert answer_tokens(asked) == 0
    assert prompt_tokens(asked, body) == text_tokens(body)
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
        ({"max_tokens": 5, "n_predict": -1}, 50, {"max_tokens": 5}),  # llama.cpp's own name comes before OpenAI's
        ({"max_tokens": 60, "n_predict": 9000}, 50, {"max_tokens": 50}),
        ({"n_predict": 9000}, 50, {"max_tokens": 50}),
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
    asked, body = request(**parts(*content), max_tokens=5)
    assert least <= prompt_tokens(asked, body) <= most


def test_a_message_without_content_takes_its_template() -> None:
    messages = [{"role": "assistant", "tool_calls": []}, {"role": "user", "content": [PICTURE]}]
    asked, body = request(messages=messages)
    assert prompt_tokens(asked, body) == IMAGE_TOKENS + 32


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("a", 1),
        ("seven letters and spaces", 8),
        ("2026", 4),
        ("{}[]", 4),
        ("潮汐网关", 6),
        ("Tide 潮 21", 6),
    ],
)
def test_each_kind_of_bytes_has_its_weight(text: str, tokens: int) -> None:
    assert text_tokens(text.encode()) == tokens


@pytest.mark.parametrize("dialect", [Dialect.CHAT, Dialect.COMPLETIONS])
def test_text_counts_the_same_however_a_client_writes_it(dialect: Dialect) -> None:
    own = {"prompt": "潮汐"} if dialect is Dialect.COMPLETIONS else {"messages": [{"role": "user", "content": "潮汐"}]}
    asked, body = request(dialect, **own)
    escaped = json.dumps(asked.document).encode()
    assert b"\\u" in escaped
    assert abs(prompt_tokens(parse(dialect, escaped), escaped) - prompt_tokens(asked, body)) <= 4


@pytest.mark.parametrize("name", ["docs/operating.md", "docs/operating.zh.md", "docs/metrics.md"])
def test_less_is_set_aside_than_a_token_for_every_byte_and_more_than_for_every_five(name: str) -> None:
    text = (ROOT / name).read_bytes()
    assert len(text) / 5 < text_tokens(text) < len(text)
