"""What is asked in a request, for the score of `core/complexity.py`: the last thing that a person wrote in it.

An instruction of the system is the same for every request of an app and says nothing of this one; what was said before
only counts by its length.
"""

from collections.abc import Mapping
from typing import Any, Final

from gateway.core.complexity import Question

_NOT_SAID: Final = ("system", "developer")
_NOTHING: Final = Question("")


def question_of(document: Mapping[str, Any]) -> Question:
    """The question in a decoded request of any dialect; empty where nothing is asked in words."""
    messages = document.get("messages")
    if messages is None:
        return Question(_text(document.get("prompt")))
    return _last(messages) if isinstance(messages, list) else _NOTHING


def _last(messages: list[Any]) -> Question:
    asked, before = None, 0
    for message in reversed(messages):
        role = message.get("role") if type(message) is dict else "system"
        if role in _NOT_SAID:
            continue
        content = message.get("content")
        if asked is None and role == "user":
            asked = _text(content)
        elif type(content) is str:
            before += len(content)
        else:
            before += len(_text(content))
    return Question(asked, before) if asked is not None else _NOTHING


def _text(content: object) -> str:
    """The text of a content, whole or in parts; prompts of several texts are read as one."""
    if type(content) is str:
        return content
    if not isinstance(content, list):
        return ""
    if len(content) == 1:
        return _of_part(content[0])
    return "\n".join(filter(None, map(_of_part, content)))


def _of_part(part: object) -> str:
    if type(part) is str:
        return part
    text = part.get("text") if isinstance(part, dict) else None
    return text if type(text) is str else ""
