"""The paper that a proof leaves behind: what was proved, of which bundle, by which prover.

One proof has exactly one certificate, byte for byte, and `read` takes nothing else. It says nothing about who wrote it:
the runtime adds a MAC, and believes none without.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from gateway.policy.bans import Kind
from gateway.policy.proof import Outcome, Proof
from gateway.policy.prove import PROVER_VERSION

CERTIFICATE_VERSION: Final = 1
LARGEST_CERTIFICATE: Final = 1 << 20


class NotACertificate(Exception):
    """These bytes are not what `Certificate.to_bytes` wrote, or were written by another version."""


class NotProved(Exception):
    """There is no certificate for something that was not proved."""


@dataclass(frozen=True, slots=True)
class Certified:
    """One claim that was proved."""

    id: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Certificate:
    """That everything in `verdicts` holds in each of the `states` of the bundle with the digest `bundle`."""

    bundle: str
    states: int
    verdicts: tuple[Certified, ...]
    version: int = CERTIFICATE_VERSION
    prover: int = PROVER_VERSION

    @classmethod
    def of(cls, proof: Proof, bundle: str) -> "Certificate":
        """The certificate for `proof` of the bundle with the digest `bundle`; raises NotProved."""
        if not proof.is_proved:
            raise NotProved
        return cls(bundle, proof.states, tuple(Certified(verdict.id, verdict.kind) for verdict in proof.verdicts))

    @classmethod
    def read(cls, data: bytes) -> "Certificate":
        """The certificate in `data`; raises NotACertificate."""
        if len(data) > LARGEST_CERTIFICATE:
            raise NotACertificate
        try:
            written = msgspec.json.decode(data, type=_Written)
            certificate = cls(
                bundle=written.bundle,
                states=int(written.states),
                verdicts=tuple(Certified(id, kind) for id, kind, _ in written.verdicts),
                version=written.version,
                prover=written.prover,
            )
        except ValueError:
            raise NotACertificate from None
        is_ours = (certificate.version, certificate.prover) == (CERTIFICATE_VERSION, PROVER_VERSION)
        # Only one way of writing it: an outcome that is not `proved`, a space or another order is not ours.
        if not is_ours or certificate.to_bytes() != data:
            raise NotACertificate
        return certificate

    def to_bytes(self) -> bytes:
        """The certificate as bytes, always the same for the same certificate."""
        return msgspec.json.encode(
            _Written(
                certificate="tidegate policy proof",
                version=self.version,
                prover=self.prover,
                bundle=self.bundle,
                states=str(self.states),  # there can be more than fit in 64 bits
                verdicts=tuple((one.id, one.kind, Outcome.PROVED) for one in self.verdicts),
            )
        )


class _Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    certificate: str
    version: int
    prover: int
    bundle: str
    states: str
    verdicts: tuple[tuple[str, Kind, Outcome], ...]
