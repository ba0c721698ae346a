"""Brings a package into the bucket: in parts, each checked by its SHA-256 on arrival, going on where it broke off.

The state of an upload is S3's own list of parts; a part that is there is compared with the file, never trusted. The
object's name holds the package's digest, so two packages never meet, and what is complete is checked as a whole.
"""

import base64
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.lane.deploy.calls import MISSING, Aws, Call, Declined, number, text
from gateway.lane.deploy.documents import Names, Package

SMALLEST_PART: Final = 16 << 20
_MOST_PARTS: Final = 9000
_READ: Final = 1 << 20

Tell = Callable[[int, int], None]
"""Told how many bytes are in place, and how many there are."""


class UploadDiffers(Exception):
    """S3 holds something else than was sent: the file changed meanwhile, or somebody else writes there."""


def package_of(path: Path, *, tell: Tell | None = None) -> Package:
    """The package in a file, by its content. Reads the whole file; raises OSError."""
    size = path.stat().st_size
    part_size = max(SMALLEST_PART, -(-size // _MOST_PARTS))
    whole, parts = hashlib.sha256(), []
    with path.open("rb") as file:
        for number_of_part in range(max(1, -(-size // part_size))):
            part = hashlib.sha256()
            for data in _span(file.read, part_size):
                whole.update(data)
                part.update(data)
            parts.append(part.digest())
            if tell is not None:
                tell(min(size, (number_of_part + 1) * part_size), size)
    return Package(whole.hexdigest(), size, part_size, tuple(parts))


def _span(read: Callable[[int], bytes], size: int) -> Iterator[bytes]:
    while size and (data := read(min(_READ, size))):
        size -= len(data)
        yield data


def is_uploaded(aws: Aws, names: Names, package: Package) -> bool:
    """Whether the package is in its place, whole and unchanged, as S3 itself computed it."""
    bucket = {"Bucket": names.lane.bucket, "ExpectedBucketOwner": names.account}
    asked = {**bucket, "Key": names.key(package), "ChecksumMode": "ENABLED"}
    try:
        head = aws.ask(Call("s3", "HeadObject", asked))
    except Declined as refusal:
        if refusal.is_one_of(MISSING):
            return False
        raise
    over = _base64(hashlib.sha256(b"".join(package.part_digests)).digest())
    # A digest over the parts' digests, with or without their number.
    is_same = text(head, "ChecksumSHA256") in (over, f"{over}-{len(package.part_digests)}")
    return is_same and number(head, "ContentLength") == package.size


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


@dataclass(frozen=True, slots=True)
class _Part:
    """A part as S3 lists it."""

    tag: str
    checksum: str

    def holds(self, data: bytes, digest: bytes) -> bool:
        """Whether it is this data. Where no SHA-256 is listed, the tag must be the MD5; the whole is checked anyway."""
        if self.checksum:
            return self.checksum == _base64(digest)
        return self.tag.strip('"') == hashlib.md5(data, usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Upload:
    """One package on its way to its place."""

    names: Names
    package: Package
    path: Path

    def __call__(self, aws: Aws, tell: Tell) -> None:
        """Upload what is missing; raises Declined, Unreached, UploadDiffers or OSError."""
        upload = self._begun(aws) or self._begin(aws)
        there = self._there(aws, upload)
        done = []
        with self.path.open("rb") as file:
            for index, digest in enumerate(self.package.part_digests):
                file.seek(index * self.package.part_size)
                data = file.read(self.package.part_size)
                if hashlib.sha256(data).digest() != digest:
                    raise UploadDiffers
                part = there.get(index + 1)
                if part is not None and part.holds(data, digest):
                    tag = part.tag
                else:
                    tag = self._send(aws, upload, index, digest, data)
                done.append({"PartNumber": index + 1, "ETag": tag, "ChecksumSHA256": _base64(digest)})
                tell(min(self.package.size, (index + 1) * self.package.part_size), self.package.size)
        complete = {**self._object(), "UploadId": upload, "MultipartUpload": {"Parts": done}}
        aws.ask(Call("s3", "CompleteMultipartUpload", complete))
        if not is_uploaded(aws, self.names, self.package):
            raise UploadDiffers

    def _object(self) -> dict[str, object]:
        bucket = {"Bucket": self.names.lane.bucket, "ExpectedBucketOwner": self.names.account}
        return {**bucket, "Key": self.names.key(self.package)}

    def _begun(self, aws: Aws) -> str | None:
        """An upload of this very package that broke off."""
        key = self.names.key(self.package)
        asked = {"Bucket": self.names.lane.bucket, "ExpectedBucketOwner": self.names.account, "Prefix": key}
        begun = aws.every(Call("s3", "ListMultipartUploads", asked), "Uploads")
        found = [text(one, "UploadId") for one in begun if text(one, "Key") == key]
        return found[0] if found else None

    def _begin(self, aws: Aws) -> str:
        lane = self.names.lane
        sealed: dict[str, object] = {}
        if lane.bucket_key is not None:
            sealed = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": lane.bucket_key}
        parameters = {
            **self._object(),
            "ChecksumAlgorithm": "SHA256",
            "ChecksumType": "COMPOSITE",
            "ContentType": "application/gzip",
            "Metadata": {"sha256": self.package.sha256},
            **sealed,
        }
        return text(aws.ask(Call("s3", "CreateMultipartUpload", parameters)), "UploadId")

    def _there(self, aws: Aws, upload: str) -> dict[int, "_Part"]:
        """The parts that arrived, by their number."""
        asked = Call("s3", "ListParts", {**self._object(), "UploadId": upload})
        try:
            parts = list(aws.every(asked, "Parts"))
        except Declined as refusal:
            if refusal.is_one_of(MISSING):
                return {}
            raise
        return {number(one, "PartNumber") or 0: _Part(text(one, "ETag"), text(one, "ChecksumSHA256")) for one in parts}

    def _send(self, aws: Aws, upload: str, index: int, digest: bytes, data: bytes) -> str:
        parameters = {
            **self._object(),
            "UploadId": upload,
            "PartNumber": index + 1,
            "Body": data,
            "ContentLength": len(data),
            "ChecksumAlgorithm": "SHA256",
            "ChecksumSHA256": _base64(digest),
        }
        return text(aws.ask(Call("s3", "UploadPart", parameters)), "ETag")
