"""A store that all share is asked as long as that is worth it, and comes back by itself."""

import asyncio
import socket
import time
from collections.abc import Callable

import pytest

from gateway.core.cached_reply import VERSION, CachedReply
from gateway.ports import CacheStore, Sought, StoreUnavailable
from gateway.runtime.far_answers import FarAnswers, Lateness
from tests.fakes.clock import FakeClock

PROMPT_S = 0.001
REPLY = CachedReply(VERSION, 0.0, 60.0, 2.0, "", None, b"{}")


async def a_while() -> None:
    """Many turns of the loop, which last twenty times as long as a store may take: whatever is due has been run."""
    for _ in range(10):
        await asyncio.sleep(2 * PROMPT_S)


class Store:
    """Says `found`, at once or after a while; what is `sounded` is answered when the test says so."""

    def __init__(self) -> None:
        self.found: bytes | Sought | BaseException = Sought.OURS
        self.is_slow = False
        self.sounded: list[Callable[[bool], None]] = []

    def read_now(self, key: bytes) -> None:
        raise AssertionError(key)

    async def seek(self, key: bytes, token: bytes, lease_s: float, *, anew: bool = False) -> bytes | Sought:
        if self.is_slow:
            await a_while()
        if isinstance(self.found, BaseException):
            raise self.found
        return self.found

    def write(self, key: bytes, value: bytes, *, lives_s: float, owner: str, token: bytes = b"") -> None:
        """Nothing is kept."""

    def leave(self, key: bytes, token: bytes) -> None:
        """Nobody leads."""

    def sound(self, key: bytes, heard: Callable[[bool], None]) -> None:
        self.sounded.append(heard)


class Scene:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = Store()
        kept: CacheStore = self.store
        self.far = FarAnswers(kept, self.clock, lambda: 0.5, prompt_s=PROMPT_S)

    async def seek(self, reads: bool = True) -> tuple[bytes, CachedReply] | Sought | None:
        return await self.far.seek(b"k", b"t", 1.0, anew=False, read=lambda _: REPLY if reads else None)

    async def slowed(self) -> None:
        self.store.is_slow = True
        for _ in range(5):
            await self.seek()


async def test_what_is_found_is_given_sealed_and_read():
    scene = Scene()
    assert await scene.seek() is Sought.OURS
    scene.store.found = b"sealed"
    assert await scene.seek() == (b"sealed", REPLY)
    assert await scene.seek(reads=False) is None


@pytest.mark.parametrize("found", [Sought.OURS, Sought.ANOTHERS, b"noise", StoreUnavailable("slow")])
async def test_a_store_that_is_late_for_nothing_is_left_alone_and_comes_back_beside_the_requests(found):
    scene = Scene()
    scene.store.found, scene.store.is_slow = found, True
    for _ in range(5):
        assert scene.far.is_worth_asking(b"k")
        await scene.seek(reads=False)
    assert not scene.far.is_worth_asking(b"k")
    assert scene.store.sounded == []
    assert await scene.seek() is None
    scene.clock.now += 6.0
    for number in range(3):
        assert not scene.far.is_worth_asking(b"k")
        assert not scene.far.is_worth_asking(b"k")
        assert len(scene.store.sounded) == number + 1
        scene.store.sounded[-1](True)
    assert scene.far.is_worth_asking(b"k")
    assert scene.far.passed["slow"] == 8


@pytest.mark.parametrize("has_answered", [True, False])
async def test_a_probe_that_is_late_changes_nothing(has_answered):
    scene = Scene()
    await scene.slowed()
    scene.clock.now += 6.0
    assert not scene.far.is_worth_asking(b"k")
    await a_while()
    scene.store.sounded[-1](has_answered)
    assert not scene.far.is_worth_asking(b"k")
    assert len(scene.store.sounded) == 1


async def test_one_that_is_down_is_sounded_again():
    scene = Scene()
    await scene.slowed()
    scene.clock.now += 6.0
    for number in range(3):
        assert not scene.far.is_worth_asking(b"k")
        assert len(scene.store.sounded) == number + 1
        scene.store.sounded[-1](False)


async def test_an_answer_that_was_there_while_this_loop_was_busy_is_not_late():
    """Bytes arrive in time, and are read only once the loop comes to it."""
    loop = asyncio.get_running_loop()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        for _ in range(10):
            came = loop.create_future()
            loop.add_reader(ours, lambda came=came: came.set_result(ours.recv(1)))
            lateness = Lateness(PROMPT_S)
            theirs.send(b"x")
            time.sleep(10 * PROMPT_S)  # noqa: ASYNC251 -- the loop is busy
            await came
            assert not lateness.is_late
            lateness.stop()
            loop.remove_reader(ours)


async def test_late_answers_that_help_are_waited_for():
    scene = Scene()
    scene.store.found, scene.store.is_slow = b"sealed", True
    for _ in range(20):
        assert await scene.seek() == (b"sealed", REPLY)
    assert scene.far.is_worth_asking(b"k")


async def test_a_store_that_is_down_and_says_so_at_once_is_not_called_slow():
    scene = Scene()
    scene.store.found = StoreUnavailable("down")
    for _ in range(20):
        assert await scene.seek() is None
    assert scene.far.is_worth_asking(b"k")


async def test_whoever_is_cancelled_while_it_is_asked_is_cancelled():
    scene = Scene()
    scene.store.found = asyncio.CancelledError()
    with pytest.raises(asyncio.CancelledError):
        await scene.seek()
    assert scene.far.is_worth_asking(b"k")


def wait(scene: Scene, for_s: float, *, came_after_s: float | None = None, left: bool = False) -> bool:
    """One request that would wait for another; whether it did."""
    try:
        with scene.far.wait() as one:
            if not one.begins():
                return False
            assert one.begins()
            scene.clock.now += for_s
            if left:
                raise asyncio.CancelledError
            if came_after_s is not None:
                one.came(came_after_s)
    except asyncio.CancelledError:
        pass
    return True


@pytest.mark.parametrize(
    ("first", "waits_again"),
    [
        ({"for_s": 9.0, "came_after_s": 9.0}, True),
        ({"for_s": 9.0, "came_after_s": 1.0}, False),  # it was there long ago: somebody held it back
        ({"for_s": 9.0}, False),
        ({"for_s": 0.05}, False),
        ({"for_s": 0.5, "left": True}, True),
        ({"for_s": 2.0, "left": True}, False),
    ],
)
def test_others_are_waited_for_until_one_wait_was_in_vain(first, waits_again):
    scene = Scene()
    assert wait(scene, **first)
    assert wait(scene, 0.0) is waits_again
    assert scene.far.passed["lead"] == (not waits_again)


def test_after_a_while_one_waits_and_if_its_answer_comes_all_do():
    scene = Scene()
    wait(scene, 9.0)
    assert not wait(scene, 0.0)
    scene.clock.now += 6.0
    assert wait(scene, 1.0, came_after_s=1.0)
    assert wait(scene, 1.0, came_after_s=1.0)


def test_whoever_had_nothing_to_wait_for_says_nothing():
    scene = Scene()
    with scene.far.wait():
        scene.clock.now += 60.0
    assert wait(scene, 0.0)
