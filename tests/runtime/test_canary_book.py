"""How canaries fared last, kept over restarts."""

import pytest

from gateway.policy.live_canary import Verdict
from gateway.runtime.canary_book import FILE, Fared, read_book, write_book


def test_what_is_kept_is_read_back(tmp_path):
    fared = Fared(1.0).with_another(Verdict.LEFT, "one", 5.0).with_another(Verdict.HELD, "two", 6.0)
    assert fared == Fared(1.0, 2, 6.0, Verdict.HELD, 6.0, 5.0, Verdict.LEFT, "one")
    write_book(tmp_path / FILE, {"default": fared, "hospital": Fared(2.0)})
    assert read_book(tmp_path / FILE) == {"default": fared, "hospital": Fared(2.0)}


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        (Verdict.HELD, Fared(1.0, 1, 9.0, Verdict.HELD, 9.0)),
        (Verdict.FAILED, Fared(1.0, 1, 9.0, Verdict.FAILED)),
        (Verdict.LEFT, Fared(1.0, 1, 9.0, Verdict.LEFT, 0.0, 9.0, Verdict.LEFT, "id")),
        (Verdict.UNLABELLED, Fared(1.0, 1, 9.0, Verdict.UNLABELLED, 0.0, 9.0, Verdict.UNLABELLED, "id")),
        (Verdict.UNSEEN, Fared(1.0, 1, 9.0, Verdict.UNSEEN, 0.0, 9.0, Verdict.UNSEEN, "id")),
    ],
)
def test_alarms_and_what_was_held_are_kept_apart_from_the_last(verdict, expected):
    assert Fared(1.0).with_another(verdict, "id", 9.0) == expected


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b'{"v":2,"classes":{}}', b'{"v":1}'])
def test_what_cannot_be_read_is_nothing(tmp_path, data):
    path = tmp_path / FILE
    assert read_book(path) == {}
    path.write_bytes(data)
    assert read_book(path) == {}
