"""SageMaker's control plane, as far as the gateway's preflight asks it: does the endpoint keep copies of requests?

It listens on loopback inside the demo's own process, lets in only what is signed with the demo's keys, and says that
nothing is kept, which is so: the stand-in behind it has no store.
"""

import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from gateway.lane.answers import ACCOUNT, Answer, ServiceError, unknown_operation
from gateway.lane.connection import Connection
from gateway.lane.listener import LOOPBACK, listening
from gateway.lane.signatures import Credentials, Request, refusal_of_signed

_JSON: Final = ((b"Content-Type", b"application/x-amz-json-1.1"),)


@asynccontextmanager
async def control_plane(endpoint: str, keys: Credentials, *, region: str) -> AsyncIterator[str]:
    """Serve inside the block; yields the URL. `endpoint` is the one endpoint that there is."""
    answers = _answers(endpoint, region)

    async def handle(connection: Connection, request: Request) -> bool:
        refusal = refusal_of_signed(request, keys, region=region, now=time.time())
        if refusal is None:
            refusal = await _told(connection, request, answers)
        if refusal is not None:
            await connection.answer(refusal.answer(str(uuid.uuid4())))
        return True

    async with listening(LOOPBACK, handle) as url:
        yield url


async def _told(connection: Connection, request: Request, answers: dict[bytes, bytes]) -> ServiceError | None:
    operation = dict(request.headers).get(b"x-amz-target", b"")
    if operation not in answers:
        return unknown_operation()
    await connection.answer(Answer(200, _JSON, answers[operation]))
    return None


def _answers(endpoint: str, region: str) -> dict[bytes, bytes]:
    def arn(kind: str) -> str:
        return f"arn:aws:sagemaker:{region}:{ACCOUNT}:{kind}/{endpoint}"

    now = time.time()
    described = {
        "EndpointName": endpoint,
        "EndpointArn": arn("endpoint"),
        "EndpointConfigName": endpoint,
        "EndpointStatus": "InService",
        "CreationTime": now,
        "LastModifiedTime": now,
    }
    config = {
        "EndpointConfigName": endpoint,
        "EndpointConfigArn": arn("endpoint-config"),
        "ProductionVariants": [],
        "CreationTime": now,
        "DataCaptureConfig": {"EnableCapture": False, "InitialSamplingPercentage": 0},
    }
    return {
        b"SageMaker.DescribeEndpoint": json.dumps(described).encode(),
        b"SageMaker.DescribeEndpointConfig": json.dumps(config).encode(),
    }
