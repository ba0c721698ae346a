"""The package that a rehearsal sends round: `sagemaker/` and a model, packed, and unpacked again as SageMaker would."""

import hashlib
import io
import json
import tarfile
from operator import itemgetter
from pathlib import Path
from typing import Final

from gateway.core.parcel import ENTRY, MANIFEST
from gateway.lane.package.tree import tree
from gateway.lane.package.writing import write

_CODE: Final = ("inference.py", "server.py", "requirements.txt")


class NotAPackage(Exception):
    """What came back cannot be unpacked, lacks what a container runs, or is not what its manifest says."""


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
    if not (to / ENTRY).is_file() or not _agrees(to):
        raise NotAPackage
    return sum(1 for path in to.rglob("*") if path.is_file())


def _agrees(folder: Path) -> bool:
    """Whether the files are those of the manifest; a package that was made by hand has none."""
    said = folder / MANIFEST
    if not said.is_file():
        return True
    entries = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path != said):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        entries.append({"path": path.relative_to(folder).as_posix(), "size": path.stat().st_size, "sha256": digest})
    try:
        files = json.loads(said.read_bytes())["files"]
        return bool(sorted(files, key=itemgetter("path")) == sorted(entries, key=itemgetter("path")))
    except (ValueError, KeyError, TypeError):
        return False
