"""What is asked in a request: the last thing that a person wrote, in whatever shape it came."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.complexity import Question
from gateway.wire.question import question_of


def said(role: str, content: object) -> dict[str, object]:
    return {"role": role, "content": content}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"messages": [said("user", "Hi")]}, Question("Hi")),
        ({"messages": [said("system", "Be brief." * 99), said("user", "Hi")]}, Question("Hi")),
        ({"messages": [said("user", "One"), said("assistant", "Three"), said("user", "Why?")]}, Question("Why?", 8)),
        ({"messages": [said("user", "One"), said("tool", "Seven")]}, Question("One", 5)),
        ({"messages": [said("user", [{"type": "text", "text": "One"}])]}, Question("One")),
        ({"messages": [said("user", [{"text": "One"}, {"type": "image_url"}, "two"])]}, Question("One\ntwo")),
        ({"messages": [said("user", [{"text": "ab"}]), said("user", "Hi")]}, Question("Hi", 2)),
        ({"messages": [said("assistant", "Hello")]}, Question("")),
        ({"messages": ["no message", said("user", 7)]}, Question("")),
        ({"messages": "no list"}, Question("")),
        ({"messages": []}, Question("")),
        ({"prompt": "Once"}, Question("Once")),
        ({"prompt": ["Once", "upon"]}, Question("Once\nupon")),
        ({"prompt": [1, 2]}, Question("")),
        ({"input": "Once"}, Question("")),
    ],
)
def test_the_last_thing_that_a_person_wrote_is_asked(document: dict[str, object], expected: Question) -> None:
    assert question_of(document) == expected


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["role", "content", "text"]), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["messages", "prompt"]), _JSON))
def test_no_document_makes_it_fail(document: dict[str, object]) -> None:
    assert isinstance(question_of(document).text, str)
