"""What a configuration file's reader makes of a text, and what it says."""

from collections.abc import Callable
from typing import TypeVar

from gateway.core.labels import Label, LabelOrder
from gateway.core.reading import Reader
from gateway.core.topology import Tls, Zone
from gateway.core.written import Node, parse

T = TypeVar("T")
ORDER = LabelOrder(("public", "internal", "confidential", "restricted"))
PUBLIC, INTERNAL, CONFIDENTIAL, RESTRICTED = (Label(rank) for rank in range(4))


def zones() -> dict[str, Zone]:
    from ipaddress import ip_network

    home = (ip_network("10.0.0.0/8"), ip_network("::1/128"))
    return {
        "onprem": Zone("onprem", home, unix=True),
        "cloud": Zone("cloud", None, Tls.REQUIRED),
    }


def read(text: str, reader_of: Callable[[Node, Reader], T]) -> tuple[T, list[str]]:
    """The value, and every problem as `line:column: sentence mend`."""
    document = parse(text.encode(), "f")
    reader = Reader(document.problems)
    value = reader_of(document.root, reader)
    ordered = sorted(reader.problems, key=lambda problem: (problem.line, problem.column))
    return value, [str(problem).removeprefix("f:") for problem in ordered]
