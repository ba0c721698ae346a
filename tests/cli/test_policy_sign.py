"""Signatures from the signer's key to the gateway that asks for them."""

import json
import os
from pathlib import Path

import pytest

from gateway.cli.prepare import plan_of
from gateway.cli.proved import logged
from gateway.cli.signed_files import Changed, read_signed
from gateway.config.gateway_file import Files
from gateway.core.problems import Problems
from gateway.settings import load_bundle
from tests.cli.policy_runs import one_scanner_for_each_policy as one_scanner_for_each_policy
from tests.cli.policy_runs import run
from tests.config.folder import ENVIRON, edit, make

Capsys = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A configuration that asks for signatures; the keys of its two signers stand beside it."""
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    folder = make(tmp_path / "config" if (tmp_path / "config").mkdir() is None else tmp_path)
    (folder / "gateway.yaml").write_text((folder / "gateway.yaml").read_text() + "signatures: {required: true}\n")
    return folder


def key(folder: Path, name: str) -> Path:
    return folder.parent / f"{name}.pem"


def know(capsys: Capsys, folder: Path, *names: str) -> None:
    lines = []
    for name in names:
        if not key(folder, name).exists():
            status, out, _ = run(capsys, "signer", name, "--key", key(folder, name), "--json")
            assert status == 0
            lines.append(json.loads(out)["line"])
    signers = folder / "signers.yaml"
    before = signers.read_text() if signers.exists() else "apiVersion: tidegate/v1\nsigners:\n"
    signers.write_text(before + "".join(f"{line}\n" for line in lines))


def sign(capsys: Capsys, folder: Path, *names: str) -> None:
    for name in names:
        status, out, err = run(capsys, "sign", "--config", folder, "--key", key(folder, name))
        assert (status, err) == (0, ""), out


def verify(capsys: Capsys, folder: Path, *more: str) -> tuple[int, str, str]:
    return run(capsys, "verify", "--config", folder, *more)


def refused(folder: Path) -> str:
    with pytest.raises(Problems) as caught:
        plan_of(folder, logged())
    return str(caught.value)


def test_two_people_let_the_first_bundle_in_and_one_a_change_that_raises_nothing(folder: Path, capsys: Capsys) -> None:
    know(capsys, folder, "li.wei", "chen")
    assert "Nobody has signed these files. Run `tidegate policy sign`." in refused(folder)
    sign(capsys, folder, "li.wei")
    status, out, _ = verify(capsys, folder)
    assert status == 1
    assert "✗ Only `li.wei` signed, and these files let out more than before. A second person has to sign." in out
    assert "Nothing is remembered" in out
    sign(capsys, folder, "chen")
    status, out, _ = verify(capsys, folder)
    assert (status, "A gateway that remembers nothing yet accepts these files." in out) == (0, True)
    plan = plan_of(folder, logged())
    assert plan_of(folder, logged()).bundle == plan.bundle  # as after a restart

    edit(folder, "policy.yaml", "version: 1 ", "version: 2 ")
    edit(folder, "policy.yaml", "spill: [burst], on_full", "on_full")
    assert "The signature of `chen` does not fit these files." in refused(folder)
    status, out, _ = run(capsys, "sign", "--config", folder, "--key", key(folder, "chen"))
    assert "Left out: the signature of `li.wei`, which did not fit these files." in out
    status, out, _ = verify(capsys, folder, "--json")
    shown = json.loads(out)
    assert (status, shown["ok"], shown["signed_by"], shown["raised"], shown["remembered"]) == (0, True, ["chen"], [], 1)
    plan_of(folder, logged())


def test_what_lets_more_out_takes_a_second_person(folder: Path, capsys: Capsys) -> None:
    know(capsys, folder, "li.wei", "chen")
    edit(folder, "tenants.yaml", "default: {ceiling: internal}", "default: {ceiling: public}")
    sign(capsys, folder, "li.wei", "chen")
    plan_of(folder, logged())
    edit(folder, "tenants.yaml", "default: {ceiling: public}", "default: {ceiling: internal}")
    sign(capsys, folder, "li.wei")
    told = refused(folder)
    assert "Version 1 was in force here with other files. Write `version: 2`." in told
    edit(folder, "policy.yaml", "version: 1 ", "version: 2 ")
    sign(capsys, folder, "li.wei")
    told = refused(folder)
    assert "A second person has to sign." in told
    assert "Raised: the ceiling of the tenant class `default`, from public to internal." in told
    sign(capsys, folder, "chen")
    plan_of(folder, logged())


def test_a_version_that_was_is_never_again_but_what_it_was_may_come_back(folder: Path, capsys: Capsys) -> None:
    know(capsys, folder, "li.wei", "chen")
    both = ("li.wei", "chen")
    sign(capsys, folder, *both)
    plan_of(folder, logged())
    first = {name: (folder / name).read_bytes() for name in ("policy.yaml", "signatures.yaml")}
    edit(folder, "policy.yaml", "version: 1 ", "version: 2 ")
    edit(folder, "policy.yaml", "spill: [burst], on_full", "on_full")
    sign(capsys, folder, *both)
    plan_of(folder, logged())
    for name, data in first.items():
        (folder / name).write_bytes(data)
    assert "Version 1 is below 2, which was in force here." in refused(folder)
    edit(folder, "policy.yaml", "version: 1 ", "version: 3\nrestores: 1 ")
    sign(capsys, folder, *both)
    plan_of(folder, logged())
    edit(folder, "policy.yaml", "version: 3\nrestores: 1 ", "version: 4\nrestores: 2 ")
    sign(capsys, folder, *both)
    assert "`restores: 2` is not what version 2 was." in refused(folder)


def test_whoever_can_write_the_files_cannot_name_himself(folder: Path, capsys: Capsys) -> None:
    know(capsys, folder, "li.wei", "chen")
    sign(capsys, folder, "li.wei", "chen")
    plan_of(folder, logged())
    know(capsys, folder, "mallory", "eve")
    edit(folder, "policy.yaml", "version: 1 ", "version: 2 ")
    sign(capsys, folder, "mallory", "eve")
    told = refused(folder)
    assert "`eve` signed, who was no signer when the bundle in force came into force." in told
    sign(capsys, folder, "li.wei", "chen")
    assert "`mallory` signed, who was no signer" in refused(folder)


def test_a_book_that_was_changed_lets_nothing_in(folder: Path, capsys: Capsys) -> None:
    know(capsys, folder, "li.wei", "chen")
    sign(capsys, folder, "li.wei", "chen")
    plan_of(folder, logged())
    book = folder / "state" / "activations.json"
    book.write_bytes(book.read_bytes().replace(b'"version":1', b'"version":0'))
    assert "What was in force here cannot be believed: its seal is not ours. Restore it" in refused(folder)
    status, _, err = verify(capsys, folder)
    assert (status, "cannot be believed: its seal is not ours" in err) == (2, True)
    assert verify(capsys, folder, "--offline")[0] == 0


def test_a_key_is_its_owners_alone_and_never_overwritten(folder: Path, capsys: Capsys) -> None:
    status, out, _ = run(capsys, "signer", "li.wei", "--key", key(folder, "li.wei"))
    assert status == 0
    assert "  li.wei: {key: ed25519:" in out
    assert key(folder, "li.wei").stat().st_mode & 0o777 == 0o600
    status, _, err = run(capsys, "signer", "li.wei", "--key", key(folder, "li.wei"))
    assert (status, "This file is there already. Name a new one: a key is never overwritten." in err) == (2, True)
    status, _, err = run(capsys, "signer", "li.wei", "--key", folder / "no" / "where.pem")
    assert (status, "This file cannot be written (FileNotFoundError)." in err) == (2, True)


def test_only_a_signers_key_signs(folder: Path, capsys: Capsys) -> None:
    know(capsys, folder, "li.wei")
    run(capsys, "signer", "eve", "--key", key(folder, "eve"))
    (folder.parent / "rsa.pem").write_text("-----BEGIN PRIVATE KEY-----\nnonsense\n")
    for name, sentence in {
        "eve": "signers.yaml has nobody with this key.",
        "rsa": "This is not a private key for signing. `tidegate policy signer` makes one.",
        "gone": "This key cannot be read (FileNotFoundError). Check the path.",
    }.items():
        status, _, err = run(capsys, "sign", "--config", folder, "--key", key(folder, name))
        assert (status, sentence in err) == (2, True), err
    assert not (folder / "signatures.yaml").exists()


def test_without_signers_nothing_comes_into_force(folder: Path) -> None:
    assert "signers.yaml: There is no such file, and it says who may sign." in refused(folder)


def test_a_gateway_that_does_not_ask_takes_unsigned_files(folder: Path) -> None:
    edit(folder, "gateway.yaml", "signatures: {required: true}", "signatures: {required: false}")
    plan_of(folder, logged())
    assert not (folder / "state" / "activations.json").exists()


def test_it_speaks_chinese_and_programs_language(folder: Path, capsys: Capsys) -> None:
    know(capsys, folder, "li.wei")
    status, out, _ = run(capsys, "sign", "--config", folder, "--key", key(folder, "li.wei"), "--json")
    assert (status, json.loads(out)["by"]) == (0, "li.wei")
    out = verify(capsys, folder, "--language", "zh")[1]
    assert "只有 `li.wei` 签名" in out
    assert os.access(folder / "signatures.yaml", os.R_OK)


PATTERN = (
    "recognizers:\n  - {name: badge, supported_entity: ACME_BADGE, patterns: [{regex: 'AC-[0-9]{6}', score: 0.9}]}\n"
)
WEAKER = PATTERN.replace("[0-9]{6}", "[0-9]{60}")


@pytest.mark.parametrize(
    ("before", "after"), [(PATTERN, WEAKER), (PATTERN, None), (None, PATTERN), (PATTERN, "recognizers: [7]\n")]
)
def test_recognizers_that_change_while_they_are_read_are_not_taken_for_those_of_the_bundle(
    folder: Path, capsys: Capsys, before: str | None, after: str | None
) -> None:
    """Signatures are over what stands in the files, and the bundle is made of what stood in them a moment before."""
    know(capsys, folder, "ana")
    own = folder / "recognizers.yaml"
    for text in (before, after):
        if text is None:
            own.unlink(missing_ok=True)
        else:
            own.write_text(text)
        if text is before:
            bundle = load_bundle(folder, os.environ)[1]
            assert read_signed(folder, Files(), bundle).content.pools == bundle.pools_digest
    with pytest.raises(Changed):
        read_signed(folder, Files(), bundle)


# A candidate beside the policy


def shadow(capsys: Capsys, folder: Path, *arguments: str | Path) -> tuple[int, str, str]:
    return run(capsys, "shadow", *arguments, "--config", folder)


def sign_candidate(capsys: Capsys, folder: Path, *names: str) -> None:
    for name in names:
        status, out, err = run(capsys, "sign", "--shadow", "--config", folder, "--key", key(folder, name))
        assert (status, err) == (0, ""), out


def candidate(folder: Path, *changes: tuple[str, str]) -> Path:
    """A new policy of version 2, not in the folder."""
    new = folder.parent / "new.yaml"
    text = (folder / "policy.yaml").read_text()
    for old, changed in (("version: 1 ", "version: 2 "), *changes):
        assert text.count(old) == 1, old
        text = text.replace(old, changed)
    new.write_text(text)
    return new


LETS_OUT = ("# carriers: {image: internal}", "carriers: {image: internal}")
KEEPS_HOME = ("spill: [burst], on_full", "on_full")


@pytest.fixture
def signed(folder: Path, capsys: Capsys) -> Path:
    """The folder, with a first bundle of two signers in force."""
    know(capsys, folder, "li.wei", "chen")
    sign(capsys, folder, "li.wei", "chen")
    plan_of(folder, logged())
    return folder


def test_a_candidate_is_signed_beside_the_policy_and_its_signatures_go_with_it(signed: Path, capsys: Capsys) -> None:
    status, out, err = shadow(capsys, signed, "start", candidate(signed, LETS_OUT), "--json")
    assert (status, err) == (0, "")
    shown = json.loads(out)
    assert shown["unsigned"] == ["Nobody has signed these files. Run `tidegate policy sign`."]
    name = shown["candidate"]
    before = {file: (signed / file).read_bytes() for file in ("policy.yaml", "signatures.yaml")}

    sign_candidate(capsys, signed, "li.wei")
    status, _, err = shadow(capsys, signed, "promote", name)
    told = " ".join(err.split())
    assert (status, "A second person has to sign." in told, "Nothing was changed." in told) == (1, True, True)
    status, out, _ = run(capsys, "verify", "--shadow", "--config", signed)
    assert (status, "Raised: parts of the kind `image`" in out) == (1, True)
    assert {file: (signed / file).read_bytes() for file in before} == before
    plan_of(signed, logged())  # what was in force still is, also after a restart

    sign_candidate(capsys, signed, "chen")
    assert run(capsys, "verify", "--shadow", "--config", signed)[0] == 0
    status, out, err = shadow(capsys, signed, "promote", name, "--json")
    assert (status, json.loads(out)["unsigned"], err) == (0, [], "")
    assert not (signed / "policy.shadow.yaml").exists()
    assert not (signed / "signatures.shadow.yaml").exists()
    assert verify(capsys, signed)[0] == 0
    plan_of(signed, logged())
    assert json.loads(verify(capsys, signed, "--json")[1])["remembered"] == 2


def test_one_signature_promotes_a_candidate_that_lets_out_no_more(signed: Path, capsys: Capsys) -> None:
    _, out, _ = shadow(capsys, signed, "start", candidate(signed, KEEPS_HOME), "--json")
    sign_candidate(capsys, signed, "chen")
    assert shadow(capsys, signed, "promote", json.loads(out)["candidate"])[0] == 0
    plan_of(signed, logged())


def test_signatures_that_were_made_elsewhere_are_taken_along(signed: Path, capsys: Capsys, tmp_path: Path) -> None:
    new, theirs = candidate(signed, LETS_OUT), tmp_path / "theirs.yaml"
    shadow(capsys, signed, "start", new)
    sign_candidate(capsys, signed, "li.wei", "chen")
    (signed / "signatures.shadow.yaml").rename(theirs)
    status, out, _ = shadow(capsys, signed, "start", new, "--signatures", theirs, "--json")
    shown = json.loads(out)
    assert (status, shown["unsigned"]) == (0, [])
    # And are kept when the same is started again.
    assert json.loads(shadow(capsys, signed, "start", new, "--json")[1])["unsigned"] == []
    assert shadow(capsys, signed, "promote", shown["candidate"])[0] == 0
    plan_of(signed, logged())


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "The signature of `chen` does not fit this policy with the files of this folder."),
        ("apiVersion: tidegate/v1\nsignatures: []\n", "Nobody has signed in this file."),
        ("nonsense\n", "theirs.yaml"),
        ("", "theirs.yaml"),
    ],
)
def test_signatures_that_are_not_of_the_candidate_are_not_taken_along(
    signed: Path, capsys: Capsys, tmp_path: Path, text: str | None, sentence: str
) -> None:
    theirs = tmp_path / "theirs.yaml"
    theirs.write_text(text if text is not None else (signed / "signatures.yaml").read_text())
    status, _, err = shadow(capsys, signed, "start", candidate(signed, LETS_OUT), "--signatures", theirs)
    assert (status in {1, 2}, sentence in " ".join(err.split())) == (True, True), err
    assert not (signed / "policy.shadow.yaml").exists()


def test_a_file_of_signatures_that_is_not_there_is_said(signed: Path, capsys: Capsys) -> None:
    gone = signed / "gone.yaml"
    status, _, err = shadow(capsys, signed, "start", candidate(signed, LETS_OUT), "--signatures", gone)
    assert (status, "There is no such file." in err) == (2, True)


def test_another_candidate_does_not_inherit_the_signatures_of_the_one_before(signed: Path, capsys: Capsys) -> None:
    shadow(capsys, signed, "start", candidate(signed, LETS_OUT))
    sign_candidate(capsys, signed, "li.wei", "chen")
    shadow(capsys, signed, "start", candidate(signed, KEEPS_HOME))
    assert not (signed / "signatures.shadow.yaml").exists()
    sign_candidate(capsys, signed, "li.wei")
    (signed / "signers.yaml").write_text("nonsense\n")
    shadow(capsys, signed, "start", candidate(signed, KEEPS_HOME))
    assert not (signed / "signatures.shadow.yaml").exists()


def test_a_dropped_candidate_takes_its_signatures_with_it(signed: Path, capsys: Capsys) -> None:
    shadow(capsys, signed, "start", candidate(signed, LETS_OUT))
    sign_candidate(capsys, signed, "li.wei")
    assert shadow(capsys, signed, "drop")[0] == 0
    assert not (signed / "signatures.shadow.yaml").exists()


def test_what_is_missing_is_said_when_a_candidate_is_started_in_either_language(signed: Path, capsys: Capsys) -> None:
    for spoken, words in {"en": "note: this gateway asks for signatures", "zh": "提示：该网关要求签名"}.items():
        _, out, _ = shadow(capsys, signed, "start", candidate(signed, LETS_OUT), "--language", spoken)
        assert words in " ".join(out.split())
        assert f"  tidegate policy sign --shadow --key FILE --config {signed}" in out


def test_without_the_root_secret_a_second_signature_may_be_needed_and_that_is_said(
    signed: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where files are prepared: what the gateway remembers is not to be read there."""
    status, out, _ = shadow(capsys, signed, "start", candidate(signed, KEEPS_HOME), "--json")
    sign_candidate(capsys, signed, "chen")
    for name in ENVIRON:
        monkeypatch.delenv(name)
    status, out, _ = shadow(capsys, signed, "promote", json.loads(out)["candidate"])
    assert status == 0
    assert "Without the root secret nobody here knows" in " ".join(out.split())


