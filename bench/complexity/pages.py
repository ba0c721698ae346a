"""The plots and tables of docs/complexity.md, made from what fit.py measured."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from curve import Points

ROOT = Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- made by bench/complexity/fit.py -->", "<!-- end -->"

_ROWS: Final = {
    "score": ("this score, ten folds at random", "本评分，随机十折"),
    "score_other_domains": (
        "this score, each subject by weights of the other 56",
        "本评分，每个学科用其余 56 个学科的权重",
    ),
    "score_without_moral_scenarios": (
        "this score, ten folds, without `moral_scenarios`",
        "本评分，随机十折，去掉 `moral_scenarios`",
    ),
    "score_other_domains_without_moral_scenarios": (
        "this score, other subjects, without `moral_scenarios`",
        "本评分，其余学科，去掉 `moral_scenarios`",
    ),
    "length": ("length of the prompt alone", "只看提示词长度"),
    "random": ("a random router", "随机路由"),
    "oracle": ("an oracle that knows who will be right", "预知对错的路由"),
}
_HEADS: Final = {
    "en": ("router", "APGR", "90 % interval", "CPT 50 %", "CPT 80 %"),
    "zh": ("路由方式", "APGR", "90 % 区间", "CPT 50 %", "CPT 80 %"),
}
_COLOURS: Final = {
    "score": "#0b6e4f",
    "score_other_domains": "#6bbf59",
    "length": "#c17817",
    "random": "#8a8a8a",
    "oracle": "#3a4f8f",
}
_DRAWN: Final = {
    "score": "this score",
    "score_other_domains": "this score, other subjects",
    "length": "length alone",
    "random": "random",
    "oracle": "oracle",
}
_SIZE, _EDGE, _TOP = 360, 46, 1.6
_TITLES: Final = {"mmlu": "MMLU", "gsm8k": "GSM8K"}


def write_pages(
    benchmarks: Mapping[str, Mapping[str, object]], curves: Mapping[str, Mapping[str, Points]]
) -> list[Path]:
    """Write plots and tables; the paths."""
    written = []
    for benchmark, drawn in curves.items():
        path = ROOT / "docs" / "images" / f"complexity-{benchmark}.svg"
        path.write_text(_plot(_TITLES[benchmark], drawn), "utf-8")
        written.append(path)
    for language, name in (("en", "complexity.md"), ("zh", "complexity.zh.md")):
        path = ROOT / "docs" / name
        text = path.read_text("utf-8")
        before, rest = text.split(BEGIN + "\n", 1)
        after = rest.split(END, 1)[1]
        path.write_text(f"{before}{BEGIN}\n{_tables(benchmarks, language)}{END}{after}", "utf-8")
        written.append(path)
    return written


def _tables(benchmarks: Mapping[str, Mapping[str, object]], language: str) -> str:
    heads = _HEADS[language]
    lines: list[str] = []
    for benchmark, rows in benchmarks.items():
        lines += ["", f"**{_TITLES[benchmark]}**", "", f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
        for name, words in _ROWS.items():
            row = rows.get(name)
            if not isinstance(row, dict):
                continue
            low, high = row["apgr_90"]
            said = words[0 if language == "en" else 1]
            lines.append(
                f"| {said} | {row['apgr']:.3f} | {low:.3f}–{high:.3f} | {row['cpt_50']:.0%} | {row['cpt_80']:.0%} |"
            )
    return "\n".join([*lines, "", ""])


def _plot(title: str, curves: Mapping[str, Points]) -> str:
    """One plot: how much of the gap is closed (up) by how many calls of the strong model (right)."""
    width, height = _SIZE + 2 * _EDGE + 150, _SIZE + 2 * _EDGE
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="{_EDGE}" y="24" font-size="14">{title}: gap closed by calls of the strong model</text>',
    ]
    for tick in range(5):
        x, y = _at(tick / 4, tick / 4 * _TOP)
        parts.append(f'<path d="M{x:.0f} {_EDGE}V{_EDGE + _SIZE}M{_EDGE} {y:.0f}H{_EDGE + _SIZE}" stroke="#e4e4e4"/>')
        parts.append(f'<text x="{x:.0f}" y="{_EDGE + _SIZE + 16}" text-anchor="middle">{tick * 25} %</text>')
        parts.append(f'<text x="{_EDGE - 6}" y="{y + 4:.0f}" text-anchor="end">{tick / 4 * _TOP:.0%}</text>')
    for at, (name, points) in enumerate(curves.items()):
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in (_at(*point) for point in _thinned(points)))
        parts.append(f'<polyline points="{line}" fill="none" stroke="{_COLOURS[name]}" stroke-width="1.6"/>')
        y = _EDGE + 14 + 18 * at
        parts.append(f'<path d="M{_EDGE + _SIZE + 10} {y - 4}h18" stroke="{_COLOURS[name]}" stroke-width="3"/>')
        parts.append(f'<text x="{_EDGE + _SIZE + 34}" y="{y}">{_DRAWN[name]}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _at(x: float, y: float) -> tuple[float, float]:
    return _EDGE + x * _SIZE, _EDGE + _SIZE - y / _TOP * _SIZE


def _thinned(points: Points) -> Sequence[tuple[float, float]]:
    step = max(1, len(points) // 200)
    return [*points[::step], points[-1]]
