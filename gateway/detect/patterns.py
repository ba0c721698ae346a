"""The identifiers of people, organisations and machines, in English and Chinese: one rule per form.

A rule without a checksum announces itself by a cue in its pattern or asks for context. Secrets are in `secrets.py`,
names and addresses in `names.py`. Pure; nothing is compiled until a scanner is built.
"""

from gateway.detect import checksums
from gateway.detect.rules import GAP, LEFT, LETTERED, LONG_NUMBER, NUMBER, RIGHT, Rule

_MOBILE_RANGE = r"1(?:3[0-9]|4[0145-9]|5[0-35-9]|6[2567]|7[0-8]|8[0-9]|9[0-35-9])"
_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"
_DATE = (
    r"(?:(?:18|19|20)[0-9]{2}\s?[-/.年]\s?[0-9]{1,2}\s?[-/.月]\s?[0-9]{1,2}\s?日?"
    r"|(?:18|19|20)[0-9]{2}年\s?[0-9]{1,2}月|(?:19|20)[0-9]{6}(?![0-9])"
    r"|[0-9]{1,2}[-/.][0-9]{1,2}[-/.](?:[0-9]{4}|[0-9]{2})(?![0-9])"
    rf"|{_MONTH}\s?[0-9]{{1,2}}(?:st|nd|rd|th)?,?\s{{1,2}}[0-9]{{4}}"
    rf"|[0-9]{{1,2}}(?:st|nd|rd|th)?\s(?:of\s)?{_MONTH},?\s{{1,2}}[0-9]{{4}})"
)
_ID_WORDS = r"身份证|身份證|证件号|證件號|identity card|id card|id number|resident id|national id|sfz"
_PHONE_WORDS = (
    r"phone|tel(?![a-z])|telephone|mobile|cell|call|text me|contact|fax|whatsapp|sms|电话|手机|联系|致电|拨打"
)
_SSN_WORDS = r"ssn|social.{0,3}security|tax(?:payer)? ?id|(?<![a-z])tin(?![a-z])|itin|社会安全|社安号|纳税人识别"
_PASSPORT_WORDS = r"(?i)护照|護照|passport|travel document"
_PERMIT_WORDS = (
    r"(?i)通行证|通行證|回乡证|回鄉證|台胞证|台胞證|港澳|居住证|entry permit|mainland travel permit|home return"
)
_TOLL_FREE = ("800", "833", "844", "855", "866", "877", "888", "400")


def _is_us_phone(digits: str) -> bool:
    local = digits[-10:]
    return local[:3] not in _TOLL_FREE and local[1:3] != "11"


def _is_other_phone(digits: str) -> bool:
    # Eleven digits that begin with 1 and a mobile prefix have a rule of their own.
    if len(digits) == 11 and digits[0] == "1" and digits[1] in "3456789":
        return False
    return len(digits) not in (10, 11) or _is_us_phone(digits)


def _has_country_code(digits: str) -> bool:
    return 8 <= len(digits.lstrip("+")) <= 15 and digits[1:4] not in ("000", "800")


def _has_digit(text: str) -> bool:
    return any(character.isdigit() for character in text)


def _is_wechat_name(text: str) -> bool:
    return _has_digit(text) or "_" in text


