"""Files that change while a gateway serves: proved, then in force in the workers that serve, and nobody is dropped."""

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.fakes.house import House
from tests.fakes.model_server import ModelServer, chat
from tests.fakes.process import Process, process
from tests.paths.test_upgrade import BODY, Load, events, spoken, until

PATIENT = "{connect: 10s, first_content: 120s, idle: 120s, total: 240s}"
SSN = {"model": "chat-home", "messages": [{"role": "user", "content": "My SSN is 536-22-8723"}]}


def policy_of(running: Process) -> Path:
    return running.config / "policy.yaml"


def versions(text: str):
    """`text` with one version after the other, each higher than the one before."""
    first = int(re.search(r"^version: (\d+)$", text, re.MULTILINE)[1])
    for version in range(first + 1, first + 1_000):
        yield re.sub(r"^version: \d+$", f"version: {version}", text, flags=re.MULTILINE)


def forbidding(text: str) -> str:
    """`text` with sensitive work denied that was served at home before."""
    found = re.sub(r'(id: keep-home, when: \{label: ">= confidential"\}), to: .*', r"\1, deny: Not any more.}", text)
    assert found != text
    return found


def put(path: Path, text: str) -> None:
    """As a deployment does it: whole or not at all."""
    beside = path.with_suffix(".new")
    beside.write_text(text)
    os.replace(beside, path)


def recorded(running: Process | House, kind: str) -> list[dict]:
    """What the audit log says of one kind."""
    lines = [line for path in running.config.glob("*/audit/2*.jsonl") for line in path.read_bytes().splitlines()]
    return [found[kind] for found in map(json.loads, lines) if kind in found]


async def asked(running: Process, body: dict) -> httpx.Response:
    async with httpx.AsyncClient(base_url=running.url, timeout=200, trust_env=False) as client:
        headers = {"authorization": f"Bearer {running.key}"}
        return await client.post("/v1/chat/completions", json=body, headers=headers)


@contextlib.asynccontextmanager
async def full(tmp_path: Path, server: ModelServer):
    """A gateway whose only place is taken by a request that is answered once the event is set."""
    began, release = asyncio.Event(), asyncio.Event()

    async def held(peer):
        began.set()
        await release.wait()
        await chat(peer)

    server.script = held
    more = {"limits": {"home": 1}, "queue": "120s", "timeouts": PATIENT}
    async with process(tmp_path, {"home": server}, **more) as running:
        first = asyncio.create_task(asked(running, BODY))
        await asyncio.wait_for(began.wait(), 60)
        yield running, first, release


