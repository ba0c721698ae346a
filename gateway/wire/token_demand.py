"""How many tokens a request may take: what is set aside for it before a model server has counted.

Text is estimated by its bytes, each kind with a weight that was measured (docs/quotas.md), rather high: a tokenizer
takes longer for a kilobyte than all the rest of the gateway. Of what is no text nobody can say: pictures and recordings
have a usual size. What the server counts in the end is what is charged.
"""

from typing import Any, Final

import msgspec
from msgspec.structs import replace

from gateway.core.facts import TEXT_ONLY
from gateway.wire.requests import Dialect, Request

ANSWER_FIELDS: Final = ("max_completion_tokens", "max_tokens")

_LLAMA_CPP: Final = "n_predict"

IMAGE_TOKENS: Final = 1_500
"""What a picture of ordinary size takes; large ones take ten times as much."""

_AUDIO_BYTES_PER_TOKEN: Final = 400
"""Of base64: 16 bits at 16 kHz are 43 kB a second, of which models make 25 to 50 tokens; compressed it is less."""

_TEMPLATE_TOKENS: Final = 16

_LETTERS: Final = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ "
_DIGITS: Final = b"0123456789"
_BEYOND_ASCII: Final = bytes(range(128, 256))
_ENCODER: Final = msgspec.json.Encoder()


def answer_tokens(request: Request) -> int | None:
    """The longest answer that the client asks for; None if it does not say. Embeddings have no answer of tokens."""
    if request.dialect is Dialect.EMBEDDINGS:
        return 0
    stated = _stated(request)
    return max(stated.values()) if stated else None


def answers_written(request: Request) -> int:
    """How many answers a model server writes: more than it gives where `best_of` has it choose among them."""
    document = request.document
    if "best_of" not in document:
        return request.choices
    given: int = document.get("n") or 1
    return request.choices // given * max(given, document["best_of"] or 1)


def text_tokens(text: bytes) -> int:
    """About how many tokens a text is in UTF-8, by how many of its bytes are letters, digits, other ASCII and none.

    No usual vocabulary makes more of prose, code, JSON or numbers, in English or Chinese; of base64, hexadecimal or
    characters that hardly anybody writes some make up to twice as many.
    """
    size = len(text)
    ascii_only = text if text.isascii() else text.translate(None, _BEYOND_ASCII)
    letters = len(ascii_only) - len(ascii_only.translate(None, _LETTERS))
    digits = len(ascii_only) - len(ascii_only.translate(None, _DIGITS))
    others = len(ascii_only) - letters - digits
    return -(-(3 * letters + 10 * digits + 9 * others + 5 * (size - len(ascii_only))) // 10)


def prompt_tokens(request: Request, body: bytes) -> int:
    """About how many tokens the model reads. `body` is what the request came in."""
    if request.dialect is not Dialect.CHAT or request.modalities is TEXT_ONLY:
        # Some clients write every character beyond ASCII as six bytes of it.
        text = _ENCODER.encode(request.document) if b"\\u" in body else body
        messages = request.document["messages"] if request.dialect is Dialect.CHAT else ()
        return text_tokens(text) + _TEMPLATE_TOKENS * len(messages)
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
    return min(len(body), text_tokens("".join(texts).encode(errors="surrogatepass")) + others)


def capped(request: Request, most: int) -> Request:
    """The request with an answer of at most `most` tokens asked for, whether its client said so or not."""
    if request.dialect is Dialect.EMBEDDINGS:
        return request
    document, stated = request.document, _stated(request)
    if _LLAMA_CPP in document:
        # There it comes before `max_tokens`, and -1 is an answer without end.
        document = {name: value for name, value in document.items() if name != _LLAMA_CPP}
        request = replace(request, document=document)
    if not stated:
        return replace(request, document={**document, "max_tokens": most})
    if max(stated.values()) <= most:
        return request
    return replace(request, document={**document, **{name: min(value, most) for name, value in stated.items()}})


def _stated(request: Request) -> dict[str, int]:
    """What the client says of its answer's length. Only by names of its dialect: of another one's `parse` has not seen
    that they are no number below 0, and no server heeds them."""
    names = ANSWER_FIELDS if request.dialect is Dialect.CHAT else ANSWER_FIELDS[1:]
    return {name: value for name in names if type(value := request.document.get(name)) is int}


def _part(part: dict[str, Any], texts: list[str]) -> int:
    text = part.get("text")
    if isinstance(text, str):
        texts.append(text)
        return 0
    audio = part.get("input_audio")
    if isinstance(audio, dict) and isinstance(data := audio.get("data"), str):
        return len(data) // _AUDIO_BYTES_PER_TOKEN
    return IMAGE_TOKENS
