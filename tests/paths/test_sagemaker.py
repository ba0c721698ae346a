"""A whole gateway whose cloud pool is SageMaker: the lane's stand-in is the runtime, moto the control plane."""

import asyncio
import json
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.lane.faults import Cut, Disturbed, Ended, Raised, Refused, WrongCrc
from gateway.lane.service import Standin
from gateway.lane.signatures import Credentials
from tests.fakes.control_plane import ControlPlane
from tests.fakes.house import POLICY, House, house
from tests.fakes.model_server import ModelServer, chat, delta

REGION = "eu-central-1"
KEYS = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY", "session-token")
ID_NUMBER = "My resident ID number is 11010519491231002X."


# What may leave goes to the cloud at once, so that a test needs no flood to see it there.
CLOUD_FIRST = POLICY.replace("when: {}, to: [home, home-b], spill: [burst]", "when: {}, to: [burst]").replace(
    "chat-home: {pools: [home]}", "chat-home: {pools: [home, burst]}"
)


def cloud_block(url: str, block: str):
    def rewrite(config: Path) -> None:
        for name, value in (
            ("access", KEYS.access_key), ("secret", KEYS.secret_key), ("token", KEYS.session_token),
        ):  # fmt: skip
            path = config / "secrets" / f"aws.{name}"
            path.write_text(value)
            path.chmod(0o600)
        pools = config / "pools.yaml"
        keys = ", ".join(
            f"{key}: {{file: secrets/aws.{name}}}"
            for key, name in (("access_key", "access"), ("secret_key", "secret"), ("session_token", "token"))
        )
        homes, burst = pools.read_text().split("  burst:\n")
        for old, new in (
            ("http://127.0.0.1:9", f"{url}/endpoints/burst"),
            ("    capabilities: [tools, json_schema, embeddings]\n", ""),
            ("openai\n", f"sagemaker\n    sagemaker: {{region: {REGION}, credentials: {{{keys}}}, {block}}}\n"),
        ):
            assert burst.count(old) == 1
            burst = burst.replace(old, new)
        pools.write_text(f"{homes}  burst:\n{burst}")

    return rewrite


@asynccontextmanager
async def gateway(folder: Path, block: str, home: ModelServer | None = None, policy=CLOUD_FIRST, **options):
    async with (
        ModelServer() as container,
        Standin({"burst": container.url}, KEYS, region=REGION, keeps_record=True) as standin,
        house(
            folder, {"home": home} if home else {}, rewrite=cloud_block(standin.url, block), policy=policy, **options
        ) as here,
    ):
        yield here, container, standin


OPENAI = "invoke: openai, data_capture: allow"
INVOKED = "invoke: invocations, data_capture: allow"
HUGGING = "invoke: invocations, payload: huggingface, data_capture: allow"


async def ask(here: House, text: str = "Hello", **more):
    return await here.chat(text, user="somebody", metadata={"a": "b"}, **more)


def events_of(text: str) -> list:
    data = [line[6:] for line in text.split("\n\n") if line.startswith("data: ")]
    return [event if event == "[DONE]" else json.loads(event) for event in data]


def said(events: list) -> str:
    chunks = [event for event in events if event != "[DONE]" and "choices" in event]
    return "".join(choice["delta"].get("content", "") for chunk in chunks for choice in chunk["choices"])


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("block", [OPENAI, INVOKED])
async def test_an_answer_looks_the_same_whichever_way_it_was_asked_for(tmp_path, block, stream):
    async with gateway(tmp_path, block) as (here, container, standin):
        standin.faults.add(Disturbed(part_sizes=(7,), write_sizes=(5,)))
        answer = await ask(here, stream=stream)
        assert answer.status_code == 200
        if stream:
            events = events_of(answer.text)
            assert events[-1] == "[DONE]"
            assert said(events) == "Hello."
            model = events[0]["model"]
        else:
            assert answer.json()["choices"][0]["message"]["content"] == "Hello."
            model = answer.json()["model"]
        assert model == "chat"
        sent = container.requests[0].json
        assert set(sent) <= {"messages", "model", "stream", "stream_options"}
        assert sent["model"] == "served-model"
        names = {name for name, _ in standin.received[0].headers}
        assert "user-agent" not in names
        assert not {name for name in names if "custom" in name}
        assert "x-amzn" not in str(answer.headers)


