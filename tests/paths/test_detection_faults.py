"""Every way in which looking for sensitive text can fail: answered at home under the highest label, refused for cloud.

A whole gateway whose harmless requests go to the cloud first, so that one which stays home was made to. Each fault is
put where it would arise: in a customer's code, a recognizer of ours, the prefilter, the clock, the memo, the threads,
the look at the door, the request itself. The rule is threats.md's I2; the tiers with a model have tests of their own.
"""

import base64
import contextlib
import hashlib
import itertools
import json
import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from gateway.core.findings import Coverage, Evidence, Finding, Tier
from gateway.detect import prefilter
from gateway.detect.foreign import MOST_FINDINGS, ForeignRecognizer
from gateway.detect.memo import TenantMemo
from gateway.detect.prefilter import Entry, build_prefilter
from gateway.detect.scanner import RequestScanner, catalogue
from tests.fakes import house as houses
from tests.fakes.house import POLICY, house
from tests.fakes.model_server import ModelServer

CLOUD_FIRST = POLICY.replace("when: {}, to: [home, home-b], spill: [burst]", "when: {}, to: [burst, home, home-b]")
# Once on the loop, as small requests are scanned, and once in a thread, as large ones and all with a customer's code.
PLACES = {"on the loop": "", "in a thread": "limits: {scan_inline: 0}\n"}
HARMLESS = "Please summarise the minutes of meeting {}."
FOUND = Finding("ACME", 0.9, "", 0, 1, "acme")


def raising(failure: BaseException) -> Callable[[str], object]:
    def find(text):
        raise failure

    return find


def failing_halfway(text):
    yield FOUND
    raise RuntimeError(text)


def returning(answer: object) -> Callable[[str], object]:
    return lambda text: answer


class Liar(Finding):
    """A finding that says something else each time it is asked."""

    @property
    def end(self):
        raise RuntimeError


def one(entity="ACME", score=0.9, path="", start=0, end=1, detector="acme"):
    return returning([Finding(entity, score, path, start, end, detector)])


CUSTOMERS = {
    "raises an error": raising(RuntimeError("text")),
    "raises MemoryError": raising(MemoryError()),
    "raises RecursionError": raising(RecursionError()),
    "raises StopIteration": raising(StopIteration()),
    "exits": raising(SystemExit(0)),
    "is interrupted": raising(KeyboardInterrupt()),
    "fails halfway": failing_halfway,
    "returns None": returning(None),
    "returns a number": returning(7),
    "returns text": returning("ACME"),
    "returns a mapping": returning({"entity": "ACME"}),
    "returns tuples": returning([("ACME", 0.9, 0, 1)]),
    "returns a lie": returning([Liar("ACME", 0.9, "", 0, 1, "acme")]),
    "finds before the text": one(start=-1),
    "finds behind the text": one(end=10_000),
    "finds nothing at a place": one(start=1, end=1),
    "finds backwards": one(start=2, end=1),
    "finds at half a character": one(start=0.5),
    "finds at True": one(end=True),
    "finds at text": one(start="0"),
    "scores NaN": one(score=float("nan")),
    "scores infinity": one(score=float("inf")),
    "scores below nothing": one(score=-0.5),
    "scores nothing": one(score=0.0),
    "scores above one": one(score=1.01),
    "scores in words": one(score="high"),
    "scores None": one(score=None),
    "finds an entity that it never named": one(entity="PERSON"),
    "finds an entity that is no text": one(entity=None),
    "finds a list": one(entity=["ACME"]),
    "finds a million": returning([FOUND] * 1_000_000),
    "finds one too many": returning([FOUND] * (MOST_FINDINGS + 1)),
    "finds without end": lambda text: itertools.repeat(FOUND),
}


class Switch:
    """What every part that can fail is asked before it works."""

    def __init__(self) -> None:
        self.freed = threading.Event()
        self.off()

    def hang(self, text: str) -> object:
        self.freed.clear()
        self.freed.wait(30)
        return []

    def off(self) -> None:
        self.freed.set()
        self.customer: Callable[[str], object] = returning([])
        self.ours: Callable[[str], object] = returning([])
        self.prefilter: BaseException | None = None
        self.leap_s = 0.0


