"""`tidegate sagemaker package` as a person meets it, with weights from S3 and keys of KMS."""

import gzip
import hashlib
import json
import tarfile
from pathlib import Path

import pytest

from gateway.cli import sagemaker_package
from gateway.lane.deploy.calls import Call, Unreached
from gateway.lane.package.fetching import Differs, fetch, stored
from gateway.lane.package.sealing import Changed
from gateway.lane.package.writing import Busy
from tests.lane.deploy.test_commands import run, write  # noqa: F401 -- a fixture
from tests.lane.deploy.world import ACCOUNT, World
from tests.sagemaker.container import inference

SECRET = "5a" * 32


@pytest.fixture
def weights(world: World, monkeypatch: pytest.MonkeyPatch) -> Path:
    reach = sagemaker_package.Network
    monkeypatch.setattr(
        sagemaker_package,
        "Network",
        lambda region, access, folder: world.hands if access.address == world.url else reach(region, access, folder),
    )
    write(world)
    folder = world.folder / "weights"
    folder.mkdir()
    (folder / "m.gguf").write_bytes(b"GGUF and numbers")
    return folder


def unpacked(world: World, name: str = "m.tar.gz") -> Path:
    with tarfile.open(world.folder / name) as archive:
        archive.extractall(world.folder / "model", filter="data")
    return world.folder / "model"


def test_a_package_goes_where_the_file_says_and_the_page_says_what_it_is(run, world: World, weights: Path):  # noqa: F811
    status, out, told = run("package", "weights")
    sha256 = hashlib.sha256((world.folder / "m.tar.gz").read_bytes()).hexdigest()
    assert (status, " ".join(out.split())) == (
        0,
        f"m.tar.gz: 4 files, 0.1 MiB. SHA-256 {sha256}; that of every file stands in its tidegate.json. "
        "The weights are not encrypted.",
    )
    assert "✓ m.tar.gz" in told
    assert sorted(path.name for path in unpacked(world).rglob("*") if path.is_file()) == [
        "inference.py", "m.gguf", "requirements.txt", "server.py", "tidegate.json",
    ]  # fmt: skip
    _, chinese, _ = run("package", "weights", language="zh")
    assert "权重未加密。" in chinese
    _, again, _ = run("package", "weights/m.gguf", "--to", "other.tar.gz", "--json")
    assert json.loads(again)["sha256"] == sha256


@pytest.mark.parametrize("by", ["--key-file", "--key-env"])
def test_a_secret_encrypts_and_the_page_never_shows_it(run, world: World, weights: Path, by: str, monkeypatch):  # noqa: F811
    (world.folder / "key").write_text(SECRET)
    (world.folder / "key").chmod(0o600)
    monkeypatch.setenv("WEIGHTS", SECRET)
    status, out, told = run("package", "weights", by, "key" if by == "--key-file" else "WEIGHTS")
    assert status == 0
    assert "TIDEGATE_WEIGHTS_KEY_FILE" in out
    assert SECRET not in out + told
    assert b"GGUF" not in (unpacked(world) / "sealed" / "m.gguf").read_bytes()
    found = {}
    monkeypatch.setitem(inference._ENGINES, "llama.cpp", lambda folder, _: found.update(folder=list(folder.iterdir())))
    monkeypatch.setenv("TIDEGATE_WEIGHTS_KEY", SECRET)
    inference.model_fn(str(world.folder / "model"))
    assert [path.name for path in found["folder"]] == ["m.gguf"]


