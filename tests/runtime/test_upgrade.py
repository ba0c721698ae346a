"""An upgrade with real processes: all new workers or none, and connections wait in the same socket."""

import contextlib
import fcntl
import hashlib
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import termios
from pathlib import Path

import msgspec
import pytest

from gateway.config.addresses import Tcp, Unix
from gateway.core.controls import Drain
from gateway.core.problems import Problem
from gateway.core.records import Refusal, RefusalCode
from gateway.runtime.upgrade import NotLoaded, NotPrepared, Preparation, Prepared, written
from tests.runtime import supervised
from tests.runtime.test_supervisor import ask, gone, order, start, told_by_all

__all__ = ["start"]


def prepared(folder, **changes):
    """What the child of an upgrade says, by default about files like those that are served."""
    usual = {
        "certificate": b"another certificate",
        "bundle": "b2",
        "listen": "127.0.0.1:0",
        "admin": f"unix:{folder / 'admin.sock'}",
        "audit_dir": str(folder / "audit"),
        "workers": 2,
        "drain_s": 5.0,
    }
    return Prepared(**usual | changes)


@pytest.fixture
def upgradable(start, tmp_path):
    """A running supervisor with two workers, its port, and their process ids."""
    running = start(workers=2)
    port = running.port()
    pids = set()
    while len(pids) < 2:
        pids.add(ask(port)[1])

    def upgrade(**changes):
        (tmp_path / "next.json").write_bytes(written(prepared(tmp_path, **changes)))
        running.process.send_signal(signal.SIGHUP)

    return running, port, pids, upgrade


def test_all_workers_are_replaced_by_ones_with_the_new_certificate_and_none_is_missed(upgradable):
    running, port, before, upgrade = upgradable
    upgrade()
    assert running.until("upgraded")["count"] == 2
    assert all(gone(pid) for pid in before)
    seen = {}
    while len(seen) < 2:
        number, pid, admin = ask(port)
        seen[pid] = number, admin
    assert sorted(seen.values()) == [(0, "admin"), (1, "-")]
    assert before.isdisjoint(seen)
    os.kill(next(iter(seen)), signal.SIGKILL)
    running.until("worker_started")
    while (pid := ask(port)[1]) in seen:
        pass
    assert running.end() == 0
    assert running.named("worker_killed") == []


def test_the_new_workers_hold_what_was_prepared_and_so_does_who_takes_their_place(upgradable):
    running, port, _, upgrade = upgradable
    upgrade(workers=1)
    assert running.until("upgraded")["count"] == 1
    expected = hashlib.sha256(b"another certificate").hexdigest()
    _, first, _ = ask_when_alone(running, port)
    os.kill(first, signal.SIGKILL)
    _, second, certificate = ask_when_alone(running, port, besides=first)
    assert (second != first, certificate) == (True, expected)
    assert running.end() == 0


def ask_when_alone(running, port, besides=0):
    """(number, pid, certificate) of a worker that was started after the upgrade."""
    while True:
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            connection.settimeout(10)
            connection.sendall(b"who\n")
            words = connection.makefile().readline().split()
        if words and words[3] != hashlib.sha256(b"a-certificate-" * 20_000).hexdigest() and int(words[1]) != besides:
            return int(words[0]), int(words[1]), words[3]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"listen": "127.0.0.1:1"}, "a change of listen takes a restart"),
        ({"admin": "127.0.0.1:1", "audit_dir": "/x"}, "a change of admin.listen, state_dir takes a restart"),
        ({"workers": 1000}, "too many workers, those that still drain included"),
    ],
)
def test_what_takes_a_restart_is_refused_and_the_old_ones_stay(upgradable, changes, reason):
    running, port, before, upgrade = upgradable
    upgrade(**changes)
    assert running.until("upgrade_refused")["reason"] == reason
    assert ask(port)[1] in before
    assert running.end() == 0
    assert running.named("worker_died") == []


def test_files_that_are_refused_change_nothing_and_the_next_upgrade_may_succeed(upgradable, tmp_path):
    running, port, before, upgrade = upgradable
    running.process.send_signal(signal.SIGHUP)
    assert running.until("upgrade_refused")["reason"] == "the files were not loaded"
    (tmp_path / "next.json").write_bytes(written(NotLoaded((RefusalCode.PROBLEMS,), 1)))
    running.process.send_signal(signal.SIGHUP)
    assert running.until("upgrade_refused")["reason"] == "the files were refused"
    assert ask(port)[1] in before
    (tmp_path / "next.json").write_text("{}")
    running.process.send_signal(signal.SIGHUP)
    assert running.until("upgrade_refused")["reason"] == "what was prepared cannot be read"
    upgrade()
    running.until("upgraded")
    assert all(gone(pid) for pid in before)
    assert running.end() == 0


@pytest.mark.parametrize("mode", ["unproved", "dies"])
def test_new_workers_that_end_before_they_are_ready_leave_the_old_ones_in_place(upgradable, tmp_path, mode):
    running, port, before, upgrade = upgradable
    (tmp_path / "next.mode").write_text(mode)
    upgrade()
    assert running.until("upgrade_refused")["reason"] == "a new worker ended before all were ready"
    assert ask(port)[1] in before
    assert running.end() == 0
    assert running.named("supervisor_gave_up") == []


