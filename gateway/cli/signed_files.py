"""The files of a folder as signers see them: what is signed, who may sign, who has, and what lets more out than before.

Read without secrets. What a running gateway remembers of earlier bundles takes its root secret, and is asked for only
where that is at hand.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.cli import policy_files
from gateway.cli.approval_words import of_objection, of_raise
from gateway.config import signers_file
from gateway.config.gateway_file import Files
from gateway.core import written
from gateway.core.approval import Content, Fault, Memory, Objection, Signature, objections, remembered
from gateway.core.audit_record import SignedBy
from gateway.core.keyed_hash import KeyedHash
from gateway.core.problems import Problem, Problems
from gateway.core.reading import Reader
from gateway.core.written import Document, Group
from gateway.detect.scanner import scanner_digest
from gateway.policy.terms import Raise, Terms, raised, terms_of
from gateway.runtime import activation_book
from gateway.runtime.activation_book import MOST_BODIES, BadBook, Entry
from gateway.runtime.bundles import Bundle
from gateway.settings import RECOGNIZERS_FILE, read_registry

SIGNERS: Final = "signers.yaml"
SIGNATURES: Final = "signatures.yaml"
KEY_ID: Final = 16
_UNSIGNED_KEYS: Final = frozenset({"version", "restores"})


class NotApproved(Problems):
    """Those who must have signed have not, or the version cannot be. Without `faults`, what was in force before cannot
    be believed, so that nobody can say."""

    def __init__(self, problems: Iterable[Problem], faults: tuple[Fault, ...]) -> None:
        super().__init__(problems)
        self.faults = faults


class Changed(Problems):
    """The files changed while they were read: nobody knows what was read."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What one folder's files say about themselves."""

    directory: Path
    policy_file: Path
    content: Content
    terms: Terms
    signers: Mapping[str, bytes]
    signatures: tuple[Signature, ...]

    def raised(self, before: Terms | None) -> tuple[Raise, ...] | None:
        """What rises against `before`; None without it."""
        return raised(before, self.terms) if before is not None else None

    def objections(self, entry: Entry | None) -> tuple[Objection, ...]:
        """Why these files may not come into force after what is remembered; nothing if they may."""
        memory = entry.memory if entry is not None else None
        rises = self.raised(entry.terms if entry is not None else None)
        return objections(self.content, self.signatures, self.signers, memory, is_raised=rises is None or bool(rises))

    def signed_by(self, before: Memory | None) -> tuple[SignedBy, ...]:
        """Who signed, as those who could sign then are known; in the order in which they did."""
        in_force = before.signers if before is not None and before.signers else self.signers
        return tuple(SignedBy(one.by, key_id(in_force[one.by])) for one in self.signatures if one.by in in_force)

    def entry(self, before: Memory | None) -> Entry:
        """What is to be remembered once these files are in force."""
        return Entry(remembered(self.content, self.signers, before, most=MOST_BODIES), self.terms)


def read_signed(directory: Path, files: Files, bundle: Bundle, *, signatures: Path | None = None) -> Signed:
    """The folder's files; raises Problems, also if they are not those of `bundle` any more. `signatures` is the file
    with those of a policy that is not in its place."""
    policy = policy_files.read(directory / files.policy, end_marker=True)
    pools, tenants = (policy_files.read(directory / name) for name in (files.pools, files.tenants))
    own = directory / (files.recognizers or RECOGNIZERS_FILE)
    signers_at, signatures_at = directory / SIGNERS, signatures or directory / SIGNATURES
    if not signers_at.exists():
        mend = "`tidegate policy signer` prints its lines."
        raise Problems([Problem(str(signers_at), 0, 0, "There is no such file, and it says who may sign.", mend)])
    signers_document = policy_files.read(signers_at)
    reader = Reader(signers_document.problems)
    signers = signers_file.read_signers(signers_document.root, reader)
    found: tuple[Signature, ...] = ()
    if signatures_at.exists():
        document = policy_files.read(signatures_at)
        reader.problems += document.problems
        found = signers_file.read_signatures(document.root, reader)
    reader.finish()
    recognizers = policy_files.read(own) if own.exists() else None
    content = Content(
        version=bundle.policy.version,
        restores=_restores(policy),
        policy=_digest(policy),
        body=_digest(_body(policy)),
        pools=_digest(pools),
        tenants=_digest(tenants),
        recognizers=_digest(recognizers) if recognizers is not None else "",
        signers=_digest(signers_document),
    )
    read = content.policy, content.pools, content.tenants, _scanner(bundle, recognizers)
    taken = bundle.policy.digest, bundle.pools_digest, bundle.tenants_digest
    if read != (*taken, scanner_digest(bundle.policy.markers, bundle.recognizers)):
        raise Changed([Problem(str(directory), 0, 0, "The files changed while they were read.", "Try again.")])
    terms = terms_of(bundle.policy, bundle.topology, bundle.tenants)
    return Signed(directory, directory / files.policy, content, terms, signers, found)


def _scanner(bundle: Bundle, recognizers: Document | None) -> str | None:
    """The digest of the scanner that the bundle would have with these recognizers; None if they are no good."""
    if recognizers is None:
        return scanner_digest(bundle.policy.markers)
    reader = Reader()
    found = read_registry(recognizers, reader)
    return None if reader.problems else scanner_digest(bundle.policy.markers, found.recognizers)


def key_id(key: bytes) -> str:
    """What records call a signer's public key."""
    return hashlib.sha256(key).hexdigest()[:KEY_ID]


def approved(signed: Signed, state_dir: Path, key: KeyedHash) -> tuple[Entry, tuple[SignedBy, ...]]:
    """What to remember once `signed` is in force, and who let it in; raises NotApproved with everything that stands
    against that."""
    place = str(signed.directory / SIGNATURES)
    try:
        before = activation_book.recall(state_dir, key)
    except (BadBook, OSError) as exc:
        reason = exc.reason if isinstance(exc, BadBook) else f"it cannot be read ({type(exc).__name__})"
        book = state_dir / activation_book.FILE
        message = f"What was in force here cannot be believed: {reason}."
        mend = "Restore it, or have two signers look before it is removed."
        raise NotApproved([Problem(str(book), 0, 0, message, mend)], ()) from None
    found = signed.objections(before)
    if found:
        rises = signed.raised(before.terms if before is not None else None) or ()
        told = [of_objection(one, "en") for one in found] + [of_raise(one, "en") for one in rises]
        faults = tuple(dict.fromkeys(one.fault for one in found))
        raise NotApproved([Problem(place, 0, 0, sentence) for sentence in told], faults)
    memory = before.memory if before is not None else None
    return signed.entry(memory), signed.signed_by(memory)


def _restores(policy: Document) -> int | None:
    root = policy.root
    if isinstance(root, Group):
        for key, value in root.entries:
            if key.text == "restores" and isinstance(value, written.Scalar) and isinstance(value.value, int):
                return value.value
    return None


def _body(policy: Document) -> Document:
    root = policy.root
    if not isinstance(root, Group):
        return policy
    kept = tuple(entry for entry in root.entries if entry[0].text not in _UNSIGNED_KEYS)
    return Document(Group(kept, root.at), ())


def _digest(document: Document) -> str:
    return hashlib.sha256(written.exact(document.root).encode()).hexdigest()
