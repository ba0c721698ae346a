"""Which failures are tried again, where, and how often a model server may get one request."""

import asyncio

from tests.fakes.house import house
from tests.fakes.model_server import ModelServer, chat
from tests.paths.test_faults import answers

WARM = 6


def two_endpoints(first: ModelServer, second: ModelServer):
    def rewrite(config):
        path = config / "pools.yaml"
        path.write_text(path.read_text().replace(f'["{first.url}"]', f'["{first.url}", "{second.url}"]'))

    return rewrite


async def test_a_server_that_closes_every_kept_connection_gets_the_request_twice_and_no_more(tmp_path):
    async with ModelServer() as server:
        gate = asyncio.Event()

        async def together(peer):
            await gate.wait()
            await chat(peer)

        async def close(peer):
            peer.close()

        server.script = together
        async with house(tmp_path, {"home": server}) as running:
            warming = [asyncio.create_task(running.chat(model="chat-home")) for _ in range(WARM)]
            while len(server.requests) < WARM:  # noqa: ASYNC110 -- the server's own record
                await asyncio.sleep(0.005)
            gate.set()
            await asyncio.gather(*warming)
            server.script = close
            response = await running.chat(model="chat-home")
            assert response.status_code == 502
            assert len(server.requests) == WARM + 2
            # The second time on a connection of its own.
            assert server.requests[-1].connection == WARM + 1


async def test_a_refused_credential_is_refused_at_every_endpoint_of_its_pool_but_not_in_another_pool(tmp_path):
    for status in (401, 403, 404):
        async with ModelServer() as one, ModelServer() as two, ModelServer() as other:
            one.script = two.script = answers(status, b"{}")
            folder = tmp_path / str(status)
            async with house(folder, {"home": one, "home-b": other}, rewrite=two_endpoints(one, two)) as running:
                assert (await running.chat()).status_code == 200
                assert len(one.requests) + len(two.requests) == 1
                assert len(other.requests) == 1


async def test_a_broken_endpoint_sends_the_request_to_the_next_of_its_pool(tmp_path):
    async with ModelServer() as one, ModelServer() as two:
        one.script = two.script = answers(500, b"{}")
        async with house(tmp_path, {"home": one}, rewrite=two_endpoints(one, two)) as running:
            assert (await running.chat(model="chat-home")).status_code == 502
            assert len(one.requests) == len(two.requests) == 1


async def test_a_full_house_on_the_second_turn_does_not_hide_what_went_wrong_on_the_first(tmp_path):
    async with ModelServer() as broken, ModelServer() as slow:
        release = asyncio.Event()

        async def hold(peer):
            await release.wait()
            await chat(peer)

        slow.script = hold
        broken.script = answers(500, b"{}")
        pools = {"home": broken, "home-b": slow}
        async with house(tmp_path, pools, limits={"home-b": 1}, queue="50ms") as running:
            first = asyncio.create_task(running.chat("My SSN is 536-22-8723"))
            while not slow.requests:  # noqa: ASYNC110 -- the server's own record
                await asyncio.sleep(0.005)
            response = await running.chat("My SSN is 536-22-8723")
            release.set()
            assert (await first).status_code == 200
            assert (response.status_code, response.json()["error"]["code"]) == (502, "upstream_failed")
