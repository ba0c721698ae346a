"""The beginning of a request, as far as it decides which endpoint has probably read it before.

Model servers keep what they have computed for a prompt and take it up where the next one begins alike. What the turns
of one conversation have in common is everything up to the first question; a system prompt alone is shared by far too
many to tell them apart.
"""

from typing import Any, Final

from gateway.wire.requests import Dialect, Request

MOST: Final = 4096
"""Characters looked at. Requests that agree so far and then do not are few, and share most of the work."""

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
        content = message.get("content")
        if type(content) is str:
            found.append(content[:MOST])
        elif type(content) is list:
            parts = [part for part in content[:_ENOUGH_PARTS] if type(part) is dict]
            found += [text[:MOST] for part in parts if type(text := part.get("text")) is str]
        if message["role"] not in ("system", "developer"):
            break
    return "\n".join(found)[:MOST]
