"""A log line says what happened and quotes nobody."""

import asyncio
import io
import json
import logging
import subprocess
import sys

import pytest

from gateway.telemetry import EventLog, Fields, JsonLines, log_event

SECRET = "sk-tg-" + "s" * 43


@pytest.fixture
def lines():
    """Everything that is logged, as it would appear on stderr."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)

    def read():
        return [json.loads(line) for line in stream.getvalue().splitlines()]

    yield read
    root.removeHandler(handler)
    root.setLevel(level)


def test_an_event_is_one_json_line_with_its_fields(lines):
    EventLog("gateway.test").info("request_routed", request_id="req_1", pool="gpu-small", ms=1.5, status=200)
    (line,) = lines()
    assert line.pop("at").endswith("Z")
    assert line == {
        "level": "info",
        "event": "request_routed",
        "request_id": "req_1",
        "pool": "gpu-small",
        "ms": 1.5,
        "status": 200,
        "logger": "gateway.test",
    }


def test_levels_are_kept(lines):
    log = EventLog("gateway.test")
    log.info("one_thing")
    log.warning("another_thing")
    log.error("last_thing")
    log_event("by_itself")
    assert [line["level"] for line in lines()] == ["info", "warning", "error", "info"]


def test_a_field_that_is_not_on_the_list_is_dropped_and_named(lines):
    log_event("thing_happened", prompt=SECRET, pool="a")
    (line,) = lines()
    assert line["dropped"] == ["prompt"]
    assert line["pool"] == "a"
    assert SECRET not in json.dumps(line)


@pytest.mark.parametrize(
    "name", ["prompt", "body", "header", "headers", "key", "text", "message", "authorization", "path"]
)
def test_no_field_is_meant_for_what_a_client_wrote(name):
    assert name not in Fields.__annotations__


def test_values_are_short_and_plain(lines):
    log_event("thing_happened", reason="x" * 5000, pool=[SECRET], zone={"a": SECRET}, status=None)
    (line,) = lines()
    assert len(line["reason"]) == 201
    assert (line["pool"], line["zone"], line["status"]) == ("?", "?", None)


@pytest.mark.parametrize("event", [f"Routing {SECRET}", "two words", "", "Upper", "x" * 65])
def test_a_sentence_is_not_an_event(lines, event):
    log_event(event)
    (line,) = lines()
    assert line["event"] == "foreign"
    assert SECRET not in json.dumps(line)


def test_an_exception_is_its_type_errno_and_places_and_never_its_text(lines):
    try:
        raise FileNotFoundError(2, SECRET, SECRET)
    except OSError as exc:
        EventLog("gateway.test").crash("thing_failed", exc, pool="a")
    (line,) = lines()
    assert (line["error"], line["errno"], line["pool"]) == ("FileNotFoundError", 2, "a")
    assert line["where"][-1].endswith("test_an_exception_is_its_type_errno_and_places_and_never_its_text")
    assert SECRET not in json.dumps(line)


def test_of_other_libraries_only_fixed_words_of_known_ones_are_kept(lines):
    logging.getLogger("uvicorn.error").info("Started server process [%d] %s", 7, SECRET)
    logging.getLogger("uvicorn.error").error(f"Bad: {SECRET}")
    logging.getLogger("somebody").error("a message with %s", SECRET)
    logging.getLogger("gateway.careless").error(f"plain {SECRET}")
    logging.getLogger("asyncio").error(f"Exception in callback Proto.data_received(b'{SECRET}')")
    found = lines()
    assert [line["words"] for line in found] == [
        "Started server process",
        "Bad",
        "",
        "",
        "Exception in callback Proto.data",
    ]
    assert all(line["where"] for line in found)
    assert SECRET not in json.dumps(found)


def test_a_task_that_fails_unseen_is_logged_without_its_text(lines):
    async def fail():
        raise ValueError(SECRET)

    async def main():
        asyncio.get_running_loop().call_exception_handler(
            {"message": f"Task {SECRET}"[:4], "exception": ValueError(SECRET), "future": SECRET}
        )

    asyncio.run(main())
    (line,) = [line for line in lines() if line["logger"] == "asyncio" and line["level"] == "error"]
    assert line["error"] == "ValueError"
    assert SECRET not in json.dumps(line)


CRASHES = """
import sys, threading, warnings, logging
from gateway.telemetry import log_to
log_to(sys.stderr)
secret = sys.stdin.read()
def fail(): raise ValueError(secret)
thread = threading.Thread(target=fail); thread.start(); thread.join()
class Odd:
    def __del__(self): raise ValueError(secret)
Odd()
warnings.warn(secret)
logging.getLogger("uvicorn.access").info('"GET /?q=%s"', secret)
class Unprintable:
    def __str__(self): raise ValueError(secret)
logging.getLogger("gateway").info(Unprintable(), secret)
fail()
"""


def test_nothing_of_a_crash_a_warning_or_an_access_line_gets_out():
    done = subprocess.run([sys.executable, "-c", CRASHES], input=SECRET, capture_output=True, text=True)
    assert SECRET not in done.stderr + done.stdout
    found = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in found] == ["thread_crashed", "unraisable", "foreign", "foreign", "crashed"]
    assert done.returncode == 1
