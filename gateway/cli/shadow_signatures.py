"""The signatures of a candidate: they stand beside it, and go with it into the policy's place.

They are over what the folder's files would say with the candidate as the policy, so that whoever signs one signs what
will govern. What is missing is told while it is tried; what lacks them is not promoted where signatures are asked for.
"""

import os
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from gateway.cli.approval_words import of_objection
from gateway.cli.problem_report import Misuse, lines
from gateway.cli.signed_files import SIGNATURES, Signed, read_signed
from gateway.config.gateway_file import Files
from gateway.config.signers_file import render_signatures
from gateway.core.approval import Fault, Objection, Signature, signed_by
from gateway.core.problems import Problem, Problems
from gateway.policy.words import Language
from gateway.runtime import activation_book
from gateway.runtime.activation_book import BadBook, Entry
from gateway.runtime.keyring import Purpose
from gateway.runtime.whole_file import replace_file
from gateway.settings import load, load_candidate

SHADOW_SIGNATURES: Final = "signatures.shadow.yaml"

_OF_VERSIONS: Final = (Fault.VERSION_BELOW, Fault.VERSION_TAKEN)


def of_candidate(directory: Path, files: Files, policy: Path, signatures: Path | None = None) -> Signed:
    """What `policy` would be with the files of `directory`, and who has signed that; raises Problems."""
    there = replace(files, policy=str(policy.absolute()), shadow=str(policy.absolute()))
    bundle = load_candidate(directory, there)
    return read_signed(directory, there, bundle, signatures=signatures or directory / SHADOW_SIGNATURES)


def recalled(directory: Path) -> Entry | None:
    """What the gateway of `directory` remembers, with its root secret; raises Problems."""
    settings = load(directory, os.environ)
    try:
        return activation_book.recall(settings.state_dir, settings.keyring().keyed_hash(Purpose.ACTIVATIONS))
    except BadBook as exc:
        book = settings.state_dir / activation_book.FILE
        raise Misuse(str(book), f"What was in force here cannot be believed: {exc.reason}.", "Restore it.") from None


def good(signed: Signed) -> tuple[Signature, ...]:
    """The signatures that fit."""
    names = signed_by(signed.content, signed.signatures, signed.signers)
    return tuple(one for one in signed.signatures if one.by in names)


def write(path: Path, signatures: Collection[Signature]) -> None:
    """Have exactly these in `path`, readable by everybody; raises OSError."""
    replace_file(path, render_signatures(sorted(signatures, key=lambda one: one.by)).encode(), mode=0o644)


@dataclass(frozen=True, slots=True)
class Lacking:
    """What a candidate still lacks. `is_certain` says that it was judged by what the gateway remembers; else it may be
    less: without the root secret nobody knows what lets out more than before."""

    objections: tuple[Objection, ...]
    problems: tuple[Problem, ...]
    is_certain: bool

    @property
    def forbids(self) -> bool:
        """Whether a gateway would refuse the candidate for certain."""
        needed = [one for one in self.objections if self.is_certain or one.fault is not Fault.ALONE]
        return bool(self.problems or needed)

    def sentences(self, spoken: Language, *, versions: bool = True) -> list[str]:
        """Each on its own; those about versions only where they have not been told."""
        told = [one for one in self.objections if versions or one.fault not in _OF_VERSIONS]
        return [*lines(self.problems, spoken), *(of_objection(one, spoken) for one in told)]


def lacking(directory: Path, files: Files, policy: Path, signatures: Path | None = None) -> Lacking:
    """What has to be signed before `policy` could come into force in `directory`."""
    try:
        signed = of_candidate(directory, files, policy, signatures)
    except Problems as wrong:
        return Lacking((), tuple(wrong.problems), is_certain=True)
    try:
        entry = recalled(directory)
    except Misuse as wrong:
        return Lacking(signed.objections(None), tuple(wrong.problems), is_certain=True)
    except Problems:
        return Lacking(signed.objections(None), (), is_certain=False)
    return Lacking(signed.objections(entry), (), is_certain=True)


def taken_along(signed: Signed, given: Path | None) -> tuple[Signature, ...]:
    """The signatures that a candidate starts with; of those that were `given` each has to fit, or Misuse is raised."""
    kept = good(signed)
    if given is not None:
        strange = [one.by for one in signed.signatures if one not in kept]
        if strange:
            message = f"The signature of `{strange[0]}` does not fit this policy with the files of this folder."
            raise Misuse(str(given), message, "Sign with the pools, tenants, recognizers and signers that stand here.")
        if not kept:
            raise Misuse(str(given), "Nobody has signed in this file.", "Leave `--signatures` out, and sign here.")
    return kept


def put_in_force(directory: Path, signatures: bytes) -> None:
    """Have exactly the signatures that were looked at as those of the policy; raises OSError."""
    replace_file(directory / SIGNATURES, signatures, mode=0o644)
