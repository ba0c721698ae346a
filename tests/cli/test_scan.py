"""`tidegate scan` says what is where, in lines for programs and on a page for people, and keeps texts to itself."""

import functools
import io
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli import policy_asked
from gateway.cli.demo_table import width
from gateway.cli.json_lines import LONGEST_LINE
from gateway.cli.main import main
from gateway.cli.page import Page
from gateway.cli.scan_page import Scanned, Told, draw, visible
from gateway.core.findings import Coverage, Evidence, Finding, Tier, Unscanned, nothing_covered
from gateway.detect.leaves import Leaf, LeafKind
from gateway.detect.ner import ModelScanner
from gateway.detect.ner_text import Piece
from gateway.detect.ner_worth import Kind, Named
from gateway.detect.scanner import RequestScanner, build_scanner
from gateway.ports import Recognizer
from tests.cli.folder import write_folder

ID = "11010519491231002X"
SECRET_WORD = "zanzibarquux"


@functools.cache
def _built(markers: tuple[str, ...], recognizers: tuple[Recognizer, ...]) -> RequestScanner:
    return build_scanner(markers, recognizers)


@pytest.fixture(autouse=True)
def one_scanner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(
        policy_asked, "build_scanner", lambda markers, recognizers: _built(tuple(markers), tuple(recognizers))
    )


class Said:
    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def answers(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.out.splitlines()]


@pytest.fixture
def scan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[object]:
    def run(lines: list[object] | bytes, *arguments: str) -> Said:
        file = tmp_path / "lines.jsonl"
        if isinstance(lines, list):
            lines = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines).encode()
        file.write_bytes(lines)
        capsys.readouterr()
        status = main(["scan", str(file), *arguments])
        said = capsys.readouterr()
        return Said(status, said.out, said.err)

    return run


def test_each_line_has_an_answer_with_places_and_without_its_text(scan) -> None:
    text = f"{SECRET_WORD}: 身份证 {ID}"
    said = scan([{"id": "t", "text": text}, {"id": 2, "text": "hello"}])
    assert said.status == 0
    first, second = said.answers
    assert {key: first[key] for key in ("id", "label")} == {"id": "t", "label": "restricted"}
    found = first["findings"][0]
    assert found["entity"] == "CN_RESIDENT_ID"
    assert text[found["start"] : found["end"]] == ID
    assert found["path"] == "text"
    assert found["transforms"] == []
    assert first["coverage"]["tiers"] == ["names", "structured"]
    assert first["coverage"]["failure"] is None
    assert first["ms"] > 0
    assert second["findings"] == []
    assert SECRET_WORD not in said.out + said.err
    assert ID not in said.out + said.err


@pytest.mark.parametrize(
    ("request_body", "path", "carriers"),
    [
        ({"model": "m", "messages": [{"role": "user", "content": ID}]}, "messages[0].content", []),
        ({"model": "m", "prompt": ID}, "prompt", []),
        ({"model": "m", "input": [ID]}, "input[0]", []),
        (
            {"model": "m", "messages": [{"role": "user", "content": f"<|im_start|>system {ID}"}]},
            "messages[0].content",
            ["control_tokens"],
        ),
    ],
)
def test_a_request_is_scanned_as_a_live_one_of_its_dialect(scan, request_body, path, carriers) -> None:
    (answer,) = scan([{"id": 1, "request": request_body}]).answers
    assert [found["path"] for found in answer["findings"]] == [path]
    assert [part["carrier"] for part in answer["coverage"]["unscanned"]] == carriers
    assert answer["label"] == "restricted"


def test_what_cannot_be_read_gives_the_highest_label(scan) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    body = {"model": "m", "messages": [{"role": "user", "content": [image]}]}
    (answer,) = scan([{"id": 1, "request": body}]).answers
    assert answer["label"] == "restricted"
    assert answer["coverage"]["unscanned"][0]["carrier"] == "image"


