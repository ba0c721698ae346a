"""How many tokens a request may take: what is set aside for it before a model server has counted.

Text is estimated by bytes, rather high (`requests.py` says how, docs/quotas.md how it was measured). Of what is no text
nobody can say: pictures and recordings have a usual size here, and what the server counts in the end is what is
charged.
"""

from typing import Any, Final

from msgspec.structs import replace

from gateway.core.facts import TEXT_ONLY
from gateway.wire.requests import Dialect, Request, text_tokens

ANSWER_FIELDS: Final = ("max_completion_tokens", "max_tokens")

IMAGE_TOKENS: Final = 1_500
"""What a picture of ordinary size takes; large ones take ten times as much."""

_AUDIO_BYTES_PER_TOKEN: Final = 400
"""Of base64: 16 bits at 16 kHz are 43 kB a second, of which models make 25 to 50 tokens; compressed it is less."""

_TEMPLATE_TOKENS: Final = 16


def answer_tokens(request: Request) -> int | None:
    """The longest answer that the client asks for; None if it does not say. Embeddings have no answer of tokens."""
    if request.dialect is Dialect.EMBEDDINGS:
        return 0
    stated = [value for name in ANSWER_FIELDS if type(value := request.document.get(name)) is int]
    return max(stated) if stated else None


def prompt_tokens(request: Request, size: int) -> int:
    """About how many tokens the model reads. `size` is how many bytes the request came in."""
    if request.dialect is not Dialect.CHAT or request.modalities is TEXT_ONLY:
        return max(0, request.context_tokens - (answer_tokens(request) or 0))
    texts, others = [], 0
    for message in request.document["messages"]:
        content = message.get("content")
        if isinstance(content, str):
            texts.append(content)
        for part in content if isinstance(content, list) else ():
            if isinstance(part, dict):
                others += _part(part, texts)
        others += _TEMPLATE_TOKENS
    # Never more than what came in could be.
    return min(size, text_tokens("".join(texts).encode(errors="surrogatepass")) + others)


def capped(request: Request, most: int) -> Request:
    """The request with an answer of at most `most` tokens asked for, whether its client said so or not."""
    if request.dialect is Dialect.EMBEDDINGS:
        return request
    document = request.document
    stated = {name: value for name in ANSWER_FIELDS if type(value := document.get(name)) is int}
    if not stated:
        return replace(request, document={**document, "max_tokens": most})
    if max(stated.values()) <= most:
        return request
    return replace(request, document={**document, **{name: min(value, most) for name, value in stated.items()}})


def _part(part: dict[str, Any], texts: list[str]) -> int:
    text = part.get("text")
    if isinstance(text, str):
        texts.append(text)
        return 0
    audio = part.get("input_audio")
    if isinstance(audio, dict) and isinstance(data := audio.get("data"), str):
        return len(data) // _AUDIO_BYTES_PER_TOKEN
    return IMAGE_TOKENS
