"""`tidegate serve` with two workers and a Valkey, and `tidegate cache` beside it, as operators run them."""

import asyncio
import json

import httpx
import pytest

from gateway.cli.main import main
from tests.fakes.model_server import ModelServer
from tests.fakes.process import process
from tests.fakes.valkey import running_valkey
from tests.paths.test_cache import CACHED, HELLO, numbered, said


async def ask(running) -> str:
    """The answer over a connection of its own, which either worker may take."""
    body = {"model": "chat", "messages": [{"role": "user", "content": HELLO}], "temperature": 0}
    headers = {"authorization": f"Bearer {running.key}"}
    async with httpx.AsyncClient(base_url=running.url, trust_env=False, timeout=20) as client:
        return said(await client.post("/v1/chat/completions", json=body, headers=headers))


@pytest.mark.timeout(120)
async def test_two_workers_have_one_answer_until_it_is_purged(tmp_path, capsys):
    async with ModelServer() as home:
        home.script = numbered()
        with running_valkey() as valkey:
            block = f"workers: 2\ncache: {{}}\nstores: {{cache: {{address: 'unix:{valkey.socket}'}}}}\n"
            async with process(tmp_path, {"home": home}, gateway=block, policy=CACHED) as running:
                assert {await ask(running) for _ in range(20)} == {"Answer 1."}
                assert len(home.requests) == 1

                command = ["cache", "purge", "--tenant", "bank", "--json", "--config", str(running.config)]
                assert await asyncio.to_thread(main, command) == 0
                assert json.loads(capsys.readouterr().out)["destroyed"] is True
                for _ in range(100):
                    if {await ask(running) for _ in range(10)} == {"Answer 2."}:
                        break
                else:
                    pytest.fail("a worker still gives what was purged")
                assert len(home.requests) == 2

                # Workers tell of themselves once a second.
                for _ in range(50):
                    status = ["cache", "status", "--json", "--config", str(running.config)]
                    with pytest.MonkeyPatch.context() as patched:
                        patched.setenv("TIDEGATE_ADMIN_LISTEN", running.admin_url.removeprefix("http://"))
                        assert await asyncio.to_thread(main, status) == 0
                    figures = json.loads(capsys.readouterr().out)["running"]
                    if figures is not None and figures["miss"] == 2 and figures["near"] + figures["far"] >= 20:
                        break
                    await asyncio.sleep(0.2)
                assert figures["miss"] == 2
                assert figures["near"] + figures["far"] >= 20
                assert figures["bypass"] == 0
