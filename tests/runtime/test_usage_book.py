"""The ledger on disk: nothing is counted twice, nothing is lost, and a growing log is read as far as it has come."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.audit_record import Activation
from gateway.core.facts import RequestFacts
from gateway.core.labels import Label
from gateway.core.ledger import Sums
from gateway.core.ledger_asked import grouped
from gateway.core.records import Ending, Mirrored, Usage
from gateway.runtime import usage_book
from gateway.runtime.usage_book import MARKS, UsageBook
from tests.core.audit_values import intent, outcome, segment

DAY_S = 86_400.0
AT = 1_700_000_000.0


def request(number: int, *, at: float = AT, **more):
    facts = RequestFacts(Label(1), Label(1), "default", Label(1), "chat")
    return outcome(f"r{number}", at=at, facts=facts, usage=Usage(number, 1), **more)


def put(state: Path, records, *, part: int = 0, worker: int = 0) -> Path:
    """A segment of the log with these records."""
    name, data, _ = segment([Activation(AT, "sha256:b", ("low", "high")), *records], part=part, worker=worker)
    (state / "audit").mkdir(exist_ok=True)
    path = state / "audit" / f"{name}.jsonl"
    path.write_bytes(data)
    return path


def total(state: Path) -> Sums:
    with UsageBook.opened(state) as book:
        book.read()
        return grouped(book.sums(book.days()).items(), ()).get((), Sums())


def test_the_log_is_read_once_and_then_only_what_it_has_got_since(tmp_path):
    path = put(tmp_path, [request(1), request(2)])
    with UsageBook.opened(tmp_path) as book:
        assert book.read().records == 4
    whole = put(tmp_path, [request(1), request(2), request(3)])
    assert whole == path
    with UsageBook.opened(tmp_path) as book:
        assert book.read().records == 1
        assert book.days() == ("2023-11-14",)
        (only,) = book.sums(book.days()).values()
        assert (only.requests, only.prompt_tokens) == (3, 6)
        assert {where.label for where in book.sums(book.days())} == {"high"}
    with UsageBook.opened(tmp_path) as book:
        assert book.read().records == 0


def test_half_a_line_is_left_for_the_next_time(tmp_path):
    path = put(tmp_path, [request(1), request(2)])
    data = path.read_bytes()
    for cut in (len(data) - 1, len(data) - 100):
        path.write_bytes(data[:cut])
        assert total(tmp_path).requests == 1
    path.write_bytes(data)
    assert total(tmp_path).requests == 2


@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, 10_000), max_size=6))
def test_however_the_log_grows_it_comes_to_the_same(tmp_path_factory, cuts):
    state = tmp_path_factory.mktemp("state")
    records = [request(number, at=AT + number * DAY_S / 3) for number in range(8)]
    path = put(state, records)
    data = path.read_bytes()
    for cut in sorted(cuts):
        path.write_bytes(data[: min(cut, len(data))])
        total(state)
    path.write_bytes(data)
    found = total(state)
    assert (found.requests, found.prompt_tokens) == (8, sum(range(8)))


def test_a_record_that_was_written_again_is_counted_once(tmp_path):
    put(tmp_path, [request(1), request(2)])
    put(tmp_path, [request(2), request(3)], part=1)
    put(tmp_path, [request(2)], worker=1)  # another worker's, whatever it is called
    assert total(tmp_path).requests == 4
    put(tmp_path, [request(2), request(3), request(4)], part=1)
    assert total(tmp_path).requests == 5


def test_days_are_kept_apart_and_outlive_the_log(tmp_path):
    path = put(tmp_path, [request(1), request(2, at=AT + DAY_S)])
    total(tmp_path)
    path.unlink()
    with UsageBook.opened(tmp_path) as book:
        book.read()
        assert book.days() == ("2023-11-14", "2023-11-15")
        assert [sums.requests for sums in book.sums(("2023-11-15",)).values()] == [1]


def test_a_run_that_is_killed_before_its_end_has_counted_nothing(tmp_path, monkeypatch):
    put(tmp_path, [request(1)])
    real = usage_book.replace_file

    def killed(path, data):
        if path.name == MARKS:
            raise KeyboardInterrupt
        real(path, data)

    monkeypatch.setattr(usage_book, "replace_file", killed)
    with pytest.raises(KeyboardInterrupt):
        total(tmp_path)
    monkeypatch.setattr(usage_book, "replace_file", real)
    assert total(tmp_path).requests == 1
    assert sorted(path.name for path in (tmp_path / "usage").glob("*.json")) == ["2023-11-14.1.json", MARKS]


def test_sums_that_cannot_be_kept_are_still_told(tmp_path, monkeypatch):
    put(tmp_path, [request(1)])

    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(usage_book, "replace_file", full)
    with UsageBook.opened(tmp_path) as book:
        assert not book.read().is_kept
        assert [sums.requests for sums in book.sums(book.days()).values()] == [1]


def test_marks_that_are_spoilt_or_name_what_is_gone_are_made_anew(tmp_path):
    put(tmp_path, [request(1)])
    marks = tmp_path / "usage" / MARKS
    for spoil in (
        lambda: marks.write_bytes(b"{"),
        lambda: marks.write_bytes(marks.read_bytes().replace(b'"v":1', b'"v":9')),
        lambda: next((tmp_path / "usage").glob("2*.json")).unlink(),
    ):
        assert total(tmp_path).requests == 1
        spoil()
        assert total(tmp_path).requests == 1


def test_a_long_log_is_kept_piece_by_piece_and_told_of(tmp_path, monkeypatch):
    monkeypatch.setattr(usage_book, "_SAVE_EVERY", 1)
    monkeypatch.setattr(usage_book, "_TOLD_EVERY", 2)
    put(tmp_path, [request(1), request(2)])
    put(tmp_path, [request(3)], worker=1)
    told = []
    with UsageBook.opened(tmp_path) as book:
        book.read(lambda *seen: told.append(seen))
        assert json.loads((tmp_path / "usage" / MARKS).read_bytes())["number"] >= 2
        assert grouped(book.sums(book.days()).items(), ())[()].requests == 3
    whole = sum(path.stat().st_size for path in (tmp_path / "audit").glob("*.jsonl"))
    assert [records for records, _, _ in told] == [2, 4, 6]
    assert all(done <= whole == of for _, done, of in told)


def copied(number: int) -> Mirrored:
    return Mirrored(f"m{number}", "r1", AT, 1.0, "demo", "high", "rest", "new", Ending.COMPLETED, "b", 1)


def test_a_copy_for_a_mirror_settles_its_intent_and_is_counted_once(tmp_path):
    put(tmp_path, [intent("m1"), copied(1)])
    put(tmp_path, [copied(1), copied(2)], part=1)
    with UsageBook.opened(tmp_path) as book:
        book.read()
        assert book.unsettled(AT + 901) == ()
        assert [sums.requests for sums in book.sums(book.days()).values()] == [2]


def test_what_a_killed_worker_may_have_sent_is_told(tmp_path):
    put(tmp_path, [intent("r1"), request(1), intent("r2"), intent("r3")])
    with UsageBook.opened(tmp_path) as book:
        book.read()
        assert book.unsettled(AT + 600) == ()
        assert [one.request_id for one in book.unsettled(AT + 901)] == ["r2", "r3"]
    put(tmp_path, [intent("r1"), request(1), intent("r2"), intent("r3"), request(3)])
    with UsageBook.opened(tmp_path) as book:
        book.read()
        assert [one.request_id for one in book.unsettled(AT + 901)] == ["r2"]


def test_lines_that_cannot_be_read_are_counted_and_passed_over(tmp_path):
    path = put(tmp_path, [request(1)])
    path.write_bytes(path.read_bytes() + b"\xff{\n" + b"[1]\n")
    with UsageBook.opened(tmp_path) as book:
        read = book.read()
    assert (read.records, read.unreadable) == (5, 2)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_where_nothing_may_be_written_the_log_is_still_read(tmp_path):
    put(tmp_path, [request(1)])
    tmp_path.chmod(0o500)
    assert total(tmp_path).requests == 1
