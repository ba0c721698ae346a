"""An issuer's keys are fetched off the request path, replaced as a whole, and believed for a while when that fails."""

import asyncio
import json

import pytest

from gateway.config.oidc_block import KeysAt, KeysIn
from gateway.core.reading import Word
from gateway.core.written import Place
from gateway.runtime.issuer_keys import AT_MOST_EVERY_S, IssuerKeys, Unfetched
from gateway.runtime.key_fetch import fetch_keys
from gateway.runtime.signatures import Unusable, verifier_of
from gateway.wire.key_sets import LARGEST, PublicKey
from tests.fakes.clock import FakeClock
from tests.fakes.identity_provider import Provider, identity_provider, jwk, private_key


class Desk:
    def __init__(self, **more):
        self.clock, self.provider = FakeClock(), Provider()
        self.provider.add("k1", "ES256")
        self.fails: Unfetched | None = None
        self.changes = 0
        self.fetched = asyncio.Event()
        self.keys = IssuerKeys("corp", self.fetch, self.clock, **({"refresh_s": 300.0, "keep_s": 3600.0} | more))
        self.keys.changed = self.count

    def count(self):
        self.changes += 1

    async def fetch(self):
        self.fetched.set()
        if self.fails is not None:
            raise self.fails
        return self.provider.answer or self.provider.published


async def test_keys_are_replaced_as_a_whole_and_only_a_change_is_one():
    desk = Desk()
    assert desk.keys.is_stale
    await desk.keys.refresh()
    await desk.keys.refresh()
    assert (desk.changes, desk.keys.count, desk.keys.is_stale) == (1, 2, False)
    assert desk.keys.find("k1", "ES256")
    del desk.provider.keys["k1"]
    desk.provider.add("k2", "EdDSA")
    await desk.keys.refresh()
    assert (desk.changes, desk.keys.find("k1", "ES256")) == (2, None)
    assert desk.keys.find("k2", "EdDSA")
    assert desk.keys.find("", "EdDSA")


@pytest.mark.parametrize(
    "answer", [b"<html>", b'{"keys": []}', json.dumps({"keys": [{"kty": "oct", "k": "AA"}]}).encode()]
)
async def test_what_is_no_set_of_keys_leaves_those_of_before(answer, caplog):
    desk = Desk()
    await desk.keys.refresh()
    desk.provider.answer = answer
    for _ in range(3):
        await desk.keys.refresh()
    assert desk.keys.find("k1", "ES256")
    assert desk.keys.is_stale
    assert caplog.text.count("issuer_keys_unfetched") == 1
    desk.provider.answer = None
    await desk.keys.refresh()
    assert not desk.keys.is_stale


async def test_keys_that_nobody_could_fetch_for_too_long_are_believed_no_more(caplog):
    desk = Desk()
    await desk.keys.refresh()
    desk.fails = Unfetched("ConnectError")
    desk.clock.now += 3600
    await desk.keys.refresh()
    assert desk.keys.find("k1", "ES256")
    desk.clock.now += 1
    await desk.keys.refresh()
    assert desk.keys.find("k1", "ES256") is None
    assert (desk.changes, desk.keys.any()) == (2, None)
    assert "issuer_keys_too_old" in caplog.text
    desk.fails = None
    await desk.keys.refresh()  # the very set of before: it counts again
    assert desk.keys.find("k1", "ES256")


async def test_a_key_that_nobody_knows_is_asked_for_at_once_but_not_by_everybody_who_makes_one_up():
    desk = Desk()
    await desk.keys.refresh()
    stop = asyncio.Event()
    desk.fetched.clear()
    async with asyncio.TaskGroup() as group:
        group.create_task(desk.keys.run(stop))
        for number in range(100):
            desk.keys.find(f"made-up-{number}", "ES256")
        await asyncio.sleep(0)
        assert not desk.fetched.is_set()
        desk.clock.now += AT_MOST_EVERY_S
        desk.keys.find("made-up", "ES256")
        async with asyncio.timeout(5):
            await desk.fetched.wait()
        stop.set()


