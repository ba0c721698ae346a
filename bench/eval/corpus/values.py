"""Made-up values of every entity, with correct checksums.

One function per kind of value: it takes a source of chance and returns one value as people write it, formats varied.
Nothing here is anybody's: numbers are drawn at random, and what has a checksum gets the right one.
"""

import string
from collections.abc import Callable, Mapping
from random import Random
from types import MappingProxyType

from stdnum import luhn, verhoeff
from stdnum.iso7064 import mod_11_2

from corpus import people, worldwide
from corpus.chance import digits, letters

Maker = Callable[[Random], str]

_DIGITS = string.digits
_UPPER = string.ascii_uppercase
_USCC = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_REGIONS = [
    "110101",
    "110105",
    "110108",
    "120104",
    "130102",
    "140105",
    "150102",
    "210102",
    "220104",
    "230103",
    "310104",
    "310115",
    "320102",
    "320505",
    "330106",
    "330203",
    "340104",
    "350203",
    "360102",
    "370102",
    "370202",
    "410105",
    "420106",
    "430104",
    "440103",
    "440106",
    "440305",
    "440524",
    "450103",
    "460105",
    "500103",
    "510104",
    "510107",
    "520102",
    "530102",
    "540102",
    "610113",
    "620102",
    "630103",
    "640104",
    "650102",
    "710000",
    "810000",
    "820000",
]
_MOBILE = [
    "130",
    "131",
    "132",
    "133",
    "135",
    "136",
    "137",
    "138",
    "139",
    "147",
    "150",
    "151",
    "152",
    "155",
    "157",
    "158",
    "159",
    "166",
    "170",
    "175",
    "177",
    "180",
    "181",
    "185",
    "186",
    "187",
    "188",
    "189",
    "191",
    "195",
    "198",
    "199",
]


def resident_id(rng: Random) -> str:
    """18 characters: region, birthday, order, ISO 7064 check character; now and then its x in lower case."""
    body = (
        rng.choice(_REGIONS)
        + f"{rng.randint(1944, 2019)}{rng.randint(1, 12):02}{rng.randint(1, 28):02}{rng.randint(1, 999):03}"
    )
    check = mod_11_2.calc_check_digit(body)
    return body + (check.lower() if rng.random() < 0.5 else check)


def legacy_resident_id(rng: Random) -> str:
    """15 digits, as issued before 1999."""
    return (
        rng.choice(_REGIONS[:41])
        + f"{rng.randint(30, 84):02}{rng.randint(1, 12):02}{rng.randint(1, 28):02}{rng.randint(1, 999):03}"
    )


def cn_mobile(rng: Random) -> str:
    """A mobile number, plain, with country code or in groups."""
    number = rng.choice(_MOBILE) + digits(rng, 8, _DIGITS)
    form = rng.random()
    if form < 0.7:
        return number
    if form < 0.8:
        return f"{number[:3]} {number[3:7]} {number[7:]}"
    if form < 0.9:
        return f"{number[:3]}-{number[3:7]}-{number[7:]}"
    return rng.choice(("+86 ", "+86", "86-", "0086")) + number


def cn_landline(rng: Random) -> str:
    """A landline number with its area code."""
    if rng.random() < 0.5:
        area, local = rng.choice(("010", "021", "020", "022", "023", "024", "025", "027", "028", "029")), 8
    else:
        area, local = (
            rng.choice(
                [
                    "0311",
                    "0351",
                    "0431",
                    "0512",
                    "0531",
                    "0532",
                    "0551",
                    "0571",
                    "0574",
                    "0591",
                    "0592",
                    "0755",
                    "0769",
                    "0871",
                ]
            ),
            8,
        )
        local = rng.choice((7, 8))
    number = digits(rng, local, "2345678")
    return rng.choice((f"{area}-{number}", f"{area}-{number}", f"({area}){number}", f"{area} {number}", area + number))


