"""What operations set on a running gateway: drained pools, burst by hand, places that are kept, and the commands."""

import asyncio
import contextlib
import json
import time

import httpx

from gateway.cli.main import main
from gateway.core.controls import Drain, Order, SetBurst, Undrain
from tests.fakes.house import house, write_config
from tests.fakes.model_server import ModelServer, delta
from tests.paths.served import serving
from tests.paths.test_row_orders import recorded

CARD = "My card: 4111 1111 1111 1111"


def holding(server: ModelServer) -> asyncio.Event:
    """Let `server` keep every request until the event is set."""
    go_on = asyncio.Event()
    usual = server.script

    async def holds(peer):
        await go_on.wait()
        await usual(peer)

    server.script = holds
    return go_on


async def arrived(server: ModelServer, count: int) -> None:
    async with asyncio.timeout(20):
        while len(server.requests) < count:  # noqa: ASYNC110 -- the server's own count
            await asyncio.sleep(0.002)


@contextlib.asynccontextmanager
async def both(tmp_path, **options):
    async with (
        ModelServer() as home,
        ModelServer() as burst,
        house(tmp_path, {"home": home, "home-b": home, "burst": burst}, **options) as gateway,
    ):
        # The worker serves, and its audit log is open.
        await gateway.client.get("/v1/models", headers=gateway.headers())
        yield gateway, home, burst


async def order(gateway, change, for_s=60.0):
    return await gateway.worker._desk.order(Order(change, "ops", for_s))


def pool_of(answer) -> str:
    return answer.headers["x-tidegate-pool"]


async def test_a_drained_pool_gets_nothing_and_work_goes_where_its_decision_leads_next(tmp_path):
    async with both(tmp_path) as (gateway, _, burst):
        assert pool_of(await gateway.chat()) == "home"
        await order(gateway, Drain("home"))
        assert pool_of(await gateway.chat()) == "home-b"
        await order(gateway, Drain("home-b"))
        assert pool_of(await gateway.chat()) == "burst"
        refused = await gateway.chat(CARD)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "unavailable")
        assert len(burst.requests) == 1
        await order(gateway, Undrain("home"))
        assert pool_of(await gateway.chat(CARD)) == "home"
    assert b"4111" not in burst.requests[0].body


async def test_draining_lets_what_has_begun_finish_and_sends_away_what_waits(tmp_path):
    async with both(tmp_path, limits={"home": 1}, queue="30s") as (gateway, home, _):
        go_on = holding(home)
        first = asyncio.create_task(gateway.chat(model="chat-home"))
        await arrived(home, 1)
        second = asyncio.create_task(gateway.chat(CARD, model="chat-home"))
        async with asyncio.timeout(20):
            while not gateway.worker._admission.load()["home"].waiting:  # noqa: ASYNC110 -- the gateway's own count
                await asyncio.sleep(0.002)
        await order(gateway, Drain("home"))
        refused = await second
        assert (refused.status_code, "retry-after" in refused.headers) == (503, True)
        go_on.set()
        assert (await first).status_code == 200


async def test_with_burst_off_work_that_may_leave_waits_like_any_other(tmp_path):
    async with both(tmp_path, limits={"home": 1, "home-b": 1}, queue="200ms") as (gateway, home, burst):
        go_on = holding(home)
        taken = [asyncio.create_task(gateway.chat()) for _ in range(2)]
        await arrived(home, 2)
        assert pool_of(await gateway.chat()) == "burst"
        await order(gateway, SetBurst(0.0))
        full = await gateway.chat()
        assert (full.status_code, full.json()["error"]["code"]) == (503, "overloaded")
        go_on.set()
        await asyncio.gather(*taken)
    assert len(burst.requests) == 1


async def test_a_share_of_what_may_leave_leaves_and_nothing_of_what_must_stay(tmp_path):
    async with both(tmp_path) as (gateway, _, _):
        await order(gateway, SetBurst(0.25))
        pools = [pool_of(await gateway.chat(f"question {number}")) for number in range(40)]
        assert abs(pools.count("burst") - 10) <= 2
        await order(gateway, SetBurst(1.0))
        assert pool_of(await gateway.chat()) == "burst"
        assert pool_of(await gateway.chat(CARD)) == "home"
        await order(gateway, SetBurst(None))
        assert pool_of(await gateway.chat()) == "home"


