"""One reader for every file: what is wrong is told once, in place, without the value, and the rest is read on."""

import pytest

from gateway.core.problems import Problems
from gateway.core.reading import Fields, Reader, Word, shown
from gateway.core.written import Group, Node, Place, Scalar, Unreadable, parse

CHOICES = ("vllm", "openai")


def node(text: str) -> Node:
    root = parse(f"k: {text}\n".encode(), "f").root
    assert isinstance(root, Group)
    return root.entries[0][1]


def ask(kind: str, text: str) -> tuple[object, list[str]]:
    """What the reader makes of `text`, and what it says."""
    reader, at = Reader(), node(text)
    answers = {
        "text": lambda: reader.text(at, "It"),
        "name": lambda: reader.name(at, "It"),
        "wildcard": lambda: reader.name(at, "It", wildcard=True),
        "names": lambda: reader.names(at, "It"),
        "one_of": lambda: reader.one_of(at, "It", CHOICES),
        "integer": lambda: reader.integer(at, "It", least=1, most=9),
        "number": lambda: reader.number(at, "It", least=0.0, most=1.0),
        "flag": lambda: reader.flag(at, "It"),
        "duration": lambda: reader.duration(at, "It", least=0.1, most=7200.0),
        "size": lambda: reader.size(at, "It", least=1, most=1 << 30),
        "items": lambda: len(reader.items(at, "It")),
        "entries": lambda: [name.text for name, _ in reader.entries(at, "It")],
        "fields": lambda: [key for key, _ in reader.fields(at, "It", ("a", "b"), ("a",)).nodes],
    }
    answer = answers[kind]()
    return (answer.text if isinstance(answer, Word) else answer), [str(problem) for problem in reader.problems]


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("text", "hello there", "hello there"), ("text", "7", "7"), ("text", '" x "', " x "),
        ("name", "gpu-large_1.a/b:c", "gpu-large_1.a/b:c"), ("name", "7", "7"), ("wildcard", "'*'", "*"),
        ("one_of", "vllm", "vllm"),
        ("integer", "9", 9), ("number", "0.5", 0.5), ("number", "1", 1.0),
        ("flag", "true", True), ("flag", "false", False),
        ("duration", "250ms", 0.25), ("duration", "10s", 10.0), ("duration", "5m", 300.0), ("duration", "2h", 7200.0),
        ("size", "1B", 1), ("size", "32KiB", 32768), ("size", "8MiB", 8 << 20), ("size", "1GiB", 1 << 30),
        ("items", "[a, b]", 2), ("entries", "{a: 1, b-2: 2}", ["a", "b-2"]), ("fields", "{a: 1, b: 2}", ["a", "b"]),
    ],
)  # fmt: skip
def test_what_is_right_is_read(kind: str, text: str, expected: object) -> None:
    assert ask(kind, text) == (expected, [])


