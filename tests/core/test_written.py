"""A strict, bounded YAML with the place of everything; every fault in words of ours."""

import subprocess
import sys

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import written
from gateway.core.written import Document, Group, Listing, Place, Scalar, Unreadable, canonical, exact, parse


def read(text: str, *, end_marker: bool = False) -> Document:
    return parse(text.encode(), "f", end_marker=end_marker)


def told(text: str | bytes, *, end_marker: bool = False) -> list[str]:
    data = text.encode() if isinstance(text, str) else text
    return [str(problem) for problem in parse(data, "f", end_marker=end_marker).problems]


def value(text: str) -> object:
    document = read(f"k: {text}\n")
    assert document.problems == ()
    assert isinstance(document.root, Group)
    node = document.root.entries[0][1]
    assert isinstance(node, Scalar)
    return node.value


def test_every_key_and_value_knows_its_line_and_column() -> None:
    document = read('a: 1\n"引": [x, {y: 标签}]\n')
    assert document.problems == ()
    match document.root:
        case Group(
            entries=(
                (Scalar(text="a", at=Place(line=1, column=1)), Scalar(text="1", at=Place(line=1, column=4))),
                (
                    Scalar(text="引", is_plain=False, at=Place(line=2, column=1)),
                    Listing(items=(Scalar(text="x", at=Place(line=2, column=7)), Group(entries=((_, inner),)))),
                ),
            )
        ):
            assert inner.at == Place("f", 2, 14)
        case other:
            pytest.fail(repr(other))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", 1), ("-7", -7), ("+7", 7), ("0o17", 15), ("0x1F", 31), ("1.5", 1.5), (".5", 0.5), ("1e3", 1000.0),
        ("true", True), ("False", False), ("null", None), ("~", None), ("", None), ("Null", None),
        ("on", "on"), ("yes", "yes"), ("Off", "Off"), ("n", "n"), ("1_000", "1_000"), ("017", 17),
        ("12:30:45", "12:30:45"), ("2026-11-21", "2026-11-21"), ("0b11", "0b11"), ("1" * 19, "1" * 19),
        (".nan", ".nan"), ("=", "="), ("<<", "<<"),
        ('"1"', "1"), ("'true'", "true"), ('""', ""), ("|\n  null", "null\n"),
    ],
)  # fmt: skip
def test_scalars_are_those_of_the_core_schema_and_nothing_else(text: str, expected: object) -> None:
    assert value(text) == expected
    assert type(value(text)) is type(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", "f:3:1: This key stands here a second time; the first is on line 1. Keep one of them."),
        ("a:\n\tb: 1\n", "f:2:1: A tab is not accepted. Use spaces."),
        ("a: x\u200b\u2028y\n", "f:1:6: The invisible character U+2028 is not accepted. Remove it."),
        ("a: 1\n\x00b: 2\n", "f:2:1: The invisible character U+0000 is not accepted. Remove it."),
        ("a: x\u202ey\n", "f:1:5: The invisible character U+202E is not accepted. Remove it."),
        ("a: 1\rb: 2\n", "f:1:5: The invisible character U+000D is not accepted. Remove it."),
        ("a: &x 1\n", "f:1:4: An anchor (`&`) is not accepted. Remove it, or use quotation marks."),
        ("a: *x\n", "f:1:4: A reference (`*`) is not accepted. Write the value out, or use quotation marks."),
        ("*x : 1\n", "f:1:1: A reference (`*`) is not accepted. Write the value out, or use quotation marks."),
        ("a: !!str 1\n", "f:1:4: A tag (`!`) is not accepted. Remove it, or use quotation marks."),
        ("a: !x [1]\n", "f:1:4: A tag (`!`) is not accepted. Remove it, or use quotation marks."),
        ("%YAML 1.1\n---\na: 1\n", "f:1:1: A `%` directive is not accepted. Remove the line."),
        ("a: 1\n---\nb: 1\n", "f:2:1: A second document begins here. Keep one document, with one `...`, per file."),
        ("? [a]\n: 1\n", "f:1:3: A key must be a single word. Write `key: value`."),
        ("", "f: The file is empty. Write its content."),
        ("# only this\n", "f: The file is empty. Write its content."),
        ("a: b: c\n", "f:1:5: A second `: ` stands on one line. Put quotation marks around the value."),
        (
            "a: [1, 2\nb: c\n",
            "f:2:2: A list in brackets is not closed, or lacks a comma. Check `[`, `,` and `]` above.",
        ),
        ("a: {b: c\n", "f:2:1: A group in braces is not closed, or lacks a comma. Check `{`, `,` and `}` above."),
        ("a: 1\nb: 'x\nc: d\n", "f:2:4: A quotation mark is opened here and not closed. Close it on the same line."),
        ("a:\n  b: >= c\n", 'f:2:6: A value cannot begin with `>` or `|`. Quote it: `">= internal"`.'),
        ("a: {b: >= c}\n", "f:1:8: A value cannot begin with this character. Put quotation marks around the value."),
        ("a: @x\n", "f:1:4: A value cannot begin with this character. Put quotation marks around the value."),
        (" a: 1\nb: 2\n", "f:2:1: This does not belong to what stands before it. Check the indentation and brackets."),
        ("a: 1\nfoo\nb: 2\n", "f:3:1: A key without `: ` and a value stands above. Write `key: value`."),
        ("- a\nb: c\n", "f:2:1: This does not line up with the list above it. Check the indentation."),
        ("a:\n  - b\n c: d\n", "f:3:2: This does not line up with the keys above it. Check the indentation."),
        ("a: ]\n", "f:1:4: This is not valid YAML. Check the indentation, colons, brackets and quotation marks."),
        ("a: * \n", "f:1:5: `*` and `&` begin a reference, which this file may not hold. Use quotation marks."),
        (
            'a: "\\q"\n',
            "f:1:4: This escape is not one that YAML knows. Use single quotation marks, or double the backslash.",
        ),
    ],
)  # fmt: skip
def test_what_is_not_accepted_is_named_with_its_place_and_its_mend(text: str, expected: str) -> None:
    assert told(text) == [expected]


