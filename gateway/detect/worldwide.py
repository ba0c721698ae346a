"""The identifiers that are the same everywhere: cards, accounts, telephones, addresses of machines, dates of birth.

Numbers of one country are in `patterns.py`, secrets in `secrets.py`, names in `names.py`. Pure; nothing is compiled
until a scanner is built.
"""

from gateway.detect import checksums
from gateway.detect.patterns import PHONE_WORDS
from gateway.detect.rules import DECIMALS, GAP, LEFT, RIGHT, Rule

_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"
_DATE = (
    r"(?:(?:18|19|20)[0-9]{2}\s?[-/.年]\s?[0-9]{1,2}\s?[-/.月]\s?[0-9]{1,2}\s?日?"
    r"|(?:18|19|20)[0-9]{2}年\s?[0-9]{1,2}月|(?:19|20)[0-9]{6}(?![0-9])|[01][0-9][0-3][0-9](?:19|20)[0-9]{2}(?![0-9])"
    r"|[0-9]{1,2}[-/.][0-9]{1,2}[-/.](?:[0-9]{4}|[0-9]{2})(?![0-9])"
    rf"|{_MONTH}\s?[0-9]{{1,2}}(?:st|nd|rd|th)?,?\s{{1,2}}[0-9]{{4}}"
    rf"|[0-9]{{1,2}}(?:st|nd|rd|th)?\s(?:of\s)?{_MONTH},?\s{{1,2}}[0-9]{{4}})"
)
_HIDDEN = r"[\u200b\u200c\u2060-\u2064\ufeff\U000e0020-\U000e007e]"
_TOLL_FREE = ("800", "833", "844", "855", "866", "877", "888", "400")


def _is_no_date(digits: str) -> bool:
    return (
        len(digits) != 8
        or digits[:2] not in ("19", "20")
        or not checksums.is_date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    )


def _is_us_phone(digits: str) -> bool:
    local = digits.partition("x")[0].partition("e")[0].removeprefix("+").removeprefix("00").removeprefix("1")[:10]
    return local[:3] not in _TOLL_FREE and local[1:3] != "11"


def _is_local_phone(text: str) -> bool:
    digits = text.partition("x")[0].partition("e")[0].removeprefix("+")
    return digits.isdigit() and 7 <= len(digits) <= 15 and digits[:3] not in _TOLL_FREE


def _is_mac(text: str) -> bool:
    return any(character.isalpha() for character in text) or text.startswith("00")


def _is_other_phone(digits: str) -> bool:
    # Eleven digits that begin with 1 and a mobile prefix have a rule of their own.
    if len(digits) == 11 and digits[0] == "1" and digits[1] in "3456789":
        return False
    return len(digits) not in (10, 11) or _is_us_phone(digits)


def _has_country_code(digits: str) -> bool:
    number = digits.partition("x")[0].partition("e")[0]
    return 8 <= len(number.lstrip("+")) <= 15 and number[1:4] not in ("000", "800")


