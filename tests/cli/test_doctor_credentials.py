"""`tidegate doctor` names the keys that want looking at, and tells whether an issuer's keys can be had."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from gateway.cli.checkup import State
from gateway.cli.checkup_credentials import of_credentials
from gateway.cli.doctor_words import MENDS
from gateway.cli.keys import Wish, add_key, create_key
from gateway.config.keys_file import time_of
from gateway.runtime.key_use import KeyUse
from gateway.settings import load
from tests.cli.folder import write_folder
from tests.fakes.identity_provider import jwk, private_key

OIDC = """\
oidc:
  corp:
    issuer: https://login.example
    audience: tidegate
    keys: {file: keys.json}
    algorithms: [ES256]
    tenant: {claim: tid, values: {a: bank}}
"""


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "config")


def found(folder, after=timedelta(0)):
    return {check.key: check for check in of_credentials(load(folder, {}), datetime.now(UTC) + after)}


def ending(folder, seconds):
    at = time_of(datetime.now(UTC).timestamp() + seconds)
    return add_key(folder, "bank", Wish(expires=at), {})[0].id


def test_keys_that_ended_or_will_soon_are_named(folder):
    assert found(folder) == {}
    over, soon = ending(folder, -60), ending(folder, 86_400)
    ending(folder, 30 * 86_400)
    create_key(folder, "bank", environ={})
    checks = found(folder)
    assert set(checks) == {"keys_ended", "keys_end_soon"}
    assert (checks["keys_ended"].gaps["keys"], checks["keys_end_soon"].gaps["keys"]) == (over, soon)
    assert {check.state for check in checks.values()} == {State.MISSING}
    assert set(checks) <= set(MENDS)


def test_keys_that_nobody_uses_are_named_once_uses_are_known(folder):
    first, _ = create_key(folder, "bank", environ={})
    second, _ = create_key(folder, "bank", environ={})
    later = timedelta(days=100)
    assert found(folder, later) == {}
    use = KeyUse(folder / "state")
    use.note(second.id)
    use.keep((datetime.now(UTC) + timedelta(days=50)).timestamp(), {second.id})
    assert found(folder, later)["keys_unused"].gaps["keys"] == first.id
    assert found(folder) == {}


@pytest.mark.parametrize(
    ("published", "key"),
    [
        (None, "issuer_silent"),
        (b"<html>", "issuer_without_keys"),
        (json.dumps({"keys": [jwk(private_key("EdDSA"), "EdDSA", "k")]}).encode(), "issuer_without_keys"),
        (json.dumps({"keys": [jwk(private_key("ES256"), "ES256", "k")]}).encode(), "issuer"),
    ],
)
def test_an_issuers_keys_are_asked_for(folder, published, key):
    (folder / "gateway.yaml").write_text((folder / "gateway.yaml").read_text() + OIDC)
    (folder / "keys.json").write_bytes(published or b"")
    settings = load(folder, {})
    if published is None:
        (folder / "keys.json").unlink()
    (check,) = of_credentials(settings, datetime.now(UTC))
    assert check.key == key
    assert check.state is (State.LIVE if key == "issuer" else State.WRONG)
    assert check.gaps["issuer"] == "corp"