def test_bytes_that_are_no_text_are_named_by_place_and_not_shown() -> None:
    assert told(b"a: 1\nb\xe6\xa0\x87: \xff\n") == [
        "f:2:5: This is not valid UTF-8. Save the file as UTF-8; it may be cut short."
    ]


def test_what_is_too_large_or_too_deep_is_not_read() -> None:
    assert "larger than 1 MiB" in told(b"#" * (written.LARGEST_FILE + 1))[0]
    assert told(b"a: 1\n" + b"#" * (written.LARGEST_FILE - 5)) == []
    deep = told("[" * 10_000)
    assert deep == ["f:1:25: More than 24 levels stand inside one another. Flatten it."]


def test_all_faults_of_form_are_told_at_once() -> None:
    assert [line.partition(": ")[0] for line in told("a: &x 1\nb: *x\nb: 2\n\tc: 1\n", end_marker=True)] == [
        "f:4:1", "f:1:4", "f:2:4", "f:3:1",
    ]  # fmt: skip
    assert [line.partition(": ")[0] for line in told("a: &x 1\nb: *x\nb: 2\nc: {!!d e: 1}\n", end_marker=True)] == [
        "f:1:4", "f:2:4", "f:3:1", "f:4:5", "f:5:1",
    ]  # fmt: skip


def test_a_flood_of_the_same_fault_is_cut_off() -> None:
    assert len(told("a: [\t1" + ",\t1" * 100 + "]\n")) == 20


