"""A customer's recognizers are refused at start, with their place, if they cannot be run safely."""

import importlib
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path

import pytest

from gateway.config import recognizers_file
from gateway.core import written
from gateway.core.findings import Finding
from gateway.core.reading import Reader
from gateway.detect import foreign, registry
from gateway.detect.foreign import ForeignRecognizer
from gateway.detect.registry import Registry, installed
from gateway.detect.scanner import build_scanner, scanner_digest

HAS_PRESIDIO = find_spec("presidio_analyzer") is not None
needs_presidio = pytest.mark.skipif(not HAS_PRESIDIO, reason="needs the extra `presidio`")


def built(text: str, found: Callable[[str], Sequence[EntryPoint]] = installed) -> tuple[Registry, list[str]]:
    document = written.parse(text.encode(), "r")
    reader = Reader(document.problems)
    made = registry.build(recognizers_file.read(document.root, reader), reader, found)
    return made, [str(problem) for problem in reader.problems]


ONE = "recognizers:\n  - {name: n, supported_entity: ACME_BADGE, patterns: [{regex: '%s', score: 1}]}\n"


def test_what_is_declared_runs_and_may_be_named_by_a_policy() -> None:
    made, problems = built(ONE % "AC-[0-9]{6}" + "  - {name: w, supported_entity: ACME_WORD, deny_list: [a, b]}\n")
    assert problems == []
    assert made.entities == ("ACME_BADGE", "ACME_WORD")
    assert [one.name for one in made.recognizers] == ["n", "w"]


def test_an_expression_that_can_be_kept_busy_is_refused_where_it_stands() -> None:
    made, problems = built(ONE % "a.*b.*c.*d")
    (problem,) = problems
    assert problem.startswith("r:2:64: This expression can take more than 25 ms on 2000 characters.")
    assert made.entities == ("ACME_BADGE",)  # that a policy names it is no second problem


def test_an_expression_that_the_prefilter_cannot_take_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("quotes the expression")

    monkeypatch.setattr(registry, "build_prefilter", refuse)
    monkeypatch.setattr(registry, "HAS_HYPERSCAN", True)
    (problem,) = built(ONE % "abc")[1]
    assert problem.startswith("r:2:64: This expression is too large for the prefilter.")
    monkeypatch.setattr(registry, "HAS_HYPERSCAN", False)
    assert built(ONE % "abc")[1] == []


# Packages

