"""Made-up values that are the same everywhere: cards, accounts, contacts, addresses of machines, secrets."""

import hashlib
import string
from random import Random

from stdnum import luhn
from stdnum.iso7064 import mod_97_10

from corpus import people
from corpus.chance import digits, letters

_DIGITS = string.digits
_UPPER = string.ascii_uppercase
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def bank_card(rng: Random) -> str:
    """A payment card with its Luhn digit: UnionPay, Visa, Mastercard, Amex, Discover, JCB; plain or in groups."""
    prefix, length = rng.choice(
        (
            ("622202", 19), ("621700", 19), ("622848", 19), ("621661", 19), ("622588", 16), ("625965", 16),
            ("4", 16), ("4", 16), ("51", 16), ("54", 16), ("2223", 16), ("37", 15), ("34", 15), ("6011", 16), ("3530", 16),
        )
    )  # fmt: skip
    body = prefix + digits(rng, length - 1 - len(prefix), _DIGITS)
    number = body + luhn.calc_check_digit(body)
    if rng.random() < 0.65:
        return number
    glue = rng.choice("  -")
    if length == 15:
        return glue.join((number[:4], number[4:10], number[10:]))
    return glue.join(number[place : place + 4] for place in range(0, length, 4))


def bank_account(rng: Random) -> str:
    """A bank account number, which has no checksum."""
    return rng.choice((digits(rng, 8), digits(rng, 10), digits(rng, 12), "1" + digits(rng, 16), "3" + digits(rng, 18)))


def iban(rng: Random) -> str:
    """An IBAN with its check digits, solid or in fours."""
    country, body = rng.choice(
        (
            ("DE", digits(rng, 18, _DIGITS)),
            ("GB", letters(rng, 4) + digits(rng, 14, _DIGITS)),
            ("FR", digits(rng, 23, _DIGITS)),
            ("ES", digits(rng, 20, _DIGITS)),
            ("NL", letters(rng, 4) + digits(rng, 10, _DIGITS)),
            ("IT", letters(rng, 1) + digits(rng, 22, _DIGITS)),
            ("CH", digits(rng, 17, _DIGITS)),
            ("BE", digits(rng, 12, _DIGITS)),
            ("AT", digits(rng, 16, _DIGITS)),
            ("IE", letters(rng, 4) + digits(rng, 14, _DIGITS)),
        )
    )
    number = country + mod_97_10.calc_check_digits(body + country) + body
    if rng.random() < 0.6:
        return number
    return " ".join(number[place : place + 4] for place in range(0, len(number), 4))


def swift(rng: Random) -> str:
    """A bank's BIC."""
    return letters(rng, 4) + rng.choice(("CN", "US", "DE", "GB", "HK", "SG", "JP", "FR")) + rng.choice(
        ("BJ", "33", "FF", "2L", "HH", "SG", "JT", "PP")
    ) + rng.choice(("", "XXX", "500", "SHA"))  # fmt: skip


def email(rng: Random) -> str:
    """An e-mail address, of the internet and of company networks."""
    given, family = rng.choice(people.EN_GIVEN).lower(), rng.choice(people.EN_FAMILY).lower()
    local = rng.choice(
        (f"{given}.{family}", f"{given[0]}{family}", f"{given}_{family}{digits(rng, 2)}", digits(rng, 9),
         rng.choice(people.PINYIN) + rng.choice(people.PINYIN), f"{given}+{rng.choice(('news', 'hr', 'test'))}")
    )  # fmt: skip
    domain = rng.choice(
        ("gmail.com", "qq.com", "163.com", "126.com", "outlook.com", "example.com.cn", "foxmail.com", "corp.internal",
         "mail.corp.local", "hq.acme.lan", "yahoo.co.uk", "university.edu", "acme-health.org", "sina.cn")
    )  # fmt: skip
    return f"{local}@{domain}"


def us_phone(rng: Random) -> str:
    """A US telephone number with separators."""
    area = rng.choice(
        [
            "201",
            "202",
            "206",
            "212",
            "213",
            "303",
            "305",
            "312",
            "347",
            "404",
            "415",
            "469",
            "503",
            "512",
            "617",
            "646",
            "702",
            "713",
            "718",
            "808",
            "917",
        ]
    )
    first, last = digits(rng, 1, "23456789") + rng.choice(("02", "43", "55", "67", "80", "91")), digits(rng, 4, _DIGITS)
    return rng.choice((f"{area}-{first}-{last}", f"({area}) {first}-{last}", f"{area}.{first}.{last}", f"+1 {area} {first} {last}", f"1-{area}-{first}-{last}", f"{area} {first} {last}"))  # fmt: skip


def world_phone(rng: Random) -> str:
    """A telephone number in international form."""
    return rng.choice(
        (
            f"+44 7{digits(rng, 3)} {digits(rng, 6)}",
            f"+44 20 {digits(rng, 4)} {digits(rng, 4)}",
            f"+49 30 {digits(rng, 7)}",
            f"+33 6 {digits(rng, 2)} {digits(rng, 2)} {digits(rng, 2)} {digits(rng, 2)}",
            f"+91 9{digits(rng, 4)} {digits(rng, 5)}",
            f"+852 {digits(rng, 4, '569')} {digits(rng, 4)}",
            f"+81-90-{digits(rng, 4)}-{digits(rng, 4)}",
            f"+61{digits(rng, 9, '4')}",
        )
    )


