"""An identity provider: real keys, a set of them over HTTP, and tokens signed with any of them."""

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

CURVES = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}


def private_key(algorithm: str):
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    if algorithm in CURVES:
        return ec.generate_private_key(CURVES[algorithm]())
    return rsa.generate_private_key(65537, 2048)


def jwk(key, algorithm: str, kid: str | None, **more) -> dict:
    """The public half of `key` as it is published."""
    written = jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key(), as_dict=True)
    fields = {name: value for name, value in written.items() if name != "key_ops"}
    return {**fields, "use": "sig", **({"kid": kid} if kid is not None else {}), **more}


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass
class Provider:
    """Answers every request with `answer`, or as its keys are; `asked` counts them. It hangs while `hangs`."""

    issuer: str = "https://login.example/realms/corp"
    keys: dict[str, tuple[str, object]] = field(default_factory=dict)
    answer: bytes | None = None
    status: int = 200
    headers: bytes = b""
    hangs: bool = False
    asked: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/certs"

    def add(self, kid: str, algorithm: str = "RS256", key: object = None) -> None:
        self.keys[kid] = (algorithm, key or private_key(algorithm))

    @property
    def published(self) -> bytes:
        return json.dumps({"keys": [jwk(key, algorithm, kid) for kid, (algorithm, key) in self.keys.items()]}).encode()

    def claims(self, **changed) -> dict:
        now = time.time()
        claims = {"iss": self.issuer, "aud": "tidegate", "sub": "somebody@example", "iat": now - 1, "exp": now + 300}
        return {name: value for name, value in (claims | {"tid": "team-a"} | changed).items() if value is not None}

    def token(self, kid: str, headers: dict | None = None, **claims) -> str:
        algorithm, key = self.keys[kid]
        return jwt.encode(self.claims(**claims), key, algorithm, headers={"kid": kid, **(headers or {})})

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            self.asked += 1
            while self.hangs:  # noqa: ASYNC110 -- the test's own switch
                await asyncio.sleep(0.01)
            body = self.answer if self.answer is not None else self.published
            head = b"HTTP/1.1 %d X\r\ncontent-length: %d\r\nconnection: close\r\n" % (self.status, len(body))
            writer.write(head + self.headers + b"\r\n" + body)
            await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def identity_provider() -> AsyncIterator[Provider]:
    """A provider with one RSA key called `k1` on a free port."""
    provider = Provider()
    provider.add("k1")
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    provider.port = server.sockets[0].getsockname()[1]
    try:
        yield provider
    finally:
        provider.hangs = False
        server.close()