def status(running: Process) -> tuple[int, dict]:
    environ = {**os.environ, "TIDEGATE_ADMIN_LISTEN": f"127.0.0.1:{running.admin_port}"}
    command = [str(Path(sys.executable).with_name("tidegate")), "policy", "status", "--json", "--config"]
    done = subprocess.run([*command, str(running.config)], capture_output=True, env=environ, check=False)
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize("reloads", [4, pytest.param(100, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
async def test_reload_needs_no_restart_and_drops_no_request_while_streams_run(tmp_path, reloads):
    async with ModelServer() as server:
        server.script = spoken
        async with process(tmp_path, {"home": server}, gateway="workers: 2\n", limits={"home": 256}) as running:
            first = running.workers()
            load = Load(running)
            policy = policy_of(running)
            text = policy.read_text()
            good = versions(text)
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
            async with (
                httpx.AsyncClient(base_url=running.url, timeout=60, trust_env=False, limits=limits) as client,
                asyncio.TaskGroup() as group,
            ):
                for kind in ("kept", "kept", "new", "stream", "stream", "stream"):
                    group.create_task(load.go(client, kind))
                for count in range(reloads):
                    if count % 2:
                        put(policy, text.replace("never: {label", f"never: {{labels{count}"))
                        await until(running, "reload_refused", count // 2 + 1)
                    else:
                        put(policy, next(good))
                        await until(running, "reloaded", count // 2 + 1)
                load.stop.set()
            print(dict(load.seen))
            assert {outcome for _, outcome in load.seen} == {"whole"}
            assert all(load.seen[kind, "whole"] > 5 for kind in ("kept", "new", "stream"))
            assert running.workers() == first, "nobody was replaced"
            assert await running.stopped() == 0
    activations = recorded(running, "activation")
    assert len({one["bundle"] for one in activations}) == 1 + (reloads + 1) // 2
    assert all(one["certificate"] for one in activations)
    assert [one["codes"] for one in recorded(running, "refusal")] == [["problems"]] * (reloads // 2)
    # Each request is on record under one of the bundles that governed.
    assert {one["bundle"] for one in recorded(running, "outcome")} <= {one["bundle"] for one in activations}


async def test_who_waits_when_something_is_forbidden_does_not_get_it(tmp_path):
    """Queue, tighten, release: refused."""
    async with ModelServer() as server:
        async with full(tmp_path, server) as (running, first, release):
            waits = asyncio.create_task(asked(running, SSN))
            harmless = asyncio.create_task(asked(running, BODY))
            await asyncio.sleep(0.3)
            text = next(versions(policy_of(running).read_text()))
            put(policy_of(running), forbidding(text))
            await until(running, "reloaded")
            release.set()
            answers = await asyncio.gather(first, waits, harmless)
        assert [one.status_code for one in answers] == [200, 403, 200]
        assert "Not any more." in answers[1].text
        assert not any(b"536-22" in one.body for one in server.requests)


async def test_a_tenant_that_is_gone_while_its_request_waits_is_a_stranger(tmp_path):
    async with ModelServer() as server:
        async with full(tmp_path, server) as (running, first, release):
            waits = asyncio.create_task(asked(running, SSN))
            await asyncio.sleep(0.3)
            keys = running.config / "keys.yaml"
            put(keys, "\n".join(line for line in keys.read_text().splitlines() if "tenant: bank" not in line) + "\n")
            await until(running, "keys_changed")
            release.set()
            answers = await asyncio.gather(first, waits)
        assert [one.status_code for one in answers] == [200, 401]
        assert len(server.requests) == 1


async def test_load_is_all_or_nothing_and_the_last_good_bundle_stays(tmp_path):
    async with ModelServer() as server, process(tmp_path, {"home": server}) as running:
        policy = policy_of(running)
        text = policy.read_text()
        code, before = status(running)
        assert (code, before["ok"], before["in_force"]["refused"]) == (0, True, None)
        # Half-written is no event, and nothing is refused.
        put(policy, next(versions(text)).replace("...\n", ""))
        await asyncio.sleep(2)
        assert not events(running, "reload_begun")
        put(policy, text.replace("cloud_ceiling:", "cloud_ceilin:"))
        await until(running, "reload_refused")
        code, after = status(running)
        assert (code, after["ok"], after["bundle"]) == (1, False, before["bundle"])
        refused = after["in_force"]["refused"]
        assert refused["codes"] == ["problems"]
        assert any("cloud_ceiling" in problem["message"] for problem in refused["problems"])
        assert all(problem["line"] for problem in refused["problems"])
        os.kill(running.workers()[0], signal.SIGKILL)
        await until(running, "worker_ready", 2)
        assert (await asked(running, BODY)).status_code == 200
        assert status(running)[1]["bundle"] == before["bundle"]
        put(policy, text + "# as before\n")
        await until(running, "reload_unchanged")
        assert status(running)[0] == 0
        async with httpx.AsyncClient(trust_env=False) as client:
            headers = {"authorization": f"Bearer {running.admin_token}"}
            page = (await client.get(f"{running.admin_url}/metrics", headers=headers)).text
        assert "\ntidegate_files_refused 1" in page
        assert "\ntidegate_files_stale 0" in page


async def test_what_lies_deeper_takes_new_workers_by_itself(tmp_path):
    async with ModelServer() as server, process(tmp_path, {"home": server}, limits={"home": 4}) as running:
        first = running.workers()
        pools = running.config / "pools.yaml"
        put(pools, pools.read_text().replace("max_in_flight: 4", "max_in_flight: 5"))
        await until(running, "upgraded")
        assert set(first).isdisjoint(worker["pid"] for worker in events(running, "worker_started")[-1:])
        assert (await asked(running, BODY)).status_code == 200


async def test_a_request_that_waits_where_the_new_bundle_cannot_govern_is_asked_to_come_again(tmp_path):
    """Its worker is replaced, since a pool has another clearance, and may not send it by what was true before."""
    async with ModelServer() as server:
        async with full(tmp_path, server) as (running, first, release):
            waits = asyncio.create_task(asked(running, SSN))
            await asyncio.sleep(0.3)
            text = next(versions(policy_of(running).read_text()))
            pools = running.config / "pools.yaml"
            put(pools, pools.read_text().replace("max_in_flight: 1", "max_in_flight: 2"))
            put(policy_of(running), forbidding(text))
            await until(running, "upgraded")
            await until(running, "worker_superseded")
            release.set()
            answers = await asyncio.gather(first, waits)
        assert [one.status_code for one in answers] == [200, 503]
        assert answers[1].json()["error"]["code"] == "configuration_changed"
        assert "retry-after" in answers[1].headers
        assert not any(b"536-22" in one.body for one in server.requests)


async def test_limits_and_tenants_are_hot(tmp_path):
    async with ModelServer() as server, process(tmp_path, {"home": server}) as running:
        tenants = running.config / "tenants.yaml"
        text = tenants.read_text()
        limited = text.replace("bank: {class: default,", "bank: {class: default, limits: {requests_per_minute: 2},")
        assert limited != text
        put(tenants, limited)
        await until(running, "reloaded")
        assert [(await asked(running, BODY)).status_code for _ in range(3)] == [200, 200, 429]
        put(tenants, text)
        await until(running, "reloaded", 2)
        assert (await asked(running, BODY)).status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "code"),
    [("state_dir: elsewhere\n", "restart"), ("workers: 200\n", "too_many")],
    ids=["what is the supervisor's for life", "more workers than there are places for"],
)
async def test_what_cannot_be_taken_over_is_refused_recorded_and_told_and_all_goes_on(tmp_path, change, code):
    async with ModelServer() as server, process(tmp_path, {"home": server}) as running:
        before, workers = status(running)[1]["bundle"], running.workers()
        gateway, key = running.config / "gateway.yaml", change.partition(":")[0]
        kept = [line for line in gateway.read_text().splitlines(keepends=True) if not line.startswith(f"{key}:")]
        put(gateway, "".join(kept) + change)
        running.popen.send_signal(signal.SIGHUP)
        await until(running, "upgrade_refused")
        ended, told = status(running)
        assert (ended, told["in_force"]["refused"]["codes"], told["bundle"]) == (1, [code], before)
        assert set(workers) <= set(running.workers())
        assert (await asked(running, BODY)).status_code == 200
        async with asyncio.timeout(20):
            while not (refusals := recorded(running, "refusal")):  # noqa: ASYNC110 -- the log's writer is a thread
                await asyncio.sleep(0.05)
        assert [(one["codes"], one["in_force"]) for one in refusals] == [([code], before)]
