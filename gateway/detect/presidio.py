"""Presidio's recognizers behind our port. The only file that imports presidio_analyzer, and only when it is asked to.

Of those that ship with Presidio only the ones that work on patterns here are taken: some others send texts to a service
or fetch a model, and only the forwarder dials (threats.md I10).
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from typing import Final, Protocol, cast

from gateway.config.recognizers_file import Predefined
from gateway.core.findings import Finding
from gateway.detect.declared import AFTER, BEFORE, LEAST_IN_CONTEXT, SURER
from gateway.detect.foreign import ForeignRecognizer

INSTALL: Final = "Run `pip install 'tidegate[presidio]'`."


class Unusable(Exception):
    """Why a recognizer cannot be used: a sentence, and what to do."""

    def __init__(self, message: str, mend: str = "") -> None:
        self.message = message
        self.mend = mend
        super().__init__(message)


class _Result(Protocol):
    entity_type: str
    score: float
    start: int
    end: int


class _Analyzer(Protocol):
    """What of Presidio's EntityRecognizer is used."""

    name: str
    context: Sequence[str] | None
    supported_entities: Sequence[str]

    def analyze(self, text: str, entities: list[str], nlp_artifacts: None) -> Iterable[_Result] | None: ...


class _Wrapped:
    """One EntityRecognizer. `min_score` leaves out what it is less sure of."""

    def __init__(self, recognizer: _Analyzer, context: Sequence[str], min_score: float) -> None:
        self._recognizer = recognizer
        self._entities = list(recognizer.supported_entities)
        self._context = [word.casefold() for word in (*context, *(recognizer.context or ())) if word]
        self._min_score = min_score

    def find(self, text: str, path: str) -> Sequence[Finding]:
        """What the recognizer finds. Without an engine of Presidio's there is no language model to help it."""
        found = self._recognizer.analyze(text, self._entities, None) or ()
        scored = [(one, self._score(one, text)) for one in found]
        return [
            Finding(one.entity_type, score, path, one.start, one.end, "")
            for one, score in scored
            if not score < self._min_score  # and so NaN is reported, and refused as nonsense
        ]

    def _score(self, one: _Result, text: str) -> float:
        if self._context:
            around = (text[max(0, one.start - BEFORE) : one.start] + "\n" + text[one.end : one.end + AFTER]).casefold()
            if any(word in around for word in self._context):
                return min(1.0, max(one.score + SURER, LEAST_IN_CONTEXT))
        return one.score


def predefined(wanted: Predefined) -> ForeignRecognizer:
    """One of Presidio's own; raises Unusable."""
    _check_presence()
    from presidio_analyzer import EntityRecognizer, PatternRecognizer, predefined_recognizers

    made: object = getattr(predefined_recognizers, wanted.name, None)
    if not isinstance(made, type) or not issubclass(made, EntityRecognizer):
        raise Unusable("Presidio has no recognizer of this name.", "Its documentation lists them.")
    if not issubclass(made, PatternRecognizer | predefined_recognizers.PhoneRecognizer):
        raise Unusable("This recognizer needs a service or a model, which the gateway does not call.")
    identity = f"presidio {version('presidio-analyzer')} {wanted.name} {wanted.min_score} {wanted.context!r}"
    return _wrapped(cast(Callable[[], _Analyzer], made)(), wanted.name, identity, wanted.context, wanted.min_score)


def wrapped(recognizer: object, identity: str) -> ForeignRecognizer:
    """A customer's own EntityRecognizer; raises Unusable."""
    _check_presence()
    from presidio_analyzer import EntityRecognizer, RemoteRecognizer

    if not isinstance(recognizer, EntityRecognizer):
        raise Unusable("This is neither a recognizer nor one of Presidio's.", "Return objects with `name` and `find`.")
    if isinstance(recognizer, RemoteRecognizer):
        raise Unusable("This recognizer sends texts to a service, and only the gateway's forwarder may.")
    analyzer = cast(_Analyzer, recognizer)
    return _wrapped(analyzer, str(analyzer.name), identity, (), 0.0)


def _wrapped(
    recognizer: _Analyzer, name: str, identity: str, context: Sequence[str], min_score: float
) -> ForeignRecognizer:
    entities = frozenset(map(str, recognizer.supported_entities))
    return ForeignRecognizer(_Wrapped(recognizer, context, min_score), name=name, entities=entities, identity=identity)


def _check_presence() -> None:
    """Raise Unusable without Presidio; keep it from the network with it."""
    try:
        import presidio_analyzer  # noqa: F401 -- two seconds and 119 MB, only where it is configured
    except ImportError:
        raise Unusable("This needs the package `presidio-analyzer`, which is not installed.", INSTALL) from None
    from tldextract import TLDExtract, tldextract

    # The first e-mail address that Presidio validates would fetch a list of domains; the one in the package will do.
    # Only once: the list takes a while to read.
    logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)  # it tells what it does for every recognizer
    if tldextract.TLD_EXTRACTOR.suffix_list_urls:
        tldextract.TLD_EXTRACTOR = TLDExtract(suffix_list_urls=(), cache_dir=None)
