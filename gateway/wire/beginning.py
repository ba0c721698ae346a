"""The beginning of a request, as far as it decides which endpoint has probably read it before.

Model servers keep what they have computed for a prompt and take it up where the next one begins alike. What the turns
of one conversation have in common is everything up to the first question; a system prompt alone is shared by far too
many to tell them apart.
"""

from typing import Any, Final

from gateway.wire.requests import Dialect, Request

MOST: Final = 1024
"""Characters looked at of the question. Those that agree so far and then do not are few, and share most of the work."""

MOST_BEFORE: Final = 256
"""Characters looked at of each message before it, so that a long one cannot hide the question."""

_ENOUGH_MESSAGES: Final = 8
_ENOUGH_PARTS: Final = 8


def beginning_of(request: Request) -> str:
    """The text that requests must share to be worth sending to the same endpoint; empty if nothing is ever kept."""
    document = request.document
    match request.dialect:
        case Dialect.CHAT:
            return _of_messages(document["messages"])
        case Dialect.COMPLETIONS:
            prompt = document["prompt"]
            if type(prompt) is list:
                prompt = prompt[0]
            return prompt[:MOST] if type(prompt) is str else str(prompt[:MOST]) if type(prompt) is list else ""
        case _:
            return ""


def _of_messages(messages: list[dict[str, Any]]) -> str:
    found: list[str] = []
    for message in messages[:_ENOUGH_MESSAGES]:
        is_before = message["role"] in ("system", "developer")
        most = MOST_BEFORE if is_before else MOST
        content = message.get("content")
        if type(content) is str:
            found.append(content[:most])
        elif type(content) is list:
            parts = [part for part in content[:_ENOUGH_PARTS] if type(part) is dict]
            found.append("".join([text[:most] for part in parts if type(text := part.get("text")) is str])[:most])
        if not is_before:
            break
    return "\n".join(found)
