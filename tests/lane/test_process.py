"""The stand-in as a process: how it is started, steered and ended, and what it never shows."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.fakes.model_server import ModelServer, completion
from tests.lane.aws import KEY, NAME, REGION, invoke

WRITTEN = json.dumps({"access_key": KEY.access_key, "secret_key": KEY.secret_key}).encode() + b"\n"


@asynccontextmanager
async def process(*arguments: str, stdin: bytes = WRITTEN):
    """The process and its first line, which is its only one."""
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway.lane.standin", *arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        running.stdin.write(stdin)
        yield running, json.loads(await asyncio.wait_for(running.stdout.readline(), 20))
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()
        running._transport.close()


def arguments(url: str, *more: str) -> tuple[str, ...]:
    return ("--endpoint", f"{NAME}={url}", "--region", REGION, *more)


async def test_it_serves_what_boto3_asks_and_ends_with_stdin():
    async with ModelServer() as container, process(*arguments(container.url)) as (running, line):
        assert set(line) == {"url"}
        _, body = await asyncio.to_thread(invoke, line["url"], Body=b"{}")
        assert body == completion()
        assert KEY.secret_key not in _command_line(running.pid)
        running.stdin.close()
        assert await asyncio.wait_for(running.wait(), 10) == 0
        assert await running.stderr.read() == b""


async def test_it_reads_the_key_from_a_file_and_ends_in_order_when_asked(tmp_path):
    file = tmp_path / "key.json"
    file.write_bytes(WRITTEN)
    async with (
        ModelServer() as container,
        process(*arguments(container.url, "--credentials", str(file)), stdin=b"") as (running, line),
    ):
        _, body = await asyncio.to_thread(invoke, line["url"], Body=b"{}")
        assert body == completion()
        running.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(running.wait(), 10) == 0


async def test_its_control_socket_plans_faults_and_shows_the_record(tmp_path):
    control = str(tmp_path / "control.sock")
    options = ("--control", f"unix:{control}", "--record")
    async with ModelServer() as container, process(*arguments(container.url, *options)) as (_, line):
        assert line["control"] == f"unix:{control}"
        transport = httpx.AsyncHTTPTransport(uds=control)
        async with httpx.AsyncClient(base_url="http://localhost", transport=transport) as steer:
            plan = [{"fault": {"fault": "refused", "error": "ThrottlingException"}}, {"fault": {"fault": "silent"}}]
            assert (await steer.post("/faults", json=plan)).status_code == 200
            with pytest.raises(Exception, match="ThrottlingException"):
                await asyncio.to_thread(invoke, line["url"])
            assert (await steer.delete("/faults")).status_code == 200
            await asyncio.to_thread(invoke, line["url"], CustomAttributes="canary")
            record = (await steer.get("/received")).json()
            assert [request["refused"] for request in record["requests"]] == [None, None]
            assert ["x-amzn-sagemaker-custom-attributes", "canary"] in record["requests"][1]["headers"]
            assert len(record["bytes"]) == 2
            assert (await steer.delete("/received")).status_code == 200
            assert (await steer.get("/received")).json()["requests"] == []
            wrong = await steer.post("/faults", json=[{"fault": {"fault": "refused", "error": "Nothing"}}])
            assert (wrong.status_code, "no error of the service" in wrong.json()["error"]) == (400, True)
            assert (await steer.get("/elsewhere")).status_code == 404


async def test_it_dies_with_the_process_that_started_it(tmp_path):
    starter = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-m', 'gateway.lane.standin', *sys.argv[1:]],"
        " stdin=subprocess.PIPE, stdout=subprocess.PIPE)\n"
        f"child.stdin.write({WRITTEN!r}); child.stdin.flush()\n"
        "child.stdout.readline(); print(child.pid, flush=True); time.sleep(60)\n"
    )
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", starter, *arguments("http://127.0.0.1:9")), stdout=subprocess.PIPE
    )
    child = int(await asyncio.wait_for(parent.stdout.readline(), 20))
    parent.kill()
    await parent.wait()
    parent._transport.close()
    async with asyncio.timeout(10):
        while _is_alive(child):  # noqa: ASYNC110 -- another process's end is no event of ours
            await asyncio.sleep(0.02)


def _command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False


@pytest.mark.parametrize(
    ("options", "stdin", "says"),
    [
        ((), b"no json\n", "first line of stdin"),
        ((), b'{"access_key": "a"}\n', "first line of stdin"),
        (("--credentials", "/nowhere/key.json"), b"", "Cannot read /nowhere/key.json"),
        (("--listen", "somewhere"), WRITTEN, "neither HOST:PORT nor unix:/path"),
        (("--listen", "unix:/nowhere/at.sock"), WRITTEN, "Cannot listen there"),
        (("--endpoint", "no-url"), WRITTEN, "must be an endpoint's name"),
        (("--tls-certificate", "/nowhere/cert.pem"), WRITTEN, "certificate"),
    ],
)
async def test_it_says_in_one_sentence_why_it_does_not_start(options, stdin, says):
    async with process(*arguments("http://127.0.0.1:9", *options), stdin=stdin) as (running, line):
        assert says in line["error"]
        assert "no json" not in line["error"]
        assert await asyncio.wait_for(running.wait(), 10) == 1
        assert await running.stderr.read() == b""
