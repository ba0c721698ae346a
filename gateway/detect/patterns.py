"""The numbers that countries give to people and organisations: one rule per form.

A rule without a checksum announces itself by a cue in its pattern or asks for context. What is the same everywhere is
in `worldwide.py`, secrets in `secrets.py`, names and addresses in `names.py`. Pure; nothing is compiled until a scanner
is built.
"""

from gateway.detect import checksums
from gateway.detect.rules import DECIMALS, GAP, LEFT, RIGHT, Rule

_MOBILE_RANGE = r"1(?:3[0-9]|4[0145-9]|5[0-35-9]|6[2567]|7[0-8]|8[0-9]|9[0-35-9])"
# A province, a district, the day of birth: many numbers of an order have as many digits.
_RESIDENT_ID = (
    r"(?<![0-9])(?:1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3]|91)[0-9]{4}"
    r"(?:18|19|20)[0-9]{2}[01][0-9][0-3][0-9]{4}[0-9Xx](?![0-9])"
)
_ID_WORDS = (
    r"身份证|身份證|证件号|證件號|identity card|id card|id number|resident id|national id|sfz|shenfenzheng|zhengjian"
)
PHONE_WORDS = (
    r"phone|tel(?![a-z])|telephone|mobile|cell|call|text me|contact|fax|whatsapp|sms|(?:my|his|her|their"
    r"|new) number|我的?号码|电话|手机|联系|致电"
    r"|拨打|dianhua|shouji"
)
_SSN_WORDS = (
    r"ssn|social.{0,3}security|(?<![a-z])social(?= (?:is|number|no)|[:#])|tax(?:payer)? ?id"
    r"|(?<![a-z])tin(?![a-z])|itin|社会安全|社安号|纳税人识别"
)
_HONG_KONG_WORDS = r"hkid|hong kong id|香港|港籍"
_PASSPORT_WORDS = r"(?i)护照|護照|passport|travel document|huzhao"
_PERMIT_WORDS = (
    r"(?i)通行证|通行證|回乡证|回鄉證|台胞证|台胞證|港澳|居住证|entry permit|mainland travel permit|home"
    r" return|tongxingzheng|huixiangzheng|taibaozheng"
)


def _has_digit(text: str) -> bool:
    return any(character.isdigit() for character in text)


def _is_wechat_name(text: str) -> bool:
    return _has_digit(text) or "_" in text


def _is_passport(text: str) -> bool:
    digits = sum(character.isdigit() for character in text)
    return digits >= 6 or (digits >= 1 and text.upper() == text)


def _is_license(text: str) -> bool:
    return sum(character.isdigit() for character in text) >= 4


