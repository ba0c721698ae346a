"""Fits the weights of gateway/core/complexity.py and says what they earn: see bench/complexity/README.md.

python bench/complexity/fit.py                  # fit, cross-validate, print
python bench/complexity/fit.py --write          # and write the weights, the record, plots and tables
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Final

from curve import Points, apgr, cpt, curve, interval
from pages import write_pages
from questions import DEFAULT, Labelled, by_chance, by_domain, read
from ridge import Line, fit, sums

from gateway.core.complexity import CHOICE_PARTS, OPEN_PARTS, USUAL_BANDS, Question, Scorer
from gateway.core.complexity_words import JUDGED

ROOT = Path(__file__).resolve().parents[2]
WEIGHTS = ROOT / "gateway" / "core" / "complexity_weights.py"
RECORD = Path(__file__).resolve().parent / "record.json"

PENALTY: Final = {"mmlu": 3000.0, "gsm8k": 1500.0}
SEEDS: Final = 10
QUANTILES: Final = 101
_NOT_FITTED: Final = {cue.name for cue in JUDGED} | {"code_block", "conversation"}
_EITHER_WAY: Final = (
    *("ands", "word_length", "decimals", "options_length", "options_numeric", "option_word_length"),
    *("numeric_of_numbers", "question_mark", "symbols"),
)
"""Counts that may lower a score; more of any other never does."""

Table = dict[str, object]


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Fit and judge the weights of the complexity score.")
    parser.add_argument("--data", type=Path, default=DEFAULT, help="the labelled questions, JSON lines")
    parser.add_argument("--write", action="store_true", help="write weights, record, plots and tables")
    given = parser.parse_args()
    if not given.data.exists():
        print(f"{given.data} is not there. Name the labelled questions with --data.", file=sys.stderr)
        return 1
    scorer = Scorer()
    questions = read(given.data, scorer)
    lines, tables, curves = {}, {}, {}
    for benchmark in ("mmlu", "gsm8k"):
        of_it = [one for one in questions if one.benchmark == benchmark]
        lines[benchmark], tables[benchmark], curves[benchmark] = _judge(benchmark, of_it)
        print(json.dumps(tables[benchmark], indent=2))
    if given.write:
        choice, open_ = (_named(lines[benchmark], _names(benchmark)) for benchmark in ("mmlu", "gsm8k"))
        quantiles = _quantiles(lines, questions)
        WEIGHTS.write_text(_weights(choice, open_, quantiles), "utf-8")
        fitted = Scorer(choice, open_, quantiles)
        record = {"questions": len(questions), "benchmarks": tables, "appended": _flips(questions, fitted)}
        RECORD.write_text(json.dumps(record, indent=2) + "\n", "utf-8")
        for path in write_pages(tables, curves):
            print(path.relative_to(ROOT))
    return 0


def _names(benchmark: str) -> tuple[str, ...]:
    return CHOICE_PARTS if benchmark == "mmlu" else OPEN_PARTS


def _signs(names: Sequence[str]) -> Mapping[int, int]:
    return {
        at: 0 if name in _NOT_FITTED else 1 for at, name in enumerate(names) if name not in _EITHER_WAY
    }  # fmt: skip


def _judge(benchmark: str, questions: Sequence[Labelled]) -> tuple[Line, Table, dict[str, Points]]:
    """The weights of all questions, and what those of the others earn on each fold."""
    gains = [one.gain for one in questions]
    lengths = [float(len(one.prompt)) for one in questions]
    chance = Random(7)
    ours = [_held_out(benchmark, questions, by_chance(len(questions), 10, seed)) for seed in range(SEEDS)]
    routers = {
        "score": ours[0],
        "length": lengths,
        "random": [chance.random() for _ in questions],
        "oracle": [float(gain) for gain in gains],
    }
    curves = {name: curve(scores, gains) for name, scores in routers.items()}
    table: Table = {
        "questions": len(questions),
        "weak_right": round(sum(one.weak for one in questions) / len(questions), 4),
        "strong_right": round(sum(one.strong for one in questions) / len(questions), 4),
    }
    values = [apgr(scores, gains) for scores in ours]
    table["score"] = {"apgr_of_seeds": [round(min(values), 4), round(max(values), 4)], **_row(routers["score"], gains)}
    table["score"]["apgr"] = round(sum(values) / len(values), 4)  # type: ignore[index]
    if len({one.domain for one in questions}) > 1:
        routers["score_other_domains"] = _held_out(benchmark, questions, by_domain(questions))
        curves["score_other_domains"] = curve(routers["score_other_domains"], gains)
        table["score_other_domains"] = _row(routers["score_other_domains"], gains)
        rest = [at for at, one in enumerate(questions) if one.domain != "moral_scenarios"]
        for name in ("score", "score_other_domains"):
            few = [routers[name][at] for at in rest]
            table[f"{name}_without_moral_scenarios"] = _row(few, [gains[at] for at in rest])
    for name in ("length", "random", "oracle"):
        table[name] = _row(routers[name], gains)
    names = _names(benchmark)
    rows = [one.measured.values for one in questions]
    return fit(sums(rows, gains), PENALTY[benchmark], _signs(names)), table, curves


def _row(scores: Sequence[float], gains: Sequence[float]) -> Table:
    points, bounds = curve(scores, gains), interval(scores, gains)
    return {
        "apgr": round(apgr(scores, gains), 4),
        "apgr_90": [round(bounds.low, 4), round(bounds.high, 4)],
        "cpt_50": round(cpt(points, 0.5), 4),
        "cpt_80": round(cpt(points, 0.8), 4),
    }


def _held_out(benchmark: str, questions: Sequence[Labelled], folds: Sequence[int]) -> list[float]:
    """The score of each question by weights that its fold had no part in."""
    signs = _signs(_names(benchmark))
    rows = [one.measured.values for one in questions]
    gains = [one.gain for one in questions]
    whole = sums(rows, gains)
    lines = {}
    for fold in sorted(set(folds)):
        members = [at for at, other in enumerate(folds) if other == fold]
        held = sums([rows[at] for at in members], [gains[at] for at in members])
        lines[fold] = fit(whole.without(held), PENALTY[benchmark], signs)
    return [lines[fold].beyond_mean(row) for row, fold in zip(rows, folds, strict=True)]


# What is written


def _named(line: Line, names: Sequence[str]) -> dict[str, float]:
    given = {"base": line.base, **dict(zip(names, line.weights, strict=True))}
    return {name: round(weight, 5) for name, weight in given.items() if round(weight, 5)}


def _quantiles(lines: Mapping[str, Line], questions: Sequence[Labelled]) -> tuple[float, ...]:
    """The sums of all questions, of both kinds as if there were as many, at every hundredth."""
    found = sorted((lines[one.benchmark].at(one.measured.values), one.benchmark) for one in questions)
    count = {name: sum(one.benchmark == name for one in questions) for name in ("mmlu", "gsm8k")}
    total, quantiles = 0.0, [found[0][0]]
    for value, benchmark in found:
        total += 0.5 / count[benchmark]
        while len(quantiles) < QUANTILES and total >= len(quantiles) / (QUANTILES - 1) - 1e-9:
            quantiles.append(value)
    return tuple(round(value, 5) for value in quantiles)


def _weights(choice: Mapping[str, float], open_: Mapping[str, float], quantiles: Sequence[float]) -> str:
    text = [
        '"""What each count adds to a score; made by bench/complexity/fit.py, not by hand.',
        "",
        "In shares of questions: 0.1 is one question in ten more that only the strong model answers. QUANTILES are the",
        "sums of the questions that the weights were fitted on, of both kinds as if there were as many.",
        '"""',
        "",
        "from collections.abc import Mapping",
        "from types import MappingProxyType",
        "from typing import Final",
    ]
    for constant, given in (("CHOICE", choice), ("OPEN", open_)):
        text += ["", f"{constant}: Final[Mapping[str, float]] = MappingProxyType(", "    {"]
        text += [f'        "{name}": {weight:.5f},' for name, weight in given.items()]
        text += ["    }", ")"]
    numbers = [f"{value:.5f}," for value in quantiles]
    text += ["", "QUANTILES: Final = ("]
    text += [f"    {' '.join(numbers[at : at + 10])}" for at in range(0, len(numbers), 10)]
    return "\n".join([*text, ")  # fmt: skip", ""])