def test_a_byte_order_mark_at_the_start_is_harmless_and_moves_nothing() -> None:
    assert read("\ufeffa: 1\nb: 2\n").root == read("a: 1\nb: 2\n").root
    assert told("a: \ufeff1\n") == ["f:1:4: The invisible character U+FEFF is not accepted. Remove it."]


def test_windows_line_ends_are_line_ends() -> None:
    assert read("a: 1\r\nb: 2\r\n").root == read("a: 1\nb: 2\n").root


@pytest.mark.parametrize("ending", ["...", "...\n", "...\n# reviewed\n\n", "... # end\n"])
def test_the_end_marker_ends_a_file(ending: str) -> None:
    assert told("a: 1\n" + ending, end_marker=True) == []


@pytest.mark.parametrize("ending", ["", "..", ".. .\n", "# ...\n", "b: |\n  ...\n"])
def test_without_its_end_marker_a_file_is_half_written(ending: str) -> None:
    assert told("a: 1\n" + ending, end_marker=True) != []


def test_an_empty_file_lacks_its_end_marker_too() -> None:
    assert told("", end_marker=True) == ["f: The file is empty. Write its content, ending with the line `...`."]


def test_what_follows_the_end_marker_is_not_read_as_part_of_the_file() -> None:
    assert told("a: 1\n...\nb: 2\n...\n", end_marker=True) != []
    document = read("a: 1\n...\n---\nb: 2\n...\n", end_marker=True)
    assert isinstance(document.root, Group)
    assert [key.text for key, _ in document.root.entries] == ["a"]
    assert "second document" in document.problems[0].message


def test_a_syntax_error_without_a_place_is_still_told() -> None:
    problem = written._syntax(yaml.YAMLError("what the file says"), "f")
    assert str(problem) == "f: This is not valid YAML. Check the indentation, colons, brackets and quotation marks."


def test_the_parser_in_pure_python_gives_the_same_tree() -> None:
    text = "a: [1, {b: c}]\nd: |\n  e\nf: 'g'\n...\n"
    code = (
        "import sys, yaml; yaml.__with_libyaml__ = False\n"
        "from gateway.core import written\n"
        "assert written._LOADER is yaml.SafeLoader\n"
        "print(written.parse(sys.stdin.buffer.read(), 'f', end_marker=True))"
    )
    run = subprocess.run([sys.executable, "-c", code], input=text, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == repr(read(text, end_marker=True))


def test_the_canonical_text_is_the_meaning_and_not_the_layout() -> None:
    one = read("# a comment\na: 1\nb:\n  - x\n  - {c: yes}\n").root
    same = read("b: [x, {c: yes}]\na: 1\n").root
    assert canonical(one) == canonical(same) == '{"a":1,"b":["x",{"c":"yes"}]}'
    assert canonical(read("b: [x, {c: yes}]\na: '1'\n").root) != canonical(one)
    assert canonical(read("a: *x\n").root) == '{"a":null}'
    assert canonical(Unreadable(Place("f"))) == "null"


def test_the_exact_text_tells_names_apart_that_are_one_number() -> None:
    assert exact(read("# a comment\nb: ['x', {c: yes}]\na: 1\n").root) == exact(read("a: 1\nb: [x, {c: yes}]\n").root)
    written = ("1.0", "1.00", "'1.0'", "true", "True", "'true'", "16", "0x10", "016", "null", "~", "'~'", "=1", "'=1'")
    assert len({exact(read(f"a: [{one}]\n").root) for one in written}) == len(written) - 1  # `=1` needs no marks
    assert exact(read("a: *x\n").root) == '{"a":null}'


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    document = parse(data, "f", end_marker=True)
    assert document.problems or not isinstance(document.root, Unreadable)


@given(st.text(alphabet="ab:-[]{}&*!|>'\"#%@`,?. \n\t\\0~", max_size=60))
def test_no_text_breaks_the_reader_and_no_message_quotes_it(text: str) -> None:
    for problem in read(text).problems:
        assert "found" not in problem.message
        assert "expected" not in problem.message
