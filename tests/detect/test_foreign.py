"""Whatever a customer's code does, a request that it did not look at properly counts as not scanned at all."""

import json
import logging
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from gateway.core.findings import Finding
from gateway.detect.foreign import (
    MOST_FINDINGS,
    ForeignRecognizer,
    RecognizerHung,
    RecognizerNonsense,
    RecognizerRaised,
)
from gateway.detect.prefilter import Everything
from gateway.detect.scanner import RequestScanner, scanner_digest
from gateway.telemetry import log_to

TEXT = "Badge AC-123456"
GOOD = Finding("ACME_BADGE", 0.5, "", 6, 15, "theirs")


class Code:
    """A customer's recognizer that does what a test wants."""

    def __init__(self, does: Callable[[str], object]) -> None:
        self.does = does

    def find(self, text: str, path: str) -> Sequence[Finding]:
        return self.does(text)  # type: ignore[return-value]


def recognizer(does: Callable[[str], object], **more: object) -> ForeignRecognizer:
    entities = frozenset({"ACME_BADGE"})
    return ForeignRecognizer(Code(does), name="acme", entities=entities, identity="acme 1", **more)


def raising(error: BaseException) -> Callable[[str], object]:
    def does(text: str) -> object:
        raise error

    return does


def endless(text: str) -> Iterator[Finding]:
    while True:
        yield GOOD


def raising_late(text: str) -> Iterator[Finding]:
    yield GOOD
    raise ValueError(text)


class Pretender(Finding):
    """Not quite a finding."""


def test_what_can_be_true_is_taken_over_under_our_name_for_it() -> None:
    found = recognizer(lambda text: (GOOD, Finding("ACME_BADGE", 1, "x", 0, 5, "", ("made up",)))).find(TEXT, "p")
    assert found == (Finding("ACME_BADGE", 0.5, "p", 6, 15, "acme"), Finding("ACME_BADGE", 1.0, "p", 0, 5, "acme"))
    assert recognizer(lambda text: []).find(TEXT, "p") == ()
    assert recognizer(lambda text: iter((GOOD,))).find(TEXT, "") == (Finding("ACME_BADGE", 0.5, "", 6, 15, "acme"),)


def changed(**more: object) -> Finding:
    fields = {"entity": "ACME_BADGE", "score": 0.5, "path": "", "start": 6, "end": 15, "detector": "d"}
    return Finding(**{**fields, **more})


NONSENSE = {
    "nothing": None,
    "a number": 5,
    "a text": "AC-123456",
    "a text in a list": ["AC-123456"],
    "none in a list": [None],
    "a dictionary": [{"entity": "ACME_BADGE", "start": 6, "end": 15, "score": 0.5}],
    "a subclass": [Pretender("ACME_BADGE", 0.5, "", 6, 15, "d")],
    "one bad among good": [GOOD, None],
    "an entity of nobody's": [changed(entity="OTHER")],
    "an entity of ours that was not announced": [changed(entity="EMAIL")],
    "an entity that is no text": [changed(entity=["ACME_BADGE"])],
    "not a number": [changed(score=float("nan"))],
    "infinity": [changed(score=float("inf"))],
    "no score": [changed(score=0)],
    "less than no score": [changed(score=-0.1)],
    "more than sure": [changed(score=1.1)],
    "a score that is text": [changed(score="1")],
    "a score that is true": [changed(score=True)],
    "a start before the text": [changed(start=-1)],
    "an end behind the text": [changed(end=len(TEXT) + 1)],
    "an end before the start": [changed(start=9, end=8)],
    "nothing at all": [changed(start=9, end=9)],
    "a start that is none": [changed(start=None)],
    "a start that is a fraction": [changed(start=6.0)],
    "far too much": [GOOD] * (MOST_FINDINGS + 1),
}
FAULTS = [
    *(
        (raising(error), RecognizerRaised)
        for error in (ValueError(TEXT), SystemExit(1), KeyboardInterrupt(), MemoryError())
    ),
    (lambda text: [][1], RecognizerRaised),
    (raising_late, RecognizerRaised),
    (endless, RecognizerNonsense),
    *(((lambda text, answer=answer: answer), RecognizerNonsense) for answer in NONSENSE.values()),
]