def uscc(rng: Random) -> str:
    """A unified social credit code with its check character."""
    body = rng.choice(("91", "92", "12", "51", "93")) + rng.choice(_REGIONS[:41]) + letters(rng, 9, _USCC)
    total = sum(_USCC.index(character) * pow(3, place, 31) for place, character in enumerate(body))
    return body + _USCC[(31 - total % 31) % 31]


def cn_passport(rng: Random) -> str:
    """A passport of mainland China: E and eight digits, two letters and seven, or an older letter."""
    form = rng.random()
    if form < 0.5:
        return "E" + digits(rng, 8, _DIGITS)
    if form < 0.85:
        return "E" + rng.choice("ABCDEFGHJ") + digits(rng, 7, _DIGITS)
    return rng.choice("GPSD") + digits(rng, 8, _DIGITS)


def passport(rng: Random) -> str:
    """A passport of another country: US, UK, Germany, India, Japan, France."""
    return rng.choice(
        (
            digits(rng, 9),
            rng.choice("ACZ") + digits(rng, 8, _DIGITS),
            rng.choice("CFGHJK") + letters(rng, 8, "CFGHJKLMNPRTVWXYZ0123456789"),
            rng.choice("JKLMNPRSTZ") + digits(rng, 7, _DIGITS),
            letters(rng, 2, "MTNXYZ") + digits(rng, 7, _DIGITS),
            digits(rng, 2) + letters(rng, 2) + digits(rng, 5, _DIGITS),
        )
    )


def hong_kong_id(rng: Random) -> str:
    """A Hong Kong identity card number with its check character in brackets."""
    letter, number = rng.choice("ABCDEFGHKMPRSVYZ"), digits(rng, 6, _DIGITS)
    values = [36, ord(letter) - 55, *map(int, number)]
    check = -sum(weight * value for weight, value in zip(range(9, 1, -1), values, strict=True)) % 11
    return f"{letter}{number}({'A' if check == 10 else check})"