@dataclass(frozen=True)
class Ours:
    """A recognizer of this build that fails. It has no pattern, so that it runs on every text."""

    switch: Switch
    name: str = "ours"
    entities: frozenset[str] = frozenset(("URL",))
    tier: Tier = Tier.STRUCTURED
    patterns: tuple[str, ...] = ()

    def find(self, text, path):
        return self.switch.ours(text)


class Customers:
    def __init__(self, switch: Switch) -> None:
        self.switch = switch

    def find(self, text, path):
        return self.switch.customer(text)


class Clock:
    """Stands still, so that a busy machine changes nothing, and leaps with every look if it is told to."""

    def __init__(self, switch: Switch) -> None:
        self.switch = switch
        self.now = 0.0

    def __call__(self) -> float:
        self.now += self.switch.leap_s
        return self.now


@pytest.fixture(scope="module")
def switched():
    switch = Switch()
    foreign = ForeignRecognizer(Customers(switch), name="acme", entities=frozenset(("ACME",)), identity="")
    every = (*catalogue(("机密", "do not distribute")), Ours(switch), foreign)
    built = []

    class Wrapped:
        def __init__(self, entries: list[Entry], always: frozenset[int]) -> None:
            self.real = build_prefilter(entries, always)
            self.groups = self.real.groups

        def seen(self, texts):
            if switch.prefilter is not None:
                raise switch.prefilter
            return self.real.seen(texts)

    def build(entries, always):
        built.append((entries, always))
        return Wrapped(entries, always)

    return RequestScanner(every, clock=Clock(switch), build=build), switch


@contextlib.asynccontextmanager
async def gateway(tmp_path, monkeypatch, scanner, place="on the loop"):
    """A gateway with this scanner. What it yields tries one text and says where it went."""
    monkeypatch.setattr(houses, "scanner_for", lambda markers: scanner)
    async with ModelServer() as home, ModelServer() as burst:
        pools = {"home": home, "burst": burst}
        numbers = itertools.count()
        async with house(tmp_path, pools, policy=CLOUD_FIRST, gateway=PLACES[place]) as running:

            async def went(text=None, **more):
                """Where a request goes that may go anywhere, under which label; what one for the cloud is told; and how
                many requests the cloud saw. Its text is one that nobody has seen, since what was seen to its end is
                remembered.
                """
                before = len(burst.requests)
                told = []
                for model in ("chat", "chat-cloud"):
                    asked = text or HARMLESS.format("".join(chr(97 + int(digit)) for digit in str(next(numbers))))
                    response = await running.chat(asked, model=model, **more)
                    headers = response.headers
                    told.append(
                        f"{response.status_code} {headers.get('x-tidegate-pool')} {headers.get('x-tidegate-label')}"
                    )
                return told[0], told[1][:3], len(burst.requests) - before

            went.worker = running.worker
            yield went


OUT = ("200 burst internal", "200", 2)
HELD = ("200 home restricted", "403", 0)
CONFIDENTIAL = ("200 home confidential", "403", 0)


async def mended(went, fault):
    """The next request is served as if nothing had been. What hung may owe its answer for a moment."""
    while (after := await went()) != OUT:
        assert fault == "hangs", after


async def held(went, faults, switch, inject, capsys, what):
    """Inject each fault, and see that it ends at home."""
    assert await went() == OUT
    ended = {}
    for name, fault in faults.items():
        inject(fault)
        ended[name] = await went()
        switch.off()
        await mended(went, name)
    with capsys.disabled():
        print(f"\n{what}: {sum(end == HELD for end in ended.values())} of {len(ended)} injected faults ended at home")
    assert ended == dict.fromkeys(faults, HELD)


@pytest.mark.parametrize("place", PLACES)
async def test_whatever_a_customers_code_does_wrong_the_request_stays_home(
    tmp_path, monkeypatch, capsys, switched, place
):
    scanner, switch = switched

    def inject(fault):
        switch.customer = fault

    async with gateway(tmp_path, monkeypatch, scanner, place) as went:
        await held(went, CUSTOMERS | {"hangs": switch.hang}, switch, inject, capsys, f"a customer's code, {place}")


