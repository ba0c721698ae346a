"""A tethered command ends with its parent: in order when it can, by force when it will not."""

import os
import select
import signal
import subprocess
import sys
import textwrap

import pytest

# A command that says it runs, and on SIGTERM either ends in order or does not.
CHILD = """
    import runpy, signal, sys
    from types import SimpleNamespace

    def run(_):
        if {ignores}:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        else:
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
        print("up", flush=True)
        while True:
            signal.pause()

    def add(subparsers):
        subparsers.add_parser("serve").set_defaults(run=run)

    sys.modules["gateway.cli.serve"] = SimpleNamespace(add_commands=add)
    sys.argv = ["tidegate", "serve"]
    import threading
    grace = threading.Timer
    threading.Timer = lambda seconds, *rest: grace(min(seconds, 0.2), *rest)
    runpy.run_module("gateway.cli.tethered", run_name="__main__")
"""


def child(*, ignores: bool = False) -> str:
    return textwrap.dedent(CHILD).replace("{ignores}", str(ignores))


@pytest.mark.parametrize(("ignores", "status"), [(False, 7), (True, -signal.SIGKILL)])
def test_the_end_of_stdin_ends_the_command(ignores, status):
    process = subprocess.Popen(
        [sys.executable, "-c", child(ignores=ignores)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    process.stdin.close()
    assert process.wait(20) == status
    process.stdout.close()


@pytest.mark.parametrize("ignores", [False, True])
def test_the_death_of_the_parent_ends_the_command(ignores):
    parent = textwrap.dedent("""
        import subprocess, sys, signal
        child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        child.stdout.readline()
        print(child.pid, flush=True)
        signal.pause()
    """)
    process = subprocess.Popen(
        [sys.executable, "-c", parent, child(ignores=ignores)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    pid_fd = os.pidfd_open(int(process.stdout.readline()))
    process.kill()
    process.wait()
    process.stdout.close()
    assert select.select([pid_fd], [], [], 20)[0]