def test_kms_encrypts_under_a_key_that_the_container_asks_for(run, world: World, weights: Path, monkeypatch):  # noqa: F811
    key = world.client("kms").create_key()["KeyMetadata"]["Arn"]
    write(world, encryption=f"{{weights: '{key}'}}", network="{isolated: false}")
    status, out, _ = run("package", "weights", "--json")
    assert (status, json.loads(out)["encrypted_by"]) == (0, "kms")
    folder = unpacked(world)
    seal = json.loads((folder / "tidegate.json").read_text())["seal"]
    assert (seal["key"], seal["context"]) == (key, {"tidegate:lane": "tidegate-burst"})
    found = {}
    monkeypatch.setitem(
        inference._ENGINES, "llama.cpp", lambda folder, _: found.update(data=(folder / "m.gguf").read_bytes())
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", world.url)
    inference.model_fn(str(folder))
    assert found["data"] == b"GGUF and numbers"
    manifest = folder / "tidegate.json"
    manifest.write_text(manifest.read_text().replace('"tidegate-burst"', '"another-lane"'))
    with pytest.raises(inference.NotServable, match="KMS did not open"):
        inference.model_fn(str(folder))


def test_weights_come_from_s3_with_their_digests_compared(run, world: World, weights: Path):  # noqa: F811
    s3 = world.client("s3")
    for name in ("config.json", "deep/m.gguf", ".hidden"):
        s3.put_object(Bucket="models", Key=f"llama/{name}", Body=b"{}")
    s3.put_object(Bucket="models", Key="llama/", Body=b"")
    s3.put_object(Bucket="models", Key="llama-2/config.json", Body=b"another's")
    status, out, _ = run("package", "s3://models/llama", "--json")
    shown = json.loads(out)
    names = [one["path"] for one in shown["files"] if not one["path"].startswith("code/")]
    assert (status, names, shown["left_out"], shown["without_digest"]) == (0, ["config.json", "deep/m.gguf"], 1, 0)
    status, out, _ = run("package", "s3://models/llama/deep/m.gguf", "--json")
    assert [one["path"] for one in json.loads(out)["files"] if "code" not in one["path"]] == ["m.gguf"]
    assert not list(world.folder.glob(".tidegate-weights-*"))


@pytest.mark.parametrize("key", ["llama/../../outside", "llama//etc/passwd", "llama/a\\b"])
def test_an_object_whose_name_leads_elsewhere_is_refused_before_anything_is_written(
    run,  # noqa: F811
    world: World,
    weights: Path,
    key: str,
):
    world.client("s3").put_object(Bucket="models", Key="llama/config.json", Body=b"{}")
    hands = world.aws()

    class Listing:
        def every(self, call: Call, under: str):
            yield from hands.every(call, under)
            yield {"Key": key, "Size": 1, "ETag": '"x"'}

    with pytest.raises(Exception, match=r"leads out|absolute|characters"):
        stored(Listing(), "models", "llama")


def test_an_object_that_is_not_what_s3_says_ends_it(world: World, tmp_path: Path):
    world.client("s3").put_object(Bucket="models", Key="llama/m.gguf", Body=b"one")
    objects = stored(world.aws(), "models", "llama")
    hands = world.aws()

    class Spoiled:
        def __init__(self, said: dict[str, object], body: bytes) -> None:
            self.said, self.data = said, body

        def body(self, call: Call):
            return self.said, iter([self.data])

    for number, (said, body) in enumerate(
        [({}, b"two"), ({}, b"on"), ({"ChecksumSHA256": "AAAA"}, b"one")]
    ):  # another content, cut off, another digest
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.raises(Differs):
            fetch(Spoiled(said, body), "models", objects, folder, lambda *_: None)
    # A tag that is no MD5 and no digest of the whole: compared by length, and counted.
    unknown = {"ServerSideEncryption": "aws:kms", "ChecksumSHA256": "AAAA-3"}
    (tmp_path / "last").mkdir()
    assert fetch(Spoiled(unknown, b"two"), "models", objects, tmp_path / "last", lambda *_: None) == 1
    # Replaced after it was listed: S3 itself refuses to give it.
    world.client("s3").put_object(Bucket="models", Key="llama/m.gguf", Body=b"two")
    (tmp_path / "other").mkdir()
    with pytest.raises(Exception, match=r"GetObject|m\.gguf"):
        fetch(hands, "models", objects, tmp_path / "other", lambda *_: None)


def test_a_body_that_breaks_off_is_told_as_unreached(world: World, monkeypatch: pytest.MonkeyPatch):
    import botocore.exceptions

    class Broken:
        def read(self, _: int) -> bytes:
            raise botocore.exceptions.IncompleteReadError(actual_bytes=1, expected_bytes=2)

        def close(self) -> None:
            """Nothing is open."""

    hands = world.aws()
    monkeypatch.setattr(type(hands), "ask", lambda *_: {"Body": Broken()})
    _, pieces = hands.body(Call("s3", "GetObject", {}))
    with pytest.raises(Unreached):
        next(pieces)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("nowhere",), 2, "This cannot be read (FileNotFoundError)"),
        (("weights", "--to", "m.zip"), 2, "A package's name ends in `.tar.gz`"),
        (("weights", "--to", "no/such/m.tar.gz"), 2, "There is no such folder"),
        (("weights", "--code", "weights"), 1, "There is no `inference.py`"),
        (("weights/m.gguf", "--code", "absent"), 2, "This cannot be read"),
        (("empty",), 1, "There is no model"),
        (("linked",), 1, "out: This link leads out of the folder."),
        (("weights", "--to", "weights/old.tar.gz"), 1, "would lie among its own weights"),
        (("weights", "--key-env", "NOT_SET"), 1, "This secret is not set, or empty"),
        (("weights", "--key-file", "short"), 1, "at least 32 bytes"),
        (("s3://models/nothing",), 1, "There is nothing in this place"),
        (("s3://absent/x",), 1, "AWS refused ListObjectsV2: NoSuchBucket"),
        (("s3://models/x", "--file", "absent.yaml", "--to", "x.tar.gz"), 2, "Weights in S3 need the file"),
    ],
)
def test_what_would_be_refused_later_is_refused_now_and_nothing_is_written(
    run,  # noqa: F811
    world: World,
    weights: Path,
    arguments: tuple[str, ...],
    status: int,
    said: str,
):
    (world.folder / "empty").mkdir()
    (world.folder / "linked").mkdir()
    (world.folder / "linked" / "config.json").touch()
    (world.folder / "linked" / "out").symlink_to("/etc/hostname")
    (world.folder / "short").write_text("abc")
    (world.folder / "short").chmod(0o600)
    if "weights/old.tar.gz" in arguments:
        (weights / "old.tar.gz").write_bytes(b"old")
    before = {path: path.read_bytes() for path in world.folder.rglob("*") if path.is_file()}
    found, out, told = run("package", *arguments)
    assert (found, said in told, out) == (status, True, ""), told
    assert {path: path.read_bytes() for path in world.folder.rglob("*") if path.is_file()} == before


