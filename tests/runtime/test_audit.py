"""The audit sink: intents are on disk before anyone goes on, outcomes follow, and a broken disk closes the cloud."""

import asyncio
import contextlib
import errno
import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from gateway.core.audit_record import Activation, Header, Origin, read
from gateway.core.audit_verify import State, verify
from gateway.core.records import Ending, Intent, Mirrored, Outcome, Override, Refusal, RefusalCode
from gateway.errors import AuditUnavailable
from gateway.runtime import audit
from gateway.runtime.audit import AuditLog, open_segment
from gateway.runtime.clock import SystemClock
from gateway.runtime.keyring import Keyring, Purpose
from tests.core.audit_values import intent, outcome

KEYRING = Keyring(bytes(range(32)))
KEY = KEYRING.keyed_hash(Purpose.AUDIT)


class Disk:
    """Opens segments, or fails as a disk fails; `opened` counts the tries."""

    def __init__(self):
        self.path: str | None = None
        self.opened = 0

    def __call__(self, path):
        self.opened += 1
        if self.path is None:
            return open_segment(path)
        return os.open(self.path, os.O_WRONLY)


class Heads(list):
    """What the supervisor would be told, and an event for each."""

    def __init__(self):
        super().__init__()
        self.came = threading.Event()

    def __call__(self, head):
        self.append(head)
        self.came.set()


@pytest.fixture
def make(tmp_path):
    logs = []

    def build(directory=tmp_path / "audit", **options):
        log = AuditLog(directory, 0, KEYRING, options.pop("clock", SystemClock()), **options)
        logs.append(log)
        return log

    yield build
    for log in logs:
        log.flush_and_close(2.0)


def entries(directory):
    found = []
    for path in sorted(directory.glob("*.jsonl")):
        found += [read(line) for line in path.read_bytes().split(b"\n")[:-1]]
    return found


def state(directory):
    segments = [(path.stem, path.read_bytes()) for path in sorted(directory.glob("*.jsonl"))]
    return verify(segments, None, None, KEY).state


async def test_an_intent_is_on_disk_when_committed_returns(make, tmp_path):
    log = make()
    log.open()
    await log.committed(intent("req_1"))
    assert entries(tmp_path / "audit")[-1] == intent("req_1")


async def test_what_is_recorded_is_read_back_in_order_and_the_chain_is_intact(make, tmp_path):
    log = make()
    log.open()
    written = [outcome(f"req_{n}", ms=float(n)) for n in range(200)]
    for one in written:
        log.reserve()
        log.record(one)
    assert log.flush_and_close()
    header, *found = entries(tmp_path / "audit")
    assert isinstance(header, Header)
    assert found == written
    assert state(tmp_path / "audit") is State.INTACT


async def test_an_override_is_on_disk_when_committed_returns(make, tmp_path):
    log = make()
    log.open()
    override = Override(5.0, "ops", "burst off", 65.0)
    await log.committed(override)
    assert entries(tmp_path / "audit")[-1] == override


async def test_many_intents_share_syncs(make, tmp_path):
    heads = Heads()
    log = make(on_head=heads)
    log.open()
    await asyncio.gather(*(log.committed(intent(f"req_{n}")) for n in range(100)))
    assert sum(isinstance(entry, Intent) for entry in entries(tmp_path / "audit")) == 100
    assert len(heads) < 50


async def test_the_file_and_its_folder_are_for_their_owner_only(make, tmp_path):
    make().open()
    (path,) = (tmp_path / "audit").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_outcomes_reach_the_disk_without_anybody_waiting_for_them(make, tmp_path):
    heads = Heads()
    log = make(on_head=heads)
    log.open()
    heads.came.clear()
    log.record(outcome("req_1"))
    assert await asyncio.to_thread(heads.came.wait, 10)
    assert entries(tmp_path / "audit")[-1] == outcome("req_1")


async def test_heads_say_how_far_the_segment_is_on_disk(make, tmp_path):
    heads = Heads()
    log = make(on_head=heads)
    log.open()
    await log.committed(intent())
    (path,) = (tmp_path / "audit").iterdir()
    lines = path.read_bytes().splitlines(keepends=True)
    assert [head.seq for head in heads] == [0, 1]
    assert heads[-1].size == path.stat().st_size
    assert heads[-1].seal in lines[-1].decode()


async def test_each_boot_has_a_segment_of_its_own(make, tmp_path):
    for _ in range(2):
        log = make()
        log.open()
        assert log.flush_and_close()
    assert len(list((tmp_path / "audit").iterdir())) == 2
    assert state(tmp_path / "audit") is State.INTACT


