"""The guide to a customer's recognizers says what is so, in both languages: commands print it, the code in it runs."""

import re
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import yaml

from gateway.config import recognizers_file
from gateway.core import written
from gateway.core.reading import Reader
from gateway.detect import registry
from tests.docs.guide import blocks, environment_of, played

DOCS = Path(__file__).parents[2] / "docs"
GUIDES = ("recognizers.md", "recognizers.zh.md")
every_guide = pytest.mark.parametrize("name", GUIDES)


def guide(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


@every_guide
def test_every_command_prints_what_the_guide_shows(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in environment_of(name).items():
        monkeypatch.setenv(variable, value)
    assert played(guide(name), tmp_path) == guide(name), f"If that is better: python -m tests.docs.guide docs/{name}"


def test_both_guides_take_the_reader_the_same_way() -> None:
    def steps(name: str) -> list[str]:
        found = [
            block.text for block in blocks(guide(name)) if block.kind in ("console", "sh", "diff", "python", "toml")
        ]
        return [line for text in found for line in text.splitlines() if not line.startswith((" ", "工单", "ticket"))]

    def kinds(name: str) -> list[str]:
        return [block.kind for block in blocks(guide(name))]

    commands = [[line for line in steps(name) if line.startswith(("$ ", "---", "pip"))] for name in GUIDES]
    assert commands[0] == commands[1]
    assert kinds(GUIDES[0]) == kinds(GUIDES[1])


@every_guide
def test_every_key_is_explained(name: str) -> None:
    keys = (*recognizers_file._KEYS, "recognizers", "entry_points", "global_regex_flags", "regex", "score")
    assert [key for key in keys if f"`{key}`" not in guide(name)] == []


@every_guide
def test_the_code_in_it_can_be_used(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = [block.text for block in blocks(guide(name)) if block.kind == "python"]
    (tmp_path / "acme_recognizers.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "acme_recognizers", raising=False)
    (toml,) = [block.text for block in blocks(guide(name)) if block.kind == "toml"]
    group, offered = re.search(r'"(.+)"\]\nacme = "(.+)"', toml).groups()
    assert group == registry.GROUP
    named = [block.text for block in blocks(guide(name)) if block.text.startswith("entry_points")]
    document = written.parse(named[0].encode(), "r")
    reader = Reader(document.problems)
    file = recognizers_file.read(document.root, reader)
    made = registry.build(file, reader, lambda name: [EntryPoint(name, offered, group)])
    assert reader.problems == []
    assert made.entities == ("ACME_CASE_FILE",)
    assert [one.start for one in made.recognizers[0].find("case 2024/117 and 1234/567", "")] == [5]
    del sys.modules["acme_recognizers"]


@every_guide
def test_every_file_in_it_is_one_that_is_read(name: str) -> None:
    found = [block.text for block in blocks(guide(name)) if block.kind == "yaml"]
    assert len(found) == 3
    for text in found:
        document = written.parse(text.encode(), "r")
        reader = Reader(document.problems)
        recognizers_file.read(document.root, reader)
        assert reader.problems == []
        assert yaml.safe_load(text)


@every_guide
def test_a_guide_has_one_sentence_per_line(name: str) -> None:
    prose = re.sub(r"^```.*?^```$|^\|.*$", "", guide(name), flags=re.MULTILINE | re.DOTALL)
    crowded = [line for line in prose.splitlines() if re.search(r"[a-z)`][.?!] [A-Z]|。[^」』”’）]", line)]
    assert [line for line in crowded if not line.startswith("- ")] == []
