"""Says what went wrong in a run, from what passed over the wire and what clients got. Imports nothing of the gateway.

It does not ask the gateway anything, so it cannot be talked into agreeing with it.
"""

import base64
import json
import re
import urllib.parse
from collections.abc import Collection, Iterable

from tests.simulation.clients import RESIDENT_ID, Told
from tests.simulation.servers import Served, answer_to

ANSWER = re.compile(r"answer-to-(tok-[0-9a-f]{12})")


def views(text: str) -> tuple[bytes, ...]:
    """What bytes to look for: the text, and what it is in the forms that somebody might give it."""
    raw = text.encode()
    encoded = base64.b64encode(raw).rstrip(b"=")[:-2]
    return raw, encoded, raw.hex().encode(), urllib.parse.quote(text, safe="").encode(), raw[::-1]


def faults_of(
    tolds: Collection[Told],
    served: Iterable[Served],
    carried: Iterable[tuple[float, tuple[str, int], bytes]],
    names: Iterable[str],
    records: Iterable[bytes],
    *,
    cloud: tuple[str, int],
    closed_at: float | None = None,
) -> list[str]:
    """Every breach of what must hold, in words; empty if there is none.

    From `closed_at` on the gateway takes no new connections: who comes later is sent away without a word.
    """
    found: list[str] = []
    secrets = [told.token for told in tolds if told.is_secret]
    out = b"".join(data for _, address, data in carried if address == cloud) + "".join(names).encode()
    kept = b"".join(records)
    needles = [RESIDENT_ID, *secrets]
    found += [f"{text} left for the cloud" for text in needles if any(view in out for view in views(text))]
    found += [f"{told.token} is in a record" for told in tolds if any(view in kept for view in views(told.token))]
    complete = {one.token for one in served if one.is_complete}
    for told in tolds:
        if closed_at is not None and told.asked_at >= closed_at and told.was_cut and not told.raw:
            continue
        found += [f"{told.token}: {what}" for what in _of(told, complete)]
    return found


def _of(told: Told, complete: Collection[str]) -> Iterable[str]:
    text = told.raw.decode(errors="replace")
    if set(ANSWER.findall(text)) - {told.token} or "tok-000000000000" in text:
        yield "got another's answer"
    if told.left_at is not None:
        return
    if told.ended_at is None:
        yield "never heard an end"
        return
    if text.count("HTTP/1.1 ") != 1 + text.count("HTTP/1.1 100"):
        yield f"got {text.count('HTTP/1.1 ')} answers"
        return
    body = told.body.decode(errors="replace")
    if told.status != 200:
        yield from _of_refusal(told, body)
    elif "text/event-stream" in text.partition("\r\n\r\n")[0]:
        yield from _of_stream(told, body, complete)
    elif not told.is_whole:
        if told.token in complete and not told.was_cut:
            yield "was cut short"
    elif told.token not in complete:
        yield "is complete, and no server completed it"
    elif answer_to(told.token) not in body:
        yield "is an answer without its text"


def _of_refusal(told: Told, body: str) -> Iterable[str]:
    if not told.is_whole:
        yield f"is a {told.status} that is not whole"
        return
    try:
        error = json.loads(body)["error"]
        assert error["message"], error
        assert error["type"], error
    except (ValueError, KeyError, AssertionError):
        yield f"is a {told.status} not in OpenAI's form"
    if told.status == 500:
        yield "is a plain 500"


def _of_stream(told: Told, body: str, complete: Collection[str]) -> Iterable[str]:
    events = [line[6:] for line in body.split("\n\n") if line.startswith("data: ")]
    errors = [one for one in events if '"error"' in one]
    is_done = "[DONE]" in events
    finished = any('"finish_reason":"' in one.replace(" ", "") for one in events)
    if is_done and told.token not in complete:
        yield "says [DONE], and no server completed it"
    if is_done and errors:
        yield "says [DONE] after an error"
    if is_done and events[-1] != "[DONE]":
        yield "goes on after [DONE]"
    if is_done and answer_to(told.token) not in body:
        yield "is complete without its text"
    if not is_done and not errors and not told.was_cut:
        yield "ends without [DONE] and without an error"
    if is_done and not finished:
        yield "says [DONE] without a finish reason"
    if told.is_whole and not is_done and not errors:
        yield "looks whole and is not"
