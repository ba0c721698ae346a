"""Each of the tether's two nets holds alone."""

import os
import select
import signal
import subprocess
import sys

import pytest

from gateway.backends import tether

BY_KERNEL = """
import signal
from gateway.backends.tether import signal_when_parent_dies
assert signal_when_parent_dies(signal.SIGKILL)
print("up", flush=True)
signal.pause()
"""
BY_STDIN = """
import os, signal
from gateway.backends.tether import call_when_stdin_ends
call_when_stdin_ends(lambda: os._exit(7))
print("up", flush=True)
while True:
    signal.pause()
"""
# Starts a child whose stdin never ends, waits until it is up, and tells its process id.
PARENT = """
import signal, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdin=int(sys.argv[2]), stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
signal.pause()
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells a child of its parent's death")
def test_the_kernel_alone_ends_the_child_of_a_killed_parent():
    reading, writing = os.pipe()
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, BY_KERNEL, str(reading)], stdout=subprocess.PIPE, text=True, pass_fds=[reading]
    )
    assert parent.stdout is not None
    child = os.pidfd_open(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    assert select.select([child], [], [], 20)[0]
    parent.stdout.close()
    for fd in (reading, writing, child):
        os.close(fd)


def test_the_end_of_stdin_alone_ends_the_child_and_what_came_before_does_not():
    child = subprocess.Popen([sys.executable, "-c", BY_STDIN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stdout.readline() == "up\n"
    child.stdin.write("x" * 100_000)
    child.stdin.flush()
    assert child.poll() is None
    child.stdin.close()
    assert child.wait(20) == 7
    child.stdout.close()


def test_where_no_kernel_can_be_asked_the_answer_is_no(monkeypatch):
    monkeypatch.setattr(tether.sys, "platform", "darwin")
    assert tether.signal_when_parent_dies(signal.SIGKILL) is False
