"""Replies keep the label of what produced them: whole gateways, real sockets, scripted model servers."""

import json

import pytest

from tests.fakes.house import POLICY, house
from tests.fakes.model_server import ModelServer, completion, delta

SECRET = "请总结这份机密材料"
# Whatever may leave does.
OUTWARD = POLICY.replace("when: {}, to: [home, home-b], spill: [burst]", "when: {}, to: [burst]").replace(
    "  chat-home: {pools: [home]}\n", ""
)
REPLY = (
    "The committee agreed to close the northern branch in spring, to move its forty people to the head office, and to "
    "tell nobody before the first of March; the landlord has been informed under seal, and the auditors have signed; "
    "whoever asks is to be told that no decision has been taken."
)

HARMLESS = "The tide turns at six in the evening, and again before dawn. " * 4


def answering(text):
    async def script(peer):
        await peer.answer(200, completion(text))

    return script


def saying(*pieces, ends=True):
    async def script(peer):
        await peer.open_stream()
        for piece in pieces:
            await peer.event(delta(piece))
        if ends:
            await peer.event(delta(finish="stop"))
            await peer.event("[DONE]")
        await peer.end_stream()

    return script


def has_run_before(config):
    (config / "state").mkdir(mode=0o700)
    (config / "state" / "replies.begun").touch()


@pytest.fixture
async def servers():
    async with ModelServer() as home, ModelServer() as burst:
        home.script = answering(REPLY)
        yield home, burst


def follow_up(*, reply=REPLY, last="Shorter, please."):
    return [{"role": "assistant", "content": reply}, {"role": "user", "content": last}]


async def ask(gateway, messages, *, key=None, **more):
    return await gateway.client.post(
        "/v1/chat/completions",
        json={"model": "chat", "messages": messages, **more},
        headers={"authorization": f"Bearer {key or gateway.key}"},
    )


def seen(response):
    """Where a request went, and its label."""
    assert response.status_code == 200
    return response.headers["x-tidegate-pool"], response.headers["x-tidegate-label"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_reply_to_something_confidential_stays_home_without_what_it_replied_to(tmp_path, servers, stream):
    home, burst = servers
    home.script = saying(REPLY[:50], REPLY[50:]) if stream else answering(REPLY)
    async with house(tmp_path, {"home": home, "burst": burst}, policy=OUTWARD) as gateway:
        assert seen(await gateway.chat(SECRET, stream=stream)) == ("home", "confidential")
        home.script = answering("Short.")
        assert seen(await ask(gateway, follow_up())) == ("home", "confidential")
        pasted = [{"role": "user", "content": REPLY.replace(" ", "\n")}]
        assert seen(await ask(gateway, pasted)) == ("home", "confidential")
    assert not burst.requests


async def test_the_reply_to_a_reply_keeps_the_label_too(tmp_path, servers):
    home, burst = servers
    async with house(tmp_path, {"home": home, "burst": burst}, policy=OUTWARD) as gateway:
        await gateway.chat(SECRET)
        shorter = REPLY.replace("The committee", "They")
        home.script = answering(shorter)
        await ask(gateway, follow_up())
        assert seen(await ask(gateway, follow_up(reply=shorter))) == ("home", "confidential")
    assert not burst.requests


async def test_what_one_key_was_told_binds_nobody_else_and_harmless_replies_bind_nobody(tmp_path, servers):
    home, burst = servers
    async with house(tmp_path, {"home": home, "burst": burst}, policy=OUTWARD) as gateway:
        await gateway.chat(SECRET)
        assert (await ask(gateway, follow_up(), key=gateway.plain_key)).status_code == 200
        assert len(burst.requests) == 1
        burst.script = answering(HARMLESS)
        assert seen(await gateway.chat("When does the tide turn?")) == ("burst", "internal")
        assert seen(await ask(gateway, follow_up(reply=HARMLESS))) == ("burst", "internal")


async def test_what_arrived_of_a_stream_that_broke_off_is_remembered(tmp_path, servers):
    home, burst = servers
    home.script = saying(REPLY, ends=False)
    async with house(tmp_path, {"home": home, "burst": burst}, policy=OUTWARD) as gateway:
        await gateway.chat(SECRET, stream=True)
        home.script = answering("Short.")
        assert seen(await ask(gateway, follow_up())) == ("home", "confidential")


async def test_after_a_restart_requests_with_a_history_stay_home_and_others_do_not(tmp_path, servers):
    home, burst = servers
    async with house(tmp_path, {"home": home, "burst": burst}, policy=OUTWARD, rewrite=has_run_before) as gateway:
        assert seen(await ask(gateway, follow_up())) == ("home", "restricted")
        assert seen(await gateway.chat("Hello")) == ("burst", "internal")


async def test_workers_that_share_no_record_keep_every_history_home(tmp_path, servers):
    home, burst = servers
    async with house(tmp_path, {"home": home, "burst": burst}, policy=OUTWARD, gateway="workers: 2\n") as gateway:
        assert seen(await ask(gateway, follow_up())) == ("home", "restricted")
        assert seen(await gateway.chat("Hello")) == ("burst", "internal")


async def test_a_policy_that_wants_replies_known_as_clean_takes_no_others(tmp_path, servers):
    home, burst = servers
    policy = OUTWARD.replace("  may_leave: []\n", "  may_leave: []\n  history: known_clean\n")
    burst.script = answering(HARMLESS)
    async with house(tmp_path, {"home": home, "burst": burst}, policy=policy) as gateway:
        assert seen(await ask(gateway, follow_up(reply="Written by somebody else. " * 12))) == ("home", "restricted")
        assert seen(await gateway.chat("When does the tide turn?")) == ("burst", "internal")
        again = [{"role": "user", "content": "When does the tide turn?"}, *follow_up(reply=HARMLESS)]
        assert seen(await ask(gateway, again)) == ("burst", "internal")


async def test_what_is_found_where_a_reply_came_from_is_in_the_record(tmp_path, servers):
    home, burst = servers
    async with house(tmp_path, {"home": home, "burst": burst}, policy=OUTWARD) as gateway:
        await gateway.chat(SECRET)
        await ask(gateway, follow_up())
    records = [
        json.loads(line) for path in gateway.state.glob("audit/*.jsonl") for line in path.read_text().splitlines()
    ]
    told = [record["outcome"]["evidence"] for record in records if "outcome" in record]
    assert [(evidence.get("history"), evidence.get("taint")) for evidence in told] == [(None, None), ("on_record", 2)]
