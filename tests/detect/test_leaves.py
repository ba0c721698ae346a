"""Every string, key and number of a request is a leaf, or is reported; nothing is skipped in silence."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.findings import Unscanned
from gateway.detect import leaves
from gateway.detect.leaves import LeafKind, number_text, walk


def texts(document, dialect="chat"):
    return [(leaf.path, leaf.text) for leaf in walk(dialect, document).leaves]


def carriers(document, dialect="chat"):
    return [(part.carrier, part.path) for part in walk(dialect, document).unscanned]


def user(content):
    return {"messages": [{"role": "user", "content": content}]}


def test_the_conversation_comes_first_and_in_order():
    document = {
        "user": "u",
        "messages": [{"role": "system", "content": "a", "name": "n"}, {"role": "user", "content": "b"}],
        "model": "m",
    }
    assert texts(document) == [
        ("messages[0].content", "a"),
        ("messages[1].content", "b"),
        ("user", "u"),
        ("messages[0].name", "n"),
        ("model", "m"),
    ]


def test_harmless_settings_are_no_leaves():
    document = {
        "temperature": 0.2,
        "top_p": 1,
        "max_tokens": 128,
        "stream": True,
        "n": 1,
        "stop": None,
        "reasoning_effort": "low",
        "stream_options": {"include_usage": True},
        "tool_choice": "auto",
        "response_format": {"type": "json_object"},
        "messages": [{"role": "user", "content": ""}],
    }
    assert walk("chat", document) == leaves.Walked((), ())


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("temperature", 1.1010519491231, "1.1010519491231"),
        ("max_tokens", 13812345678, "13812345678"),
        ("seed", 4111111111111111, "4111111111111111"),
        ("stream", "13812345678", "13812345678"),
        ("reasoning_effort", "13812345678", "13812345678"),
        ("stop", ["a13812345678"], "a13812345678"),
        ("n", 1e20, "100000000000000000000"),
        ("top_p", 1.5e-9, "1.5e-9"),
    ],
)
def test_a_setting_with_a_value_of_another_form_is_a_leaf(field, value, text):
    assert text in [leaf.text for leaf in walk("chat", {field: value}).leaves]


@pytest.mark.parametrize("field", ["temperature", "stream", "reasoning_effort", "user"])
def test_an_object_where_a_scalar_belongs_is_unknown_and_scanned(field):
    document = {field: {"secret": [7654321]}}
    assert carriers(document) == [("unknown_field", field)]
    assert texts(document) == [(f"{field}.{{key}}", "secret"), (f"{field}.{{key}}[0]", "7654321")]


def test_a_wrong_container_is_unknown_and_scanned():
    assert carriers({"messages": {"a": "b"}}) == [("unknown_field", "messages")]
    assert carriers({"stream_options": ["x"]}) == [("unknown_field", "stream_options")]
    assert carriers({"messages": ["x"]}) == []
    assert texts({"messages": ["x"]}) == [("messages[0]", "x")]
    assert carriers({"response_format": ["x"]}) == [("unknown_field", "response_format")]
    assert carriers(["x"]) == [("unknown_field", "")]
    assert texts("x") == [("", "x")]
    assert carriers({"stop": {"a": 1}}) == [("unknown_field", "stop")]


def test_an_unknown_field_is_reported_at_any_depth_and_its_key_is_scanned():
    document = {
        "previous_response_id": "resp_1",
        "messages": [{"role": "user", "content": "x", "zz": None}],
        "tools": [{"type": "function", "function": {"name": "f", "extra": True}}],
    }
    assert carriers(document) == [
        ("unknown_field", "{key}"),
        ("unknown_field", "messages[0].{key}"),
        ("unknown_field", "tools[0].function.{key}"),
    ]
    assert ("{key}", "previous_response_id") in texts(document)
    assert ("messages[0].{key}", "zz") in texts(document)


def test_free_json_is_scanned_with_its_keys_and_is_not_unknown():
    document = {"metadata": {"110105": ["a", 5, True, None, 2.5]}, "logit_bias": {"50256": -100}}
    assert carriers(document) == []
    assert texts(document) == [
        ("metadata.{key}", "110105"),
        ("metadata.{key}[0]", "a"),
        ("metadata.{key}[1]", "5"),
        ("metadata.{key}[4]", "2.5"),
        ("logit_bias.{key}", "50256"),
        ("logit_bias.{key}", "-100"),
    ]


def test_words_of_json_schema_are_shown_in_paths_and_not_scanned():
    schema = {"type": "object", "properties": {"id": {"type": "string", "default": "x1"}}}
    document = {"tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}]}
    assert texts(document) == [
        ("tools[0].function.name", "f"),
        ("tools[0].function.parameters.properties.{key}", "id"),
        ("tools[0].function.parameters.properties.{key}.default", "x1"),
    ]


@pytest.mark.parametrize(
    ("part", "carrier", "where"),
    [
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}, "image", ".image_url.url"),
        ({"type": "image_url", "image_url": "DATA:image/png;base64,AAAA"}, "image", ".image_url"),
        ({"type": "image_url", "image_url": {"url": "https://a.example/x"}}, "remote_url", ".image_url.url"),
        ({"type": "image_url", "image_url": {"url": "data:text/plain,hello"}}, "unknown_part", ".image_url.url"),
        ({"type": "image_url", "image_url": {"url": 5}}, None, ""),
        ({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}, "audio", ".input_audio.data"),
        ({"type": "file", "file": {"file_id": "file-1"}}, "file", ".file.file_id"),
        ({"type": "hologram", "text": "x"}, "unknown_part", ""),
        ({"text": "x"}, "unknown_part", ""),
        ({"type": ["text"], "text": "x"}, "unknown_part", ""),
    ],
)
def test_what_nobody_can_read_is_reported(part, carrier, where):
    expected = [] if carrier is None else [(carrier, f"messages[0].content[0]{where}")]
    assert carriers(user([part])) == expected


def test_a_short_opaque_value_is_scanned_besides_and_a_long_one_is_not():
    short = {"type": "file", "file": {"file_id": "x" * 100}}
    long = {"type": "file", "file": {"file_id": "x" * 5_000}}
    assert len(texts(user([short]))) == 1
    assert len(texts(user([long]))) == 0
    assert len(carriers(user([long]))) == 1


@pytest.mark.parametrize(
    ("prompt", "expected_texts", "expected_carriers"),
    [
        ("hello", [("prompt", "hello")], []),
        (["a", "b"], [("prompt[0]", "a"), ("prompt[1]", "b")], []),
        ([1, 2, 3], [], [("token_ids", "prompt")]),
        ([[1, 2], [3]], [], [("token_ids", "prompt[0]"), ("token_ids", "prompt[1]")]),
        ([13812345678, 5], [("prompt[0]", "13812345678")], [("token_ids", "prompt")]),
        ([], [], []),
        (["a", 1], [("prompt[0]", "a"), ("prompt[1]", "1")], []),
        (
            {"prompt_token_ids": [1]},
            [("prompt.{key}", "prompt_token_ids"), ("prompt.{key}[0]", "1")],
            [("unknown_part", "prompt")],
        ),
        (5.5, [("prompt", "5.5")], []),
    ],
)
def test_prompts_of_every_form_are_walked(prompt, expected_texts, expected_carriers):
    assert texts({"prompt": prompt}, "completions") == expected_texts
    assert carriers({"prompt": prompt}, "completions") == expected_carriers


def test_json_within_a_string_is_walked_with_duplicate_keys_and_exact_digits():
    arguments = '{"id": "a", "id": "b", "n": 1.10, "deep": "[\\"c\\"]"}'
    call = {"type": "function", "id": "call_1", "function": {"name": "f", "arguments": arguments}}
    document = {"messages": [{"role": "assistant", "tool_calls": [call]}]}
    place = "messages[0].tool_calls[0].function.arguments"
    assert texts(document) == [
        ("messages[0].tool_calls[0].id", "call_1"),
        ("messages[0].tool_calls[0].function.name", "f"),
        (f"{place}.{{key}}", "id"),
        (f"{place}.{{key}}", "a"),
        (f"{place}.{{key}}", "id"),
        (f"{place}.{{key}}", "b"),
        (f"{place}.{{key}}", "n"),
        (f"{place}.{{key}}", "1.10"),
        (f"{place}.{{key}}", "deep"),
        (f"{place}.{{key}}[0]", "c"),
    ]


def test_a_string_that_only_begins_like_json_is_text():
    assert texts(user("[see below")) == [("messages[0].content", "[see below")]
    assert texts(user("[" * 100_000)) == [("messages[0].content", "[" * 100_000)]


def test_json_in_json_is_walked_some_levels_and_scanned_as_text_below():
    text = '["x"]'
    for _ in range(6):
        text = json.dumps([text])
    assert [leaf.text[0] for leaf in walk("chat", user(text)).leaves] == ["["]


@pytest.mark.parametrize(
    ("document", "failure"),
    [
        ({"metadata": {str(i): "v" for i in range(leaves.MAX_LEAVES)}}, "TooManyLeaves"),
        ({"logit_bias": 2**5_000}, "NumberTooLong"),
        ({"metadata": {"a": {1, 2}}}, "NotJson"),
    ],
)
def test_a_bound_that_is_reached_is_a_failure(document, failure):
    assert walk("chat", document).failure == failure


def nested(levels, make, inner="x"):
    for _ in range(levels):
        inner = make(inner)
    return inner


@pytest.mark.parametrize(
    "document",
    [
        {"metadata": nested(100, lambda inner: [inner])},
        {"metadata": nested(100, lambda inner: {"a": inner})},
        {"messages": [{"content": nested(100, lambda inner: [inner])}]},
    ],
)
def test_depth_is_bounded_and_said(document):
    assert walk("chat", document).failure == "TooDeep"
    assert walk("completions", {"prompt": nested(100, lambda inner: [inner])}).failure == "TooDeep"


def test_nobody_knows_an_unknown_dialect():
    assert walk("smoke-signals", {}) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [(5, "5"), (-7, "-7"), (2.5, "2.5"), (13812345678.0, "13812345678"), (1e300, "1e300"), (1e20, "1" + "0" * 20)],
)
def test_numbers_are_written_out(value, text):
    assert number_text(value) == text


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(JSON, st.sampled_from(["metadata", "messages", "tools", "zz", "stop", "user", "response_format", "prediction"]))
def test_no_string_of_any_document_is_lost(value, field):
    walked = walk("chat", {field: value})
    assert walked.failure is None
    everything = "\n".join(leaf.text for leaf in walked.leaves)

    def strings(node):
        if isinstance(node, str):
            yield node
        elif isinstance(node, list):
            for inner in node:
                yield from strings(inner)
        elif isinstance(node, dict):
            for key, inner in node.items():
                yield from (key, *strings(inner))

    known = {"role", "content", "name", "type", "function", "user", "stop", "tools", "messages"}
    for text in strings(value):
        if text.lstrip()[:1] not in ("{", "[") and text not in leaves.SCHEMA_WORDS | known and len(text) > 1:
            assert text in everything


def test_kinds_are_told_apart():
    kinds = [leaf.kind for leaf in walk("chat", {"metadata": {"k": 5, "t": "v"}}).leaves]
    assert kinds == [LeafKind.KEY, LeafKind.NUMBER, LeafKind.KEY, LeafKind.VALUE]
    assert Unscanned("unknown_field", "{key}") in walk("chat", {"k": 1}).unscanned


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["user", "assistant", "narrator", 5, None]),
            st.sampled_from(
                ["", "words", "7 words", " {", '{"a": "b"}', '  [1, "c"]', "\u4f60\u597d", None, 3, ["x"], {"y": "z"}]
            )
            | st.text(max_size=5),
        ),
        max_size=6,
    )
)
def test_a_plain_message_is_walked_as_one_with_more_to_it(messages):
    plain = [{"role": role, "content": content} for role, content in messages]
    assert walk("chat", {"messages": plain}) == walk("chat", {"messages": [{**one, "prefix": True} for one in plain]})


@pytest.mark.parametrize("more", [{}, {"prefix": True}], ids=["plain", "with more to it"])
def test_plain_messages_are_bounded_like_others(more):
    document = {"messages": [{"role": "user", "content": "a", **more}] * (leaves.MAX_LEAVES + 1)}
    walked = walk("chat", document)
    assert (len(walked.leaves), walked.failure) == (leaves.MAX_LEAVES, "TooManyLeaves")
