"""`tidegate demo`: the whole gateway on one machine, with a small real model, showing where requests go and why.

Here is the order of things: the cloud side and the model at home, the configuration, the gateway, five questions, a
flood, two tables, the lines to paste, and waiting for Ctrl-C. Each of these lives in a module of its own, and starts
while the one before it still loads; whatever was started is stopped in the opposite order, however the demo ends.
"""

import argparse
import asyncio
import contextlib
import io
import os
import shlex
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import openai

from gateway.backends.embedded import EmbeddedModel, EmbeddedSettings, demo_model_file, demo_threads
from gateway.cli.demo_cloud import REGION, Cloud, Record, starting_cloud
from gateway.cli.demo_files import TENANT, Places, claim, write_configuration
from gateway.cli.demo_flood import FULL_PATIENCE_S, HARMLESS, SENSITIVE, Flood, flood
from gateway.cli.demo_gateway import RunningGateway, starting_gateway
from gateway.cli.demo_questions import HOME, QUESTIONS, Answer, ask
from gateway.cli.demo_report import (
    Programs,
    faults,
    flood_faults,
    flood_rows,
    flood_summary,
    lines_to_paste,
    operator_lines,
    proof,
    rows,
)
from gateway.cli.demo_screen import Screen
from gateway.cli.demo_store import running_store
from gateway.cli.demo_table import Colour, Row, draw, fold
from gateway.cli.demo_words import language_of, words_for
from gateway.cli.keys import create_key
from gateway.cli.main import INTERRUPTED, Subparsers

USUAL_PORT: Final = 8080
_FORGET_EVERY_S: Final = 60.0
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def add_commands(subparsers: "Subparsers[argparse.ArgumentParser]") -> None:
    """Add `tidegate demo`."""
    parser = subparsers.add_parser(
        "demo",
        help="run the gateway with a small real model and show where requests go",
        description="Starts a small model server at home, another behind a stand-in for SageMaker, and the gateway "
        "between them on 127.0.0.1; sends five questions and a flood, shows where each request went and why, and stays "
        "up until Ctrl-C.",
    )
    parser.add_argument("--check", action="store_true", help="use free ports, check every row, stop; exits 0 or 1")
    parser.add_argument("--port", type=_port, help=f"where the gateway listens (default {USUAL_PORT}, or a free port)")
    parser.add_argument(
        "--dir", type=Path, help="an empty or new folder to keep the files in (default: a temporary one)"
    )
    parser.add_argument("--language", choices=("en", "zh"), help="default: what your locale says")
    parser.set_defaults(run=run)


