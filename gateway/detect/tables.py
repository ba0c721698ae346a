"""Tables within a text: a header is context for its column (threats.md 7). Markdown, CSV and the like, SQL's inserts.

A table is found by its header; each cell is then shown, behind its header, to the rules that the header calls for. A
cell with a form of its own needs none of this: its recognizer finds it anywhere. Pure.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import takewhile

from gateway.core.findings import Finding, Tier
from gateway.detect.borrowed import Borrower, borrower, found_beside
from gateway.detect.patterns import NATIONAL
from gateway.detect.people import HAN_NAME, TWO_WORDS
from gateway.detect.rules import PatternRecognizer, Rule, recognizer
from gateway.detect.secrets import SECRETS
from gateway.detect.worldwide import WORLDWIDE

# How a header cell may end that calls for a rule. What it calls for, the rules' own words decide.
_HEADERS = (
    "name dob birth birthday birthdate born ssn itin tin npi phone tel mobile cell contact passport "
    "license licence account acct mrn patient password passwd pwd secret token key wechat customer client "
    "employee applicant number no num card QQ "
    "姓名 名字 客户 患者 病人 员工 学生 联系人 收件人 收货人 户名 出生日期 出生年月 生日 "
    "电话 手机 手机号 方式 座机 号码 编号 账号 帐号 账户 卡号 证号 证件 身份证 护照 驾照 "
    "驾驶证 社保号 医保号 住院号 病历号 门诊号 密码 口令 微信 微信号 QQ号"
)
_HEADER = "|".join(rf"{word}[\"'`）)]?\s?[,;，；\t|\r\n]" for word in _HEADERS.split())
_INSERT = (
    r"(?i:insert)\s{1,3}(?i:into)\s{1,3}[^\s(]{1,80}\s{0,3}\((?P<head>[^()\n]{3,400})\)\s{0,3}(?i:values)\s{0,3}"
    r"(?P<rows>(?:\((?:'[^'\n]{0,300}'|[^'()]){1,400}\)[\s,]{0,4}){1,100})"
)
_ROW = r"\(((?:'[^'\n]{0,300}'|[^'()]){1,400})\)"
_RULE_LINE = r"[ >|]{0,4}:?-[-: |]{2,200}\Z"
_MAX_HEADER = 400
_MAX_CELL = 200
_MAX_TABLES = 12  # lines of one chunk that are taken for headers: each costs a look at all lines behind it

_PERSON_HEADER = (
    r"(?:\A|[^a-z])(?:(?:full|customer|client|patient|employee|member|student|contact|applicant|guest"
    r"|holder|legal|first|last"
    r"|user|display|real)[ _-]?)?name\Z|\A(?:customer|client|employee|patient|applicant|contact)\Z"
    r"|(?:姓名|名字|客户|患者|病人|员工|学生|联系人|收件人|收货人|户名)\Z"
)
_PERSON = Rule(
    "name-in-column", "PERSON", rf"(?<=: )(?P<v>{HAN_NAME}|{TWO_WORDS})\Z", 0.65, compact=False, tier=Tier.NAMES
)  # fmt: skip
# Under such a header two to four characters are a name whatever their first.
_HAN_PERSON_HEADER = r"(?:姓名|患者|病人|联系人|收件人|收货人)\Z"
_HAN_PERSON = Rule(
    "han-name-in-column", "PERSON", r"(?<=: )(?P<v>[\u4e00-\u9fff]{2,4})\Z", 0.65, compact=False, tier=Tier.NAMES
)
_SECRET_HEADER = r"(?:pass(?:word|wd)?|pwd|secret|token|(?:api|access)[ _-]?key|密码|口令)\Z"

_Cell = tuple[int, int]


@dataclass(frozen=True, slots=True)
class TableRecognizer:
    """What stands in a table's columns."""

    headers: re.Pattern[str]
    insert: re.Pattern[str]
    row: re.Pattern[str]
    rule_line: re.Pattern[str]
    separators: re.Pattern[str]
    columns: Borrower
    name: str = "table-column"
    entities: frozenset[str] = frozenset()
    tier: Tier = Tier.STRUCTURED
    patterns: tuple[str, ...] = ("(?i)" + _HEADER, r"(?i)insert\s{1,3}into\s")

    def find(self, text: str, path: str) -> Sequence[Finding]:
        """Everything that a header tells, in one text."""
        findings: list[Finding] = []
        # A table has lines, an insert has brackets: without either there is nothing to look for.
        inserts = self._inserts(text) if "(" in text else ()
        lines = self._lines(text) if "\n" in text else ()
        for header, rows in (*inserts, *lines):
            # Rows first: a line with commas is mostly prose, and asking every rule costs more than a look at the next.
            regular = list(takewhile(partial(_has_cells, len(header)), rows))
            called = [self.columns.called(cell) for cell in header] if regular else []
            for row in regular if any(called) else ():
                for title, rules, (start, end) in zip(header, called, row, strict=True):
                    if rules and end - start <= _MAX_CELL:
                        findings += self._in_cell(title, rules, text[start:end], start, path)
        return findings

    def _in_cell(
        self, title: str, rules: Sequence[PatternRecognizer], cell: str, at: int, path: str
    ) -> Iterator[Finding]:
        for entity, score, first, last in found_beside(rules, title + ": ", cell):
            yield Finding(entity, score, path, at + first, at + last, self.name)
        digits = self.separators.sub("", cell)
        if digits != cell and len(digits) >= 9 and digits.isdigit():
            for entity, score, _, _ in found_beside(rules, title + ": ", digits, whole=True):
                yield Finding(entity, score, path, at, at + len(cell), self.name, ("collapse",))

    def _inserts(self, text: str) -> Iterator[tuple[list[str], list[list[_Cell]]]]:
        for match in self.insert.finditer(text):
            header = [text[start:end] for start, end in _cells(text, match.start("head"), match.end("head"), ",")]
            rows = self.row.finditer(text, match.start("rows"), match.end("rows"))
            yield [_title(cell) for cell in header], [_cells(text, row.start(1), row.end(1), ",") for row in rows]

    def _lines(self, text: str) -> Iterator[tuple[list[str], Iterator[list[_Cell]]]]:
        done = tried = 0
        for match in self.headers.finditer(text):
            if match.start() < done:
                continue
            tried += 1
            if tried > _MAX_TABLES:
                return
            start = text.rfind("\n", 0, match.start()) + 1
            end = text.find("\n", match.start())
            if end < 0:
                return
            done = end
            mark = match.group()[-1]
            between = mark if mark not in "\r\n" else _first_between(text[start:end])
            if between and end - start <= _MAX_HEADER:
                header = [_title(text[first:last]) for first, last in _cells(text, start, end, between)]
                if len(header) > 1 and max(map(len, header)) <= 40:
                    yield header, self._rows(text, end + 1, between)

    def _rows(self, text: str, start: int, between: str) -> Iterator[list[_Cell]]:
        while start < len(text):
            end = text.find("\n", start)
            end = len(text) if end < 0 else end
            if self.rule_line.match(text, start, end) is None:
                yield _cells(text, start, end, between)
            start = end + 1


