"""Writes the tables of docs/detection.md and docs/detection.zh.md from the record of a run and the list of known gaps.

A page holds marked sections; what stands between the marks is this file's, the rest is its authors'. A test renders
them again and compares, so that no figure in a page can differ from the last run's.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scoring.counts import Rate
from scoring.matrix import Gap
from scoring.record import Numbers, Record

ROOT = Path(__file__).parents[3]
RECORD = ROOT / "bench" / "eval" / "record.json"
PAGES: Mapping[Path, str] = {
    ROOT / "docs" / "detection.md": "en",
    ROOT / "docs" / "detection.zh.md": "zh",
    ROOT / "README.md": "en",
    ROOT / "README.zh.md": "zh",
}
"""The files that may hold sections, and their language."""

_SECTION = re.compile(r"(<!-- eval:([a-z-]+) -->\n).*?(<!-- eval:end -->)", re.DOTALL)

_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "en": "English",
        "zh": "Chinese",
        "figure": "figure",
        "entity": "entity",
        "transform": "disguise",
        "length": "characters",
        "place": "place in the request",
        "recall": "structured identifiers found, as written",
        "recall_disguised": "structured identifiers found, disguised",
        "recall_names": "names found",
        "recall_addresses": "addresses found",
        "precision": "precision of identifiers",
        "request_recall": "sensitive requests kept home",
        "leaks": "leak rate: sensitive requests that might leave",
        "leaks_plain": "… as written, undisguised",
        "leaks_identifier": "… with an identifier or an address",
        "leaks_name_only": "… with only a name beside health or money",
        "request_precision": "precision of requests kept home",
        "over_restriction": "over-restriction: harmless requests kept home",
        "found": "found",
        "false": "false alarms per 1,000 requests",
        "leak": "leaks",
        "over": "harmless kept home",
        "gap": "gap",
        "cells": "what it covers",
        "why": "why",
        "all": "all",
    },
    "zh": {
        "en": "英文",
        "zh": "中文",
        "figure": "指标",
        "entity": "实体",
        "transform": "伪装方式",
        "length": "字符数",
        "place": "在请求中的位置",
        "recall": "结构化标识的召回率（原样书写）",
        "recall_disguised": "结构化标识的召回率（经过伪装）",
        "recall_names": "人名召回率",
        "recall_addresses": "地址召回率",
        "precision": "标识的精确率",
        "request_recall": "留在本地的敏感请求",
        "leaks": "泄漏率：可能外发的敏感请求",
        "leaks_plain": "……其中原样书写、未伪装的",
        "leaks_identifier": "……其中含标识或地址的",
        "leaks_name_only": "……其中只有人名加健康或钱款的",
        "request_precision": "留在本地的请求的精确率",
        "over_restriction": "误留率：被留在本地的无害请求",
        "found": "召回率",
        "false": "每千条请求的误报",
        "leak": "泄漏率",
        "over": "误留率",
        "gap": "已知缺口",
        "cells": "涉及范围",
        "why": "原因",
        "all": "全部",
    },
}
_TOTALS = (
    "recall", "recall_disguised", "recall_names", "recall_addresses", "precision", "request_recall", "leaks",
    "leaks_plain", "leaks_identifier", "leaks_name_only", "request_precision", "over_restriction",
)  # fmt: skip


_MODELS = "tidegate with models"
"""Only in the tables where models could make a difference: of whole requests, of names and of addresses."""

_BY_REQUEST = (("recall", "found"), ("leaks", "leak"), ("over_restriction", "over"))


def sections(record: Record, gaps: Sequence[Gap], language: str) -> dict[str, str]:
    """The text of every section in one language."""
    words = _WORDS[language]
    return {
        "run": _run(record, language),
        "totals": _totals(record, "totals", ("en", "zh"), words),
        "summary": _totals(record, "totals", ("en", "zh"), words, ("recall", "leaks", "over_restriction")),
        "entities": _rows(record, "entities", "entity", (("recall", "found"), ("false", "false")), words),
        "transforms": _rows(record, "transforms", "transform", (("recall", "found"),), words),
        "lengths": _rows(record, "lengths", "length", _BY_REQUEST, words),
        "places": _rows(record, "places", "place", _BY_REQUEST, words),
        "public": _public(record, words, language),
        "matrix": _matrix(record, language),
        "gaps": _gaps(gaps, words, language),
    }  # fmt: skip


def rendered(page: str, text: Mapping[str, str]) -> str:
    """`page` with its sections as they should be. A section that nobody writes is a KeyError."""
    return _SECTION.sub(lambda match: match[1] + text[match[2]] + match[3], page)


def write(record: Record, gaps: Sequence[Gap]) -> list[Path]:
    """Write the sections of every page that has any; the pages that changed."""
    changed = []
    for path, language in PAGES.items():
        if path.exists():
            page = path.read_text("utf-8")
            new = rendered(page, sections(record, gaps, language))
            if new != page:
                path.write_text(new, "utf-8")
                changed.append(path)
    return changed


def share(pair: Numbers, *, with_interval: bool = True) -> str:
    """A rate with its interval, in per cent."""
    rate = Rate(*pair)
    if not rate.of:
        return "–"
    low, high = rate.interval()
    text = f"{_percent(rate.share)} %"
    return f"{text} [{_percent(low)}–{_percent(high)}]" if with_interval else text


def _percent(value: float) -> str:
    # Never round a miss away: 100 is said only of all, 0 only of none.
    if value > 1 - 1e-9 or value < 1e-9:
        return f"{100 * round(value):.0f}"
    text = f"{100 * value:.1f}"
    return f"{min(max(100 * value, 0.01), 99.99):.2f}" if text in ("100.0", "0.0") else text


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _run(record: Record, language: str) -> str:
    count = f"{record['count']:,}"
    identifiers = f"{sum(record['totals'][f'{each}/tidegate']['recall'][1] for each in ('en', 'zh')):,}"
    facts = (record["command"], record["when"], record["commit"], record["seed"], count, identifiers)
    if language == "zh":
        text = (
            "命令 `{}`，{}，提交 `{}`，种子 {}：共 {} 条留出模板生成的请求，其中原样书写的结构化标识 {} 个。\n"
            "方括号内是 95 % 的 Wilson 区间。Presidio 只跑其中四分之一。\n"
        )
        missing = "这次运行没有安装 Presidio，因此没有对比。\n"
    else:
        text = (
            "`{}`, {}, commit `{}`, seed {}: {} requests from held-out templates, with {} structured identifiers as"
            " written.\nIn brackets, Wilson's 95 % interval. Presidio sees every fourth pair of requests.\n"
        )
        missing = "Presidio was not installed in this run, so there is nothing to compare with.\n"
    is_alone = not any(name.startswith("Presidio") for name in record["detectors"])
    return text.format(*facts) + (missing if is_alone else "")


def _columns(record: Record, languages: Sequence[str]) -> list[str]:
    return [f"{language}/{detector}" for language in languages for detector in record["detectors"]]


def _head(column: str, words: Mapping[str, str]) -> str:
    language, _, detector = column.partition("/")
    return f"{words[language]}, {detector}"


def _totals(
    record: Record, key: str, languages: Sequence[str], words: Mapping[str, str], names: Sequence[str] = _TOTALS
) -> str:
    columns = _columns(record, languages)
    rows = [[words[name], *(share(_figure(record[key][column], name)) for column in columns)] for name in names]
    return _table([words["figure"], *(_head(column, words) for column in columns)], rows)


def _figure(figures: Mapping[str, Numbers], name: str) -> Numbers:
    if name != "request_recall":
        return figures[name]
    leaks, of = figures["leaks"]
    return [of - leaks, of]


def _rows(record: Record, key: str, title: str, figures: Sequence[tuple[str, str]], words: Mapping[str, str]) -> str:
    """One row per name, ours with intervals and the others beside."""
    held: Mapping[str, Any] = record[key]
    columns = [column for column in _columns(record, ("en", "zh")) if held[column]]
    if len(figures) == 1 or key in ("entities", "public"):
        columns = [column for column in columns if not column.endswith(_MODELS)]
    names = list(dict.fromkeys(name for column in columns for name in held[column]))
    head = [words[title]]
    for column in columns:
        ours = _is_ours(column)
        for figure, word in figures:
            if ours or figure == "recall":
                head.append(f"{_head(column, words)}: {words[word]}")
    rows = []
    for name in names:
        row = [name]
        for column in columns:
            ours = _is_ours(column)
            cell = held[column].get(name, {})
            for figure, _ in figures:
                if figure == "false" and ours:
                    row.append(_per_thousand(cell.get(figure, [0, 0])))
                elif ours or figure == "recall":
                    row.append(share(cell.get(figure, [0, 0]), with_interval=ours))
        rows.append(row)
    return _table(head, rows)


def _is_ours(column: str) -> bool:
    return column.partition("/")[2].startswith("tidegate")


def _per_thousand(pair: Numbers) -> str:
    return f"{1000 * pair[0] / pair[1]:.1f}" if pair[1] else "–"


def _public(record: Record, words: Mapping[str, str], language: str) -> str:
    if not record["public_totals"]:
        return (
            "这次运行旁边没有公开数据。\n"
            if language == "zh"
            else "The public data was not beside the repository in this run.\n"
        )
    count = record["public_totals"]["en/tidegate"]["requests"][0]
    said = f"{count} 段英文文本。\n\n" if language == "zh" else f"{count} English texts.\n\n"
    chosen = ("recall", "recall_names", "recall_addresses", "precision", "leaks_identifier", "over_restriction")
    table = _totals(record, "public_totals", ("en",), words, chosen)
    rows = _rows(
        record | {"public": record["public"]}, "public", "entity", (("recall", "found"), ("false", "false")), words
    )
    return said + table + "\n" + rows


def _matrix(record: Record, language: str) -> str:
    matrix = record.get("matrix")
    if not matrix:
        return "这次运行没有测矩阵。\n" if language == "zh" else "The matrix was not run.\n"
    passed = share([matrix["tried"] - matrix["failed"], matrix["tried"]], with_interval=False)
    if language == "zh":
        return (
            f"共 {matrix['tried']:,} 格（{matrix['carriers']} 个位置、{matrix['transforms']} 种写法、"
            f"{matrix['items']} 个值），通过 {passed}；目标是 97 %。\n"
            f"未通过的 {matrix['failed']:,} 格全部在下表之内。\n"
        )
    return (
        f"{matrix['tried']:,} cells ({matrix['carriers']} places, {matrix['transforms']} ways of writing, "
        f"{matrix['items']} values), of which {passed} pass; the aim is 97 %.\n"
        f"The {matrix['failed']:,} that do not are all named below.\n"
    )


def _gaps(gaps: Sequence[Gap], words: Mapping[str, str], language: str) -> str:
    def listed(names: Sequence[str]) -> str:
        return ", ".join(names) if names else words["all"]

    rows = [
        [
            gap.name_zh if language == "zh" else gap.name,
            f"{words['place']}: {listed(gap.carriers)}; {words['transform']}: {listed(gap.transforms)}; "
            f"{words['entity']}: {listed(gap.makers)}",
            gap.reason_zh if language == "zh" else gap.reason_en,
        ]
        for gap in gaps
    ]
    return _table([words["gap"], words["cells"], words["why"]], rows)