WORLDWIDE: tuple[Rule, ...] = (
    Rule(
        "bank-card",
        "BANK_CARD",
        # The third look-behind: the end of a UUID that happens to have no letters.
        LEFT + DECIMALS + r"(?<![0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-)(?:[2-69][0-9]{11,18}|1800[0-9]{11})" + RIGHT,
        0.9,
        check=checksums.bank_card,
    ),
    Rule(
        "bank-account",
        "BANK_ACCOUNT",
        r"(?:银行账[号户]|银行帐[号户]|对公账户|收款账[号户]|账号|帐号|賬號|账户号|账户|卡号|卡號|zhanghao|kahao"
        r"|(?:bank|checking|savings|current|deposit|payroll|beneficiary)\s(?:account|acct\.?|a/c)|checking|savings"
        r"|account\s?(?:number|no\.?|num|#)|(?<![a-z])acct\.?|(?<![a-z])a/c|routing(?:\s(?:number|no\.?))?"
        r"|sort\scode|iban)" + GAP + r"(?P<v>[0-9](?:[ -]?[0-9]){5,24})" + RIGHT,
        0.75,
        ignore_case=True,
        trigger=r"(?i)账[号户]|帐[号户]|賬號|卡[号號]|zhanghao|kahao|account\s?(?:n|#)|acct|a/c|routing|sort\scode|iban"
        r"|checking|savings|(?:bank|current|deposit|payroll|beneficiary)\sa",
    ),
    # "wire it to my account at First National, 12345678", "direct deposit into 12345678"
    Rule(
        "bank-account-near",
        "BANK_ACCOUNT",
        r"(?<![a-z])(?:accounts?|acct|a/c|bank(?:ing)?\s(?:details?|info(?:rmation)?)|routing|sort\scode"
        r"|direct\sdeposit|beneficiary"
        r"|payee|(?:deposit|wire|transfer|refund|payout|salary|paycheck|payment|pay|paid|credit|debit|remit"
        r"|withdraw)(?:ed|s|al|red|ring|ing)?"
        r"(?:\s[a-z'’]{1,12}){0,4}\s(?:to|into|from|on))(?![a-z])"
        r"(?:(?!order|invoice|ticket|case|claim|po|ref|tracking|timestamp)[^0-9\n;!?]){0,36}"
        r"(?<![0-9A-Za-z$€£¥+.,])(?P<v>[0-9]{8,19})(?![0-9A-Za-z]|[.,][0-9]|\s?(?:usd|dollars?|eur))",
        0.6,
        check=_is_no_date,
        ignore_case=True,
        trigger=(
            r"(?i)(?:acc|a/c|bank|routing|sort|deposit|beneficiary|pay|paid|wire|transfer|refund|salary|credit|debit"
            r"|remit|withdraw)[^0-9;!?]{0,112}[^0-9A-Za-z$€£¥+.,;!?][0-9]{8,19}(?![0-9A-Za-z])"
        ),
    ),
    Rule(
        "swift",
        "SWIFT",
        r"(?:swift|(?<![a-z])bic)(?:[\s/-]{0,3}(?:bic|swift|code|代码|号码))?"
        + GAP
        + r"(?P<v>[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?)"
        + RIGHT,
        0.8,
        check=str.isupper,
        ignore_case=True,
        trigger=r"(?i)swift|(?<![a-z])bic",
    ),
    Rule(
        "us-phone",
        "PHONE",
        r"(?<![0-9A-Za-z+])(?:(?:\+|00)?1[-. ]{0,2})?"
        r"(?:[2-9][0-9]{2}[-. ]{1,2}|[(][2-9][0-9]{2}[)][-. ]{0,2})[2-9][0-9]{2}[-. ][0-9]{4}"
        rf"(?:\s?(?:x|ext\.?\s?)[0-9]{{1,6}})?{RIGHT}",
        0.8,
        check=_is_us_phone,
    ),
    Rule(
        "us-phone-bare",
        "PHONE",
        LEFT + DECIMALS + r"1?[2-9][0-9]{2}[2-9][0-9]{6}" + RIGHT,
        0.75,
        check=_is_us_phone,
        context=PHONE_WORDS,
    ),
    Rule(
        "phone-international",
        "PHONE",
        r"(?<![0-9A-Za-z+])\+[1-9][0-9]{0,2}(?:[-. ()]{0,2}[0-9]){6,12}(?:\s?(?:x|ext\.?\s?)[0-9]{1,6})?" + RIGHT,
        0.8,
        check=_has_country_code,
        trigger=r"\+[1-9][-. ()]{0,2}[0-9]",
    ),
    Rule(
        "phone-after-cue",
        "PHONE",
        r"(?<![a-z])(?:phone|tel|telephone|mobile|cell|mob|fax|whatsapp|手机|手機|电话|電話|shouji|dianhua)"
        + GAP
        + r"(?P<v>[(+]{0,2}[0-9](?:[-. ()]{0,2}[0-9]){8,14})"
        + RIGHT,
        0.7,
        check=_is_other_phone,
        ignore_case=True,
        trigger=(
            r"(?i)(?:phone|tel|telephone|mobile|cell|mob|fax|whatsapp|手机|手機|电话|電話|shouji"
            r"|dianhua)[^0-9]{0,80}[0-9](?:[-. ()]{0,2}[0-9]){8}"
        ),
    ),
    # Seven or eight digits are a telephone number only right behind a colon or "call me at".
    Rule(
        "phone-local",
        "PHONE",
        r"(?<![a-z])(?:(?:phone|tel|telephone|mobile|cell|desk|fax|office|home|work)\s?[:：]|(?:call|text"
        r"|reach|ring|phone)"
        r"(?:\s(?:me|us|him|her|them|someone))?\s(?:back\s)?(?:at|on))\s{0,3}"
        r"(?P<v>[(+]{0,2}[0-9]{2,5}[)]?(?:[-. ]{1,2}[(]?[0-9]{2,6}[)]?){1,5}(?:\s?(?:x|ext\.?\s?)[0-9]{1,6})?)" + RIGHT,
        0.6,
        check=_is_local_phone,
        ignore_case=True,
        trigger=r"(?i)(?:phone|tel|telephone|mobile|cell|desk|fax|office|home|work)\s?[:：]\s{0,3}[(+0-9]"
        r"|(?:call|text|reach|ring|phone)(?:\s(?:me|us|him|her|them|someone))?\s(?:back\s)?(?:at|on)\s{0,3}[(+0-9]",
    ),
    Rule(
        "phone-before-cue",
        "PHONE",
        r"(?<![0-9A-Za-z.])(?<![0-9],)(?P<v>[(+]{0,2}[0-9]{2,5}[)]?(?:[-. ]{0,2}[0-9]{2,6}){1,5})\s?[-(]\s?(?:office"
        r"|fax|mobile|cell|desk|home|work|direct)(?![a-z])",
        0.6,
        check=_is_local_phone,
        ignore_case=True,
        trigger=r"(?i)[0-9]\s?[-(]\s?(?:office|fax|mobile|cell|desk|home|work|direct)",
    ),
    Rule(
        "ipv4",
        "IP_ADDRESS",
        r"(?<![0-9A-Za-z.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?!\.[0-9])(?![0-9A-Za-z])",
        0.7,
        check=checksums.is_telling_ipv4,
        compact=False,
        unless=r"(?:version|ver|release|build|版本|v|rev)[\s:：.=号]{0,3}\Z",
    ),
    Rule(
        "ipv6",
        "IP_ADDRESS",
        r"(?<![0-9A-Za-z:.])(?:[0-9A-Fa-f]{1,4}:){1,7}(?::?[0-9A-Fa-f]{1,4}){0,7}(?![0-9A-Za-z:])",
        0.7,
        check=checksums.is_ipv6,
        compact=False,
        # Eight groups, or fewer and two colons: a time of day has neither.
        trigger=r"[0-9A-Fa-f]::|(?:[0-9A-Fa-f]{1,4}:){7}",
    ),
    Rule(
        "mac-address",
        "MAC_ADDRESS",
        r"(?<![0-9A-Za-z:-])(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}(?![0-9A-Za-z:-])"
        r"|(?<![0-9A-Za-z:-])(?:[0-9A-Fa-f]{2}-){5}[0-9A-Fa-f]{2}(?![0-9A-Za-z:-])",
        0.8,
        trigger=r"[:-][0-9A-Fa-f]{2}[:-][0-9A-Fa-f]{2}[:-]",
    ),
    # As switches print it. Digits alone could be a grouped amount.
    Rule(
        "mac-address-in-three",
        "MAC_ADDRESS",
        r"(?<![0-9A-Za-z.])(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}(?![0-9A-Za-z]|\.[0-9A-Za-z])",
        0.8,
        check=_is_mac,
        context=r"(?<![a-z])mac(?![a-z])|hw ?addr|hardware|ether|物理地址|网卡|网口",
        bare=0.6,
        trigger=r"\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}",
    ),
    Rule(
        "bitcoin-base58",
        "CRYPTO_WALLET",
        LEFT + r"[13T][1-9A-HJ-NP-Za-km-z]{25,34}" + RIGHT,
        0.95,
        check=checksums.bitcoin_base58,
    ),
    Rule(
        "bitcoin-bech32",
        "CRYPTO_WALLET",
        LEFT + r"[bB][cC]1[02-9ac-hj-np-zAC-HJ-NP-Z]{11,71}" + RIGHT,
        0.95,
        check=checksums.bitcoin_bech32,
        trigger=r"[bB][cC]1[02-9ac-hj-np-zAC-HJ-NP-Z]{11}",
    ),
    Rule("ethereum", "CRYPTO_WALLET", LEFT + r"0x[0-9A-Fa-f]{40}" + RIGHT, 0.85, trigger=r"0x[0-9A-Fa-f]{40}"),
    Rule(
        "medical-record",
        "MEDICAL_RECORD",
        r"(?:病历号|病歷號|病案号|住院号|门诊号|就诊(?:卡号?|kahao)|诊疗卡号?|就诊号|病人id|患者id|(?<![a-z])mrn"
        r"|binglihao|zhuyuanhao|menzhenhao|jiuzhenka"
        r"|medical\srecord|patient\s(?:id|number|no)|chart\s(?:number|no)|hospital\s(?:number|no))"
        + GAP
        + r"(?P<v>[a-z]{0,4}-?[0-9][a-z0-9-]{2,19})"
        + RIGHT,
        0.85,
        ignore_case=True,
        trigger=(
            r"(?i)病历号|病歷號|病案号|住院号|门诊号|就诊|诊疗卡|病人id|患者id|binglihao|zhuyuanhao|menzhenhao"
            r"|jiuzhenka|(?<![a-z])mrn|medical\srecord|(?:patient|chart|hospital)\s(?:id|n)"
        ),
    ),
    Rule(
        "date-of-birth",
        "DATE_OF_BIRTH",
        r"(?:出生日期|出生年月日?|出生于|出生|生日|生于|chusheng(?:\sriqi)?|shengri|(?<![a-z])dob|d\.o\.b\.?"
        r"|date\sof\sbirth|birth\s?date|birthday|born)"
        r"(?:\s(?:on|in))?" + GAP + rf"(?P<v>{_DATE})",
        0.8,
        ignore_case=True,
        trigger=r"(?i)出生|生日|生于|chusheng|shengri|(?<![a-z])dob|d\.o\.b|birth|born",
    ),
    Rule(
        "date-born",
        "DATE_OF_BIRTH",
        rf"(?<![0-9])(?P<v>{_DATE})\s?(?:出生|生(?![产效成活于]))",
        0.75,
        ignore_case=True,
        trigger=r"出生|[0-9日月]\s{0,2}生",
    ),
    # The text itself: words cut up by characters that nobody sees, or a message written in nothing else.
    Rule(
        "hidden-characters",
        "OBFUSCATION",
        rf"(?:[0-9A-Za-z\u4e00-\u9fff]{{1,6}}{_HIDDEN}{{1,8}}){{4,20}}|[\U000e0020-\U000e007e]{{8,60}}",
        0.7,
        compact=False,
        trigger=rf"{_HIDDEN}[0-9A-Za-z\u4e00-\u9fff]{{1,6}}{_HIDDEN}|[\U000e0020-\U000e007e]{{4}}",
    ),
)
