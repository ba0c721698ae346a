"""The tier that reads with models: whatever becomes of the question, the evidence is completed or the very same."""

import asyncio
import base64
import gzip
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.core.findings import Coverage, Evidence, Finding, Tier, nothing_covered
from gateway.detect.memo import MemoStore, TenantMemo
from gateway.detect.ner import LONGEST, ModelScanner
from gateway.detect.ner_text import Language, Piece
from gateway.detect.ner_worth import Kind, Named
from gateway.detect.scanner import MAX_FINDINGS, RequestScanner

FIRST = frozenset((Tier.STRUCTURED, Tier.NAMES))
NOTHING = Evidence((), Coverage(FIRST, leaves=1, characters=20))
PATH = "messages[0].content"


class Script:
    """Reads what it is told to read: each of `names` is a person wherever it stands."""

    def __init__(self, *names: str, answer: Callable[[Sequence[Piece]], object] | None = None) -> None:
        self.names = names
        self.asked: list[list[str]] = []
        self._answer = answer

    async def read(self, asked: Sequence[Piece]) -> Sequence[Sequence[Named]] | None:
        self.asked.append([piece.text for piece in asked])
        await asyncio.sleep(0)
        if self._answer is not None:
            return self._answer(asked)  # type: ignore[return-value]  # also what cannot be
        return [list(self._in(piece)) for piece in asked]

    def _in(self, piece: Piece):
        for name in self.names:
            place = piece.text.find(name)
            while place >= 0:
                yield Named(Kind.PERSON, place, place + len(name))
                place = piece.text.find(name, place + 1)


def chat(*texts: str) -> dict[str, object]:
    return {"model": "m", "messages": [{"role": "user", "content": text} for text in texts]}


def memo() -> TenantMemo:
    return TenantMemo(MemoStore(), b"k" * 32)


async def completed(script: Script, document: object, evidence: Evidence = NOTHING, **other) -> Evidence:
    return await ModelScanner(script, "digest").complete("chat", document, evidence, **other)


async def test_what_the_models_find_is_joined_to_the_evidence_and_the_tier_covered() -> None:
    before = Finding("EMAIL", 0.9, PATH, 0, 4, "email")
    evidence = replace(NOTHING, findings=(before,))
    found = await completed(Script("John Smith"), chat("Please ask John Smith."), evidence)
    assert found.findings == (before, Finding("PERSON", 0.85, PATH, 11, 21, "ner-en"))
    assert found.coverage == replace(NOTHING.coverage, tiers=FIRST | {Tier.NER})
    assert ModelScanner(Script(), "digest").digest == "digest"


async def test_a_request_without_anything_to_read_is_read_without_a_question() -> None:
    script = Script()
    found = await completed(script, chat("3.14", "hello there"))
    assert Tier.NER in found.coverage.tiers
    assert script.asked == []


def raising(_: Sequence[Piece]) -> object:
    raise OSError


@pytest.mark.parametrize(
    "answer",
    [lambda _: None, raising, lambda asked: [()] * (len(asked) - 1), lambda _: 7, lambda asked: [[1]] * len(asked)],
    ids=["none", "raises", "too few", "no list", "no names"],
)
async def test_readers_that_fail_in_any_way_change_nothing(answer: Callable[[Sequence[Piece]], object]) -> None:
    kept = memo()
    document = chat("Please ask John Smith.")
    assert await completed(Script(answer=answer), document, memo=kept) is NOTHING
    # Nothing was remembered of what was not read to its end.
    script = Script("John Smith")
    assert (await completed(script, document, memo=kept)).findings != ()
    assert script.asked == [["Please ask John Smith."]]


@pytest.mark.parametrize(
    "evidence",
    [nothing_covered("deadline"), replace(NOTHING, coverage=replace(NOTHING.coverage, tiers=FIRST | {Tier.NER}))],
    ids=["failed", "done"],
)
async def test_nobody_is_asked_where_an_answer_would_change_nothing(evidence: Evidence) -> None:
    script = Script("John Smith")
    assert await completed(script, chat("Please ask John Smith."), evidence) is evidence
    assert script.asked == []


