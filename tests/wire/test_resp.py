"""Redis's wire format: whole, byte by byte, cut short, and from somebody who is no Redis."""

import contextlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire import resp
from gateway.wire.resp import OutOfStep, Refused, Replies, Reply

WRITTEN: list[tuple[bytes, Reply]] = [
    (b"+OK\r\n", b"OK"),
    (b"+\r\n", b""),
    (b":0\r\n", 0),
    (b":-17\r\n", -17),
    (b"$5\r\na\r\nbc\r\n", b"a\r\nbc"),
    (b"$0\r\n\r\n", b""),
    (b"$-1\r\n", None),
    (b"*-1\r\n", None),
    (b"*0\r\n", []),
    (b"*3\r\n:1\r\n$-1\r\n*2\r\n+a\r\n$1\r\nb\r\n", [1, None, [b"a", b"b"]]),
    (b"*2\r\n-ERR secret words\r\n:1\r\n", [Refused("ERR"), 1]),
    (b"-NOSCRIPT No matching script.\r\n", Refused("NOSCRIPT")),
    (b"-OOM\r\n", Refused("OOM")),
    (b"-what is this\r\n", Refused("ERR")),
    (b"-MOVED 3999 127.0.0.1:6381\r\n", Refused("MOVED", 3999, "127.0.0.1:6381")),
    (b"-ASK 7 [::1]:6381\r\n", Refused("ASK")),
    (b"-ASK 7 ::1:6381\r\n", Refused("ASK", 7, "::1:6381")),
]

NONSENSE: list[bytes] = [
    b"HTTP/1.1 400 Bad Request\r\n",
    b":\r\n",
    b":1_0\r\n",
    b": 1\r\n",
    b":" + b"1" * 21 + b"\r\n",
    b"$-2\r\n",
    b"$99999999999\r\n",
    b"$1\r\nabc\r\n",
    b"*-2\r\n",
    b"*99999999999\r\n",
    b"*1\r\n" * 9 + b":1\r\n",
    b"_\r\n",
]


@pytest.mark.parametrize(("written", "reply"), WRITTEN)
def test_a_reply_is_read_however_it_was_cut(written: bytes, reply: Reply) -> None:
    assert Replies().feed(written) == [reply]
    bit_by_bit = Replies()
    found = [one for byte in written for one in bit_by_bit.feed(bytes([byte]))]
    assert found == [reply]
    assert bit_by_bit.is_between


@pytest.mark.parametrize("written", [written for written, _ in WRITTEN])
def test_a_reply_that_is_cut_short_is_none(written: bytes) -> None:
    replies = Replies()
    assert replies.feed(written[:-1]) == []
    assert not replies.is_between


@pytest.mark.parametrize("written", NONSENSE)
def test_what_is_no_reply_is_out_of_step(written: bytes) -> None:
    with pytest.raises(OutOfStep):
        Replies().feed(written)


def test_a_line_without_an_end_is_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resp, "LARGEST", 64)
    replies = Replies()
    assert replies.feed(b"+" + b"a" * 63) == []
    with pytest.raises(OutOfStep):
        replies.feed(b"a" * 10)


def test_replies_keep_their_order_over_any_cuts() -> None:
    data, expected = b"".join(written for written, _ in WRITTEN), [reply for _, reply in WRITTEN]
    for size in (1, 2, 3, 7, 50, len(data)):
        replies, found = Replies(), list[Reply]()
        for at in range(0, len(data), size):
            found += replies.feed(data[at : at + size])
        assert found == expected


@given(parts=st.lists(st.binary(max_size=40) | st.text(max_size=20) | st.integers(-(10**15), 10**15), min_size=1))
def test_a_command_says_exactly_its_parts(parts: Sequence[bytes | str | int]) -> None:
    # A command is an array of bulk strings, which is also what a reply may be.
    (read,) = Replies().feed(resp.command(parts))
    assert read == [part if isinstance(part, bytes) else str(part).encode("utf-8") for part in parts]


@given(data=st.binary(max_size=200))
def test_whatever_comes_is_replies_or_out_of_step(data: bytes) -> None:
    with contextlib.suppress(OutOfStep):
        Replies().feed(data)
