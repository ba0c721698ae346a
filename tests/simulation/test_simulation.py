"""Random faults and their pairs over the whole data plane in virtual time; and that whoever judges it can see."""

import dataclasses
import json

import pytest

from gateway.core.labels import Label
from tests.simulation.clients import RESIDENT_ID, Told
from tests.simulation.figures import ALL
from tests.simulation.oracle import faults_of
from tests.simulation.scenarios import Scenario, draw, run
from tests.simulation.servers import Served
from tests.simulation.world import CLOUD

BATCH = 25


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tmp_path_factory.mktemp("simulation")


@pytest.mark.parametrize("first", range(0, 100, BATCH))
def test_whatever_fails_nothing_leaves_and_every_request_ends_once(base, first):
    for seed in range(first, first + BATCH):
        assert run(draw(seed), base).breaches == [], f"python -m tests.simulation --seed {seed}"


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_a_hundred_thousand_requests_pass_without_a_breach(base):
    asked = 0
    for seed in range(10_000, 15_000):
        done = run(draw(seed), base)
        asked += len(done.tolds)
        assert done.breaches == [], f"python -m tests.simulation --seed {seed}"
    print(f"0 breaches in {asked} requests: at most {3 / asked:.1e} at 95 %")


def test_the_same_seed_gives_the_same_run(base):
    first, second = run(draw(7), base), run(draw(7), base)
    assert [told.raw[:15] for told in first.tolds] == [told.raw[:15] for told in second.tolds]
    assert (first.calls, first.virtual_s) == (second.calls, second.virtual_s)


@pytest.mark.parametrize("figure", ALL, ids=[one.__name__ for one in ALL])
def test_a_figure_of_resilience_holds(base, figure):
    said = figure(base)
    for one in said if isinstance(said, tuple) else (said,):
        assert one.holds, f"{one.name}: {one.said}, target {one.target}"


# The judge


def test_a_gateway_that_labels_everything_low_is_found_out(base, monkeypatch):
    for module in ("gateway.runtime.deciding", "gateway.runtime.classify"):
        monkeypatch.setattr(f"{module}.label", lambda *_: (Label(0), Label(0)))
    breaches = run(Scenario(3, (), 40, 1.0, 8), base).breaches
    assert any("left for the cloud" in breach for breach in breaches)


TOKEN = "tok-0123456789ab"
CHUNK = '{"choices":[{"index":0,"delta":{"content":"answer-to-%s"},"finish_reason":null}]}'
STOP = '{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'
ERROR = '{"error":{"message":"x","type":"server_error"}}'
GOOD = Told(TOKEN, is_secret=True, is_streamed=True, model="chat", asked_at=0.0, ended_at=1.0)


def stream(*events: str, is_whole: bool = True) -> bytes:
    out = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    for event in events:
        line = f"data: {event}\n\n".encode()
        out += b"%x\r\n%b\r\n" % (len(line), line)
    return out + (b"0\r\n\r\n" if is_whole else b"")


def whole(status: int, body: object) -> bytes:
    raw = json.dumps(body).encode()
    return b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (status, len(raw), raw)


@pytest.mark.parametrize(
    ("raw", "is_complete", "what"),
    [
        (stream(CHUNK % TOKEN, STOP, "[DONE]"), True, None),
        (stream(CHUNK % TOKEN, ERROR), False, None),
        (stream(CHUNK % TOKEN, STOP, "[DONE]"), False, "says [DONE], and no server completed it"),
        (stream(CHUNK % TOKEN, ERROR, "[DONE]"), True, "says [DONE] after an error"),
        (stream(CHUNK % TOKEN, "[DONE]"), True, "says [DONE] without a finish reason"),
        (stream(CHUNK % TOKEN, STOP), True, "ends without [DONE] and without an error"),
        (stream(STOP, "[DONE]"), True, "is complete without its text"),
        (stream(CHUNK % "tok-aaaaaaaaaaaa", STOP, "[DONE]"), True, "got another's answer"),
        (whole(200, f"answer-to-{TOKEN}"), True, None),
        (whole(200, f"answer-to-{TOKEN}"), False, "is complete, and no server completed it"),
        (whole(503, {"detail": "no"}), False, "is a 503 not in OpenAI's form"),
        (whole(500, {"error": {"message": "x", "type": "y"}}), False, "is a plain 500"),
        (whole(503, {"error": {"message": "x", "type": "y"}}) * 2, False, "got 2 answers"),
    ],
)
def test_the_judge_sees_what_a_client_should_not_get(raw, is_complete, what):
    served = [Served(0.0, CLOUD, TOKEN, None, is_complete=is_complete)]
    found = faults_of([dataclasses.replace(GOOD, raw=raw)], served, [], [], [], cloud=CLOUD)
    assert (f"{TOKEN}: {what}" in found) if what is not None else found == []


@pytest.mark.parametrize(
    "data", [TOKEN.encode(), TOKEN.encode().hex().encode(), b"dG9rLTAxMjM0NTY3ODlhYg", RESIDENT_ID.encode()[::-1]]
)
def test_the_judge_sees_what_left_in_whatever_form(data):
    told = dataclasses.replace(GOOD, raw=stream(CHUNK % TOKEN, STOP, "[DONE]"))
    served = [Served(0.0, CLOUD, TOKEN, None, is_complete=True)]
    at_home = [(0.0, ("10.0.0.1", 8000), data)]
    assert faults_of([told], served, at_home, [], [], cloud=CLOUD) == []
    assert faults_of([told], served, [(0.0, CLOUD, data)], [], [], cloud=CLOUD) != []
