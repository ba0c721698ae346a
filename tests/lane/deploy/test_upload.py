"""The package's way into the bucket: in parts, checked on arrival, taken up where it broke off, never trusted."""

import hashlib

import pytest

from gateway.lane.deploy import upload
from gateway.lane.deploy.calls import Call
from gateway.lane.deploy.documents import Names
from gateway.lane.deploy.upload import Upload, UploadDiffers, is_uploaded, package_of
from tests.lane.deploy.world import ACCOUNT, CutAws, CutOff, World

PART = 5 << 20  # S3 takes no smaller part but the last


@pytest.fixture
def parcel(world: World, monkeypatch: pytest.MonkeyPatch):
    """A package of three parts."""
    monkeypatch.setattr(upload, "SMALLEST_PART", PART)
    path = world.package(b"".join(bytes([n]) * PART for n in (1, 2)) + b"the rest")
    return Upload(Names(world.lane(), ACCOUNT), package_of(path), path)


def sent(hands: CutAws) -> list[object]:
    return [call.parameters["PartNumber"] for call in hands.changes if call.operation == "UploadPart"]


def stored(world: World, parcel: Upload) -> bytes:
    key = parcel.names.key(parcel.package)
    return world.client("s3").get_object(Bucket="models", Key=key)["Body"].read()


def test_a_package_is_known_by_its_content(parcel: Upload):
    data = parcel.path.read_bytes()
    assert (parcel.package.sha256, parcel.package.size) == (hashlib.sha256(data).hexdigest(), len(data))
    assert parcel.package.part_digests[2] == hashlib.sha256(b"the rest").digest()
    assert parcel.names.key(parcel.package).split("/")[2] == parcel.package.sha256[:16]


def test_what_arrives_is_what_was_sent_and_every_part_carries_its_digest(world: World, parcel: Upload):
    hands, told = CutAws(world.aws()), []
    parcel(hands, lambda done, whole: told.append((done, whole)))
    assert stored(world, parcel) == parcel.path.read_bytes()
    assert sent(hands) == [1, 2, 3]
    assert all("ChecksumSHA256" in call.parameters for call in hands.changes if call.operation == "UploadPart")
    assert told[-1] == (parcel.package.size, parcel.package.size)
    assert is_uploaded(world.aws(), parcel.names, parcel.package)


@pytest.mark.parametrize("after", [1, 2, 3, 4])
def test_an_upload_that_broke_off_sends_only_what_is_missing(world: World, parcel: Upload, after: int):
    with pytest.raises(CutOff):
        parcel(CutAws(world.aws(), after), lambda *_: None)
    hands = CutAws(world.aws())
    parcel(hands, lambda *_: None)
    assert sent(hands) == [1, 2, 3][after - 1 :]
    assert "CreateMultipartUpload" not in [call.operation for call in hands.changes]
    assert stored(world, parcel) == parcel.path.read_bytes()
    assert world.inventory()["uploads"] == []


def test_a_part_that_is_there_and_is_another_is_sent_again(world: World, parcel: Upload):
    with pytest.raises(CutOff):
        parcel(CutAws(world.aws(), 1), lambda *_: None)
    s3, key = world.client("s3"), parcel.names.key(parcel.package)
    [begun] = s3.list_multipart_uploads(Bucket="models")["Uploads"]
    s3.upload_part(Bucket="models", Key=key, UploadId=begun["UploadId"], PartNumber=1, Body=b"x" * PART)
    hands = CutAws(world.aws())
    parcel(hands, lambda *_: None)
    assert sent(hands) == [1, 2, 3]
    assert stored(world, parcel) == parcel.path.read_bytes()


def test_a_file_that_changes_meanwhile_never_arrives(world: World, parcel: Upload):
    parcel.path.write_bytes(b"something else altogether")
    with pytest.raises(UploadDiffers):
        parcel(CutAws(world.aws()), lambda *_: None)
    assert world.inventory()["objects"] == []


def test_another_object_in_its_place_is_not_taken_for_it(world: World, parcel: Upload):
    key = parcel.names.key(parcel.package)
    world.client("s3").put_object(Bucket="models", Key=key, Body=b"x" * parcel.package.size)
    assert not is_uploaded(world.aws(), parcel.names, parcel.package)

    class Swapped(CutAws):
        def ask(self, call: Call):
            answer = super().ask(call)
            if call.operation == "CompleteMultipartUpload":
                world.client("s3").put_object(Bucket="models", Key=key, Body=b"x" * parcel.package.size)
            return answer

    with pytest.raises(UploadDiffers):
        parcel(Swapped(world.aws()), lambda *_: None)


def test_a_large_package_stays_below_the_most_parts_that_there_may_be(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(upload, "SMALLEST_PART", 1)
    monkeypatch.setattr(upload, "_MOST_PARTS", 10)
    path = tmp_path / "large"
    path.write_bytes(b"x" * 101)
    package = package_of(path)
    assert (package.part_size, len(package.part_digests)) == (11, 10)
