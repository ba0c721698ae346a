"""Brings weights from S3 to a folder: each object whole, unchanged since it was listed, and checked.

Checked is what S3 knows of the whole object: a SHA-256 or another digest that botocore can compute, else the MD5 that
its tag is. An object of which S3 knows neither is compared by length, and counted.
"""

import hashlib
import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from gateway.core.parcel import MOST_BYTES, MOST_FILES, name_flaw, shown
from gateway.core.problems import Problem, Problems
from gateway.lane.deploy.calls import Aws, Call, Document, number, text
from gateway.lane.deploy.upload import Tell

_MD5: Final = re.compile('"[0-9a-f]{32}"')
_CHECKED_BY_BOTOCORE: Final = ("ChecksumCRC32", "ChecksumSHA1")


class Store(Aws, Protocol):
    """Also reads bodies."""

    def body(self, call: Call) -> tuple[Document, Iterator[bytes]]:
        """The answer and its body; raises Declined or Unreached."""
        ...


class Differs(Exception):
    """What arrived is not what S3 says that it holds. The text is its place in the package."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object: its key, its place in the package, and what S3 says of it."""

    key: str
    path: str
    size: int
    tag: str


def stored(aws: Aws, bucket: str, place: str) -> tuple[Stored, ...]:
    """The objects of a folder, or the one that `place` names; raises Declined, Unreached, or Problems for names."""
    folder = place.rpartition("/")[0] if place.endswith(".gguf") else place.rstrip("/")
    prefix = f"{folder}/" if folder else ""
    asked = {"Bucket": bucket, "Prefix": place if place.endswith(".gguf") else prefix}
    found = []
    for one in aws.every(Call("s3", "ListObjectsV2", asked), "Contents"):
        key = text(one, "Key")
        if key.endswith("/") or (place.endswith(".gguf") and key != place):
            continue
        found.append(Stored(key, key.removeprefix(prefix), number(one, "Size") or 0, text(one, "ETag")))
    wrong = [
        Problem(shown(one.path), 0, 0, flaw, "Rename the object.")
        for one in found
        if (flaw := name_flaw(one.path)) is not None
    ]
    if sum(one.size for one in found) > MOST_BYTES or len(found) > MOST_FILES:
        wrong.append(Problem(f"s3://{bucket}", 0, 0, "This is more than SageMaker takes.", "Name the model's folder."))
    if not found:
        wrong.append(Problem(f"s3://{bucket}", 0, 0, "There is nothing in this place.", "Mend the address."))
    if wrong:
        raise Problems(wrong)
    return tuple(found)


def fetch(aws: Store, bucket: str, objects: tuple[Stored, ...], folder: Path, tell: Tell) -> int:
    """Write the objects into an empty folder; of how many S3 knows no digest. Raises Declined, Unreached, Differs."""
    whole, done, unchecked = sum(one.size for one in objects), 0, 0
    for one in objects:
        asked = {"Bucket": bucket, "Key": one.key, "IfMatch": one.tag, "ChecksumMode": "ENABLED"}
        answer, pieces = aws.body(Call("s3", "GetObject", asked))
        to = folder / one.path
        to.parent.mkdir(parents=True, exist_ok=True)
        sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
        with to.open("xb") as file:
            for piece in pieces:
                file.write(piece)
                sha256.update(piece)
                md5.update(piece)
                size += len(piece)
                tell(done + size, whole)
        done += one.size
        if size != one.size:
            raise Differs(one.path)
        unchecked += not _is_checked(answer, one, b64encode(sha256.digest()).decode(), md5.hexdigest())
    return unchecked


def _is_checked(answer: Document, one: Stored, sha256: str, md5: str) -> bool:
    """Whether S3 knew a digest of the whole; raises Differs if it is another one."""
    said = text(answer, "ChecksumSHA256")
    if said and "-" not in said:
        if said != sha256:
            raise Differs(one.path)
        return True
    # With a key of KMS, a tag is not the MD5.
    if _MD5.fullmatch(one.tag) and not text(answer, "ServerSideEncryption").startswith("aws:kms"):
        if one.tag.strip('"') != md5:
            raise Differs(one.path)
        return True
    return any((value := text(answer, name)) and "-" not in value for name in _CHECKED_BY_BOTOCORE)
