"""What leaves for a cloud pool: an allow-list of fields, per dialect and at every depth.

A field that is not named here does not leave, whoever added it: `user`, `safety_identifier`, `metadata`,
`prompt_cache_key`, `seed` and every unknown name are simply not built. A named field must have the form that the
dialect gives it; what has no place in a form (an unknown kind of part or role, a constraint that the server does not
know) is an error, because leaving it out would change what the model is asked. Only JSON schemas are copied as they
are: their keys are the caller's own.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NoReturn

from gateway.errors import InvalidRequest
from gateway.wire.requests import Dialect, Request

Shape = Callable[[Any, str], Any]
"""Builds the part of the projection at a path from a value, or raises InvalidRequest."""

_Fields = Mapping[str, Shape]


def project(request: Request, backend: str) -> dict[str, Any]:
    """The projection of `request`, without `model` and what else the encoder sets. Null fields are left out."""
    fields = _DIALECTS[request.dialect]
    if backend != "openai" and request.dialect is not Dialect.EMBEDDINGS:
        fields = _WITH_SAMPLING[request.dialect]
    document = request.document
    for name in _CONSTRAINTS:
        if document.get(name) and name not in fields:
            _refuse(name, "nothing, because the cloud pool does not know this constraint; use 'response_format'")
    return {name: shape(document[name], name) for name, shape in fields.items() if document.get(name) is not None}


# Shapes of leaves


def _refuse(path: str, expected: str) -> NoReturn:
    raise InvalidRequest(f"Invalid value for '{path}': expected {expected}.", param=path, code="invalid_value")


def _text(value: Any, path: str) -> Any:
    return value if type(value) is str else _refuse(path, "a string")


def _number(value: Any, path: str) -> Any:
    return value if type(value) in (int, float) else _refuse(path, "a number")


def _flag(value: Any, path: str) -> Any:
    return value if type(value) is bool else _refuse(path, "a boolean")


def _flag_or_number(value: Any, path: str) -> Any:
    # `logprobs` is a boolean in one dialect and a count in the other.
    return value if type(value) in (bool, int) else _refuse(path, "a boolean or an integer")


def _schema(value: Any, path: str) -> Any:
    return value if type(value) is dict else _refuse(path, "an object")


def _one_of(*names: str) -> Shape:
    def shape(value: Any, path: str) -> Any:
        # A list is not hashable, and no name is one.
        return value if type(value) is str and value in names else _refuse(path, f"one of {', '.join(names)}")

    return shape


def _text_or_texts(value: Any, path: str) -> Any:
    return value if type(value) is str else _list_of(_text)(value, path)


def _logit_bias(value: Any, path: str) -> Any:
    if type(value) is not dict or not all(key.isascii() and key.isdigit() for key in value):
        _refuse(path, "an object from token ids to numbers")
    return {key: _number(bias, path) for key, bias in value.items()}


# Shapes made of shapes


def _list_of(inner: Shape) -> Shape:
    def shape(value: Any, path: str) -> Any:
        if type(value) is not list:
            _refuse(path, "an array")
        return [inner(item, f"{path}[{index}]") for index, item in enumerate(value)]

    return shape


def _object(fields: _Fields, *required: str) -> Shape:
    def shape(value: Any, path: str) -> Any:
        if type(value) is not dict:
            _refuse(path, "an object")
        for name in required:
            if value.get(name) is None:
                _refuse(f"{path}.{name}", "a value")
        return {
            name: inner(value[name], f"{path}.{name}") for name, inner in fields.items() if value.get(name) is not None
        }

    return shape


def _by_type(key: str, shapes: Mapping[str, Shape]) -> Shape:
    """An object whose `key` says which of `shapes` it has."""

    def shape(value: Any, path: str) -> Any:
        kind = value.get(key) if type(value) is dict else None
        if type(kind) is not str or kind not in shapes:
            _refuse(f"{path}.{key}", f"one of {', '.join(shapes)}")
        return shapes[kind](value, path)

    return shape


def _text_or(inner: Shape) -> Shape:
    def shape(value: Any, path: str) -> Any:
        return value if type(value) is str else inner(value, path)

    return shape


def _tagged(kind: str, fields: _Fields) -> Shape:
    return _object({"type": _text, kind: _object(fields)}, kind)


# Messages

_PART: Final = _by_type(
    "type",
    {
        "text": _object({"type": _text, "text": _text}, "text"),
        "refusal": _object({"type": _text, "refusal": _text}, "refusal"),
        "image_url": _tagged("image_url", {"url": _text, "detail": _text}),
        "input_audio": _tagged("input_audio", {"data": _text, "format": _text}),
    },
)
_CONTENT: Final = _text_or(_list_of(_PART))
_CALLED_FUNCTION: Final[_Fields] = {"name": _text, "arguments": _text}
_TOOL_CALL: Final = _by_type(
    "type",
    {
        "function": _object({"id": _text, "type": _text, "function": _object(_CALLED_FUNCTION)}, "function"),
        "custom": _object({"id": _text, "type": _text, "custom": _object({"name": _text, "input": _text})}, "custom"),
    },
)
_SPOKEN: Final = _object({"role": _text, "content": _CONTENT, "name": _text})
_MESSAGE: Final = _by_type(
    "role",
    {
        "system": _SPOKEN,
        "developer": _SPOKEN,
        "user": _SPOKEN,
        "assistant": _object(
            {
                "role": _text,
                "content": _CONTENT,
                "name": _text,
                "refusal": _text,
                "tool_calls": _list_of(_TOOL_CALL),
                "function_call": _object(_CALLED_FUNCTION),
            }
        ),
        "tool": _object({"role": _text, "content": _CONTENT, "tool_call_id": _text}),
        "function": _SPOKEN,
    },
)

# Tools and formats

_FUNCTION: Final[_Fields] = {"name": _text, "description": _text, "parameters": _schema, "strict": _flag}
_NAMED: Final[_Fields] = {"name": _text}
_TOOL: Final = _by_type(
    "type",
    {
        "function": _tagged("function", _FUNCTION),
        "custom": _tagged("custom", {"name": _text, "description": _text, "format": _schema}),
    },
)
_TOOL_NAMES: Final = {"function": _tagged("function", _NAMED), "custom": _tagged("custom", _NAMED)}
_TOOL_CHOICE: Final = _text_or(
    _by_type(
        "type",
        {
            **_TOOL_NAMES,
            "allowed_tools": _tagged(
                "allowed_tools", {"mode": _text, "tools": _list_of(_by_type("type", _TOOL_NAMES))}
            ),
        },
    )
)
_RESPONSE_FORMAT: Final = _by_type(
    "type",
    {
        "text": _object({"type": _text}),
        "json_object": _object({"type": _text}),
        "json_schema": _tagged(
            "json_schema", {"name": _text, "description": _text, "schema": _schema, "strict": _flag}
        ),
    },
)

# Dialects

_SAMPLING: Final[_Fields] = {
    "max_tokens": _number,
    "temperature": _number,
    "top_p": _number,
    "n": _number,
    "stop": _text_or_texts,
    "presence_penalty": _number,
    "frequency_penalty": _number,
    "logit_bias": _logit_bias,
    "logprobs": _flag_or_number,
}
# Not OpenAI's, but what vLLM and other servers of its dialect know.
_CONSTRAINTS: Final[_Fields] = {
    "guided_json": _schema,
    "guided_regex": _text,
    "guided_choice": _list_of(_text),
    "guided_grammar": _text,
    "structured_outputs": _object(
        {"json": _schema, "regex": _text, "choice": _list_of(_text), "grammar": _text, "json_object": _flag}
    ),
}
_MORE_SAMPLING: Final[_Fields] = {
    "top_k": _number,
    "min_p": _number,
    "repetition_penalty": _number,
    "length_penalty": _number,
    "min_tokens": _number,
    "ignore_eos": _flag,
    "stop_token_ids": _list_of(_number),
    "include_stop_str_in_output": _flag,
    "skip_special_tokens": _flag,
    **_CONSTRAINTS,
}
_CHAT: Final[_Fields] = {
    "messages": _list_of(_MESSAGE),
    **_SAMPLING,
    "max_completion_tokens": _number,
    "top_logprobs": _number,
    "tools": _list_of(_TOOL),
    "tool_choice": _TOOL_CHOICE,
    "parallel_tool_calls": _flag,
    "functions": _list_of(_object({"name": _text, "description": _text, "parameters": _schema}, "name")),
    "function_call": _text_or(_object(_NAMED, "name")),
    "response_format": _RESPONSE_FORMAT,
    "reasoning_effort": _one_of("none", "minimal", "low", "medium", "high", "xhigh", "max"),
    "verbosity": _one_of("low", "medium", "high"),
}
_COMPLETIONS: Final[_Fields] = {
    "prompt": _text_or_texts,
    "suffix": _text,
    **_SAMPLING,
    "echo": _flag,
    "best_of": _number,
}
_DIALECTS: Final[Mapping[Dialect, _Fields]] = MappingProxyType(
    {
        Dialect.CHAT: _CHAT,
        Dialect.COMPLETIONS: _COMPLETIONS,
        Dialect.EMBEDDINGS: {
            "input": _text_or_texts,
            "encoding_format": _one_of("float", "base64"),
            "dimensions": _number,
        },
    }
)
_WITH_SAMPLING: Final[Mapping[Dialect, _Fields]] = MappingProxyType(
    {Dialect.CHAT: {**_CHAT, **_MORE_SAMPLING}, Dialect.COMPLETIONS: {**_COMPLETIONS, **_MORE_SAMPLING}}
)
