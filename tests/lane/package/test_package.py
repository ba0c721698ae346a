"""A package as it is written: the same bytes every time, whole or not at all, and only what lies in the folder."""

import fcntl
import gzip
import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.lane.package.sealing import CHUNK, Changed, local_seal, sealed_size
from gateway.lane.package.tree import tree
from gateway.lane.package.writing import Busy, part_of, stored_gzip, write

SECRET = "5a" * 32


def quiet(*_: int) -> None:
    """Nobody looks."""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    (folder / "deep").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "deep" / "m.safetensors").write_bytes(os.urandom(CHUNK * 2))
    (folder / ("n" * 150 + ".txt")).write_text("a name longer than a tar's head holds")
    (folder / "empty").touch()
    return folder


def packed(folder: Path, to: Path, secret: str | None = None) -> bytes:
    write(to, (), tree(folder).sources, local_seal(secret) if secret is not None else None, quiet)
    return to.read_bytes()


@pytest.mark.parametrize("secret", [None, SECRET])
def test_the_same_input_makes_the_same_bytes(model: Path, tmp_path: Path, secret: str | None):
    one = packed(model, tmp_path / "1.tar.gz", secret)
    for path in model.rglob("*"):
        os.utime(path, ns=(1, 1))
        path.chmod(0o700)
    assert packed(model, tmp_path / "2.tar.gz", secret) == one
    (model / "empty").write_text("!")
    assert packed(model, tmp_path / "3.tar.gz", secret) != one


def test_what_was_packed_comes_out_and_the_manifest_says_its_digests(model: Path, tmp_path: Path):
    data = packed(model, tmp_path / "m.tar.gz")
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
        out = {member.name: archive.extractfile(member).read() for member in archive}
        assert {(member.uid, member.mtime, member.mode, member.isreg()) for member in archive} == {(0, 0, 0o644, True)}
    files = {path.relative_to(model).as_posix(): path.read_bytes() for path in model.rglob("*") if path.is_file()}
    said = json.loads(out.pop("tidegate.json"))
    assert out == files
    assert {one["path"]: (one["size"], one["sha256"]) for one in said["files"]} == {
        name: (len(content), hashlib.sha256(content).hexdigest()) for name, content in files.items()
    }
    assert said["seal"] is None


def test_sealed_weights_show_neither_content_nor_a_digest_of_it_and_code_stays_readable(model: Path, tmp_path: Path):
    code = tmp_path / "inference.py"
    code.write_text("pass")
    to = tmp_path / "m.tar.gz"
    write(to, tree(code, "code/").sources, tree(model).sources, local_seal(SECRET), quiet)
    data = gzip.decompress(to.read_bytes())
    weights = (model / "deep" / "m.safetensors").read_bytes()
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        names = archive.getnames()
        assert archive.getmember("sealed/deep/m.safetensors").size == sealed_size(len(weights))
    assert [name for name in names if not name.startswith("sealed/")] == ["code/inference.py", "tidegate.json"]
    for secret in (weights[:64], hashlib.sha256(weights).hexdigest().encode(), SECRET.encode()):
        assert secret not in data


@given(st.lists(st.binary(max_size=200_000), max_size=4))
def test_stored_blocks_are_a_gzip_file(chunks: list[bytes]):
    assert gzip.decompress(b"".join(stored_gzip(chunks))) == b"".join(chunks)


@pytest.mark.parametrize("secret", [None, SECRET])
@pytest.mark.parametrize("change", ["shorter", "longer", "another", "later"])
def test_a_file_that_changes_meanwhile_leaves_the_package_that_was_there(
    model: Path, tmp_path: Path, secret: str | None, change: str
):
    to = tmp_path / "m.tar.gz"
    before = packed(model, to)
    sources = tree(model).sources
    weights = model / "deep" / "m.safetensors"
    data = weights.read_bytes()
    weights.write_bytes({"shorter": data[1:], "longer": data + b"!", "another": data[::-1], "later": data}[change])
    os.utime(weights, ns=(2, 2))
    with pytest.raises(Changed):
        write(to, (), sources, local_seal(secret) if secret is not None else None, quiet)
    assert to.read_bytes() == before
    assert not part_of(to).exists()


def test_a_write_that_is_cut_off_leaves_nothing_half(model: Path, tmp_path: Path):
    to = tmp_path / "m.tar.gz"

    def cut(read: int, whole: int) -> None:
        if read > whole // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(to, (), tree(model).sources, None, cut)
    assert list(tmp_path.iterdir()) == [model]


def test_what_a_kill_left_is_begun_anew(model: Path, tmp_path: Path):
    to = tmp_path / "m.tar.gz"
    part_of(to).write_bytes(b"the first half of something" * 1000)
    assert gzip.decompress(packed(model, to))
    assert not part_of(to).exists()


def test_two_do_not_write_one_package(model: Path, tmp_path: Path):
    to = tmp_path / "m.tar.gz"
    with part_of(to).open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(Busy):
            packed(model, to)
    assert not to.exists()


def test_progress_comes_to_the_whole(model: Path, tmp_path: Path):
    for seal in (None, local_seal(SECRET)):
        told: list[tuple[int, int]] = []
        write(tmp_path / "m.tar.gz", (), tree(model).sources, seal, lambda *far: told.append(far))  # noqa: B023
        assert told == sorted(told)
        assert told[-1][0] == told[-1][1]


def test_a_tree_takes_files_and_links_within_and_tells_of_everything_else(model: Path, tmp_path: Path):
    (tmp_path / "secret").write_text("not yours")
    (model / "within").symlink_to("config.json")
    (model / "out").symlink_to(tmp_path / "secret")
    (model / "nowhere").symlink_to("absent")
    (model / "round").symlink_to("deep")
    os.mkfifo(model / "pipe")
    (model / ".cache").mkdir()
    (model / ".cache" / "lock").touch()
    (model / ".gitattributes").touch()
    found = tree(model)
    assert [item.path for item in found.items if not item.path.startswith("n")] == [
        "config.json", "deep/m.safetensors", "empty", "within",
    ]  # fmt: skip
    assert sorted(f"{one.file}: {one.message}" for one in found.problems) == [
        "nowhere: This link leads nowhere.",
        "out: This link leads out of the folder.",
        "pipe: This is neither a file nor a folder.",
        "round: This is a link to a folder.",
    ]
    assert found.left_out == 2


def test_one_file_is_a_tree(model: Path):
    [item] = tree(model / "config.json", "code/").items
    assert (item.path, item.size) == ("code/config.json", 2)
