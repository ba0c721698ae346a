"""What a live canary sends: found by our own scanner in every form, new each time, and nobody's."""

import json
import random

import pytest
from stdnum import iban, luhn
from stdnum.cn import ric

from gateway.detect.scanner import RequestScanner
from gateway.detect.synthetic import SCORES, Carrier, carrier_of, identifier, messages

TURNS = 2 * len(Carrier)


def test_sixteen_turns_are_every_carrier_in_both_languages():
    assert {(carrier_of(turn), turn % 2) for turn in range(TURNS)} == {
        (carrier, language) for carrier in Carrier for language in (0, 1)
    }


@pytest.mark.parametrize("turn", range(TURNS))
@pytest.mark.parametrize("entity", SCORES)
def test_the_scanner_finds_it_in_every_carrier_and_language(scanner: RequestScanner, entity: str, turn: int):
    chance = random.Random(turn)
    for _ in range(20):
        sent = messages(entity, turn, chance.random)
        found = scanner.scan("chat", {"model": "m", "messages": json.loads(json.dumps(sent)), "max_tokens": 1})
        scores = [finding.score for finding in found.findings if finding.entity == entity]
        assert scores, sent
        # A policy may ask for a least score: what is expected of a canary is worked out with this one.
        assert max(scores) >= SCORES[entity]
        assert not found.coverage.unscanned
        assert found.coverage.failure is None


@pytest.mark.parametrize("turn", [0, 1])
def test_texts_are_chinese_and_english_by_turns(turn: int):
    for carrier in range(len(Carrier) - 1):  # but for the last, which is encoded
        text = json.dumps(messages("BANK_CARD", turn + 2 * carrier, random.Random(1).random), ensure_ascii=False)
        assert any("\u4e00" <= character <= "\u9fff" for character in text) is (turn == 0)


@pytest.mark.parametrize(
    ("entity", "is_valid"),
    [
        ("CN_RESIDENT_ID", lambda number: ric.calc_check_digit(number) == number[17]),
        ("BANK_CARD", luhn.is_valid),
        ("IBAN", iban.is_valid),
    ],
)
def test_checksums_are_right_by_another_reckoning_and_no_two_are_alike(entity, is_valid):
    chance = random.Random(2)
    numbers = [identifier(entity, chance.random) for _ in range(500)]
    assert not [number for number in numbers if not is_valid(number)]
    assert len(set(numbers)) == len(numbers)


def test_nobody_who_lives_was_born_then():
    chance = random.Random(3)
    assert {identifier("CN_RESIDENT_ID", chance.random)[6:8] for _ in range(200)} == {"18"}


def test_there_is_no_other_kind():
    with pytest.raises(ValueError, match="EMAIL"):
        identifier("EMAIL", random.Random(4).random)
