"""Who answers for a bundle: what is signed, whose signatures count, and what a new version may not be.

What is signed is what people wrote, so that a new build of the gateway asks nobody to sign again: the digests of the
four files, the version, and who may sign. One signature lets a change in; whatever raises a ceiling, a clearance or
what may leave takes two people's. Versions only rise. Pure.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

DOMAIN: Final = b"tidegate/v1 bundle signature\n"
SIGNATURE_BYTES: Final = 64
KEY_BYTES: Final = 32


class Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was written, by the SHA-256 of each file's values. `body` is the policy without its `version` and
    `restores`: what a later version brings back. `recognizers` is empty where there is no such file."""

    version: int
    restores: int | None
    policy: str
    body: str
    pools: str
    tenants: str
    recognizers: str
    signers: str


class Memory(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is remembered of earlier activations. `highest` is the version of `content`, the last one in force;
    `bodies` the policies of earlier versions; `signers` who could sign then."""

    content: Content
    bodies: dict[int, str]
    signers: dict[str, bytes]

    @property
    def highest(self) -> int:
        """The highest version that was ever in force here."""
        return max((self.content.version, *self.bodies))


@dataclass(frozen=True, slots=True)
class Signature:
    """One person's signature over a content."""

    by: str
    signature: bytes


class Fault(StrEnum):
    """Why a bundle may not come into force."""

    UNSIGNED = "unsigned"
    STRANGER = "stranger"  # signed by somebody who was no signer when the bundle in force came into force
    INVALID = "invalid"  # the signature is not one of this content
    ALONE = "alone"  # it raises something, and one person signed
    VERSION_BELOW = "version_below"
    VERSION_TAKEN = "version_taken"  # the version was in force with other files
    RESTORES_UNKNOWN = "restores_unknown"  # that version was never in force here
    RESTORES_OTHER = "restores_other"  # it was, and it was another policy


@dataclass(frozen=True, slots=True)
class Objection:
    """One reason. `subject` is a name or a version, `highest` the version to stay above."""

    fault: Fault
    subject: str = ""
    highest: int = 0


def to_be_signed(content: Content) -> bytes:
    """The bytes that a signer's key signs. One content has exactly one such form."""
    return DOMAIN + msgspec.json.encode(content, order="sorted")


def signed_by(content: Content, signatures: Collection[Signature], signers: Mapping[str, bytes]) -> frozenset[str]:
    """Whose signatures over `content` are good."""
    return frozenset(one.by for one in signatures if one.by in signers and _is_good(content, one, signers[one.by]))


def objections(
    content: Content,
    signatures: Collection[Signature],
    signers: Mapping[str, bytes],
    memory: Memory | None,
    *,
    is_raised: bool,
) -> tuple[Objection, ...]:
    """Why `content` may not come into force; nothing if it may.

    `signers` are those of the files. Where something is remembered, who could sign then says who signs now: otherwise
    whoever can write the files could name himself. `is_raised` says that it lets out what the bundle before it did
    not; the first bundle of all does.
    """
    in_force = memory.signers if memory is not None and memory.signers else signers
    found = []
    for one in signatures:
        if one.by not in in_force:
            found.append(Objection(Fault.STRANGER, one.by))
        elif not _is_good(content, one, in_force[one.by]):
            found.append(Objection(Fault.INVALID, one.by))
    good = signed_by(content, signatures, in_force)
    if not signatures:
        found.append(Objection(Fault.UNSIGNED))
    elif good and len(good) < 2 and (is_raised or _changes_signers(content, memory)):
        found.append(Objection(Fault.ALONE, min(good)))
    return (*found, *of_version(content, memory))


def of_version(content: Content, memory: Memory | None) -> tuple[Objection, ...]:
    """What is wrong with the version alone."""
    if memory is None or content == memory.content:
        return ()
    found: tuple[Objection, ...] = ()
    if content.version < memory.highest:
        found += (Objection(Fault.VERSION_BELOW, str(content.version), memory.highest),)
    elif content.version == memory.highest:
        found += (Objection(Fault.VERSION_TAKEN, str(content.version), memory.highest),)
    if content.restores is not None:
        body = memory.bodies.get(content.restores)
        if body is None:
            found += (Objection(Fault.RESTORES_UNKNOWN, str(content.restores)),)
        elif body != content.body:
            found += (Objection(Fault.RESTORES_OTHER, str(content.restores)),)
    return found


def remembered(content: Content, signers: Mapping[str, bytes], memory: Memory | None, *, most: int) -> Memory:
    """The memory once `content` has come into force; of earlier policies the `most` last."""
    bodies = {**(memory.bodies if memory is not None else {}), content.version: content.body}
    kept = dict(sorted(bodies.items())[-most:])
    return Memory(content, kept, dict(signers))


def _changes_signers(content: Content, memory: Memory | None) -> bool:
    return memory is None or memory.content.signers != content.signers


def _is_good(content: Content, one: Signature, key: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(one.signature, to_be_signed(content))
    except (InvalidSignature, ValueError):
        return False
    return True
