"""A whole gateway in the test process: real files, settings and sockets, scripted model servers behind it."""

import asyncio
import contextlib
import functools
import secrets
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from gateway.assemble import Worker
from gateway.core.breaker import Breaker
from gateway.detect.scanner import build_scanner
from gateway.ports import FullScanner
from gateway.runtime.authn import hash_of
from gateway.runtime.keyring import Keyring
from gateway.settings import load
from tests.fakes.model_server import ModelServer

POLICY = """\
apiVersion: tidegate/v1
version: 1
labels: [public, internal, confidential, restricted]
cloud_ceiling: internal
label:
  default: internal
  unscanned: restricted
  unmapped: restricted
  may_leave: []
  rules:
    - {any_of: [CN_RESIDENT_ID, BANK_CARD, US_SSN, CREDENTIAL], label: restricted}
    - {any_of: [CN_MOBILE, EMAIL, ADDRESS], label: confidential}
    - {marker: [机密, do not distribute], label: confidential}
zones:
  onprem: {networks: [127.0.0.0/8, unix]}
  cloud: {networks: [127.0.0.0/8], tls: optional}
models:
  chat: {pools: [home, home-b, burst]}
  chat-home: {pools: [home]}
  chat-cloud: {pools: [burst, home]}
routes:
  - {id: not-there, when: {model: chat-cloud, label: ">= confidential"}, deny: This model is in the cloud.}
  - {id: cloud, when: {model: chat-cloud}, to: [burst], on_full: {queue: QUEUE}}
  - {id: keep-home, when: {label: ">= confidential"}, to: [home, home-b], on_full: {queue: QUEUE}}
  - {id: rest, when: {}, to: [home, home-b], spill: [burst], on_full: {queue: QUEUE}}
invariants:
  - {id: N1, never: {label: ">= confidential", zone: cloud}}
...
"""

TIMEOUTS = "{connect: 1s, first_content: 5s, idle: 5s, total: 30s}"


@dataclass
class House:
    """A running gateway. `key` belongs to a tenant that may see decisions, `plain_key` to one that may not."""

    port: int
    key: str
    plain_key: str
    state: Path
    config: Path
    worker: Worker
    client: httpx.AsyncClient

    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.key}"}

    async def chat(self, text: str = "Hello", *, stream: bool = False, model: str = "chat", **more) -> httpx.Response:
        body = {"model": model, "messages": [{"role": "user", "content": text}], "stream": stream, **more}
        return await self.client.post("/v1/chat/completions", json=body, headers=self.headers())

    def forget_faults(self) -> None:
        """Believe every model server to be well again: the next fault is to meet a gateway that knows of none."""
        for standings in self.worker._endpoints._standings.values():
            for one in standings:
                one.breaker, one.saturated_until = Breaker(one.pool.breaker), 0.0

    async def settled(self) -> None:
        """Wait until no exchange is under way."""
        while self.worker._pipeline.in_flight:  # noqa: ASYNC110 -- the gateway's own count
            await asyncio.sleep(0.002)


def pools_file(
    pools: Mapping[str, ModelServer | str], limits: Mapping[str, int], timeouts: str, polls: Mapping[str, str]
) -> str:
    lines = ["apiVersion: tidegate/v1", "pools:"]
    for name in ("home", "home-b", "burst"):
        server = pools.get(name)
        url = server if isinstance(server, str) else server.url if server is not None else "http://127.0.0.1:9"
        zone, clearance = ("cloud", "internal") if name == "burst" else ("onprem", "restricted")
        lines += [
            f"  {name}:",
            f"    zone: {zone}",
            f"    clearance: {clearance}",
            f"    backend: {'openai' if name == 'burst' else 'vllm'}",
            "    model: served-model",
            f'    endpoints: ["{url}"]',
            "    capabilities: [tools, json_schema, embeddings]",
            f"    max_in_flight: {limits.get(name, 64)}",
            f"    timeouts: {timeouts}",
            f"    poll: {polls.get(name, 'none')}",
        ]
    return "\n".join(lines) + "\n"


