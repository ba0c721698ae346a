"""What operations set outlives the supervisor, ends by itself, and closes burst where nobody knows what was set."""

import stat

import pytest

from gateway.core.controls import LONGEST_S, Drain, Order, Refused, SetBurst, Undrain
from gateway.runtime.control_book import OURSELVES, ControlBook
from tests.fakes.clock import FakeClock


class Desk:
    def __init__(self, folder):
        self.clock, self.path = FakeClock(), folder / "controls.json"
        self.book = ControlBook(self.path, self.clock)

    def order(self, change, for_s=60.0):
        return self.book.order(Order(change, "ops", for_s))

    def again(self):
        """The book of the next supervisor."""
        return ControlBook(self.path, self.clock)


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def test_what_was_set_stands_after_a_restart(desk):
    desk.order(SetBurst(0.25))
    desk.order(Drain("gpu"), 600)
    assert desk.again().controls == desk.book.controls
    assert (desk.book.controls.share, desk.book.controls.pools) == (0.25, {"gpu"})
    assert stat.S_IMODE(desk.path.stat().st_mode) == 0o600
    assert [path.name for path in desk.path.parent.iterdir()] == ["controls.json"]


def test_nothing_is_set_where_there_is_no_file(desk):
    assert (desk.book.controls.share, desk.book.controls.pools, desk.book.ends_at) == (None, frozenset(), None)
    assert not desk.path.exists()


def test_an_override_ends_by_itself_and_is_not_there_after_a_restart(desk):
    desk.order(SetBurst(0.0), 60)
    desk.order(Drain("gpu"), 600)
    assert desk.book.ends_at == desk.clock.wall() + 60
    assert not desk.book.end_due()
    desk.clock.now += 60
    assert desk.book.end_due()
    assert not desk.book.end_due()
    assert (desk.book.controls.share, desk.book.controls.pools) == (None, {"gpu"})
    assert desk.again().controls == desk.book.controls
    desk.clock.now += 600
    assert desk.again().end_due()


def test_what_has_ended_is_gone_before_the_next_order_is_carried_out(desk):
    desk.order(Drain("gpu"), 60)
    desk.clock.now += 61
    assert desk.order(SetBurst(1.0)).pools == frozenset()


def test_an_order_that_makes_no_sense_changes_nothing(desk):
    desk.order(SetBurst(0.25))
    before = desk.book.controls
    with pytest.raises(Refused):
        desk.order(Drain("gpu"), LONGEST_S * 2)
    assert desk.book.controls is before


@pytest.mark.parametrize("content", ["", "{", '{"v": 99}', "[]"])
def test_where_nobody_knows_what_was_set_burst_is_closed_for_a_while(desk, content, caplog):
    desk.path.write_text(content)
    book = desk.again()
    assert book.controls.share == 0.0
    assert book.controls.burst.by == OURSELVES
    assert "overrides_unreadable" in caplog.text
    desk.clock.now += 3601
    assert book.end_due()
    assert book.controls.share is None


def test_a_file_that_cannot_be_opened_closes_burst_as_well(desk):
    desk.path.mkdir()
    assert desk.again().controls.share == 0.0


def test_what_cannot_be_written_holds_and_is_written_when_it_can_be(desk, caplog):
    folder = desk.path.parent / "gone"
    desk.path = folder / "controls.json"
    desk.book = desk.again()
    assert desk.order(Drain("gpu")).pools == {"gpu"}
    assert not desk.book.is_kept
    desk.book.end_due()
    assert caplog.text.count("overrides_not_kept") == 1
    folder.mkdir()
    assert not desk.book.end_due()
    assert desk.book.is_kept
    assert desk.again().controls.pools == {"gpu"}


def test_nothing_is_left_lying_about_when_a_write_fails(desk):
    desk.path.mkdir()
    (desk.path / "in-the-way").touch()
    desk.order(Undrain("gpu"))
    assert not desk.book.is_kept
    assert [path.name for path in desk.path.parent.iterdir()] == ["controls.json"]


def test_what_a_dead_supervisor_left_half_written_is_replaced(desk, monkeypatch):
    monkeypatch.setattr("os.getpid", lambda: 7)
    desk.path.with_name(".controls.json.7").write_text("half")
    desk.order(Drain("gpu"))
    assert desk.again().controls.pools == {"gpu"}
