"""Answers of real model servers, recorded with `curl -i`: vLLM 0.32 and llama.cpp's server (tests/wire/recorded)."""

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "recorded"


@dataclass(frozen=True, slots=True)
class Recording:
    """One answer. Header names are lower case."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


def recording(name: str) -> Recording:
    """The answer called `name`."""
    content = (FOLDER / f"{name}.txt").read_bytes()
    if not content.startswith(b"HTTP/"):
        return Recording(200, (), content)
    head, _, body = content.partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    pairs = (line.partition(b":") for line in lines)
    return Recording(int(status.split()[1]), tuple((name.lower(), value.strip()) for name, _, value in pairs), body)
