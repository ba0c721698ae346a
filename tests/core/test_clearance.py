"""A clearance opens the door for exactly what it was minted for."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace as changed

from gateway.core.clearance import Refusal, examine, seal
from gateway.core.keyed_hash import KeyedHash
from gateway.core.labels import Label
from gateway.core.message import Message
from gateway.core.topology import Endpoint, Pool

KEY = KeyedHash(b"k" * 32)
POOL = Pool("home", "onprem", Label(2), "vllm", "m", (Endpoint("a", port=1),))
MESSAGE = Message(b"POST", b"/v1/chat/completions", ((b"content-type", b"application/json"),), b'{"a": 1}')


def sealed(message: Message = MESSAGE, pool: Pool = POOL, label: int = 1):
    return seal(KEY, message, pool, label=Label(label), epoch=7, nonce=1, expires_at=100.0)


def test_a_clearance_clears_its_own_message():
    assert examine(KEY, sealed(), MESSAGE, POOL, epoch=7, now=99.0) is None


@pytest.mark.parametrize(
    ("clearance", "message", "pool", "epoch", "now", "refusal"),
    [
        (sealed(), changed(MESSAGE, body=b'{"a": 2}'), POOL, 7, 0.0, Refusal.FORGED),
        (sealed(), changed(MESSAGE, target=b"/v1/other"), POOL, 7, 0.0, Refusal.FORGED),
        (sealed(), changed(MESSAGE, method=b"PUT"), POOL, 7, 0.0, Refusal.FORGED),
        (sealed(), changed(MESSAGE, headers=()), POOL, 7, 0.0, Refusal.FORGED),
        (sealed(), changed(MESSAGE, headers=((b"content-typ", b"eapplication/json"),)), POOL, 7, 0.0, Refusal.FORGED),
        (changed(sealed(), label=Label(0)), MESSAGE, POOL, 7, 0.0, Refusal.FORGED),
        (changed(sealed(), nonce=2), MESSAGE, POOL, 7, 0.0, Refusal.FORGED),
        (changed(sealed(), expires_at=1e9), MESSAGE, POOL, 7, 0.0, Refusal.FORGED),
        (changed(sealed(), epoch=8), MESSAGE, POOL, 8, 0.0, Refusal.FORGED),
        (changed(sealed(), mac=b""), MESSAGE, POOL, 7, 0.0, Refusal.FORGED),
        (changed(sealed(), pool="burst"), MESSAGE, replace(POOL, name="burst"), 7, 0.0, Refusal.FORGED),
        (sealed(), MESSAGE, replace(POOL, name="burst"), 7, 0.0, Refusal.RETARGETED),
        (sealed(), MESSAGE, replace(POOL, zone="cloud"), 7, 0.0, Refusal.RETARGETED),
        (sealed(), MESSAGE, POOL, 8, 0.0, Refusal.STALE),
        (sealed(), MESSAGE, POOL, 7, 100.1, Refusal.STALE),
        (sealed(label=3), MESSAGE, POOL, 7, 0.0, Refusal.ABOVE_CLEARANCE),
    ],
)
def test_anything_else_is_refused(clearance, message, pool, epoch, now, refusal):
    assert examine(KEY, clearance, message, pool, epoch=epoch, now=now) is refusal


def test_another_process_key_does_not_verify():
    assert examine(KeyedHash(b"x" * 32), sealed(), MESSAGE, POOL, epoch=7, now=0.0) is Refusal.FORGED


HEADER = st.tuples(st.binary(max_size=6), st.binary(max_size=6))
MESSAGES = st.builds(
    Message,
    st.binary(max_size=4),
    st.binary(max_size=6),
    st.lists(HEADER, max_size=3).map(tuple),
    st.binary(max_size=8),
)


@given(MESSAGES, MESSAGES)
def test_no_clearance_covers_two_messages(first, second):
    refusal = examine(KEY, sealed(first), second, POOL, epoch=7, now=0.0)
    assert (refusal is None) == (first == second)
