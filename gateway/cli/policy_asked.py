"""From a text or a request to what the gateway would know of it, by what reads and scans on the live path.

Only who asks and how the gateway is doing are not in a request; those are facts that somebody gives.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from gateway.cli.problem_report import Misuse
from gateway.cli.progress import still_at
from gateway.core.findings import Evidence, Unscanned
from gateway.detect.ner import ModelScanner
from gateway.detect.ner_models import INSTALL, InstalledModels, ReadHere, are_installed, models_digest
from gateway.detect.scanner import RequestScanner, build_scanner
from gateway.errors import TidegateError
from gateway.ports import FullScanner, Recognizer, Scanner
from gateway.wire.control_tokens import strip_control_tokens
from gateway.wire.requests import Dialect, Request, parse

_STRIPPED = (Unscanned("control_tokens", ""),)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it is scanned and sent; `flags` is what was noticed before the scan."""

    request: Request
    flags: tuple[Unscanned, ...]


def asked(body: bytes, place: str) -> Asked:
    """What a chat request asks; `place` is what is blamed if it is none."""
    try:
        request = parse(Dialect.CHAT, body)
        stripped = strip_control_tokens(request, body)
    except TidegateError as error:
        raise Misuse(place, f"The gateway would refuse this request: {error.message}") from None
    return Asked(stripped, () if stripped is request else _STRIPPED)


def chat(text: str, model: str) -> bytes:
    """A chat request with one message."""
    try:
        return json.dumps(
            {"model": model, "messages": [{"role": "user", "content": text}]}, ensure_ascii=False
        ).encode()
    except UnicodeEncodeError:
        raise Misuse("--text", "The text is not valid UTF-8.", "Put it into a file, and give a request.") from None


def scanner_for(markers: Sequence[str], recognizers: Sequence[Recognizer]) -> RequestScanner:
    """The gateway's scanner, with a sign of life while it is built."""
    with still_at("Building the scanner"):
        return build_scanner(markers, recognizers)


def models() -> ModelScanner:
    """The models, in this process, with a sign of life while they are loaded."""
    with still_at("Loading the models"):
        return ModelScanner(ReadHere(InstalledModels()), models_digest())


def models_asked(place: str) -> ModelScanner:
    """`models`, because `place` asks for them; raises Misuse where they are not installed."""
    if not are_installed():
        raise Misuse(place, "The models of the tier `ner` are not installed.", INSTALL)
    return models()


def scanned(what: Asked, scanner: Scanner, full: FullScanner | None = None) -> Evidence:
    """The evidence of a request, with what models find if there are some."""
    dialect, document = what.request.dialect, what.request.document
    evidence = scanner.scan(dialect, document)
    if full is not None:
        evidence = asyncio.run(full.complete(dialect, document, evidence))
    coverage = evidence.coverage
    return replace(evidence, coverage=replace(coverage, unscanned=(*what.flags, *coverage.unscanned)))
