"""Tables within a text: a header is context for its column (threats.md 7). Markdown, CSV and the like, SQL's inserts.

A table is found by its header; each cell is then shown, behind its header, to the rules that the header calls for. A
cell with a form of its own needs none of this: its recognizer finds it anywhere. Of a long
text, which recognizers see in pieces, the lines behind a header are read besides in one go. Pure.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, takewhile

from gateway.core.findings import Finding, Tier
from gateway.detect.borrowed import Borrower, borrower, folding, found_beside
from gateway.detect.patterns import NATIONAL
from gateway.detect.people import HAN_NAME, TWO_WORDS
from gateway.detect.rules import PatternRecognizer, Rule, recognizer
from gateway.detect.secrets import SECRETS
from gateway.detect.slices import Tick, matches
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
_HEADER_END = r"[\"'`）)]?\s?[,;，；\t|\r\n]"
HEADER_GATES = ("(?i)" + "|".join(word + _HEADER_END for word in _HEADERS.split()),)
"""Where a table may have its header."""
_INSERT = (
    r"[Ii](?i:nsert)\s{1,3}(?i:into)\s{1,3}[^\s(]{1,80}\s{0,3}\((?P<head>[^()\n]{3,400})\)\s{0,3}(?i:values)\s{0,3}"
    r"(?P<rows>(?:\((?:'[^'\n]{0,300}'|[^'()]){1,400}\)[\s,]{0,4}){1,100})"
)
_ROW = r"\(((?:'[^'\n]{0,300}'|[^'()]){1,400})\)"
_RULE_LINE = r"[ >|]{0,4}:?-[-: |]{2,200}\Z"
_MAX_HEADER = 400
_MAX_CELL = 200
_WIDEST = 16  # characters of a header's word and what may stand behind it
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
_Table = tuple[list[str], Iterator[list[_Cell]]]
"""The titles of the columns, and the cells of each line behind them."""


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
    patterns: tuple[str, ...] = (*HEADER_GATES, r"(?i)insert\s{1,3}into\s")

    def find(self, text: str, path: str) -> Sequence[Finding]:
        """Everything that a header tells, in one text."""
        # A table has lines, an insert has brackets: without either there is nothing to look for.
        inserts = self._inserts(text) if "(" in text else ()
        lines = self._lines(text, self.headers.finditer(text)) if "\n" in text else ()
        return self._in_tables((*inserts, *lines), text, path)

    def find_at(self, text: str, ends: Sequence[int]) -> Sequence[Finding]:
        """The same, where all matches of `patterns` end at `ends`."""
        inserts = self._inserts(text) if "(" in text and any(_is_insert(text, end) for end in ends) else ()
        lines = self._lines(text, self._headers_at(text, ends)) if "\n" in text else ()
        return self._in_tables((*inserts, *lines), text, "")

    def _in_tables(self, those: Iterable[_Table], text: str, path: str) -> Sequence[Finding]:
        return [finding for header, rows in those for finding in self._in_table(header, rows, text, path)]

    def _headers_at(self, text: str, ends: Sequence[int]) -> Iterator[re.Match[str]]:
        done = 0
        for end in ends:
            # A match may go on where another pattern's ends.
            for match in self.headers.finditer(text, max(done, end - _WIDEST), end + 1):
                yield match
                done = match.end()

    def find_far(self, text: str, tick: Tick) -> Iterator[Finding]:
        """Everything that the header of a table with lines tells, however far below it, in a text of any length."""
        place = 0
        for _ in range(_MAX_TABLES):
            match = next(matches(self.headers, text, tick, place), None)
            if match is None:
                return
            header, between, place = _header(text, match)
            if header:
                rows = _Rows(self._rows(text, place, between, tick), place)
                yield from self._in_table(header, rows, text, "")
                # Its lines are no headers: the search for the next one goes on behind them.
                place = rows.end

    def _in_table(self, header: Sequence[str], rows: Iterator[list[_Cell]], text: str, path: str) -> Iterator[Finding]:
        regular = takewhile(partial(_has_cells, len(header)), rows)
        # A row first: a line with commas is mostly prose, and asking every rule costs more than a look at the next.
        first = next(regular, None)
        called = [self.columns.called(cell) for cell in header] if first is not None else []
        if first is None or not any(called):
            return
        for row in chain((first,), regular):
            for title, rules, (start, end) in zip(header, called, row, strict=True):
                if rules and end - start <= _MAX_CELL:
                    yield from self._in_cell(title, rules, text[start:end], start, path)

    def _in_cell(
        self, title: str, rules: Sequence[PatternRecognizer], cell: str, at: int, path: str
    ) -> Iterator[Finding]:
        for entity, score, first, last in found_beside(rules, title + ": ", cell):
            yield Finding(entity, score, path, at + first, at + last, self.name)
        digits = self.separators.sub("", cell)
        if digits != cell and len(digits) >= 9 and digits.isdigit():
            for entity, score, _, _ in found_beside(rules, title + ": ", digits, whole=True):
                yield Finding(entity, score, path, at, at + len(cell), self.name, ("collapse",))

    def _inserts(self, text: str) -> Iterator[_Table]:
        for match in self.insert.finditer(text):
            header = [text[start:end] for start, end in _cells(text, match.start("head"), match.end("head"), ",")]
            rows = self.row.finditer(text, match.start("rows"), match.end("rows"))
            yield [_title(cell) for cell in header], (_cells(text, row.start(1), row.end(1), ",") for row in rows)

    def _lines(self, text: str, found: Iterable[re.Match[str]]) -> Iterator[_Table]:
        done = tried = 0
        for match in found:
            if match.start() < done:
                continue
            tried += 1
            if tried > _MAX_TABLES:
                return
            if self._is_alone(text, match):
                done = text.find("\n", match.start()) + 1
                continue
            header, between, done = _header(text, match)
            if header:
                yield header, self._rows(text, done, between, _untimed)

    def _is_alone(self, text: str, match: re.Match[str]) -> bool:
        """Whether the line below a header's word cannot have two cells: mostly that word stands in prose."""
        mark = match.group()[-1]
        end = text.find("\n", match.start())
        if end < 0 or mark in "\r\n":
            return False
        below = text.find("\n", end + 1)
        below = len(text) if below < 0 else below
        return text.find(mark, end + 1, below) < 0 and self.rule_line.match(text, end + 1, below) is None

    def _rows(self, text: str, start: int, between: str, tick: Tick) -> Iterator[list[_Cell]]:
        count = 0
        while start < len(text):
            count += 1
            if not count & 63:
                tick()
            end = text.find("\n", start)
            end = len(text) if end < 0 else end
            if self.rule_line.match(text, start, end) is None:
                yield _cells(text, start, end, between)
            start = end + 1