BAD = [
    (SECRET_WORD, "This line is not valid JSON"),
    ("[1]", "This line must be a JSON object."),
    ('{"id": 1}', "There is neither `text` nor `request`."),
    ('{"id": 1, "text": "a", "request": {}}', "There are both"),
    ('{"id": 1, "text": 5}', "`text` must be a text."),
    ('{"id": 1, "request": "a"}', "`request` must be an object."),
    ('{"id": 1.5, "text": "a"}', "`id` must be"),
    ('{"id": true, "text": "a"}', "`id` must be"),
    ('{"id": "%s", "text": "a"}' % ("x" * 201), "`id` must be"),
    (
        '{"id": 1, "request": {"messages": [{"role": "user", "content": "a"}]}}',
        "The gateway would refuse this request.",
    ),
    ('{"text": "\\ud800"}', "unpaired surrogate"),
]


@pytest.mark.parametrize(("line", "sentence"), BAD)
def test_a_bad_line_gets_its_sentence_and_the_rest_goes_on(scan, line, sentence) -> None:
    said = scan([{"id": "before", "text": "a"}, line, {"id": "after", "text": "b"}])
    assert said.status == 1
    assert [answer["id"] for answer in said.answers] == ["before", "after"]
    told, count = said.err.splitlines()
    assert ":2:1: " in told
    assert sentence in told
    assert SECRET_WORD not in said.err
    assert count == "Lines that could not be scanned: 1."


def test_a_line_that_is_too_long_is_not_kept_and_the_next_one_is_read(scan) -> None:
    long = b'{"text": "' + b"a" * (2 * LONGEST_LINE + 5) + b'"}\n'
    said = scan(long + b'{"id": "after", "text": "b"}')
    assert (said.status, [answer["id"] for answer in said.answers]) == (1, ["after"])
    assert "lines.jsonl:1:1: This line is longer than 8 MiB." in said.err


def test_empty_lines_and_a_byte_order_mark_are_passed_over_and_a_line_without_id_has_its_number(scan) -> None:
    said = scan(b'\xef\xbb\xbf{"text": "a"}\r\n\r\n{"text": "b", "more": 1}\n')
    assert (said.status, [answer["id"] for answer in said.answers]) == (0, [1, 3])


def test_nothing_is_an_answer_too(scan) -> None:
    said = scan(b"")
    assert (said.status, said.out, said.err) == (0, "", "")


def test_the_sentences_are_in_the_language_that_is_asked_for(scan) -> None:
    said = scan(["{}"], "--language", "zh")
    assert "既没有 `text` 也没有 `request`" in said.err
    assert '{"id": 1' in said.err


def test_the_label_is_that_of_the_policy_that_is_named(scan, tmp_path) -> None:
    folder = write_folder(tmp_path / "gateway")
    line = {"id": 1, "text": "my SSN is 536-22-8726"}
    for chosen in (("--config", str(folder)), ("--policy", str(folder / "policy.yaml"))):
        (answer,) = scan([line], *chosen).answers
        assert answer["label"] == "restricted"
    policy = folder / "policy.yaml"
    policy.write_text(
        policy.read_text().replace("any_of: [US_SSN], label: restricted", "any_of: [US_SSN], label: internal")
    )
    (answer,) = scan([line], "--policy", str(policy)).answers
    assert answer["label"] == "internal"


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (["nowhere.jsonl"], 2, "There is no such file."),
        (["."], 2, "cannot be read (IsADirectoryError)"),
        (["--policy", "nowhere.yaml"], 2, "There is no such file."),
        (["--policy", "broken.yaml"], 1, "apiVersion"),
    ],
)
def test_what_cannot_be_looked_at_is_said(capsys, tmp_path, monkeypatch, arguments, status, sentence) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.yaml").write_text("labels: []\n...\n")
    assert main(["scan", *arguments]) == status
    assert sentence in capsys.readouterr().err


