"""Every place of an OpenAI-compatible request where text can hide (threats.md), as a function that puts it there.

Each takes a text and answers the dialect and the request. What else stands in the request is harmless. A carrier that
only some texts fit (a number, a token that may hold no space) answers None for the others.
"""

import json
from collections.abc import Callable, Mapping
from types import MappingProxyType

Request = dict[str, object]
Carrier = Callable[[str], tuple[str, Request] | None]

_ASK = {"role": "user", "content": "Please go on. 请继续。"}


def _chat(*messages: object, **fields: object) -> tuple[str, Request]:
    return "chat", {"model": "chat-auto", "messages": list(messages), **fields}


def _user(content: object) -> tuple[str, Request]:
    return _chat({"role": "user", "content": content})


def _function(**fields: object) -> dict[str, object]:
    return {"type": "function", "function": {"name": "lookup", **fields}}


def _calls(arguments: str) -> tuple[str, Request]:
    call = {"id": "call_1", "type": "function", "function": {"name": "lookup", "arguments": arguments}}
    return _chat({"role": "assistant", "content": None, "tool_calls": [call]}, _ASK)


def _schema(schema: object) -> tuple[str, Request]:
    given = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    return _chat(_ASK, response_format=given)


def _number(text: str) -> int | None:
    # Python's own reader of JSON keeps such digits; most others do not.
    return int(text) if text.isascii() and text.isdecimal() and text[0] != "0" and len(text) >= 6 else None


def _as_number(place: Callable[[int], tuple[str, Request]]) -> Carrier:
    def put(text: str) -> tuple[str, Request] | None:
        number = _number(text)
        return None if number is None else place(number)

    return put


def _halves(text: str) -> tuple[str, str]:
    middle = len(text) // 2
    return text[:middle], text[middle:]


def _split_messages(text: str) -> tuple[str, Request]:
    first, second = _halves(text)
    return _chat({"role": "user", "content": first}, {"role": "user", "content": second})


def _split_parts(text: str) -> tuple[str, Request]:
    return _user([{"type": "text", "text": piece} for piece in _halves(text)])


def _split_arguments(text: str) -> tuple[str, Request]:
    first, second = _halves(text)
    return _calls(json.dumps({"a": first, "b": second}, ensure_ascii=False))


def _split_items(text: str) -> tuple[str, Request]:
    return _chat(_ASK, documents=list(_halves(text)))


def _table(text: str) -> str:
    cells = [cell.replace("|", "/").replace("\n", " ") for cell in (text, "ok")]
    return "| note | state |\n|---|---|\n| " + " | ".join(cells) + " |"


def _csv(text: str) -> str:
    quoted = text.replace('"', '""')
    return f'id,note,state\n1,"{quoted}",ok\n2,"-",ok'


