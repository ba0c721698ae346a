"""`tidegate policy signer`, `sign` and `verify`: a bundle's signatures, made and looked at before it goes live.

A signer's private key never has to be where the gateway is: `sign` reads files and writes one, `signatures.yaml`.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from gateway.cli.approval_words import of_objection, of_raise, say
from gateway.cli.demo_table import Colour
from gateway.cli.endings import told
from gateway.cli.main import Subparsers
from gateway.cli.page import Page
from gateway.cli.policy_files import files_of
from gateway.cli.problem_report import FOUND, GOOD, Misuse, text_of
from gateway.cli.shadow_signatures import SHADOW_SIGNATURES, good, of_candidate, recalled, write
from gateway.cli.signed_files import SIGNATURES, SIGNERS, Signed, read_signed
from gateway.cli.spoken import add_language, language
from gateway.config.signers_file import signer_line
from gateway.core.approval import Signature, to_be_signed
from gateway.policy.words import Language
from gateway.runtime.activation_book import Entry
from gateway.settings import CONFIG_VARIABLE, load_bundle

_LARGEST_KEY: Final = 16 << 10


def add_commands(commands: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add `signer`, `sign` and `verify`."""
    signer = commands.add_parser("signer", help="make a person's key for signing, and the line for signers.yaml")
    signer.add_argument("name", metavar="NAME", help="the person's name in signers.yaml")
    signer.add_argument("--key", metavar="FILE", type=Path, required=True, help="where the private key is written")
    signer.add_argument("--json", action="store_true", help="print one JSON object, for programs")
    add_language(signer)
    signer.set_defaults(run=told(_signer))
    sign = commands.add_parser("sign", help="sign the files of a folder")
    _add_folder(sign)
    sign.add_argument("--key", metavar="FILE", type=Path, required=True, help="your private key")
    sign.add_argument("--shadow", action="store_true", help="sign the candidate beside the policy, as if in its place")
    sign.set_defaults(run=told(_sign))
    verify = commands.add_parser(
        "verify",
        help="say who has signed the files of a folder, and whether they may come into force",
        description="Ends with 0 if a gateway that asks for signatures would accept the files. What it remembers is "
        "read with its root secret; without that, as on a signer's own machine, only the signatures are looked at.",
    )
    _add_folder(verify)
    verify.add_argument("--offline", action="store_true", help="look at the signatures only, without the root secret")
    verify.add_argument("--shadow", action="store_true", help="look at the candidate, as if in the policy's place")
    verify.set_defaults(run=told(_verify))


def _add_folder(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        metavar="DIR",
        type=Path,
        default=Path(os.environ.get(CONFIG_VARIABLE) or "."),
        help=f"the folder with gateway.yaml; ${CONFIG_VARIABLE} or the current one if not given",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, for programs")
    add_language(parser)


def _signer(arguments: argparse.Namespace) -> int:
    key, path = Ed25519PrivateKey.generate(), arguments.key
    data = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise Misuse(str(path), "This file is there already.", "Name a new one: a key is never overwritten.") from None
    except OSError as exc:
        raise Misuse(str(path), f"This file cannot be written ({type(exc).__name__}).") from None
    with os.fdopen(fd, "wb") as file:
        file.write(data)
    line = signer_line(arguments.name, key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))
    if arguments.json:
        print(text_of({"ok": True, "problems": [], "name": arguments.name, "key": str(path), "line": line}))
        return GOOD
    page, spoken = Page.on(sys.stdout, os.environ), language(arguments)
    page.say(say("new_signer", spoken, file=path, signers=SIGNERS))
    print(line)
    return GOOD


def _sign(arguments: argparse.Namespace) -> int:
    signed = _read(arguments)
    key = _private(arguments.key)
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    by = next((name for name, known in signed.signers.items() if known == public), None)
    if by is None:
        mend = "Use your own, or have its line added: `tidegate policy signer` prints it."
        raise Misuse(str(arguments.key), f"{SIGNERS} has nobody with this key.", mend)
    fitting = good(signed)
    kept = [one for one in fitting if one.by != by]
    dropped = [one.by for one in signed.signatures if one not in fitting and one.by != by]
    kept.append(Signature(by, key.sign(to_be_signed(signed.content))))
    path = signed.directory / (SHADOW_SIGNATURES if arguments.shadow else SIGNATURES)
    write(path, kept)
    if arguments.json:
        shown = {"by": by, "version": signed.content.version, "file": str(path), "dropped": dropped}
        print(text_of({"ok": True, "problems": [], **shown}))
        return GOOD
    page, spoken = Page.on(sys.stdout, os.environ), language(arguments)
    page.say(say("signed", spoken, by=by, version=signed.content.version, file=path), Colour.HOME)
    for name in dropped:
        page.say(say("dropped", spoken, by=name))
    return GOOD


def _verify(arguments: argparse.Namespace) -> int:
    signed = _read(arguments)
    entry = None if arguments.offline else recalled(arguments.config)
    found, spoken = signed.objections(entry), language(arguments)
    names = sorted(one.by for one in good(signed))
    rises = signed.raised(entry.terms if entry is not None else None)
    if arguments.json:
        print(
            text_of(
                {
                    "ok": not found,
                    "problems": [of_objection(one, spoken) for one in found],
                    "version": signed.content.version,
                    "signed_by": names,
                    "raised": None if rises is None else [of_raise(one, spoken) for one in rises],
                    "remembered": entry.memory.highest if entry is not None else None,
                }
            )
        )
        return FOUND if found else GOOD
    page = Page.on(sys.stdout, os.environ)
    for name in names:
        page.say(say("good", spoken, by=name))
    for one in found:
        page.say(f"✗ {of_objection(one, spoken)}")
    if rises is None:
        page.say(say("first", spoken))
    elif not rises:
        page.say(say("nothing_raised", spoken))
    for rise in rises or ():
        page.say(of_raise(rise, spoken))
    if not found:
        page.say(say("accepted", spoken, what=_what(entry, spoken)), Colour.HOME)
    return FOUND if found else GOOD


def _what(entry: Entry | None, spoken: Language) -> str:
    if entry is None:
        return say("no_memory", spoken)
    return say("memory", spoken, version=entry.memory.highest)


def _read(arguments: argparse.Namespace) -> Signed:
    directory: Path = arguments.config
    files = files_of(directory)
    if arguments.shadow:
        return of_candidate(directory, files, directory / files.shadow)
    return read_signed(directory, files, load_bundle(directory, os.environ)[1])


def _private(path: Path) -> Ed25519PrivateKey:
    try:
        data = path.read_bytes()[: _LARGEST_KEY + 1]
    except OSError as exc:
        raise Misuse(str(path), f"This key cannot be read ({type(exc).__name__}).", "Check the path.") from None
    try:
        key = load_pem_private_key(data, password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise Misuse(str(path), "This is not a private key for signing.", "`tidegate policy signer` makes one.")
    return key
