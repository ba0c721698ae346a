"""Which requests have one answer, and which requests are the same."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.cache_control import USUAL, cache_control_of
from gateway.wire.cacheable import canonical, is_cacheable
from gateway.wire.requests import Dialect, Request, parse

HELLO = {"model": "chat", "messages": [{"role": "user", "content": "Hello"}]}
TOOL = {"type": "function", "function": {"name": "pay", "parameters": {}}}


def request(dialect: Dialect = Dialect.CHAT, **more: object) -> Request:
    body = {"model": "m", "input": "x", "prompt": "x"} | HELLO
    return parse(dialect, json.dumps(body | more).encode())


@pytest.mark.parametrize(
    ("asked", "is_usual", "is_if_asked"),
    [
        (request(temperature=0), True, True),
        (request(temperature=0.0), True, True),
        (request(temperature=-0.0), True, True),
        (request(temperature=0, stream=True, n=3, seed=7), True, True),
        (request(), False, True),
        (request(temperature=None), False, True),
        (request(temperature=False), False, True),
        (request(temperature="0"), False, True),
        (request(temperature=0.01), False, True),
        (request(Dialect.COMPLETIONS, temperature=0), True, True),
        (request(Dialect.COMPLETIONS), False, True),
        (request(Dialect.EMBEDDINGS), True, True),
        (request(temperature=0, tools=[TOOL]), False, True),
        (request(temperature=0, functions=[TOOL["function"]]), False, True),
        (request(temperature=0, tools=[]), True, True),
        (request(temperature=0, modalities=["text", "audio"]), False, False),
    ],
)
def test_a_request_is_cacheable_if_it_has_one_answer_or_its_client_asks(
    asked: Request, is_usual: bool, is_if_asked: bool
) -> None:
    assert is_cacheable(asked, USUAL) == is_usual
    assert is_cacheable(asked, cache_control_of(b"max-age=60")) == is_if_asked
    assert is_cacheable(asked, cache_control_of(b"only-if-cached")) == is_if_asked


values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)


def turned(value: object) -> object:
    """The same with the fields of every object the other way round."""
    if isinstance(value, dict):
        return {name: turned(inner) for name, inner in reversed(value.items())}
    return [turned(inner) for inner in value] if isinstance(value, list) else value


@given(st.dictionaries(st.sampled_from(["a", "b", "c"]), values), st.dictionaries(st.sampled_from(["a", "b"]), values))
def test_requests_are_written_alike_only_if_they_are_equal_but_for_order(
    one: dict[str, object], other: dict[str, object]
) -> None:
    assert canonical(request(**one)) == canonical(request(**turned(one)))  # type: ignore[arg-type] -- a dict stays one
    # Compared as JSON, in which true is not 1.
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (canonical(request(**one)) == canonical(request(**other))) == same


@pytest.mark.parametrize("more", [{"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}])
def test_how_it_is_to_be_answered_is_part_of_it(more: dict[str, object]) -> None:
    assert canonical(request(**more)) != canonical(request())