def test_standard_input_is_read_where_no_file_is_named(capsys, monkeypatch) -> None:
    class Stdin:
        buffer = io.BytesIO(b'{"id": 7, "text": "a"}\noops\n')

    for arguments in ([], ["-"]):
        Stdin.buffer.seek(0)
        monkeypatch.setattr(sys, "stdin", Stdin)
        assert main(["scan", *arguments]) == 1
        said = capsys.readouterr()
        assert json.loads(said.out)["id"] == 7
        assert "stdin:2:1:" in said.err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_the_page_and_a_pipe_gets_lines(scan, monkeypatch) -> None:
    for arguments, is_page in (((), True), (("--json",), False)):
        out = Terminal()
        monkeypatch.setattr(sys, "stdout", out)
        scan([{"id": 1, "text": ID}], *arguments)
        assert ("^" * 18 in out.getvalue()) == is_page
    monkeypatch.undo()


def test_the_page_ends_with_how_many_had_which_label(scan) -> None:
    said = scan([{"id": "a", "text": ID}, {"id": "b", "text": ID}, {"id": "c", "text": "hello"}], "--table")
    assert said.out.splitlines()[-1] == "Scanned: 3 (restricted 2, internal 1)."


# The page


def page_of(told: Told, *leaves: Leaf, columns: int = 60) -> list[str]:
    out = io.StringIO()
    draw(Scanned(told, leaves), Page(out, columns, in_colour=False), "en")
    return out.getvalue().splitlines()


def told(*findings: Finding, **more: object) -> Told:
    return Told(1, "high", "high", Evidence(findings, Coverage(frozenset(Tier), **more)), 1.25)


def found(start: int, end: int, entity: str = "X", path: str = "p", **more: object) -> Finding:
    return Finding(entity, 0.5, path, start, end, "d", **more)


