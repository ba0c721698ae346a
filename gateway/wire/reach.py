"""What would make a model server reach elsewhere: its own tools, remote content, another server's cache.

A model server's reach belongs to its zone (threats.md, I11), and the gateway cannot see what it fetches; so these
are refused for every pool, at home too. Payloads that travel inside the request (`data:` URLs, base64) are not
reach; whether they may be sent is for the labels to say.
"""

import re
from collections.abc import Iterator
from typing import Any, Final, NoReturn

from gateway.errors import Forbidden, InvalidRequest
from gateway.wire.requests import Request

# Run by the caller, so nothing is reached by the server. A tool without a type is taken for a function by servers.
_CALLERS_TOOLS: Final = frozenset({"function", "custom"})

# Fields of a request through which a server searches, fetches, or pulls another server's key-value cache.
_REACHING_FIELDS: Final = frozenset(
    {
        "web_search_options",
        "search_parameters",
        "enable_search",
        "mcp_servers",
        "data_sources",
        "plugins",
        "kv_transfer_params",
        "ec_transfer_params",
    }
)
_REACHING_KEYS: Final = frozenset({"url", "uri"})
_PROSE_KEYS: Final = frozenset({"type", "text", "refusal", "thinking"})
_SCHEME: Final = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]*:[/\\]")


def refuse(request: Request) -> None:
    """Raise Forbidden if a model server that gets this request would reach elsewhere."""
    document = request.document
    if not _REACHING_FIELDS.isdisjoint(document):
        for name, value in document.items():
            if value and name in _REACHING_FIELDS:
                _forbid(name, "server_side_tool", "makes the model server reach other systems")
    if "tools" in document and document["tools"] is not None:
        _refuse_tools(document["tools"])
    # Whatever the dialect: some servers take `messages` for embeddings too.
    if "messages" in document and type(document["messages"]) is list:
        _refuse_messages(document["messages"])


def _refuse_messages(messages: list[Any]) -> None:
    for index, message in enumerate(messages):
        content = message
        if type(message) is dict:
            if "content" not in message:
                continue
            content = message["content"]
        if type(content) is list:
            for position, part in enumerate(content):
                if type(part) is dict and not _is_prose(part):
                    _refuse_part(part, f"messages[{index}].content[{position}]")


def _refuse_tools(tools: object) -> None:
    if not isinstance(tools, list):
        raise InvalidRequest("Invalid type for 'tools': expected an array.", param="tools", code="invalid_type")
    for index, tool in enumerate(tools):
        if not isinstance(tool, dict):
            raise InvalidRequest(
                f"Invalid type for 'tools[{index}]': expected an object.", param=f"tools[{index}]", code="invalid_type"
            )
        if tool.get("type", "function") not in _CALLERS_TOOLS:
            _forbid(
                f"tools[{index}].type", "server_side_tool", "names a tool that the model server would run by itself"
            )


def _is_prose(part: dict[str, Any]) -> bool:
    return len(part) == 2 and part.get("type") == "text" and type(part.get("text")) is str


def _refuse_part(part: dict[str, Any], path: str) -> None:
    for key, value in part.items():
        if key in _PROSE_KEYS and type(value) is str:
            continue
        for name, text in _strings(key, value):
            if _is_reaching(name, text):
                _forbid(f"{path}", "remote_content", "names content that the model server would have to fetch")


def _is_reaching(name: str, text: str) -> bool:
    if text[:5].lower() == "data:":
        return False
    return name in _REACHING_KEYS or name.endswith(("_url", "_uri")) or _SCHEME.match(text) is not None


def _strings(key: str, value: Any) -> Iterator[tuple[str, str]]:
    pending = [(key, value)]
    while pending:
        name, item = pending.pop()
        if type(item) is str:
            yield name, item
        elif type(item) is dict:
            pending += item.items()
        elif type(item) is list:
            pending += [(name, inner) for inner in item]


def _forbid(path: str, code: str, reason: str) -> NoReturn:
    raise Forbidden(f"'{path}' {reason}, which this gateway does not allow.", param=path, code=code)
