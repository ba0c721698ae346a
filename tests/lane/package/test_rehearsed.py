"""The package of a rehearsal: unpacked as SageMaker would, and compared with its own manifest."""

import io
import tarfile
from pathlib import Path

import pytest

from gateway.lane.rehearsal.parcel import NotAPackage, pack, unpack

CODE = ("inference.py", "server.py", "requirements.txt")


@pytest.fixture
def package(tmp_path: Path) -> dict[str, bytes]:
    """What lies in a package."""
    for name in CODE:
        (tmp_path / name).write_text(name)
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    pack(tmp_path, tmp_path / "m.gguf", tmp_path / "m.tar.gz")
    with tarfile.open(tmp_path / "m.tar.gz") as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}


def again(files: dict[str, bytes]) -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return held.getvalue()


def test_a_package_is_what_its_manifest_says(package: dict[str, bytes], tmp_path: Path):
    assert unpack(again(package), tmp_path / "out") == len(CODE) + 2


def test_one_that_was_made_by_hand_has_no_manifest(package: dict[str, bytes], tmp_path: Path):
    del package["tidegate.json"]
    assert unpack(again(package), tmp_path / "out") == len(CODE) + 1


@pytest.mark.parametrize(
    "change",
    [
        {"m.gguf": b"GGUX"},
        {"more": b""},
        {"tidegate.json": b"{}"},
        {"tidegate.json": b"not JSON"},
        {"tidegate.json": b'{"files": [1]}'},
    ],
)
def test_what_the_manifest_does_not_say_is_no_package(package: dict[str, bytes], tmp_path: Path, change):
    with pytest.raises(NotAPackage):
        unpack(again({**package, **change}), tmp_path / "out")


@pytest.mark.parametrize("lost", ["code/inference.py", "m.gguf"])
def test_what_is_missing_is_no_package(package: dict[str, bytes], tmp_path: Path, lost: str):
    del package[lost]
    with pytest.raises(NotAPackage):
        unpack(again(package), tmp_path / "out")
