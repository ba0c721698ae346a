"""Checksums hold for real numbers and break when one digit changes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn import uscc

from gateway.detect import checksums as c

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@pytest.mark.parametrize(
    ("check", "valid"),
    [
        (c.resident_id, ["11010519491231002X", "11010519491231002x", "440524188001010014"]),
        (c.legacy_resident_id, ["110105491231002"]),
        (
            c.social_credit_code,
            ["91110000600037341L", "91110000600037341l", "N2330106MF1234567L", "Y1110000MB0285434B"],
        ),
        (
            c.bank_card,
            [
                "4111111111111111",
                "378282246310005",
                "5555555555554444",
                "2223003122003222",
                "30569309025904",
                "6011111111111117",
                "3530111333300000",
                "6222021234567890128",
                "180016070420458",
                "4222222222222",
                "630495060000000000",
                "6759649826438453",
            ],
        ),
        (c.aadhaar, ["234123412346"]),
        (c.nhs_number, ["9434765919", "4010232137"]),
        (c.npi, ["1234567893"]),
        (c.dea_number, ["AB1234563"]),
        (c.ssn, ["078051120"]),
        (c.itin, ["912781234", "900700000"]),
        (c.is_iban, ["DE89370400440532013000", "GB82WEST12345698765432"]),
        (c.hong_kong_id, ["A1234563", "G123456A", "AB9876543"]),
        (c.taiwan_id, ["A123456789"]),
        (
            c.bitcoin_base58,
            [
                "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
                "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
                "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t",
            ],
        ),
        (c.bitcoin_bech32, ["bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq"]),
        (c.is_telling_ipv4, ["10.0.0.1", "8.8.8.8"]),
        (c.is_ipv6, ["2001:db8::1", "fe80::1ff:fe23:4567:890a"]),
    ],
)
def test_real_numbers_pass(check, valid):
    assert [value for value in valid if not check(value)] == []


@pytest.mark.parametrize(
    ("check", "invalid"),
    [
        (
            c.resident_id,
            [
                "110105194912310021",
                "99010519491231002X",
                "11010517491231002X",
                "11010519491331002X",
                "11010519490231002X",
            ],
        ),
        (c.legacy_resident_id, ["110105491331002", "990105491231002"]),
        (
            c.social_credit_code,
            ["91110000600037341M", "N2330106MF1234567M", "B2330106MF1234567L", "NA330106MF1234567L"],
        ),
        (
            c.bank_card,
            [
                "4111111111111112",
                "41111111111111",
                "6222021234567890",
                "1111111111111117",
                "0000000000000000",
                "9787111128069",
                "5111111111",
                "2999999999999999",
                "371449635398",
                "4444444444444444",
                "9999999999999999",
                "601111111111",
                "36000000000000000001",
            ],
        ),
        (c.aadhaar, ["234123412345", "034123412346", "23412341234", "222222222222"]),
        (c.nhs_number, ["9434765918", "0000000000"]),
        (c.npi, ["1234567890", "3234567893"]),
        (c.dea_number, ["AB1234564"]),
        (c.ssn, ["000123456", "666123456", "912345678", "123006789", "123450000", "111111111"]),
        (c.itin, ["912661234", "812781234"]),
        (c.is_iban, ["DE89370400440532013001", "DE8937040044053201300", "ZZ89370400440532013000"]),
        (c.hong_kong_id, ["A1234564"]),
        (c.taiwan_id, ["A123456788"]),
        (
            c.bitcoin_base58,
            ["1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN3", "10vBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", "3" + "z" * 34],
        ),
        (c.bitcoin_bech32, ["bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdp"]),
        (c.is_telling_ipv4, ["127.0.0.1", "0.0.0.0", "255.255.255.0", "300.1.1.1"]),
        (c.is_ipv6, ["::1", "12:30:45", "1.2.3.4", "x"]),
    ],
)
def test_made_up_numbers_fail(check, invalid):
    assert [value for value in invalid if check(value)] == []


@given(st.integers(0, 17), st.integers(1, 9))
def test_no_single_changed_digit_is_a_resident_id(place, step):
    value = "440524188001010014"
    changed = value[:place] + str((int(value[place]) + step) % 10) + value[place + 1 :]
    assert not c.resident_id(changed)


@given(st.text("0123456789", min_size=11, max_size=18))
def test_exactly_one_check_digit_makes_a_luhn_number(stem):
    assert sum(c.luhn(stem + digit) for digit in "0123456789") == 1


@given(st.text("0123456789", min_size=10, max_size=10).map(lambda tail: "2" + tail))
def test_at_most_one_check_digit_makes_an_aadhaar_number(stem):
    assert sum(c.aadhaar(stem + digit) for digit in "0123456789") <= 1


@pytest.mark.parametrize(("text", "length"), [("DE89", 22), ("gb82", 22), ("XX00", 0), ("D8", 0)])
def test_an_iban_is_as_long_as_its_country_says(text, length):
    assert c.iban_length(text) == length


def credit_codes():
    """What looks like a unified social credit code, with every character in the place of the last."""
    stems = st.from_regex(r"[0-9]{8}[0-9A-HJ-NPQRTUWXY]{9}", fullmatch=True)
    return stems | st.text(ALPHABET, min_size=16, max_size=18)


@given(credit_codes().filter(lambda stem: stem[0] not in "ANY"))
def test_a_social_credit_code_is_what_its_library_says_which_knows_none_that_begins_with_a_letter(stem):
    for last in ALPHABET:
        assert c.social_credit_code(stem + last) == uscc.is_valid(stem + last)


@given(st.sampled_from("ANY"), st.from_regex(r"[0-9]{7}[0-9A-HJ-NPQRTUWXY]{9}", fullmatch=True))
def test_one_check_character_makes_a_social_credit_code_of_those_that_begin_with_a_letter(first, rest):
    assert [c.social_credit_code(first + rest + last) for last in ALPHABET].count(True) == 1
    assert not any(c.social_credit_code("B" + rest + last) for last in ALPHABET)
