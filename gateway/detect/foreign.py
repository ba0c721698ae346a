"""Recognizers that are code of a customer's: called from a thread of their own, believed only what can be true.

What raises, does not answer in time or answers nonsense raises one of three exceptions here, by whose names the scanner
accounts for it: nothing is covered, and the request stays home (threats.md I2). A call cannot be stopped, so while one
hangs no other is made.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from queue import Empty, SimpleQueue
from typing import Final, Protocol

from gateway.core.findings import Finding, Tier
from gateway.telemetry import EventLog

CALL_S: Final = 0.1
"""How long a call for one piece of text may take."""
FIRST_CALL_S: Final = 10.0
MOST_FINDINGS: Final = 2_000

# What makes a recognizer load whatever it loads late.
_SAMPLE: Final = (
    "你好, Joe Doe <joe@example.com>, +1 212 555 0123, 13800138000, 4111 1111 1111 1111, https://example.com/"
)

log = EventLog(__name__)


class Finder(Protocol):
    """What a customer's code offers, as `ports.Recognizer`. Nothing of what it returns is taken on trust."""

    def find(self, text: str, path: str) -> Sequence[Finding]: ...


class RecognizerRaised(Exception):
    """A customer's recognizer raised."""


class RecognizerHung(Exception):
    """A customer's recognizer did not answer in time, or has not yet answered an earlier call."""


class RecognizerNonsense(Exception):
    """A customer's recognizer returned what cannot be."""


_Answer = SimpleQueue[tuple[bool, object]]
_Call = tuple[str, str, _Answer]


class ForeignRecognizer:
    """Behind `ports.Recognizer`. `identity` is what the scanner's digest knows the code by."""

    def __init__(
        self, finder: Finder, *, name: str, entities: frozenset[str], identity: str, call_s: float = CALL_S
    ) -> None:
        self._finder = finder
        self._call_s = call_s
        self._calls: SimpleQueue[_Call] | None = None
        self._lock = threading.Lock()
        self._unanswered: _Answer | None = None
        self._is_failing = False
        self.name = name
        self.entities = entities
        self.tier = Tier.STRUCTURED
        self.patterns: tuple[str, ...] = ()
        self.identity = identity

    def find(self, text: str, path: str) -> Sequence[Finding]:
        """What the code finds; raises if it does not find it properly."""
        return self._tried(lambda: self._found(text, path, self._call_s))

    def try_once(self) -> None:
        """Call the code as it will be called, with more time: whatever it loads, it loads now."""
        for text in ("", _SAMPLE):
            self._found(text, "", FIRST_CALL_S)

    def _tried(self, call: Callable[[], Sequence[Finding]]) -> Sequence[Finding]:
        try:
            found = call()
        except (RecognizerRaised, RecognizerHung, RecognizerNonsense) as failure:
            if not self._is_failing:  # not for every request
                log.error("recognizer_failed", reason=self.name, error=type(failure).__name__)
            self._is_failing = True
            raise
        self._is_failing = False
        return found

    def _found(self, text: str, path: str, within_s: float) -> Sequence[Finding]:
        if not self._lock.acquire(timeout=within_s):
            raise RecognizerHung
        try:
            is_good, answer = self._called(text, path, within_s)
        finally:
            self._lock.release()
        if not is_good:
            raise RecognizerRaised
        return _believed(answer, text, path, self.name, self.entities)

    def _called(self, text: str, path: str, within_s: float) -> tuple[bool, object]:
        if self._unanswered is not None:
            try:
                self._unanswered.get_nowait()
            except Empty:
                raise RecognizerHung from None
            self._unanswered = None
        if self._calls is None:
            self._calls = SimpleQueue()
            # Dies with the process: one that hangs must not keep it from ending.
            threading.Thread(target=_serve, args=(self._finder, self._calls), name="recognizer", daemon=True).start()
        answer: _Answer = SimpleQueue()
        self._calls.put((text, path, answer))
        try:
            return answer.get(timeout=within_s)
        except Empty:
            self._unanswered = answer
            raise RecognizerHung from None


def _serve(finder: Finder, calls: SimpleQueue[_Call]) -> None:
    while True:
        text, path, answer = calls.get()
        try:
            found: object = finder.find(text, path)
            # A generator runs here, where it can be waited for; one without an end is cut.
            answer.put((True, _first(found)))
        except BaseException:  # noqa: BLE001 -- also SystemExit: whatever it is, nothing was found
            answer.put((False, None))


def _first(found: object) -> object:
    if not isinstance(found, Iterable):
        return None
    listed: list[object] = []
    for one in found:
        listed.append(one)
        if len(listed) > MOST_FINDINGS:
            break
    return listed


def _believed(answer: object, text: str, path: str, name: str, entities: frozenset[str]) -> tuple[Finding, ...]:
    if not isinstance(answer, list) or len(answer) > MOST_FINDINGS:
        raise RecognizerNonsense
    return tuple(_finding(one, text, path, name, entities) for one in answer)


def _finding(one: object, text: str, path: str, name: str, entities: frozenset[str]) -> Finding:
    """What can be true of a finding is taken over; its detector and path are ours to say."""
    if type(one) is not Finding:
        raise RecognizerNonsense
    is_place = type(one.start) is int and type(one.end) is int and 0 <= one.start < one.end <= len(text)
    # NaN compares false.
    is_score = type(one.score) in (int, float) and 0.0 < one.score <= 1.0
    if not is_place or not is_score or type(one.entity) is not str or one.entity not in entities:
        raise RecognizerNonsense
    return Finding(one.entity, float(one.score), path, one.start, one.end, name)
