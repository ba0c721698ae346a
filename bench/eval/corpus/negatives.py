"""Hard negatives: what looks like an identifier and is none.

The same kinds in both languages; a template announces them with words that fit. Values that would by chance pass the
checksum of something real are drawn again, so that a detector that flags one is wrong and not lucky.
"""

import string
import uuid
from collections.abc import Mapping
from random import Random
from types import MappingProxyType

from stdnum import luhn
from stdnum.cn import uscc as credit_code
from stdnum.iso7064 import mod_11_2

from corpus.chance import digits, letters
from corpus.values import Maker, resident_id, uscc


def _is_real(number: str) -> bool:
    """Whether a number would by chance pass for a card, a resident ID or a company's code."""
    if not number.isdigit():
        return False
    return (12 <= len(number) <= 19 and luhn.is_valid(number)) or (
        len(number) == 18 and (mod_11_2.is_valid(number) or credit_code.is_valid(number))
    )


def order(rng: Random) -> str:
    """An order number: digits, with the day in front, or with letters."""
    day = f"{rng.randint(2021, 2026)}{rng.randint(1, 12):02}{rng.randint(1, 28):02}"
    while True:
        number = rng.choice(
            (day + digits(rng, 8), f"SO-{digits(rng, 8)}", f"DD{day}{digits(rng, 6)}", digits(rng, 13, "789"), f"PO#{digits(rng, 6)}", "1" + digits(rng, 17))
        )  # fmt: skip
        if not _is_real(number):
            return number


def amount(rng: Random) -> str:
    """A sum of money."""
    value = rng.choice((rng.randint(10, 999), rng.randint(1000, 99_999), rng.randint(100_000, 99_999_999)))
    return rng.choice(
        (f"{value:,}.{rng.randint(0, 99):02}", f"{value:,}", f"{value}.{rng.randint(0, 99):02}", str(value))
    )


def version(rng: Random) -> str:
    """A version of a program."""
    parts = [str(rng.randint(0, 30)) for _ in range(rng.choice((2, 3, 3)))]
    return rng.choice(("v", "")) + ".".join(parts) + rng.choice(("", "", "-rc1", ".post2", "-beta.4"))


def build(rng: Random) -> str:
    """A version of four parts, which looks like an IP address; templates announce it as a version."""
    return f"{rng.randint(1, 30)}.{rng.randint(0, 20)}.{rng.randint(0, 99)}.{rng.randint(1, 255)}"


def isbn(rng: Random) -> str:
    """An ISBN with its check digit."""
    body = "9787" + digits(rng, 8, string.digits) if rng.random() < 0.6 else "9780" + digits(rng, 8, string.digits)
    check = -sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(body)) % 10
    number = f"{body}{check}"
    return rng.choice((number, f"{number[:3]}-{number[3]}-{number[4:8]}-{number[8:12]}-{number[12]}"))


def wrong_card(rng: Random) -> str:
    """Sixteen digits of a card's range whose Luhn sum is wrong."""
    body = rng.choice(("4", "51", "622202", "6011"))
    body += digits(rng, 15 - len(body), string.digits)
    check = (int(luhn.calc_check_digit(body)) + rng.randint(1, 9)) % 10
    return f"{body}{check}"


def wrong_resident_id(rng: Random) -> str:
    """Eighteen digits like a resident ID whose check character is wrong."""
    while True:
        number = resident_id(rng)
        right = number[17].upper()
        number = number[:17] + rng.choice([character for character in string.digits if character != right])
        if not _is_real(number):
            return number


def wrong_uscc(rng: Random) -> str:
    """A unified social credit code whose check character is wrong."""
    number = uscc(rng)
    return number[:17] + rng.choice([character for character in "0123456789ABCDEFGH" if character != number[17]])


