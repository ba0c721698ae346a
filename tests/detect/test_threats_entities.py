"""Every entity that threats.md says must be found: by its checksum, or by what stands beside it, in both languages.

One row per form: texts in which it is found, and the nearest texts in which it must not be: a wrong checksum, a number
of another make, the same characters without the words that say what they are.
"""

import functools
from typing import NamedTuple

import pytest

from gateway.core.entities import ENTITIES
from gateway.detect.scanner import build_scanner


class Row(NamedTuple):
    wanted: str  # as threats.md calls it
    entity: str
    found: tuple[str, ...]
    not_found: tuple[str, ...]


ROWS = (
    Row(
        "resident ID 18",
        "CN_RESIDENT_ID",
        ("身份证号11010519491231002X", "ID card 11010519491231002x.", "号码是 440524188001010014。"),
        ("订单号110105194912310021", "流水号 440524188013010014", "order 123456789012345678"),
    ),
    Row(
        "legacy resident ID 15",
        "CN_RESIDENT_ID",
        ("身份证号：110105491231002", "resident id 110105491231002"),
        ("单号：110105491231002", "身份证号：110105491331002"),
    ),
    Row(
        "mobile",
        "CN_MOBILE",
        ("打13812345678", "call 13812345678 now", "手机：+86 138-1234-5678"),
        ("订单12812345678", "编号138123456789", "圆周率0.13812345678"),
    ),
    Row(
        "landline",
        "CN_LANDLINE",
        ("座机010-62781234", "please ring 0755-26001234", "传真(021)62781234"),
        ("编号000-62781234", "第010-127812页", "热线400-810-8888"),
    ),
    Row(
        "bank card",
        "BANK_CARD",
        ("卡号6222021234567890128", "card 4111 1111 1111 1111", "378282246310005", "4222222222222"),
        ("卡6222021234567890127号段", "order 4111 1111 1111 1112", "ISBN 9787302423287"),
    ),
    Row(
        "USCC",
        "CN_USCC",
        ("统一社会信用代码91110000600037341L", "company 91110000600037341L", "村集体N2330106MF1234567L"),
        ("代码91110000600037341M", "serial 91110000600037340L"),
    ),
    Row(
        "passport",
        "CN_PASSPORT",
        ("护照号码E12345678", "passport no. EA1234567", "我的护照是G12345678"),
        ("型号E12345678", "model EA1234567"),
    ),
    Row(
        "passport of another country",
        "PASSPORT",
        ("Passport number: 512345678", "passport C01X00T47", "护照号 X1234567"),
        ("ticket number: 512345678", "The passport office opened"),
    ),
    Row(
        "Hong Kong and Macao permit",
        "HK_MO_TW_PERMIT",
        ("港澳通行证C12345678", "回乡证号H12345678", "entry permit C12345678", "HKID A123456(3)", "香港身份证A1234563"),
        ("房间C12345678", "A123456(4)", "part A123456(9)"),
    ),
    Row(
        "Taiwan permit",
        "HK_MO_TW_PERMIT",
        ("台胞证号：12345678", "台湾身份证A123456789", "Taiwan ID A123456789"),
        ("数量：12345678", "台湾身份证A123456788"),
    ),
    Row("plate", "CN_PLATE", ("车牌京A12345", "my car is 粤B·D12345", "沪AD12345"), ("京A座", "京ABCDEF")),
    Row(
        "social security number",
        "CN_SOCIAL_SECURITY",
        ("社保号：1234567890", "医保卡号 A12345678", "social insurance number 1234567890"),
        ("订单号：1234567890", "社保局"),
    ),
    Row(
        "medical-record number",
        "MEDICAL_RECORD",
        ("住院号：ZY20230001", "病历号123456", "MRN: 00123456", "medical record 778899"),
        ("单号：ZY20230001", "version: 00123456"),
    ),
    Row("WeChat", "WECHAT", ("加我微信：zhang_san88", "wechat id lily2020"), ("微信支付很方便", "wechat is an app")),
    Row("QQ", "QQ", ("QQ号123456789", "my QQ: 123456789"), ("QQ浏览器", "编号123456789")),
    Row(
        "e-mail",
        "EMAIL",
        ("写信到li.lei@example.com.cn", "mail bob@corp.internal"),
        ("at @example", "a@b", "pip install x@1.2.3"),
    ),
    Row(
        "address",
        "ADDRESS",
        (
            "住在北京市朝阳区建国路88号3号楼1502室",
            "I live at 742 Evergreen Terrace",
            "P.O. Box 1234",
            "Springfield, IL 62704",
        ),
        ("第88号文件", "the 12 Angry Men", "We took the high road", "北京市的天气"),
    ),
    Row(
        "person",
        "PERSON",
        ("患者：张三", "我叫李小明，", "Dr. John Smith", "my name is Jane Doe", "王女士来电"),
        ("张三丰富的经验", "the smith forged", "Apple Watch", "李白的诗"),
    ),
    Row(
        "date of birth",
        "DATE_OF_BIRTH",
        ("出生日期：1990年1月2日", "1990年1月2日出生", "DOB: 01/02/1990", "born on January 2, 1990"),
        ("会议日期：1990年1月2日", "released on January 2, 1990", "2024-01-02生效"),
    ),
    Row(
        "account and amount",
        "BANK_ACCOUNT",
        (
            "向账号12345678901转账5000元",
            "account number 12345678901, transfer $5,000",
            "Wire $900 to account 00123456789",
        ),
        ("订单12345678901，金额5000元", "order 12345678901 for $5,000"),
    ),
    Row("US SSN", "US_SSN", ("SSN 078-05-1120", "社安号078051120", "536-22-8723"), ("000-12-3456", "part 078051120")),
    Row("ITIN", "US_ITIN", ("ITIN 912-78-1234", "912-78-1234"), ("912-18-1234", "812-78-1234")),
    Row(
        "driver licence",
        "US_DRIVER_LICENSE",
        ("driver's license D1234567", "驾照号 D1234567", "driving licence no. SMITH901010"),
        ("license plate", "model D1234567"),
    ),
    Row(
        "phone",
        "PHONE",
        ("call 212-555-0147", "+44 20 7946 0958", "电话 +1 212 555 0147"),
        ("1-800-555-0147", "2024-2025", "ratio 3.14159265"),
    ),
    Row(
        "IBAN",
        "IBAN",
        ("DE89 3704 0044 0532 0130 00", "收款GB82WEST12345698765432"),
        ("DE88 3704 0044 0532 0130 00", "XX82WEST12345698765432"),
    ),
    Row("SWIFT", "SWIFT", ("SWIFT: DEUTDEFF", "SWIFT代码 ICBKCNBJ"), ("a SWIFT reply", "KEYBOARD")),
    Row(
        "IP address",
        "IP_ADDRESS",
        ("10.20.30.40", "服务器172.16.0.12宕机", "2001:db8::8a2e:370:7334"),
        ("version 1.2.3.4", "256.1.1.1", "127.0.0.1"),
    ),
    Row("MAC address", "MAC_ADDRESS", ("00:1B:44:11:3A:B7", "网卡3872.aa29.8beb"), ("00:1B:44:11:3A", "12:34:56")),
    Row(
        "crypto wallet",
        "CRYPTO_WALLET",
        (
            "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
            "钱包bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
            "0x52908400098527886E0F7030069857D2E4169EE7",
        ),
        ("1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN3", "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mda", "0x52908400"),
    ),
    Row("medical licence", "MEDICAL_LICENSE", ("DEA AB1234563", "处方医生DEA号AB1234563"), ("AB1234564", "ZZ1234563")),
    Row("NPI", "NPI", ("NPI 1234567893", "医生NPI：1234567893"), ("NPI 1234567890", "id 1234567893")),
    Row(
        "UK NHS",
        "UK_NHS",
        ("NHS number 943 476 5919", "NHS号9434765919"),
        ("NHS number 943 476 5918", "ref 9434765919"),
    ),
    Row("UK NINO", "UK_NINO", ("AB123456C", "NI号 AB 12 34 56 C"), ("BG123456C", "AB123456E")),
    Row(
        "Aadhaar",
        "IN_AADHAAR",
        ("Aadhaar 2341 2341 2346", "Aadhaar号234123412346"),
        ("2341 2341 2347", "1341 2341 2346"),
    ),
    Row("PAN", "IN_PAN", ("PAN ABCPE1234F", "税号ABCPE1234F"), ("ABCDE1234", "ABCXE1234F")),
    Row(
        "cloud keys",
        "CREDENTIAL",
        ("AKIAIOSFODNN7EXAMPLE", "LTAI5tAbCdEfGhIjKlMn", "AIzaSyA1234567890abcdefghijklmnopqrstuv"),
        ("AKIA", "AKIRA2024", "LTAI"),
    ),
    Row(
        "tokens",
        "CREDENTIAL",
        (
            "sk-proj-abcdEFGH1234567890abcd",
            "ghp_0123456789abcdefABCDEF0123456789abcd",
            "令牌eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.abc",
        ),
        ("sk-learn", "ghp_short", "eyJ"),
    ),
    Row(
        "private-key blocks",
        "CREDENTIAL",
        ("-----BEGIN RSA PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----"),
        ("-----BEGIN PUBLIC KEY-----", "-----BEGIN CERTIFICATE-----"),
    ),
    Row(
        "connection strings",
        "CREDENTIAL",
        ("postgres://app:Wint3r!@db.internal/x", "数据库mysql://root:abc12345@10.0.0.5"),
        ("https://example.com/a:b", "redis://localhost:6379"),
    ),
    Row(
        "password=",
        "CREDENTIAL",
        ("password=hunter2!", "密码：Winter@2021", "the password is hunter2", "口令是abc123"),
        ("password=<yours>", "忘记密码怎么办", "the password is wrong", "password: string"),
    ),
)


