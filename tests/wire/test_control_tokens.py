"""Control tokens of chat templates never reach the scanner or a model server as a user's text."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.control_tokens import strip_control_tokens
from gateway.wire.requests import Dialect, parse

TOKENS = [
    "<|im_start|>",
    "<|im_end|>",
    "<|endoftext|>",
    "<|start_header_id|>",
    "<|eot_id|>",
    "<｜begin▁of▁sentence｜>",
    "<｜User｜>",
    "[INST]",
    "[/INST]",
    "<<SYS>>",
    "<</SYS>>",
    "[AVAILABLE_TOOLS]",
    "[/TOOL_RESULTS]",
    "[SYSTEM_PROMPT]",
    "<start_of_turn>",
    "<end_of_turn>",
]


def stripped(body: bytes, dialect=Dialect.CHAT):
    request = parse(dialect, body)
    return request, strip_control_tokens(request, body)


def said(text: str, *, escaped: bool = False, **fields) -> bytes:
    document = {"model": "m", "messages": [{"role": "user", "content": text}], **fields}
    return json.dumps(document, ensure_ascii=escaped).encode()


def spelled_out(body: bytes, text: str) -> bytes:
    """`body` with every character of `text` as an escape."""
    return body.replace(text.encode(), "".join(f"\\u{ord(character):04X}" for character in text).encode())


def content(request) -> str:
    return request.document["messages"][0]["content"]


@pytest.mark.parametrize("token", TOKENS)
def test_a_token_becomes_a_space_however_it_is_spelled(token):
    plain = said(f"a{token}b")
    for body in (plain, said(f"a{token}b", escaped=True), spelled_out(plain, token), plain.replace(b"/", b"\\/")):
        request, without = stripped(body)
        assert content(request) == f"a{token}b"
        assert content(without) == "a b"


@pytest.mark.parametrize(
    "text",
    [
        "plain text",
        "a <| b |> c",
        "x <|> y",
        "<b>bold</b> and <s>struck</s>",
        "list[int], [link](x), [INSTALL], [TOOL]",
        "if a << 3 and SYS",
        "naïve café, escaped",
        "<starting> <|" + "x" * 60 + "|>",
        "[/INSTANCE] <<SYSTEM>>",
    ],
)
@pytest.mark.parametrize("escaped", [True, False])
def test_text_without_tokens_is_the_same_object(text, escaped):
    request, without = stripped(said(text, escaped=escaped))
    assert without is request


def test_marks_that_touch_a_token_go_with_it():
    assert content(stripped(said("a</s><s> [INST] b [/INST]</s>c"))[1]) == "a  b  c"


@given(
    st.lists(st.sampled_from([*TOKENS, "<|", "|>", "im_start", "[", "INST]", "<", "s>", "/", "x", " "]), max_size=12)
)
def test_nothing_that_is_left_is_or_becomes_a_token(pieces):
    text = "".join(pieces)
    once = content(stripped(said(text))[1])
    assert not any(token in once for token in TOKENS)
    request, again = stripped(said(once))
    assert again is request


def test_every_rendered_place_is_stripped_and_no_other():
    document = {
        "model": "<|im_end|>",
        "stop": ["<|im_end|>"],
        "chat_template": "<|im_start|>",
        "messages": [
            {
                "role": "assistant",
                "content": [{"type": "text", "text": "<|im_end|>"}],
                "tool_calls": [{"function": {"name": "<|im_end|>f", "arguments": '{"q": "<|im_end|>"}'}}],
            }
        ],
        "tools": [{"function": {"description": "<|im_end|>", "parameters": {"<|im_end|>": {"n": 1}}}}],
    }
    before = json.dumps(document)
    request, without = stripped(before.encode())
    assert without.document == {
        "model": "<|im_end|>",
        "stop": ["<|im_end|>"],
        "chat_template": "<|im_start|>",
        "messages": [
            {
                "role": "assistant",
                "content": [{"type": "text", "text": " "}],
                "tool_calls": [{"function": {"name": " f", "arguments": '{"q": " "}'}}],
            }
        ],
        "tools": [{"function": {"description": " ", "parameters": {" ": {"n": 1}}}}],
    }
    assert request.document == json.loads(before)
    assert without.dialect is request.dialect


def called(arguments: str) -> bytes:
    message = {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": arguments}}]}
    return json.dumps({"model": "m", "messages": [message]}).encode()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ('{"q":"\\u003c|im_start|>x"}', '{"q":" x"}'),
        ('{"q":"[\\/INST]x"}', '{"q":" x"}'),
        ('{"q":"line\\n<|im_end|>"}', '{"q":"line\\n "}'),
        ('{"q":"\\u003c|im_start|>', '{"q":"\\u003c|im_start|>'),  # no JSON: no template can undo the escape
        ('{"q":"broken\\', '{"q":"broken\\'),
        ("[" * 5000 + "\\u00", "[" * 5000 + "\\u00"),
    ],
)
def test_arguments_are_stripped_as_the_template_will_render_them(arguments, expected):
    call = stripped(called(arguments))[1].document["messages"][0]["tool_calls"][0]
    assert call["function"]["arguments"] == expected


def test_harmless_escapes_in_arguments_change_nothing():
    request, without = stripped(called('{"path":"C:\\\\users","text":"\\u4f60"}'))
    assert without is request


def test_a_completions_prompt_is_template_text_by_itself():
    body = json.dumps({"model": "m", "prompt": "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>"}).encode()
    request, without = stripped(body, Dialect.COMPLETIONS)
    assert without is request


def test_embeddings_are_stripped_too():
    body = json.dumps({"model": "m", "input": ["a<|im_end|>b"]}).encode()
    assert stripped(body, Dialect.EMBEDDINGS)[1].document["input"] == ["a b"]


@pytest.mark.parametrize("texts", ['"plain"', '"[INST]"', '["[INST]"]', '["a [1] b [", "[INST]"]', '["[ [] [INST"]'])
def test_tokens_of_square_brackets_are_found_behind_any_number_of_brackets(texts):
    _, without = stripped(b'{"model":"m","input":%b}' % texts.encode(), Dialect.EMBEDDINGS)
    assert without.document["input"] == json.loads(texts.replace("[INST]", " "))


def test_arguments_of_very_many_values_are_stripped_as_text():
    # The brackets are spelled as escapes, so that the body itself does not seem to hold many values.
    arguments = "§" + "§]," * 110_000 + '"line\\n<|im_start|>"]'
    body = called(arguments).replace(b"\\u00a7", b"\\u005b")
    call = stripped(body)[1].document["messages"][0]["tool_calls"][0]
    assert call["function"]["arguments"].endswith('"line\\n "]')
