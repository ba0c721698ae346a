"""The detectors that are compared: ours, ours with models, and Presidio as it comes, with its patterns only.

All answer with the gateway's own evidence, so that one policy labels them and one scorer counts them.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from gateway.core.entities import ENTITIES
from gateway.core.findings import Coverage, Evidence, Finding, Tier
from gateway.core.labels import Label
from gateway.detect.leaves import Leaf, walk
from gateway.detect.ner import ModelScanner
from gateway.detect.ner_models import InstalledModels, ReadHere
from gateway.detect.scanner import build_scanner
from gateway.policy.compile import load
from gateway.policy.compiled import CompiledPolicy
from gateway.policy.labelling import label

POLICY = Path(__file__).parents[3] / "policies" / "default.yaml"
PRESIDIO_THRESHOLD = (
    0.4  # its own score for a telephone number without context; at 0 half of all harmless texts are hit
)

_ALL_TIERS = frozenset((Tier.STRUCTURED, Tier.NAMES))
_LONGEST = 5_000  # Presidio stalls on long runs of some characters; pieces keep it alive
_OURS_BY_THEIRS = {
    "CREDIT_CARD": "BANK_CARD",
    "CRYPTO": "CRYPTO_WALLET",
    "EMAIL_ADDRESS": "EMAIL",
    "IBAN_CODE": "IBAN",
    "PHONE_NUMBER": "PHONE",
    "US_PASSPORT": "PASSPORT",
    "US_BANK_NUMBER": "BANK_ACCOUNT",
    "US_NPI": "NPI",
    "UK_PASSPORT": "PASSPORT",
    "IN_PASSPORT": "PASSPORT",
    "US_MBI": "MEDICAL_RECORD",
}


class Detector(Protocol):
    """What is compared."""

    name: str

    def evidence(self, dialect: str, request: object, language: str) -> Evidence:
        """What it says about one request."""
        ...


def default_policy() -> CompiledPolicy:
    """The policy that ships, which gives the labels."""
    return load(POLICY.read_bytes(), POLICY.name)


class Ours:
    """The gateway's scanner, with a clock that stands still so that a busy machine changes no result."""

    name = "tidegate"

    def __init__(self, policy: CompiledPolicy) -> None:
        self._scanner = build_scanner(policy.markers, clock=lambda: 0.0)

    def evidence(self, dialect: str, request: object, language: str) -> Evidence:  # noqa: ARG002  # it needs no hint
        """The evidence of the scanner."""
        return self._scanner.scan(dialect, request)


class WithModels:
    """The same, and the tier that reads with models: what a full scan finds that comes to its end."""

    name = "tidegate with models"

    def __init__(self, ours: Ours) -> None:
        self._ours = ours
        # Requests of any length are read here: how much may be new is a setting, and no measure of the models.
        self._full = ModelScanner(ReadHere(InstalledModels()), "", longest=10_000_000)
        self._loop = asyncio.Runner()

    def evidence(self, dialect: str, request: object, language: str) -> Evidence:
        """The evidence of the scanner and the models."""
        found = self._ours.evidence(dialect, request, language)
        return self._loop.run(self._full.complete(dialect, request, found))


class Presidio:
    """Presidio's analyzer over every string of the request: patterns only, recognizers of English and the language.

    It gets our walk over the request, both languages' recognizers, and a threshold that suits it; plain Presidio has
    none of these.
    """

    name = "Presidio, patterns"

    def __init__(self) -> None:
        import tldextract
        from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
        from presidio_analyzer.nlp_engine import NoOpNlpEngine

        # Else the first e-mail address that it validates fetches a list from the network.
        offline = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
        tldextract.extract = offline  # type: ignore[assignment]  # what it calls is all that it needs to be
        tldextract.tldextract.TLD_EXTRACTOR = offline
        engine = NoOpNlpEngine([{"lang_code": "en", "model_name": "none"}, {"lang_code": "zh", "model_name": "none"}])
        engine.load()
        registry = RecognizerRegistry(supported_languages=["en", "zh"])
        registry.load_predefined_recognizers(languages=["en", "zh"])
        registry.remove_recognizer("SpacyRecognizer")  # the one that needs a model
        self._engine = AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=["en", "zh"])

    def evidence(self, dialect: str, request: object, language: str) -> Evidence:
        """The evidence of the analyzer, in our entities' names."""
        walked = walk(dialect, request)
        leaves: Sequence[Leaf] = walked.leaves if walked is not None else ()
        findings = dict.fromkeys(found for leaf in leaves for found in self._found(leaf, language))
        return Evidence(tuple(findings), Coverage(_ALL_TIERS))

    def _found(self, leaf: Leaf, language: str) -> list[Finding]:
        findings = []
        for offset in range(0, len(leaf.text), _LONGEST):
            piece = leaf.text[offset : offset + _LONGEST]
            for spoken in {"en", language}:
                for result in self._engine.analyze(piece, language=spoken, score_threshold=PRESIDIO_THRESHOLD):
                    entity = _OURS_BY_THEIRS.get(result.entity_type, result.entity_type)
                    if entity in ENTITIES and entity not in ("URL", "PERSON", "ORG"):
                        # Above its threshold is above the policy's: the comparison is of finders, not of thresholds.
                        start, end = offset + result.start, offset + result.end
                        findings.append(Finding(entity, max(result.score, 0.5), leaf.path, start, end, "presidio"))
        return findings


def label_of(policy: CompiledPolicy, evidence: Evidence) -> Label:
    """The label of a request with this evidence."""
    return label(policy, evidence)[1]


def label_alone(policy: CompiledPolicy, entity: str) -> Label:
    """The label of a request in which only this entity was found, with certainty."""
    finding = Finding(entity, 1.0, "", 0, 1, "")
    return label_of(policy, Evidence((finding,), Coverage(_ALL_TIERS)))
