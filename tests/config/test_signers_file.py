"""signers.yaml and signatures.yaml are read with a sentence for every fault, and written as they are read."""

import base64

import pytest

from gateway.config.signers_file import read_signatures, read_signers, render_signatures, signer_line
from gateway.core import written
from gateway.core.approval import Signature
from gateway.core.reading import Reader

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
ONE, TWO = Signature("li.wei", bytes(64)), Signature("chen", bytes([7]) * 64)


def told(read, text: str):
    document = written.parse(text.encode(), "f.yaml")
    reader = Reader(document.problems)
    found = read(document.root, reader)
    return found, [str(problem) for problem in reader.problems]


def signers(*lines: str) -> str:
    return "\n".join(("apiVersion: tidegate/v1", "signers:", *lines, ""))


def test_signers_are_read_as_they_are_printed():
    assert told(read_signers, signers(signer_line("li.wei", KEY), signer_line("chen", OTHER))) == (
        {"li.wei": KEY, "chen": OTHER},
        [],
    )


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("  a: {key: nonsense}", "f.yaml:3:12: This is not a public key."),
        (f"  a: {{key: '{base64.b64encode(KEY).decode()}'}}", "This is not a public key."),
        ("  a: {key: ed25519:AAAA}", "This is not a public key."),
        ("  a: {key: 'ed25519:!!!!'}", "This is not a public key."),
        ("  a: {}", "A signer lacks the key `key`."),
        (signer_line("a", KEY) + "\n" + signer_line("b", KEY), "Another signer has this key. Each person has"),
    ],
)
def test_a_fault_among_signers_is_told(line, sentence):
    _, problems = told(read_signers, signers(line))
    assert len(problems) == 1
    assert sentence in problems[0]


@pytest.mark.parametrize("signatures", [(), (ONE,), (ONE, TWO)])
def test_signatures_are_read_as_they_are_written(signatures):
    assert told(read_signatures, render_signatures(signatures)) == (signatures, [])


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ("{by: a, signature: AAAA}", "This is not a signature. `tidegate policy sign` writes this file."),
        ("{by: a, signature: '%%'}", "This is not a signature."),
        ("{by: a}", "A signature lacks the key `signature`."),
        (f"{{by: li.wei, signature: {base64.b64encode(bytes(64)).decode()}}}", "This signer has signed already."),
    ],
)
def test_a_fault_among_signatures_is_told(entry, sentence):
    _, problems = told(read_signatures, render_signatures((ONE,)) + f"  - {entry}\n")
    assert len(problems) == 1
    assert sentence in problems[0]