def hotline(rng: Random) -> str:
    """A number that belongs to no person: 400, 800, toll-free, service short numbers."""
    return rng.choice((f"400-{digits(rng, 3)}-{digits(rng, 4)}", f"400{digits(rng, 7)}", f"800-{digits(rng, 3)}-{digits(rng, 4)}", f"1-800-{digits(rng, 3)}-{digits(rng, 4)}", rng.choice(("95588", "95533", "10086", "12306", "12345"))))  # fmt: skip


def product(rng: Random) -> str:
    """A product or part number."""
    return rng.choice(
        (f"{letters(rng, 2)}-{digits(rng, 4)}-{letters(rng, 1)}", f"ThinkPad X{digits(rng, 1)} Gen {digits(rng, 1)}", f"{letters(rng, 3)}{digits(rng, 5)}", f"SKU{digits(rng, 8)}", f"{digits(rng, 2)}-{digits(rng, 3)}-{digits(rng, 5)}", f"iPhone {rng.randint(12, 17)} Pro")
    )  # fmt: skip


def timestamp(rng: Random) -> str:
    """A moment, as machines write it."""
    seconds = rng.randint(1_500_000_000, 1_790_000_000)
    day = f"{rng.randint(2019, 2026)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
    clock = f"{rng.randint(0, 23):02}:{rng.randint(0, 59):02}:{rng.randint(0, 59):02}"
    return rng.choice(
        (
            str(seconds),
            f"{seconds}{digits(rng, 3)}",
            f"{day} {clock}",
            f"{day}T{clock}Z",
            f"{day} {clock},{digits(rng, 3)}",
        )
    )


def hash_(rng: Random) -> str:
    """A digest in hex: a commit, MD5, SHA-256."""
    return rng.randbytes(rng.choice((4, 16, 20, 32))).hex()


def uuid_(rng: Random) -> str:
    """A UUID."""
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))


def tracking(rng: Random) -> str:
    """A parcel's number."""
    return rng.choice(
        (
            f"SF{digits(rng, 13)}",
            f"YT{digits(rng, 13)}",
            f"1Z{letters(rng, 6, string.ascii_uppercase + string.digits)}{digits(rng, 10)}",
            f"JD{digits(rng, 13)}",
        )
    )


def ratio(rng: Random) -> str:
    """A number with decimals, or a percentage."""
    return rng.choice(
        (f"{rng.uniform(0, 100):.2f}%", f"{rng.random():.6f}", f"{rng.uniform(-180, 180):.6f}", f"{rng.random():.11f}")
    )


def historic_zh(rng: Random) -> str:
    """A name from history or fiction."""
    return rng.choice(
        [
            "李白",
            "杜甫",
            "苏轼",
            "曹操",
            "诸葛亮",
            "秦始皇",
            "武则天",
            "鲁迅",
            "孙悟空",
            "林黛玉",
            "爱因斯坦",
            "图灵",
            "牛顿",
            "康熙",
            "王羲之",
            "李清照",
            "司马迁",
            "张衡",
        ]
    )


def historic_en(rng: Random) -> str:
    """A name from history or fiction."""
    return rng.choice(["Shakespeare", "Isaac Newton", "Marie Curie", "Sherlock Holmes", "Alan Turing", "Jane Austen", "Napoleon", "Ada Lovelace", "Abraham Lincoln", "Albert Einstein", "Leonardo da Vinci", "Elizabeth Bennet"])  # fmt: skip


NEGATIVES: Mapping[str, Maker] = MappingProxyType(
    {
        "order": order,
        "amount": amount,
        "version": version,
        "build": build,
        "isbn": isbn,
        "wrong_card": wrong_card,
        "wrong_id": wrong_resident_id,
        "wrong_uscc": wrong_uscc,
        "hotline": hotline,
        "product": product,
        "timestamp": timestamp,
        "hash": hash_,
        "uuid": uuid_,
        "tracking": tracking,
        "ratio": ratio,
        "historic_zh": historic_zh,
        "historic_en": historic_en,
    }
)
"""From the name of a `#` slot to what fills it."""
