"""What is read of the log as it grows: records of canaries, of one worker, from a moment on."""

import pytest

from gateway.core.audit_chain import START, seal
from gateway.core.keyed_hash import KeyedHash
from gateway.core.records import Intent
from gateway.runtime import audit_tail
from gateway.runtime.audit_tail import AuditTail
from tests.core.audit_values import intent, outcome

OURS = outcome("ours", canary=True)


def line(entry) -> bytes:
    return seal(START, 1, entry, KeyedHash(b"k"))[0]


def announced(request_id: str, *, canary: bool) -> Intent:
    old = intent(request_id)
    return Intent(*(getattr(old, name) for name in old.__struct_fields__[:-1]), canary)


def test_only_canaries_are_told_and_only_what_came_since(tmp_path):
    path = tmp_path / "20261121T100000Z-w0-aa-0000.jsonl"
    path.write_bytes(line(outcome("before", canary=True)))
    tail = AuditTail(tmp_path, 0)
    assert list(tail.more()) == []
    with path.open("ab") as file:
        for entry in (
            outcome("a client's"),
            announced("a client's", canary=False),
            announced("ours", canary=True),
            OURS,
        ):
            file.write(line(entry))
    assert list(tail.more()) == [announced("ours", canary=True), OURS]
    assert list(tail.more()) == []


def test_half_a_line_is_for_the_next_time(tmp_path):
    tail = AuditTail(tmp_path, 0)
    path = tmp_path / "20261121T100000Z-w0-aa-0000.jsonl"
    whole = line(OURS)
    path.write_bytes(whole[:40])
    assert list(tail.more()) == []
    path.write_bytes(whole)
    assert list(tail.more()) == [OURS]


@pytest.mark.parametrize("piece", [1, 7, 100, 5000])
def test_it_is_read_in_pieces_of_any_size(tmp_path, monkeypatch, piece):
    monkeypatch.setattr(audit_tail, "_PIECE", piece)
    tail = AuditTail(tmp_path, 0)
    path = tmp_path / "20261121T100000Z-w0-aa-0000.jsonl"
    path.write_bytes(line(outcome("a client's")) + line(OURS) + line(outcome("a client's")) + line(OURS)[:90])
    assert list(tail.more()) == [OURS]
    with path.open("ab") as file:
        file.write(line(OURS)[90:])
    assert list(tail.more()) == [OURS]


def test_a_new_segment_is_found_and_another_workers_is_not(tmp_path):
    tail = AuditTail(tmp_path, 1)
    (tmp_path / "20261121T100000Z-w1-aa-0001.jsonl").write_bytes(line(OURS))
    (tmp_path / "20261121T100000Z-w11-aa-0001.jsonl").write_bytes(line(OURS))
    (tmp_path / "20261121T100000Z-w0-aa-0000.jsonl").write_bytes(line(OURS))
    assert list(tail.more()) == [OURS]


def test_what_only_looks_like_one_is_none(tmp_path):
    tail = AuditTail(tmp_path, 0)
    elsewhere = line(outcome("a client's")).replace(b'"outcome":{', b'"outcome":{"other":{"canary":true},')
    (tmp_path / "20261121T100000Z-w0-aa-0000.jsonl").write_bytes(
        elsewhere + b'{"v":4,"seq":2,"outcome":{"canary":true}}\n' + b'"canary":true\n'
    )
    assert list(tail.more()) == []


def test_a_folder_that_is_not_there_holds_nothing(tmp_path):
    assert list(AuditTail(tmp_path / "gone", 0).more()) == []