def ipv4(rng: Random) -> str:
    """An IPv4 address, public or private."""
    last = f"{rng.randint(1, 254)}.{rng.randint(1, 254)}"
    return rng.choice(("10.12", "192.168", "172.16", "10.0", f"{rng.randint(11, 99)}.{rng.randint(0, 255)}", "203.0", "198.51")) + "." + last  # fmt: skip


def ip_address(rng: Random) -> str:
    """An IPv4 address, or an IPv6 address."""
    if rng.random() < 0.75:
        return ipv4(rng)
    groups = [f"{rng.randint(1, 65535):x}" for _ in range(4)]
    return rng.choice(
        (f"2001:db8::{groups[0]}:{groups[1]}", f"fe80::{':'.join(groups)}", f"2408:8256:{':'.join(groups)}::1")
    )


def mac_address(rng: Random) -> str:
    """A hardware address, with colons or dashes."""
    raw = f"{rng.getrandbits(48):012x}"
    text = rng.choice(":::-").join(raw[place : place + 2] for place in range(0, 12, 2))
    return text.upper() if rng.random() < 0.5 else text


def cisco_mac_address(rng: Random) -> str:
    """A hardware address in three groups, as some switches show it."""
    raw = f"{rng.getrandbits(48):012x}"
    return ".".join((raw[:4], raw[4:8], raw[8:]))


def _base58check(raw: bytes) -> str:
    raw += hashlib.sha256(hashlib.sha256(raw).digest()).digest()[:4]
    number, text = int.from_bytes(raw, "big"), ""
    while number:
        number, place = divmod(number, 58)
        text = _BASE58[place] + text
    return "1" * (len(raw) - len(raw.lstrip(b"\0"))) + text


def _bech32(program: bytes) -> str:
    bits = int.from_bytes(program, "big")
    data = [0, *(bits >> 5 * place & 31 for place in range(len(program) * 8 // 5 - 1, -1, -1))]

    def polymod(values: list[int]) -> int:
        check = 1
        for value in values:
            top = check >> 25
            check = (check & 0x1FFFFFF) << 5 ^ value
            for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
                check ^= generator if top >> bit & 1 else 0
        return check

    sum_ = polymod([3, 3, 0, 2, 3, *data, *[0] * 6]) ^ 1
    data += [sum_ >> 5 * (5 - place) & 31 for place in range(6)]
    return "bc1" + "".join(_BECH32[value] for value in data)


def crypto_wallet(rng: Random) -> str:
    """A Bitcoin address in each of its forms, or one of Ethereum or Tron."""
    return rng.choice(
        (
            _base58check(b"\x00" + rng.randbytes(20)),
            _base58check(b"\x05" + rng.randbytes(20)),
            _bech32(rng.randbytes(20)),
            "0x" + rng.randbytes(20).hex(),
            _base58check(b"\x41" + rng.randbytes(20)),
        )
    )


def credential(rng: Random) -> str:
    """A secret with a form of its own, which needs no words beside it."""
    mixed = string.ascii_letters + _DIGITS
    return rng.choice(
        (
            "sk-" + letters(rng, 48, mixed),
            "sk-proj-" + letters(rng, 60, mixed + "_-"),
            "ghp_" + letters(rng, 36, mixed),
            "github_pat_" + letters(rng, 22, mixed) + "_" + letters(rng, 59, mixed),
            "glpat-" + letters(rng, 20, mixed),
            "AKIA" + letters(rng, 16, _UPPER + "234567"),
            "LTAI5t" + letters(rng, 18, mixed),
            "AIza" + letters(rng, 35, mixed),
            "xoxb-" + digits(rng, 12) + "-" + digits(rng, 12) + "-" + letters(rng, 24, mixed),
            "hf_" + letters(rng, 34, mixed),
            "eyJhbGciOiJIUzI1NiJ9.eyJ" + letters(rng, 40, mixed) + "." + letters(rng, 43, mixed),
            "sk_live_" + letters(rng, 24, mixed),
            f"postgres://app:{letters(rng, 12, mixed)}@db{rng.randint(1, 9)}.internal:5432/orders",
            f"mysql://root:{letters(rng, 10, mixed)}@10.0.{rng.randint(1, 9)}.7/crm",
            f"redis://:{letters(rng, 16, mixed)}@cache.internal:6379/0",
        )
    )


def private_key(rng: Random) -> str:
    """A private key block."""
    kind = rng.choice(("RSA ", "EC ", "OPENSSH ", ""))
    lines = "\n".join(letters(rng, 64, string.ascii_letters + _DIGITS + "+/") for _ in range(3))
    return f"-----BEGIN {kind}PRIVATE KEY-----\n{lines}\n-----END {kind}PRIVATE KEY-----"


def password(rng: Random) -> str:
    """A password as people choose them."""
    word = rng.choice(
        [
            "Summer",
            "Winter",
            "Dragon",
            "Welcome",
            "admin",
            "Tiger",
            "beijing",
            "woaini",
            "qwerty",
            "hunter",
            "sunshine",
            "Root",
            "Passw0rd",
        ]
    )
    return rng.choice(
        (f"{word}@{rng.randint(2015, 2026)}", f"{word}{digits(rng, 3)}!", f"{word}#{digits(rng, 4)}", letters(rng, 12, string.ascii_letters + _DIGITS + "@#%^&*"), f"{word}_{digits(rng, 2)}$")
    )  # fmt: skip