@pytest.mark.parametrize("stream", [False, True])
async def test_hugging_faces_form_is_spoken_for_the_client(tmp_path, stream):
    async def generates(peer):
        assert peer.received.json["inputs"] == "User: Hello\n\nAssistant:"
        if not stream:
            await peer.answer(200, b'[{"generated_text": "Hi."}]')
            return
        await peer.open_stream()
        await peer.chunk(b'data:{"token":{"text":"Hi"}}\n\n')
        await peer.chunk(b'data:{"token":{"text":"."},"generated_text":"Hi.","details":{"finish_reason":"length"}}\n\n')
        await peer.end_stream()

    async with gateway(tmp_path, HUGGING) as (here, container, _):
        container.script = generates
        answer = await ask(here, stream=stream)
        assert answer.status_code == 200
        if stream:
            events = events_of(answer.text)
            assert (said(events), events[-1]) == ("Hi.", "[DONE]")
            assert events[-2]["choices"][0]["finish_reason"] == "length"
        else:
            assert answer.json()["choices"][0]["message"]["content"] == "Hi."
            assert "usage" not in answer.json()


async def test_what_may_not_leave_is_not_asked_of_the_cloud_in_either_form(tmp_path):
    for index, block in enumerate((OPENAI, INVOKED, HUGGING)):
        async with gateway(tmp_path / str(index), block) as (here, _, standin):
            assert (await ask(here, ID_NUMBER)).status_code == 503
            assert standin.heard == []


async def test_work_bursts_when_home_is_full(tmp_path):
    release = asyncio.Event()

    async def waits(peer):
        await release.wait()
        await chat(peer)

    async with ModelServer() as home:
        home.script = waits
        limits = {"home": 1}
        async with gateway(tmp_path, INVOKED, home, POLICY, limits=limits) as (here, container, _):
            first = asyncio.create_task(here.chat("One"))
            while not home.requests:  # noqa: ASYNC110 -- the server's own list
                await asyncio.sleep(0.002)
            second = await here.chat("Two")
            assert second.status_code == 200
            assert len(container.requests) == 1
            release.set()
            assert (await first).status_code == 200


# The container dies, or the service does


async def dies(peer):
    await peer.open_stream()
    await peer.event(delta("", role="assistant"))
    await peer.event(delta("Half"))
    peer.reset()


async def ends_early(peer):
    await peer.open_stream()
    await peer.event(delta("Half"))
    await peer.end_stream()


@pytest.mark.parametrize("block", [OPENAI, INVOKED])
@pytest.mark.parametrize("script", [dies, ends_early])
async def test_a_container_that_dies_in_its_answer_is_an_error_event_and_never_the_end(tmp_path, block, script):
    async with gateway(tmp_path, block) as (here, container, _):
        container.script = script
        answer = await ask(here, stream=True)
        events = events_of(answer.text)
        assert said(events[:-1]) == "Half"
        assert events[-1]["error"]["code"] == "upstream_failed"
        assert "[DONE]" not in events


@pytest.mark.parametrize("after", [1, 400, 650])
@pytest.mark.parametrize(
    "ending",
    [
        lambda after: Raised("ModelStreamError", after=after, message="Traceback secret", code="StreamBroken"),
        lambda after: Raised("InternalStreamFailure", after=after),
        lambda after: Cut(after=after),
        lambda after: Ended(after=after),
        lambda after: WrongCrc(after=after),
    ],
)
async def test_a_stream_that_breaks_anywhere_never_looks_complete(tmp_path, ending, after):
    async with gateway(tmp_path, INVOKED) as (here, _, standin):
        standin.faults.add(Disturbed(ending=ending(after)), times=9)
        answer = await ask(here, stream=True)
        assert "[DONE]" not in answer.text
        assert "secret" not in answer.text
        assert "upstream_failed" in answer.text
        # Before the first content another place is tried; after it the client has been told 200.
        assert answer.status_code == (200 if after == 650 else 502)


