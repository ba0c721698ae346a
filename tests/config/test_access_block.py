"""What limits a tenant, a key or a token is a name that there is, or a network."""

import pytest

from gateway.config.access_block import ACCESS_KEYS, access
from gateway.core.access import Access, Scope
from gateway.core.reading import Reader
from gateway.core.written import Node

from .reading import read

MODELS = ("chat", "small")


def told(text: str, models: tuple[str, ...] | None = MODELS) -> tuple[Access, list[str]]:
    def limits(root: Node, reader: Reader) -> Access:
        return access(reader, reader.fields(root, "It", ACCESS_KEYS), models)

    return read(text, limits)


def test_nothing_said_limits_nothing() -> None:
    assert told("{}\n") == (Access(), [])


def test_everything_can_be_limited() -> None:
    limits, problems = told(
        "apis: [chat, embeddings]\nmodels: [small]\naddresses: [10.0.0.0/8, 192.0.2.7, '::1/128']\n"
    )
    assert problems == []
    assert limits.scope == Scope(frozenset({"chat", "embeddings"}), frozenset({"small"}))
    assert [str(network) for network in limits.networks or ()] == ["10.0.0.0/8", "192.0.2.7/32", "::1/128"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("apis: [chta]", "1:8: The interface `chta` does not exist. Did you mean `chat`?"),
        ("apis: []", "1:7: `apis` must not be empty. Add an entry, or remove the key."),
        ("models: [smal]", "1:10: The model `smal` does not exist. Did you mean `small`?"),
        ("addresses: 10.0.0.0/8", "1:12: `addresses` must be a list. Write `[a, b]`, or one `- item` per line."),
        ("addresses: [10.0.0.1/8]", "1:13: This is not a network. Write `10.0.0.0/8` or `::1/128`; host bits must be 0."),  # noqa: E501
        ("addresses: [[]]", "1:13: Each of `addresses` must be a text that is not empty."),
    ],
)  # fmt: skip
def test_a_fault_is_told_in_place(text: str, expected: str) -> None:
    assert told(text + "\n")[1] == [expected]


def test_where_the_policy_takes_any_name_or_is_not_known_every_model_may_be_named() -> None:
    for models in (None, ("chat", "*")):
        limits, problems = told("models: [anything]\n", models)
        assert (limits.scope.models, problems) == (frozenset({"anything"}), [])
