"""What the lane's tests share: a key, real botocore clients that speak to a stand-in, and a scripted container."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import boto3
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials as BotoCredentials

from gateway.lane.service import Standin
from gateway.lane.signatures import Credentials
from tests.fakes.model_server import ModelServer, Peer

REGION = "eu-central-1"
NAME = "tidegate-burst"
KEY = Credentials("AKIAEXAMPLEEXAMPLE00", "not-a-secret-of-anybodys")
SESSION_KEY = Credentials("ASIAEXAMPLEEXAMPLE00", "not-a-secret-either", "session/token+of==nobody")
BODY = json.dumps({"messages": [{"role": "user", "content": "Guten Tag, 你好"}], "stream": True}).encode()


def client(url: str, credentials: Credentials = KEY, *, region: str = REGION, ca: Path | None = None):
    """boto3's own client, with nothing of the environment's, no retries and short deadlines."""
    session = boto3.Session(
        aws_access_key_id=credentials.access_key,
        aws_secret_access_key=credentials.secret_key,
        aws_session_token=credentials.session_token,
        region_name=region,
    )
    config = Config(
        retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=20, proxies={}, parameter_validation=True
    )
    verify = None if ca is None else str(ca)
    return session.client("sagemaker-runtime", endpoint_url=url, config=config, verify=verify)


def invoke(url: str, credentials: Credentials = KEY, **options):
    """A whole answer, and what came with it."""
    region = options.pop("region", REGION)
    answer = client(url, credentials, region=region).invoke_endpoint(
        **{"EndpointName": NAME, "Body": BODY, "ContentType": "application/json", **options}
    )
    return answer, answer["Body"].read()


def stream(url: str, credentials: Credentials = KEY, **options):
    """The bytes of every part of a streamed answer, and what came with it. Raises what boto3 raises."""
    answer = client(url, credentials).invoke_endpoint_with_response_stream(
        **{"EndpointName": NAME, "Body": BODY, "ContentType": "application/json", **options}
    )
    parts: list[bytes] = []
    try:
        for event in answer["Body"]:
            parts.append(event["PayloadPart"]["Bytes"])
    except Exception as exc:
        exc.parts = parts
        raise
    return answer, parts


def frozen(credentials: Credentials) -> BotoCredentials:
    """The same for botocore."""
    return BotoCredentials(credentials.access_key, credentials.secret_key, credentials.session_token)


def token(
    credentials: Credentials = KEY,
    *,
    region: str = REGION,
    expires: int = 900,
    service: str = "sagemaker",
    action: str = "CallWithBearerToken",
    method: str = "POST",
    host: str = "sagemaker.amazonaws.com",
    change: Callable[[str], str] = lambda url: url,
) -> str:
    """A bearer token as SageMaker's own generator makes it, from botocore alone."""
    request = AWSRequest(method, f"https://{host}/", headers={"host": host}, params={"Action": action})
    SigV4QueryAuth(frozen(credentials), service, region, expires=expires).add_auth(request)
    url = change(request.url.removeprefix("https://") + "&Version=1")
    return "sagemaker-api-key-" + base64.b64encode(url.encode()).decode()


@asynccontextmanager
async def standin(container: ModelServer, credentials: Credentials = KEY, **options) -> AsyncIterator[Standin]:
    """A stand-in before one container, with a record."""
    options = {"region": REGION, "keeps_record": True, **options}
    async with Standin({NAME: container.url}, credentials, **options) as running:
        yield running


def says(*pieces: bytes, content_type: str = "text/event-stream", broken: bool = False):
    """A container that answers with these pieces as they are."""

    async def script(peer: Peer) -> None:
        head = f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n"
        await peer.send(head.encode())
        for piece in pieces:
            await peer.chunk(piece)
            await asyncio.sleep(0)
        if broken:
            peer.close()
        else:
            await peer.end_stream()

    return script