NATIONAL: tuple[Rule, ...] = (
    # Mainland China, Hong Kong, Macao, Taiwan
    Rule(
        "cn-resident-id",
        "CN_RESIDENT_ID",
        _RESIDENT_ID,
        0.99,
        check=checksums.resident_id,
    ),
    # Mistyped or made up: still somebody's number if the text says what it is.
    Rule(
        "cn-resident-id-in-context",
        "CN_RESIDENT_ID",
        _RESIDENT_ID,
        0.7,
        check=lambda text: checksums.is_resident_id_shape(text) and not checksums.resident_id(text),
        context=_ID_WORDS,
        after=12,
    ),
    Rule(
        "cn-resident-id-legacy",
        "CN_RESIDENT_ID",
        LEFT + r"[1-9][0-9]{14}" + RIGHT,
        0.85,
        check=checksums.legacy_resident_id,
        context=_ID_WORDS,
        after=12,
    ),
    Rule(
        "cn-mobile",
        "CN_MOBILE",
        LEFT + DECIMALS + r"(?:(?:\+|00)86[-\s]{0,2}|86[-\s]{1,2})?" + _MOBILE_RANGE + r"[0-9]{8}" + RIGHT,
        0.85,
    ),
    # Thirteen digits are as often an order number: the country code without a sign needs a word that says what it is.
    Rule(
        "cn-mobile-with-86",
        "CN_MOBILE",
        LEFT + DECIMALS + "86" + _MOBILE_RANGE + r"[0-9]{8}" + RIGHT,
        0.85,
        context=PHONE_WORDS + "|msisdn|微信",
        reach=24,
    ),
    Rule(
        "cn-landline",
        "CN_LANDLINE",
        # "1.010-62781234" is an item of a list, "0.01062781234" a number.
        LEFT + r"(?!(?<=[0-9]\.)[0-9]{8})(?<![0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-)[(（]?0(?:10|2[0-57-9]"
        r"|[3-9][0-9]{2})[)）]?[-\s－—]{0,2}[2-9][0-9]{6,7}" + RIGHT,
        0.8,
        context=PHONE_WORDS + r"|座机|固话|传真|总机|分机|热线|zuoji|landline",
        bare=0.5,
    ),
    Rule(
        "cn-landline-local",
        "CN_LANDLINE",
        r"(?:座机|固话|传真|固定电话|办公电话|家庭电话|zuoji)" + GAP + r"(?P<v>[2-8][0-9]{6,7})" + RIGHT,
        0.7,
        trigger=r"座机|固话|传真|固定电话|办公电话|家庭电话|zuoji",
    ),
    Rule(
        "cn-uscc",
        "CN_USCC",
        LEFT + r"[0-9ANY][0-9]{7}[0-9A-HJ-NPQRTUWXY]{10}" + RIGHT,
        0.95,
        check=checksums.social_credit_code,
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
        # Germans and the French have letters among the digits.
        r"(?:passport|travel document|护照|護照|huzhao)" + GAP + r"(?P<v>[A-Z0-9]{7,10})" + RIGHT,
        0.75,
        check=_is_passport,
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
        reach=32,
        trigger=_PERMIT_WORDS,
    ),
    Rule(
        "hong-kong-id",
        "HK_MO_TW_PERMIT",
        LEFT + r"[A-Za-z]{1,2}[0-9]{6}\s?[(（][0-9Aa][)）]",
        0.85,
        check=checksums.hong_kong_id,
    ),
    Rule(
        "hong-kong-id-in-context",
        "HK_MO_TW_PERMIT",
        LEFT + r"[A-Za-z]{1,2}[0-9]{6}[0-9Aa]" + RIGHT,
        0.85,
        check=checksums.hong_kong_id,
        context=_HONG_KONG_WORDS,
        trigger=f"(?i){_HONG_KONG_WORDS}",
    ),
    Rule(
        "taiwan-id",
        "HK_MO_TW_PERMIT",
        LEFT + r"[A-Za-z][1289][0-9]{8}" + RIGHT,
        0.9,
        check=checksums.taiwan_id,
        context=_ID_WORDS + r"|台湾|臺灣|台灣|taiwan|国民身|國民身",
        bare=0.5,
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
        r"(?:(?:社保|社会保障|社会保险|医保|醫保|医疗保险)(?:电脑号|个人编号|个人账号|账户|账号|帐号|卡号"
        r"|编号|号码|卡|号)"
        r"|(?:shebao|yibao)\s?(?:ka|hao|zhanghao){0,2}"
        r"|(?i:(?:social|medical) insurance\s(?:account|card|number|no\.?|id)))"
        + GAP
        + r"(?P<v>[A-Za-z]{0,3}[0-9][0-9A-Za-z-]{5,19})"
        + RIGHT,
        0.85,
        trigger=r"社保|社会保[障险]|医保|醫保|医疗保险|shebao|yibao|(?i:(?:social|medical) insurance)",
    ),
    Rule(
        "wechat",
        "WECHAT",
        # Letters in front of a number without a gap are a product, "WX72584", unless they are in lower case.
        r"(?:微信|薇信|(?<![A-Za-z])(?:wechat|weixin|[wv]x(?![0-9A-Za-z])|(?-i:[wv]x)))(?:号|账号|帐号|id)?"
        + GAP
        + r"(?P<v>[a-z][a-zß-ÿ0-9_-]{5,19}|1[3-9][0-9]{9})"
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
    ),
    Rule(
        "us-ssn-bare",
        "US_SSN",
        LEFT + r"[0-8][0-9]{8}" + RIGHT,
        0.85,
        check=checksums.ssn,
        context=_SSN_WORDS,
        after=16,
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
    ),
    Rule(
        "driver-license",
        "US_DRIVER_LICENSE",
        r"(?:driver['’]{0,2}s?['’]{0,2}\s?(?:licen[cs]e|permit)|driving\s(?:licen[cs]e|permit)"
        r"|(?<![a-z])(?:d\.l\.|dl)(?=\s?(?:[#:：=]|no|number))|驾照|驾驶证|驾驶执照|驾证|jiazhao|jiashizheng)"
        + GAP
        + r"(?P<v>[A-Z0-9][A-Z0-9-]{4,18})"
        + RIGHT,
        0.8,
        check=_is_license,
        ignore_case=True,
        trigger=(
            r"(?i)licen[cs]e|driver['’]{0,2}s?['’]{0,2}\s?p|driving\sp|驾照|驾驶|驾证|jiazhao|jiashi"
            r"|(?<![a-z])d\.?l\.?\s?[#:：=n]"
        ),
    ),
    Rule(
        "dea-number",
        "MEDICAL_LICENSE",
        LEFT + r"[ABCDEFGHJKLMPRSTUX][A-Z9][0-9]{7}" + RIGHT,
        0.9,
        check=checksums.dea_number,
        context=r"dea|prescriber|medical licen|registration",
        bare=0.5,
    ),
    Rule(
        "npi",
        "NPI",
        LEFT + r"[12][0-9]{9}" + RIGHT,
        0.9,
        check=checksums.npi,
        context=r"(?<![a-z])npi(?![a-z])|national provider|provider (?:id|number)",
        trigger=r"(?i)npi|national provider|provider (?:id|number)",
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
        trigger=r"(?i)nhs|national health",
    ),
    Rule(
        "uk-nino",
        "UK_NINO",
        LEFT + r"(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z]"
        r" ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]" + RIGHT,
        0.85,
        ignore_case=True,
    ),
    Rule(
        "in-aadhaar",
        "IN_AADHAAR",
        # Not the digits of a UUID.
        LEFT + r"(?<![0-9A-Fa-f]{4}-)[2-9][0-9]{3}[- ]?[0-9]{4}[- ]?[0-9]{4}(?!-[0-9A-Fa-f]{4}-)" + RIGHT,
        0.95,
        check=checksums.aadhaar,
        context=r"aadha?ar|uidai|आधार",
        bare=0.5,
    ),
    Rule(
        "in-pan",
        "IN_PAN",
        LEFT + r"[A-Z]{3}[ABCFGHLJPT][A-Z][0-9]{4}[A-Z]" + RIGHT,
        0.85,
    ),
)