def write_config(
    folder: Path,
    pools: Mapping[str, ModelServer | str],
    *,
    limits: Mapping[str, int] | None = None,
    timeouts: str = TIMEOUTS,
    polls: Mapping[str, str] | None = None,
    queue: str = "5s",
    gateway: str = "",
    policy: str = POLICY,
    root: str | None = None,
    tenants: str = "",
) -> tuple[str, str]:
    """Write every file of a configuration into `folder`; returns the two API keys.

    `gateway` and `tenants` are what those files say besides; `root` is the root secret, for whoever wants the same run
    twice.
    """
    (folder / "secrets").mkdir(parents=True)
    root, admin = root or secrets.token_hex(32), secrets.token_hex(24)
    for name, value in (("root.key", root), ("admin.token", admin)):
        path = folder / "secrets" / name
        path.write_text(value)
        path.chmod(0o600)
    (folder / "gateway.yaml").write_text(
        "apiVersion: tidegate/v1\nlisten: 127.0.0.1:8080\n"
        "admin: {listen: 127.0.0.1:8081, token: {file: secrets/admin.token}}\n"
        "root_secret: {file: secrets/root.key}\n" + gateway
    )
    (folder / "policy.yaml").write_text(policy.replace("QUEUE", queue))
    (folder / "pools.yaml").write_text(pools_file(pools, limits or {}, timeouts, polls or {}))
    (folder / "tenants.yaml").write_text(
        "apiVersion: tidegate/v1\n"
        "classes: {default: {ceiling: internal}, hospital: {ceiling: none}}\n"
        "tenants:\n"
        "  bank: {class: default, sees: [label, route, pool]}\n"
        "  plain: {class: default}\n"
        "  clinic: {class: hospital, sees: [label, route, pool]}\n" + tenants
    )
    keyring = Keyring.from_text(root)
    keys = {tenant: f"sk-tg-{secrets.token_urlsafe(32)}" for tenant in ("bank", "plain", "clinic")}
    rows = "\n".join(
        f"  - {{id: key_{index:08x}, tenant: {tenant}, "
        f'hash: "{hash_of(key, keyring)}", created: "2026-11-21T00:00:00Z"}}'
        for index, (tenant, key) in enumerate(keys.items())
    )
    (folder / "keys.yaml").write_text(f"apiVersion: tidegate/v1\nkeys:\n{rows}\n")
    return keys["bank"], keys["plain"]


# Compiling the patterns takes a second; a scanner keeps no state between scans, so one serves every test.
scanner_for = functools.cache(build_scanner)


@contextlib.asynccontextmanager
async def house(
    folder: Path,
    pools: Mapping[str, ModelServer | str],
    *,
    rewrite: Callable[[Path], None] = lambda config: None,
    full_scanner: FullScanner | None = None,
    **options,
) -> AsyncIterator[House]:
    """Start a gateway on a free port with these pools; stop it at the end.

    `rewrite` may change its files before; `full_scanner` stands for the models.
    """
    config = folder / "config"
    key, plain = write_config(config, pools, **options)
    rewrite(config)
    settings = load(config, {})
    scanner = scanner_for(settings.bundle.policy.markers)
    worker = Worker(settings, number=0, scanner=scanner, full_scanner=full_scanner)
    data = socket.create_server(("127.0.0.1", 0))
    port = data.getsockname()[1]
    stop = asyncio.Event()
    running = asyncio.create_task(worker.run(data, None, stop))
    # Nothing here is TLS, and to read every CA that the machine trusts would take as long as the start.
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", timeout=20, trust_env=False, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ) as client:
        try:
            yield House(port, key, plain, settings.state_dir, config, worker, client)
        finally:
            await client.aclose()
            stop.set()
            await asyncio.wait_for(running, 20)
