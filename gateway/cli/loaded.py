"""One bundle as a worker takes it over: read, compared with what was proved, and its scanner ready.

When a worker starts and whenever another bundle is to govern, from the files as they were when they were proved, so
that neither an edit since then nor a bad one changes what a worker serves. It takes a while: not for the loop.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.detect.scanner import build_scanner, scanner_digest
from gateway.ports import Scanner
from gateway.runtime import certified
from gateway.runtime.bundles import Bundle
from gateway.runtime.certified import Unproved
from gateway.runtime.keyring import Purpose
from gateway.settings import Settings, foundation_of, load


@dataclass(frozen=True, slots=True)
class Loaded:
    """What governs: `settings` with its bundle, the scanner that reads for it, and the hash of what proves it."""

    settings: Settings
    scanner: Scanner
    certificate: str
    foundation: str

    @property
    def bundle(self) -> Bundle:
        """What requests are decided by."""
        return self.settings.bundle


def started(directory: Path, environ: Mapping[str, str], sealed: bytes) -> Loaded:
    """The bundle that `sealed` is the certificate of. Raises Problems, Unproved and OSError."""
    return _loaded(load(directory, environ, bundle=certified.bundle_of(sealed)), sealed, None)


def activated(directory: Path, environ: Mapping[str, str], bundle: str, before: Loaded) -> Loaded:
    """`bundle`, to govern in the place of `before`. Raises Problems, Unproved and OSError."""
    settings = load(directory, environ, bundle=bundle)
    return _loaded(settings, certified.kept(settings.state_dir, bundle), before)


def _loaded(settings: Settings, sealed: bytes, before: Loaded | None) -> Loaded:
    bundle = settings.bundle
    digest = scanner_digest(bundle.policy.markers, bundle.recognizers)
    bundle = bundle.with_scanner(digest)
    key = settings.keyring().keyed_hash(Purpose.CERTIFICATES)
    certificate = certified.check(sealed, key, bundle.digest)
    bundle = replace(bundle, signed_by=certified.signed_by(sealed))
    # Compiled only if it is another one: that takes a second.
    scanner = before.scanner if before is not None and before.scanner.digest == digest else None
    if scanner is None:
        scanner = build_scanner(bundle.policy.markers, bundle.recognizers)
    return Loaded(replace(settings, bundle=bundle), scanner, certificate, foundation_of(settings, bundle))


def why(failure: Exception) -> str:
    """Why a bundle was not loaded, in fixed words."""
    if isinstance(failure, Unproved):
        return failure.reason
    return "the files cannot be read" if isinstance(failure, OSError) else "the files do not load"
