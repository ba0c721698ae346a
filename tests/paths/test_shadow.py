"""A candidate beside a gateway that serves: what it would change is told, and no request ever feels it."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import httpx
import msgspec
import pytest

from gateway.cli.main import main
from gateway.runtime import live_canary
from gateway.runtime import shadow as shadow_room
from gateway.runtime.shadow import State
from tests.fakes.house import House, house
from tests.fakes.model_server import ModelServer
from tests.fakes.process import Process, process

Capsys = pytest.CaptureFixture[str]

NO_SPILL = ("spill: [burst], ", "")
CLOUD_FIRST = ("to: [home, home-b], spill: [burst]", "to: [burst, home]")
BY_COMPLEXITY = ("  - {id: rest,", "  - {id: easy, when: {complexity: simple}, to: [home-b]}\n  - {id: rest,")
ANOTHER_LABEL = ("[CN_MOBILE, EMAIL, ADDRESS], label: confidential", "[CN_MOBILE, EMAIL, ADDRESS], label: restricted")
REFUSES = ("to: [home, home-b], on_full", "to: [home-b], on_full")
RENAMED = ("id: keep-home,", "id: at-home,")


def candidate(config: Path, *changes: tuple[str, str], version: int = 2) -> str:
    """The policy in force with these changes."""
    text = (config / "policy.yaml").read_text()
    for old, new in (("version: 1\n", f"version: {version}\n"), *changes):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def compared(gateway: House) -> float:
    """How many requests were compared with a candidate."""
    told = gateway.worker._shadow.readings()
    return sum(value for family, _, value in told if family.name == "tidegate_shadow_requests_total")


# Nobody feels it


async def deeds(gateway: House) -> list[tuple[int, str]]:
    """Requests of every kind, and what their clients get."""
    found = []
    for text in ("Hello", "mail anna@example.com", "My SSN is 536-22-8723", "机密 plans"):
        for model in ("chat", "chat-cloud", "chat-home", "nothing"):
            for stream in (False, True):
                answer = await gateway.chat(text, model=model, stream=stream)
                found.append((answer.status_code, answer.text))
    for body in (b"{", b'{"model": "chat", "messages": []}'):
        answer = await gateway.client.post("/v1/chat/completions", content=body, headers=gateway.headers())
        found.append((answer.status_code, answer.text))
    await gateway.settled()
    return found


def decided(gateway: House) -> list[bytes]:
    """Everything that the audit log says of how each request was decided and where it went, byte for byte."""
    found = []
    for segment in sorted((gateway.state / "audit").glob("*.jsonl")):
        for line in segment.read_bytes().splitlines():
            outcome = json.loads(line).get("outcome")
            if outcome is not None:
                same = ("tenant", "path", "status", "ending", "bundle", "epoch", "streamed", "bytes_in", "evidence")
                kept = {key: outcome.get(key) for key in (*same, "facts", "decision", "deny_code", "scored")}
                kept["attempts"] = [attempt["pool"] for attempt in outcome.get("attempts", ())]
                found.append(msgspec.json.encode(kept))
    return found


def without_names(answers: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """What a client gets, without the request's own name in it and the moment."""
    found = []
    for status, text in answers:
        lines = [line.removeprefix("data: ") for line in text.splitlines() if line.strip()]
        kept = []
        for line in lines:
            with contextlib.suppress(ValueError):
                one = json.loads(line)
                line = json.dumps({key: value for key, value in one.items() if key not in ("id", "created")})
            kept.append(line)
        found.append((status, "\n".join(kept)))
    return found


@pytest.mark.parametrize(
    "changes",
    [(NO_SPILL,), (CLOUD_FIRST,), (BY_COMPLEXITY, ANOTHER_LABEL), (REFUSES, RENAMED)],
    ids=["home", "cloud", "complexity", "elsewhere"],
)
async def test_with_a_candidate_every_answer_and_every_decision_is_as_without(tmp_path: Path, changes) -> None:
    async with ModelServer() as home, ModelServer() as burst:
        async with house(tmp_path, {"home": home, "home-b": home, "burst": burst}) as gateway:
            shadow = gateway.worker._shadow
            before = await deeds(gateway)
            (gateway.config / "policy.shadow.yaml").write_text(candidate(gateway.config, *changes))
            await shadow.look()
            assert shadow.state is State.COMPARING
            after = await deeds(gateway)
            assert compared(gateway) >= 5
        records = decided(gateway)
    assert without_names(after) == without_names(before)
    half = len(records) // 2
    assert len(records) == 2 * half >= 64
    assert records[:half] == records[half:]


async def test_a_candidate_that_raises_harms_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with ModelServer() as home, house(tmp_path, {"home": home, "home-b": home}) as gateway:
        (gateway.config / "policy.shadow.yaml").write_text(candidate(gateway.config, NO_SPILL))
        await gateway.worker._shadow.look()
        with monkeypatch.context() as patch:
            patch.setattr(shadow_room.Candidate, "compare", lambda *_, **__: 1 / 0)
            assert (await gateway.chat("Hello")).status_code == 200
            assert (await gateway.chat("Hello", stream=True)).text.endswith("data: [DONE]\n\n")
        assert gateway.worker._shadow.state is State.FAILED


async def test_requests_of_our_own_are_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_canary, "SETTLE_S", 0.0)

    def put(config: Path) -> None:
        (config / "policy.shadow.yaml").write_text(candidate(config, NO_SPILL))

    async with (
        ModelServer() as home,
        house(tmp_path, {"home": home}, gateway="canary: {every: 1s}\n", rewrite=put) as gateway,
        asyncio.timeout(60),
    ):
        while not gateway.worker._shadow.is_comparing:  # noqa: ASYNC110 -- somebody else's count
            await asyncio.sleep(0.02)
        before = len(home.requests)
        while len(home.requests) < before + 3:  # noqa: ASYNC110 -- as above
            await asyncio.sleep(0.02)
        assert compared(gateway) == 0
        assert (await gateway.chat("Hello")).status_code == 200
        assert compared(gateway) == 1


