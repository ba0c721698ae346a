"""How far a process looks for circles: what was walked is left alone while somebody is served, and not for ever."""

import asyncio
import gc
import weakref

import pytest

from gateway.runtime import circles
from gateway.runtime.circles import LOOK_S, WALK_S, Circles


class Node:
    """Something that holds itself, so that only a search frees it."""

    def __init__(self):
        self.itself = self


class Subject:
    """A search in this process, and whether somebody is served."""

    def __init__(self):
        self.is_quiet = False
        self.circles = Circles(lambda: self.is_quiet)
        self.circles.begin()
        self.began = asyncio.get_running_loop().time()

    def look(self, after_s):
        self.circles.look(self.began + after_s)


@pytest.fixture
async def subject():
    before = gc.get_threshold(), list(gc.callbacks)
    subject = Subject()
    yield subject
    subject.circles.end()
    gc.unfreeze()
    assert (gc.get_threshold(), list(gc.callbacks)) == before


def left_alone():
    """A circle that was walked while it was held, and is held by nobody now."""
    node = Node()
    gc.collect()
    return weakref.ref(node)


async def test_a_search_walks_only_what_came_after_the_last_one(subject):
    held = [[] for _ in range(1000)]
    gc.collect()
    assert not any(one is held for one in gc.get_objects())
    assert len(gc.get_objects()) < 1000


async def test_a_circle_that_came_after_the_last_search_is_freed_by_the_next(subject):
    node = weakref.ref(Node())
    assert node() is not None
    gc.collect()
    assert node() is None


async def test_what_was_left_alone_is_freed_with_its_last_holder_like_everything_else(subject):
    class Plain:
        pass

    held = Plain()
    gc.collect()
    plain = weakref.ref(held)
    del held
    assert plain() is None


@pytest.mark.parametrize(
    ("is_quiet", "after_s", "is_freed"),
    [(False, 2 * WALK_S, False), (True, 0.5 * WALK_S, False), (True, 2 * WALK_S, True)],
)
async def test_a_circle_that_was_left_alone_is_freed_once_nobody_is_served(subject, is_quiet, after_s, is_freed):
    node = left_alone()
    gc.collect()
    assert node() is not None
    subject.is_quiet = is_quiet
    subject.look(after_s)
    assert (node() is None) is is_freed


async def test_where_somebody_is_always_served_it_is_freed_when_too_much_was_left_alone(subject, monkeypatch):
    node = left_alone()
    subject.look(2 * WALK_S)
    assert node() is not None
    monkeypatch.setattr(circles, "OVERGROWN", 0.5)
    subject.look(3 * WALK_S)
    assert node() is not None, "nothing was left alone since it was counted"
    gc.collect()
    subject.look(4 * WALK_S)
    assert node() is None


async def test_nothing_is_walked_where_nothing_was_left_alone_since(subject, monkeypatch):
    walked = []
    monkeypatch.setattr(gc, "unfreeze", lambda: walked.append(True))
    subject.is_quiet = True
    subject.look(2 * WALK_S)
    assert not walked


async def test_it_looks_again_and_again_until_it_is_ended(monkeypatch):
    loop, calls = asyncio.get_running_loop(), []
    monkeypatch.setattr(loop, "call_later", lambda delay_s, *call: calls.append((delay_s, call)) or loop.call_soon(int))
    subject = Subject()
    assert [delay_s for delay_s, _ in calls] == [LOOK_S]
    again, *arguments = calls[0][1]
    again(*arguments)
    assert [delay_s for delay_s, _ in calls] == [LOOK_S, LOOK_S]
    subject.circles.end()
    gc.unfreeze()