IDENTIFIERS: tuple[Rule, ...] = (
    # Mainland China, Hong Kong, Macao, Taiwan
    Rule(
        "cn-resident-id",
        "CN_RESIDENT_ID",
        r"(?<![0-9])[1-9][0-9]{16}[0-9Xx](?![0-9])",
        0.99,
        check=checksums.resident_id,
        trigger=LONG_NUMBER,
    ),
    # Mistyped or made up: still somebody's number if the text says what it is.
    Rule(
        "cn-resident-id-in-context",
        "CN_RESIDENT_ID",
        r"(?<![0-9])[1-9][0-9]{16}[0-9Xx](?![0-9])",
        0.7,
        check=lambda text: checksums.is_resident_id_shape(text) and not checksums.resident_id(text),
        context=_ID_WORDS,
        after=12,
        trigger=LONG_NUMBER,
    ),
    Rule(
        "cn-resident-id-legacy",
        "CN_RESIDENT_ID",
        LEFT + r"[1-9][0-9]{14}" + RIGHT,
        0.85,
        check=checksums.legacy_resident_id,
        context=_ID_WORDS,
        after=12,
        trigger=LONG_NUMBER,
    ),
    Rule(
        "cn-mobile",
        "CN_MOBILE",
        r"(?<![0-9A-Za-z])(?<![0-9]\.)(?:(?:\+|00)?86[-\s]{0,2})?" + _MOBILE_RANGE + r"[0-9]{8}" + RIGHT,
        0.85,
        trigger=NUMBER,
    ),
    Rule(
        "cn-landline",
        "CN_LANDLINE",
        LEFT + r"[(（]?0(?:10|2[0-57-9]|[3-9][0-9]{2})[)）]?[-\s－—]{0,2}[2-9][0-9]{6,7}" + RIGHT,
        0.8,
        context=_PHONE_WORDS + r"|座机|固话|传真|总机|分机|热线",
        bare=0.5,
        trigger=NUMBER,
    ),
    Rule(
        "cn-landline-local",
        "CN_LANDLINE",
        r"(?:座机|固话|传真|固定电话|办公电话|家庭电话)" + GAP + r"(?P<v>[2-8][0-9]{6,7})" + RIGHT,
        0.7,
        trigger=r"座机|固话|传真|固定电话|办公电话|家庭电话",
    ),
    Rule(
        "cn-uscc",
        "CN_USCC",
        LEFT + r"[0-9A-HJ-NPQRTUWXY]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{10}" + RIGHT,
        0.95,
        check=checksums.social_credit_code,
        trigger=LETTERED,
    ),
    Rule(
        "cn-passport",
        "CN_PASSPORT",
        LEFT + r"(?:[EeKk][A-Za-z]?|[DdSsPpGgHhMm][A-Za-z]?)[0-9]{7,8}" + RIGHT,
        0.85,
        context=_PASSPORT_WORDS,
        after=12,
        trigger=_PASSPORT_WORDS,
    ),
    Rule(
        "passport",
        "PASSPORT",
        r"(?:passport|护照|護照)" + GAP + r"(?P<v>[A-Z]{0,2}[0-9]{6,9}[A-Z]?)" + RIGHT,
        0.75,
        ignore_case=True,
        trigger=_PASSPORT_WORDS,
    ),
    Rule(
        "hk-mo-tw-permit",
        "HK_MO_TW_PERMIT",
        LEFT + r"(?:[HMhm][0-9]{8}(?:[0-9]{2})?|[CcWwTtKkLl][A-Za-z]?[0-9]{7,8}|[0-9]{8}(?:[0-9]{2})?)" + RIGHT,
        0.85,
        context=_PERMIT_WORDS,
        after=12,
        reach=24,
        trigger=_PERMIT_WORDS,
    ),
    Rule(
        "hong-kong-id",
        "HK_MO_TW_PERMIT",
        LEFT + r"[A-Za-z]{1,2}[0-9]{6}\s?[(（][0-9Aa][)）]",
        0.85,
        check=checksums.hong_kong_id,
        trigger=LETTERED,
    ),
    Rule(
        "hong-kong-id-in-context",
        "HK_MO_TW_PERMIT",
        LEFT + r"[A-Za-z]{1,2}[0-9]{6}[0-9Aa]" + RIGHT,
        0.85,
        check=checksums.hong_kong_id,
        context=r"hkid|hong kong id|香港",
        trigger=LETTERED,
    ),
    Rule(
        "taiwan-id",
        "HK_MO_TW_PERMIT",
        LEFT + r"[A-Za-z][1289][0-9]{8}" + RIGHT,
        0.9,
        check=checksums.taiwan_id,
        context=_ID_WORDS + r"|台湾|臺灣|台灣|taiwan|国民身|國民身",
        bare=0.5,
        trigger=LETTERED,
    ),
    Rule(
        "cn-plate",
        "CN_PLATE",
        r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼使领][A-HJ-NP-Z]\s?[·•・.\s-]?\s?"
        r"(?:[A-HJ-NP-Z0-9]{4,5}[A-HJ-NP-Z0-9挂学警港澳])" + RIGHT,
        0.85,
        check=_has_digit,
    ),
    Rule(
        "cn-social-security",
        "CN_SOCIAL_SECURITY",
        r"(?:社保|社会保障|社会保险|医保|醫保|社保卡|医保卡|社会保障卡)(?:电脑号|个人编号|个人账号|账号|帐号|卡号|编号|号码|号|卡)"
        + GAP
        + r"(?P<v>[A-Za-z]{0,3}[0-9][0-9A-Za-z-]{5,19})"
        + RIGHT,
        0.85,
        trigger=r"社保|社会保[障险]|医保|醫保",
    ),
    Rule(
        "wechat",
        "WECHAT",
        r"(?:微信|薇信|(?<![A-Za-z])(?:wechat|weixin|wx|vx))(?:号|账号|帐号|id)?"
        + GAP
        + r"(?P<v>[a-z][a-z0-9_-]{5,19}|1[3-9][0-9]{9})"
        + RIGHT,
        0.75,
        check=_is_wechat_name,
        ignore_case=True,
        trigger=r"(?i)微信|薇信|wechat|weixin|(?<![a-z])[wv]x",
    ),
    Rule(
        "qq",
        "QQ",
        r"(?:(?<![A-Za-z])QQ|扣扣|企鹅号)(?:号码|账号|帐号|号|群)?" + GAP + r"(?P<v>[1-9][0-9]{4,10})" + RIGHT,
        0.8,
        ignore_case=True,
        trigger=r"(?i)(?<![a-z])qq|扣扣|企鹅号",
    ),
    # United States
    Rule(
        "us-ssn",
        "US_SSN",
        LEFT + r"[0-8][0-9]{2}[-–][0-9]{2}[-–][0-9]{4}" + RIGHT,
        0.9,
        check=checksums.ssn,
        trigger=NUMBER,
    ),
    Rule(
        "us-ssn-bare",
        "US_SSN",
        LEFT + r"[0-8][0-9]{8}" + RIGHT,
        0.85,
        check=checksums.ssn,
        context=_SSN_WORDS,
        after=16,
        trigger=NUMBER,
    ),
    Rule(
        "us-itin",
        "US_ITIN",
        LEFT + r"9[0-9]{2}[-–\s]?[5-9][0-9][-–\s]?[0-9]{4}" + RIGHT,
        0.9,
        check=checksums.itin,
        context=_SSN_WORDS,
        bare=0.5,
        after=16,
        trigger=NUMBER,
    ),
    Rule(
        "driver-license",
        "US_DRIVER_LICENSE",
        r"(?:driver['’]?s?['’]?\s?licen[cs]e|driving\s?licen[cs]e|驾照|驾驶证|驾驶执照)"
        + GAP
        + r"(?P<v>[A-Z]{0,3}[0-9][A-Z0-9-]{4,18})"
        + RIGHT,
        0.8,
        ignore_case=True,
        trigger=r"(?i)licen[cs]e|驾照|驾驶",
    ),
    Rule(
        "dea-number",
        "MEDICAL_LICENSE",
        LEFT + r"[ABCDEFGHJKLMPRSTUX][A-Z9][0-9]{7}" + RIGHT,
        0.9,
        check=checksums.dea_number,
        context=r"dea|prescriber|medical licen|registration",
        bare=0.5,
        trigger=LETTERED,
    ),
    Rule(
        "npi",
        "NPI",
        LEFT + r"[12][0-9]{9}" + RIGHT,
        0.9,
        check=checksums.npi,
        context=r"(?<![a-z])npi(?![a-z])|national provider|provider (?:id|number)",
        trigger=NUMBER,
    ),
    # Other countries
    Rule(
        "uk-nhs",
        "UK_NHS",
        LEFT + r"[0-9]{3}[- ]?[0-9]{3}[- ]?[0-9]{4}" + RIGHT,
        0.9,
        check=checksums.nhs_number,
        context=r"(?<![a-z])nhs(?![a-z])|national health",
        after=16,
        trigger=NUMBER,
    ),
    Rule(
        "uk-nino",
        "UK_NINO",
        LEFT + r"(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]"
        r" ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]" + RIGHT,
        0.85,
        ignore_case=True,
        trigger=r"[A-Za-z]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-Da-d]",
    ),
    Rule(
        "in-aadhaar",
        "IN_AADHAAR",
        LEFT + r"[2-9][0-9]{3}[- ]?[0-9]{4}[- ]?[0-9]{4}" + RIGHT,
        0.95,
        check=checksums.aadhaar,
        context=r"aadha?ar|uidai|आधार",
        bare=0.5,
        trigger=NUMBER,
    ),
    Rule("in-pan", "IN_PAN", LEFT + r"[A-Z]{3}[ABCFGHLJPT][A-Z][0-9]{4}[A-Z]" + RIGHT, 0.85),
    # Everywhere
    Rule(
        "bank-card",
        "BANK_CARD",
        LEFT + r"(?:[2-69][0-9]{11,18}|1800[0-9]{11})" + RIGHT,
        0.9,
        check=checksums.bank_card,
        trigger=NUMBER,
    ),
    Rule(
        "bank-account",
        "BANK_ACCOUNT",
        r"(?:银行账[号户]|银行帐[号户]|对公账户|收款账[号户]|账号|帐号|賬號|账户号|卡号|卡號"
        r"|account\s?(?:number|no\.?|num|#)|acct\.?\s?(?:number|no\.?|#)?|routing\s(?:number|no\.?)|sort\scode)"
        + GAP
        + r"(?P<v>[0-9](?:[ -]?[0-9]){5,24})"
        + RIGHT,
        0.75,
        ignore_case=True,
        trigger=r"(?i)账[号户]|帐[号户]|賬號|对公账户|卡[号號]|account\s?(?:n|#)|acct|routing\sn|sort\scode",
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
        trigger=r"(?i)swift|(?<![a-z])bic(?![a-z])",
    ),
    Rule(
        "us-phone",
        "PHONE",
        r"(?<![0-9A-Za-z+])(?:\+?1[-. ]{0,2})?[(]?[2-9][0-9]{2}[)]?[-. ]{1,2}[2-9][0-9]{2}[-. ][0-9]{4}" + RIGHT,
        0.8,
        check=_is_us_phone,
        trigger=NUMBER,
    ),
    Rule(
        "us-phone-bare",
        "PHONE",
        LEFT + r"1?[2-9][0-9]{2}[2-9][0-9]{6}" + RIGHT,
        0.75,
        check=_is_us_phone,
        context=_PHONE_WORDS,
        trigger=NUMBER,
    ),
    Rule(
        "phone-international",
        "PHONE",
        r"(?<![0-9A-Za-z+])\+[1-9][0-9]{0,2}(?:[-. ()]{0,2}[0-9]){6,12}" + RIGHT,
        0.8,
        check=_has_country_code,
        trigger=r"\+[1-9][-. ()]{0,2}[0-9]",
    ),
    Rule(
        "phone-after-cue",
        "PHONE",
        r"(?<![a-z])(?:phone|tel|telephone|mobile|cell|mob|fax|whatsapp|手机|手機|电话|電話)"
        + GAP
        + r"(?P<v>[(+]{0,2}[0-9](?:[-. ()]{0,2}[0-9]){8,14})"
        + RIGHT,
        0.7,
        check=_is_other_phone,
        ignore_case=True,
        trigger=r"(?i)(?:phone|tel|telephone|mobile|cell|mob|fax|whatsapp|手机|手機|电话|電話)[^0-9]{0,60}[0-9]",
    ),
    Rule(
        "ipv4",
        "IP_ADDRESS",
        r"(?<![0-9A-Za-z.])[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?![0-9A-Za-z]|\.[0-9])",
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
        trigger=r"[0-9A-Fa-f]:[0-9A-Fa-f]{0,4}:",
    ),
    Rule(
        "mac-address",
        "MAC_ADDRESS",
        r"(?<![0-9A-Za-z:-])(?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}(?![0-9A-Za-z:-])"
        r"|(?<![0-9A-Za-z:-])(?:[0-9A-Fa-f]{2}-){5}[0-9A-Fa-f]{2}(?![0-9A-Za-z:-])",
        0.8,
        trigger=r"[0-9A-Fa-f]{2}[:-][0-9A-Fa-f]{2}[:-][0-9A-Fa-f]{2}[:-]",
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
    ),
    Rule("ethereum", "CRYPTO_WALLET", LEFT + r"0x[0-9A-Fa-f]{40}" + RIGHT, 0.85),
    Rule(
        "medical-record",
        "MEDICAL_RECORD",
        r"(?:病历号|病歷號|病案号|住院号|门诊号|就诊卡号?|诊疗卡号?|就诊号|病人id|患者id|(?<![a-z])mrn"
        r"|medical\srecord|patient\s(?:id|number|no)|chart\s(?:number|no)|hospital\s(?:number|no))"
        + GAP
        + r"(?P<v>[a-z]{0,4}-?[0-9][a-z0-9-]{2,19})"
        + RIGHT,
        0.85,
        ignore_case=True,
        trigger=r"(?i)病历号|病歷號|病案号|住院号|门诊号|就诊|诊疗卡|病人id|患者id|(?<![a-z])mrn|medical\srecord|(?:patient|chart|hospital)\s(?:id|n)",
    ),
    Rule(
        "date-of-birth",
        "DATE_OF_BIRTH",
        r"(?:出生日期|出生年月日?|出生于|出生|生日|生于|(?<![a-z])dob|d\.o\.b\.?|date\sof\sbirth|birth\s?date|birthday|born)"
        r"(?:\s(?:on|in))?" + GAP + rf"(?P<v>{_DATE})",
        0.8,
        ignore_case=True,
        trigger=r"(?i)出生|生日|生于|(?<![a-z])dob|d\.o\.b|birth|born",
    ),
    Rule(
        "date-born",
        "DATE_OF_BIRTH",
        rf"(?<![0-9])(?P<v>{_DATE})\s?(?:出生|生(?![产效成活于]))",
        0.75,
        ignore_case=True,
        trigger=r"出生|[0-9日]\s?生",
    ),
)
