"""Run by `test_namespace.py` inside `unshare -rn`: a gateway and its model servers alone with a packet sniffer.

Prints what was sent to whom as JSON. Nothing leaves the namespace: its only way out is a veth pair whose other end
nobody answers, so that packets to elsewhere are sent, seen and lost.
"""

import asyncio
import json
import socket
import struct
import subprocess
import sys
import threading
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import httpx

from tests.fakes.house import write_config
from tests.fakes.model_server import ModelServer, Peer, chat
from tests.paths.served import serving

CANARY = "536-22-8723"
NAMED = "gpu-b.bank.test"
TIMEOUTS = "{connect: 500ms, first_content: 2s, idle: 2s, total: 10s}"
NETWORK = """\
ip link set lo up
ip link add out type veth peer name nobody
ip address add 192.0.2.1/24 dev out
ip link set out up
ip link set nobody up
ip neighbour add 192.0.2.254 lladdr 02:00:00:00:00:fe dev out nud permanent
ip route add default via 192.0.2.254
"""

ALL_PROTOCOLS, OUTGOING = 3, 4
IPV4, IPV6, TCP, UDP = 0x0800, 0x86DD, 6, 17


@dataclass
class Sniffer:
    """Counts every packet that anything in the namespace sends, on any interface."""

    connects: Counter = field(default_factory=Counter)
    """TCP connections begun, by `address:port`."""
    datagrams: Counter = field(default_factory=Counter)
    names: Counter = field(default_factory=Counter)
    """Names asked of a DNS server."""
    others: Counter = field(default_factory=Counter)
    canary: Counter = field(default_factory=Counter)
    """Where packets went that hold the canary."""

    def __post_init__(self) -> None:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ALL_PROTOCOLS))
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 << 20)
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            packet, (_, protocol, kind, *_) = self._socket.recvfrom(1 << 17)
            if kind == OUTGOING:
                self._take(protocol, packet)

    def _take(self, protocol: int, packet: bytes) -> None:
        if protocol == IPV4:
            carried, to, inner = packet[9], packet[16:20], packet[(packet[0] & 15) * 4 :]
        elif protocol == IPV6:
            carried, to, inner = packet[6], packet[24:40], packet[40:]
        else:
            self.others[f"protocol {protocol:#06x}"] += 1
            return
        address = str(ip_address(to))
        if carried not in (TCP, UDP):
            self.others[f"{address} IP protocol {carried}"] += 1
            return
        (port,) = struct.unpack("!H", inner[2:4])
        place = f"{address}:{port}"
        if CANARY.encode() in inner:
            self.canary[place] += 1
        if carried == UDP:
            self.datagrams[place] += 1
            if port == 53:
                self.names[_question(inner[8 + 12 :])] += 1
        elif inner[13] & 0x12 == 0x02:  # SYN without ACK
            self.connects[place] += 1


def _question(data: bytes) -> str:
    labels = []
    while data and data[0]:
        labels.append(data[1 : data[0] + 1].decode("latin-1"))
        data = data[data[0] + 1 :]
    return ".".join(labels)


class Trap:
    """A listener that nobody may ever reach."""

    def __init__(self) -> None:
        self.connections = 0

    async def __aenter__(self) -> "Trap":
        self._server = await asyncio.start_server(self._reached, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    def _reached(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        writer.close()


def redirect_to(port: int):
    async def script(peer: Peer) -> None:
        await peer.answer(307, b"", f"location: http://127.0.0.1:{port}/v1/chat/completions")

    return script


async def main(folder: Path) -> dict:
    sniffer = Sniffer()
    async with AsyncExitStack() as stack:
        home, home_b, burst = [await stack.enter_async_context(ModelServer()) for _ in range(3)]
        proxy, elsewhere = [await stack.enter_async_context(Trap()) for _ in range(2)]
        config = folder / "config"
        pools = {"home": f"http://localhost:{home.port}", "home-b": "HOME-B", "burst": burst}
        key, _ = write_config(config, pools, limits={"home": 2, "home-b": 2}, timeouts=TIMEOUTS, queue="3s")
        written = config / "pools.yaml"
        both = f'"http://{NAMED}:8000", "{home_b.url}"'
        written.write_text(written.read_text().replace('"HOME-B"', both))
        proxies = {
            name: f"http://127.0.0.1:{proxy.port}"
            for plain in ("http_proxy", "https_proxy", "all_proxy")
            for name in (plain, plain.upper())
        }
        # Nobody answers questions for names here: the resolver's own patience would outlast the test.
        environ = {**proxies, "no_proxy": "", "NO_PROXY": "", "RES_OPTIONS": "timeout:1 attempts:1"}
        served = await stack.enter_async_context(serving(config, environ))
        port = await served.port()
        admin = int((await served.event("admin_listening"))["listen"].rpartition(":")[2])
        client = await stack.enter_async_context(
            httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{port}",
                headers={"authorization": f"Bearer {key}"},
                timeout=20,
                trust_env=False,
            )
        )

        async def ask(text: str, model: str = "chat", stream: bool = False) -> str:
            body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": text}]}
            answer = await client.post("/v1/chat/completions", json=body)
            return answer.headers.get("x-tidegate-pool", "") if answer.status_code == 200 else str(answer.status_code)

        async def phase(*models: str) -> Counter:
            texts = ("What is a tide?", f"My SSN is {CANARY}, am I eligible?")
            asked = [ask(text, model, stream) for text in texts for model in models for stream in (True, False)]
            return Counter(await asyncio.gather(*asked))

        answered = {"quiet": await phase("chat")}

        async def slow(peer: Peer) -> None:
            await asyncio.sleep(0.3)
            await chat(peer)

        home.script = home_b.script = slow
        answered["full"] = await phase(*["chat"] * 4, "chat-home", "chat-cloud")
        home.script = redirect_to(elsewhere.port)
        home_b.script = chat
        answered["redirected"] = await phase("chat", "chat")
        burst.script = redirect_to(elsewhere.port)
        home_b.script = redirect_to(elsewhere.port)
        answered["redirected everywhere"] = await phase("chat", "chat-home")
        await client.get("/v1/models")
        await client.post("/v1/embeddings", json={"model": "chat", "input": CANARY})
        await client.get(f"http://127.0.0.1:{admin}/readyz")
        result = {
            "places": {
                "gateway": f"127.0.0.1:{port}",
                "admin": f"127.0.0.1:{admin}",
                "home": f"127.0.0.1:{home.port}",
                "home-b": f"127.0.0.1:{home_b.port}",
                "burst": f"127.0.0.1:{burst.port}",
            },
            "answered": answered,
            "trapped": {"proxy": proxy.connections, "redirect": elsewhere.connections},
        }
    for name in ("connects", "datagrams", "names", "others", "canary"):
        result[name] = dict(getattr(sniffer, name))
    result["would see"] = await would_see(sniffer)
    return result


async def would_see(sniffer: Sniffer) -> bool:
    """Whether the sniffer sees what must not happen: a datagram with the canary to somewhere else."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as leak:
        leak.sendto(CANARY.encode(), ("198.51.100.1", 4711))
    for _ in range(200):
        if sniffer.canary["198.51.100.1:4711"]:
            return True
        await asyncio.sleep(0.01)
    return False


if __name__ == "__main__":
    for line in NETWORK.splitlines():
        subprocess.run(line.split(), check=True)
    print(json.dumps(asyncio.run(main(Path(sys.argv[1])))))