COURTEOUS: Final = (
    *(
        " Thanks!",
        " Thank you very much in advance.",
        " Please answer in English.",
        " I would be grateful for your help.",
    ),
    *("\n\nBest regards,\nMartin", " Hope you are well.", " 谢谢！", " 麻烦你了，非常感谢。"),
)
OTHER: Final = (
    *(" This is for my homework.", " Let me know if anything is unclear.", " Take your time.", " :-)"),
    *(" By the way, the weather is lovely today.", " I am on my phone.", " 我明天要用。", " 我在手机上看。"),
)
"""Words that change nothing about a question: those that the score knows as such, and some that it does not."""


def _flips(questions: Sequence[Labelled], scorer: Scorer) -> Table:
    """How many questions change their band when such words follow."""
    found: Table = {}
    for benchmark in ("mmlu", "gsm8k"):
        of_it = [one for one in questions if one.benchmark == benchmark]
        chosen = Random(3).sample(of_it, min(len(of_it), 1000))
        for name, appended in (("courtesy", COURTEOUS), ("other", OTHER)):
            flips, moves = 0, []
            for one in chosen:
                before = scorer.score(Question(one.prompt))
                for words in appended:
                    after = scorer.score(Question(one.prompt + words))
                    flips += USUAL_BANDS.of(before) is not USUAL_BANDS.of(after)
                    moves.append(abs(after - before))
            found[f"{benchmark}_{name}"] = {
                "tried": len(moves),
                "flips": flips,
                "share": round(flips / len(moves), 4),
                "mean_move": round(sum(moves) / len(moves), 4),
            }
    return found


if __name__ == "__main__":
    sys.exit(main())