async def test_a_segment_that_is_long_enough_is_followed_by_the_next(make, tmp_path):
    log = make(segment_bytes=2000)
    log.open()
    log.activated("sha256:b", ["low", "high"])
    for n in range(6):
        await log.committed(intent(f"req_{n}"))
    assert log.flush_and_close()
    found = entries(tmp_path / "audit")
    assert [entry.request_id for entry in found if isinstance(entry, Intent)] == [f"req_{n}" for n in range(6)]
    parts = [entry.part for entry in found if isinstance(entry, Header)]
    assert len(parts) > 1
    assert parts == list(range(len(parts)))
    # Each segment says what its labels are called, so that it can be read by itself.
    assert sum(isinstance(entry, Activation) for entry in found) == len(parts)
    assert state(tmp_path / "audit") is State.INTACT


async def test_what_came_into_force_and_what_did_not_are_on_disk_without_anybody_asking(make, tmp_path):
    heads = Heads()
    log = make(on_head=heads)
    log.open()
    refusal = Refusal(5.0, (RefusalCode.NOT_PROVED,), 1, "f" * 64, in_force="b1")
    heads.came.clear()
    log.activated("b1", ["low", "high"])
    log.refused(refusal)
    assert await asyncio.to_thread(heads.came.wait, 10)
    log.activated("b2", ["low", "high"], "c" * 64, Origin(7, "1.2"))
    assert log.flush_and_close()
    _, first, second, third = entries(tmp_path / "audit")
    assert (first.bundle, first.previous, second) == ("b1", "", refusal)
    assert (third.bundle, third.previous, third.origin) == ("b2", "b1", Origin(7, "1.2"))
    assert state(tmp_path / "audit") is State.INTACT


# The buffer.


async def test_admission_is_refused_when_every_place_is_taken(make):
    log = make(buffer=3)
    log.open()
    for _ in range(3):
        log.reserve()
    with pytest.raises(AuditUnavailable):
        log.reserve()
    log.release()
    log.reserve()


async def test_places_come_back_when_outcomes_are_on_disk(make):
    heads = Heads()
    log = make(buffer=2, on_head=heads)
    log.open()
    for n in range(10):
        log.reserve()
        heads.came.clear()
        log.record(outcome(f"req_{n}"))
        assert await asyncio.to_thread(heads.came.wait, 10)


async def test_a_release_too_many_makes_no_room(make):
    log = make(buffer=1)
    log.open()
    log.release()
    log.reserve()
    with pytest.raises(AuditUnavailable):
        log.reserve()


async def test_outcomes_without_a_place_are_counted_as_lost_when_there_is_no_room(make, caplog):
    disk = Disk()
    disk.path = "/dev/full"
    log = make(buffer=2, opener=disk)
    log.open()
    for n in range(5):
        log.record(outcome(f"req_{n}"))
    assert not log.flush_and_close()
    lost = [record for record in caplog.records if record.msg == "audit_records_lost"]
    assert lost[0].fields["count"] == 5


async def test_after_closing_nothing_is_admitted(make):
    log = make()
    log.open()
    log.flush_and_close()
    with pytest.raises(AuditUnavailable):
        log.reserve()
    with pytest.raises(AuditUnavailable):
        await log.committed(intent())


# Disks that fail. /dev/full is a real ENOSPC on write; a pipe is a real EINVAL on sync.


@pytest.fixture
def broken_sync():
    reading, writing = os.pipe()
    yield f"/proc/self/fd/{writing}"
    os.close(reading)
    os.close(writing)


class Hasty(SystemClock):
    """Twenty seconds pass in one, so that a retry once per second is soon."""

    monotonic = staticmethod(lambda: time.monotonic() * 20)


@pytest.mark.parametrize("fault", ["full", "sync", "missing"])
async def test_a_log_that_cannot_be_opened_closes_the_cloud_and_admits_up_to_the_buffer(make, broken_sync, fault):
    disk = Disk()
    disk.path = {"full": "/dev/full", "sync": broken_sync, "missing": "/nowhere/at/all"}[fault]
    log = make(buffer=2, opener=disk)
    log.open()
    assert not log.is_writable
    with pytest.raises(AuditUnavailable):
        await log.committed(intent())
    for n in range(2):
        log.reserve()
        log.record(outcome(f"req_{n}"))
    with pytest.raises(AuditUnavailable):
        log.reserve()


async def test_a_log_that_is_not_open_refuses_intents_without_asking_the_writer(make):
    with pytest.raises(AuditUnavailable) as caught:
        await make().committed(intent())
    assert caught.value.detail == "the audit log cannot be written"