def taiwan_id(rng: Random) -> str:
    """A Taiwanese identity card number with its check digit."""
    letter, body = rng.choice("ABCDEFGHJKLMNPQRSTUVXYWZIO"), rng.choice("12") + digits(rng, 7, _DIGITS)
    code = "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(letter) + 10
    values = (code // 10, code % 10, *map(int, body))
    total = sum(weight * value for weight, value in zip((1, 9, 8, 7, 6, 5, 4, 3, 2, 1), values, strict=True))
    return letter + body + str(-total % 10)


def permit(rng: Random) -> str:
    """A permit to Hong Kong and Macao, home-return permit, or permit for Taiwanese."""
    return rng.choice(
        (
            "C" + digits(rng, 8, _DIGITS),
            "C" + rng.choice("ABCDEFGH") + digits(rng, 7, _DIGITS),
            rng.choice("HM") + digits(rng, 8, _DIGITS),
            rng.choice("HM") + digits(rng, 10, _DIGITS),
            digits(rng, 8),
            "L" + digits(rng, 8, _DIGITS),
        )
    )


def cn_plate(rng: Random) -> str:
    """A licence plate: five characters, or six for new energy; with or without the dot."""
    province = rng.choice("京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼")
    dot = rng.choice(("", "", "", "·", " ", "-"))
    if rng.random() < 0.3:
        return f"{province}{rng.choice('ABCDEF')}{dot}{rng.choice('DF')}{digits(rng, 5, _DIGITS)}"
    mixed = list(digits(rng, 3) + letters(rng, 2, "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789"))
    rng.shuffle(mixed)
    return f"{province}{rng.choice('ABCDEFGHJK')}{dot}{''.join(mixed)}"


def social_security(rng: Random) -> str:
    """A social-security number as cities issue them: 8 to 12 digits, sometimes a letter first."""
    return rng.choice(("", "", "", "A", "SZ")) + digits(rng, rng.choice((8, 9, 10, 11, 12)))


def wechat(rng: Random) -> str:
    """A WeChat name."""
    return rng.choice(
        (
            rng.choice(people.PINYIN) + "_" + rng.choice(people.PINYIN),
            rng.choice(people.PINYIN) + rng.choice(people.PINYIN) + digits(rng, rng.choice((2, 3, 4)), _DIGITS),
            "wxid_" + letters(rng, 14, string.ascii_lowercase + _DIGITS),
            rng.choice(people.EN_GIVEN).lower() + "-" + digits(rng, 4),
        )
    )


def qq(rng: Random) -> str:
    """A QQ number."""
    return digits(rng, rng.choice((6, 7, 8, 9, 9, 10, 10)))


def ssn(rng: Random) -> str:
    """A US social security number with dashes."""
    area = rng.choice([number for number in range(1, 900) if number != 666])
    return f"{area:03}-{rng.randint(1, 99):02}-{rng.randint(1, 9999):04}"


def ssn_other(rng: Random) -> str:
    """The same with spaces or nothing between; needs words that say what it is."""
    return ssn(rng).replace("-", rng.choice(("", " ")))


def itin(rng: Random) -> str:
    """A US individual taxpayer number."""
    group = rng.choice([*range(50, 66), *range(70, 89), *range(90, 93), *range(94, 100)])
    return f"9{rng.randint(0, 99):02}-{group}-{rng.randint(1, 9999):04}"


def driver_license(rng: Random) -> str:
    """A driver licence number of California, New York, Texas, Florida, Illinois or Washington."""
    return rng.choice(
        (
            rng.choice(_UPPER) + digits(rng, 7, _DIGITS),
            digits(rng, 9),
            digits(rng, 8),
            f"{rng.choice(_UPPER)}{digits(rng, 3)}-{digits(rng, 3)}-{digits(rng, 2)}-{digits(rng, 3)}-0",
            f"{rng.choice(_UPPER)}{digits(rng, 3)}-{digits(rng, 4)}-{digits(rng, 4)}",
            "WDL" + letters(rng, 4, _UPPER + _DIGITS) + digits(rng, 5),
        )
    )


def cn_driver_license(rng: Random) -> str:
    """The archive number of a Chinese driver licence: twelve digits."""
    return rng.choice(_REGIONS[:40])[:4] + digits(rng, 8, _DIGITS)


def dea(rng: Random) -> str:
    """A DEA registration number with its check digit."""
    body = digits(rng, 6, _DIGITS)
    total = int(body[0]) + int(body[2]) + int(body[4]) + 2 * (int(body[1]) + int(body[3]) + int(body[5]))
    return rng.choice("ABFM") + rng.choice(_UPPER) + body + str(total % 10)


def npi(rng: Random) -> str:
    """A US national provider identifier with its check digit."""
    body = digits(rng, 9, "12")
    return body + luhn.calc_check_digit("80840" + body)


def nhs(rng: Random) -> str:
    """An NHS number in its usual groups, sometimes without."""
    while True:
        body = digits(rng, 9, "4679")
        check = -sum(weight * int(digit) for weight, digit in zip(range(10, 1, -1), body, strict=True)) % 11
        if check != 10:
            number = body + str(check)
            return rng.choice(
                (f"{number[:3]} {number[3:6]} {number[6:]}", f"{number[:3]}-{number[3:6]}-{number[6:]}", number)
            )


def nino(rng: Random) -> str:
    """A UK national insurance number, with or without spaces."""
    prefix = rng.choice(("AB", "CE", "EH", "HJ", "JG", "JM", "NW", "PC", "SK", "WL", "YB", "ZR"))
    pairs = [digits(rng, 2, _DIGITS) for _ in range(3)]
    return rng.choice(("", " ")).join((prefix, *pairs, rng.choice("ABCD")))


def aadhaar(rng: Random) -> str:
    """An Aadhaar number with its Verhoeff digit, usually in fours."""
    body = digits(rng, 11, "23456789")
    number = body + verhoeff.calc_check_digit(body)
    return rng.choice((f"{number[:4]} {number[4:8]} {number[8:]}", f"{number[:4]}-{number[4:8]}-{number[8:]}", number))


def pan(rng: Random) -> str:
    """An Indian permanent account number."""
    return letters(rng, 3) + rng.choice("PPPPCHFATBLJG") + letters(rng, 1) + digits(rng, 4, _DIGITS) + letters(rng, 1)


def medical_record(rng: Random) -> str:
    """A number of a patient or a stay."""
    return rng.choice(
        (digits(rng, 6), digits(rng, 8, _DIGITS), "ZY" + digits(rng, 8), f"H-{digits(rng, 7)}", "A" + digits(rng, 6))
    )


def birth_date(rng: Random) -> str:
    """A date in one of the usual forms."""
    year, month, day = rng.randint(1940, 2018), rng.randint(1, 12), rng.randint(1, 28)
    name = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ][month - 1]
    return rng.choice(
        (f"{year}-{month:02}-{day:02}", f"{month:02}/{day:02}/{year}", f"{name} {day}, {year}", f"{day} {name[:3]} {year}")
    )  # fmt: skip


