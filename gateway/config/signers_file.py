"""signers.yaml and signatures.yaml: who may sign a bundle, and who has signed this one.

Both are written by `tidegate policy sign` and can be read and pruned by people. Neither holds anything secret.
"""

import base64
import binascii
from collections.abc import Iterable
from typing import Final

from gateway.core.approval import KEY_BYTES, SIGNATURE_BYTES, Signature
from gateway.core.reading import API_VERSION, Reader
from gateway.core.written import Node

_PREFIX: Final = "ed25519:"


def read_signers(root: Node, reader: Reader) -> dict[str, bytes]:
    """Everybody who may sign, with his public key. No two share one."""
    top = reader.fields(root, "The signers file", ("apiVersion", "signers"), ("apiVersion", "signers"))
    reader.api_version(top)
    found: dict[str, bytes] = {}
    for name, node in reader.entries(top.get("signers"), "`signers`"):
        fields = reader.fields(node, "A signer", ("key",), ("key",))
        key = reader.text(fields.get("key"), "`key`")
        if key is None:
            continue
        value = _decoded(key.text.removeprefix(_PREFIX), KEY_BYTES) if key.text.startswith(_PREFIX) else None
        if value is None:
            reader.report(
                key.at, "This is not a public key.", "`tidegate policy signer` prints the line for this file."
            )
        elif value in found.values():
            reader.report(key.at, "Another signer has this key.", "Each person has a key of his own.")
        else:
            found[name.text] = value
    return found


def read_signatures(root: Node, reader: Reader) -> tuple[Signature, ...]:
    """The signatures, each person's once."""
    top = reader.fields(root, "The signatures file", ("apiVersion", "signatures"), ("apiVersion", "signatures"))
    reader.api_version(top)
    found: dict[str, Signature] = {}
    for node in reader.items(top.get("signatures"), "`signatures`", least=0):
        fields = reader.fields(node, "A signature", ("by", "signature"), ("by", "signature"))
        by, text = reader.name(fields.get("by"), "`by`"), reader.text(fields.get("signature"), "`signature`")
        if by is None or text is None:
            continue
        value = _decoded(text.text, SIGNATURE_BYTES)
        if value is None:
            reader.report(text.at, "This is not a signature.", "`tidegate policy sign` writes this file.")
        elif by.text in found:
            reader.report(by.at, "This signer has signed already.", "Remove one of the two.")
        else:
            found[by.text] = Signature(by.text, value)
    return tuple(found.values())


def render_signatures(signatures: Iterable[Signature]) -> str:
    """The file that holds `signatures`."""
    lines = ["# Written by `tidegate policy sign`.\n", f"apiVersion: {API_VERSION}\n", "signatures:\n"]
    lines += [f"  - {{by: {one.by}, signature: {base64.b64encode(one.signature).decode()}}}\n" for one in signatures]
    return "".join(lines) if len(lines) > 3 else "".join((*lines[:2], "signatures: []\n"))


def signer_line(name: str, key: bytes) -> str:
    """The line of signers.yaml for `name`."""
    return f"  {name}: {{key: {_PREFIX}{base64.b64encode(key).decode()}}}"


def _decoded(text: str, size: int) -> bytes | None:
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return value if len(value) == size else None