@pytest.mark.parametrize(
    ("failures", "age", "expected"),
    [(0, 0.0, 300.0), (1, 0.0, 5.0), (2, 0.0, 10.0), (8, 0.0, 300.0), (8, 3500.0, 100.1), (8, 3700.0, 0.1)],
)
async def test_it_is_tried_again_ever_less_often_but_never_after_the_keys_are_too_old(failures, age, expected):
    desk = Desk()
    await desk.keys.refresh()
    desk.keys._failures = failures
    desk.clock.now += age
    assert desk.keys._due_s() == pytest.approx(expected)


async def test_without_any_keys_the_first_are_waited_for_for_a_while_only(monkeypatch):
    monkeypatch.setattr("gateway.runtime.issuer_keys.AT_START_S", 0.01)
    desk = Desk()

    async def never():
        await asyncio.Event().wait()

    desk.keys._fetch = never
    await desk.keys.prepare()
    assert desk.keys.count == 0
    assert desk.keys.is_stale
    assert desk.keys._due_s() == 5.0


# Over the network


async def fetched(provider, tmp_path, **more):
    return await fetch_keys(KeysAt(provider.url, **more), tmp_path)


async def test_a_set_is_fetched_over_http(tmp_path):
    async with identity_provider() as provider:
        assert await fetched(provider, tmp_path) == provider.published


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"status": 500}, "status 500"),
        ({"status": 302, "headers": b"location: http://127.0.0.1:9/\r\n"}, "status 302"),
        ({"status": 404}, "status 404"),
        ({"answer": b"x" * (LARGEST + 1)}, "too large"),
        ({"hangs": True}, "TimeoutError"),
        ({"port": 9}, "ConnectError"),
    ],
)
async def test_what_cannot_be_fetched_has_a_reason_and_no_words_of_others(tmp_path, monkeypatch, change, reason):
    monkeypatch.setattr("gateway.runtime.key_fetch.WITHIN_S", 0.5)
    async with identity_provider() as provider:
        for name, value in change.items():
            setattr(provider, name, value)
        with pytest.raises(Unfetched) as caught:
            await fetched(provider, tmp_path)
        assert caught.value.reason in (reason, "ReadTimeout")


async def test_neither_a_proxy_nor_trust_comes_from_the_environment(tmp_path, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with identity_provider() as provider:
        assert await fetched(provider, tmp_path) == provider.published
        with pytest.raises(Unfetched):
            await fetched(provider, tmp_path, proxy="http://127.0.0.1:9")


async def test_a_certificate_authority_that_is_not_there_is_no_trust_in_everybody(tmp_path):
    async with identity_provider() as provider:
        with pytest.raises(Unfetched):
            await fetched(provider, tmp_path, ca=Word("gone.pem", Place("f")))
        assert provider.asked == 0


async def test_a_set_is_read_from_a_file(tmp_path):
    source = KeysIn(Word("keys.json", Place("f")))
    with pytest.raises(Unfetched, match="FileNotFoundError"):
        await fetch_keys(source, tmp_path)
    (tmp_path / "keys.json").write_bytes(b"{}")
    assert await fetch_keys(source, tmp_path) == b"{}"


def test_a_point_that_is_on_no_curve_is_no_key():
    fields = {
        name: value
        for name, value in jwk(private_key("ES256"), "ES256", "k").items()
        if name in ("kty", "crv", "x", "y")
    }
    verify = verifier_of(PublicKey("k", frozenset({"ES256"}), fields), "ES256")
    assert verify(b"", b"") is False
    assert verify(b"", b"\0" * 64) is False
    with pytest.raises(Unusable):
        verifier_of(PublicKey("k", frozenset({"ES256"}), fields | {"x": "A" * 43}), "ES256")