async def test_a_folder_that_cannot_be_made_closes_the_cloud(make, tmp_path):
    (tmp_path / "file").write_text("")
    log = make(directory=tmp_path / "file" / "audit")
    log.open()
    with pytest.raises(AuditUnavailable):
        await log.committed(intent())


class FailingLater(Disk):
    """Hands out real files whose descriptors can be turned into ones that fail, under the writer's feet."""

    def __call__(self, path):
        self.fd = super().__call__(path)
        return self.fd

    def break_with(self, path):
        self.path = path
        fd = os.open(path, os.O_WRONLY)
        os.dup2(fd, self.fd)
        os.close(fd)


@pytest.mark.parametrize("fault", ["full", "sync"])
async def test_a_disk_that_fails_refuses_intents_at_once_and_loses_no_outcome(make, tmp_path, broken_sync, fault):
    disk = FailingLater()
    heads = Heads()
    log = make(opener=disk, on_head=heads, clock=Hasty())
    log.open()
    await log.committed(intent("req_before"))
    disk.break_with({"full": "/dev/full", "sync": broken_sync}[fault])
    log.reserve()
    log.record(outcome("req_held"))
    log.activated("b1", ["low"])
    log.refused(Refusal(5.0, (RefusalCode.PROBLEMS,)))
    log.activated("b2", ["low"])
    with pytest.raises(AuditUnavailable):
        await log.committed(intent("req_refused"))
    with pytest.raises(AuditUnavailable):
        await log.committed(intent("req_refused_at_once"))
    disk.path = None
    heads.came.clear()
    assert await asyncio.to_thread(heads.came.wait, 10)
    # The head is reported a moment before the log says that it is writable again; the next one comes after that.
    log.record(outcome("req_later"))
    heads.came.clear()
    assert await asyncio.to_thread(heads.came.wait, 10)
    await log.committed(intent("req_after"))
    assert log.flush_and_close()
    found = [entry.request_id for entry in entries(tmp_path / "audit") if isinstance(entry, Intent | Outcome)]
    assert found == ["req_before", "req_held", "req_later", "req_after"]
    # Each of them once in the segment that came after, in the order in which they came.
    after = [entry for entry in entries(tmp_path / "audit") if isinstance(entry, Activation | Refusal)][-3:]
    assert [getattr(entry, "bundle", None) for entry in after] == ["b1", "", "b2"]
    assert state(tmp_path / "audit") is State.INTACT


async def test_a_broken_log_is_tried_at_most_once_per_second(make):
    class Stopped(SystemClock):
        def monotonic(self):
            return 100.0

    disk = Disk()
    disk.path = "/dev/full"
    log = make(opener=disk, clock=Stopped())
    log.open()
    for n in range(20):
        with contextlib.suppress(AuditUnavailable):
            await log.committed(intent(f"req_{n}"))
        log._wake.set()
        await asyncio.sleep(0)
    assert disk.opened == 1


async def test_failures_are_logged_by_type_and_errno_once_per_change(make, caplog):
    disk = Disk()
    disk.path = "/dev/full"
    make(opener=disk).open()
    (failed,) = [record for record in caplog.records if record.msg == "audit_failed"]
    assert failed.fields == {"error": "OSError", "errno": errno.ENOSPC, "worker": 0}


# What JSON cannot hold must not stop the writer.


async def test_an_outcome_that_cannot_be_written_leaves_its_skeleton(make, tmp_path):
    log = make()
    log.open()
    log.record(outcome("req_\ud800", path="\udfff", status=418))
    await log.committed(intent("req_next"))
    skeleton, following = entries(tmp_path / "audit")[-2:]
    assert (skeleton.request_id, skeleton.status, skeleton.error) == ("req_?", 418, "record_unwritable")
    assert following == intent("req_next")


async def test_a_copy_that_cannot_be_written_stops_nothing(make, tmp_path):
    log = make()
    log.open()
    log.record(Mirrored("copy", "req", 1.0, 2.0, "\ud800", "low", "r", "p", Ending.COMPLETED, "b", 0))
    await log.committed(intent("req_next"))
    assert entries(tmp_path / "audit")[-1] == intent("req_next")


async def test_an_intent_that_cannot_be_written_is_refused(make, tmp_path):
    log = make()
    log.open()
    with pytest.raises(AuditUnavailable):
        await log.committed(intent("req_\ud800"))
    await log.committed(intent("req_next"))
    assert state(tmp_path / "audit") is State.INTACT


# Cancellation and the end of processes.