def test_two_keys_are_one_too_many(run, world: World, weights: Path, monkeypatch):  # noqa: F811
    key = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/1"
    write(world, encryption=f"{{weights: '{key}'}}", network="{isolated: false}")
    monkeypatch.setenv("WEIGHTS", SECRET)
    status, _, told = run("package", "weights", "--key-env", "WEIGHTS")
    assert (status, "There are two keys" in told) == (2, True)


def test_without_room_it_does_not_begin(run, world: World, weights: Path, monkeypatch):  # noqa: F811
    from types import SimpleNamespace

    monkeypatch.setattr(sagemaker_package.shutil, "disk_usage", lambda _: SimpleNamespace(free=3))
    status, _, told = run("package", "weights", "--to", "x.tar.gz")
    assert (status, "There is no room for it" in told) == (1, True)


def test_without_a_file_a_package_needs_no_more_than_a_place(run, world: World, weights: Path):  # noqa: F811
    (world.folder / "sagemaker.yaml").unlink()
    status, _, _ = run("package", "weights", "--to", "x.tar.gz")
    assert status == 0
    assert gzip.decompress((world.folder / "x.tar.gz").read_bytes())


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (Changed("m.gguf"), "m.gguf: This file changed while it was packed. Run this again."),
        (Differs("m.gguf"), "m.gguf: What arrived is not what S3 says that it holds. Run this again."),
        (Busy(), "x.tar.gz: Somebody else is writing this package."),
        (OSError(28, "hunter2"), "x.tar.gz: The package cannot be written (OSError)."),
    ],
)
def test_what_goes_wrong_is_a_sentence(run, world: World, weights: Path, monkeypatch, failure, said: str):  # noqa: F811
    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(sagemaker_package, "write", fail)
    status, _, told = run("package", "weights", "--to", "x.tar.gz")
    assert (status, said in told, "hunter2" in told) == (1, True, False), told


def test_what_is_left_out_is_told(run, world: World, weights: Path):  # noqa: F811
    (weights / ".gitattributes").touch()
    _, out, _ = run("package", "weights")
    assert "Left out: 1 hidden files or caches." in out
