"""What befalls a real `tidegate serve` while it has work: a stop, a kill, overload, readers that do not read."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from gateway.runtime.audit_folder import judge
from tests.fakes.model_server import ModelServer, Peer, chat, completion, delta
from tests.fakes.process import Process, process
from tests.faults.asking import Answer, Spoken, asked, request, resident_mib


def records(running: Process) -> list[dict]:
    """Every whole line of every audit segment."""
    folder = running.config / "state" / "audit"
    found = []
    for path in sorted(folder.glob("*.jsonl")):
        found += [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]
    return found


def requests_in(running: Process) -> set[str]:
    return {text.split('"request_id":"')[1].split('"')[0] for text in _outcome_lines(running)}


def _outcome_lines(running: Process) -> list[str]:
    lines = (path.read_text() for path in (running.config / "state" / "audit").glob("*.jsonl"))
    return [line for text in lines for line in text.splitlines() if '"request_id":"' in line]


async def test_a_stop_lets_200_of_200_open_streams_finish(tmp_path):
    async with ModelServer() as server:
        server.script = spoken = Spoken()
        limits = {"home": 256}
        async with process(tmp_path, {"home": server}, gateway="workers: 2\n", limits=limits) as running:
            data = request(running, stream=True)
            streams = [asyncio.create_task(asked(running, data, 120)) for _ in range(200)]
            await spoken.until(streams)
            running.popen.send_signal(signal.SIGTERM)
            while '"stopping"' not in running.log.read_text():  # noqa: ASYNC110 -- the log of another process
                await asyncio.sleep(0.01)
            spoken.go_on.set()
            answers = await asyncio.gather(*streams)
            whole = sum(answer.is_whole for answer in answers)
            print(f"\nSIGTERM with 200 open streams: {whole} of 200 complete")
            assert whole == 200
            assert await asyncio.wait_for(asyncio.to_thread(running.popen.wait), 60) == 0


async def test_a_killed_worker_hurts_nobody_elses_stream_loses_no_record_and_is_replaced(tmp_path):
    async with ModelServer() as server:
        server.script = chat
        limits = {"home": 256}
        async with process(tmp_path, {"home": server}, gateway="workers: 2\n", limits=limits) as running:
            done = [await asked(running, request(running)) for _ in range(20)]
            assert all(answer.is_whole for answer in done)
            # What was acknowledged is what is on disk: outcomes are synced once a second.
            async with asyncio.timeout(20):
                while len(acknowledged := requests_in(running)) < 20:  # noqa: ASYNC110 -- another process's files
                    await asyncio.sleep(0.05)
            server.script = spoken = Spoken()
            data = request(running, stream=True)
            victim, survivor = running.workers()
            streams: list[asyncio.Task[Answer]] = []
            # One after the other: whichever worker is awake takes all that wait for it.
            while min(connections_of(pid, running.port) for pid in (victim, survivor)) < 5 and len(streams) < 250:
                streams.append(asyncio.create_task(asked(running, data, 120)))
                await spoken.until(streams)
            mine, all_of_them = connections_of(survivor, running.port), len(streams)
            os.kill(victim, signal.SIGKILL)
            spoken.go_on.set()
            answers = await asyncio.gather(*streams)
            whole = sum(answer.is_whole for answer in answers)
            print(
                f"\nkill -9 of one of two workers: {whole} streams complete, {mine} of them the other's; "
                f"{all_of_them - whole} cut off"
            )
            assert whole >= mine > 0
            assert not any(b"[DONE]" in answer.text for answer in answers if not answer.is_whole)
            async with asyncio.timeout(60):
                while running.log.read_text().count('"worker_ready"') < 3:  # noqa: ASYNC110 -- another process's log
                    await asyncio.sleep(0.05)
            assert survivor in running.workers()
            assert len(set(running.workers()) - {victim}) == 2
            server.script = chat
            assert (await asked(running, request(running))).is_whole
            assert await running.stopped() == 0
            assert acknowledged <= requests_in(running)
            report = judge(running.config / "state" / "audit", None, None)
            print(f"audit log: {report.state.value}, none of {len(acknowledged)} acknowledged records lost")
            assert report.state.value in ("intact", "torn")


def connections_of(pid: int, port: int) -> int:
    """How many connections to `port` the process `pid` has accepted."""
    sockets = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            sockets.add(os.readlink(link))
    local, established = f"0100007F:{port:04X}", "01"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1] == local and row[3] == established and f"socket:[{row[9]}]" in sockets for row in rows)


@pytest.mark.slow
async def test_readers_of_1_kb_a_second_do_not_hurt_others_and_those_that_read_nothing_are_cut_off(tmp_path):
    """20 clients that read a kilobyte a second of endless streams, and 20 that read nothing at all."""
    held: dict[str, list[float]] = {"dribbles": [], "stuck": []}

    async def endless(peer: Peer) -> None:
        if not peer.received.json.get("stream"):
            await chat(peer)
            return
        began = time.monotonic()
        await peer.open_stream()
        while not peer.received.gone.is_set():
            await peer.event(delta("x" * 4000))
        held[peer.received.json["messages"][0]["content"]].append(time.monotonic() - began)

    async with ModelServer() as server:
        server.script = endless
        timeouts = "{connect: 1s, first_content: 30s, idle: 60s, total: 600s}"
        async with process(tmp_path, {"home": server}, limits={"home": 256}, timeouts=timeouts) as running:
            alone, (worker,) = await timed(running), running.workers()
            before = resident_mib(worker)
            clients = []
            for kind in ["dribbles"] * 20 + ["stuck"] * 20:
                # Small buffers of the client's own, so that it is the gateway that has to hold what is not read.
                sock = socket.socket()
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                sock.setblocking(False)
                await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", running.port))
                reader, writer = await asyncio.open_connection(sock=sock, limit=1024)
                writer.write(request(running, kind, stream=True))
                await reader.readuntil(b"\r\n\r\n")
                clients.append((kind, reader, writer))
            stop = asyncio.Event()

            async def dribble(reader: asyncio.StreamReader) -> None:
                while not stop.is_set():
                    with contextlib.suppress(OSError):
                        await reader.read(1024)
                    await asyncio.sleep(1)

            async with asyncio.TaskGroup() as group:
                for kind, reader, _ in clients:
                    if kind == "dribbles":
                        group.create_task(dribble(reader))
                beside = await timed(running)
                async with asyncio.timeout(120):
                    while len(held["stuck"]) < 20:  # noqa: ASYNC110 -- the servers' own list
                        await asyncio.sleep(0.1)
                grown, dribbling = resident_mib(worker) - before, 20 - len(held["dribbles"])
                stop.set()
            first, last = min(held["stuck"]), max(held["stuck"])
            print(f"\nslow readers: others' p50 {alone * 1000:.1f} ms alone, {beside * 1000:.1f} ms beside 40 of them")
            print(f"those that read nothing: cut off after {first:.1f} to {last:.1f} s, all 20")
            print(f"those that read 1 KB/s: {dribbling} of 20 still reading then; the worker grew by {grown:.1f} MiB")
            assert first > 29
            assert last < 60
            assert beside < 5 * alone + 0.05
            assert grown < 40
            for _, _, writer in clients:
                writer.close()


async def timed(running: Process, count: int = 60) -> float:
    """The median time of an answer."""
    answers = [await asked(running, request(running)) for _ in range(count)]
    assert all(answer.is_whole for answer in answers)
    return sorted(answer.took_s for answer in answers)[count // 2]


PLACES, SERVICE_S, QUEUE_S = 4, 0.4, 5
PEAK = PLACES / SERVICE_S
"""Answers a second that the model server can give."""


async def offered(running: Process, per_s: float, for_s: float) -> list[Answer]:
    """Ask at a fixed rate, whatever becomes of it."""
    began, tasks = time.perf_counter(), []
    data = request(running)
    while (at := time.perf_counter() - began) < for_s:
        while len(tasks) < at * per_s:
            tasks.append(asyncio.create_task(asked(running, data)))
        await asyncio.sleep(0.005)
    return [await task for task in tasks]


@pytest.mark.slow
async def test_at_ten_times_what_the_server_can_do_as_much_is_answered_as_ever_and_the_rest_hears_so_at_once(tmp_path):
    async def takes_its_time(peer: Peer) -> None:
        await asyncio.sleep(SERVICE_S)
        await peer.answer(200, completion())

    async with ModelServer() as server:
        server.script = takes_its_time
        async with process(tmp_path, {"home": server}, limits={"home": PLACES}, queue=f"{QUEUE_S}s") as running:
            good = {}
            for factor in (1, 10):
                began = time.perf_counter()
                answers = await offered(running, factor * PEAK, 10.0)
                took = time.perf_counter() - began
                whole = sum(answer.is_whole for answer in answers)
                good[factor] = whole / took
                shed = sorted(answer.took_s for answer in answers if answer.status == 503)
                # Who found the line full hears so at once; who stood in it in vain waited as the policy says.
                soon = [took_s for took_s in shed if took_s < QUEUE_S - 0.5]
                told = (
                    f", {len(soon)} shed at once: p50 {at(soon, 0.5):.0f} ms, p99 {at(soon, 0.99):.0f} ms"
                    if soon
                    else ""
                )
                told += f", {len(shed) - len(soon)} after waiting in vain" if shed else ""
                print(f"\n{factor:2} x {PEAK:.0f}/s offered: {good[factor]:.0f}/s answered{told}")
                assert {answer.status for answer in answers} <= {200, 503}
                assert not any(answer.error for answer in answers)
            assert good[10] >= 0.9 * good[1]


def at(times_s: list[float], share: float) -> float:
    """A quantile of sorted times, in milliseconds."""
    return times_s[int(len(times_s) * share)] * 1000