OURS = {
    "raises an error": raising(RuntimeError("text")),
    "raises MemoryError": raising(MemoryError()),
    "raises RecursionError": raising(RecursionError()),
    "raises UnicodeError": raising(UnicodeEncodeError("utf-8", "x", 0, 1, "x")),
    "raises an error of regex": raising(TimeoutError("regex timed out")),
    "returns None": returning(None),
    "returns a number": returning(7),
    "returns tuples": returning([("URL", 0.9, 0, 1)]),
    "finds at text": one(start="0"),
    "finds without end": lambda text: itertools.repeat(Finding("URL", 0.9, "", 1, 2, "ours"), 100_000),
}


@pytest.mark.parametrize("place", PLACES)
async def test_whatever_a_recognizer_of_ours_does_wrong_the_request_stays_home(
    tmp_path, monkeypatch, capsys, switched, place
):
    scanner, switch = switched

    def inject(fault):
        switch.ours = fault

    async with gateway(tmp_path, monkeypatch, scanner, place) as went:
        await held(went, OURS, switch, inject, capsys, f"a recognizer of ours, {place}")


@pytest.mark.parametrize("place", PLACES)
async def test_a_prefilter_that_fails_keeps_requests_home(tmp_path, monkeypatch, capsys, switched, place):
    scanner, switch = switched
    failures: dict[str, BaseException] = {"raises": RuntimeError(), "has no memory": MemoryError()}
    if prefilter.HAS_HYPERSCAN:
        failures["is in use"] = prefilter.hyperscan.ScratchInUseError()
        failures["is not valid"] = prefilter.hyperscan.InvalidError()

    def inject(fault):
        switch.prefilter = fault

    async with gateway(tmp_path, monkeypatch, scanner, place) as went:
        await held(went, failures, switch, inject, capsys, f"the prefilter, {place}")


@pytest.mark.parametrize("place", PLACES)
async def test_a_spent_deadline_keeps_requests_home(tmp_path, monkeypatch, capsys, switched, place):
    scanner, switch = switched

    def inject(fault):
        switch.leap_s = fault

    leaps = {"a leap of a second": 1.0, "a leap of a year": 3e7}
    async with gateway(tmp_path, monkeypatch, scanner, place) as went:
        await held(went, leaps, switch, inject, capsys, f"the clock, {place}")


@pytest.mark.parametrize("place", PLACES)
async def test_a_memo_that_fails_keeps_requests_home(tmp_path, monkeypatch, switched, place):
    scanner, _ = switched
    text = "Write to bob@corp.internal, please."  # a memo is asked only where something triggers
    async with gateway(tmp_path, monkeypatch, scanner, place) as went:
        assert await went(text) == CONFIDENTIAL
        for failure in (RuntimeError(), MemoryError(), TypeError()):
            with monkeypatch.context() as patched:
                patched.setattr(TenantMemo, "key_of", lambda memo, text, failure=failure: raising(failure)(text))
                assert await went(text) == HELD


async def test_without_hyperscan_everything_runs_and_nothing_changes(tmp_path, monkeypatch):
    monkeypatch.setattr(prefilter, "HAS_HYPERSCAN", False)
    scanner = RequestScanner(catalogue(()), clock=lambda: 0.0, build=build_prefilter)
    async with gateway(tmp_path, monkeypatch, scanner) as went:
        assert await went() == OUT
        assert await went("My SSN is 536-22-8723") == HELD
        assert await went("Write to bob@corp.internal") == CONFIDENTIAL


class Refusing(Executor):
    """A pool of threads that is gone."""

    def submit(self, fn, /, *args, **kwargs):
        raise RuntimeError("cannot schedule new futures after shutdown")


class Dying(Executor):
    """A pool of threads of which the one that works dies of `failure`."""

    def __init__(self, failure):
        self.failure = failure

    def submit(self, fn, /, *args, **kwargs):
        future = Future()
        future.set_exception(self.failure)
        return future


@pytest.mark.parametrize(
    "executor",
    [Refusing(), Dying(RuntimeError("text")), Dying(MemoryError()), Dying(OSError(12, "text"))],
    ids=["gone", "an error", "no memory", "no thread"],
)
async def test_threads_that_cannot_scan_keep_requests_home(tmp_path, monkeypatch, switched, executor):
    scanner, _ = switched
    async with gateway(tmp_path, monkeypatch, scanner, "in a thread") as went:
        assert await went() == OUT
        classifier = went.worker._pipeline.generation.classifier
        with monkeypatch.context() as patched:
            patched.setattr(classifier, "_executor", executor)
            assert await went() == HELD
        assert await went() == OUT