def _port(text: str) -> int:
    port = int(text)
    if not 0 < port < 65536:
        raise argparse.ArgumentTypeError("a port is a number from 1 to 65535")
    return port


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; 0 if it ran until it was told to stop, or if every check held."""
    words = words_for(arguments.language or language_of(dict(os.environ)))
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A terminal that cannot show a character shows a question mark, and the demo goes on.
        sys.stdout.reconfigure(errors="replace")
    demo = Demo(Screen.on(sys.stdout, words), is_check=arguments.check, port=arguments.port)
    with _folder(arguments.dir) as folder:
        return asyncio.run(demo.run(folder))


@contextmanager
def _folder(wanted: Path | None) -> Iterator[Path]:
    with contextlib.ExitStack() as stack:
        if wanted is None:
            # Made readable by us alone, and removed at the end.
            wanted = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tidegate-demo-")))
        folder = wanted.absolute()
        claim(folder)
        yield folder


class Demo:
    """One run of the demo."""

    def __init__(self, screen: Screen, *, is_check: bool, port: int | None) -> None:
        self._screen = screen
        self._words = screen.words
        self._is_check = is_check
        self._port = port
        self._is_up = False

    async def run(self, folder: Path) -> int:
        """Everything, until a signal comes or a check is done."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None  # noqa: S101 -- this is a coroutine of asyncio.run
        for number in _SIGNALS:
            loop.add_signal_handler(number, task.cancel)
        try:
            return await self._run(folder)
        except asyncio.CancelledError:
            self._screen.say("\n" + self._words.stopped)
            return 0 if self._is_up else INTERRUPTED

    async def _run(self, folder: Path) -> int:
        screen, words = self._screen, self._words
        screen.say(words.welcome, Colour.STRONG)
        screen.say(words.stand_in)
        screen.say(words.cloud)
        screen.say(words.files.format(folder=folder), Colour.DIM)
        async with contextlib.AsyncExitStack() as stack:
            # Started and not waited for: it loads while the model at home does.
            cloud = await stack.enter_async_context(starting_cloud(folder))
            with screen.step(words.step_home):
                home = await stack.enter_async_context(self._home(folder))
            with screen.step(words.step_store):
                store = await stack.enter_async_context(running_store(folder / "store", self._said_of_the_store))
            if store is None:
                screen.say(words.no_store)
            port = await self._free_port()
            with screen.step(words.step_burst):
                places = Places(folder, port, home.endpoint, await cloud.address(), cloud.control, REGION)
                places = replace(places, state=store.address if store is not None else "")
                write_configuration(places, home_key=home.credential, burst_keys=cloud.keys)
                _, key = create_key(folder, TENANT, note="demo", environ={})
                gateway = await stack.enter_async_context(starting_gateway(folder))
                await cloud.until_loaded()
            with screen.step(words.step_gateway):
                await gateway.until_ready()
            client = await stack.enter_async_context(_client(places.url, key))
            answers, is_well = await self._ask_all(client, gateway, cloud)
            if self._is_check:
                return 0 if is_well else 1
            self._show_lines(places, key, answers)
            return await self.stay(gateway, places, cloud)

    def _home(self, folder: Path) -> EmbeddedModel:
        settings = EmbeddedSettings(demo_model_file(), f"unix:{folder}/models/home.sock", threads=demo_threads())
        return EmbeddedModel(settings, on_change=lambda sentence: self._screen.say(f"{HOME}: {sentence}"))

    def _said_of_the_store(self, sentence: str) -> None:
        self._screen.say(f"state: {sentence}")

    async def _free_port(self) -> int:
        if self._is_check and self._port is None:
            return await free_port(0)
        wanted = self._port or USUAL_PORT
        try:
            return await free_port(wanted)
        except OSError:
            port = await free_port(0)
            self._screen.say(self._words.port_taken.format(wanted=wanted, port=port))
            return port

    async def _ask_all(
        self, client: openai.AsyncOpenAI, gateway: RunningGateway, cloud: Cloud
    ) -> tuple[list[Answer], bool]:
        """Ask, draw the tables, say what is wrong; the answers, and whether all is as it must be."""
        screen, words = self._screen, self._words
        with screen.step(words.step_questions):
            answers = [await ask(client, question) for question in QUESTIONS]
        with screen.step(words.step_flood.format(harmless=len(HARMLESS), sensitive=len(SENSITIVE))):
            flooded = await flood(client, partial(gateway.until_full, HOME, patience_s=FULL_PATIENCE_S))
        self._draw(words.columns, rows(answers, words))
        self._draw(words.flood_columns, flood_rows(flooded, words))
        screen.say()
        return answers, self._judge(answers, flooded, await cloud.record())

    def _draw(self, headings: Sequence[str], table: Sequence[Row]) -> None:
        self._screen.say()
        for line in draw(headings, table, columns=self._screen.columns, in_colour=self._screen.in_colour):
            self._screen.say(line)

    def _judge(self, answers: list[Answer], flooded: Flood, record: Record | None) -> bool:
        """Say what is wrong, or what was shown; whether all is as it must be."""
        words = self._words
        wrong = [*faults(answers, words), *flood_faults(flooded, words)]
        for fault in wrong:
            self._say(fault, Colour.WRONG)
        if not wrong:
            self._say(flood_summary(flooded, words))
        proved = proof(answers, flooded, record, words)
        self._say(proved.sentence, None if proved.holds else Colour.WRONG)
        is_well = proved.holds and not wrong
        if is_well:
            self._say(words.all_well, Colour.HOME)
        return is_well

    def _say(self, sentence: str, colour: Colour | None = None) -> None:
        for line in fold(sentence, self._screen.columns):
            self._screen.say(line, colour)

    def _show_lines(self, places: Places, key: str, answers: list[Answer]) -> None:
        programs = Programs(_shown_path(Path(sys.executable)), _shown_path(Path(sys.executable).with_name("tidegate")))
        self._screen.say("\n" + self._words.try_it, Colour.STRONG)
        for title, line in (
            *lines_to_paste(places.url, key, self._words, programs),
            *operator_lines(str(places.folder), answers, self._words, programs),
        ):
            self._screen.say(f"\n# {title}", Colour.DIM)
            self._screen.say(line)

    async def stay(self, gateway: RunningGateway, places: Places, cloud: Cloud) -> int:
        """Wait for Ctrl-C, which cancels us, or for the gateway's own end."""
        self._screen.say("\n" + self._words.stop_it.format(url=places.url), Colour.STRONG)
        self._is_up = True
        while gateway.process.returncode is None:
            # What was received has been shown; nothing more is to be kept.
            await cloud.forget()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_FORGET_EVERY_S):
                    await gateway.process.wait()
        self._screen.say(self._words.gateway_gone, Colour.WRONG)
        self._screen.say(gateway.last_words())
        return 1


@asynccontextmanager
async def _client(url: str, key: str) -> AsyncIterator[openai.AsyncOpenAI]:
    # Without the environment: a proxy that is set there must not come between us and our own gateway.
    async with (
        openai.DefaultAsyncHttpxClient(trust_env=False) as http,
        openai.AsyncOpenAI(base_url=url, api_key=key, max_retries=0, timeout=60.0, http_client=http) as client,
    ):
        yield client


async def free_port(port: int) -> int:
    """`port` if it can be bound on loopback now, or any free port for 0; OSError otherwise."""
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", port)
    async with server:
        return int(server.sockets[0].getsockname()[1])


def _shown_path(program: Path) -> str:
    """How to write `program` on a command line here: by name if the shell finds it so, else by the shorter path."""
    if shutil.which(program.name) == str(program):
        return program.name
    relative = os.path.relpath(program)
    return shlex.quote(min(relative, str(program), key=len))
