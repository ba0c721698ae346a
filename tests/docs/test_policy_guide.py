"""The guides to the policy say what is so: commands print what they show, examples load, no key is missing."""

import difflib
import re
from pathlib import Path

import pytest
import yaml

from gateway.config import pools_file, tenants_file
from gateway.core import written
from gateway.core.labels import LabelOrder
from gateway.core.reading import Reader
from gateway.policy import cases_file, keys
from gateway.policy.compile import load
from tests.docs.guide import ENVIRONMENT, blocks, played

ROOT = Path(__file__).parents[2]
POLICIES = ROOT / "policies"
GUIDES = sorted(ENVIRONMENT)
DEFAULT = (POLICIES / "default.yaml").read_text("utf-8")
ORDER = LabelOrder(("public", "internal", "confidential", "restricted"))

every_guide = pytest.mark.parametrize("name", GUIDES)


def guide(name: str) -> str:
    return (ROOT / "docs" / name).read_text("utf-8")


@every_guide
def test_every_command_prints_what_the_guide_shows(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in ENVIRONMENT[name].items():
        monkeypatch.setenv(variable, value)
    shown = guide(name)
    now = played(shown, tmp_path)
    changed = difflib.unified_diff(
        shown.splitlines(), now.splitlines(), "the guide", "what is printed", lineterm="", n=1
    )
    mend = f"If that is better: python -m tests.docs.guide docs/{name}"
    assert now == shown, "\n".join((*changed, mend))


@every_guide
def test_both_guides_take_the_reader_the_same_way(name: str) -> None:
    def steps(text: str) -> list[str]:
        lines = [line for block in blocks(text) if block.kind in ("console", "sh") for line in block.text.splitlines()]
        return [line for line in lines if line.startswith(("$ ", "tidegate "))]

    plain = [re.sub(r"--text \S+|--text \".*?\"", "--text …", step) for step in steps(guide(name))]
    assert plain == [re.sub(r"--text \S+|--text \".*?\"", "--text …", step) for step in steps(guide(GUIDES[0]))]


@every_guide
def test_every_example_of_the_language_loads(name: str) -> None:
    found = [block.text for block in blocks(guide(name)) if block.kind == "yaml"]
    assert len(found) >= 9
    for text in found:
        given = yaml.safe_load(text)
        if "pools" in given:
            reader = Reader()
            zones = load(DEFAULT.encode(), "p").zones
            pools_file.read(written.parse(text.encode(), "pools").root, reader, ORDER, zones)
            reader.finish()
        elif "tenants" in given:
            reader = Reader()
            tenants_file.read(
                written.parse(text.encode(), "tenants").root,
                reader,
                ORDER,
                ORDER.rank("internal"),
                ORDER.rank("internal"),
            )
            reader.finish()
        elif "cases" in given:
            assert len(cases_file.read(text.encode(), "cases", load(DEFAULT.encode(), "p"))) == 4
        else:
            policy = yaml.safe_load(DEFAULT)
            policy |= given | ({"label": policy["label"] | given["label"]} if "label" in given else {})
            load(f"{yaml.safe_dump(policy, allow_unicode=True)}...\n".encode(), "p")


@every_guide
@pytest.mark.parametrize("group", sorted(keys.KEYS))
def test_every_key_of_the_language_is_explained(name: str, group: str) -> None:
    text = guide(name)
    assert [key for key in keys.KEYS[group] if not re.search(rf"(?<![A-Za-z_]){key}(?![A-Za-z_])", text)] == []


@every_guide
def test_every_word_with_a_fixed_meaning_is_explained(name: str) -> None:
    text = guide(name)
    words = (*keys.RAISED, *keys.COMPARISONS, *cases_file.KEYS["case"], *cases_file.KEYS["expect"])
    assert [word for word in words if word not in text] == []


@every_guide
def test_a_guide_has_one_sentence_per_line(name: str) -> None:
    prose = re.sub(r"^```.*?^```$|^\|.*$", "", guide(name), flags=re.MULTILINE | re.DOTALL)
    lines = [re.sub(r"^[0-9]\. ", "", line) for line in prose.splitlines()]
    crowded = [line for line in lines if re.search(r"[a-z)`][.?!] [A-Z]|。[^」』”’）]", line)]
    assert [line for line in crowded if not line.startswith("- ")] == []
