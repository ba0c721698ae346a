"""The supervisor with real processes: workers share a socket, come back, drain, and never outlive it."""

import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from gateway.config.addresses import Tcp, Unix
from gateway.core.audit_verify import State, verify
from gateway.core.controls import Drain, Order, SetBurst
from gateway.runtime.checkpoints import load_public_key
from gateway.runtime.children import restart_after
from gateway.runtime.keyring import Keyring, Purpose
from gateway.runtime.lifeline import fds_argument, handed_over, taken_over, worker_command
from gateway.runtime.listening import listen
from tests.runtime import supervised


class Running:
    """A supervisor in a process of its own, its log line by line."""

    def __init__(self, folder, workers=1, mode="works", drain_s=5.0):
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, supervised.__file__, "supervise", str(folder), str(workers), mode, str(drain_s)],
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(supervised.__file__).parents[2],
            env=os.environ | {"PYTHONPATH": str(Path(supervised.__file__).parents[2])},
        )
        self.events = []

    def until(self, event, count=1):
        """The last of `count` further lines called `event`."""
        for line in self.process.stderr:
            self.events.append(json.loads(line))
            if self.events[-1]["event"] == event:
                count -= 1
                if not count:
                    return self.events[-1]
        raise AssertionError(f"the supervisor ended without {event}: {self.events}")

    def port(self):
        return int(self.until("listening")["listen"].rpartition(":")[2])

    def end(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        # A worker of these tests may be told twice to go while asyncio closes its loop, and Python then says a line.
        self.events += [json.loads(line) for line in self.process.stderr if line.startswith("{")]
        return self.process.wait(20)

    def named(self, event):
        return [line for line in self.events if line["event"] == event]


@pytest.fixture
def start(tmp_path):
    started = []

    def build(**options):
        started.append(Running(tmp_path, **options))
        return started[-1]

    yield build
    for running in started:
        if running.process.poll() is None:
            running.process.send_signal(signal.SIGKILL)
        running.process.wait()
        running.process.stderr.close()


def ask(port):
    """(worker's number, pid, "admin" or "-") of whichever worker answers."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.settimeout(10)
        connection.sendall(b"who\n")
        number, pid, admin, _ = connection.makefile().readline().split()
    return int(number), int(pid), admin


def say(port, line):
    """What whichever worker answers says to `line`."""
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.settimeout(10)
        connection.sendall(line.encode() + b"\n")
        return connection.makefile().readline()


def order(port, change, for_s=600.0):
    say(port, "order " + msgspec.json.encode(Order(change, "ops", for_s)).decode())


def told_by_all(port, workers, is_so, within_s=10.0):
    """What the last thing is that each worker was told, once it `is_so` for all of them; and how long that took."""
    began, heard = time.monotonic(), {}
    while time.monotonic() - began < within_s:
        answer = json.loads(say(port, "controls"))
        heard[answer["worker"]] = answer["told"]
        if len(heard) == workers and all(is_so(told[-1]["controls"]) for told in heard.values()):
            return heard, time.monotonic() - began
    raise AssertionError(heard)


def is_alive(pid):
    with contextlib.suppress(ProcessLookupError, FileNotFoundError):
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    return False


def gone(pid, within_s=10.0):
    end = time.monotonic() + within_s
    while is_alive(pid):
        if time.monotonic() > end:
            return False
        os.sched_yield()
    return True


def test_workers_share_one_socket_and_only_the_first_has_the_admin_port(start):
    running = start(workers=2)
    port = running.port()
    seen = {}
    while len(seen) < 2:
        number, _, admin = ask(port)
        seen[number] = admin
    assert seen == {0: "admin", 1: "-"}
    assert running.end() == 0


def test_a_killed_worker_is_replaced_and_no_connection_is_refused(start):
    running = start()
    port = running.port()
    _, first, _ = ask(port)
    os.kill(first, signal.SIGKILL)
    _, second, _ = ask(port)  # waits in the supervisor's socket until there is somebody
    assert second != first
    died = running.until("worker_died")
    assert (died["exit_code"], died["restarts"]) == (-signal.SIGKILL, 1)
    assert running.end() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_the_workers_and_the_status_is_0(start, number):
    running = start(workers=2)
    port = running.port()
    running.until("worker_started", 2)
    ask(port)
    assert running.end(number) == 0
    assert len(running.named("worker_stopped")) == 2
    assert running.named("worker_killed") == []


def test_a_worker_that_will_not_stop_is_killed_on_ctrl_c_twice(start):
    running = start(mode="stubborn", drain_s=300.0)
    _, pid, _ = ask(running.port())
    running.process.send_signal(signal.SIGINT)
    running.until("stopping")
    assert is_alive(pid)
    assert running.end(signal.SIGINT) == 1
    assert len(running.named("worker_killed")) == 1
    assert not is_alive(pid)


@pytest.mark.parametrize("mode", ["works", "stubborn", "untied"])
def test_workers_do_not_outlive_a_killed_supervisor(start, mode):
    """`stubborn` ignores everything but the kernel's kill; `untied` has only the end of the lifeline to go by."""
    running = start(mode=mode)
    _, pid, _ = ask(running.port())
    running.process.send_signal(signal.SIGKILL)
    running.process.wait()
    assert gone(pid)


def test_workers_that_keep_dying_end_the_supervisor(start):
    running = start(mode="dies")
    assert running.end(0) == 1
    assert [line["after_s"] for line in running.named("worker_died")] == [0.1, 0.2, 0.4, 0.8, 1.6]
    assert len(running.named("supervisor_gave_up")) == 1


@pytest.mark.parametrize(("mode", "status"), [("refuses", 78), ("unproved", 77)])
def test_files_that_a_worker_refuses_end_the_supervisor_at_once(start, mode, status):
    running = start(mode=mode)
    assert running.end(0) == status
    assert len(running.named("worker_died")) == 1


def test_every_worker_is_handed_the_whole_certificate_also_after_a_restart(start):
    running = start(workers=2)
    port = running.port()
    seen = {}
    while len(seen) < 3:
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            connection.sendall(b"who\n")
            _, pid, _, certificate = connection.makefile().readline().split()
        seen[pid] = certificate
        if len(seen) == 2:
            os.kill(int(pid), signal.SIGKILL)
    assert set(seen.values()) == {hashlib.sha256(supervised.CERTIFICATE).hexdigest()}
    assert running.end() == 0


def test_what_is_handed_over_is_read_whole_and_can_be_changed_by_nobody():
    fd = handed_over(b"x" * 100_000)
    with pytest.raises(OSError, match="not permitted"):
        os.pwrite(fd, b"y", 0)
    with pytest.raises(OSError, match="not permitted"):
        os.ftruncate(fd, 5)
    assert taken_over(os.dup(fd)) == taken_over(os.dup(fd)) == b"x" * 100_000
    assert taken_over(fd) == b"x" * 100_000
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_what_workers_synced_is_signed_and_verifies_with_the_public_key_alone(start, tmp_path):
    running = start(workers=2)
    port = running.port()
    seen = set()
    while len(seen) < 2:
        seen.add(ask(port)[0])
    assert running.end() == 0
    audit = tmp_path / "audit"
    segments = [(path.stem, path.read_bytes()) for path in sorted(audit.glob("2*.jsonl"))]
    public = load_public_key(audit / "signing.pub")
    signed = (audit / "checkpoints.jsonl").read_bytes()
    assert len(segments) == 2
    assert verify(segments, signed, public, None).state is State.INTACT
    key = Keyring(supervised.ROOT).keyed_hash(Purpose.AUDIT)
    assert verify(segments, signed, public, key).state is State.INTACT
    assert verify(segments[:1], signed, public, key).state is State.CUT


def test_neither_process_may_leave_a_core_file(start):
    running = start()
    _, pid, _ = ask(running.port())
    for process in (pid, running.process.pid):
        limits = Path(f"/proc/{process}/limits").read_text()
        (line,) = [line for line in limits.splitlines() if line.startswith("Max core file size")]
        assert line.split()[4:6] == ["0", "0"]


def test_a_second_supervisor_over_the_same_state_is_refused(start):
    first = start()
    ask(first.port())
    second = start()
    out = second.process.stderr.read()
    assert second.process.wait(10) == 1
    assert "Problems" in out
    assert first.end() == 0


@pytest.mark.parametrize(("deaths", "expected"), [(0, 0.0), (1, 0.1), (2, 0.2), (5, 1.6), (10, 30.0), (50, 30.0)])
def test_restarts_become_slower(deaths, expected):
    assert restart_after(deaths) == pytest.approx(expected)


def test_a_port_in_use_is_named():
    with listen(Tcp("127.0.0.1", 0)) as taken:
        where = Tcp("127.0.0.1", taken.getsockname()[1])
        with pytest.raises(OSError, match="in use") as caught:
            listen(where)
    assert caught.value.filename == str(where)


def test_a_stale_unix_socket_is_replaced_and_a_file_is_not(tmp_path):
    path = tmp_path / "admin.sock"
    listen(Unix(str(path))).close()
    with listen(Unix(str(path))) as made:
        assert made.family is socket.AF_UNIX
        assert path.stat().st_mode & 0o777 == 0o600
    path.unlink()
    path.write_text("mine")
    with pytest.raises(OSError, match="in use"):
        listen(Unix(str(path)))
    assert path.read_text() == "mine"


def test_a_workers_command_line_holds_no_secret_and_imports_nothing_from_where_one_stands():
    _, *arguments = worker_command("conf", 1, fds_argument(3, None, 5, 6, 7))
    assert arguments == ["-P", "-m", "gateway.cli.worker", "--config", "conf", "--worker", "1", "--fds", "3,-,5,6,7,0"]


def test_what_operations_order_reaches_every_worker_and_outlives_the_supervisor(start):
    running = start(workers=2)
    port = running.port()
    heard, _ = told_by_all(port, 2, lambda controls: controls["revision"] == 0)
    assert all(len(told) == 1 for told in heard.values())
    order(port, Drain("gpu"))
    heard, took = told_by_all(port, 2, lambda controls: [one["pool"] for one in controls["drained"]] == ["gpu"])
    assert took < 1.0
    assert sorted(told[-1]["answers"] is not None for told in heard.values()) == [False, True]
    assert running.end() == 0

    again = start(workers=1)
    port = again.port()
    heard, _ = told_by_all(port, 1, lambda controls: [one["pool"] for one in controls["drained"]] == ["gpu"])
    assert len(heard[0]) == 1
    assert again.end() == 0


def test_an_override_ends_for_all_workers_when_its_time_is_over(start):
    running = start(workers=2)
    port = running.port()
    told_by_all(port, 2, lambda controls: True)
    order(port, SetBurst(0.0), 1.5)
    told_by_all(port, 2, lambda controls: controls["burst"] is not None)
    heard, took = told_by_all(port, 2, lambda controls: controls["burst"] is None)
    assert took < 3.0
    assert {told[-1]["controls"]["epoch"] for told in heard.values()} == {1}
    assert running.end() == 0


def test_an_order_that_makes_no_sense_is_answered_with_what_stands(start):
    running = start()
    port = running.port()
    told_by_all(port, 1, lambda controls: True)
    order(port, Drain("gpu"), 1e9)
    while len(told := told_by_all(port, 1, lambda controls: True)[0][0]) < 2:
        pass
    assert told[-1]["answers"] == 7
    assert "seven days" in told[-1]["refused"]
    assert told[-1]["controls"]["drained"] == []
    assert running.end() == 0


def test_a_worker_that_takes_the_place_of_another_knows_what_stands(start):
    running = start()
    port = running.port()
    order(port, Drain("gpu"))
    told_by_all(port, 1, lambda controls: controls["revision"] == 1)
    _, pid, _ = ask(port)
    os.kill(pid, signal.SIGKILL)
    assert gone(pid)
    heard, _ = told_by_all(port, 1, lambda controls: controls["revision"] == 1)
    assert len(heard[0]) == 1
    assert running.end() == 0
