"""What was refused while nothing served reaches the log of whoever serves next, once, and from nobody else's hand."""

from pathlib import Path

import pytest

from gateway.core.keyed_hash import KeyedHash
from gateway.core.records import Refusal, RefusalCode
from gateway.errors import AuditUnavailable
from gateway.runtime.lifeline import InForce
from gateway.runtime.refusal_book import FILE, MOST, Recorder, hand_over, note
from gateway.runtime.upgrade import NotLoaded

KEY = KeyedHash(b"a key of the tests")


def refusal(at: float, files: str = "f", code: RefusalCode = RefusalCode.PROBLEMS) -> Refusal:
    return Refusal(at, (code,), 1, files)


class Log:
    """An audit log that takes so many records and no more."""

    def __init__(self, room: int = 1_000) -> None:
        self.room = room
        self.records: list[Refusal] = []

    async def committed(self, record: Refusal) -> None:
        if len(self.records) == self.room:
            raise AuditUnavailable(detail="full")
        self.records.append(record)


async def recorded(folder: Path) -> list[float]:
    log = Log()
    await hand_over(folder, KEY, log)
    return [one.at for one in log.records]


async def test_everything_that_was_noted_is_recorded_once_in_its_order(tmp_path: Path) -> None:
    note(tmp_path, refusal(1.0), KEY)
    note(tmp_path, refusal(2.0, "g"), KEY)
    note(tmp_path, refusal(3.0, "g", RefusalCode.UNSIGNED), KEY)
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    assert await recorded(tmp_path) == [1.0, 2.0, 3.0]
    assert await recorded(tmp_path) == []
    assert not (tmp_path / FILE).exists()


async def test_the_same_again_and_again_counts_once_and_the_newest_are_kept(tmp_path: Path) -> None:
    for at in range(5):
        note(tmp_path, refusal(float(at)), KEY)
    assert await recorded(tmp_path) == [0.0]
    for at in range(MOST + 3):
        note(tmp_path, refusal(float(at), f"f{at}"), KEY)
    assert await recorded(tmp_path) == [float(at) for at in range(3, MOST + 3)]


async def test_what_cannot_be_written_stays_for_the_next_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    note(tmp_path, refusal(1.0), KEY)
    note(tmp_path, refusal(2.0, "g"), KEY)
    await hand_over(tmp_path, KEY, Log(room=1))
    assert [record.msg for record in caplog.records] == ["refusals_not_recorded"]
    assert await recorded(tmp_path) == [1.0, 2.0]


@pytest.mark.parametrize("spoil", ["forged", "cut", "key", "newer"])
async def test_a_book_that_is_not_ours_is_not_recorded_and_is_said(
    tmp_path: Path, spoil: str, caplog: pytest.LogCaptureFixture
) -> None:
    note(tmp_path, refusal(1.0), KeyedHash(b"another") if spoil == "key" else KEY)
    path = tmp_path / FILE
    data = path.read_bytes()
    changed = {
        "forged": data.replace(b'"problems":1', b'"problems":2'),
        "cut": data[:40],
        "key": data,
        "newer": data.replace(b'{"v":1', b'{"v":2'),
    }[spoil]
    path.write_bytes(changed)
    assert await recorded(tmp_path) == []
    assert [record.msg for record in caplog.records] == ["refusals_unreadable"]
    # Somebody may want to look at it.
    assert path.read_bytes() == changed
    note(tmp_path, refusal(5.0), KEY)
    assert await recorded(tmp_path) == [5.0]


async def test_without_a_state_folder_nothing_is_made_and_a_disk_that_fails_is_no_reason_not_to_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    note(tmp_path / "nowhere", refusal(1.0), KEY)
    assert not (tmp_path / "nowhere").exists()
    (tmp_path / FILE).mkdir()
    with pytest.raises(IsADirectoryError):
        note(tmp_path, refusal(1.0), KEY)
    assert await recorded(tmp_path) == []
    assert [record.msg for record in caplog.records] == ["refusals_not_recorded"]


def test_each_refusal_that_the_supervisor_tells_is_recorded_once_also_what_happened_while_nobody_was_there() -> None:
    written: list[Refusal] = []
    recorder = Recorder(written.append)
    first, second = refusal(1.0), refusal(2.0, code=RefusalCode.UNSIGNED)
    newest = NotLoaded((RefusalCode.RESTART,), 0)
    recorder.take(InForce("b"))
    recorder.take(InForce("b", refusals=3, refused=newest, refused_at=3.0, earlier=(first, second)))
    recorder.take(InForce("b", refusals=3, refused=newest, refused_at=3.0, earlier=(first, second)))
    recorder.take(InForce("b", refusals=3, earlier=(first,)))
    assert [(one.at, one.codes[0]) for one in written] == [
        (1.0, RefusalCode.PROBLEMS),
        (2.0, RefusalCode.UNSIGNED),
        (3.0, RefusalCode.RESTART),
    ]
    assert written[-1].in_force == "b"