def found(scanner, text):
    return {finding.entity for finding in scanner.scan_text(text).findings}


@pytest.mark.parametrize(("entity", "text"), [(row.entity, text) for row in ROWS for text in row.found])
def test_it_is_found(scanner, entity, text):
    assert entity in found(scanner, text)


@pytest.mark.parametrize(("entity", "text"), [(row.entity, text) for row in ROWS for text in row.not_found])
def test_what_only_looks_like_it_is_not(scanner, entity, text):
    assert entity not in found(scanner, text)


@functools.cache
def secret(marker):
    return build_scanner([marker])


@pytest.mark.parametrize(
    "written", ["绝密", "绝 密", "绝\u3000密", "绝\u00a0密", "絕密", "絕 密", "绝\n密", "绝\u200b密", "【绝密】"]
)
@pytest.mark.parametrize("marker", ["绝密", "絕密"])
def test_a_chinese_marker_is_found_in_either_script_and_set_apart(marker, written):
    assert f"MARKER:{marker}" in found(secret(marker), f"文件密级：{written}，请妥善保管")


@pytest.mark.parametrize("other", ["绝对保密", "绝    密", "决密", "绝.密"])
def test_what_is_another_word_is_no_marker(other):
    assert not [one for one in found(secret("绝密"), other) if one.startswith("MARKER")]


@pytest.mark.parametrize("marker", ["内部", "机密", "Do Not Distribute"])
def test_a_marker_is_found_in_any_case_and_not_in_other_words(scanner, marker):
    assert f"MARKER:{marker.casefold()}" in found(scanner, f"这份文件{marker.upper()}，please")
    assert not found(scanner, "distribute it, please")


def test_every_entity_that_needs_no_model_has_a_row():
    told = {row.entity for row in ROWS}
    by_models_or_customers = {"ORG", "URL", "DATE"}
    no_identifiers = {"HEALTH_CONTEXT", "FINANCE_CONTEXT", "OBFUSCATION"}
    assert ENTITIES.keys() - told == by_models_or_customers | no_identifiers


def test_every_row_has_both_languages_and_hard_negatives():
    for row in ROWS:
        assert len(row.found) >= 2, row.wanted
        assert len(row.not_found) >= 2, row.wanted
    both = [row.wanted for row in ROWS if len({text.isascii() for text in row.found}) == 2]
    assert len(both) >= len(ROWS) - 8