CODE = '''
from gateway.core.findings import Finding


class Badges:
    """A customer's recognizer."""

    name = "badges"
    entities = frozenset({"ACME_BADGE"})

    def find(self, text, path):
        at = text.find("AC-")
        return [Finding("ACME_BADGE", 0.9, path, at, at + 3, self.name)] if at >= 0 else []


class Raises(Badges):
    def find(self, text, path):
        raise ValueError(text)


class Wrong(Badges):
    def find(self, text, path):
        return [text]


class Unnamed(Badges):
    name = "a\\nb"


class Unclear(Badges):
    entities = "ACME_BADGE"


class Misnamed(Badges):
    entities = {"acme badge"}


class Empty(Badges):
    entities = set()


def good(): return [Badges()]
def many(): return [Badges()] * 101
def none(): return []
def nothing(): return None
def raises(): raise ValueError
def other(): return [5]
no_function = 5
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    module = tmp_path / "acme_recognizers.py"
    module.write_text(CODE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "acme_recognizers", raising=False)
    yield module
    sys.modules.pop("acme_recognizers", None)


def offered(value: str, times: int = 1) -> Callable[[str], Sequence[EntryPoint]]:
    return lambda name: [EntryPoint(name, f"acme_recognizers:{value}", registry.GROUP)] * times


def made_by(code: str) -> str:
    return CODE + f"\n\ndef made(): return [{code}()]\n"


def test_a_packages_recognizers_run_once_they_are_named(package: Path) -> None:
    made, problems = built("entry_points: [acme]", offered("good"))
    assert problems == []
    (one,) = made.recognizers
    assert isinstance(one, ForeignRecognizer)
    assert made.entities == ("ACME_BADGE",)
    evidence = build_scanner((), made.recognizers, clock=lambda: 0.0).scan_text("see AC-1")
    assert [found for found in evidence.findings if found.detector == "badges"] == [
        Finding("ACME_BADGE", 0.9, "text", 4, 7, "badges")
    ]


def test_a_package_is_known_by_what_its_code_is(package: Path) -> None:
    before = built("entry_points: [acme]", offered("good"))[0]
    same = built("entry_points: [acme]", offered("good"))[0]
    package.write_text(CODE + "# changed\n")
    after = built("entry_points: [acme]", offered("good"))[0]
    digests = [scanner_digest((), made.recognizers) for made in (before, same, after)]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(
    ("value", "times", "sentence"),
    [
        ("good", 0, "No installed package offers recognizers under the name `acme`."),
        ("good", 2, "Several installed packages offer recognizers under the name `acme`."),
        ("many", 1, "must offer a function that returns 1 to 100 recognizers"),
        ("none", 1, "must offer a function that returns 1 to 100 recognizers"),
        ("nothing", 1, "must offer a function that returns 1 to 100 recognizers"),
        ("raises", 1, "cannot be loaded (ValueError)"),
        ("no_function", 1, "cannot be loaded (TypeError)"),
        ("missing", 1, "cannot be loaded (AttributeError)"),
        ("Raises", 1, "A recognizer raises an exception when it is called."),
        ("Wrong", 1, "A recognizer returns what is no list of findings"),
        ("Unnamed", 1, "A recognizer must have a `name` of one line and a set of `entities`."),
        ("Unclear", 1, "A recognizer must have a `name` of one line and a set of `entities`."),
        ("Misnamed", 1, "A recognizer's entities must have names of capitals"),
        ("Empty", 1, "A recognizer's entities must have names of capitals"),
    ],
)
def test_a_package_that_cannot_be_used_is_refused_where_it_is_named(package, value, times, sentence) -> None:
    if value[0].isupper():
        package.write_text(made_by(value))
        value = "made"
    made, problems = built("entry_points: [acme]", offered(value, times))
    assert made.recognizers == ()
    (problem,) = problems
    assert problem.startswith("r:1:16: ")
    assert sentence in problem


def test_code_that_hangs_at_start_is_refused(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package.write_text(CODE + "\nimport threading\nclass Hangs(Badges):\n    def find(self, text, path):\n"
                       "        threading.Event().wait()\n\ndef made(): return [Hangs()]\n")  # fmt: skip
    monkeypatch.setattr(foreign, "FIRST_CALL_S", 0.02)
    (problem,) = built("entry_points: [acme]", offered("made"))[1]
    assert "r:1:16: A recognizer does not answer when it is called." in problem


def test_nothing_is_installed_here_under_that_name() -> None:
    assert installed("acme") == ()


# Presidio

PREDEFINED = "recognizers:\n  - {name: %s, type: predefined}\n"


def test_without_presidio_it_is_said_how_to_get_it(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)
    (problem,) = built(PREDEFINED % "EmailRecognizer")[1]
    assert problem == (
        "r:2:12: This needs the package `presidio-analyzer`, which is not installed. "
        "Run `pip install 'tidegate[presidio]'`."
    )
    (problem,) = built("entry_points: [acme]", offered("other"))[1]
    assert problem.startswith("r:1:16: This needs the package `presidio-analyzer`")


@needs_presidio
def test_presidios_own_find_what_they_find_and_fetch_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    import requests

    def dial(*_: object, **__: object) -> None:
        raise AssertionError("something was fetched")

    monkeypatch.setattr(requests.Session, "request", dial)
    made, problems = built(
        PREDEFINED % "EmailRecognizer"
        + "  - {name: UkPostcodeRecognizer, type: predefined, min_score: 0.4, context: [deliver]}\n"
    )
    assert problems == []
    assert made.entities == ("EMAIL_ADDRESS", "UK_POSTCODE")
    email, postcode = made.recognizers
    assert [found.entity for found in email.find("mail joe@example.com", "")] == ["EMAIL_ADDRESS"]
    assert postcode.find("EC1A 1BB", "") == ()
    assert [found.score for found in postcode.find("deliver to EC1A 1BB", "")] == [pytest.approx(0.45)]
    other = built(PREDEFINED % "EmailRecognizer")[0]
    assert scanner_digest((), other.recognizers) != scanner_digest((), made.recognizers)


@needs_presidio
@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("NobodyRecognizer", "Presidio has no recognizer of this name."),
        ("PatternRecognizerX", "Presidio has no recognizer of this name."),
        ("AzureAILanguageRecognizer", "needs a service or a model, which the gateway does not call."),
        ("SpacyRecognizer", "needs a service or a model, which the gateway does not call."),
        ("HuggingFaceNerRecognizer", "needs a service or a model, which the gateway does not call."),
    ],
)
def test_what_would_send_texts_away_or_fetch_a_model_is_refused(name: str, sentence: str) -> None:
    made, problems = built(PREDEFINED % name)
    assert made.recognizers == ()
    assert problems[0].startswith("r:2:12: ")
    assert sentence in problems[0]


@needs_presidio
def test_a_constructor_that_raises_is_said_by_its_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    from presidio_analyzer.predefined_recognizers import EmailRecognizer

    def refuse(self: object) -> None:
        raise KeyError("secret")

    monkeypatch.setattr(EmailRecognizer, "__init__", refuse)
    assert built(PREDEFINED % "EmailRecognizer")[1] == ["r:2:12: This recognizer cannot be made (KeyError)."]


OWN = (
    CODE
    + """
from presidio_analyzer import EntityRecognizer, RecognizerResult, RemoteRecognizer


class Theirs(EntityRecognizer):
    result = 0.5
    def __init__(self): super().__init__(supported_entities=["ACME_BADGE"], name="theirs")
    def load(self): pass
    def analyze(self, text, entities, nlp_artifacts):
        at = text.find("AC-")
        return [RecognizerResult("ACME_BADGE", at, at + 3, self.result)] if at >= 0 else None


class NotANumber(Theirs):
    result = float("nan")


class Away(RemoteRecognizer):
    def __init__(self): super().__init__(["ACME_BADGE"], "a", "en", "1")
    def load(self): pass
    def analyze(self, text, entities, nlp_artifacts): return []
    def get_supported_entities(self): return []


def made(): return [%s()]
"""
)


@needs_presidio
def test_a_customers_own_made_for_presidio_runs_here(package: Path) -> None:
    package.write_text(OWN % "Theirs")
    made, problems = built("entry_points: [acme]", offered("made"))
    assert problems == []
    assert made.recognizers[0].find("x AC-1", "p") == (Finding("ACME_BADGE", 0.5, "p", 2, 5, "theirs"),)
    package.write_text(OWN % "NotANumber")
    del sys.modules["acme_recognizers"]
    importlib.invalidate_caches()
    made, problems = built("entry_points: [acme]", offered("made"))
    with pytest.raises(foreign.RecognizerNonsense):
        made.recognizers[0].find("x AC-1", "p")


@needs_presidio
@pytest.mark.parametrize(
    ("code", "sentence"),
    [("Away", "sends texts to a service"), ("object", "This is neither a recognizer nor one of Presidio's.")],
)
def test_a_customers_own_that_cannot_be_used_is_refused(package: Path, code: str, sentence: str) -> None:
    package.write_text(OWN % code)
    (problem,) = built("entry_points: [acme]", offered("made"))[1]
    assert sentence in problem
