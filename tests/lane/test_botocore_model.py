"""The comparison itself: boto3's own requests agree with botocore's model, and every departure is told."""

import asyncio
import dataclasses

import pytest

from gateway.lane.answers import STATUSES
from gateway.lane.faults import EXCEPTIONS
from tests.fakes.model_server import ModelServer
from tests.lane.aws import KEY, NAME, REGION, SESSION_KEY, invoke, standin, stream
from tests.lane.botocore_model import STREAMED, WHOLE, Sent, differences, operation, parameters_of, parse

EVERYTHING = {
    "Accept": "text/event-stream",
    "CustomAttributes": "c=1",
    "InferenceId": "i-1",
    "SessionId": "s1",
    "PrefixAwareId": "p-1",
    "TargetVariant": "blue",
    "InferenceComponentName": "part",
}


async def sent(call, credentials=KEY, **options) -> Sent:
    async with ModelServer() as container, standin(container, credentials) as running:
        await asyncio.to_thread(call, running.url, credentials, **options)
        return parse(bytes(running.heard[0].raw))


@pytest.mark.parametrize("credentials", [KEY, SESSION_KEY])
@pytest.mark.parametrize(("call", "name"), [(invoke, WHOLE), (stream, STREAMED)])
async def test_what_boto3_sends_is_what_botocore_would_have_sent(call, name, credentials):
    one = await sent(call, credentials, **EVERYTHING)
    assert set(parameters_of(one, name)) == {"EndpointName", "Body", "ContentType", *EVERYTHING}
    assert differences(one, name, credentials, region=REGION, tls=False) == []


async def test_every_departure_is_told():
    one = await sent(invoke)
    compare = {"region": REGION, "tls": False}
    changed = dataclasses.replace(one, body=one.body + b" ")
    assert [found.split(":")[0] for found in differences(changed, WHOLE, KEY, **compare)] == ["authorization"]
    more = dataclasses.replace(one, headers={**one.headers, "accept": "application/json"})
    assert [found.split(":")[0] for found in differences(more, WHOLE, KEY, **compare)] == ["authorization"]
    extra = dataclasses.replace(one, headers={**one.headers, "x-request-id": "1"})
    with pytest.raises(AssertionError, match="no place for the header x-request-id"):
        parameters_of(extra, WHOLE)
    with pytest.raises(AssertionError, match="is not /endpoints/"):
        parameters_of(one, STREAMED)
    assert differences(one, WHOLE, SESSION_KEY, **compare) != []
    assert differences(one, WHOLE, KEY, region="eu-west-1", tls=False) != []


def test_the_model_is_the_one_that_the_stand_in_was_written_for():
    assert operation(WHOLE).http == {"method": "POST", "requestUri": "/endpoints/{EndpointName}/invocations"}
    assert operation(STREAMED).http["requestUri"] == "/endpoints/{EndpointName}/invocations-response-stream"
    for name in (WHOLE, STREAMED):
        for shape in operation(name).error_shapes:
            status = shape.metadata.get("error", {}).get("httpStatusCode")
            assert shape.name in EXCEPTIONS if status is None else STATUSES[shape.name] == status
    events = operation(STREAMED).output_shape.members["Body"].members
    assert set(events) == {"PayloadPart", *EXCEPTIONS}
    assert len(NAME) <= 63