@pytest.mark.parametrize("block", [OPENAI, INVOKED])
@pytest.mark.parametrize(
    ("fault", "status", "sentence"),
    [
        (Refused("ThrottlingException", retry_after="7"), 503, "Retry later"),
        (Refused("ModelNotReadyException"), 503, "Retry later"),
        (Refused("ServiceUnavailable"), 503, "Retry later"),
        (Refused("InternalFailure", message="secret"), 502, "failed to answer"),
        (Refused("ValidationError", message="Endpoint secret of account 1"), 502, "failed to answer"),
        (Refused("AccessDeniedException", message="User: arn:aws:secret"), 502, "failed to answer"),
        (Refused("ModelError", original_status=400, original_message="Messages must not be empty."), 400, "rejected"),
        (
            Refused("ModelError", original_status=400, original_message='{"error": {"message": "Too hot."}}'),
            400,
            "Too hot.",
        ),
        (Refused("ModelError", original_status=500, original_message="Traceback secret"), 502, "failed to answer"),
    ],
)
async def test_every_error_of_the_service_is_one_of_ours(tmp_path, block, fault, status, sentence):
    async with gateway(tmp_path, block) as (here, _, standin):
        standin.faults.add(fault, times=9)
        answer = await ask(here)
        assert answer.status_code == status
        assert sentence in answer.json()["error"]["message"]
        assert "secret" not in answer.text
        assert fault.retry_after in (None, answer.headers.get("retry-after"))
        await here.settled()


NO_COPY = "Inference Component has no capacity to process this request. ApplicationAutoScaling may be in-progress."


@pytest.mark.parametrize("block", [OPENAI, INVOKED])
async def test_an_endpoint_that_is_being_started_is_told_apart_from_one_that_is_broken(tmp_path, block):
    async with gateway(tmp_path, block + ", cold_start: 90s") as (here, _, standin):
        standin.faults.add(Refused("ValidationError", message=NO_COPY), times=1)
        for _ in range(10):
            answer = await ask(here)
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "cold_start")
            assert 80 <= int(answer.headers["retry-after"]) <= 90
        assert len(standin.received) == 1, "the others were told without asking AWS again"
        await here.settled()
        assert here.worker._endpoints.views()[-1].state == "cold"


# Data capture


async def opened(here: House) -> None:
    async with asyncio.timeout(15):
        while here.worker._face.status().reasons:  # noqa: ASYNC110 -- a thread asks a server
            await asyncio.sleep(0.01)


async def closed(here: House, reason: str) -> None:
    async with asyncio.timeout(15):
        while not any(reason in told for told in here.worker._face.status().reasons):  # noqa: ASYNC110 -- as above
            await asyncio.sleep(0.01)


async def test_a_pool_that_keeps_copies_is_closed_and_opens_when_it_no_longer_does(tmp_path):
    with ControlPlane(REGION) as plane:
        plane.deploy("burst", captures=False)
        block = f'invoke: openai, check_every: 1s, control: "{plane.url}"'
        async with gateway(tmp_path, block) as (here, _, standin):
            await opened(here)
            assert (await ask(here)).status_code == 200
            await asyncio.to_thread(plane.deploy, "burst", captures=True)
            await closed(here, "the pool burst is closed: data capture is on")
            assert here.worker._face.status().is_ready
            standin.clear_record()
            refused = await ask(here)
            assert refused.status_code == 503
            assert standin.received == []
            await asyncio.to_thread(plane.deploy, "burst", captures=False)
            await opened(here)
            assert (await ask(here)).status_code == 200


async def test_a_pool_of_which_nobody_can_say_stays_closed(tmp_path):
    async with gateway(tmp_path, 'control: "http://127.0.0.1:9"') as (here, _, standin):
        await closed(here, "data capture cannot be checked (EndpointConnectionError)")
        assert (await ask(here)).status_code == 503
        assert standin.heard == []


# Two regions