def test_a_stop_in_the_middle_of_an_upgrade_leaves_nothing_behind(upgradable, tmp_path):
    running, _, before, upgrade = upgradable
    (tmp_path / "next.mode").write_text("never-ready")
    upgrade()
    running.until("upgrade_begun")
    coming = [running.until("worker_started")["pid"] for _ in range(2)]
    assert running.end() == 0
    assert all(gone(pid) for pid in before | set(coming))
    assert running.named("upgrade_refused")[0]["reason"] == "the gateway stops"


def test_what_is_asked_for_during_an_upgrade_comes_after_it(upgradable):
    running, _, before, upgrade = upgradable
    upgrade()
    running.until("upgrade_begun")
    running.process.send_signal(signal.SIGHUP)
    running.until("upgraded", 2)
    assert all(gone(pid) for pid in before)
    assert running.end() == 0
    assert running.named("worker_killed") == []


def test_new_workers_know_what_operations_have_set(upgradable):
    running, port, before, upgrade = upgradable
    order(port, Drain("gpu"))
    told_by_all(port, 2, lambda controls: controls["revision"] == 1)
    upgrade()
    running.until("upgraded")
    assert all(gone(pid) for pid in before)
    heard, _ = told_by_all(port, 2, lambda controls: [one["pool"] for one in controls["drained"]] == ["gpu"])
    assert len(heard) == 2
    assert running.end() == 0


def test_closing_the_terminal_that_it_runs_in_is_a_stop(tmp_path):
    ours, theirs = pty.openpty()
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, supervised.__file__, "supervise", str(tmp_path), "1", "works", "5"],
            stderr=log,
            cwd=Path(supervised.__file__).parents[2],
            env=os.environ | {"PYTHONPATH": str(Path(supervised.__file__).parents[2])},
            start_new_session=True,
            # Its controlling terminal, as a shell would have it.
            preexec_fn=lambda: fcntl.ioctl(theirs, termios.TIOCSCTTY, 0),
        )
    os.close(theirs)
    try:
        while b'"worker_started"' not in (tmp_path / "log").read_bytes():
            assert process.poll() is None
        os.close(ours)
        assert process.wait(20) == 0
    finally:
        process.kill()
    said = (tmp_path / "log").read_text()
    assert '"stopping"' in said
    assert "upgrade" not in said


def test_only_what_the_supervisor_has_for_life_is_in_the_way_of_an_upgrade(tmp_path):
    listen, admin = Tcp("127.0.0.1", 0), Unix(str(tmp_path / "admin.sock"))
    assert prepared(tmp_path, workers=7, drain_s=1.0).objection(listen, admin, tmp_path / "audit") == ""


def test_a_child_that_says_too_much_has_prepared_nothing():
    child = Preparation(["head", "-c", "9000000", "/dev/zero"], 0.0)
    with contextlib.closing(child), pytest.raises(NotPrepared, match="too long"):
        heard(child)


def heard(child):
    while (said := child.hear()) is None:
        pass
    return said


def test_what_is_prepared_is_one_json_object(tmp_path):
    assert msgspec.json.decode(written(prepared(tmp_path)), type=Prepared) == prepared(tmp_path)
    assert json.loads(written(prepared(tmp_path)))["bundle"] == "b2"


REFUSED = NotLoaded(
    (RefusalCode.ALONE, RefusalCode.VERSION_BELOW),
    2,
    (Problem("signatures.yaml", 0, 0, "Only `chen` signed.", "Sign."),),
    "f" * 64,
    "b" * 64,
    7,
    "c" * 64,
)


@pytest.mark.parametrize(
    ("said", "status", "expected"),
    [
        (written(REFUSED), 1, REFUSED),
        (b"", 0, NotLoaded((RefusalCode.FAILED,))),
        (b"", 9, NotLoaded((RefusalCode.FAILED,))),
        (b"nonsense", 1, NotLoaded((RefusalCode.FAILED,))),
        (b'{"type":"not_loaded","codes":["of another build"]}', 1, NotLoaded((RefusalCode.FAILED,))),
    ],
)
def test_what_was_not_loaded_says_why_and_a_child_that_says_nothing_has_failed(tmp_path, said, status, expected):
    (tmp_path / "said").write_bytes(said)
    child = Preparation(["sh", "-c", f"cat {tmp_path / 'said'}; exit {status}"], 0.0)
    with contextlib.closing(child), pytest.raises(NotPrepared) as caught:
        heard(child)
    assert caught.value.not_loaded == expected


def test_a_child_that_fails_after_it_has_said_what_it_prepared_has_prepared_nothing(tmp_path):
    (tmp_path / "said").write_bytes(written(prepared(tmp_path)))
    child = Preparation(["sh", "-c", f"cat {tmp_path / 'said'}; exit 3"], 0.0)
    with contextlib.closing(child), pytest.raises(NotPrepared) as caught:
        heard(child)
    assert caught.value.not_loaded.code is RefusalCode.FAILED


def test_a_refusal_counts_the_problems_and_holds_none_of_them():
    refusal = REFUSED.refusal(5.0, "in force")
    assert refusal == Refusal(
        5.0, (RefusalCode.ALONE, RefusalCode.VERSION_BELOW), 2, "f" * 64, "b" * 64, 7, "c" * 64, "in force"
    )
    assert "chen" not in repr(refusal)
    late = prepared(Path(), files="f" * 64, version=7, proof="c" * 64).refused(RefusalCode.RESTART)
    assert late == NotLoaded((RefusalCode.RESTART,), 0, (), "f" * 64, "b2", 7, "c" * 64)
