"""A body is one strict JSON object, or a sentence that says where it is not and quotes nothing."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import InvalidRequest
from gateway.wire import strict_json
from tests.wire.json_values import JSON_VALUES


def nested(levels: int, bracket: str = "{") -> bytes:
    opening, closing = ('{"a":', "}") if bracket == "{" else ("[", "]")
    return b'{"a":' + (opening * (levels - 1) + "1" + closing * (levels - 1)).encode() + b"}"


@given(st.dictionaries(st.text(), JSON_VALUES, max_size=5), st.booleans())
def test_a_strict_object_is_read_as_json_reads_it(document, escaped):
    body = json.dumps(document, ensure_ascii=escaped).encode()
    assert strict_json.decode(body, max_depth=1000) == document


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "empty"),
        (b" \r\n\t", "empty"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        ("{}".encode("utf-16"), "byte order mark"),
        (b'{"a":NaN}', "NaN and Infinity are no numbers (byte 5)"),
        (b'{"a":Infinity}', "NaN and Infinity are no numbers (byte 5)"),
        (b'{"a":-Infinity}', "NaN and Infinity are no numbers (byte 6)"),
        (b'{"a":1} {"a":2}', "something follows the object (byte 8)"),
        (b'{"a":1}\x00', "something follows the object (byte 7)"),
        (b'{"a":1,}', "not valid JSON (byte 7)"),
        (b'{"a":01}', "not valid JSON (byte 6)"),
        (b"{'a':1}", "not valid JSON (byte 1)"),
        (b'{"a":"\x01"}', "not valid JSON (byte 6)"),
        (b'{"a":"x', "ends in the middle"),
        (b'{"a"', "ends in the middle"),
        (b'{"a":"\xff"}', "not valid UTF-8 (byte 6)"),
        ('{"ä":"'.encode() + b'\xc3("}', "not valid UTF-8 (byte 7)"),
        (b'{"a":"\xed\xa0\x80"}', "not valid UTF-8 (byte 6)"),
        (b'{"\xff":1}', "not valid UTF-8 (byte 2)"),
        (b'{"a":"\\ud800"}', "unpaired surrogate"),
        (b'{"a":"\\ud800 and more text"}', "unpaired surrogate"),
        (b'{"a":"\\udc00"}', "unpaired surrogate"),
        (b'{"\\udfff":1}', "unpaired surrogate"),
        (b'{"a":"\\ud83d\\ud83d"}', "unpaired surrogate"),
        (b'{"a":1e400}', "out of range"),
        (b'{"a":' + b"9" * 5000 + b"}", "out of range"),
        (b'{"a":18446744073709551616}', "more than 64 bits"),
        (b'{"a":[{"b":-9223372036854775809}]}', "more than 64 bits"),
        (b'{"a":[1,18446744073709551616]}', "more than 64 bits"),
        (b'{"a":[1,-9223372036854775809]}', "more than 64 bits"),
        (b"[]", "must be a JSON object"),
        (b'"text"', "must be a JSON object"),
        (b"1", "must be a JSON object"),
        (b"null", "must be a JSON object"),
        (nested(65), "more than 64 levels"),
        (nested(65, "["), "more than 64 levels"),
        (b"[" * 90_000, "more than 64 levels"),
        (b'{"a":' * 90_000, "more than 64 levels"),
    ],
)
def test_what_is_not_strict_is_refused_with_one_sentence(body, says):
    with pytest.raises(InvalidRequest) as refused:
        strict_json.decode(body)
    assert says in refused.value.message
    assert refused.value.error_code == "invalid_json"
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None or refused.value.__suppress_context__


@pytest.mark.parametrize(
    "body",
    [
        nested(64),
        nested(64, "["),
        b'{"a":18446744073709551615,"b":-9223372036854775808}',
        b'{"a":123456789012345678901234567890.5}',
        b'{"a":"' + b"[{" * 500 + b'"}',
        b'{"a":"12345678901234567890123"}',
        b'{"a":"\\ud83d\\ude00"}',
        b'{"a":"\\u0000"}',
        b' \n{"a":[]}\n ',
    ],
)
def test_what_only_looks_suspicious_is_read(body):
    assert strict_json.decode(body) == json.loads(body)


def test_the_depth_limit_is_the_callers():
    assert strict_json.decode(nested(3), max_depth=3)
    with pytest.raises(InvalidRequest, match="more than 2 levels"):
        strict_json.decode(nested(3), max_depth=2)


def test_of_duplicate_keys_one_is_left():
    assert strict_json.decode(b'{"a":1,"a":2}') == {"a": 2}


@given(st.binary(max_size=60), st.sampled_from([b"", b'{"secret":"', b'{"a":"\\u', b'{"a":[']))
def test_no_bytes_make_it_raise_anything_else_or_quote_them(noise, start):
    body = start + noise
    try:
        document = strict_json.decode(body)
    except InvalidRequest as refused:
        said = refused.message
    else:
        said = ""
        json.dumps(document, ensure_ascii=False).encode()  # no lone surrogate got through
    assert "secret" not in said
    assert said.isascii()


@pytest.mark.parametrize(
    "body",
    [
        b'{"x":[' + b",".join([b"[]"] * 60_000) + b"]," + b'"y":[' + b",".join([b"{}"] * 60_000) + b"]}",
        b'{"x":[' + b"0," * 1_000_001 + b"0]}",
    ],
)
def test_a_body_of_very_many_values_is_refused_before_it_is_decoded(body):
    with pytest.raises(InvalidRequest) as refused:
        strict_json.decode(body)
    assert refused.value.error_code == "too_many_values"


def test_a_long_text_is_no_body_of_many_values():
    assert strict_json.decode(b'{"x": "' + b"one, two, {three} " * 20_000 + b'"}')
