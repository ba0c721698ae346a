"""Files are read once whoever writes them has finished, and are an event if they say something new."""

import os

import pytest

from gateway.runtime.bundle_shelf import digest_of
from gateway.runtime.file_watch import SETTLED_AFTER_S, FileWatch

WHOLE = "version: 1\n...\n"


class Desk:
    def __init__(self, folder, **contents):
        self.files = {f"{name}.yaml": folder / f"{name}.yaml" for name in ("policy", "pools")}
        self.now = 0.0
        for name, text in contents.items():
            (folder / f"{name}.yaml").write_text(text)
        self.watch = FileWatch(self.files, self.digest(), digest_of)

    def digest(self):
        return digest_of({name: path.read_bytes() for name, path in self.files.items() if path.exists()})

    def write(self, text, name="policy.yaml"):
        path = self.files[name]
        path.write_text(text)
        # A coarse clock of the file system must not decide a test.
        os.utime(path, ns=(0, int(self.now * 1e9) + len(text)))

    def looks(self, *after_s):
        """Whether each look is an event, so many seconds after the one before."""
        said = []
        for wait_s in after_s:
            self.now += wait_s
            said.append(self.watch.is_event(self.now))
        return said


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path, policy=WHOLE, pools="pools: []\n")
    assert desk.looks(0, SETTLED_AFTER_S, SETTLED_AFTER_S) == [False, False, False]
    return desk


def test_what_is_written_is_an_event_once_and_only_after_a_moment_of_rest(desk):
    desk.write("version: 2\n...\n")
    assert desk.looks(0.1, 0.1) == [False, False]
    desk.write("version: 3\n...\n")
    assert desk.looks(0.1, 0.4, 0.1, 0.1) == [False, False, True, False]


def test_the_same_words_once_more_are_no_event(desk):
    desk.write(WHOLE)
    assert desk.looks(0.1, SETTLED_AFTER_S, SETTLED_AFTER_S) == [False, False, False]


@pytest.mark.parametrize("half", ["version: 2\n", "", "version: 2\n... # not at all\n  more\n"])
def test_a_policy_without_its_end_marker_is_no_event_until_it_has_one(desk, half):
    desk.write(half)
    assert desk.looks(0.1, SETTLED_AFTER_S, 5) == [False, False, False]
    desk.write("version: 2\n...\n\n# the end\n")
    assert desk.looks(0.1, SETTLED_AFTER_S) == [False, True]


def test_a_file_that_is_gone_is_an_event(desk):
    desk.files["pools.yaml"].unlink()
    assert desk.looks(0.1, SETTLED_AFTER_S) == [False, True]


def test_what_somebody_reads_is_known_from_then_on(desk):
    desk.write("version: 2\n...\n")
    desk.watch.take()
    assert desk.looks(0.1, SETTLED_AFTER_S) == [False, False]


def test_what_is_to_be_forgotten_is_an_event_again(desk):
    desk.watch.forget()
    assert desk.looks(0.1, SETTLED_AFTER_S, SETTLED_AFTER_S) == [False, True, False]


def test_other_files_may_be_followed(desk, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text(WHOLE)
    desk.watch.follow({"policy.yaml": other}, digest_of({"policy.yaml": other.read_bytes()}))
    assert desk.looks(0.1, SETTLED_AFTER_S) == [False, False]
    other.write_text("version: 9\n...\n")
    assert desk.looks(0.1, SETTLED_AFTER_S) == [False, True]