def birth_date_zh(rng: Random) -> str:
    """A date as it is written in Chinese."""
    year, month, day = rng.randint(1940, 2018), rng.randint(1, 12), rng.randint(1, 28)
    return rng.choice((f"{year}年{month}月{day}日", f"{year}-{month:02}-{day:02}", f"{year}.{month}.{day}", f"{year}{month:02}{day:02}", f"{year}/{month}/{day}"))  # fmt: skip


MAKERS: Mapping[str, Maker] = MappingProxyType(
    {
        "CN_RESIDENT_ID": resident_id,
        "CN_RESIDENT_ID/legacy": legacy_resident_id,
        "CN_MOBILE": cn_mobile,
        "CN_LANDLINE": cn_landline,
        "CN_USCC": uscc,
        "CN_PASSPORT": cn_passport,
        "PASSPORT": passport,
        "HK_MO_TW_PERMIT": permit,
        "HK_MO_TW_PERMIT/hk": hong_kong_id,
        "HK_MO_TW_PERMIT/tw": taiwan_id,
        "CN_PLATE": cn_plate,
        "CN_SOCIAL_SECURITY": social_security,
        "WECHAT": wechat,
        "QQ": qq,
        "US_SSN": ssn,
        "US_SSN/other": ssn_other,
        "US_ITIN": itin,
        "US_DRIVER_LICENSE": driver_license,
        "US_DRIVER_LICENSE/cn": cn_driver_license,
        "MEDICAL_LICENSE": dea,
        "NPI": npi,
        "UK_NHS": nhs,
        "UK_NINO": nino,
        "IN_AADHAAR": aadhaar,
        "IN_PAN": pan,
        "BANK_CARD": worldwide.bank_card,
        "BANK_ACCOUNT": worldwide.bank_account,
        "IBAN": worldwide.iban,
        "SWIFT": worldwide.swift,
        "EMAIL": worldwide.email,
        "PHONE": worldwide.us_phone,
        "PHONE/world": worldwide.world_phone,
        "IP_ADDRESS": worldwide.ip_address,
        "IP_ADDRESS/v4": worldwide.ipv4,
        "MAC_ADDRESS": worldwide.mac_address,
        "MAC_ADDRESS/cisco": worldwide.cisco_mac_address,
        "CRYPTO_WALLET": worldwide.crypto_wallet,
        "CREDENTIAL": worldwide.credential,
        "CREDENTIAL/key": worldwide.private_key,
        "CREDENTIAL/password": worldwide.password,
        "MEDICAL_RECORD": medical_record,
        "DATE_OF_BIRTH": birth_date,
        "DATE_OF_BIRTH/zh": birth_date_zh,
        "PERSON": people.person_en,
        "PERSON/zh": people.person_zh,
        "ADDRESS": people.address_en,
        "ADDRESS/zh": people.address_zh,
        "ORG": people.org_en,
        "ORG/zh": people.org_zh,
    }
)
"""From the name of a slot to what fills it. What stands after a slash is a form of the same entity."""
