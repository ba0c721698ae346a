"""recognizers.yaml is Presidio's registry file, read strictly: every problem at once, each with its place."""

import pytest

from gateway.config import recognizers_file
from gateway.config.recognizers_file import Declared, Pattern, Predefined, RecognizersFile, is_entity
from gateway.core import written
from gateway.core.reading import Reader, Word
from gateway.core.written import Place


def read(text: str) -> tuple[RecognizersFile, list[str]]:
    document = written.parse(text.encode(), "r")
    reader = Reader(document.problems)
    found = recognizers_file.read(document.root, reader)
    return found, [str(problem) for problem in sorted(reader.problems, key=lambda one: (one.line, one.column))]


WHOLE = """\
apiVersion: tidegate/v1
supported_languages: [en, zh]
global_regex_flags: 26
recognizers:
  - name: Zip code Recognizer
    type: custom
    supported_language: en
    supported_entity: ZIP
    patterns:
      - {name: weak, regex: '(\\b\\d{5}(?:\\-\\d{4})?\\b)', score: 0.01}
      - {regex: "Z-[0-9]{4}", score: 1}
    context: [zip, 邮编]
  - name: titles
    supported_languages: [en, {language: zh, context: [x]}]
    supported_entity: TITLE
    deny_list: [" Mr ", 先生]
    deny_list_score: 0.7
  - {name: off, enabled: false, supported_entity: OFF, deny_list: [a]}
  - {name: UkPostcodeRecognizer, type: predefined, min_score: 0.1, context: [post]}
  - {name: EmailRecognizer, type: predefined, enabled: true}
  - {name: PhoneRecognizer, type: predefined, enabled: false}
entry_points: [acme]
"""


def test_a_registry_file_of_presidio_is_read_as_it_is() -> None:
    found, problems = read(WHOLE)
    assert problems == []
    assert found.entry_points == (Word("acme", Place("r", 22, 16)),)
    zip_code, titles, postcode, email = found.recognizers
    assert zip_code == Declared(
        "Zip code Recognizer",
        "ZIP",
        (
            Pattern(r"(\b\d{5}(?:\-\d{4})?\b)", 0.01, Place("r", 10, 29)),
            Pattern("Z-[0-9]{4}", 1.0, Place("r", 11, 17)),
        ),
        ("zip", "邮编"),
        (),
        1.0,
        Place("r", 5, 11),
    )
    assert isinstance(titles, Declared)
    assert (titles.words, titles.words_score) == (("Mr", "先生"), 0.7)
    assert postcode == Predefined("UkPostcodeRecognizer", ("post",), 0.1, Place("r", 19, 12))
    assert email == Predefined("EmailRecognizer", (), 0.4, Place("r", 20, 12))


@pytest.mark.parametrize("text", ["{}", "recognizers: []", "entry_points: []"])
def test_a_file_may_say_nothing(text: str) -> None:
    assert read(text) == (RecognizersFile(), [])


def test_a_file_may_have_a_version() -> None:
    assert read("version: 7") == (RecognizersFile(version=7), [])
    assert read("version: 0")[1] == read("version: seven")[1] != []
    assert read("version: 0")[0] == RecognizersFile()


