"""A header is context for its column, in every kind of table; what has no header is left to the other recognizers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.detect import prefilter
from gateway.detect.prefilter import Entry, build_prefilter
from gateway.detect.tables import table_recognizer
from tests.detect.triggers import told

TABLES = table_recognizer()


def found(text):
    return {(finding.entity, text[finding.start : finding.end]) for finding in TABLES.find(text, "p")}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "| Name | DOB |\n|---|---|\n| Robert Lee | 03/26/2008 |\n| Mei Kim | 1990-01-02 |\n",
            {
                ("PERSON", "Robert Lee"),
                ("PERSON", "Mei Kim"),
                ("DATE_OF_BIRTH", "03/26/2008"),
                ("DATE_OF_BIRTH", "1990-01-02"),
            },
        ),
        (
            "| 姓名 | 出生日期 |\n| :-- | --- |\n| 皇甫海燕 | 1990年1月2日 |",
            {("PERSON", "皇甫海燕"), ("DATE_OF_BIRTH", "1990年1月2日")},
        ),
        ("id,name,ssn\n1,Ada K. Okafor,078051120", {("PERSON", "Ada K. Okafor"), ("US_SSN", "078051120")}),
        ('id,"full_name",ok\r\n1,"Okafor, Ada",y\r\n2,"Ada Okafor",n\r\n', {("PERSON", "Ada Okafor")}),
        ("id\tpatient name\tmrn\n1\tAda Okafor\t00123456", {("PERSON", "Ada Okafor"), ("MEDICAL_RECORD", "00123456")}),
        ("工号,姓名，手机\nA101,邸素珍，x", set()),
        ("工号,姓名,账号\nA101,邸素珍,6217001234567", {("PERSON", "邸素珍"), ("BANK_ACCOUNT", "6217001234567")}),
        ("user,password\nroot,Winter@2021", {("CREDENTIAL", "Winter@2021")}),
        (
            "INSERT INTO user (id, name, dob) VALUES (1, '殷梓萱', '1990-01-02'), (2, 'Ada O''Neil', NULL);",
            {("PERSON", "殷梓萱"), ("DATE_OF_BIRTH", "1990-01-02")},
        ),
        (
            "| Name | SSN |\n|---|---|\n| Ada Okafor | 0780-5112-0 |",
            {("PERSON", "Ada Okafor"), ("US_SSN", "0780-5112-0")},
        ),
    ],
    ids=["markdown", "chinese", "csv", "quotes", "tabs", "another comma", "csv in chinese", "secret", "sql", "groups"],
)
def test_a_header_speaks_for_its_column(text, expected):
    assert found(text) >= expected
    assert not expected or found(text) <= expected | {("US_SSN", "078051120"), ("PERSON", "Ada O''Neil")}


@pytest.mark.parametrize(
    "text",
    [
        "| Product | Price |\n|---|---|\n| Robert Lee | 03/26/2008 |",
        "please send name, phone\nand I will call you back, soon, thanks",
        "name, phone",
        "name\nphone\n",
        "id,name\n1,widget\n2,Gadget",
        "INSERT INTO t (a, b) VALUES (1, '1990-01-02');",
        "| version | released |\n|---|---|\n| 1.2.3 | 1990-01-02 |",
        "user,password\nroot,changeme",
        "",
    ],
)
def test_a_table_without_such_a_header_says_nothing(text):
    assert found(text) == set()


WORDS = ["name", "Name", "customer", "手机号", "姓名", "账号", "SSN", "no", "QQ号", "password", "x", "id", '"dob"']
MARKS = [",", ", ", "，", "；", ";", "|", " | ", "\t", "\t,", "\n,"]
CELLS = ["Ada Okafor", "1990-01-02", "078051120", "邸素珍", "'Winter@2021'", "---", "", "13812345678", "(x)"]
BESIDE = [
    "",
    "\n",
    "\n\n",
    "\r\n",
    "name\n",
    "Her name, and: ",
    "insert into\n",
    "INSERT INTO t (a, ssn) VALUES (1, '078051120')",
]


@st.composite
def texts_with_tables(draw):
    """Lines of words and cells, nearly tables, among what looks like headers and inserts."""
    mark, width = draw(st.sampled_from(MARKS)), draw(st.integers(1, 4))
    text = draw(st.sampled_from(BESIDE))
    for pieces in draw(st.lists(st.sampled_from([WORDS, CELLS]), min_size=1, max_size=4)):
        line = draw(st.lists(st.sampled_from(pieces), min_size=width, max_size=width + 1))
        text += mark.join(line) + draw(st.sampled_from(["\n", "\n", "\r\n", "\n\n", " |\n", *BESIDE]))
    return text


@pytest.mark.skipif(not prefilter.HAS_HYPERSCAN, reason="no Hyperscan on this platform")
@given(texts_with_tables())
def test_what_is_found_at_the_ends_of_headers_is_what_is_found_in_the_whole_text(built, text):
    ends = [end for _, seen in told(built, [text]) for end in seen[0]]
    assert TABLES.find_at(text, ends) == TABLES.find(text, "")


@pytest.fixture(scope="module")
def built():
    return build_prefilter([Entry(0, pattern) for pattern in TABLES.patterns], frozenset())


def test_a_long_list_that_looks_like_headers_costs_no_square_of_its_length():
    calls = []

    class Counting(str):
        __slots__ = ()

        def find(self, *args):
            calls.append(args)
            return str.find(self, *args)

    TABLES.find(Counting("name,\n" * 300), "p")
    assert len(calls) < 300 * 14 * 3


def test_a_finding_in_a_table_has_its_place(scanner):
    text = "以下：\n| 姓名 | 出生日期 |\n|---|---|\n| 邸素珍 | 1990-01-02 |"
    places = {(f.entity, text[f.start : f.end]) for f in scanner.scan_text(text).findings}
    assert places >= {("PERSON", "邸素珍"), ("DATE_OF_BIRTH", "1990-01-02")}


@pytest.mark.parametrize(
    ("head", "row", "value", "entity"),
    [
        ("id,passport no,remark\n", "{i},{n},note about the case {i}\n", "51234{n:04}", "PASSPORT"),
        ("| 编号 | 姓名 | 病历号 |\n|---|---|---|\n", "| {i} | 甲 | {n} |\n", "90{n:04}", "MEDICAL_RECORD"),
        ("id;name;balance\n", "{i};{n};12\n", "Jane Doe", "PERSON"),
    ],
)
def test_a_header_speaks_for_rows_far_below_it(scanner, head, row, value, entity):
    """Rows that hold nothing, and then some that do: each of those is found, and nothing else."""
    text, wanted = head, set()
    for i in range(100, 600):
        cell = value.format(n=i) if i % 50 == 0 else "-"
        line = row.format(i=i, n=cell)
        if cell != "-":
            start = len(text) + line.index(cell)
            wanted.add((start, start + len(cell)))
        text += line
    assert {(f.start, f.end) for f in scanner.scan_text(text).findings if f.entity == entity} == wanted


def test_prose_with_commas_has_no_header(scanner):
    text = "She gave her name, and left.\n" + "A line, that has a comma.\n" * 200
    assert scanner.scan_text(text).findings == ()