CARRIERS: Mapping[str, Carrier] = MappingProxyType(
    {
        "messages.content": _user,
        "messages.content parts": lambda text: _user([{"type": "text", "text": text}]),
        "system message": lambda text: _chat({"role": "system", "content": text}, _ASK),
        "developer message": lambda text: _chat({"role": "developer", "content": text}, _ASK),
        "an earlier turn": lambda text: _chat(
            {"role": "user", "content": text}, *[{"role": "assistant", "content": "OK. 好的。"}, _ASK] * 4
        ),
        "assistant message": lambda text: _chat(_ASK, {"role": "assistant", "content": text}, _ASK),
        "messages.name": lambda text: _chat({**_ASK, "name": text}),
        "reasoning_content": lambda text: _chat(
            {"role": "assistant", "content": "OK", "reasoning_content": text}, _ASK
        ),
        "tool result": lambda text: _chat(_ASK, {"role": "tool", "tool_call_id": "call_1", "content": text}),
        "tool_call_id": lambda text: _chat(_ASK, {"role": "tool", "tool_call_id": text, "content": "ok"}),
        "tool_calls arguments": lambda text: _calls(json.dumps({"query": {"note": text}})),
        "tool_calls arguments, not JSON": lambda text: _calls("note=" + text),
        "tool_calls arguments, a key": lambda text: _calls(json.dumps({text: True}, ensure_ascii=False)),
        "tool_calls arguments, a number": _as_number(lambda number: _calls(json.dumps({"id": number}))),
        "function_call arguments": lambda text: _chat(
            {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": json.dumps([text])}},
            _ASK,
        ),
        "tools description": lambda text: _chat(_ASK, tools=[_function(description=text)]),
        "tools parameters enum": lambda text: _chat(
            _ASK, tools=[_function(parameters={"type": "object", "properties": {"x": {"enum": [text]}}})]
        ),
        "tools parameters default": lambda text: _chat(
            _ASK, tools=[_function(parameters={"type": "object", "properties": {"x": {"default": text}}})]
        ),
        "tools parameters const": lambda text: _chat(_ASK, tools=[_function(parameters={"const": text})]),
        "tools parameters examples": lambda text: _chat(_ASK, tools=[_function(parameters={"examples": [text]})]),
        "tools parameters, a property": lambda text: _chat(
            _ASK, tools=[_function(parameters={"type": "object", "properties": {text: {"type": "string"}}})]
        ),
        "functions": lambda text: _chat(_ASK, functions=[{"name": "f", "description": text, "parameters": {}}]),
        "response_format schema": lambda text: _schema({"type": "object", "description": text}),
        "response_format enum": lambda text: _schema({"enum": ["-", text]}),
        "metadata": lambda text: _chat(_ASK, metadata={"note": text}),
        "metadata, a key": lambda text: _chat(_ASK, metadata={text: "1"}),
        "user": lambda text: _chat(_ASK, user=text),
        "safety_identifier": lambda text: _chat(_ASK, safety_identifier=text),
        "prompt_cache_key": lambda text: _chat(_ASK, prompt_cache_key=text),
        "stop": lambda text: _chat(_ASK, stop=["\n\n", text]),
        "prediction": lambda text: _chat(_ASK, prediction={"type": "content", "content": text}),
        "logit_bias, a key": lambda text: _chat(_ASK, logit_bias={text: -100}),
        "seed": _as_number(lambda number: _chat(_ASK, seed=number)),
        "documents": lambda text: _chat(_ASK, documents=[{"title": "note", "text": text}]),
        "chat_template": lambda text: _chat(_ASK, chat_template="{{ messages }} " + text),
        "chat_template_kwargs": lambda text: _chat(_ASK, chat_template_kwargs={"context": {"note": [text]}}),
        "guided_choice": lambda text: _chat(_ASK, guided_choice=["yes", text]),
        "guided_json": lambda text: _chat(_ASK, guided_json={"type": "string", "const": text}),
        "guided_regex": lambda text: _chat(_ASK, guided_regex=text),
        "guided_grammar": lambda text: _chat(_ASK, guided_grammar=text),
        "web_search_options": lambda text: _chat(
            _ASK, web_search_options={"user_location": {"type": "approximate", "approximate": {"city": text}}}
        ),
        "extra_body": lambda text: _chat(_ASK, extra_body={"note": text}),
        "unknown field": lambda text: _chat(_ASK, x_note=text),
        "unknown field, its name": lambda text: _chat(_ASK, **{text: True}),
        "unknown part": lambda text: _user([{"type": "note", "note": text}]),
        "previous_response_id": lambda text: _chat(_ASK, previous_response_id=text),
        "instructions (Responses)": lambda text: _chat(_ASK, instructions=text),
        "input items (Responses)": lambda text: _chat(_ASK, input=[{"role": "user", "content": text}]),
        "system blocks (Anthropic)": lambda text: _chat(_ASK, system=[{"type": "text", "text": text}]),
        "image_url, its query": lambda text: _user(
            [{"type": "image_url", "image_url": {"url": "https://img.example/a.png?note=" + text}}]
        ),
        "data URL": lambda text: _user([{"type": "image_url", "image_url": {"url": "data:text/plain," + text}}]),
        "file name": lambda text: _user([{"type": "file", "file": {"filename": text, "file_data": "data:,"}}]),
        "split over messages": _split_messages,
        "split over parts": _split_parts,
        "split over array items": _split_items,
        "split over tool arguments": _split_arguments,
        "JSON in a string": lambda text: _user(json.dumps({"record": {"note": text}})),
        "JSON in JSON in a string": lambda text: _user(json.dumps({"record": json.dumps({"note": text})})),
        "CSV in a string": lambda text: _user(_csv(text)),
        "Markdown table": lambda text: _user(_table(text)),
        "SQL": lambda text: _user("INSERT INTO notes (id, body) VALUES (1, '" + text.replace("'", "''") + "');"),  # noqa: S608
        "XML": lambda text: _user(f"<record><note>{text}</note></record>"),
        "YAML": lambda text: _user(f"record:\n  id: 7\n  note: {text}\n"),
        "code comment": lambda text: _user(f"def f(x):\n    # {text}\n    return x"),
        "completions prompt": lambda text: ("completions", {"model": "chat-auto", "prompt": text}),
        "completions prompt array": lambda text: ("completions", {"model": "chat-auto", "prompt": ["hi", text]}),
        "completions suffix": lambda text: (
            "completions",
            {"model": "chat-auto", "prompt": "def f():", "suffix": text},
        ),
        "embeddings input": lambda text: ("embeddings", {"model": "embed", "input": text}),
        "embeddings input array": lambda text: ("embeddings", {"model": "embed", "input": ["hi", text]}),
    }
)
"""From the name of a place to what puts a text there."""

USUAL = "messages.content"

UNREADABLE: frozenset[str] = frozenset(
    {
        "extra_body", "unknown field", "unknown field, its name", "unknown part", "previous_response_id",
        "instructions (Responses)", "input items (Responses)", "system blocks (Anthropic)", "image_url, its query",
        "data URL", "file name",
    }
)  # fmt: skip
"""Places that no chat schema knows, or beside something that cannot be read: what stands there counts as the highest
label whatever it is, so that nothing can be measured there."""

EVERYDAY: tuple[str, ...] = tuple(sorted(CARRIERS.keys() - UNREADABLE))
"""The others, which are read."""