@given(
    st.text(st.sampled_from("ab 中文，１e\u0301\u200b\t🙂\x1b"), min_size=1, max_size=120),
    st.data(),
)
def test_what_is_underlined_is_what_was_found_whatever_its_width(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    rows = page_of(told(found(start, end)), Leaf("p", text, LeafKind.VALUE))[2:-1]
    carets = 0
    for above, below in zip(rows[::2], rows[1::2], strict=True):
        assert width(above) <= 60
        mark = below.rstrip("X 0.5").rstrip()
        before, under = len(mark) - len(mark.lstrip()), mark.count("^")
        assert width(above) >= before + under or width(visible(text[start:end])) == 0
        carets += under
    assert carets == max(1, width(visible(text[start:end]))) or width(visible(text[start:end])) == 0


def test_chinese_takes_two_columns_and_each_finding_stands_under_its_own() -> None:
    lines = page_of(told(found(2, 4), found(6, 8, "Y")), Leaf("p", "张三李四和 12", LeafKind.VALUE))
    assert lines == [
        "1 · high · findings: 2 · 1.2 ms",
        "  p",
        "    张三李四和 12",
        "        ^^^^ X 0.50",
        "               ^^ Y 0.50",
        "",
    ]


def test_what_is_far_apart_shares_a_line_and_the_same_place_is_named_once() -> None:
    text = "a" * 3 + " " * 20 + "b" * 3
    lines = page_of(
        told(found(0, 3), found(0, 3, "Y", transforms=("nfkc",)), found(23, 26)), Leaf("p", text, LeafKind.VALUE)
    )
    assert lines[3] == "    ^^^ X 0.50, Y 0.50 (nfkc)"
    assert lines[4].index("^") == 4 + 23
    lines = page_of(told(found(0, 3), found(23, 26)), Leaf("p", text, LeafKind.VALUE))
    assert lines[3] == "    ^^^ X 0.50             ^^^ X 0.50"


def test_a_terminal_is_told_nothing_by_a_text_or_an_id() -> None:
    lines = page_of(
        Told("\x1b[2J", "l", "l", told(found(0, 3)).evidence, 0.1), Leaf("p", "\x1b]0;\u202ea\x07", LeafKind.VALUE)
    )
    assert all(line.isprintable() for line in lines)


def test_where_two_texts_have_one_path_only_places_are_shown() -> None:
    leaves = (Leaf("p", "first", LeafKind.VALUE), Leaf("p", "second", LeafKind.VALUE))
    assert page_of(told(found(1, 3)), *leaves)[2] == "    1-3 X 0.50"
    assert page_of(told(found(1, 99)), leaves[0])[2] == "    1-99 X 0.50"


def test_a_long_text_shows_the_rows_that_hold_something_and_not_all_of_those() -> None:
    text = "\n".join(f"line {number}" for number in range(100))
    places = [found(text.index(f"line {number}"), text.index(f"line {number}") + 4) for number in range(10, 40)]
    lines = page_of(told(*places), Leaf("p", text, LeafKind.VALUE))
    assert lines[2] == "    line 10"
    assert lines[-2] == "    and more further on"
    assert len(lines) == 2 + 2 * 12 + 2
    many = page_of(told(*[found(0, 1, path=f"p{number}") for number in range(25)]))
    assert many[-2] == "  and 5 more places"


def test_what_was_not_covered_is_on_the_page() -> None:
    lines = page_of(told(unscanned=(Unscanned("image", "messages[0]"), Unscanned("control_tokens", ""))))
    assert lines[1:3] == ["  Cannot be read: image at messages[0].", "  Cannot be read: control_tokens at -."]
    assert "  The scan did not finish (Boom)." in page_of(Told(1, "h", "l", nothing_covered("Boom"), 0.0))
    low = Told(1, "high", "low", Evidence((), Coverage(frozenset())), 0.0)
    assert "  What was found gives low; a scan that the policy requires has not run." in page_of(low, columns=100)


def test_the_command_streams_and_ends_quietly_when_nobody_reads_on() -> None:
    run = [sys.executable, "-c", "import sys; from gateway.cli.main import main; sys.exit(main(['scan']))"]
    with subprocess.Popen(run, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdin.write(b'{"id": 1, "text": "a"}\n')
        child.stdin.flush()
        assert json.loads(child.stdout.readline())["id"] == 1  # although the input has not ended
        child.stdout.close()
        child.stdin.write(b'{"id": 2, "text": "a"}\n')
        child.stdin.close()
        assert child.wait(30) == 0
        assert b"Traceback" not in child.stderr.read()


# The models


class OnePerson:
    """Readers to whom Tomas Brandt is a person."""

    async def read(self, asked: Sequence[Piece]) -> Sequence[Sequence[Named]]:
        name = "Tomas Brandt"
        places = [piece.text.find(name) for piece in asked]
        return [[Named(Kind.PERSON, place, place + len(name))] if place >= 0 else [] for place in places]


ILL = "Tomas Brandt asked about his chemotherapy."


def test_a_full_scan_finds_names_that_nothing_announces(scan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.cli.scan.are_installed", lambda: True)
    monkeypatch.setattr("gateway.cli.scan.models", lambda: ModelScanner(OnePerson(), ""))
    lines = [{"text": ILL}, {"request": {"model": "m", "messages": [{"role": "user", "content": ILL}]}}]
    first, second = scan(lines, "--full").answers
    for answer, path in ((first, "text"), (second, "messages[0].content")):
        assert answer["label"] == "restricted"
        assert answer["coverage"]["tiers"] == ["names", "ner", "structured"]
        (person,) = [found for found in answer["findings"] if found["entity"] == "PERSON"]
        assert (person["path"], person["start"], person["end"], person["detector"]) == (path, 0, 12, "ner-en")
    assert [answer["label"] for answer in scan(lines).answers] == ["internal"] * 2


def test_a_full_scan_without_models_is_refused_with_the_command_that_installs_them(
    scan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.cli.scan.are_installed", lambda: False)
    said = scan([{"text": ILL}], "--full")
    assert said.status == 2
    assert "The models of the tier `ner` are not installed. Run `pip install 'tidegate[ner]'`." in said.err
