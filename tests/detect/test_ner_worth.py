"""What of a model's findings is believed: names that look like names, places with a number, nothing famous."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.entities import ENTITIES
from gateway.detect.ner_text import Language, Piece
from gateway.detect.ner_worth import REPORTED, Kind, Named, worth

EN, ZH = Language.EN, Language.ZH


def judged(language: Language, text: str, kind: Kind) -> tuple[str, float, str] | None:
    """What is made of the part between brackets."""
    start, end = text.index("["), text.index("]") - 1
    plain = text.replace("[", "").replace("]", "")
    found = worth(Piece(language, 0, plain), Named(kind, start, end))
    return (found.entity, found.score, plain[found.start : found.end]) if found is not None else None


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        (EN, "Please ask [John Smith] about it.", ("PERSON", 0.85, "John Smith")),
        (EN, "Please ask [John Smith's] wife.", ("PERSON", 0.85, "John Smith")),
        (EN, "Please ask [James O'Brien] now.", ("PERSON", 0.85, "James O'Brien")),
        (EN, "Please ask [Ludwig van der Velde] now.", ("PERSON", 0.85, "Ludwig van der Velde")),
        (EN, "Please ask [Kenji M. Nguyen] now.", ("PERSON", 0.85, "Kenji M. Nguyen")),
        (EN, "Please ask [JOHN SMITH] now.", ("PERSON", 0.85, "JOHN SMITH")),
        (EN, "Please ask [Élodie Ångström-Weiß] now.", ("PERSON", 0.85, "Élodie Ångström-Weiß")),
        (EN, "To: [Sophie Lang\n    3482] Via", ("PERSON", 0.85, "Sophie Lang")),
        (EN, "He said [\"Anna Berg\"] twice", ("PERSON", 0.85, "Anna Berg")),
        (EN, "I met [Brandt] there.", ("PERSON", 0.6, "Brandt")),
        (EN, "[Sarah] was there.", ("PERSON", 0.6, "Sarah")),
        (EN, "[Convert] this into JSON.", None),  # the first word of a sentence has a capital anyway
        (EN, "run [INFO] now", None),
        (EN, "send [sha256:b56ffc9e] now", None),
        (EN, "see [Franscini 71] there", None),
        (EN, "the book of [Albert Einstein] says", None),
        (EN, "a play by [Shakespeare] says", None),
        (EN, "Please ask [a] now", None),
        (ZH, "请写信给[王小明]，", ("PERSON", 0.85, "王小明")),
        (ZH, "请写信给[欧阳娜娜]，", ("PERSON", 0.85, "欧阳娜娜")),
        (ZH, "请写信给[阿里木·买买提]，", ("PERSON", 0.85, "阿里木·买买提")),
        (ZH, "请写信给[John Smith]，", ("PERSON", 0.85, "John Smith")),
        (ZH, "请写信给[John]，", None),
        (ZH, "请写信给[方]，", None),
        (ZH, "编号[390992]，", None),
        (ZH, "编号[\n]，", None),
        (ZH, "[review]代码", None),
        (ZH, "介绍[李白]的成就", None),
        (ZH, "介绍[爱因斯坦]的成就", None),
    ],
)  # fmt: skip
def test_a_person_has_the_form_of_a_name_and_is_not_famous(
    language: Language, text: str, expected: tuple[str, float, str] | None
) -> None:
    assert judged(language, text, Kind.PERSON) == expected


@pytest.mark.parametrize(
    ("language", "text", "kind", "expected"),
    [
        (EN, "at 12 [Baker Street] in", Kind.BUILDING, ("ADDRESS", 0.6, "12 Baker Street")),
        (EN, "at 12b [Baker Street] in", Kind.BUILDING, ("ADDRESS", 0.6, "12b Baker Street")),
        (EN, "along [Baker Street] in", Kind.BUILDING, None),
        (EN, "for $12 [Baker Street] in", Kind.BUILDING, None),
        (EN, "version 1.12 [Baker Street] in", Kind.BUILDING, None),
        (EN, "the 12 [Paris] games", Kind.PLACE, None),
        (ZH, "在[建国路]88号见", Kind.PLACE, ("ADDRESS", 0.6, "建国路88号")),
        (ZH, "在[建国路]八十八号见", Kind.PLACE, ("ADDRESS", 0.6, "建国路八十八号")),
        (ZH, "在[建国路]见", Kind.PLACE, None),
        (ZH, "[北京]2008年", Kind.PLACE, None),
        (EN, "sold to [Acme Corp] in", Kind.ORGANISATION, ("ORG", 0.6, "Acme Corp")),
        (ZH, "卖给[百度公司]的", Kind.ORGANISATION, ("ORG", 0.6, "百度公司")),
        (EN, "sold to [12] in", Kind.ORGANISATION, None),
    ],
)  # fmt: skip
def test_a_place_is_an_address_only_with_its_number(
    language: Language, text: str, kind: Kind, expected: tuple[str, float, str] | None
) -> None:
    assert judged(language, text, kind) == expected


@settings(deadline=None)
@given(
    st.sampled_from(Language),
    st.sampled_from(Kind),
    st.text(st.sampled_from("Ab王小 \n\"'’s12号.·"), min_size=1, max_size=30),
    st.data(),
)
def test_what_is_believed_lies_in_the_piece_and_is_an_entity_of_ours(
    language: Language, kind: Kind, text: str, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    found = worth(Piece(language, 0, text), Named(kind, start, end))
    if found is not None:
        assert 0 <= found.start < found.end <= len(text)
        assert 0.0 < found.score <= 1.0
        assert found.entity in REPORTED <= ENTITIES.keys()
