"""Checksums and plausibility rules of identifiers. Each takes a candidate without separators and answers yes or no.

Pure arithmetic over a handful of characters. `python-stdnum` supplies what it has; the rest, and whatever must be fast
enough for thousands of candidates per request, is here.
"""

import hashlib
import re
from ipaddress import ip_address
from operator import mul

from stdnum import iban
from stdnum.exceptions import ValidationError

_PROVINCES = (
    "11 12 13 14 15 21 22 23 31 32 33 34 35 36 37 41 42 43 44 45 46 50 51 52 53 54 61 62 63 64 65 71 81 82 83 91"
)
_RIC_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_RIC_OF_ZEROS = sum(_RIC_WEIGHTS) * ord("0")
_USCC_VALUES = bytes(b"0123456789ABCDEFGHJKLMNPQRTUWXY".find(byte) % 256 for byte in range(256))
_USCC_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28, 1)
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_DOUBLED = bytes.maketrans(b"0123456789", bytes((0, 2, 4, 6, 8, 1, 3, 5, 7, 9)))

_VERHOEFF_D = (
    "0123456789",
    "1234067895",
    "2340178956",
    "3401289567",
    "4012395678",
    "5987604321",
    "6598710432",
    "7659821043",
    "8765932104",
    "9876543210",
)
_VERHOEFF_P = (
    "0123456789",
    "1576283094",
    "5803796142",
    "8916043527",
    "9453126870",
    "4286573901",
    "2793806415",
    "7046913258",
)

# How long an IBAN is, by country. Without it, a candidate would run on into the capitals after it.
_IBAN_LENGTHS = (
    "AD24 AE23 AL28 AT20 AZ28 BA20 BE16 BG22 BH22 BI27 BR29 BY28 CH21 CR22 CY28 CZ24 DE22 DJ27 DK18 DO28 EE20 EG29 "
    "ES24 FI18 FK18 FO18 FR27 GB22 GE22 GI23 GL18 GR27 GT28 HR21 HU28 IE22 IL23 IQ23 IS26 IT27 JO30 KW30 KZ20 LB28 "
    "LC32 LI21 LT20 LU20 LV21 LY25 MC27 MD24 ME22 MK19 MN20 MR27 MT31 MU30 NI28 NL18 NO15 OM23 PK24 PL28 PS29 PT25 "
    "QA29 RO24 RS22 RU33 SA24 SC31 SD18 SE24 SI19 SK24 SM27 SO23 ST25 SV28 TL23 TN24 TR26 UA29 VA22 VG24 XK20 YE30"
)

IBAN_COUNTRIES = tuple(word[:2] for word in _IBAN_LENGTHS.split())

_PLACEHOLDERS = re.compile(r"(.)\1+\Z")


def luhn(digits: str) -> bool:
    """Whether the Luhn sum of `digits` is a multiple of ten."""
    numbers = digits.encode()
    others = numbers[-1::-2]
    return (sum(others) - 48 * len(others) + sum(numbers[-2::-2].translate(_DOUBLED))) % 10 == 0


def is_date(year: int, month: int, day: int) -> bool:
    """Whether a day exists, leap years generously."""
    return 1850 <= year <= 2100 and 1 <= month <= 12 and 1 <= day <= _DAYS[month - 1]


def is_resident_id_shape(text: str) -> bool:
    """Whether 18 characters have a province and a birthday in the places of a resident ID."""
    return (
        text[:2] in _PROVINCES
        and text[6:8] in ("18", "19", "20")
        and is_date(int(text[6:10]), int(text[10:12]), int(text[12:14]))
    )


def resident_id(text: str) -> bool:
    """Whether 18 characters are a resident ID: province, birthday, checksum."""
    if not is_resident_id_shape(text):
        return False
    total = sum(map(mul, _RIC_WEIGHTS, text.encode())) - _RIC_OF_ZEROS
    return "10X98765432"[total % 11] == text[17].upper()


def legacy_resident_id(text: str) -> bool:
    """Whether 15 digits have the form of a resident ID from before 1999."""
    return text[:2] in _PROVINCES and is_date(1900 + int(text[6:8]), int(text[8:10]), int(text[10:12]))


def social_credit_code(text: str) -> bool:
    """Whether 18 characters are a unified social credit code (GB 32100-2015). The first says who registers: a digit, or
    a letter for the army (A), the villages' collectives (N) and others (Y). Kind and region behind it are digits."""
    values = text.upper().encode().translate(_USCC_VALUES)
    return (
        len(values) == 18
        and max(values) < 31
        and (values[0] < 10 or text[0] in "ANYany")
        and max(values[1:8]) < 10
        and sum(map(mul, _USCC_WEIGHTS, values)) % 31 == 0
    )


def is_card_range(digits: str) -> bool:
    """Whether the first digits belong to an issuer range of payment cards, and the length fits the range."""
    length = len(digits)
    first = digits[0]
    if first == "4":
        return length in (13, 16, 19)
    two = int(digits[:2])
    if two == 62 or two == 81:
        return 16 <= length <= 19
    if first == "5":
        return length == 16 if 51 <= two <= 55 else 12 <= length <= 19 and (two == 50 or two >= 56)
    if length == 15 and digits[:4] in ("2131", "1800"):
        return True
    if first == "2":
        return length == 16 and (2221 <= int(digits[:4]) <= 2720 or two == 22)
    if first == "3":
        if two in (34, 37):
            return length == 15
        if two == 35:
            return 16 <= length <= 19
        return two in (30, 36, 38, 39) and 14 <= length <= 19
    if first == "6":
        return 12 <= length <= 19 and (length >= 16 or two in (60, 63, 64, 65, 67, 69))
    return first == "9" and two not in (97, 98, 99) and 16 <= length <= 19


