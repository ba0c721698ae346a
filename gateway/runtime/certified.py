"""A certificate under this gateway's seal: made by the supervisor, checked by every worker, kept for the audit.

The certificate says what was proved of which bundle; the seal, a MAC under a key of the root secret, that this
gateway's own supervisor saw it proved, and who signed it. A worker that holds anything else does not start.
"""

import hashlib
import hmac
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from gateway.core.audit_record import SignedBy
from gateway.core.keyed_hash import KeyedHash
from gateway.policy.certificate import Certificate, NotACertificate
from gateway.runtime.whole_file import replace_file

FOLDER: Final = "certificates"
SEAL_VERSION: Final = 1
SIGNED_SEAL_VERSION: Final = 2
"""The version that also holds who signed; what nobody had to sign is sealed as before."""


class Unproved(Exception):
    """These are not files that were proved. `reason` says why in fixed words."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class _Sealed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    v: int
    certificate: msgspec.Raw
    mac: str
    signed_by: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(_Sealed).decode
_decode_signed_by: Final = msgspec.json.Decoder(tuple[SignedBy, ...]).decode


def seal(certificate: bytes, key: KeyedHash, signed_by: Sequence[SignedBy] = ()) -> bytes:
    """`certificate` and who signed its bundle with their MAC, as one JSON object."""
    if not signed_by:
        return _encode(_Sealed(SEAL_VERSION, msgspec.Raw(certificate), key.digest(certificate).hex()))
    names = _encode(signed_by)
    mac = key.digest(_with_names(certificate, names)).hex()
    return _encode(_Sealed(SIGNED_SEAL_VERSION, msgspec.Raw(certificate), mac, msgspec.Raw(names)))


def signed_by(sealed: bytes) -> tuple[SignedBy, ...]:
    """Whose signatures let in the bundle of a certificate that `check` found good."""
    names = _decode(sealed).signed_by
    return _decode_signed_by(names) if isinstance(names, msgspec.Raw) else ()


def check(sealed: bytes, key: KeyedHash, bundle: str) -> str:
    """The hash of the certificate in `sealed`; raises Unproved unless it is ours and for the bundle so called."""
    if not sealed:
        raise Unproved("there is no certificate")
    try:
        found = _decode(sealed)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Unproved("the certificate cannot be read") from None
    data, names = bytes(found.certificate), found.signed_by
    if found.v != (SEAL_VERSION if names is msgspec.UNSET else SIGNED_SEAL_VERSION):
        raise Unproved("the certificate is of another version")
    sealed_text = data if names is msgspec.UNSET else _with_names(data, bytes(names))
    if not hmac.compare_digest(key.digest(sealed_text).hex().encode(), found.mac.encode()):
        raise Unproved("the certificate's seal is not ours")
    try:
        certificate = Certificate.read(data)
    except NotACertificate:
        raise Unproved("the certificate is not one of this build") from None
    if certificate.bundle != bundle:
        raise Unproved("the certificate is for another bundle: the files changed since they were proved")
    return hash_of(data)


def bundle_of(sealed: bytes) -> str:
    """The bundle that `sealed` says it is for, which is not checked; empty if it cannot be read."""
    try:
        return Certificate.read(bytes(_decode(sealed).certificate)).bundle
    except (msgspec.DecodeError, UnicodeDecodeError, NotACertificate):
        return ""


def kept(state_dir: Path, bundle: str) -> bytes:
    """What `keep` wrote of `bundle`; empty if there is nothing."""
    try:
        return (state_dir / FOLDER / f"{bundle}.json").read_bytes()
    except OSError:
        return b""


def hash_of(certificate: bytes) -> str:
    """What an activation calls the certificate in the audit log."""
    return hashlib.sha256(certificate).hexdigest()


def keep(state_dir: Path, bundle: str, sealed: bytes) -> None:
    """Write `sealed` to `certificates/<bundle>.json`, whole or not at all."""
    folder = state_dir / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace_file(folder / f"{bundle}.json", sealed)


def _with_names(certificate: bytes, names: bytes) -> bytes:
    # Never the text of a seal without names: that begins with a brace.
    return b"tidegate/v2 sealed\n" + certificate + b"\n" + names
