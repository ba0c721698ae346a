"""Whatever an Authorization header holds that is no live credential: 401, the same answer, and not a word of it.

Raw bytes go through the real front door of a whole gateway that takes keys and tokens.
"""

import asyncio
import contextlib
import logging

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.telemetry import JsonLines
from tests.fakes.house import house
from tests.fakes.identity_provider import b64, identity_provider
from tests.fakes.model_server import ModelServer
from tests.paths.test_credentials import OIDC

BODY = b'{"model":"chat-home","messages":[{"role":"user","content":"hi"}]}'
EXAMPLES = 400


class Told(logging.Handler):
    """Every line that anybody logs, as it would be written."""

    def __init__(self):
        super().__init__(0)
        self.lines = []
        self.setFormatter(JsonLines())

    def emit(self, record):
        self.lines.append(self.format(record))


# What can stand in a header at all; everything else is no HTTP, and refused as that.
legal = st.binary(max_size=300).map(lambda raw: bytes(byte for byte in raw if byte >= 0x20 and byte != 0x7F))
parts = st.binary(max_size=60).map(lambda raw: b64(raw).encode())
near_json = st.sampled_from(
    [b"{}", b"[]", b"1", b'{"alg":"none"}', b'{"alg":"HS256","kid":"k1"}', b'{"alg":"RS256","kid":"k1"}', b'{"alg":1}']
)
near_claims = st.sampled_from(
    [b"{}", b'{"iss":"https://login.example/realms/corp"}', b'{"iss":[]}', b'{"iss":"\\ud800"}']
)
tokens = st.builds(
    lambda head, claims, end: b".".join((b64(head).encode(), b64(claims).encode(), end)), near_json, near_claims, parts
)
values = st.one_of(
    legal,
    legal.map(lambda tail: b"Bearer " + tail),
    st.text("ABCxyz019-_.~+/=", max_size=300).map(lambda text: b"Bearer " + text.encode()),
    st.lists(parts, min_size=1, max_size=5).map(lambda found: b"Bearer " + b".".join(found)),
    tokens.map(lambda token: b"Bearer " + token),
    st.just(b"Bearer " + b"a" * 9000),
)


@contextlib.asynccontextmanager
async def talking(gateway):
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def asked(gateway, lines: bytes) -> tuple[bytes, bytes, bytes]:
    """Status line, head without what is each answer's own, and body."""
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
    async with talking(gateway) as (reader, writer):
        writer.write(head % len(BODY) + lines + b"\r\n" + BODY)
        answer = await reader.readuntil(b"\r\n\r\n")
        status, *rest = answer.split(b"\r\n")
        length = next(int(line[15:]) for line in rest if line.startswith(b"content-length:"))
        own = (b"x-request-id", b"x-tidegate-decision", b"openai-processing-ms")
        kept = b"\n".join(line for line in rest if not line.startswith(own))
        return status, kept, await reader.readexactly(length)


@pytest.mark.parametrize("takes_tokens", [False, True])
def test_whatever_is_no_credential_gets_the_same_401_and_leaves_no_trace(tmp_path, takes_tokens):
    async def run() -> None:
        async with identity_provider() as provider, ModelServer() as server:
            gateway = OIDC.replace("URL", provider.url) if takes_tokens else ""
            async with house(tmp_path, {"home": server}, gateway=gateway) as running:
                expected = await asked(running, b"")
                assert expected[0].startswith(b"HTTP/1.1 401 ")
                loop, told = asyncio.get_running_loop(), Told()
                logging.getLogger().addHandler(told)

                @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
                @given(st.lists(values, min_size=1, max_size=3))
                def fuzz(found):
                    lines = b"".join(b"Authorization: " + value + b"\r\n" for value in found)
                    answer = asyncio.run_coroutine_threadsafe(asked(running, lines), loop).result(20)
                    assert answer == expected

                try:
                    await asyncio.to_thread(fuzz)
                finally:
                    logging.getLogger().removeHandler(told)
                assert told.lines == []
                await running.settled()
                assert sum(running.worker._credentials.authenticator.refused.values()) >= EXAMPLES
                assert server.requests == []
            recorded = b"".join(path.read_bytes() for path in running.state.rglob("*") if path.is_file())
            assert b"Bearer" not in recorded

    asyncio.run(run())


async def test_what_is_no_header_is_no_request_and_reaches_nobody(tmp_path):
    async with ModelServer() as server, house(tmp_path, {"home": server}) as running:
        for value in (b"Bearer \0", b"Bearer a\rb", b"Bearer a\nb", b"Bearer \x01", b"\x7f"):
            async with talking(running) as (reader, writer):
                writer.write(b"GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: " + value + b"\r\n\r\n")
                assert (await reader.readline()).split()[1] in (b"400", b"401")
        assert server.requests == []
