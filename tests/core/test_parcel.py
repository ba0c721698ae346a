"""What a package may hold, and what is refused before anybody uploads it."""

import json

import pytest

from gateway.core.parcel import MOST_BYTES, MOST_FILES, Entry, Item, manifest, name_flaw, problems, shown

CODE = (Item("code/inference.py", 1),)
MODEL = (Item("m.gguf", 9),)


def told(weights=MODEL, code=CODE) -> list[str]:
    return [str(problem) for problem in problems(weights, code)]


@pytest.mark.parametrize("weights", [MODEL, (Item("deep/m.gguf", 1),), (Item("config.json", 0), Item("模型.bin", 3))])
def test_a_model_and_code_are_enough(weights):
    assert told(weights) == []


@pytest.mark.parametrize(
    ("path", "flaw"),
    [
        ("/etc/passwd", "The path is absolute."),
        ("../m.gguf", "The path leads out of the package, or nowhere."),
        ("a/./m.gguf", "The path leads out of the package, or nowhere."),
        ("a//m.gguf", "The path leads out of the package, or nowhere."),
        ("", "The path leads out of the package, or nowhere."),
        ("a\nb.gguf", "The name has characters that not every system can unpack."),
        ("a\\b.gguf", "The name has characters that not every system can unpack."),
        ("\udcff.gguf", "The name has characters that not every system can unpack."),
        ("x" * 251 + ".gguf", "The name is too long to be unpacked."),
        ("型" * 86, "The name is too long to be unpacked."),
        ("/".join(["x" * 200] * 6), "The name is too long to be unpacked."),
        ("x" * 250 + ".gguf", None),
    ],
)
def test_a_name_that_cannot_be_unpacked_is_told(path: str, flaw: str | None):
    assert name_flaw(path) == flaw
    found = [one for one in told((*MODEL, Item(path, 1))) if one.startswith(f"{shown(path)}: ")]
    assert found == ([f"{shown(path)}: {flaw} Rename it."] if flaw is not None else [])


def test_no_name_reaches_a_terminal_with_anything_that_steers_it():
    assert shown("a\x1b[2J\n\udcff") == "a\\x1b[2J\\n\\udcff"
    assert shown("模型") == "模型"


@pytest.mark.parametrize("path", ["code/x.py", "sealed/m.gguf", "tidegate.json", "code"])
def test_weights_do_not_stand_where_ours_stand(path: str):
    assert told((*MODEL, Item(path, 1))) == [f"{path}: Its place in the package is taken. Rename it."]


def test_without_a_model_or_without_code_there_is_nothing_to_serve():
    model, code = told((Item("readme.md", 1), Item("deep/config.json", 1)), (Item("code/server.py", 1),))
    assert model.startswith("the weights: There is no model")
    assert code.startswith("the code: There is no `inference.py`")


def test_what_is_more_than_sagemaker_takes_is_refused():
    assert told((Item("m.gguf", MOST_BYTES - 1),)) == []
    [size] = told((Item("m.gguf", MOST_BYTES),))
    assert "at most 500000000000" in size
    [files] = told((*MODEL, *(Item(f"{number}", 0) for number in range(MOST_FILES - 1))))
    assert f"{MOST_FILES + 1} files" in files


def test_a_manifest_has_every_file_and_how_the_key_is_found():
    said = json.loads(manifest([Entry("m.gguf", 9, "ab")], {"by": "local"}))
    file = {"path": "m.gguf", "size": 9, "sha256": "ab"}
    assert said == {"version": 1, "seal": {"by": "local"}, "files": [file]}