# As operators do it


async def asked(running: Process, times: int) -> None:
    """So many requests, each over a connection of its own so that both workers get some."""
    for number in range(times):
        text = "mail anna@example.com" if number % 2 else "Hello"
        body = {"model": "chat", "messages": [{"role": "user", "content": text}]}
        async with httpx.AsyncClient(base_url=running.url, trust_env=False, timeout=30) as client:
            headers = {"authorization": f"Bearer {running.key}"}
            assert (await client.post("/v1/chat/completions", json=body, headers=headers)).status_code == 200


class Operator:
    """Runs `tidegate policy shadow` against a gateway."""

    def __init__(self, running: Process, capsys: Capsys) -> None:
        self._running = running
        self._capsys = capsys

    async def run(self, *arguments: str | Path) -> tuple[int, str, str]:
        command = ["policy", "shadow", *map(str, arguments), "--config", str(self._running.config)]
        with pytest.MonkeyPatch.context() as patched:
            patched.setenv("TIDEGATE_ADMIN_LISTEN", self._running.admin_url.removeprefix("http://"))
            patched.setenv("LC_ALL", "en_US.UTF-8")
            self._capsys.readouterr()
            status = await asyncio.to_thread(main, command)
        said = self._capsys.readouterr()
        return status, said.out, said.err

    async def report(self, until: Callable[[dict], bool]) -> dict:
        """The report once it is as expected: workers tell of themselves once a second."""
        async with asyncio.timeout(60):
            while True:
                status, out, _ = await self.run("report", "--json")
                shown = json.loads(out)
                if status == 0 and until(shown):
                    return shown
                await asyncio.sleep(0.1)


@pytest.mark.timeout(180)
async def test_a_candidate_is_tried_on_two_workers_edited_halfway_and_promoted(tmp_path: Path, capsys: Capsys) -> None:
    """One gateway for the whole story: its start is what takes the time."""
    async with (
        ModelServer() as server,
        process(tmp_path, {"home": server, "home-b": server}, gateway="workers: 2\n") as running,
    ):
        operator = Operator(running, capsys)
        file = running.config / "policy.shadow.yaml"
        assert (await operator.run("report"))[0] == 2

        # A bad one never stands there; one that somebody put there by hand is said and compares nothing.
        (tmp_path / "bad.yaml").write_text(candidate(running.config, ("to: [home, home-b], spill", "to: [hom], spill")))
        status, _, err = await operator.run("start", tmp_path / "bad.yaml")
        assert (status, "bad.yaml:" in err, file.exists()) == (1, True, False)
        file.write_text("labels: [")
        shown = await operator.report(lambda shown: shown.get("workers") == {"unreadable": 2})
        assert shown["candidate"] is None

        (tmp_path / "new.yaml").write_text(candidate(running.config, NO_SPILL))
        status, out, err = await operator.run("start", tmp_path / "new.yaml", "--json")
        assert status == 0, err
        name = json.loads(out)["candidate"]
        await operator.report(lambda shown: shown.get("workers") == {"comparing": 2} and shown["candidate"] == name)
        await asked(running, 20)
        shown = await operator.report(lambda shown: shown["compared"] == 20)
        assert (shown["to_home"], shown["same"], shown["new_cloud_access"]) == (10, 10, False)
        assert [(move["route"], move["new_label"], move["direction"]) for move in shown["moves"]] == [
            ("rest", "internal", "to_home"),
            ("keep-home", "confidential", "same"),
        ]

        # Half of an edit: what was compared before is compared on, and said.
        whole = file.read_text()
        file.write_text(whole[: len(whole) // 2])
        await operator.report(lambda shown: shown.get("workers") == {"stale": 2})
        await asked(running, 4)
        await operator.report(lambda shown: shown["compared"] == 24)
        assert (await operator.run("promote", name))[0] == 1
        file.write_text(whole)
        await operator.report(lambda shown: shown.get("workers") == {"comparing": 2})

        before = len(server.requests)
        status, _, err = await operator.run("promote", name)
        assert (status, file.exists()) == (0, False), err
        await governs(running, name)
        await asked(running, 2)
        assert len(server.requests) == before + 2

        # Another one, and it is let be.
        (tmp_path / "next.yaml").write_text(whole.replace("version: 2", "version: 3").replace("id: rest", "id: all"))
        assert (await operator.run("start", tmp_path / "next.yaml"))[0] == 0
        await operator.report(lambda shown: shown.get("workers") == {"comparing": 2} and shown["version"] == 3)
        assert (await operator.run("drop"))[0] == 0
        assert not file.exists()
        async with asyncio.timeout(30):
            while (await operator.run("report"))[0] != 2:  # noqa: ASYNC110 -- it is another process that tells
                await asyncio.sleep(0.1)


async def governs(running: Process, name: str) -> None:
    """Wait until the bundle that the candidate was is in force in both workers."""
    headers = {"authorization": f"Bearer {running.admin_token}"}
    async with (
        httpx.AsyncClient(base_url=running.admin_url, headers=headers, trust_env=False, timeout=20) as client,
        asyncio.timeout(60),
    ):
        while True:
            page = (await client.get("/metrics")).text
            bundles = [line for line in page.splitlines() if line.startswith("tidegate_bundle{")]
            if len(bundles) == 1 and f'bundle="{name}' in bundles[0] and bundles[0].endswith(" 2"):
                return
            await asyncio.sleep(0.1)
