"""Writes labelled requests as JSON lines: see bench/eval/README.md.

python bench/eval/generate.py --seed 1 --count 1000 --split held-out > requests.jsonl
"""

import argparse
import json
import sys

from corpus.build import examples
from corpus.templates import LANGUAGES, BadTemplate, Split


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Chinese and English requests with every sensitive value labelled.")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same lines (default 1)")
    parser.add_argument("--count", type=int, default=1000, help="how many lines (default 1000)")
    parser.add_argument("--split", choices=[*Split, "both"], default="both", help="which half of the templates")
    parser.add_argument("--language", choices=[*LANGUAGES, "both"], default="both")
    given = parser.parse_args()
    split = None if given.split == "both" else Split(given.split)
    languages = LANGUAGES if given.language == "both" else (given.language,)
    try:
        for example in examples(given.seed, given.count, languages=languages, split=split):
            sys.stdout.write(json.dumps(example.as_json(), ensure_ascii=False) + "\n")
    except BadTemplate as problem:
        print(problem, file=sys.stderr)
        return 1
    except BrokenPipeError:
        sys.stderr.close()  # whoever reads has seen enough
    return 0


if __name__ == "__main__":
    sys.exit(main())
