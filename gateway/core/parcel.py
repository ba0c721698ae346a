"""What a model.tar.gz may hold: which names and sizes, what must be there, and the manifest that says what is in it.

Refused here is what SageMaker, or the container that unpacks it, would refuse only after the upload.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.core.problems import Problem

MANIFEST: Final = "tidegate.json"
CODE: Final = "code"
SEALED: Final = "sealed"
ENTRY: Final = f"{CODE}/inference.py"
MOST_BYTES: Final = 500 * 10**9
"""What AWS says that a model may have at most, unpacked."""
MOST_FILES: Final = 20_000

_LONGEST_PART: Final = 255
_LONGEST_PATH: Final = 1024
_RENAME: Final = "Rename it."


@dataclass(frozen=True, slots=True)
class Item:
    """A file of the package to be, by its path in it."""

    path: str
    size: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A file as it was packed. The digest is SHA-256, of what lies in the package."""

    path: str
    size: int
    sha256: str


def name_flaw(path: str) -> str | None:
    """Why a file must not have this path; None if it may."""
    if path.startswith("/"):
        return "The path is absolute."
    parts = path.split("/")
    if not all(parts) or {".", ".."} & set(parts):
        return "The path leads out of the package, or nowhere."
    if not path.isprintable() or "\\" in path:
        return "The name has characters that not every system can unpack."
    encoded = path.encode("utf-8")
    if len(encoded) > _LONGEST_PATH or any(len(part.encode("utf-8")) > _LONGEST_PART for part in parts):
        return "The name is too long to be unpacked."
    return None


def shown(path: str) -> str:
    """A path as a sentence may show it."""
    return path if path.isprintable() else ascii(path)[1:-1]


def problems(weights: Sequence[Item], code: Sequence[Item]) -> Iterator[Problem]:
    """Everything for which a package of these files would be refused. The paths of `code` begin with `code/`."""
    for item in (*weights, *code):
        flaw = name_flaw(item.path)
        if flaw is not None:
            yield Problem(shown(item.path), 0, 0, flaw, _RENAME)
    for item in weights:
        if item.path.split("/")[0] in (CODE, SEALED, MANIFEST):
            yield Problem(shown(item.path), 0, 0, "Its place in the package is taken.", _RENAME)
    paths = {item.path for item in weights}
    if "config.json" not in paths and not any(path.endswith(".gguf") for path in paths):
        message = "There is no model: neither a `.gguf` file nor a `config.json` at the top."
        yield Problem("the weights", 0, 0, message, "Name the folder that holds them.")
    if ENTRY not in {item.path for item in code}:
        message = "There is no `inference.py`, so that the container could not answer."
        yield Problem("the code", 0, 0, message, "Name the folder that holds it with `--code`, or leave that out.")
    files, size = len(weights) + len(code), sum(item.size for item in (*weights, *code))
    if files > MOST_FILES:
        yield Problem("the package", 0, 0, f"It would have {files} files; at most {MOST_FILES} are taken.", "")
    if size > MOST_BYTES:
        message = f"It would have {size} bytes; SageMaker takes at most {MOST_BYTES}."
        yield Problem("the package", 0, 0, message, "Quantize the model, or choose a smaller one.")


def manifest(entries: Iterable[Entry], seal: Mapping[str, object] | None) -> bytes:
    """The manifest's content. `seal` says how the container finds the key; it holds none that opens anything."""
    files = [{"path": entry.path, "size": entry.size, "sha256": entry.sha256} for entry in entries]
    return (json.dumps({"version": 1, "seal": seal, "files": files}, indent=1, sort_keys=True) + "\n").encode()
