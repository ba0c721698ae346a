"""`tidegate complexity` scores lines, and tells of a bad one where it is and nothing of what stands in it."""

import json
from pathlib import Path

import pytest

from gateway.cli.complexity_words import PARTS
from gateway.cli.json_lines import LONGEST_LINE
from gateway.cli.main import main
from gateway.core.complexity import CHOICE_PARTS, OPEN_PARTS, Question, Scorer
from tests.cli.folder import write_folder
from tests.core.complexity_golden import GOLDEN


@pytest.fixture
def score(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    def run(*lines: object, more: tuple[str, ...] = ()):
        file = tmp_path / "lines.jsonl"
        raw = [line if isinstance(line, bytes) else json.dumps(line, ensure_ascii=False).encode() for line in lines]
        file.write_bytes(b"\n".join(raw))
        status = main(["complexity", str(file), "--language", "en", *more])
        said = capsys.readouterr()
        return status, [json.loads(line) for line in said.out.splitlines()], said.err

    return run


def test_prompts_and_requests_are_scored_as_on_the_live_path(score):
    asked = [{"id": at, "prompt": golden.text} for at, golden in enumerate(GOLDEN)]
    requests = [
        {"id": f"r{at}", "request": {"messages": [{"role": "user", "content": golden.text}]}}
        for at, golden in enumerate(GOLDEN)
    ]
    status, answers, _ = score(*asked, *requests)
    assert status == 0
    assert [answer["band"] for answer in answers] == [golden.band for golden in GOLDEN] * 2
    for golden, answer in zip(GOLDEN, answers, strict=False):
        assert answer["score"] == pytest.approx(Scorer().score(Question(golden.text)), abs=1e-6)
        assert {"value", "adds"} == {key for feature in answer["features"].values() for key in feature}


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (b"zanzibar", "This line is not valid JSON (byte 0)."),
        ({"id": 1}, 'There is neither `prompt` nor `request`. Write {"id": 1, "prompt": "…"}.'),
        ({"prompt": "zanzibar", "request": {}}, "There are both `prompt` and `request`. Leave one out."),
        ({"prompt": 7}, "`prompt` must be a text."),
        ({"id": [1], "prompt": "zanzibar"}, "`id` must be a text or a whole number, of at most 200 characters."),
        (
            {"request": {"input": "zanzibar"}},
            "`request` must be an object with `messages` or `prompt`, as it is sent to the gateway.",
        ),
    ],
)
def test_a_bad_line_is_told_with_its_number_and_the_rest_is_scored(score, tmp_path, line, sentence):
    status, answers, errors = score({"prompt": "Hello"}, line, {"id": "last", "prompt": "Hello"})
    assert status == 1
    assert [answer["id"] for answer in answers] == [1, "last"]
    assert f"{tmp_path / 'lines.jsonl'}:2:1: {sentence}" in errors
    assert "Lines that could not be scored: 1." in errors
    assert "zanzibar" not in errors


def test_a_line_that_is_too_long_is_passed_over(score):
    status, answers, errors = score(b'{"prompt": "' + b"a" * LONGEST_LINE + b'"}', {"prompt": "Hello"})
    assert (status, len(answers)) == (1, 1)
    assert "This line is longer than 8 MiB." in errors


def test_empty_lines_are_passed_over_and_a_byte_order_mark_too(score):
    status, answers, _ = score(b"\xef\xbb\xbf" + b'{"prompt": "Hello"}', b"", b"  ")
    assert (status, len(answers)) == (0, 1)


def test_a_policy_moves_the_bands(score, tmp_path):
    folder = write_folder(tmp_path / "config")
    policy = folder / "policy.yaml"
    text = policy.read_text("utf-8")
    policy.write_text(text.replace("\nroutes:", "\ncomplexity: {simple_below: 0, hard_from: 0.01}\nroutes:", 1))
    status, answers, errors = score({"prompt": "Hello"}, more=("--policy", str(policy)))
    assert (status, errors) == (0, "")
    assert answers[0]["band"] == "hard"
    assert score({"prompt": "Hello"}, more=("--policy", str(tmp_path / "nothing.yaml")))[0] == 2
    policy.write_text("apiVersion: tidegate/v1\n")
    assert score({"prompt": "Hello"}, more=("--policy", str(policy)))[0] == 1


def test_a_file_that_is_not_there_is_misuse(capsys):
    assert main(["complexity", "/nowhere/lines.jsonl"]) == 2
    assert "There is no such file." in capsys.readouterr().err


def test_every_count_has_words_in_both_languages():
    assert set(PARTS) == {*CHOICE_PARTS, *OPEN_PARTS}
    assert all(english and chinese for english, chinese in PARTS.values())
