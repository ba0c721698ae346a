"""Generated gateways: policies, pools and tenants by chance, scanners that fail, model servers that misbehave.

What follows from a policy for the oracle (`World.default`, `World.most`) is worked out here as it is drawn, not asked
of the gateway; the gateway only says whether it accepts a policy at all.
"""

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.core.findings import nothing_covered
from gateway.core.problems import Problems
from gateway.settings import load
from tests.fakes import house as houses
from tests.fakes.model_server import ModelServer, Peer, Script, chat
from tests.paths.test_faults import AFTER, BEFORE

NAMES = ("open", "public", "internal", "confidential", "restricted", "sealed")


@dataclass
class World:
    """A policy with pools and tenants, and what follows from them for the oracle."""

    policy: str
    pools: str
    tenants: str
    models: list[str]
    default: int
    most: int
    """The highest label that may reach any cloud pool, for the tenant that may use the cloud at all; -1 for none."""

    def write(self, config: Path) -> None:
        (config / "policy.yaml").write_text(self.policy)
        (config / "pools.yaml").write_text(self.pools)
        (config / "tenants.yaml").write_text(self.tenants)


def accepted(folder: Path, rng: random.Random, servers: dict[str, ModelServer]) -> World:
    """The first world drawn that is no mistake in the gateway's eyes. Writes drafts into `folder`."""
    houses.write_config(folder, {})
    for _ in range(20):
        made = world(rng, {name: server.url for name, server in servers.items()})
        made.write(folder)
        try:
            load(folder, {})
        except Problems:
            continue
        return made
    raise AssertionError("twenty worlds in a row were refused: the generator is wrong")


def world(rng: random.Random, servers: dict[str, str]) -> World:
    labels = sorted(rng.sample(NAMES, rng.randint(2, 5)), key=NAMES.index)
    top = len(labels) - 1
    ceiling = rng.choice([None, *range(top)]) if rng.random() < 0.3 else rng.randrange(top)
    default = rng.randint(0, min(top, (ceiling or 0) + rng.choice([0, 0, 0, 1])))
    found = rng.randint(max((ceiling if ceiling is not None else -1) + 1, 1), top)
    clearance = {"home": top, "home-b": rng.randint(0, top)}
    clearance |= {name: rng.randint(0, top) for name in ("burst", "burst-b")}
    most = {name: min(clearance[name], -1 if ceiling is None else ceiling) for name in ("burst", "burst-b")}
    routes: list[str] = []
    on_full = f"on_full: {{queue: {rng.choice(['50ms', '200ms', '1s'])}}}"
    if rng.random() < 0.2:
        routes.append(
            f"{{id: denied, when: {{model: other, label: '>= {labels[found]}'}}, deny: Not with this model.}}"
        )
    for label in range(top, 0, -1):
        homes = [name for name in ("home", "home-b") if clearance[name] >= label]
        clouds = [name for name in most if most[name] >= label and rng.random() < 0.8]
        to, spill = sample(rng, homes, clouds)
        more = f"{mirror(rng, [*homes, *clouds])}{on_full}"
        routes.append(f"{{id: r{label}, when: {{label: '== {labels[label]}'}}, to: {to}, spill: {spill}, {more}}}")
    clouds = [name for name in most if most[name] >= 0]
    to, spill = sample(rng, ["home", "home-b"], clouds)
    copies = mirror(rng, ["home", "home-b", *clouds])
    routes.append(f"{{id: rest, when: {{}}, to: {to}, spill: {spill}, {copies}{on_full}}}")
    other = ["home", *rng.sample(["home-b", "burst", "burst-b"], rng.randint(0, 3))]
    any_other = "  '*': {pools: [home, burst]}\n" if rng.random() < 0.4 else ""
    own = -1 if ceiling is None else rng.randint(0, ceiling)
    policy = (
        f"""\
apiVersion: tidegate/v1
version: {rng.randint(1, 99)}
labels: [{", ".join(labels)}]
cloud_ceiling: {"none" if ceiling is None else labels[ceiling]}
label:
  default: {labels[default]}
  unscanned: {labels[top]}
  unmapped: {labels[top]}
  may_leave: [PERSON, ORG, URL, DATE]
  rules:
    - {{any_of: [CN_RESIDENT_ID, US_SSN, BANK_CARD, CREDENTIAL], label: {labels[found]}}}
zones:
  onprem: {{networks: [127.0.0.0/8]}}
  cloud: {{networks: [127.0.0.0/8], tls: optional}}
models:
  chat: {{pools: [home, home-b, burst, burst-b]}}
  other: {{pools: [{", ".join(other)}]}}
{any_other}routes:
"""
        + "".join(f"  - {route}\n" for route in routes)
        + "...\n"
    )
    pools = "apiVersion: tidegate/v1\npools:\n" + "".join(
        f"""\
  {name}:
    zone: {"onprem" if name.startswith("home") else "cloud"}
    clearance: {labels[clearance[name]]}
    backend: {rng.choice(["vllm", "openai"])}
    model: served-model
    endpoints: [{", ".join(f'"{url}"' for url in rng.choice([[url], [url], [url, "http://127.0.0.1:9"]]))}]
    capabilities: [tools, json_schema, vision, embeddings]
    max_in_flight: {rng.choice([1, 2, 8])}
    queue: {rng.choice([1, 8])}
    timeouts: {{connect: 1s, first_content: 150ms, idle: 150ms, total: 5s}}
"""
        for name, url in servers.items()
    )
    tenants = (
        "apiVersion: tidegate/v1\n"
        f"classes: {{default: {{ceiling: {'none' if own < 0 else labels[own]}}}, hospital: {{ceiling: none}}}}\n"
        "tenants:\n"
        "  bank: {class: default}\n"
        "  plain: {class: hospital}\n"
        "  clinic: {class: hospital}\n"
    )
    return World(policy, pools, tenants, ["chat", "other"], default, min(own, max(most.values())))