async def test_what_nobody_can_walk_is_not_read() -> None:
    deep: object = "John Smith"
    for _ in range(80):
        deep = [deep]
    assert await completed(Script(), {"model": "m", "messages": [], "x": deep}) is NOTHING
    assert await ModelScanner(Script(), "").complete("smoke signals", chat("John Smith"), NOTHING) is NOTHING


async def test_a_request_with_too_much_that_is_new_is_not_read() -> None:
    script, kept = Script("John Smith"), memo()
    half = "Please ask John Smith. " * (LONGEST // 2 // 23)
    other = half.replace("ask", "see")
    assert await completed(script, chat(half, other, "One more Word"), memo=kept) is not NOTHING
    assert await completed(script, chat(half, other, half + "!", "And More"), memo=memo()) is NOTHING
    assert len(script.asked) == 1
    # What is known costs nothing.
    assert await completed(script, chat(half, other, half + "!", "And More"), memo=kept) is not NOTHING
    assert script.asked[1][-1] == "And More"
    assert await completed(script, chat("Please " + half * 3)) is NOTHING


async def test_what_may_be_an_encoded_name_counts_like_any_other_text() -> None:
    """`%e7%8e%8b` is 王: there is nothing to read in it before it is decoded."""
    name = "%e7%8e%8b%e5%b0%8f%e6%98%8e "
    found = await completed(Script("王小明"), chat(name * 100))
    assert {one.transforms for one in found.findings} == {("url",)}
    assert await completed(Script("王小明"), chat(name * LONGEST)) is NOTHING


async def test_a_long_request_is_prepared_beside_the_loop() -> None:
    text = "Please ask John Smith. " * 500
    evidence = replace(NOTHING, coverage=replace(NOTHING.coverage, characters=len(text)))
    with ThreadPoolExecutor(1, thread_name_prefix="beside") as executor:
        scanner = ModelScanner(Script("John Smith"), "", executor=executor)
        found = await scanner.complete("chat", chat(text), evidence)
    assert len(found.findings) == 500
    assert [text[one.start : one.end] for one in found.findings] == ["John Smith"] * 500


@pytest.mark.parametrize(
    ("text", "transforms"),
    [
        ("ask Ｊｏｈｎ Ｓｍｉｔｈ now", ("nfkc",)),
        ("ask Jo\u200bhn Smi\u200bth now", ("strip",)),
        ("ask Sm John%20Smith now", ("url",)),
        ("ask Sm Ｊohn%20Smith now", ("nfkc", "url")),
        ("ask Sm John%25252520Smith now", ("url",) * 4),
    ],
)
async def test_a_text_is_read_as_it_reads_and_found_where_it_stands(text: str, transforms: tuple[str, ...]) -> None:
    (found,) = (await completed(Script("John Smith"), chat(text))).findings
    assert found.transforms == transforms
    assert text[found.start] in "JＪ"
    assert text[found.end - 1] in "hｈ"
    assert text[found.end] == " "


async def test_what_unfolds_into_too_much_is_not_read() -> None:
    bomb = base64.b64encode(gzip.compress(b"John Smith " * 2 * LONGEST)).decode()
    assert len(bomb) < LONGEST
    assert await completed(Script(), chat(f"Read {bomb}")) is NOTHING


async def test_a_text_that_comes_again_is_not_read_again_and_gives_the_same() -> None:
    script, kept = Script("John Smith"), memo()
    first = await completed(script, chat("Please ask John Smith.", "And what of John Smith?"), memo=kept)
    again = await completed(script, chat("Please ask John Smith.", "And what of John Smith?"), memo=kept)
    assert again == first
    assert len(first.findings) == 2
    moved = await completed(script, chat("New Words", "Please ask John Smith."), memo=kept)
    assert [one.path for one in moved.findings] == ["messages[1].content"]
    assert script.asked == [["Please ask John Smith.", "And what of John Smith?"], ["New Words"]]


async def test_one_text_in_many_places_is_read_once_and_found_in_all() -> None:
    script = Script("John Smith")
    found = await completed(script, chat("Ask John Smith.", "Ask John Smith."))
    assert [one.path for one in found.findings] == ["messages[0].content", "messages[1].content"]
    assert script.asked == [["Ask John Smith."]]


async def test_what_the_scanner_remembers_and_what_the_models_do_are_kept_apart(scanner: RequestScanner) -> None:
    document, kept = chat("Ask John Smith, 13812345678."), memo()
    evidence = scanner.scan("chat", document, kept)
    script = Script("John Smith")
    first = await completed(script, document, evidence, memo=kept)
    assert script.asked == [["Ask John Smith, 13812345678."]]
    assert scanner.scan("chat", document, kept) == scanner.scan("chat", document) == evidence
    assert await completed(Script(), document, scanner.scan("chat", document, kept), memo=kept) == first


async def test_another_tenant_finds_nothing_remembered() -> None:
    store, script = MemoStore(), Script("John Smith")
    for key in (b"a" * 32, b"b" * 32):
        await completed(script, chat("Ask John Smith."), memo=TenantMemo(store, key))
    assert script.asked == [["Ask John Smith."]] * 2


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        # What both saw counts once, with the higher score, and stays where it was.
        (Finding("PERSON", 0.55, PATH, 4, 10, "en-given-name"), [("PERSON", 0.85, 4, 10, "ner-en")]),
        (Finding("PERSON", 0.95, PATH, 0, 14, "en-given-name"), [("PERSON", 0.95, 0, 14, "en-given-name")]),
        # What stands beside it, or is something else, or elsewhere, is another one.
        (Finding("PERSON", 0.55, PATH, 0, 4, "x"), [("PERSON", 0.55, 0, 4, "x"), ("PERSON", 0.85, 4, 14, "ner-en")]),
        (Finding("PERSON", 0.5, PATH, 14, 15, "x"), [("PERSON", 0.5, 14, 15, "x"), ("PERSON", 0.85, 4, 14, "ner-en")]),
        (Finding("EMAIL", 0.55, PATH, 4, 14, "x"), [("EMAIL", 0.55, 4, 14, "x"), ("PERSON", 0.85, 4, 14, "ner-en")]),
        (Finding("PERSON", 0.5, "model", 4, 14, "x"), [("PERSON", 0.5, 4, 14, "x"), ("PERSON", 0.85, 4, 14, "ner-en")]),
    ],
)  # fmt: skip
async def test_what_two_tiers_saw_is_counted_once(before: Finding, expected: list[object]) -> None:
    found = await completed(Script("John Smith"), chat("Ask John Smith."), replace(NOTHING, findings=(before,)))
    assert [(one.entity, one.score, one.start, one.end, one.detector) for one in found.findings] == expected