async def test_a_cancelled_intent_stays_on_disk_and_harms_nobody(make, tmp_path):
    log = make()
    log.open()
    waiting = asyncio.ensure_future(log.committed(intent("req_gone")))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await log.committed(intent("req_next"))
    assert [entry.request_id for entry in entries(tmp_path / "audit")[1:]] == ["req_gone", "req_next"]


async def test_a_sync_that_hangs_is_given_up(make, monkeypatch):
    monkeypatch.setattr("gateway.runtime.audit.COMMIT_WITHIN_S", 0.01)
    release = threading.Event()
    log = make(on_head=lambda head: head.seq and release.wait(10))
    log.open()
    await log.committed(intent("req_first"))  # settled before the head is reported, where the writer now hangs
    with pytest.raises(AuditUnavailable, match="cannot record"):
        await log.committed(intent("req_second"))
    release.set()


def test_a_closed_loop_does_not_stop_the_writer(make, tmp_path):
    log = make()
    log.open()

    async def leave():
        task = asyncio.ensure_future(log.committed(intent("req_left")))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(leave())
    log.record(outcome("req_after"))
    assert log.flush_and_close()
    assert entries(tmp_path / "audit")[-1] == outcome("req_after")


WRITER = """
import asyncio, sys
from pathlib import Path
from gateway.runtime.audit import AuditLog
from gateway.runtime.clock import SystemClock
from gateway.runtime.keyring import Keyring
from tests.core.audit_values import intent, outcome

async def main():
    log = AuditLog(Path(sys.argv[1]), 0, Keyring(bytes(range(32))), SystemClock())
    log.open()
    async def one(start):
        for n in range(start, 10**9, 8):
            await log.committed(intent(f"req_{n}"))
            sys.stdout.write(f"req_{n}\\n"); sys.stdout.flush()
            log.record(outcome(f"req_{n}"))
    await asyncio.gather(*(one(k) for k in range(8)))
asyncio.run(main())
"""


def test_kill_9_in_the_middle_of_writing_loses_no_acknowledged_intent(tmp_path):
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    acknowledged = [writer.stdout.readline().strip() for _ in range(300)]
    writer.send_signal(signal.SIGKILL)
    acknowledged += [line.strip() for line in writer.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    writer.wait()
    assert state(tmp_path) in (State.INTACT, State.TORN)
    kept = {entry.request_id for entry in entries(tmp_path) if isinstance(entry, Intent)}
    assert kept.issuperset(acknowledged)


LIMITED = (
    WRITER.replace("asyncio.run(main())", "")
    + """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))
from gateway.errors import AuditUnavailable
async def fill():
    log = AuditLog(Path(sys.argv[1]), 0, Keyring(bytes(range(32))), SystemClock())
    log.open()
    done = 0
    try:
        for n in range(1000):
            await log.committed(intent(f"req_{n}"))
            done = n + 1
    except AuditUnavailable:
        print(done, log.is_writable)
asyncio.run(fill())
"""
)


def test_a_file_that_may_not_grow_ends_in_a_torn_line_and_a_refusal(tmp_path):
    out = subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=True)
    done, writable = out.stdout.split()
    assert writable == "False"
    first = min(tmp_path.glob("*.jsonl"))
    report = verify([(first.stem, first.read_bytes())], None, None, KEY)
    assert report.verdicts[0].state in (State.TORN, State.INTACT)
    assert report.verdicts[0].records >= int(done) + 1


def test_records_are_json_lines(make, tmp_path):
    log = make()
    log.open()
    log.record(outcome())
    log.flush_and_close()
    (path,) = Path(tmp_path / "audit").iterdir()
    assert [json.loads(line)["seq"] for line in path.read_text().splitlines()] == [0, 1]


def test_a_deleted_segment_is_a_failed_one(tmp_path):
    segment = tmp_path / "segment"
    fd = open_segment(segment)
    try:
        log = AuditLog(tmp_path, 0, Keyring(b"k" * 32), SystemClock())
        held = audit._Segment("s", fd, 1, b"", 0)
        log._sync(held)
        segment.unlink()
        with pytest.raises(FileNotFoundError):
            log._sync(held)
    finally:
        os.close(fd)


def test_strangers_fill_half_the_buffer_at_most(tmp_path):
    log = AuditLog(tmp_path, 0, Keyring(b"k" * 32), SystemClock(), buffer=4)
    log.reserve(for_stranger=True)
    log.reserve(for_stranger=True)
    with pytest.raises(AuditUnavailable):
        log.reserve(for_stranger=True)
    log.reserve()
