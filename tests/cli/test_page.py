"""Reports are wrapped where a reader would break them, and coloured only where somebody looks."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.demo_table import width
from gateway.cli.page import Page, wrapped


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(text: str, out: io.StringIO, **environment: str) -> str:
    Page.on(out, environment).say(text)
    return out.getvalue()


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", [""]),
        ("one two three four five six seven eight nine", ["one two three four five six seven eight", "nine"]),
        (
            "  · the first of a list that is too long for one",
            ["  · the first of a list that is too long", "    for one"],
        ),
        ("  ✗ N1: never, whatever happens, to the cloud", ["  ✗ N1: never, whatever happens, to the", "    cloud"]),
        (
            "   for   label internal, model chat-auto, at night",
            ["   for   label internal, model", "         chat-auto, at night"],
        ),
        ("12. " + "x" * 50, ["12. " + "x" * 50]),
        ("a " + "x" * 50 + " b", ["a", "x" * 50, "b"]),
        # Two columns for each character, no line begins with a full stop, and Latin words stay whole.
        ("一二三四五六七八九十一二三四五六七八九十。", ["一二三四五六七八九十一二三四五六七八九", "十。"]),
        (
            "   适用：模型为 chat-auto，租户类别为 default，不需要 vision",
            ["   适用：模型为 chat-auto，租户类别为", "         default，不需要 vision"],
        ),
        # An opening bracket does not end a line.
        (
            "时间为每天二十点到次日八点，按北京时间（UTC+08:00）",
            ["时间为每天二十点到次日八点，按北京时间", "（UTC+08:00）"],
        ),
        (
            "上限（cloud_ceiling）以上的内容都不出行（一律如此）",
            ["上限（cloud_ceiling）以上的内容都不出行", "（一律如此）"],
        ),
    ],
)  # fmt: skip
def test_lines_break_where_a_reader_would(text: str, lines: list[str]) -> None:
    assert list(wrapped(text, 40)) == lines


@given(st.text(st.sampled_from("ab 　一二，。（）:·✗-12"), max_size=120), st.integers(40, 60))
def test_nothing_is_lost_and_no_line_is_too_long(text: str, columns: int) -> None:
    lines = list(wrapped(text, columns))
    assert "".join("".join(lines).split()) == "".join(text.split())
    longest = max((width(word) for word in text.split()), default=0)
    assert all(width(line) <= max(columns, longest + 12) for line in lines)


def test_what_is_no_terminal_gets_lines_for_a_ticket() -> None:
    assert max(map(len, shown("word " * 60, io.StringIO()).splitlines())) <= 100
    assert max(map(len, shown("word " * 60, io.StringIO(), COLUMNS="60").splitlines())) <= 60
    assert max(map(len, shown("word " * 60, io.StringIO(), COLUMNS="9999").splitlines())) <= 120
    assert max(map(len, shown("word " * 60, io.StringIO(), COLUMNS="1").splitlines())) <= 40


def test_colours_are_for_terminals() -> None:
    text = "  ✓ good\n  ✗ bad\nplain"
    assert shown(text, io.StringIO()) == f"{text}\n"
    coloured = shown(text, Terminal(), TERM="xterm")
    assert "\x1b[32m  ✓ good" in coloured
    assert "\x1b[31m  ✗ bad" in coloured
    assert coloured.endswith("plain\n")
    assert "\x1b" not in shown(text, Terminal(), NO_COLOR="1")
    assert "\x1b" not in shown(text, Terminal(), TERM="dumb")
