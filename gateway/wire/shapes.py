"""The known fields of each OpenAI dialect, at every depth, as data.

A walker needs to know three things of a place in a request: which keys belong there, whether the value there can carry
text at all, and what no recognizer can read. Nothing here walks anything. Sources: OpenAI's API reference and vLLM's
extra parameters; a field that is missing here is scanned all the same, and reported as an unknown field.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Text:
    """A string that may say anything. `spoken` marks what the model reads as the conversation itself."""

    spoken: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """One of a few fixed words, which say nothing about anybody. Any other string is text."""

    allowed: frozenset[str]


@dataclass(frozen=True, slots=True)
class Number:
    """A setting that is a small number. Outside the bounds, or with many decimals, it is scanned like text."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""


@dataclass(frozen=True, slots=True)
class Free:
    """Any JSON. No schema knows its keys, so keys are scanned like values, and none of them is an unknown field."""


@dataclass(frozen=True, slots=True)
class Opaque:
    """Something that no recognizer reads. `carrier` is the name a policy may speak of (`core/findings.Unscanned`)."""

    carrier: str


@dataclass(frozen=True, slots=True)
class Url:
    """Where media come from: inline as a `data:` URL, or a remote address. `carrier` names what is inline."""

    carrier: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt or embedding input: a string, strings, token ids, or lists of token ids."""


@dataclass(frozen=True, slots=True)
class Items:
    """An array whose every item has one shape."""

    of: "Shape"


@dataclass(frozen=True, slots=True)
class Fields:
    """An object whose keys are all known."""

    fields: Mapping[str, "Shape"]


@dataclass(frozen=True, slots=True)
class Tagged:
    """An object whose `type` says which shape it has. An unknown `type` is an unknown part."""

    by_type: Mapping[str, Fields]


@dataclass(frozen=True, slots=True)
class Either:
    """A value that is a scalar, an array or an object, each with a shape of its own."""

    scalar: "Shape"
    array: "Items | None" = None
    object: "Fields | Tagged | Free | None" = None


Shape = Text | Words | Number | Flag | Free | Opaque | Url | Prompt | Items | Fields | Tagged | Either


def _words(*allowed: str) -> Words:
    return Words(frozenset(allowed))


def _fields(**fields: Shape) -> Fields:
    return Fields(MappingProxyType(fields))


def _tagged(**by_type: Fields) -> Tagged:
    return Tagged(MappingProxyType(by_type))


_TEXT = Text()
_SPOKEN = Text(spoken=True)
_FLAG = Flag()
_FREE = Free()
_STRINGS = Either(_TEXT, Items(_TEXT))
_PENALTY = Number(-2, 2)
_UNIT = Number(0, 1)
_COUNT = Number(-1, 9_999_999)
_CACHE_BREAK = _fields(type=_words("ephemeral"), mode=_words("explicit"), ttl=_words("5m", "30m", "1h"))

_CONTENT_PARTS = _tagged(
    text=_fields(type=_words("text"), text=_SPOKEN, prompt_cache_breakpoint=_CACHE_BREAK, cache_control=_CACHE_BREAK),
    refusal=_fields(type=_words("refusal"), refusal=_SPOKEN),
    image_url=_fields(
        type=_words("image_url"),
        image_url=Either(
            Url("image"), object=_fields(url=Url("image"), detail=_words("auto", "low", "high", "original"))
        ),
        prompt_cache_breakpoint=_CACHE_BREAK,
        uuid=_TEXT,
    ),
    input_audio=_fields(
        type=_words("input_audio"),
        input_audio=_fields(data=Opaque("audio"), format=_words("wav", "mp3")),
        prompt_cache_breakpoint=_CACHE_BREAK,
        uuid=_TEXT,
    ),
    file=_fields(
        type=_words("file"),
        file=_fields(file_data=Opaque("file"), file_id=Opaque("file"), filename=_TEXT),
        prompt_cache_breakpoint=_CACHE_BREAK,
    ),
    # vLLM's own parts.
    audio_url=_fields(
        type=_words("audio_url"), audio_url=Either(Url("audio"), object=_fields(url=Url("audio"))), uuid=_TEXT
    ),
    video_url=_fields(
        type=_words("video_url"), video_url=Either(Url("image"), object=_fields(url=Url("image"))), uuid=_TEXT
    ),
)

_CONTENT = Either(_SPOKEN, Items(_CONTENT_PARTS))

_FUNCTION_CALL = _fields(name=_TEXT, arguments=_TEXT)

_TOOL_CALLS = Items(
    _tagged(
        function=_fields(type=_words("function"), id=_TEXT, index=_COUNT, function=_FUNCTION_CALL),
        custom=_fields(type=_words("custom"), id=_TEXT, index=_COUNT, custom=_fields(name=_TEXT, input=_TEXT)),
    )
)

ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})

MESSAGE = _fields(
    role=Words(ROLES),
    content=_CONTENT,
    name=_TEXT,
    refusal=_SPOKEN,
    tool_calls=_TOOL_CALLS,
    tool_call_id=_TEXT,
    function_call=_FUNCTION_CALL,
    audio=_fields(id=Opaque("audio")),
    reasoning=_SPOKEN,
    reasoning_content=_SPOKEN,
    annotations=_FREE,
    prefix=_FLAG,
)

_FUNCTION_DEFINITION = _fields(name=_TEXT, description=_TEXT, parameters=_FREE, strict=_FLAG)

_TOOLS = Items(
    _tagged(
        function=_fields(type=_words("function"), function=_FUNCTION_DEFINITION),
        custom=_fields(type=_words("custom"), custom=_fields(name=_TEXT, description=_TEXT, format=_FREE)),
    )
)

_TOOL_CHOICE = Either(
    _words("none", "auto", "required"),
    object=_tagged(
        function=_fields(type=_words("function"), function=_fields(name=_TEXT)),
        custom=_fields(type=_words("custom"), custom=_fields(name=_TEXT)),
        allowed_tools=_fields(
            type=_words("allowed_tools"),
            allowed_tools=_fields(mode=_words("auto", "required"), tools=_FREE),
        ),
    ),
)

_JSON_SCHEMA = _fields(name=_TEXT, description=_TEXT, schema=_FREE, strict=_FLAG)

_RESPONSE_FORMAT = _tagged(
    text=_fields(type=_words("text")),
    json_object=_fields(type=_words("json_object"), schema=_FREE),
    json_schema=_fields(type=_words("json_schema"), json_schema=_JSON_SCHEMA),
    structural_tag=_fields(type=_words("structural_tag"), structures=_FREE, triggers=_FREE, format=_FREE),
)

_STREAM_OPTIONS = _fields(include_usage=_FLAG, include_obfuscation=_FLAG, continuous_usage_stats=_FLAG)

_MODERATION_MODE = _fields(mode=_words("score", "block"))

_SAMPLING: Mapping[str, Shape] = MappingProxyType(
    {
        "model": _TEXT,
        "frequency_penalty": _PENALTY,
        "presence_penalty": _PENALTY,
        "logit_bias": _FREE,
        "max_tokens": _COUNT,
        "n": Number(0, 1024),
        "seed": _COUNT,
        "stop": _STRINGS,
        "stream": _FLAG,
        "stream_options": _STREAM_OPTIONS,
        "temperature": Number(0, 10),
        "top_p": _UNIT,
        "user": _TEXT,
        # vLLM's extra parameters, which llama.cpp and SGLang mostly share.
        "add_special_tokens": _FLAG,
        "allowed_token_ids": _FREE,
        "bad_words": Items(_TEXT),
        "best_of": Number(0, 1024),
        "cache_salt": _TEXT,
        "detokenize": _FLAG,
        "guided_choice": _FREE,
        "guided_decoding_backend": _TEXT,
        "guided_grammar": _TEXT,
        "guided_json": _FREE,
        "guided_regex": _TEXT,
        "guided_whitespace_pattern": _TEXT,
        "ignore_eos": _FLAG,
        "include_stop_str_in_output": _FLAG,
        "kv_transfer_params": _FREE,
        "length_penalty": _PENALTY,
        "logits_processors": _FREE,
        "min_p": _UNIT,
        "min_tokens": _COUNT,
        "priority": _COUNT,
        "prompt_logprobs": Number(-1, 1024),
        "repetition_penalty": Number(0, 10),
        "request_id": _TEXT,
        "response_format": _RESPONSE_FORMAT,
        "return_token_ids": _FLAG,
        "return_tokens_as_token_ids": _FLAG,
        "skip_special_tokens": _FLAG,
        "spaces_between_special_tokens": _FLAG,
        "stop_token_ids": _FREE,
        "structural_tag": _TEXT,
        "structured_outputs": _FREE,
        "top_k": _COUNT,
        "truncate_prompt_tokens": _COUNT,
        "truncation_side": _words("left", "right"),
        "use_beam_search": _FLAG,
        "vllm_xargs": _FREE,
    }
)

CHAT = Fields(
    MappingProxyType(
        {
            **_SAMPLING,
            "messages": Items(MESSAGE),
            "audio": _fields(
                format=_words("wav", "aac", "mp3", "flac", "opus", "pcm16"), voice=Either(_TEXT, object=_FREE)
            ),
            "function_call": Either(_words("none", "auto"), object=_fields(name=_TEXT)),
            "functions": Items(_FUNCTION_DEFINITION),
            "logprobs": _FLAG,
            "max_completion_tokens": _COUNT,
            "metadata": _FREE,
            "modalities": Items(_words("text", "audio")),
            "moderation": _fields(model=_TEXT, policy=_fields(input=_MODERATION_MODE, output=_MODERATION_MODE)),
            "parallel_tool_calls": _FLAG,
            "prediction": _fields(type=_words("content"), content=_CONTENT),
            "prompt_cache_key": _TEXT,
            "prompt_cache_options": _fields(mode=_words("implicit", "explicit"), ttl=_words("30m")),
            "prompt_cache_retention": _words("in_memory", "in-memory", "24h"),
            "reasoning_effort": _words("none", "minimal", "low", "medium", "high", "xhigh", "max"),
            "safety_identifier": _TEXT,
            "service_tier": _words("auto", "default", "flex", "scale", "priority", "fast"),
            "store": _FLAG,
            "tool_choice": _TOOL_CHOICE,
            "tools": _TOOLS,
            "top_logprobs": Number(0, 1024),
            "verbosity": _words("low", "medium", "high"),
            "web_search_options": _fields(
                search_context_size=_words("low", "medium", "high"),
                user_location=_fields(
                    type=_words("approximate"),
                    approximate=_fields(city=_TEXT, country=_TEXT, region=_TEXT, timezone=_TEXT),
                ),
            ),
            # vLLM
            "add_generation_prompt": _FLAG,
            "chat_template": _TEXT,
            "chat_template_kwargs": _FREE,
            "continue_final_message": _FLAG,
            "documents": _FREE,
            "echo": _FLAG,
            "include_reasoning": _FLAG,
            "mm_processor_kwargs": _FREE,
            "thinking_token_budget": _COUNT,
        }
    )
)

COMPLETIONS = Fields(
    MappingProxyType(
        {
            **_SAMPLING,
            "prompt": Prompt(),
            "prompt_embeds": Either(Opaque("token_ids"), Items(Opaque("token_ids"))),
            "suffix": _SPOKEN,
            "echo": _FLAG,
            "logprobs": Number(0, 1024),
        }
    )
)

EMBEDDINGS = Fields(
    MappingProxyType(
        {
            "model": _TEXT,
            "input": Prompt(),
            "user": _TEXT,
            "dimensions": _COUNT,
            "encoding_format": _words("float", "base64"),
            # vLLM
            "add_special_tokens": _FLAG,
            "additional_data": _FREE,
            "cache_salt": _TEXT,
            "embed_dtype": _words("float32", "float16", "bfloat16"),
            "endianness": _words("native", "big", "little"),
            "messages": Items(MESSAGE),
            "mm_processor_kwargs": _FREE,
            "normalize": _FLAG,
            "priority": _COUNT,
            "request_id": _TEXT,
            "truncate_prompt_tokens": _COUNT,
        }
    )
)

# What our own encoder writes for a pool with `payload: huggingface` (`wire/huggingface.py`); no client speaks it here.
HUGGINGFACE = _fields(
    inputs=_SPOKEN,
    parameters=_fields(
        details=_FLAG,
        do_sample=_FLAG,
        frequency_penalty=_PENALTY,
        max_new_tokens=_COUNT,
        repetition_penalty=Number(0, 10),
        return_full_text=_FLAG,
        stop=Items(_TEXT),
        temperature=Number(0, 10),
        top_k=_COUNT,
        top_p=_UNIT,
    ),
    stream=_FLAG,
)

DIALECTS: Mapping[str, Fields] = MappingProxyType(
    {"chat": CHAT, "completions": COMPLETIONS, "embeddings": EMBEDDINGS, "huggingface": HUGGINGFACE}
)

SCHEMA_WORDS = frozenset(
    {
        "$defs",
        "$id",
        "$ref",
        "$schema",
        "additionalProperties",
        "allOf",
        "anyOf",
        "array",
        "boolean",
        "const",
        "default",
        "definitions",
        "description",
        "enum",
        "examples",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "format",
        "integer",
        "items",
        "maxItems",
        "maxLength",
        "maximum",
        "minItems",
        "minLength",
        "minimum",
        "multipleOf",
        "not",
        "null",
        "nullable",
        "number",
        "object",
        "oneOf",
        "pattern",
        "patternProperties",
        "properties",
        "required",
        "strict",
        "string",
        "title",
        "type",
        "uniqueItems",
    }
)
"""Words of JSON Schema itself. As a key or a value they are grammar, so they are shown in paths and never scanned."""
