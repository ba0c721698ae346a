"""The package that a rehearsal sends round: `sagemaker/` and a model, packed, and unpacked again as SageMaker would.

A minimal one, to have something to rehearse with; what goes to production is packed elsewhere.
"""

import gzip
import io
import tarfile
from pathlib import Path
from typing import Final

_CODE: Final = ("inference.py", "server.py", "requirements.txt")


class NotAPackage(Exception):
    """What came back from the bucket cannot be unpacked, or lacks what a container runs."""


def pack(code: Path, model: Path | None, to: Path) -> None:
    """Write a model.tar.gz of `code` and, where there is one, a model's file. The same input makes the same bytes."""
    files = [(f"code/{name}", code / name) for name in _CODE]
    if model is not None:
        files.append((model.name, model))
    # Weights do not shrink; compressing them would only take time.
    with (
        to.open("wb") as file,
        gzip.GzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, path in sorted(files):
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = path.stat().st_size, 0o644
            with path.open("rb") as content:
                archive.addfile(entry, content)


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
