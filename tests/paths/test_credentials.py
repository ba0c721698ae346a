"""Who is let in by a whole gateway: keys that come and go while it runs, tokens, addresses, and what each reaches."""

import asyncio
import json
import ssl
import time

import httpx
import pytest

from gateway.cli.keys import Wish, add_key, create_key
from gateway.cli.main import main
from gateway.core.access import Access, Scope
from gateway.settings import load_keys
from tests.fakes.house import house
from tests.fakes.identity_provider import identity_provider
from tests.fakes.model_server import ModelServer
from tests.fakes.process import process

BODY = {"model": "chat-home", "messages": [{"role": "user", "content": "hi"}]}


async def status(client: httpx.AsyncClient, credential: str, *, model: str = "chat-home", **headers) -> int:
    own = {"authorization": f"Bearer {credential}"} if credential else {}
    answer = await client.post("/v1/chat/completions", json=BODY | {"model": model}, headers=own | headers)
    return answer.status_code


async def becomes(client: httpx.AsyncClient, credential: str, wanted: int, within_s: float = 10.0) -> float:
    """How long it took until every worker answers so: for longer than one takes to look again, over connections of
    their own, of which each worker gets some."""
    began = since = time.monotonic()
    in_a_row = 0
    async with asyncio.timeout(within_s):
        while in_a_row < 24 or time.monotonic() - since < 1.0:
            if await status(client, credential, connection="close") != wanted:
                in_a_row, since = 0, time.monotonic()
            in_a_row += 1
            await asyncio.sleep(0.02)
    return since - began


async def until(holds, within_s: float = 20.0) -> None:
    async with asyncio.timeout(within_s):
        while not await holds():  # noqa: ASYNC110 -- what another process does
            await asyncio.sleep(0.02)