def sample(rng: random.Random, homes: list[str], clouds: list[str]) -> tuple[str, str]:
    """`to` and `spill`, written: home leads, or the cloud does, or home alone is named."""
    rng.shuffle(clouds)
    cut = rng.randint(0, len(clouds))
    match rng.randrange(4):
        case 0:
            to, spill = [*clouds[:cut], *homes], clouds[cut:]
        case 1:
            weighed = ", ".join(f"{{pool: {name}, weight: {rng.choice([1, 3])}}}" for name in homes)
            return f"[{weighed}]", "[]"
        case _:
            to, spill = homes, clouds
    return f"[{', '.join(to)}]", f"[{', '.join(spill)}]"


def mirror(rng: random.Random, pools: list[str]) -> str:
    """A pool that gets copies, written: most rows have one."""
    if rng.random() < 0.3:
        return ""
    return f"mirror: {{pool: {rng.choice(pools)}, percent: {rng.choice([20, 100])}}}, "


class Unsteady:
    """The real scanner, which fails for the requests whose tag it is given: by its own account, or by raising."""

    def __init__(self, scanner: object) -> None:
        self._scanner = scanner
        self.digest = scanner.digest
        self.fails: dict[str, bool] = {}

    def scan(self, dialect, document, memo=None):
        text = json.dumps(document)
        for tag, raises in self.fails.items():
            if tag in text:
                if raises:
                    raise RuntimeError(tag)
                return nothing_covered("Fault")
        return self._scanner.scan(dialect, document, memo)

    def scan_text(self, text):
        return self._scanner.scan_text(text)


# What model servers do


async def sound(peer: Peer) -> None:
    if "embeddings" in peer.received.start_line:
        data = [{"object": "embedding", "index": 0, "embedding": [0.5]}]
        await peer.answer(200, json.dumps({"object": "list", "data": data, "model": "served-model"}).encode())
    elif "/v1/completions" not in peer.received.start_line:
        await chat(peer)
    elif peer.received.json.get("stream"):
        await peer.open_stream()
        await peer.event({"id": "x", "choices": [{"index": 0, "text": "Once", "finish_reason": "stop"}]})
        await peer.event("[DONE]")
        await peer.end_stream()
    else:
        body = {"id": "x", "choices": [{"index": 0, "text": "Once", "finish_reason": "stop"}]}
        await peer.answer(200, json.dumps(body).encode())


async def slow(peer: Peer) -> None:
    await asyncio.sleep(0.03)
    await sound(peer)


# Faults for streamed and for whole answers: a model server may be silent for long before a whole one.
FAULTS: dict[bool, tuple[Script, ...]] = {
    True: (*(script for script, only in BEFORE.values() if only is not False), *AFTER),
    False: tuple(script for script, only in BEFORE.values() if not only),
}


def scripted(rng: random.Random, faults: float, seen: Callable[[Peer], None] = lambda peer: None) -> Script:
    async def script(peer: Peer) -> None:
        if peer.received.start_line.startswith("GET "):  # how it is, asked between requests
            await peer.answer(404, b"{}")
            return
        seen(peer)
        chance = rng.random()
        possible = FAULTS["text/event-stream" in peer.received.headers["accept"]]
        await (rng.choice(possible) if chance < faults else slow if chance < 0.7 else sound)(peer)

    return script
