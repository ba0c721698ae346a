"""Makes the packages of bench/eval importable for tests: they are scripts beside the product, not part of it."""

import sys
from pathlib import Path

EVAL = Path(__file__).parents[2] / "bench" / "eval"

if str(EVAL) not in sys.path:
    sys.path.insert(0, str(EVAL))
