"""Metrics of a real gateway: several processes, one page, counters that survive a killed worker, nobody's words."""

import asyncio
import contextlib
import os
import re
import signal
import sys
from pathlib import Path

import httpx

from gateway.core.figures import Kind
from gateway.core.measures import FAMILIES
from tests.fakes.model_server import ModelServer, chat
from tests.fakes.process import Process, process

CANARY = "Zq7Canary"
_SERIES = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="[^"]*",?)*)\})? (\S+)')


def series(text: str) -> dict[tuple[str, str], float]:
    """Every series of a page by its name and its labels as written."""
    found = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            match = _SERIES.fullmatch(line)
            assert match is not None, line
            found[match[1], match[2] or ""] = float(match[3])
    return found


def total(page: dict[tuple[str, str], float], name: str, *having: str) -> float:
    return sum(value for (of, labels), value in page.items() if of == name and all(part in labels for part in having))


async def scraped(running: Process, token: str | None = None) -> dict[tuple[str, str], float]:
    headers = {"authorization": f"Bearer {token or running.admin_token}"}
    async with httpx.AsyncClient(base_url=running.admin_url, headers=headers, trust_env=False, timeout=20) as client:
        while True:
            with contextlib.suppress(httpx.TransportError):  # the worker that has the port may have been killed
                answer = await client.get("/metrics")
                assert answer.status_code == 200
                return series(answer.text)
            await asyncio.sleep(0.05)


async def told_of(running: Process, requests: int) -> dict[tuple[str, str], float]:
    """The page once both workers tell of themselves and of so many requests: each does once a second."""
    async with asyncio.timeout(30):
        while True:
            page = await scraped(running)
            if total(page, "tidegate_requests_total") >= requests and total(page, "tidegate_workers") == 2:
                return page
            await asyncio.sleep(0.1)


async def ask(running: Process, times: int, **more: object) -> None:
    """`times` requests, each over a connection of its own so that all workers get some."""
    body = {"model": "chat", "messages": [{"role": "user", "content": f"mail {CANARY}@example.com"}], **more}
    for _ in range(times):
        async with httpx.AsyncClient(base_url=running.url, trust_env=False, timeout=20) as client:
            answer = await client.post(
                f"/v1/chat/completions?{CANARY}", json=body, headers={"authorization": f"Bearer {running.key}"}
            )
            assert answer.status_code == 200


async def test_all_workers_are_one_page_without_anybodys_words_and_a_killed_one_takes_nothing_away(tmp_path):
    """One gateway for the whole story: its start is what takes the time."""
    async with ModelServer() as server:
        server.script = chat
        async with process(tmp_path, {"home": server}, gateway="workers: 2\n") as running:
            await all_is_counted(running)
            await nothing_names_who_asked_or_what(running)
            await top_draws_a_page(running)
            await counters_survive_their_workers(running)


async def all_is_counted(running: Process) -> None:
    await ask(running, 6)
    await ask(running, 6, stream=True, user=CANARY)
    async with httpx.AsyncClient(base_url=running.url, trust_env=False) as client:
        stranger = await client.post("/v1/chat/completions", json={}, headers={"authorization": f"Bearer {CANARY}"})
        assert stranger.status_code == 401
    page = await told_of(running, 13)
    assert total(page, "tidegate_requests_total", 'pool="home"', 'ending="completed"', 'label="confidential"') == 12
    assert total(page, "tidegate_refusals_total", 'code="invalid_api_key"') == 1
    assert total(page, "tidegate_findings_total", 'entity="EMAIL"') == 12
    assert total(page, "tidegate_first_token_seconds_count") == 6
    assert total(page, "tidegate_scan_seconds_count", 'scan="request"') == 12
    assert total(page, "tidegate_workers") == total(page, "tidegate_worker_starts_total") == 2
    assert total(page, "tidegate_pool_limit", 'pool="home"') == 128
    assert total(page, "tidegate_audit_writable_workers") == 2
    assert total(page, "tidegate_endpoints", 'pool="home"', 'state="well"') == 2


async def nothing_names_who_asked_or_what(running: Process) -> None:
    own = {"authorization": f"Bearer {running.key}"}
    async with httpx.AsyncClient(base_url=running.url, trust_env=False, headers=own) as client:
        await client.post("/v1/chat/completions", json={"model": CANARY, "messages": [{"role": CANARY}]})
        await client.get(f"/v1/{CANARY}")
        await client.get(f"/v1/models/{CANARY}")
    page = await told_of(running, 16)
    told = "".join(f"{name}{labels}" for name, labels in page)
    for secret in (CANARY, CANARY.lower(), "bank", "plain", running.key, running.admin_token, "sk-tg"):
        assert secret not in told, secret
    suffixes = {Kind.SPREAD: ("_bucket", "_sum", "_count")}
    names = {f"{name}{end}" for name, family in FAMILIES.items() for end in suffixes.get(family.kind, ("",))}
    assert {name for name, _ in page} <= names
    assert total(page, "tidegate_refusals_total") == 4


async def top_draws_a_page(running: Process) -> None:
    top = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("tidegate")),
        *("top", "--config", str(running.config), "--once", "--language", "en"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "TIDEGATE_ADMIN_LISTEN": f"127.0.0.1:{running.admin_port}"},
    )
    out, err = (text.decode() for text in await top.communicate())
    assert (top.returncode, err) == (0, "")
    assert "workers 2" in out
    assert re.search(r"^home +onprem +0/128 ", out, re.MULTILINE)


async def counters_survive_their_workers(running: Process) -> None:
    for pid in running.workers():
        os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(60):
        while True:
            page = await scraped(running)
            assert total(page, "tidegate_requests_total") >= 16
            if total(page, "tidegate_workers") == 2 and total(page, "tidegate_worker_starts_total") == 4:
                break
            await asyncio.sleep(0.1)
    assert total(page, "tidegate_requests_total") == 16
    assert total(page, "tidegate_findings_total") == 12
    await ask(running, 1)
    assert total(await told_of(running, 17), "tidegate_findings_total", 'entity="EMAIL"') == 13