async def test_keys_come_and_go_while_all_workers_serve(tmp_path):
    async with ModelServer() as server, process(tmp_path, {"home": server}, gateway="workers: 2\n") as running:
        async with httpx.AsyncClient(base_url=running.url, timeout=30, trust_env=False) as client:
            record, key = create_key(running.config, "bank", environ={})
            came = await becomes(client, key, 200)
            assert main(["keys", "rotate", record.id, "--overlap", "0h", "--config", str(running.config)]) == 0
            ended = await becomes(client, key, 401)
            made, other = create_key(running.config, "bank", environ={})
            await becomes(client, other, 200)
            # Half a file changes nothing, and is said; nor does one that is gone.
            keys = running.config / "keys.yaml"
            whole, wanted = keys.read_text(), 0
            for broken in (whole[: len(whole) // 2], None):
                keys.unlink() if broken is None else keys.write_text(broken)
                wanted += 2  # each worker says it once

                async def is_said(count=wanted):
                    return running.log.read_text().count("keys_unreadable") >= count

                await until(is_said)
                assert await status(client, other) == 200
            keys.write_text("apiVersion: tidegate/v1\nkeys: []\n")
            gone = await becomes(client, other, 401)
            print(f"a key came within {came:.2f} s, ended within {ended:.2f} s, all were gone within {gone:.2f} s")
            keys.write_text(whole)
            await becomes(client, other, 200)
            page = await client.get(f"{running.admin_url}/metrics", headers=_admin(running))
            assert 'tidegate_credentials_refused_total{reason="unknown"}' in page.text
        assert await running.stopped() == 0
        used = json.loads((running.config / "state" / "key_use.json").read_text())["used"]
    assert record.id in used
    assert made.id in used
    assert set(used) <= {one.id for one in load_keys(running.config, {})[1]}
    assert key not in (tmp_path / "stderr.log").read_text()


def _admin(running):
    return {"authorization": f"Bearer {running.admin_token}"}


async def test_a_key_reaches_what_it_is_for_and_no_more(tmp_path):
    async with ModelServer() as server:

        def rewrite(config):
            tenants = (config / "tenants.yaml").read_text()
            (config / "tenants.yaml").write_text(
                tenants.replace("plain: {class: default}", "plain: {class: default, models: [chat]}")
            )
            small = Wish(access=Access(Scope(frozenset({"chat"}), frozenset({"chat", "chat-home"}))))
            made["bank"] = add_key(config, "bank", small, {})[1]
            made["plain"] = add_key(config, "plain", small, {})[1]
            made["embeds"] = add_key(config, "bank", Wish(access=Access(Scope(frozenset({"embeddings"})))), {})[1]
            made["away"] = add_key(config, "bank", Wish(access=Access(networks=_nets("10.0.0.0/8"))), {})[1]

        made: dict[str, str] = {}
        async with house(tmp_path, {"home": server}, rewrite=rewrite) as gateway:
            client = gateway.client
            assert await status(client, made["bank"]) == 200
            assert await status(client, made["bank"], model="chat-cloud") == 404
            assert await status(client, made["plain"]) == 404  # its tenant has chat alone
            assert await status(client, made["plain"], model="chat") == 200
            assert await status(client, made["embeds"]) == 403
            assert await status(client, made["away"]) == 401
            assert await status(client, gateway.plain_key) == 404
            listed = await client.get("/v1/models", headers={"authorization": f"Bearer {made['bank']}"})
            assert [entry["id"] for entry in listed.json()["data"]] == ["chat", "chat-home"]
            one = await client.get("/v1/models/chat-cloud", headers={"authorization": f"Bearer {made['bank']}"})
            assert one.status_code == 404


def _nets(*texts):
    from ipaddress import ip_network

    return tuple(map(ip_network, texts))


async def test_a_forwarded_address_counts_only_where_a_trusted_proxy_says_it(tmp_path):
    made: dict[str, str] = {}

    def rewrite(config):
        made["away"] = add_key(config, "bank", Wish(access=Access(networks=_nets("10.0.0.0/8"))), {})[1]

    for trusted, expected in (("[127.0.0.0/8]", 200), ("[192.0.2.1]", 401)):
        async with (
            ModelServer() as server,
            house(
                tmp_path / trusted[1:4],
                {"home": server},
                rewrite=rewrite,
                gateway=f"clients: {{trusted_proxies: {trusted}}}\n",
            ) as gateway,
        ):
            told = {"x-forwarded-for": "203.0.113.9, 10.1.2.3"}
            assert await status(gateway.client, made["away"], **told) == expected
            assert await status(gateway.client, made["away"], **{"x-forwarded-for": "10.1.2.3, 203.0.113.9"}) == 401
            assert await status(gateway.client, made["away"], **{"x-forwarded-for": "10.1.2.3, nonsense"}) == 401
            assert await status(gateway.client, made["away"]) == 401


OIDC = """\
oidc:
  corp:
    issuer: https://login.example/realms/corp
    audience: tidegate
    keys: {url: "URL"}
    tenant: {claim: tid, values: {team-a: bank, team-b: clinic}}
    scopes: {claim: scope, values: {llm.home: {models: [chat-home]}, llm.all: {}}}
"""


async def test_tokens_of_an_issuer_are_credentials_and_its_keys_may_change(tmp_path):
    async with identity_provider() as provider, ModelServer() as server:
        for algorithm in ("PS256", "ES256", "EdDSA"):
            provider.add(algorithm, algorithm)
        async with house(tmp_path, {"home": server}, gateway=OIDC.replace("URL", provider.url)) as gateway:
            client = gateway.client
            for kid in provider.keys:
                assert await status(client, provider.token(kid, scope="openid llm.home")) == 200
            assert await status(client, provider.token("k1", scope="llm.home"), model="chat") == 404
            assert await status(client, provider.token("k1", scope="llm.all"), model="chat") == 200
            assert await status(client, gateway.key) == 200
            refused = {
                "no scope": provider.token("k1"),
                "another tenant": provider.token("k1", scope="llm.all", tid="team-c"),
                "two tenants": provider.token("k1", scope="llm.all", tid=["team-a", "team-b"]),
                "another audience": provider.token("k1", scope="llm.all", aud="other"),
                "another issuer": provider.token("k1", scope="llm.all", iss="https://evil.example"),
                "ended": provider.token("k1", scope="llm.all", exp=time.time() - 60),
                "endless": provider.token("k1", scope="llm.all", exp=None),
                "not yet": provider.token("k1", scope="llm.all", nbf=time.time() + 120),
                "bound": provider.token("k1", scope="llm.all", cnf={"jkt": "x"}),
                "its own key": provider.token("k1", {"jku": provider.url}, scope="llm.all"),
                "a refresh token": provider.token("k1", {"typ": "refresh"}, scope="llm.all"),
            }
            bodies = set()
            for what, token in refused.items():
                answer = await client.post(
                    "/v1/chat/completions", json=BODY, headers={"authorization": f"Bearer {token}"}
                )
                assert answer.status_code == 401, what
                bodies.add(answer.content)
            assert bodies == {(await client.post("/v1/chat/completions", json=BODY)).content}
            # A key that nobody knew is fetched at once, as often as that is allowed; one that is gone is gone.
            gateway.worker._credentials._issuers[0].keys._tried_at = None
            kept = provider.token("k1", scope="llm.all")
            assert await status(client, kept) == 200
            provider.add("k2")
            del provider.keys["k1"]
            fresh = provider.token("k2", scope="llm.all")
            asked = provider.asked
            assert await status(client, fresh) == 401

            async def is_let_in():
                return await status(client, fresh) == 200

            await until(is_let_in)
            assert provider.asked == asked + 1
            assert await status(client, kept) == 401
            await status(client, fresh[:-8] + "AAAAAAAA")
            assert gateway.worker._credentials.authenticator.refused["token_signature"] == 1


async def test_a_gateway_starts_and_serves_keys_while_its_issuer_is_silent(tmp_path, monkeypatch):
    monkeypatch.setattr("gateway.runtime.issuer_keys.AT_START_S", 0.2)
    async with identity_provider() as provider, ModelServer() as server:
        provider.hangs = True
        async with house(tmp_path, {"home": server}, gateway=OIDC.replace("URL", provider.url)) as gateway:
            token = provider.token("k1", scope="llm.all")
            assert await status(gateway.client, token) == 401
            assert await status(gateway.client, gateway.key) == 200
            provider.hangs = False

            async def is_let_in():
                return await status(gateway.client, token) == 200

            await until(is_let_in)


@pytest.mark.parametrize("slow", [pytest.param("x", marks=pytest.mark.slow)])
async def test_rotation_under_load_refuses_nobody(tmp_path, slow):
    async with ModelServer() as server, process(tmp_path, {"home": server}, gateway="workers: 2\n") as running:
        record, key = create_key(running.config, "bank", environ={})
        async with httpx.AsyncClient(base_url=running.url, timeout=30, trust_env=False) as client:
            await becomes(client, key, 200)
            for _ in range(3):
                assert main(["keys", "rotate", record.id, "--overlap", "1h", "--config", str(running.config)]) == 0
                assert {await status(client, key) for _ in range(200)} == {200}


def _tls(certificates: str):
    def rewrite(config, files):
        for name in ("ca.pem", "cert.pem", "key.pem"):
            (config / name).write_bytes(files[name].read_bytes())
        (config / "key.pem").chmod(0o600)

    gateway = (
        "tls: {certificate: {file: cert.pem}, key: {file: key.pem}}\n"
        f"clients: {{ca: ca.pem, certificates: {certificates}}}\n"
    )
    return gateway, rewrite


async def test_a_certificate_is_a_credential_and_a_key_beside_it_must_be_of_its_tenant(tmp_path, tls_files):
    gateway, rewrite = _tls("optional")
    files = {"ca.pem": tls_files.ca, "cert.pem": tls_files.certificate, "key.pem": tls_files.key}
    made: dict[str, str] = {}

    def prepare(config):
        rewrite(config, files)
        add_key(config, "clinic", Wish(certificate="dns:localhost"), {})
        made["clinic"] = create_key(config, "clinic", environ={})[1]

    known = ssl.create_default_context(cafile=str(tls_files.ca))
    shown = ssl.create_default_context(cafile=str(tls_files.ca))
    shown.load_cert_chain(tls_files.certificate, tls_files.key)
    async with (
        ModelServer() as server,
        process(tmp_path, {"home": server}, gateway=gateway, rewrite=prepare) as running,
    ):
        for context, credential, expected in (
            (shown, "", 200),
            (shown, made["clinic"], 200),
            (shown, running.key, 401),  # the bank's
            (known, "", 401),
            (known, running.key, 200),
        ):
            async with httpx.AsyncClient(base_url=running.url, verify=context, trust_env=False) as client:
                assert await status(client, credential) == expected
        revoked = (running.config / "keys.yaml").read_text().replace("dns:localhost", "dns:elsewhere")
        (running.config / "keys.yaml").write_text(revoked)
        async with httpx.AsyncClient(base_url=running.url, verify=shown, trust_env=False) as client:

            async def is_refused():
                return await status(client, "") == 401

            await until(is_refused)


async def test_where_certificates_are_required_nobody_gets_a_word_in_without(tmp_path, tls_files):
    gateway, rewrite = _tls("required")
    files = {"ca.pem": tls_files.ca, "cert.pem": tls_files.certificate, "key.pem": tls_files.key}
    known = ssl.create_default_context(cafile=str(tls_files.ca))
    shown = ssl.create_default_context(cafile=str(tls_files.ca))
    shown.load_cert_chain(tls_files.certificate, tls_files.key)
    async with (
        ModelServer() as server,
        house(tmp_path, {"home": server}, gateway=gateway, rewrite=lambda config: rewrite(config, files)) as running,
    ):
        url = f"https://127.0.0.1:{running.port}"
        async with httpx.AsyncClient(base_url=url, verify=known, trust_env=False) as client:
            with pytest.raises(httpx.TransportError):
                await status(client, running.key)
        async with httpx.AsyncClient(base_url=url, verify=shown, trust_env=False) as client:
            assert await status(client, running.key) == 200
            assert await status(client, "") == 401