async def test_a_stuck_thread_keeps_home_what_waits_for_it_and_what_comes_behind(tmp_path, monkeypatch, switched):
    scanner, _ = switched
    freed = threading.Event()

    class Stuck:
        digest = scanner.digest

        def scan(self, *args):
            freed.wait(30)
            return Evidence((), Coverage(frozenset(Tier)))

    async with gateway(tmp_path, monkeypatch, scanner, "in a thread") as went:
        assert await went() == OUT
        classifier = went.worker._pipeline.generation.classifier
        with ThreadPoolExecutor(1) as single, monkeypatch.context() as patched:
            patched.setattr(classifier, "_executor", single)
            patched.setattr(classifier, "_scanner", Stuck())
            patched.setattr(classifier, "_deadline_s", 0.05)
            assert await went() == HELD  # the first is in the thread, the second behind it
            assert await went() == HELD
            freed.set()


@pytest.mark.parametrize("failure", [RuntimeError("text"), MemoryError(), None], ids=["raises", "no memory", "nothing"])
@pytest.mark.parametrize("place", PLACES)
async def test_a_scanner_that_breaks_its_promise_keeps_requests_home(tmp_path, monkeypatch, switched, place, failure):
    scanner, _ = switched

    class Broken:
        digest = scanner.digest

        def scan(self, *args):
            if failure is None:
                return Evidence((), Coverage(frozenset()))
            raise failure

    async with gateway(tmp_path, monkeypatch, scanner, place) as went:
        monkeypatch.setattr(went.worker._pipeline.generation.classifier, "_scanner", Broken())
        assert await went() == HELD


ELSEWHERE = ("200 home internal", "503", 0)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("fault", ["raises an error", "hangs", "scores NaN", "fails halfway"])
async def test_a_fault_at_the_door_alone_keeps_the_bytes_in(tmp_path, monkeypatch, switched, place, fault):
    """The first look is sound and lets the request out; the second, at the very bytes, fails."""
    scanner, switch = switched
    async with gateway(tmp_path, monkeypatch, scanner, place) as went:
        # A text that was seen to its end before is not looked at again but at the door.
        assert await went("Write to the team.") == OUT
        switch.customer = switch.hang if fault == "hangs" else CUSTOMERS[fault]
        try:
            assert await went("Write to the team.") == ELSEWHERE
        finally:
            switch.off()
        await mended(went, fault)


async def test_what_only_the_look_at_the_door_finds_is_decided_again_and_stays_home(tmp_path, monkeypatch, switched):
    scanner, switch = switched
    async with gateway(tmp_path, monkeypatch, scanner) as went:
        assert await went("Write to the team.") == OUT
        switch.customer = one(end=2)
        try:
            assert await went("Write to the team.") == HELD
        finally:
            switch.off()


def nested(depth):
    document: object = "x"
    for _ in range(depth):
        document = [document]
    return document


BOUNDS = {
    "500 levels of arguments": {
        "messages": [{"role": "assistant", "function_call": {"name": "f", "arguments": json.dumps({"a": nested(500)})}}]
    },
    "100,000 leaves": {"stop": ["x"] * 100_000},
    "too large to scan": {"messages": [{"role": "user", "content": "harmless " * 32_000}]},
    "a part that nobody knows": {"messages": [{"role": "user", "content": [{"type": "smell", "smell": "x"}]}]},
    "a field that nobody knows": {"odour": "x"},
    "a blob that nobody can read": {"user": base64.b64encode(hashlib.sha512(b"x").digest() * 3).decode()},
}


@pytest.mark.parametrize("bound", BOUNDS)
async def test_what_is_not_looked_at_stays_home(tmp_path, monkeypatch, switched, bound):
    scanner, _ = switched
    async with gateway(tmp_path, monkeypatch, scanner) as went:
        assert await went(**BOUNDS[bound]) == HELD


async def test_what_is_nested_beyond_reason_is_no_request(tmp_path, monkeypatch, switched):
    scanner, _ = switched
    async with gateway(tmp_path, monkeypatch, scanner) as went:
        assert await went(metadata={"a": nested(500)}) == ("400 None None", "400", 0)
