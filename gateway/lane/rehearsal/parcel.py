"""The package that a rehearsal sends round: `sagemaker/` and a model, packed, and unpacked again as SageMaker would."""

import io
import tarfile
from pathlib import Path
from typing import Final

from gateway.lane.package.tree import tree
from gateway.lane.package.writing import write

_CODE: Final = ("inference.py", "server.py", "requirements.txt")


class NotAPackage(Exception):
    """What came back from the bucket cannot be unpacked, or lacks what a container runs."""


def pack(code: Path, model: Path | None, to: Path) -> None:
    """Write a model.tar.gz of `code` and, where there is one, a model's file."""
    packed = [source for name in _CODE for source in tree(code / name, "code/").sources]
    write(to, packed, tree(model).sources if model is not None else (), None, lambda *_: None)


def unpack(data: bytes, to: Path) -> int:
    """Unpack into an empty folder; how many files there are."""
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
            archive.extractall(to, filter="data")
    except (tarfile.TarError, OSError, EOFError):
        raise NotAPackage from None
    if not (to / "code" / "inference.py").is_file():
        raise NotAPackage
    return sum(1 for path in to.rglob("*") if path.is_file())
