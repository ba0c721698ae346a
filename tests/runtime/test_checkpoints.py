"""The signed checkpoints: one chain over restarts, one writer at a time, and no start over a broken one."""

import os
import stat

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.core.audit_chain import Head
from gateway.core.audit_verify import CHECKPOINTS, State, verify
from gateway.core.problems import Problems
from gateway.runtime.checkpoints import PRIVATE_KEY, PUBLIC_KEY, Checkpoints, load_public_key
from tests.core.audit_values import outcome, segment
from tests.fakes.clock import FakeClock

NAME, DATA, HEADS = segment([outcome("req_1"), outcome("req_2")])


def sign(directory, *heads):
    checkpoints = Checkpoints(directory, FakeClock())
    for head in heads:
        checkpoints.sign(head)
    checkpoints.close()


def judged(directory):
    public = load_public_key(directory / PUBLIC_KEY)
    return verify([(NAME, DATA)], (directory / CHECKPOINTS).read_bytes(), public, None)


def test_the_chain_goes_on_after_a_restart(tmp_path):
    sign(tmp_path, HEADS[0], HEADS[1])
    sign(tmp_path, HEADS[2])
    report = judged(tmp_path)
    assert report.state is State.INTACT
    assert [verdict.records for verdict in report.verdicts] == [3, 3]


def test_what_was_signed_is_not_signed_again(tmp_path):
    sign(tmp_path, HEADS[1], HEADS[1], HEADS[0])
    assert (tmp_path / CHECKPOINTS).read_bytes().count(b"\n") == 1


def test_the_private_key_is_for_its_owner_only(tmp_path):
    sign(tmp_path / "audit")
    assert stat.S_IMODE((tmp_path / "audit" / PRIVATE_KEY).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "audit").stat().st_mode) == 0o700


def test_an_incomplete_last_line_is_dropped(tmp_path):
    sign(tmp_path, HEADS[0], HEADS[1])
    path = tmp_path / CHECKPOINTS
    os.truncate(path, path.stat().st_size - 7)
    sign(tmp_path, HEADS[2])
    assert judged(tmp_path).state is State.INTACT


def test_a_write_that_failed_halfway_is_repaired(tmp_path):
    checkpoints = Checkpoints(tmp_path, FakeClock())
    checkpoints.sign(HEADS[0])
    with (tmp_path / CHECKPOINTS).open("ab") as file:
        file.write(b'{"v":1,"check')
    checkpoints.repair()
    checkpoints.sign(HEADS[2])
    checkpoints.close()
    assert judged(tmp_path).state is State.INTACT


def test_two_supervisors_cannot_sign_in_one_folder(tmp_path):
    first = Checkpoints(tmp_path, FakeClock())
    with pytest.raises(Problems, match="another gateway"):
        Checkpoints(tmp_path, FakeClock())
    first.close()
    sign(tmp_path, HEADS[0])


@pytest.mark.parametrize(
    ("file", "content"),
    [(CHECKPOINTS, b"what\n"), (PRIVATE_KEY, b"what\n"), (PUBLIC_KEY, b"what\n")],
)
def test_a_broken_file_stops_the_start_and_stays_as_it_is(tmp_path, file, content):
    sign(tmp_path, HEADS[0])
    (tmp_path / file).write_bytes(content)
    with pytest.raises(Problems, match=file):
        sign(tmp_path, HEADS[1])
    assert (tmp_path / file).read_bytes() == content


def test_a_lost_private_key_stops_the_start(tmp_path):
    sign(tmp_path, HEADS[0])
    (tmp_path / PRIVATE_KEY).unlink()
    with pytest.raises(Problems, match="Restore it"):
        sign(tmp_path)


def test_a_public_key_of_somebody_else_stops_the_start(tmp_path):
    sign(tmp_path)
    sign(tmp_path / "other")
    (tmp_path / PUBLIC_KEY).write_bytes((tmp_path / "other" / PUBLIC_KEY).read_bytes())
    with pytest.raises(Problems, match="does not belong"):
        sign(tmp_path)


def test_keys_of_another_kind_are_refused(tmp_path):
    sign(tmp_path)
    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / PRIVATE_KEY).write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    with pytest.raises(Problems, match="Ed25519"):
        sign(tmp_path)
    (tmp_path / "ec.pub").write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    with pytest.raises(Problems, match="Ed25519"):
        load_public_key(tmp_path / "ec.pub")


def test_a_head_on_disk_before_any_record_makes_the_segment_known(tmp_path):
    sign(tmp_path, Head(NAME, 0, HEADS[0].seal, HEADS[0].size))
    public = load_public_key(tmp_path / PUBLIC_KEY)
    assert verify([], (tmp_path / CHECKPOINTS).read_bytes(), public, None).state is State.CUT
