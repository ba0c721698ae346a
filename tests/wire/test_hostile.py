"""What the reader makes of each response of the corpus, however its bytes arrive."""

import random

import pytest

from gateway.wire.http1 import MAX_HEAD, ResponseInvalid, ResponseReader
from tests.wire.hostile import ROWS, Row


def read(row: Row, pieces: list[bytes]) -> tuple[str | None, int, bytes, bool]:
    """Why it failed or None, status, body, and whether another request may follow."""
    reader, body = ResponseReader(), b""
    try:
        for piece in pieces:
            body += reader.feed(piece)
        if row.closes:
            reader.end_of_file()
    except ResponseInvalid as invalid:
        return invalid.reason, 0, b"", False
    assert reader.head is not None
    assert reader.is_done
    # Who closes does not serve again, whatever was said.
    return None, reader.head.status, body, reader.may_reuse and not row.closes


def cuts(raw: bytes) -> list[list[bytes]]:
    """Whole, in two at odd places, and byte by byte where that ends within the test's time."""
    dice = random.Random(len(raw))
    halves = [[raw[:at], raw[at:]] for at in (dice.randrange(len(raw)) for _ in range(20))]
    step = 1 if len(raw) < 10_000 else 4096
    return [[raw], [raw[at : at + step] for at in range(0, len(raw), step)], *halves]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_response_has_one_meaning_however_it_arrives(row):
    for pieces in cuts(row.raw):
        reason, *rest = read(row, pieces)
        if row.reason is not None:
            assert reason is not None, pieces[:2]
            assert row.reason in reason
        else:
            assert (reason, *rest) == (None, row.status, row.body, row.serves_again)


def test_rows_have_names_of_their_own():
    assert len({row.name for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("longest", [b"2;" + b"a" * 254, b"2;" + b"a" * 255], ids=["just short enough", "too long"])
def test_a_line_is_as_long_byte_by_byte_as_in_one_piece(longest):
    raw = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + longest + b"\r\n{}\r\n0\r\n\r\n"
    row = Row("", raw)
    said = [read(row, pieces) for pieces in cuts(raw)]
    assert said == [said[0]] * len(said)
    assert (said[0][0] is None) == (len(longest) == 256)


@pytest.mark.parametrize("surplus", [0, 1])
def test_a_head_is_as_long_byte_by_byte_as_in_one_piece(surplus):
    first = b"HTTP/1.1 200 OK\r\na: "
    raw = first + b"b" * (MAX_HEAD + surplus - len(first)) + b"\r\n\r\n"
    for pieces in ([raw], [raw[:-4], raw[-4:-3], raw[-3:-2], raw[-2:-1], raw[-1:]], [raw[:-1], raw[-1:]]):
        assert read(Row("", raw, closes=True), pieces)[0] == ("head too large" if surplus else None)
