"""Replies are remembered and found again under one tenant's key and one credential, and nowhere else."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.findings import History
from gateway.core.keyed_hash import KeyedHash
from gateway.core.taint import NOTHING, Provenance
from gateway.policy.document import HistoryMode
from gateway.ports import NOT_NOW
from gateway.runtime.provenance import ReplyRecord
from gateway.stores.memory import MemoryTaintStore
from gateway.wire.requests import Dialect, parse
from tests.fakes.clock import FakeClock
from tests.policy.making import CONFIDENTIAL, INTERNAL, PUBLIC, RESTRICTED, example

REPLY = "The patient was admitted on Monday with acute symptoms and discharged on Friday in good health. " * 2
ASKED = {"role": "user", "content": "Summarise."}
FOLLOW_UP = (ASKED, {"role": "assistant", "content": REPLY}, {"role": "user", "content": "Shorter."})
ANSWER = json.dumps({"choices": [{"message": {"role": "assistant", "content": REPLY}}]}).encode()


def request(*messages, stream=False):
    return parse(Dialect.CHAT, json.dumps({"model": "m", "messages": list(messages), "stream": stream}).encode())


def record(store=None, key=b"k" * 32):
    return ReplyRecord(
        store if store is not None else MemoryTaintStore(FakeClock(), ttl_s=100.0), KeyedHash(key), example()
    )


async def told(replies, tenant="t", credential="c", messages=FOLLOW_UP):
    conversation = replies.conversation(tenant, credential, request(*messages))
    now, waited = replies.provenance_now(conversation), await replies.provenance(conversation)
    assert now is None or now == waited
    return waited


async def test_a_reply_is_found_again_with_its_label():
    replies = record()
    replies.remember(replies.conversation("t", "c", request(ASKED)), RESTRICTED, ANSWER)
    assert await told(replies) == Provenance(History.ON_RECORD, RESTRICTED)


async def test_a_streamed_reply_is_found_again():
    replies = record()
    half = len(REPLY) // 2
    events = b"".join(
        b"data: %b\n\n" % json.dumps({"choices": [{"index": 0, "delta": {"content": part}}]}).encode()
        for part in (REPLY[:half], REPLY[half:])
    )
    replies.remember(replies.conversation("t", "c", request(ASKED, stream=True)), CONFIDENTIAL, events)
    assert await told(replies) == Provenance(History.ON_RECORD, CONFIDENTIAL)


async def test_a_request_without_history_or_long_text_asks_nobody():
    store = MemoryTaintStore(FakeClock(), ttl_s=100.0, was_lost=True)
    replies = record(store)
    assert replies.provenance_now(replies.conversation("t", "c", request(ASKED))) is NOTHING
    assert await told(replies, messages=(ASKED,)) == NOTHING


async def test_a_record_that_cannot_tell_at_once_is_waited_for():
    class Elsewhere(MemoryTaintStore):
        def read_now(self, marks):
            return NOT_NOW

        async def read(self, marks):
            return super().read_now(marks)

    replies = record(Elsewhere(FakeClock(), ttl_s=100.0))
    conversation = replies.conversation("t", "c", request(*FOLLOW_UP))
    replies.remember(conversation, RESTRICTED, ANSWER)
    assert replies.provenance_now(conversation) is None
    assert (await told(replies)).history is History.UNKNOWN


async def test_a_lost_record_needs_no_waiting():
    replies = record(MemoryTaintStore(FakeClock(), ttl_s=100.0, was_lost=True))
    conversation = replies.conversation("t", "c", request(*FOLLOW_UP))
    assert replies.provenance_now(conversation) == Provenance(History.LOST, None)


async def test_a_lost_record_is_said_where_there_is_history():
    store = MemoryTaintStore(FakeClock(), ttl_s=100.0, was_lost=True)
    assert await told(record(store)) == Provenance(History.LOST, None)


@given(st.sampled_from(["t", "u"]), st.sampled_from(["c", "d"]), st.sampled_from(["t", "u"]), st.sampled_from("cd"))
async def test_nobody_taints_anybody_else(tenant, credential, other_tenant, other_credential):
    replies = record()
    replies.remember(replies.conversation(tenant, credential, request(ASKED)), RESTRICTED, ANSWER)
    found = await told(replies, other_tenant, other_credential)
    assert (found.taint is not None) == ((tenant, credential) == (other_tenant, other_credential))


async def test_a_store_that_is_shared_tells_one_gateway_nothing_about_another_with_another_key():
    store = MemoryTaintStore(FakeClock(), ttl_s=100.0)
    ours, theirs = record(store), record(store, key=b"x" * 32)
    ours.remember(ours.conversation("t", "c", request(ASKED)), RESTRICTED, ANSWER)
    assert await told(theirs) == Provenance(History.UNKNOWN, None)


@pytest.mark.parametrize(
    ("mode", "label", "expected"),
    [
        (HistoryMode.MARKED, PUBLIC, False),
        (HistoryMode.MARKED, INTERNAL, False),
        (HistoryMode.MARKED, CONFIDENTIAL, True),
        (HistoryMode.KNOWN_CLEAN, INTERNAL, True),
    ],
)
def test_what_must_be_remembered_is_what_is_above_the_default_or_all(mode, label, expected):
    policy = example()
    policy = replace(policy, labels=replace(policy.labels, history=mode))
    assert ReplyRecord(MemoryTaintStore(FakeClock(), ttl_s=100.0), KeyedHash(b"k"), policy).wants(label) is expected