@pytest.mark.parametrize(("does", "failure"), FAULTS)
def test_a_request_is_not_covered_if_the_code_fails(does, failure) -> None:
    """The row of the fail-closed matrix: nothing is covered, so that the request stays home."""
    broken = recognizer(does)
    with pytest.raises(failure):
        broken.find(TEXT, "")
    evidence = scanner_with(broken).scan("chat", chat(TEXT))
    assert evidence.findings == ()
    assert evidence.coverage.tiers == frozenset()
    assert evidence.coverage.failure == failure.__name__
    assert TEXT not in repr(evidence)


def chat(text: str) -> object:
    return {"model": "m", "messages": [{"role": "user", "content": text}]}


def scanner_with(*recognizers: ForeignRecognizer) -> RequestScanner:
    def build(entries: object, always: frozenset[int]) -> Everything:
        return Everything(always)

    return RequestScanner(recognizers, clock=lambda: 0.0, build=build)


def test_code_that_hangs_is_waited_for_once_and_asked_again_when_it_has_come_back() -> None:
    held, asked = threading.Event(), []

    def hanging(text: str) -> object:
        asked.append(text)
        held.wait()
        return [GOOD] if text == TEXT else []

    slow = recognizer(hanging, call_s=0.02)
    scanner = scanner_with(slow)
    try:
        for _ in range(3):
            evidence = scanner.scan("chat", chat(TEXT))
            assert (evidence.coverage.failure, evidence.coverage.tiers) == ("RecognizerHung", frozenset())
        assert asked == [asked[0]]
        assert slow._calls is not None
        assert slow._calls.empty()  # nothing waits to be done once it comes back
    finally:
        held.set()
    answered = False
    while not answered:  # its thread has been let go, and answers in its own time
        try:
            answered = slow.find(TEXT, "") == (Finding("ACME_BADGE", 0.5, "", 6, 15, "acme"),)
        except RecognizerHung:
            continue
    assert scanner.scan("chat", chat(TEXT)).coverage.failure is None


def test_who_comes_while_another_waits_does_not_wait_for_ever() -> None:
    held, began = threading.Event(), threading.Event()

    def hanging(text: str) -> object:
        began.set()
        held.wait()
        return []

    slow = recognizer(hanging, call_s=0.02)
    other = threading.Thread(target=lambda: slow._found(TEXT, "", 30.0))
    other.start()
    began.wait()
    try:
        with pytest.raises(RecognizerHung):
            slow.find(TEXT, "")
    finally:
        held.set()
        other.join()


def test_code_is_tried_before_it_is_believed() -> None:
    texts: list[str] = []
    recognizer(lambda text: texts.append(text) or []).try_once()
    assert texts[0] == ""
    assert "@" in texts[1]
    with pytest.raises(RecognizerRaised):
        recognizer(raising(ValueError())).try_once()


def test_a_failure_is_logged_once_by_its_kind_and_never_with_text(capsys) -> None:
    class Out:
        def __init__(self) -> None:
            self.lines: list[str] = []

        def write(self, line: str) -> None:
            self.lines.append(line)

        def flush(self) -> None: ...

    out = Out()
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        log_to(out)  # type: ignore[arg-type]
        broken = recognizer(raising(ValueError(TEXT)))
        for _ in range(3):
            with pytest.raises(RecognizerRaised):
                broken.find(TEXT, "")
        broken._finder.does = lambda text: []  # type: ignore[attr-defined]
        broken.find(TEXT, "")
        broken._finder.does = raising(ValueError(TEXT))  # type: ignore[attr-defined]
        with pytest.raises(RecognizerRaised):
            broken.find(TEXT, "")
    finally:
        logging.getLogger().handlers[:] = handlers
        logging.getLogger().setLevel(level)
    events = [json.loads(line) for line in "".join(out.lines).splitlines()]
    assert [(one["event"], one["reason"], one["error"]) for one in events] == [
        ("recognizer_failed", "acme", "RecognizerRaised")
    ] * 2
    assert TEXT not in "".join(out.lines)


def test_other_code_is_another_scanner() -> None:
    def digest(identity: str, name: str = "acme", entity: str = "ACME_BADGE") -> str:
        code = Code(lambda text: [])
        return scanner_digest(
            (), (ForeignRecognizer(code, name=name, entities=frozenset({entity}), identity=identity),)
        )

    assert digest("acme 1") == digest("acme 1")
    assert len({digest("acme 1"), digest("acme 2"), digest("acme 1", "b"), digest("acme 1", "acme", "B")}) == 4
    assert digest("acme 1") != scanner_digest(())