def bank_card(digits: str) -> bool:
    """Whether 12 to 19 digits are a payment card number: issuer range and Luhn."""
    return is_card_range(digits) and luhn(digits) and not _PLACEHOLDERS.match(digits)


def aadhaar(digits: str) -> bool:
    """Whether 12 digits are an Aadhaar number: first digit and Verhoeff sum."""
    if len(digits) != 12 or digits[0] in "01" or digits == digits[::-1]:
        return False
    check = 0
    for index, digit in enumerate(reversed(digits)):
        check = int(_VERHOEFF_D[check][int(_VERHOEFF_P[index % 8][int(digit)])])
    return check == 0


def nhs_number(digits: str) -> bool:
    """Whether ten digits are an NHS number (weighted sum modulo 11)."""
    total = sum([weight * int(digit) for weight, digit in zip(range(10, 1, -1), digits, strict=False)])
    return (11 - total % 11) % 11 == int(digits[9]) and not _PLACEHOLDERS.match(digits)


def npi(digits: str) -> bool:
    """Whether ten digits are a US national provider identifier (Luhn with prefix 80840)."""
    return digits[0] in "12" and luhn("80840" + digits)


def dea_number(text: str) -> bool:
    """Whether two characters and seven digits are a DEA registration number."""
    digits = [int(digit) for digit in text[2:]]
    return (digits[0] + digits[2] + digits[4] + 2 * (digits[1] + digits[3] + digits[5])) % 10 == digits[6]


def ssn(digits: str) -> bool:
    """Whether nine digits can be a US social security number."""
    return (
        digits[:3] not in ("000", "666")
        and digits[0] != "9"
        and digits[3:5] != "00"
        and digits[5:] != "0000"
        and not _PLACEHOLDERS.match(digits)
    )


def itin(digits: str) -> bool:
    """Whether nine digits can be a US individual taxpayer identification number."""
    group = int(digits[3:5])
    return digits[0] == "9" and (50 <= group <= 65 or 70 <= group <= 88 or 90 <= group <= 92 or 94 <= group <= 99)


def iban_length(text: str) -> int:
    """How many characters an IBAN has that begins like `text`; 0 if no country has such a one."""
    place = _IBAN_LENGTHS.find(text[:2].upper())
    return int(_IBAN_LENGTHS[place + 2 : place + 4]) if place >= 0 else 0


def is_iban(text: str) -> bool:
    """Whether `text` is an IBAN by length and by its sum modulo 97."""
    try:
        iban.validate(text, check_country=False)
    except ValidationError:
        return False
    return len(text) == iban_length(text)


def hong_kong_id(text: str) -> bool:
    """Whether one or two letters, six digits and a check character are a Hong Kong identity card number."""
    letters = text[:-7].upper()
    values = [36] if len(letters) == 1 else []
    values += [ord(letter) - 55 for letter in letters]
    values += [int(digit) for digit in text[-7:-1]]
    values.append(10 if text[-1] in "aA" else int(text[-1]))
    return sum(weight * value for weight, value in zip(range(9, 0, -1), values, strict=True)) % 11 == 0


def taiwan_id(text: str) -> bool:
    """Whether a letter and nine digits are a Taiwanese identity card number."""
    code = "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(text[0].upper()) + 10
    values = (code // 10, code % 10, *(int(digit) for digit in text[1:]))
    return (
        sum(weight * value for weight, value in zip((1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1), values, strict=True)) % 10 == 0
    )


def bitcoin_base58(text: str) -> bool:
    """Whether `text` is a Bitcoin or Tron address with a valid base58 checksum."""
    number = 0
    for character in text:
        index = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz".find(character)
        if index < 0:
            return False
        number = number * 58 + index
    if number.bit_length() > 200:
        return False
    raw = number.to_bytes(25, "big")
    return hashlib.sha256(hashlib.sha256(raw[:21]).digest()).digest()[:4] == raw[21:] and raw[0] in (0x00, 0x05, 0x41)


def bitcoin_bech32(text: str) -> bool:
    """Whether `text` is a Bitcoin address with a valid bech32 or bech32m checksum."""
    check = 1
    data = ["qpzry9x8gf2tvdw0s3jn54khce6mua7l".find(character) for character in text.lower()[3:]]
    for value in (3, 3, 0, 2, 3, *data):
        top = check >> 25
        check = ((check & 0x1FFFFFF) << 5) ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= generator if top >> bit & 1 else 0
    return check in (1, 0x2BC830A3)


def is_telling_ipv4(text: str) -> bool:
    """Whether `text` is an IPv4 address that says where something is: not loopback, not a mask, not zero."""
    octets = [int(octet) for octet in text.split(".")]
    return max(octets) <= 255 and octets[0] not in (0, 127, 255)


def is_ipv6(text: str) -> bool:
    """Whether `text` is an IPv6 address with at least two groups, and no loopback."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return address.version == 6 and sum(1 for group in text.split(":") if group) >= 2
