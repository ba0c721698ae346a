"""The board: what a worker tells survives it, whatever it was doing when it was killed."""

import contextlib
import os
import struct

import pytest

from gateway.core import measures
from gateway.core.labels import Label, LabelOrder
from gateway.core.topology import Endpoint, Pool, Topology
from gateway.runtime import board as board_file
from gateway.runtime.board import SLOT, Board, Bookkeeper
from gateway.runtime.instruments import Instruments
from tests.fakes.clock import FakeClock

HOME = Pool("home", "onprem", Label(0), "vllm", "m", (Endpoint("h"),))


@pytest.fixture
def board():
    with contextlib.closing(Board.made(3)) as made:
        yield made


def instruments() -> Instruments:
    return Instruments(Topology((HOME,)), LabelOrder(("public",)))


def books(board: Board | None, clock: FakeClock, number: int = 0, *, counts: int = 0) -> Bookkeeper:
    """A worker that has counted something, with two requests under way."""
    made = instruments()
    made.ask(lambda: [(measures.REFUSALS, ("overloaded",), counts), (measures.UNDER_WAY, (), 2)])
    made.meter(measures.SCAN, "request")(0.1)
    return Bookkeeper(made, clock, number=number, board=board)


def figures(books: Bookkeeper) -> tuple[float, float, int]:
    """Refusals, requests under way, scans."""
    whole = books.whole(books.tell())
    refused = whole.numbers[measures.REFUSALS.name][("overloaded",)]
    return refused, whole.numbers[measures.UNDER_WAY.name][()], whole.spreads[measures.SCAN.name][("request",)].count


def test_each_place_holds_what_was_last_written_to_it(board):
    assert [board.read(number) for number in range(len(board))] == [b"", b"", b""]
    for turn in range(5):
        for number in range(3):
            assert board.write(number, b"%d-%d" % (number, turn) * turn)
    assert [board.read(number) for number in range(3)] == [b"0-4" * 4, b"1-4" * 4, b"2-4" * 4]


def test_children_read_what_is_written_after_they_began(board):
    other = Board(os.dup(board.fileno()), 3)
    with contextlib.closing(other):
        board.write(1, b"later")
        assert other.read(1) == b"later"


def test_what_does_not_fit_is_refused_and_leaves_what_is_there(board):
    board.write(0, b"small")
    board.write(1, b"x" * SLOT)
    assert not board.write(0, b"x" * (SLOT + 1))
    assert board.read(0) == b"small"
    assert len(board.read(1)) == SLOT


@pytest.mark.parametrize(("dies_at", "left"), [(1, b"whole"), (2, b"")], ids=["in the account", "in its head"])
def test_a_worker_killed_while_it_writes_leaves_what_it_wrote_before(board, monkeypatch, dies_at, left):
    """The head is 20 bytes, which the system writes at once; were it torn all the same, nothing beats nonsense."""
    board.write(0, b"whole")
    calls = 0
    really = os.pwrite

    def killed(fd: int, data: bytes, at: int) -> int:
        nonlocal calls
        calls += 1
        if calls == dies_at:
            really(fd, data[: len(data) // 2], at)
            raise KeyboardInterrupt
        return really(fd, data, at)

    monkeypatch.setattr(os, "pwrite", killed)
    with pytest.raises(KeyboardInterrupt):
        board.write(0, b"a longer one that is cut short")
    monkeypatch.setattr(os, "pwrite", really)
    assert board.read(0) == left
    board.write(0, b"next")
    assert board.read(0) == b"next"


def test_what_is_written_over_while_it_is_read_is_read_again_and_nonsense_never_returned(board, monkeypatch):
    board.write(0, b"first")
    really, turns = os.pread, []

    def overtaken(fd: int, length: int, at: int) -> bytes:
        if length != 20 and len(turns) < 2:
            turns.append(at)
            board.write(0, b"second")
            board.write(0, b"turn %d" % len(turns))
        return really(fd, length, at)

    monkeypatch.setattr(os, "pread", overtaken)
    assert board.read(0) == b"turn 2"


def test_a_length_that_nobody_wrote_reads_as_nothing(board):
    os.pwrite(board.fileno(), struct.pack(">QQI", 1, 1 << 60, 7), 0)
    assert board.read(0) == b""


def test_whoever_is_asked_tells_what_all_workers_counted(board):
    clock = FakeClock()
    asked, other, third = (books(board, clock, number, counts=number + 1) for number in range(3))
    other.tell()
    third.tell()
    assert figures(asked) == (6, 6, 3)
    assert figures(other) == (6, 6, 3)


def test_a_worker_that_dies_takes_nothing_away_and_its_successor_goes_on_from_there(board):
    clock = FakeClock()
    asked = books(board, clock, 0, counts=1)
    books(board, clock, 1, counts=10).tell()
    clock.now += 60
    assert figures(asked) == (11, 2, 2)  # it has fallen silent: what it had under way is under way no more
    successor = books(board, clock, 1, counts=100)
    assert figures(asked) == (11, 2, 2)
    successor.tell()
    assert figures(asked) == (111, 4, 3)
    assert figures(successor) == (111, 4, 3)


def test_one_worker_without_a_board_tells_its_own():
    assert figures(books(None, FakeClock(), counts=4)) == (4, 2, 1)


def test_what_cannot_be_read_counts_for_nothing_and_is_logged(board, caplog):
    board.write(1, b"\xc1 no account")
    clock = FakeClock()
    assert figures(books(board, clock, 0, counts=4)) == (4, 2, 1)
    assert "figures_unreadable" in caplog.messages


def test_an_account_that_does_not_fit_is_logged_and_the_one_before_stands(board, caplog, monkeypatch):
    worker = books(board, FakeClock(), 0, counts=4)
    worker.tell()
    before = board.read(0)
    monkeypatch.setattr(board_file, "SLOT", 10)
    worker.tell()
    assert "figures_too_long" in caplog.messages
    monkeypatch.undo()
    assert board.read(0) == before
