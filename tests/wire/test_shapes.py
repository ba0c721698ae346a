"""The shapes know OpenAI's fields, and keep their promises as data."""

from collections.abc import Iterator

import pytest

from gateway.wire.shapes import (
    CHAT,
    COMPLETIONS,
    DIALECTS,
    EMBEDDINGS,
    SCHEMA_WORDS,
    Either,
    Fields,
    Items,
    Opaque,
    Shape,
    Tagged,
    Text,
    Url,
)

CARRIERS = {"image", "audio", "file", "remote_url", "unknown_part", "unknown_field", "token_ids", "opaque_blob"}


def below(shape: Shape) -> Iterator[Shape]:
    yield shape
    match shape:
        case Fields(fields=fields):
            for inner in fields.values():
                yield from below(inner)
        case Tagged(by_type=by_type):
            for inner in by_type.values():
                yield from below(inner)
        case Items(of=of):
            yield from below(of)
        case Either(scalar=scalar, array=array, object=object_):
            for branch in (scalar, array, object_):
                if branch is not None:
                    yield from below(branch)


@pytest.mark.parametrize(
    ("shape", "module", "name"),
    [
        (CHAT, "openai.types.chat.completion_create_params", "CompletionCreateParamsNonStreaming"),
        (COMPLETIONS, "openai.types.completion_create_params", "CompletionCreateParamsNonStreaming"),
        (EMBEDDINGS, "openai.types.embedding_create_params", "EmbeddingCreateParams"),
    ],
)
def test_every_field_of_the_official_client_is_known(shape, module, name):
    types = pytest.importorskip(module)
    assert set(getattr(types, name).__annotations__) <= set(shape.fields)


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_every_carrier_is_one_that_a_policy_may_name(dialect):
    named = {shape.carrier for shape in below(DIALECTS[dialect]) if isinstance(shape, Opaque | Url)}
    assert named <= CARRIERS


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_every_tagged_object_knows_its_own_tag(dialect):
    for shape in below(DIALECTS[dialect]):
        if isinstance(shape, Tagged):
            for tag, fields in shape.by_type.items():
                assert tag in fields.fields["type"].allowed


def test_what_a_model_reads_as_conversation_is_marked():
    message = CHAT.fields["messages"].of
    assert message.fields["content"].scalar == Text(spoken=True)
    assert not message.fields["name"].spoken


def test_no_field_that_points_at_stored_content_is_known():
    assert not {"previous_response_id", "conversation", "file_ids", "extra_body"} & set(CHAT.fields)


def test_schema_words_are_words_of_json_schema_only():
    assert {"properties", "enum", "default"} <= SCHEMA_WORDS
    assert all(word.removeprefix("$").isalpha() for word in SCHEMA_WORDS)