def two_regions(east: Standin, west: Standin, block: str):
    def rewrite(config: Path) -> None:
        cloud_block(east.url, block)(config)
        pools = config / "pools.yaml"
        homes, burst = pools.read_text().split("  burst:\n")
        for line in burst.splitlines():
            if line.strip().startswith("endpoints:"):
                listed = [
                    f"{{name: {name}, url: '{at.url}/endpoints/burst', region: {region}}}"
                    for name, at, region in (("east", east, REGION), ("west", west, "us-east-1"))
                ]
                burst = burst.replace(line, f"    endpoints: [{', '.join(listed)}]")
        pools.write_text(f"{homes}  burst:\n{burst}")

    return rewrite


@pytest.mark.parametrize("block", [OPENAI, INVOKED])
async def test_a_region_that_is_down_costs_no_client_its_answer_and_is_left_alone(tmp_path, block):
    async with (
        ModelServer() as container,
        Standin({"burst": container.url}, KEYS, region=REGION, keeps_record=True) as east,
        Standin({"burst": container.url}, KEYS, region="us-east-1", keeps_record=True) as west,
        house(tmp_path, {}, rewrite=two_regions(east, west, block), policy=CLOUD_FIRST) as here,
    ):
        for number in range(12):
            assert (await ask(here, f"Question {number}")).status_code == 200
        assert {one.refused for standin in (east, west) for one in standin.received} == {None}
        assert min(len(east.received), len(west.received)) >= 1, "both have their share"
        east.faults.add(Refused("InternalFailure"), times=100)
        before = len(west.received)
        for number in range(20):
            assert (await ask(here, f"Question {number}")).status_code == 200
        await here.settled()
        assert len(west.received) == before + 20
        states = {view.endpoint: view.state for view in here.worker._endpoints.views() if view.pool == "burst"}
        assert (states["east"], states["west"]) == ("broken", "well")
        assert here.worker._endpoints.opened["burst"] == 1


async def test_what_is_taken_in_either_region_is_the_pools(tmp_path):
    """One pool has one number of places, one budget and one part of the cap, wherever its endpoints are."""
    async with (
        ModelServer() as container,
        Standin({"burst": container.url}, KEYS, region=REGION) as east,
        Standin({"burst": container.url}, KEYS, region="us-east-1") as west,
        house(tmp_path, {}, rewrite=two_regions(east, west, OPENAI), policy=CLOUD_FIRST) as here,
    ):
        for _ in range(8):
            assert (await ask(here)).status_code == 200
        figures = (await here.worker._face.figures()).numbers
        attempts = figures["tidegate_attempts_total"]
        assert {key: value for key, value in attempts.items() if key[1] == "burst"} == {
            ("cloud", "burst", "completed"): 8
        }
        assert [key for key in figures["tidegate_pool_limit"] if key[0] == "cloud"] == [("cloud", "burst")]
        assert {key[2] for key in figures["tidegate_endpoints"] if key[1] == "burst"} == {"east", "west"}


# Routing by prefix


async def test_an_endpoint_that_routes_by_prefix_is_told_what_belongs_together_and_not_whose_it_is(tmp_path):
    async with gateway(tmp_path, INVOKED + ", prefix_id: beginning") as (here, _, standin):
        for text in ("Hello", "Hello", "Good morning"):
            assert (await ask(here, text)).status_code == 200
        told = [dict(received.headers).get("x-amzn-sagemaker-prefix-aware-id") for received in standin.received]
        assert told[0] == told[1] != told[2]
        assert all(len(one) == 32 for one in told)
        assert {received.refused for received in standin.received} == {None}
        other = await here.client.post(
            "/v1/chat/completions",
            headers={"authorization": f"Bearer {here.plain_key}"},
            json={"model": "chat", "messages": [{"role": "user", "content": "Hello"}]},
        )
        assert other.status_code == 200
        assert dict(standin.received[-1].headers)["x-amzn-sagemaker-prefix-aware-id"] not in told


async def test_no_endpoint_is_told_anything_that_its_pool_does_not_ask_for(tmp_path):
    async with gateway(tmp_path, INVOKED) as (here, _, standin):
        await ask(here)
        assert not {name for name, _ in standin.received[0].headers if "prefix" in name or "session" in name}