class _Rows:
    """The lines of a table, and where the last one that was asked for ends."""

    __slots__ = ("_rows", "end")

    def __init__(self, rows: Iterator[list[_Cell]], start: int) -> None:
        self._rows = rows
        self.end = start

    def __iter__(self) -> "_Rows":
        return self

    def __next__(self) -> list[_Cell]:
        row = next(self._rows)
        self.end = row[-1][1]
        return row


def _header(text: str, match: re.Match[str]) -> tuple[list[str], str, int]:
    """The cells of the line around a header's word, what stands between them, and where the line ends; no cells if it
    is no header."""
    start = text.rfind("\n", 0, match.start()) + 1
    end = text.find("\n", match.start())
    if end < 0:
        return [], "", len(text)
    mark = match.group()[-1]
    between = mark if mark not in "\r\n" else _first_between(text[start:end])
    if between and end - start <= _MAX_HEADER:
        header = [_title(text[first:last]) for first, last in _cells(text, start, end, between)]
        if len(header) > 1 and max(map(len, header)) <= 40:
            return header, between, end + 1
    return [], "", end + 1


def _is_insert(text: str, end: int) -> bool:
    """Whether what ends there is the beginning of an insert, and no header."""
    return text[max(0, end - 5) : end - 1].lower() == "into"


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
    if "'" not in text[start:end] and '"' not in text[start:end]:
        while (place := text.find(between, first, end)) >= 0:
            cells.append(_stripped(text, first, place))
            first = place + 1
        return [*cells, _stripped(text, first, end)]
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


def _untimed() -> None:
    """A piece of a text is read in no time."""


def _by_first(words: Sequence[str]) -> str:
    """One of `words` in any case, as Python finds it fastest: by its first character."""
    rests: dict[str, list[str]] = {}
    for word in words:
        for first in {word[0].lower(), word[0].upper()}:
            rests.setdefault(first, []).append(word[1:])
    return "|".join(f"{first}(?i:{'|'.join(those)})" for first, those in sorted(rests.items()))


def may_be_in(text: str) -> bool:
    """Whether there can be a table in a text: one has lines, an insert has brackets."""
    return "\n" in text or "(" in text


def has_insert(text: str) -> bool:
    """Whether there may be an insert in a text, however long."""
    return "(" in text and ("nsert" in text or "NSERT" in text)


def table_recognizer() -> TableRecognizer:
    """The recognizer of this file, ready to run."""
    told = borrower((*NATIONAL, *WORLDWIDE))
    secret = next(rule for rule in SECRETS if rule.name == "named-secret")
    columns = Borrower(
        (
            *told.rules,
            (folding(_SECRET_HEADER), recognizer(secret)),
            (folding(_PERSON_HEADER), recognizer(_PERSON)),
            (folding(_HAN_PERSON_HEADER), recognizer(_HAN_PERSON)),
        ),
        told.by_digits,
        told.gap,
    )
    return TableRecognizer(
        re.compile(f"(?:{_by_first(_HEADERS.split())}){_HEADER_END}"),
        re.compile(_INSERT),
        re.compile(_ROW),
        re.compile(_RULE_LINE),
        re.compile(r"[\W_]"),
        columns,
        entities=frozenset(found.rule.entity for _, found in columns.rules),
    )
