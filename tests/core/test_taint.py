"""Replies are found again wherever they stand, and nobody's replies are anybody else's."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.findings import History
from gateway.core.labels import Label, LabelOrder
from gateway.core.taint import (
    SHORT,
    Provenance,
    Speaker,
    Turn,
    folded,
    has_history,
    judged,
    material,
    of_reply,
    sought_in,
)

ORDER = LabelOrder(("public", "internal", "restricted"))
LONG = "The patient was admitted on Monday with acute symptoms. " * 4
KEY = "key_1"

SYSTEM = Turn(Speaker.SYSTEM, ("Be brief.",))
ASKED = Turn(Speaker.USER, ("Summarise the file of the patient.",))
SAID = Turn(Speaker.MODEL, (LONG,))
AGAIN = Turn(Speaker.USER, ("And now in French.",))


def mark(one: bytes) -> bytes:
    return hashlib.sha256(one).digest()[:16]


def record(label: str, credential: str, texts: tuple[str, ...], turns: tuple[Turn, ...]) -> dict[bytes, set[str]]:
    return {mark(one): {label} for one in of_reply(credential, texts, turns)}


def judge(recorded: dict[bytes, set[str]] | None, turns: tuple[Turn, ...], credential: str = KEY) -> Provenance:
    sought = sought_in(credential, turns)
    return judged(turns, [(one, mark(one.material)) for one in sought], recorded, ORDER)


RESTRICTED = record("restricted", KEY, (LONG,), (SYSTEM, ASKED))


@pytest.mark.parametrize(
    "turns",
    [
        pytest.param((SYSTEM, ASKED, SAID, AGAIN), id="the whole conversation"),
        pytest.param((SAID, AGAIN), id="the sensitive turn trimmed away"),
        pytest.param((Turn(Speaker.USER, ("Hello.",)), SAID, AGAIN), id="the sensitive turn edited"),
        pytest.param((Turn(Speaker.USER, (LONG,)),), id="pasted by the user"),
        pytest.param((Turn(Speaker.MODEL, (f"> **{LONG.upper()}**\n",)), AGAIN), id="quoted in Markdown, in capitals"),
        pytest.param((Turn(Speaker.MODEL, (LONG.replace(" ", "\n"),)), AGAIN), id="wrapped"),
    ],
)
def test_a_long_reply_brings_its_label_wherever_it_stands(turns: tuple[Turn, ...]) -> None:
    assert judge(RESTRICTED, turns).taint == Label(2)


def test_a_short_reply_is_known_by_what_it_answered() -> None:
    recorded = record("restricted", KEY, ("Yes.",), (SYSTEM, ASKED))
    yes = Turn(Speaker.MODEL, ("Yes.",))
    assert judge(recorded, (ASKED, yes, AGAIN)) == Provenance(History.ON_RECORD, Label(2))
    assert judge(recorded, (Turn(Speaker.USER, ("Is it raining?",)), yes, AGAIN)) == Provenance(History.UNKNOWN, None)


def test_what_one_credential_was_told_says_nothing_about_another() -> None:
    assert judge(RESTRICTED, (ASKED, SAID, AGAIN), credential="key_2") == Provenance(History.UNKNOWN, None)


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        ((ASKED,), History.NONE),
        ((SYSTEM, ASKED), History.NONE),
        ((ASKED, SAID, AGAIN), History.ON_RECORD),
        ((ASKED, Turn(Speaker.MODEL, ("Nobody ever said this to anyone.",)), AGAIN), History.UNKNOWN),
        ((ASKED, Turn(Speaker.TOOL, ("42",))), History.ON_RECORD),
        ((ASKED, Turn(Speaker.MODEL, (" ",)), AGAIN), History.ON_RECORD),
    ],
)
def test_history_is_on_record_if_every_reply_in_it_is(turns: tuple[Turn, ...], expected: History) -> None:
    assert judge(RESTRICTED, turns).history is expected


def test_a_lost_record_makes_every_history_lost_and_nothing_else() -> None:
    assert judge(None, (SYSTEM, ASKED, SAID, AGAIN)) == Provenance(History.LOST, None)
    assert judge(None, (SYSTEM, ASKED)) == Provenance(History.NONE, None)


def test_a_label_that_no_longer_exists_counts_as_the_highest() -> None:
    assert judge(record("secret", KEY, (LONG,), ()), (SAID, AGAIN)).taint == ORDER.top


def test_the_highest_of_several_labels_counts() -> None:
    other = Turn(Speaker.MODEL, (LONG + "Discharged.",))
    recorded = record("internal", KEY, (LONG,), ()) | record("restricted", KEY, other.texts, ())
    assert judge(recorded, (SAID, other, AGAIN)).taint == Label(2)
    assert judge({key: {"public", "internal"} for key in recorded}, (SAID, other, AGAIN)).taint == Label(1)


def test_instructions_and_short_questions_are_never_looked_up() -> None:
    assert sought_in(KEY, (Turn(Speaker.SYSTEM, (LONG,)), Turn(Speaker.TOOL, (LONG,)), AGAIN)) == ()


def test_a_reply_of_nothing_is_not_remembered() -> None:
    assert of_reply(KEY, ("", "  \n"), (ASKED,)) == ()


def test_a_reply_without_letters_is_told_by_its_characters_and_its_question() -> None:
    assert material(KEY, "👍", ("a",)) != material(KEY, "👎", ("a",))
    assert material(KEY, "👍", ("a",)) != material(KEY, "👍", ("b",))


def test_history_is_what_was_not_said_by_users_and_instructions() -> None:
    assert not has_history((SYSTEM, ASKED))
    assert has_history((SYSTEM, SAID))
    assert has_history((Turn(Speaker.TOOL, ()),))


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=20), st.text(max_size=20))
def test_two_replies_share_material_only_if_they_say_the_same_to_the_same_credential(
    one: str, other: str, credential: str, another: str
) -> None:
    same = (folded(one) or one.strip()) == (folded(other) or other.strip()) and credential == another
    assert (material(credential, one, ("q",)) == material(another, other, ("q",))) == same


@given(st.text(alphabet=st.characters(codec=None), max_size=3 * SHORT))
def test_any_text_at_all_can_be_remembered(text: str) -> None:
    turns = (ASKED, Turn(Speaker.MODEL, (text,)))
    recorded = record("restricted", KEY, (text,), (ASKED,))
    assert judge(recorded, turns).taint == (Label(2) if text.strip() else None)


@given(st.text(alphabet=st.characters(codec="ascii"), max_size=200))
def test_plain_text_is_folded_as_any_other(text: str) -> None:
    assert folded(text) == folded(text + "é").removesuffix("é")
