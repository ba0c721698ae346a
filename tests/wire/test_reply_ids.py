"""What answers call themselves."""

import pytest

from gateway.wire.replies import id_of
from gateway.wire.requests import Dialect


@pytest.mark.parametrize(
    ("dialect", "name"),
    [(Dialect.CHAT, "chatcmpl-0a1b"), (Dialect.COMPLETIONS, "cmpl-0a1b"), (Dialect.EMBEDDINGS, "")],
)
def test_an_answer_is_called_after_its_request_where_such_answers_have_a_name(dialect: Dialect, name: str) -> None:
    assert id_of(dialect, "0a1b") == name