async def test_what_was_cleared_before_something_was_taken_away_does_not_leave(tmp_path):
    async with both(tmp_path, limits={"home": 1, "home-b": 1}) as (gateway, _, burst):
        await order(gateway, SetBurst(1.0))
        backend = gateway.worker._backends["burst"]
        usual, dialled = backend.connect, asyncio.Event()
        closed = asyncio.Event()

        async def slow(*args, **more):
            dialled.set()
            await closed.wait()
            return await usual(*args, **more)

        backend.connect = slow
        asking = asyncio.create_task(gateway.chat())
        await asyncio.wait_for(dialled.wait(), 20)
        await order(gateway, SetBurst(0.0))
        closed.set()
        answer = await asking
    # It is decided again, and goes where it still may.
    assert pool_of(answer) == "home"
    assert burst.requests == []


async def test_places_are_kept_for_work_that_must_stay(tmp_path):
    def keep(config):
        pools = config / "pools.yaml"
        pools.write_text(pools.read_text().replace("max_in_flight: 2", "max_in_flight: 2\n    reserve_for_home: 1"))

    async with both(tmp_path, limits={"home": 2, "home-b": 2}, rewrite=keep) as (gateway, home, _):
        go_on = holding(home)
        begun = [asyncio.create_task(gateway.chat()) for _ in range(2)]
        await arrived(home, 2)
        assert pool_of(await gateway.chat()) == "burst"
        sensitive = asyncio.create_task(gateway.chat(CARD))
        await arrived(home, 3)
        assert pool_of(await gateway.chat()) == "burst"
        go_on.set()
        assert pool_of(await sensitive) == "home"
        await asyncio.gather(*begun)


async def tidegate(capsys, config, *line: str) -> tuple[int, str]:
    """The exit status of a command, run beside the loop, and what it said."""
    capsys.readouterr()
    status = await asyncio.to_thread(main, [*line, "--config", str(config)])
    return status, capsys.readouterr().out


async def asked(port: int, key: str, count: int) -> list[str]:
    """Where `count` requests go, each over a connection of its own, so that every worker gets some."""
    body = {"model": "chat", "messages": [{"role": "user", "content": "hi"}]}
    pools = []
    for _ in range(count):
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=30) as client:
            headers = {"authorization": f"Bearer {key}"}
            answer = await client.post("/v1/chat/completions", json=body, headers=headers)
            pools.append(answer.headers.get("x-tidegate-pool", str(answer.status_code)))
    return pools


async def test_the_commands_reach_every_worker_and_a_restart_keeps_what_they_set(tmp_path, capsys, monkeypatch):
    config = tmp_path / "config"
    async with ModelServer() as home, ModelServer() as burst:
        pools = {"home": home, "home-b": home, "burst": burst}
        key, _ = write_config(config, pools, gateway="workers: 2\n")
        async with serving(config) as served:
            await served.event("worker_ready", 2)
            port = await served.port()
            monkeypatch.setenv("TIDEGATE_ADMIN_LISTEN", (await served.event("admin_listening"))["listen"])
            assert set(await asked(port, key, 8)) == {"home"}
            status, said = await tidegate(capsys, config, "pool", "drain", "home", "--for", "30m", "--json")
            told = json.loads(said)
            assert (status, told["is_kept"], told["is_recorded"]) == (0, True, True)
            assert abs(told["controls"]["drained"][0]["until"] - time.time() - 1800) < 60
            # Both workers say so in their logs before they take another request.
            await served.event("overrides_changed", 2)
            assert set(await asked(port, key, 8)) == {"home-b"}
            status, said = await tidegate(capsys, config, "burst", "on", "--language", "en")
            assert (status, "Burst is on" in said) == (0, True)
            status, said = await tidegate(capsys, config, "pool", "list", "--language", "en")
            assert "drained" in next(line for line in said.splitlines() if line.startswith("home "))
            status, _ = await tidegate(capsys, config, "pool", "undrain", "hone")
            assert status == 1
            assert await served.stop() == 0
        assert [one["change"] for one in recorded(config / "state", "override")] == ["pool drain home", "burst on"]
        async with serving(config, {"TIDEGATE_WORKERS": "1"}) as again:
            assert set(await asked(await again.port(), key, 4)) == {"burst"}


async def test_a_stream_that_has_begun_outlives_every_override(tmp_path):
    async with both(tmp_path) as (gateway, home, _):
        go_on = asyncio.Event()

        async def slow(peer):
            await peer.open_stream()
            await peer.event(delta("first", role="assistant"))
            await go_on.wait()
            await peer.event(delta(" last"))
            await peer.event(delta(finish="stop"))
            await peer.event("[DONE]")
            await peer.end_stream()

        home.script = slow
        asking = asyncio.create_task(gateway.chat(stream=True))
        await arrived(home, 1)
        for change in (Drain("home"), SetBurst(0.0), SetBurst(1.0), Undrain("home")):
            await order(gateway, change)
        go_on.set()
        assert (await asking).text.rstrip().endswith("data: [DONE]")
