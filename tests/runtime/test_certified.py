"""A certificate is believed only under our own seal, for this build and for exactly the bundle at hand."""

import json

import pytest

from gateway.core.audit_record import SignedBy
from gateway.core.keyed_hash import KeyedHash
from gateway.policy.bans import Kind
from gateway.policy.certificate import Certificate, Certified
from gateway.runtime import certified

KEY = KeyedHash(b"a key of the tests")
BUNDLE = "b" * 64
CERTIFICATE = Certificate(BUNDLE, 10**30, (Certified("N1", Kind.NEVER), Certified("(ceiling)", Kind.CEILING)))
DATA = CERTIFICATE.to_bytes()
SEALED = certified.seal(DATA, KEY)


def changed(**fields):
    return json.dumps(json.loads(SEALED) | fields, separators=(",", ":")).encode()


def test_a_certificate_for_the_bundle_is_known_by_its_hash():
    assert certified.check(SEALED, KEY, BUNDLE) == certified.hash_of(DATA)
    assert certified.hash_of(DATA) != certified.hash_of(DATA + b" ")


NAMES = (SignedBy("li.wei", "0" * 16), SignedBy("chen", "1" * 16))
SIGNED = certified.seal(DATA, KEY, NAMES)


def test_who_signed_is_under_the_seal():
    assert certified.check(SIGNED, KEY, BUNDLE) == certified.hash_of(DATA)
    assert certified.signed_by(SIGNED) == NAMES
    assert certified.signed_by(SEALED) == ()
    other = SIGNED.replace(b"chen", b"cheng")
    nobody = {name: value for name, value in json.loads(SIGNED).items() if name != "signed_by"}
    for changed_seal in (other, json.dumps(nobody | {"v": 1}, separators=(",", ":")).encode()):
        with pytest.raises(certified.Unproved, match="seal is not ours"):
            certified.check(changed_seal, KEY, BUNDLE)
    with pytest.raises(certified.Unproved, match="of another version"):
        certified.check(SIGNED.replace(b'"v":2', b'"v":1'), KEY, BUNDLE)


@pytest.mark.parametrize(
    ("sealed", "reason"),
    [
        (b"", "there is no certificate"),
        (b"not JSON", "cannot be read"),
        (b"\xff", "cannot be read"),
        (b"{}", "cannot be read"),
        (changed(more=1), "cannot be read"),
        (changed(v=2), "of another version"),
        (changed(mac="00" * 32), "seal is not ours"),
        (changed(mac="é"), "seal is not ours"),
        (changed(certificate=json.loads(DATA) | {"bundle": "c" * 64}), "seal is not ours"),
        (certified.seal(DATA, KeyedHash(b"another")), "seal is not ours"),
        (certified.seal(b'{"bundle":"b"}', KEY), "not one of this build"),
        (certified.seal(DATA.replace(b'"prover":', b'"prover":9'), KEY), "not one of this build"),
        (certified.seal(DATA.replace(BUNDLE.encode(), b"c" * 64), KEY), "for another bundle"),
    ],
)
def test_anything_else_is_refused_in_fixed_words(sealed, reason):
    with pytest.raises(certified.Unproved, match=reason):
        certified.check(sealed, KEY, BUNDLE)


@pytest.mark.parametrize("end", range(1, len(SEALED)))
def test_a_certificate_that_was_cut_anywhere_is_refused(end):
    with pytest.raises(certified.Unproved, match="cannot be read"):
        certified.check(SEALED[:end], KEY, BUNDLE)


def test_it_is_kept_whole_under_the_bundles_name(tmp_path):
    certified.keep(tmp_path, BUNDLE, b"something older")
    certified.keep(tmp_path, BUNDLE, SEALED)
    (kept,) = (tmp_path / "certificates").iterdir()
    assert kept.name == f"{BUNDLE}.json"
    assert kept.read_bytes() == SEALED
    assert kept.stat().st_mode & 0o777 == 0o600


def test_what_could_not_be_written_leaves_nothing_behind(tmp_path):
    (tmp_path / "certificates" / f"{BUNDLE}.json").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        certified.keep(tmp_path, BUNDLE, SEALED)
    assert [path.name for path in (tmp_path / "certificates").iterdir()] == [f"{BUNDLE}.json"]