@pytest.mark.parametrize(
    ("kind", "text", "sentence"),
    [
        ("text", "", "It must be a text that is not empty."),
        ("text", '"  "', "It must be a text that is not empty."),
        ("text", "[a]", "It must be a text that is not empty."),
        ("name", "s3cret!", "It must be a name: letters, digits and `. _ - / :`, at most 100 of them."),
        ("name", "'*'", "It must be a name: letters, digits and `. _ - / :`, at most 100 of them."),
        ("name", "a" * 101, "It must be a name: letters, digits and `. _ - / :`, at most 100 of them."),
        ("name", "{}", "It must be a name."),
        ("one_of", "vlm", "It must be one of: vllm, openai. Did you mean `vllm`?"),
        ("integer", "10", "It must be a whole number from 1 to 9."),
        ("integer", "0", "It must be a whole number from 1 to 9."),
        ("integer", "1.0", "It must be a whole number from 1 to 9."),
        ("integer", "true", "It must be a whole number from 1 to 9."),
        ("integer", '"3"', "It must be a whole number from 1 to 9."),
        ("integer", "[3]", "It must be a whole number from 1 to 9."),
        ("number", "1.01", "It must be a number from 0 to 1."),
        ("number", ".nan", "It must be a number from 0 to 1."),
        ("number", "true", "It must be a number from 0 to 1."),
        ("number", "{}", "It must be a number from 0 to 1."),
        ("flag", "yes", "It must be `true` or `false`."),
        ("flag", "1", "It must be `true` or `false`."),
        ("flag", "[]", "It must be `true` or `false`."),
        ("duration", "10", "It must be a time such as `250ms`, `10s`, `5m` or `2h`."),
        ("duration", "1d", "It must be a time such as `250ms`, `10s`, `5m` or `2h`."),
        ("duration", "[1s]", "It must be a time such as `250ms`, `10s`, `5m` or `2h`."),
        ("duration", "3h", "It must be between 0.1s and 7200s."),
        ("duration", "50ms", "It must be between 0.1s and 7200s."),
        ("size", "8MB", "It must be a size such as `32KiB` or `8MiB`."),
        ("size", "{}", "It must be a size such as `32KiB` or `8MiB`."),
        ("size", "2GiB", "It must be between 1 and 1073741824 bytes."),
        ("size", "0B", "It must be between 1 and 1073741824 bytes."),
        ("items", "[]", "It must not be empty. Add an entry, or remove the key."),
        ("items", "a", "It must be a list. Write `[a, b]`, or one `- item` per line."),
        ("entries", "[a]", "It must be a group of names, each with its settings. Write `name: {…}`."),
        ("fields", "[a]", "It must be a group of keys. Write one or more of: a, b."),
        ("fields", "{b: 1}", "It lacks the key `a`. Add it."),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_in_place_and_without_the_value(kind: str, text: str, sentence: str) -> None:
    _, told = ask(kind, text)
    assert told == [f"f:1:4: {sentence}" if text else f"f:1:3: {sentence}"]


def test_names_in_a_group_and_in_a_list_are_checked_one_by_one() -> None:
    answer, told = ask("entries", "{a: 1, 'b!': 2, '*': 3}")
    assert answer == ["a"]
    assert [line.partition(":  ")[0].split(":")[2] for line in told] == ["11", "20"]
    answer, told = ask("names", "[a, 'b!', {}, b, a]")
    assert isinstance(answer, tuple)
    assert [word.text for word in answer] == ["a", "b"]
    assert [line.split(": ", 1)[1] for line in told] == [
        "Each of It must be a name: letters, digits and `. _ - / :`, at most 100 of them.",
        "Each of It must be a name.",
        "`a` stands a second time in It. Remove one of them.",
    ]


def test_a_reference_must_exist_and_the_nearest_is_offered() -> None:
    reader, at = Reader(), Place("f", 1, 1)
    assert reader.reference(Word("a", at), "The pool", {"a": 1}) == "a"
    assert reader.reference(None, "The pool", ()) is None
    assert reader.reference(Word("gpu-larg", at), "The pool", ["gpu-large"]) is None
    assert reader.reference(Word("hunter2 hunter2", at), "The pool", ["gpu-large"]) is None
    assert [str(problem) for problem in reader.problems] == [
        "f:1:1: The pool `gpu-larg` does not exist. Did you mean `gpu-large`?",
        "f:1:1: The pool (a name with other characters) does not exist. Known: gpu-large.",
    ]


def test_unknown_keys_are_offered_the_nearest_known_one() -> None:
    _, told = ask("fields", "{a: 1, aa: 2, 'x y': 3}")
    assert told == [
        "f:1:11: It has no key `aa`. Did you mean `a`?",
        "f:1:18: It has no key (a name with other characters). Known: a, b.",
    ]


def test_unknown_keys_are_offered_one_that_is_missing_rather_than_one_that_is_there() -> None:
    for written, offered in (("{label: 1, labelz: 2}", "labels"), ("{labels: 1, labelz: 2}", "label")):
        reader = Reader()
        reader.fields(node(written), "It", ("label", "labels"))
        (problem,) = reader.problems
        assert problem.mend == f"Did you mean `{offered}`?"


def test_what_is_missing_or_reported_already_is_passed_over_in_silence() -> None:
    for absent in (None, Unreadable(Place("f", 1, 1))):
        reader = Reader()
        answers = (
            reader.text(absent, "It"), reader.name(absent, "It"), reader.one_of(absent, "It", CHOICES),
            reader.integer(absent, "It", least=0, most=1), reader.number(absent, "It", least=0, most=1),
            reader.flag(absent, "It"), reader.duration(absent, "It", least=0, most=1),
            reader.size(absent, "It", least=0, most=1),
        )  # fmt: skip
        assert set(answers) == {None}
        assert reader.items(absent, "It") == ()
        assert reader.names(absent, "It") == ()
        assert list(reader.entries(absent, "It")) == []
        assert reader.fields(absent, "It", ("a",), ("a",)).nodes == ()
        assert reader.problems == []


@pytest.mark.parametrize(("text", "count"), [("tidegate/v1", 0), ("tidegate/v2", 1), ("[x]", 1)])
def test_every_file_says_which_shape_it_has(text: str, count: int) -> None:
    reader = Reader()
    reader.api_version(Fields(Place("f"), (("apiVersion", node(text)),)))
    assert len(reader.problems) == count
    reader = Reader()
    reader.api_version(Fields(Place("f")))
    assert reader.problems == []


def test_the_problems_are_raised_together() -> None:
    Reader().finish()
    reader = Reader([Place("f", 2, 1).problem("Second.")])
    reader.report(Place("f", 1, 1), "First.")
    with pytest.raises(Problems) as raised:
        reader.finish()
    assert [problem.message for problem in raised.value.problems] == ["First.", "Second."]


def test_a_name_is_shown_only_if_it_looks_like_one() -> None:
    assert shown("gpu-large") == "`gpu-large`"
    assert shown("*") == "`*`"
    assert shown("a\x1b[2J") == "(a name with other characters)"


def test_a_group_has_what_stands_in_it() -> None:
    assert "k" not in Fields(Place("f"))
    assert "k" in Fields(Place("f"), (("k", node("x")),))
    assert node("x") == Scalar("x", is_plain=True, at=Place("f", 1, 4))
