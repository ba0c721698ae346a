"""What may be logged, and how: one JSON object a line on stderr, an event name and fields from a closed list.

Nothing that a client or a model wrote can get in (threats.md I6): fields are the keys of `Fields`, an exception is its
type, errno and places in code, and of what uvicorn and asyncio log only the fixed words are kept. A field that is not
on the list fails `make check` (mypy knows the list); should one get past that, it is dropped and named in `dropped`,
because a log line must never be what breaks a request.
"""

import json
import logging
import re
import sys
import threading
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, TextIO, TypedDict, Unpack

LONGEST_VALUE: Final = 200

Value = str | int | float | bool | None


class Fields(TypedDict, total=False):
    """Every field that a log line may have. A new one is a decision: it must never hold what a client sent."""

    request_id: str
    tenant: str
    tenant_class: str
    label: str
    route: str
    pool: str
    zone: str
    endpoint: str
    issuer: str
    backend: str
    method: str
    status: int
    code: str
    ending: str
    attempts: int
    streamed: bool
    ms: float
    queued_ms: float
    bytes_in: int
    bytes_out: int
    prompt_tokens: int
    completion_tokens: int
    bundle: str
    epoch: int
    tier: str
    reason: str  # one of our own fixed words, or a type and errno; never an exception's text
    error: str  # an exception's type
    errno: int | None
    worker: int
    pid: int
    exit_code: int
    restarts: int
    after_s: float
    segment: str
    seq: int
    count: int
    file: str
    line: int
    listen: str
    version: str
    signal: str


_ALLOWED: Final = frozenset(Fields.__annotations__)
_EVENT: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
# Their fixed words are worth having: "Started server process", "Task exception was never retrieved". Everything that is
# put into them is not: asyncio's callback lines quote arguments, which are a client's bytes.
_FIXED_WORDS: Final = re.compile(r"[A-Za-z][A-Za-z ,.-]{0,79}")
_KNOWN_LOGGERS: Final = ("uvicorn", "asyncio")


class EventLog:
    """Logs events under one logger name: `log = EventLog(__name__)`, then `log.info("request_routed", pool=…)`."""

    __slots__ = ("_logger",)

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def info(self, event: str, **fields: Unpack[Fields]) -> None:
        """Something happened as it should."""
        self._logger.info(event, extra={"fields": fields})

    def warning(self, event: str, **fields: Unpack[Fields]) -> None:
        """Something is wrong and the gateway carries on without loss."""
        self._logger.warning(event, extra={"fields": fields})

    def error(self, event: str, **fields: Unpack[Fields]) -> None:
        """Something is wrong and a person should look."""
        self._logger.error(event, extra={"fields": fields})

    def crash(self, event: str, crash: BaseException, **fields: Unpack[Fields]) -> None:
        """A fault of ours: the exception's type, errno and the places in code it came through, never its text."""
        self._logger.error(event, exc_info=crash, extra={"fields": fields})


def log_event(event: str, **fields: Unpack[Fields]) -> None:
    """Log an event under the name `gateway`."""
    EventLog("gateway").info(event, **fields)


def log_to(stream: TextIO, level: int = logging.INFO) -> None:
    """Send every logger of this process to `stream` as JSON lines, and crashes and warnings with them.

    Called once by a command that serves. uvicorn must be started with `log_config=None`, or it undoes this.
    """
    handler = _Quiet(stream)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.asgi", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    # An access line holds the query string; our own line per request says more.
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False
    logging.captureWarnings(True)
    sys.excepthook = _crashed
    threading.excepthook = _thread_crashed
    sys.unraisablehook = _could_not_raise


class JsonLines(logging.Formatter):
    """One JSON object per record; see the module's docstring for what is kept of it."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Value | list[str]] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
        }
        fields = getattr(record, "fields", None)
        if isinstance(fields, dict) and isinstance(record.msg, str) and _EVENT.fullmatch(record.msg):
            line["event"] = record.msg
            line |= {name: _value(fields[name]) for name in fields if name in _ALLOWED}
            if unknown := sorted(str(name) for name in fields if name not in _ALLOWED):
                line["dropped"] = unknown
        else:
            line["event"] = "foreign"
            line["words"] = _fixed_words(record)
            line["where"] = [f"{record.module}:{record.lineno}"]
        line["logger"] = record.name
        crash = record.exc_info[1] if record.exc_info else None
        if crash is not None:
            line |= {"error": type(crash).__name__, "errno": _errno(crash), "where": list(_places(crash))}
        return json.dumps(line, ensure_ascii=False, default=lambda _: "?")


class _Quiet(logging.StreamHandler[TextIO]):
    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the standard library's name
        """Do nothing: the base class prints the message and its arguments to stderr."""


def _fixed_words(record: logging.LogRecord) -> str:
    # The template, not the message: what `%s` stands for may be anything.
    if not record.name.startswith(_KNOWN_LOGGERS) or not isinstance(record.msg, str):
        return ""
    words = _FIXED_WORDS.match(record.msg)
    return words[0].strip() if words else ""


def _value(value: object) -> Value:
    if isinstance(value, str):
        return value if len(value) <= LONGEST_VALUE else value[:LONGEST_VALUE] + "…"
    return value if isinstance(value, int | float | None) else "?"


def _errno(crash: BaseException) -> int | None:
    return crash.errno if isinstance(crash, OSError) else None


def _places(crash: BaseException) -> Iterator[str]:
    for frame in traceback.extract_tb(crash.__traceback__)[-8:]:
        yield f"{frame.filename.rpartition('site-packages/')[2]}:{frame.lineno} {frame.name}"


def _crashed(kind: type[BaseException], crash: BaseException, _: TracebackType | None) -> None:
    if not issubclass(kind, KeyboardInterrupt):
        EventLog("gateway").crash("crashed", crash)


def _thread_crashed(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None:
        EventLog("gateway").crash("thread_crashed", args.exc_value)


def _could_not_raise(args: "sys.UnraisableHookArgs") -> None:
    if args.exc_value is not None:
        EventLog("gateway").crash("unraisable", args.exc_value)
