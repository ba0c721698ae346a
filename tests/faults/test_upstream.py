"""Every fault of a model server against a real `tidegate serve`: what clients get, and what the cloud saw of it.

All requests hold an identity number and a token of their own. The cloud pool stands in the same decision file and may
see neither; whatever happens, nothing may arrive there, nobody may get another's answer, and nothing that broke off
may be called complete.
"""

import asyncio
import json
import secrets
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.fakes.model_server import ModelServer, Peer, chat, completion, delta
from tests.fakes.process import Process, process
from tests.faults.asking import Answer, asked, request
from tests.paths.test_failing_well import black_hole, endless_event, half_a_chunk, refusing_port
from tests.paths.test_faults import (
    answers,
    close_at_once,
    half_a_body,
    nonsense_event,
    not_http,
    reset_at_once,
    silence,
    then_bad_chunk,
    then_done_without_finish,
    then_end,
    then_endless_line,
    then_error_and_done,
    then_half_an_event,
    then_reset,
    then_stall,
)

SHORT = "{connect: 300ms, first_content: 300ms, idle: 300ms, total: 20s}"
# What is tried here is one fault after another on the same endpoint, so its breaker must not end the trial.
NEVER_OPEN = "    breaker: {in_a_row: 1000, percent: 100, of: 100000}\n"


async def slow_first_byte(peer: Peer) -> None:
    await asyncio.sleep(0.2)
    await chat(peer)


async def two_answers(peer: Peer) -> None:
    await peer.answer(200, completion())
    await peer.answer(200, completion("a stolen answer"))


FAULTS: dict[str, Callable[[Peer], Awaitable[None]]] = {
    "slow first byte": slow_first_byte,
    "silence": silence,
    "closed at once": close_at_once,
    "reset": reset_at_once,
    "reset mid-stream": then_reset,
    "stall mid-stream": then_stall,
    "clean EOF mid-answer without a finish": then_end,
    "truncated chunk": half_a_chunk,
    "half an event": then_half_an_event,
    "bad chunk size": then_bad_chunk,
    "half a body": half_a_body,
    "not HTTP": not_http,
    "invalid JSON": nonsense_event,
    "HTML with 200": answers(200, b"<html>", content_type="text/html"),
    "500": answers(500, b"{}"),
    "429 with Retry-After": answers(429, b"{}", "retry-after: 1"),
    "503 with Retry-After": answers(503, b"{}", "retry-after: 1"),
    "oversized line": endless_event,
    "oversized line mid-stream": then_endless_line,
    "error event, then [DONE]": then_error_and_done,
    "[DONE] without a finish": then_done_without_finish,
    "two answers": two_answers,
}


async def echo(peer: Peer) -> None:
    """A sound answer that says whose it is."""
    text = peer.received.json["messages"][0]["content"].split()[-1]
    if not peer.received.json.get("stream"):
        await peer.answer(200, completion(f"for {text}"))
        return
    await peer.open_stream()
    await peer.event(delta(f"for {text}", role="assistant"))
    await peer.event(delta(finish="stop"))
    await peer.event("[DONE]")
    await peer.end_stream()


def never_open(config: Path) -> None:
    path = config / "pools.yaml"
    path.write_text(path.read_text().replace("    poll: none\n", f"    poll: none\n{NEVER_OPEN}"))


async def tried(running: Process, calls: int, at_once: int = 16) -> Counter:
    """Ask so many times, half of them streamed; what came of it, and nothing that must not."""
    turns, seen = iter(range(calls)), Counter()

    async def client() -> None:
        for turn in turns:
            token = f"tok-{secrets.token_hex(8)}"
            stream = turn % 2 == 0
            answer = await asked(
                running, request(running, f"My SSN is 536-22-8723 {token}", stream=stream, model="chat")
            )
            seen[judged(answer, token, stream)] += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(min(at_once, calls)):
            group.create_task(client())
    return seen


def judged(answer: Answer, token: str, stream: bool) -> str:
    """What kind of end it is; asserts that it is one of the honest ones."""
    assert not answer.error, answer.error
    text = answer.text.decode()
    assert "stolen" not in text
    if answer.is_whole:
        assert f"for {token}" in text or "Hel" in text
        assert "tok-" not in text.replace(token, "")
        return "whole"
    if answer.status != 200:
        assert set(json.loads(text)["error"]) == {"message", "type", "param", "code"}
        return str(answer.status)
    assert stream
    assert '"error"' in text
    assert "[DONE]" not in text
    return "error event"


@pytest.mark.parametrize("calls", [12, pytest.param(200, marks=pytest.mark.slow)])
async def test_whatever_a_model_server_does_nothing_leaves_and_nothing_broken_is_called_whole(tmp_path, calls):
    async with ModelServer() as broken, ModelServer() as sound, ModelServer() as burst:
        sound.script = burst.script = echo
        pools = {"home": broken, "home-b": sound, "burst": burst}
        limits = {"home": 256, "home-b": 256}
        async with process(tmp_path, pools, timeouts=SHORT, limits=limits, rewrite=never_open) as running:
            print()
            for name, fault in FAULTS.items():
                broken.script = fault
                before = len(broken.requests)
                seen = await tried(running, calls)
                met = len(broken.requests) - before
                print(f"{name:40} met by {met:4}, {dict(seen)}")
                assert seen.total() == calls
                assert met
                if "Retry-After" in name:
                    await asyncio.sleep(1.1)  # it said that it is full for a second
                # One that goes well, so that not all of the faults together are a row that opens even this breaker.
                broken.script = echo
                assert await tried(running, 1) == {"whole": 1}
            assert not burst.requests
            total = calls * len(FAULTS)
            print(
                f"seen by the cloud: 0 of {total} calls; at 95 % no more than {3 / total:.1e} of them, "
                f"{3 / calls:.1e} for one fault"
            )


@pytest.mark.parametrize("kinds", ["refused and black hole", "TLS and DNS"])
@pytest.mark.parametrize("calls", [24, pytest.param(400, marks=pytest.mark.slow)])
async def test_what_cannot_be_reached_costs_nobody_an_answer_and_nothing_leaves(tmp_path, calls, kinds):
    """Two endpoints of one pool that fail in two ways: of each request's three tries they may take two."""
    async with ModelServer() as plain, ModelServer() as sound, ModelServer() as burst:
        sound.script = burst.script = echo
        with black_hole() as hole:
            urls = {
                "refused and black hole": (f"http://127.0.0.1:{refusing_port()}", hole),
                "TLS and DNS": (f"https://127.0.0.1:{plain.port}", "http://nowhere.invalid:8000"),
            }
            first, second = urls[kinds]

            def both(config: Path) -> None:
                path = config / "pools.yaml"
                path.write_text(path.read_text().replace(f'["{first}"]', f'["{first}", "{second}"]'))
                never_open(config)

            pools = {"home": first, "home-b": sound, "burst": burst}
            limits = {"home": 256, "home-b": 256}
            async with process(tmp_path, pools, timeouts=SHORT, limits=limits, rewrite=both) as running:
                seen = await tried(running, calls)
                print(f"\n{kinds}: {dict(seen)}")
                assert seen == {"whole": calls}
            assert not burst.requests
            assert not plain.requests
