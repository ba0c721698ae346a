"""What the supervisor knows of the files: what governs, whom it waits for, and what was refused."""

import subprocess
import sys

import pytest

from gateway.core.controls import NOTHING_SET
from gateway.core.problems import Problem
from gateway.core.records import RefusalCode
from gateway.runtime.bundle_shelf import digest_of
from gateway.runtime.children import Worker
from gateway.runtime.file_watch import SETTLED_AFTER_S
from gateway.runtime.lifeline import LONGEST_MESSAGE, InForce, Told, written
from gateway.runtime.reloading import MOST_UNHEARD, Reloading
from gateway.runtime.upgrade import NotLoaded, Prepared
from tests.fakes.clock import FakeClock


def prepared(bundle, foundation="deep", **more):
    return Prepared(b"", bundle, "", "", "", 1, 1.0, foundation=foundation, **more)


@pytest.fixture
def policy(tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text("version: 1\n...\n")
    return path


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def reloading(policy, clock):
    files = digest_of({"policy.yaml": policy.read_bytes()})
    found = Reloading({"policy.yaml": str(policy)}, files, "first", "deep", clock)
    assert not found.is_wanted(0.0)
    return found


def changed(reloading, policy, text, at):
    policy.write_text(text)
    assert not reloading.is_wanted(at)
    return reloading.is_wanted(at + SETTLED_AFTER_S)


def worker(number, process=None):
    return Worker(number, number, process, None, 0.0, is_active=False)


@pytest.fixture
def alive():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.wait()


def test_a_bundle_on_the_same_foundation_governs_once_every_worker_says_so(reloading, policy, alive):
    watched = {"policy.yaml": str(policy)}
    assert changed(reloading, policy, "version: 2\n...\n", 1.0)
    assert reloading.is_in_place(prepared("second"))
    both = [worker(0, alive), worker(1, alive)]
    reloading.activate(prepared("second", watched=watched), both, until=9.0)
    assert (reloading.bundle, reloading.told("second").bundle) == ("second", "second")
    assert not changed(reloading, policy, "version: 3\n...\n", 2.0), "one after the other"
    both[0].is_active = True
    assert reloading.overdue(3.0) is None
    assert reloading.overdue(9.5) == "a worker did not take the bundle in time"
    both[1].is_active = True
    assert reloading.overdue(9.5) is None
    assert [reloading.is_wanted(at) for at in (20.0, 21.0)] == [False, True]


def test_a_worker_that_has_died_is_not_waited_for(reloading, policy, alive):
    reloading.activate(prepared("second"), [worker(0, alive)], until=9.0)
    alive.kill()
    alive.wait()
    assert reloading.overdue(99.0) is None


@pytest.mark.parametrize(("by_files", "foundation", "expected"), [(True, "deeper", False), (False, "deep", False)])
def test_what_lies_deeper_or_was_asked_for_takes_new_workers(reloading, policy, by_files, foundation, expected):
    if by_files:
        assert changed(reloading, policy, "version: 2\n...\n", 1.0)
    else:
        reloading.by_workers()
    assert reloading.is_in_place(prepared("second", foundation)) is expected


def test_what_was_refused_is_told_until_it_is_mended(reloading, policy):
    assert changed(reloading, policy, "version: two\n...\n", 1.0)
    before = reloading.revision
    refused = NotLoaded((RefusalCode.PROBLEMS,), 1)
    assert reloading.refused(refused)
    told = reloading.told("first")
    assert (told.bundle, told.refusals, told.refused) == ("first", 1, refused)
    assert reloading.revision > before
    assert not reloading.is_wanted(30.0), "the same files are not tried again"
    assert changed(reloading, policy, "version: 1\n...\n# mended\n", 40.0)
    reloading.unchanged(prepared("first"))
    assert reloading.told("first").refused is None
    assert reloading.told("first").refusals == 1


def test_files_that_changed_while_they_were_read_are_looked_at_again(reloading, policy):
    assert changed(reloading, policy, "version: 2\n...\n", 1.0)
    reloading.refused(NotLoaded((RefusalCode.CHANGED,)))
    assert [reloading.is_wanted(at) for at in (3.0, 3.0 + SETTLED_AFTER_S)] == [False, True]


def test_what_was_refused_while_nobody_heard_it_is_told_with_the_newest(reloading, clock, policy):
    codes = (RefusalCode.PROBLEMS, RefusalCode.RESTART, RefusalCode.TOO_MANY)
    for code in codes:
        clock.now += 1
        reloading.refused(NotLoaded((code,), 1, (Problem("f", 1, 1, "no"),), files="d"))
    told = reloading.told("first")
    assert told.refused.codes == (RefusalCode.TOO_MANY,)
    assert [(one.codes, one.in_force, one.files) for one in told.earlier] == [
        ((code,), "first", "d") for code in codes[:2]
    ]
    assert [one.at for one in told.earlier] == sorted(one.at for one in told.earlier)
    # Mended before anybody heard of it: it was refused all the same.
    reloading.unchanged(prepared("first", watched={"policy.yaml": str(policy)}))
    assert [one.codes for one in reloading.told("first").earlier] == [(code,) for code in codes]
    reloading.heard()
    assert reloading.told("first").earlier == ()


def test_of_many_refusals_that_nobody_heard_the_newest_fit_into_a_message(reloading):
    for count in range(3 * MOST_UNHEARD):
        refused = NotLoaded(tuple(RefusalCode), count, (), "f" * 64, "b" * 64, 10**6, "c" * 64)
        reloading.refused(refused)
    told = reloading.told("first")
    assert [one.problems for one in told.earlier] == list(range(2 * MOST_UNHEARD, 3 * MOST_UNHEARD - 1))
    assert len(written(Told(NOTHING_SET, in_force=told))) < LONGEST_MESSAGE


def test_an_upgrade_that_stops_with_the_gateway_is_no_refusal(reloading):
    assert not reloading.refused(None)
    assert reloading.told("first").refusals == 0


def test_new_workers_bring_a_foundation_of_their_own(reloading, policy):
    reloading.switched(prepared("second", "deeper", watched={"policy.yaml": str(policy)}))
    assert changed(reloading, policy, "version: 3\n...\n", 1.0)
    assert reloading.bundle == "second"
    assert reloading.is_in_place(prepared("third", "deeper"))


def test_of_many_problems_so_many_are_told_as_a_message_holds():
    problems = tuple(Problem("policy.yaml", line, 1, "x" * 6_000) for line in range(20))
    told = Told(NOTHING_SET, in_force=InForce("b", refused=NotLoaded((RefusalCode.PROBLEMS,), 20, problems)))
    assert 1_000 < len(written(told)) <= LONGEST_MESSAGE
    assert b'"count":20' in written(told)
