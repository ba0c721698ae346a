"""An intent before each cloud attempt, and no attempt without one, in a whole gateway within the test's process."""

import json

import pytest

from tests.fakes.house import POLICY, house
from tests.fakes.model_server import ModelServer

# What may leave does so at once, so that each request is a cloud attempt.
CLOUD_FIRST = POLICY.replace("when: {}, to: [home, home-b], spill: [burst]", "when: {}, to: [burst, home]")


@pytest.fixture
async def servers():
    async with ModelServer() as home, ModelServer() as burst:
        yield home, burst


def intents(audit) -> list:
    lines = [line for path in audit.glob("2*.jsonl") for line in path.read_bytes().split(b"\n")[:-1]]
    return [record["intent"] for record in map(json.loads, lines) if "intent" in record]


async def test_each_attempt_in_the_cloud_finds_an_intent_of_its_own_and_one_at_home_needs_none(tmp_path, servers):
    home, burst = servers
    found = []
    async with house(tmp_path, {"home": home, "burst": burst}, policy=CLOUD_FIRST) as gateway:

        async def breaks(peer):
            found.append(len(intents(gateway.state / "audit")))
            peer.reset()

        burst.script = breaks
        for _ in range(3):
            assert (await gateway.chat()).headers["x-tidegate-pool"] == "home"
    assert found == [1, 2, 3]
    assert len(home.requests) == 3
    assert len(intents(gateway.state / "audit")) == 3


async def test_without_an_intent_on_disk_nothing_leaves_and_home_answers(tmp_path, servers):
    home, burst = servers
    (tmp_path / "config" / "state").mkdir(parents=True)
    (tmp_path / "config" / "state" / "audit").write_text("a file where the folder should be")
    async with house(tmp_path, {"home": home, "burst": burst}, policy=CLOUD_FIRST) as gateway:
        assert (await gateway.chat()).headers["x-tidegate-pool"] == "home"
        refused = await gateway.chat(model="chat-cloud")
        assert (
            refused.headers["x-tidegate-pool"] == "home" if refused.status_code == 200 else refused.status_code == 503
        )
    assert not burst.requests