def _has_cells(count: int, row: Sequence[_Cell]) -> bool:
    return len(row) == count


def _first_between(line: str) -> str:
    return next((mark for mark in "\t|,;，；" if mark in line), "")


def _title(cell: str) -> str:
    return cell.replace("_", " ").strip(" *#`\"'").lower()


def _cells(text: str, start: int, end: int, between: str) -> list[_Cell]:
    """The cells of one line, without their quotes and the white space around them."""
    if between == "|":
        while start < end and text[start] in " >":
            start += 1
        start += text.startswith("|", start, end)
        end = end - 1 if text[start:end].rstrip().endswith("|") else end
    cells = []
    first = place = start
    quote = ""
    while place <= end:
        character = text[place] if place < end else between
        if quote:
            quote = "" if character == quote else quote
            if place < end:
                place += 1
                continue
        if character == between:
            cells.append(_stripped(text, first, place))
            first = place + 1
        elif character in "\"'" and not text[first:place].strip():
            quote = character
        place += 1
    return cells


def _stripped(text: str, start: int, end: int) -> _Cell:
    while start < end and text[start] in " \t\r\"'`*":
        start += 1
    while end > start and text[end - 1] in " \t\r\"'`*|":
        end -= 1
    return start, end


def table_recognizer() -> TableRecognizer:
    """The recognizer of this file, ready to run."""
    told = borrower((*NATIONAL, *WORLDWIDE))
    secret = next(rule for rule in SECRETS if rule.name == "named-secret")
    columns = Borrower(
        (
            *told.rules,
            (re.compile(_SECRET_HEADER), recognizer(secret)),
            (re.compile(_PERSON_HEADER), recognizer(_PERSON)),
            (re.compile(_HAN_PERSON_HEADER), recognizer(_HAN_PERSON)),
        )
    )
    return TableRecognizer(
        re.compile(_HEADER, re.IGNORECASE),
        re.compile(_INSERT),
        re.compile(_ROW),
        re.compile(_RULE_LINE),
        re.compile(r"[\W_]"),
        columns,
        entities=frozenset(found.rule.entity for _, found in columns.rules),
    )
