"""Which parts of a text the models read, and that they read all of it that they could."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.detect.ner_text import AROUND, OVERLAP, PIECE, Language, has_script, pieces

ALPHABET = st.sampled_from("ab A Z.\n!?。！ 王小明，1 é Б")
TEXTS = st.text(ALPHABET, max_size=3 * PIECE) | st.integers(0, 4 * PIECE).map(lambda n: ("Ab王" * PIECE)[:n])


def languages(text: str) -> list[str]:
    return [piece.language.value for piece in pieces(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Please write to John Smith.", ["en"]),
        ("请写信给王小明。", ["zh"]),
        ("请写信给 John Smith。", ["zh", "en"]),
        ("請寫信給王小明。", ["zh"]),
        ("please write to john smith", []),  # the model finds no name without a capital
        ("JOHN SMITH", ["en"]),
        ("gpt-4o-mini", []),
        ("3.14159", []),
        ("", []),
        ("   \n", []),
        ("Привет, Иван", []),
        ("Élodie", ["en"]),
        ("请看 URL 和 JSON，编号 AB12。", ["zh"]),
        ("𠮷田", ["zh"]),
    ],
)
def test_each_part_goes_to_the_models_that_know_its_script(text: str, expected: list[str]) -> None:
    assert languages(text) == expected
    assert has_script(text) is bool(expected)


@settings(deadline=None)
@given(TEXTS)
def test_pieces_are_parts_of_the_text_and_no_longer_than_a_model_reads_well(text: str) -> None:
    for piece in pieces(text):
        part = text[piece.start : piece.start + len(piece.text)]
        if piece.language is Language.ZH or part.isascii():
            assert part == piece.text
        assert 0 < len(piece.text) <= PIECE


@settings(deadline=None)
@given(TEXTS)
def test_every_character_of_its_script_is_read_by_a_model(text: str) -> None:
    read = {language: set[int]() for language in Language}
    for piece in pieces(text):
        read[piece.language].update(range(piece.start, piece.start + len(piece.text)))
    for place, character in enumerate(text):
        if "\u4e00" <= character <= "\u9fff":
            assert place in read[Language.ZH]
        if character in "AZ" and text[place + 1 : place + 2] in ("a", "b"):
            assert {place, place + 1} <= read[Language.EN]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("请问 Tom Brandt，王小明签了吗？", "   Tom Brandt,      ?"),
        ("Tom Brandt和Ann Lee得了肺炎", "Tom Brandt,Ann Lee    "),
        ("See Élodie", "See Élodie"),
    ],
)
def test_the_english_model_sees_no_chinese_and_everything_else_in_its_place(text: str, expected: str) -> None:
    (english,) = [piece.text for piece in pieces(text) if piece.language is Language.EN]
    assert english == expected


def test_the_english_model_sees_little_of_a_chinese_text_around_a_name() -> None:
    text = "他说：" * 30 + "问 Tom Brandt" + "，他说" * 60
    (english,) = [piece for piece in pieces(text) if piece.language is Language.EN]
    assert text[english.start :].index("Tom") == english.text.index("Tom Brandt,") == AROUND
    assert len(english.text) == AROUND + 4 + OVERLAP + AROUND


@settings(deadline=None)
@given(st.integers(0, 3 * PIECE))
def test_a_name_in_a_text_without_sentences_is_in_one_piece_as_a_whole(place: int) -> None:
    text = "word " * (place // 5) + "John Smith " + "word " * PIECE
    where = text.index("John Smith")
    assert len("John Smith") < OVERLAP
    assert any(piece.start <= where and where + 10 <= piece.start + len(piece.text) for piece in pieces(text))


@settings(deadline=None)
@given(st.integers(PIECE - 30, PIECE + 30))
def test_a_title_ends_no_sentence(place: int) -> None:
    text = ("word " * place)[:place] + " Please ask Dr. Smith today. " + "word " * PIECE
    where = text.index("Dr. Smith")
    assert any(piece.start <= where and where + 9 <= piece.start + len(piece.text) for piece in pieces(text))


def test_a_piece_ends_with_a_sentence_or_a_line() -> None:
    sentence = "We met Anna at the station. "
    assert [piece.text[-1] for piece in pieces(sentence * 60)][:-1] == ["."] * 2
    assert {piece.text[-1] for piece in pieces("我们在车站见到了王小明。" * 120)} == {"。"}
    assert {piece.text[-1] for piece in pieces("Anna\n" * 300)} == {"\n"}