def test_a_book_that_was_changed_keeps_a_candidate_from_being_promoted(signed: Path, capsys: Capsys) -> None:
    _, out, _ = shadow(capsys, signed, "start", candidate(signed, KEEPS_HOME), "--json")
    sign_candidate(capsys, signed, "chen")
    book = signed / "state" / "activations.json"
    book.write_bytes(book.read_bytes().replace(b'"version":1', b'"version":0'))
    status, _, err = shadow(capsys, signed, "promote", json.loads(out)["candidate"])
    assert (status, "cannot be believed: its seal is not ours" in " ".join(err.split())) == (1, True)


COMPLEXITY = ("  - {id: rest", "  - {id: easy, when: {complexity: simple}, to: [home], spill: [burst]}\n  - {id: rest")


def test_bands_that_move_take_a_second_person(folder: Path, capsys: Capsys) -> None:
    """More requests count as simple, and what is simple may leave."""
    edit(folder, "policy.yaml", *COMPLEXITY)
    know(capsys, folder, "li.wei", "chen")
    sign(capsys, folder, "li.wei", "chen")
    plan_of(folder, logged())
    bands = ("routes:\n", "complexity: {simple_below: 0.6, hard_from: 0.75}\nroutes:\n")
    _, out, _ = shadow(capsys, folder, "start", candidate(folder, bands), "--json")
    sign_candidate(capsys, folder, "li.wei")
    name = json.loads(out)["candidate"]
    assert "A second person has to sign." in " ".join(shadow(capsys, folder, "promote", name)[2].split())
    told = run(capsys, "verify", "--shadow", "--config", folder)[1]
    assert "Raised: the bands of complexity part at 0.6, 0.75 and parted at 0.35, 0.75" in " ".join(told.split())
    sign_candidate(capsys, folder, "chen")
    assert shadow(capsys, folder, "promote", name)[0] == 0
    plan_of(folder, logged())