async def test_more_than_can_be_told_is_not_told_in_part() -> None:
    text = "Jo Li, " * (MAX_FINDINGS + 1)
    assert len(text) < LONGEST
    assert await completed(Script("Jo Li"), chat(text)) is NOTHING
    assert len((await completed(Script("Jo Li"), chat(text[7:]))).findings) == MAX_FINDINGS


async def test_somebody_who_stops_waiting_is_not_kept() -> None:
    asked = asyncio.Event()

    class Slow:
        async def read(self, _: Sequence[Piece]) -> None:
            asked.set()
            await asyncio.Event().wait()

    waiting = asyncio.ensure_future(ModelScanner(Slow(), "").complete("chat", chat("Ask John Smith."), NOTHING))
    await asked.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


@settings(deadline=None)
@given(
    st.lists(st.text(st.sampled_from("Jo Li王。Ｊ\u200b%20\n"), max_size=40), max_size=4),
    st.lists(
        st.builds(
            Finding, st.sampled_from(["PERSON", "EMAIL"]), st.sampled_from([0.3, 0.9]), st.just(PATH),
            st.integers(0, 9), st.integers(10, 20), st.just("x"),
        ),
        max_size=4,
    ),
)  # fmt: skip
def test_a_full_scan_never_takes_evidence_away(texts: list[str], before: list[Finding]) -> None:
    evidence = replace(NOTHING, findings=tuple(before))
    found = asyncio.run(completed(Script("Jo Li", "王", "J"), chat(*texts), evidence, memo=memo()))
    assert len(found.findings) >= len(before)
    for old, new in zip(before, found.findings, strict=False):
        assert (old.entity, old.path, old.start, old.end) == (new.entity, new.path, new.start, new.end)
        assert new.score >= old.score
    for one in found.findings[len(before) :]:
        text = texts[int(one.path.removeprefix("messages[").partition("]")[0])]
        assert 0 <= one.start < one.end <= len(text)
        assert one.detector in {f"ner-{language}" for language in Language}