ONE = "recognizers:\n  - "
GOOD_REST = "supported_entity: A, patterns: [{regex: b, score: 1}]"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("- a", "r:1:1: The recognizers file must be a group"),
        ("apiVersion: v2", "r:1:13: `apiVersion` must be"),
        ("recognisers: []", "r:1:1: The recognizers file has no key `recognisers`. Did you mean `recognizers`?"),
        ("global_regex_flags: 2", "r:1:21: `global_regex_flags` can only be 26"),
        ("recognizers: 5", "r:1:14: `recognizers` must be a list."),
        (ONE + "word", "r:2:5: A recognizer must be a group of keys."),
        (ONE + f"{{{GOOD_REST}}}", "r:2:5: A recognizer lacks the key `name`."),
        (ONE + f"{{name: '', {GOOD_REST}}}", "r:2:12: `name` must be a text that is not empty."),
        (ONE + f"{{name: {'x' * 101}, {GOOD_REST}}}", "r:2:12: `name` must be at most 100 characters"),
        (ONE + f'{{name: "a\\nb", {GOOD_REST}}}', "r:2:12: `name` must be at most 100 characters of one line."),
        (ONE + f"{{name: n, type: other, {GOOD_REST}}}", "r:2:21: `type` must be one of: custom, predefined."),
        (ONE + f"{{name: n, enabled: on, {GOOD_REST}}}", "r:2:24: `enabled` must be `true` or `false`."),
        (ONE + f"{{name: n, min_score: 1, {GOOD_REST}}}", "r:2:5: Only a predefined recognizer has a `min_score`."),
        (ONE + "{name: n, deny_list: [a]}", "r:2:5: A recognizer lacks the key `supported_entity`."),
        (ONE + "{name: n, supported_entity: a b, deny_list: [a]}", "r:2:33: An entity's name must be capitals"),
        (ONE + "{name: n, supported_entity: A}", "r:2:5: A recognizer needs `patterns` or a `deny_list`."),
        (ONE + "{name: n, supported_entity: A, patterns: []}", "r:2:46: `patterns` must not be empty."),
        (ONE + "{name: n, supported_entity: A, patterns: [a]}", "r:2:47: A pattern must be a group"),
        (ONE + "{name: n, supported_entity: A, patterns: [{score: 1}]}", "r:2:47: A pattern lacks the key `regex`."),
        (ONE + "{name: n, supported_entity: A, patterns: [{regex: b}]}", "r:2:47: A pattern lacks the key `score`."),
        (ONE + "{name: n, supported_entity: A, patterns: [{regex: b, score: 2}]}", "r:2:65: `score` must be a number"),
        (
            ONE + "{name: n, supported_entity: A, patterns: [{regex: b, score: .nan}]}",
            "r:2:65: `score` must be a number",
        ),
        (
            ONE + "{name: n, supported_entity: A, patterns: [{regex: b, score: 0}]}",
            "r:2:65: `score` of 0 finds nothing.",
        ),
        (
            ONE + "{name: n, supported_entity: A, patterns: [{regex: '(', score: 1}]}",
            "r:2:55: This is no regular expression of Python's (character 1).",
        ),
        (ONE + "{name: n, supported_entity: A, deny_list: []}", "r:2:47: `deny_list` must not be empty."),
        (ONE + "{name: n, supported_entity: A, deny_list: [a, a]}", "r:2:51: `a` stands a second time in `deny_list`."),
        (ONE + "{name: n, supported_entity: A, deny_list: ['']}", "r:2:48: Each of `deny_list` must be a text"),
        (
            ONE + f"{{name: n, supported_entity: A, deny_list: [{'a' * 201}]}}",
            "r:2:48: Each of `deny_list` must be at most",
        ),
        (
            ONE + f"{{name: n, supported_entity: A, deny_list: [{', '.join(f'a{n}' for n in range(2001))}]}}",
            "r:2:47: `deny_list` has more than 2000 entries.",
        ),
        (ONE + "{name: n, supported_entity: A, deny_list: [a], deny_list_score: 0}", "`deny_list_score` of 0 finds"),
        (ONE + "{name: N, type: predefined, patterns: []}", "r:2:5: A predefined recognizer has no `patterns`."),
        (ONE + "{name: N, type: predefined, min_score: 2}", "r:2:44: `min_score` must be a number from 0 to 1."),
        (ONE + "{type: predefined}", "r:2:5: A recognizer lacks the key `name`."),
        (
            f"recognizers:\n  - {{name: n, {GOOD_REST}}}\n  - {{name: n, {GOOD_REST}}}",
            "r:3:12: A recognizer of this name stands further up.",
        ),
        (
            "recognizers:\n" + "".join(f"  - {{name: n{n}, {GOOD_REST}}}\n" for n in range(201)),
            "r:1:1: There are more than 200 recognizers.",
        ),
        ("entry_points: [a b]", "r:1:16: Each of `entry_points` must be a name"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str, problem: str) -> None:
    _, problems = read(text)
    assert problem in problems[0]
    assert len(problems) == 1


def test_every_problem_is_told_at_once() -> None:
    bad = "recognizers:\n  - {name: n, supported_entity: a-b, patterns: [{regex: '(', score: 7}]}\nentry_points: 5\n"
    assert len(read(bad)[1]) == 4


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ACME_BADGE", True),
        ("A", True),
        ("A1_2", True),
        ("X" * 64, True),
        ("X" * 65, False),
        ("", False),
        ("1A", False),
        ("_A", False),
        ("A__B", False),
        ("Acme", False),
        ("A-B", False),
        ("工号", False),
        ("MARKER", False),
    ],
)
def test_an_entity_has_a_name_that_cannot_be_mistaken(name: str, expected: bool) -> None:
    assert is_entity(name) is expected
