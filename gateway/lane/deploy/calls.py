"""A call to AWS as a value: which service, which operation, with what. Plans are made of these; nothing here calls.

`Aws` is who makes them: `aws.py` over the network, and whatever a test puts in its place.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

Document = Mapping[str, object]
"""What goes into a call, or comes back: names as AWS writes them."""


@dataclass(frozen=True, slots=True)
class Call:
    """One operation of one service. `settled` are refusals that say that its effect is there already."""

    service: str
    operation: str
    parameters: Document
    settled: tuple[tuple[str, str], ...] = ()


class Declined(Exception):
    """AWS said no. `said` is AWS's own sentence: to tell refusals apart by, and never to be shown or logged."""

    def __init__(self, operation: str, code: str, said: str, status: int = 0) -> None:
        self.operation = operation
        self.code = code
        self.said = said
        self.status = status
        super().__init__(f"{operation}: {code}")

    def is_one_of(self, known: tuple[tuple[str, str], ...]) -> bool:
        """Whether it is a refusal with one of these codes and a part of its sentence."""
        return any(self.code == code and part in self.said for code, part in known)


class Unreached(Exception):
    """AWS gave no answer, or there is nothing to sign with. The text is a name, never a foreign sentence."""


class Aws(Protocol):
    """Makes calls, in one account and region. Blocks."""

    def ask(self, call: Call) -> Document:
        """The answer; raises Declined or Unreached."""
        ...

    def every(self, call: Call, key: str) -> Iterator[Document]:
        """What stands under `key` in all pages of an answer."""
        ...


# How the services say that something is not there; SageMaker has no code for it.
MISSING: Final = (
    ("ValidationException", "Could not find"),
    ("ValidationException", "does not exist"),
    ("NoSuchEntity", ""),
    ("ResourceNotFound", ""),
    ("ResourceNotFoundException", ""),
    ("ObjectNotFoundException", ""),
    ("NoSuchKey", ""),
    ("NoSuchUpload", ""),
    ("404", ""),
)

# How they say that it is there already.
PRESENT: Final = (
    ("ValidationException", "already exist"),
    ("ResourceInUse", "already exist"),
    ("EntityAlreadyExists", ""),
)


def text(document: Document, key: str) -> str:
    """The text under `key`; nothing if there is none."""
    value = document.get(key)
    return value if isinstance(value, str) else ""


def number(document: Document, key: str) -> int | None:
    """The whole number under `key`."""
    value = document.get(key)
    return value if isinstance(value, int) else None


def group(document: Document, key: str) -> Document:
    """The group under `key`."""
    value = document.get(key)
    return value if isinstance(value, Mapping) else {}


def listed(document: Document, key: str) -> tuple[Document, ...]:
    """The groups in the list under `key`."""
    value = document.get(key)
    return tuple(item for item in value if isinstance(item, Mapping)) if isinstance(value, list | tuple) else ()


def agrees(wanted: object, seen: object) -> bool:
    """Whether all that is wanted is so. What AWS says beyond that is its own business."""
    if isinstance(wanted, Mapping):
        return isinstance(seen, Mapping) and all(agrees(value, seen.get(key)) for key, value in wanted.items())
    if isinstance(wanted, list | tuple):
        if not isinstance(seen, list | tuple) or len(wanted) != len(seen):
            return False
        return all(agrees(one, other) for one, other in zip(wanted, seen, strict=True))
    if isinstance(wanted, int | float) and isinstance(seen, int | float):
        return float(wanted) == float(seen)
    return wanted == seen
