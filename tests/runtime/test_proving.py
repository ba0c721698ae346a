"""However the proving child behaves, its parent ends with a proof or with problems, and with no child left."""

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from gateway.core.problems import Problem, Problems
from gateway.runtime.clock import SystemClock
from gateway.runtime.proving import LONGEST_SAYING, Progressed, Proved, Refused, prover_command, proving, say

GOOD = Proved(b"{}", "b" * 64, (Problem("policy.yaml", 3, 4, "A note."),))


def command(script):
    return sys.executable, "-c", "import os, sys, time\nout = sys.stdout.buffer\n" + textwrap.dedent(script)


def says(*sayings):
    return command(f"out.write({b''.join(map(say, sayings))!r})")


def result(argv, *, within_s=20.0, told=None):
    with proving(argv, "conf", SystemClock()) as proof:
        return proof.result(told or (lambda *_: None), within_s=within_s)


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_proof_comes_with_its_certificate_and_notes():
    assert result(says(Progressed(5), Progressed(10), GOOD)) == GOOD


def test_a_saying_may_come_in_pieces():
    data = say(GOOD)
    script = f"for byte in {data!r}:\n    out.write(bytes((byte,)))\n    out.flush()"
    assert result(command(script)) == GOOD


def test_everything_that_is_wrong_is_raised():
    wrong = (Problem("policy.yaml", 9, 1, "N1 does not hold."), Problem("policy.yaml", 3, 4, "Nor does N2.", "Mend."))
    with pytest.raises(Problems) as raised:
        result(says(Progressed(5), Refused(wrong)))
    assert raised.value.problems == tuple(reversed(wrong))


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("sys.exit(3)", "The prover ended with status 3 before it was done, so nothing is proved."),
        ("os.kill(os.getpid(), 9)", "The prover ended by signal 9 before it was done"),
        (f"out.write({say(GOOD)[:-1]!r})", "The prover ended with status 0 before it was done"),
        ("out.write(b'hello\\n')", "The prover said something that is not for its parent."),
        ("out.write(b'\\xff\\n')", "The prover said something that is not for its parent."),
        (f"out.write(b'x' * {LONGEST_SAYING + 1}); out.flush(); time.sleep(60)", "said something that is not for"),
        ("time.sleep(60)", "The policy was not proved within 1 s, so nothing is proved."),
    ],
)
def test_a_child_that_fails_or_hangs_proves_nothing(script, message):
    within_s = 1.0 if "within" in message else 30.0
    with pytest.raises(Problems) as raised:
        result(command(script), within_s=within_s)
    (problem,) = raised.value.problems
    assert (problem.file, problem.line) == ("conf", 0)
    assert message in problem.message
    assert problem.mend


def test_progress_is_told_while_nothing_is_heard_and_while_much_is():
    told = []
    busy = f"""
        began = time.monotonic()
        while time.monotonic() - began < 1.5:
            out.write({say(Progressed(7))!r})
            out.flush()
            time.sleep(0.01)
        out.write({say(GOOD)!r})
    """
    assert result(command(busy), told=lambda *seen: told.append(seen)) == GOOD
    assert told[-1][0] == 7
    assert 2 <= len(told) <= 5
    quiet = []
    with pytest.raises(Problems):
        result(command("time.sleep(60)"), within_s=1.2, told=lambda *seen: quiet.append(seen))
    assert [nodes for nodes, _ in quiet] == [0] * len(quiet)
    assert len(quiet) >= 2


def test_the_end_of_the_block_ends_the_child_whatever_it_is_doing():
    pids = []

    def interrupted(*_):
        raise KeyboardInterrupt

    def begun():
        with proving(command("time.sleep(60)"), "conf", SystemClock()) as proof:
            pids.append(proof._process.pid)
            assert is_running(pids[0])
            proof.result(interrupted)

    with pytest.raises(KeyboardInterrupt):
        begun()
    assert not is_running(pids[0])


def test_the_real_prover_does_not_outlive_its_parent(tmp_path):
    """Its parent is killed while it waits for a file that never comes: a policy that is a pipe without a writer."""
    (tmp_path / "gateway.yaml").write_text("apiVersion: tidegate/v1\n")
    os.mkfifo(tmp_path / "policy.yaml")
    script = f"""
        import subprocess
        child = subprocess.Popen({list(prover_command(str(tmp_path)))!r}, stdout=subprocess.PIPE)
        out.write(b"%d\\n" % child.pid)
        out.flush()
        time.sleep(60)
    """
    parent = subprocess.Popen(command(script), stdout=subprocess.PIPE, cwd=Path(__file__).parents[2])
    pid = int(parent.stdout.readline())
    end = time.monotonic() + 20
    # It has said what it may use once it has been tied to its parent.
    while "2147483648" not in Path(f"/proc/{pid}/limits").read_text() and time.monotonic() < end:
        time.sleep(0.01)
    limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
    assert [line.split()[4] for line in limits if line.startswith("Max core file size")] == ["0"]
    assert [line.split()[4] for line in limits if line.startswith("Max cpu time")] == ["301"]
    parent.kill()
    parent.wait()
    parent.stdout.close()
    while Path(f"/proc/{pid}/status").exists() and "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_provers_command_line_imports_nothing_from_where_one_stands():
    _, *arguments = prover_command("conf")
    assert arguments == ["-P", "-m", "gateway.cli.prover", "--config", "conf"]
