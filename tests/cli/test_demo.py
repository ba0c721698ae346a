"""The demo's parts on their own: words, table, report, files and screen. The whole demo runs in test_demo_whole.py."""

import asyncio
import io
import json
import os
import shlex
import stat
import string
from dataclasses import astuple, fields, replace
from types import SimpleNamespace

import httpx
import openai
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn import ric
from stdnum.us import ssn

from gateway.cli import demo_files, demo_screen
from gateway.cli import main as front
from gateway.cli.demo import Demo
from gateway.cli.demo_cloud import Cloud, Record
from gateway.cli.demo_files import Places
from gateway.cli.demo_flood import HARMLESS, SENSITIVE, Flood, Flooded, flood
from gateway.cli.demo_gateway import RunningGateway
from gateway.cli.demo_questions import (
    ALIAS,
    BURST,
    HOME,
    IN_FLIGHT,
    QUESTIONS,
    RESIDENT_ID,
    SSN,
    Answer,
    Question,
    ask,
    mismatches,
)
from gateway.cli.demo_report import (
    Programs,
    faults,
    flood_faults,
    flood_rows,
    flood_summary,
    lines_to_paste,
    operator_lines,
    proof,
    rows,
    why,
)
from gateway.cli.demo_screen import Screen
from gateway.cli.demo_table import Cell, Colour, Row, draw, fit, fold, painted, printable, width
from gateway.cli.demo_words import CHINESE, ENGLISH, language_of, words_for
from gateway.errors import InvalidRequest
from gateway.lane.signatures import Credentials

RIGHT = [
    Answer(200, 0.4, f"dec_{number}", question.label, question.route, question.pool, "Yes.")
    for number, question in enumerate(QUESTIONS, 1)
]


def flooded(text: str, pool: str, first_s: float, *, harmless: bool = True) -> Flooded:
    label, route = ("internal", "rest") if harmless else ("restricted", "keep-home")
    answer = Answer(200, first_s + 1, "dec_f", label, route, pool, "Yes.")
    return Flooded(text, harmless, answer, 0.0, first_s, first_s + 1)


# Home takes four, SageMaker four; two more each as places become free; then, at home, those that may not leave.
WELL = Flood(
    tuple(flooded(text, (HOME, BURST)[at // IN_FLIGHT % 2], at // 8 + 0.2) for at, text in enumerate(HARMLESS))
    + tuple(flooded(text, HOME, 2.5, harmless=False) for text in SENSITIVE),
    was_home_full=True,
)
ARRIVED = Record(
    (QUESTIONS[3].text, *(request.text for request in WELL.requests if request.answer.pool == BURST)), b"what came"
)
KEYS = Credentials("AKIDEXAMPLE", "burst-secret")


def places(folder) -> Places:
    return Places(folder, 8080, "unix:/run/home.sock", "http://127.0.0.1:9000", "http://127.0.0.1:9001", "eu-central-1")


# Words


def places_in(text: str) -> set[str | None]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_both_languages_say_everything_with_the_same_gaps():
    for field, english, chinese in zip(fields(ENGLISH), astuple(ENGLISH), astuple(CHINESE), strict=True):
        assert chinese
        assert len(english) == len(chinese) or isinstance(english, str)
        if isinstance(english, str):
            assert places_in(english) == places_in(chinese), field.name


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LANG": "de_DE", "LC_MESSAGES": "zh_TW"}, "zh"),
        ({"LANG": "zh_CN", "LC_ALL": ""}, "zh"),
    ],
)
def test_the_language_is_the_one_of_the_locale(environment, language):
    assert language_of(environment) == language
    assert words_for(language) is (CHINESE if language == "zh" else ENGLISH)


# Table


@pytest.mark.parametrize(
    ("text", "columns", "fitted"),
    [
        ("short", 5, "short"),
        ("longer", 5, "long…"),
        ("身份证号", 8, "身份证号"),
        ("身份证号", 7, "身份证…"),
        ("身份证号", 6, "身份…"),
        ("a身", 3, "a身"),
        ("a身b", 3, "a…"),
        ("é" * 3, 3, "é" * 3),
    ],
)
def test_text_is_cut_by_columns_not_by_characters(text, columns, fitted):
    assert fit(text, columns) == fitted


@given(st.text(alphabet=st.sampled_from("ab 身份号，。é…")), st.integers(min_value=2, max_value=30))
def test_folding_and_fitting_never_exceed_the_columns_and_folding_loses_nothing(text, columns):
    assert width(fit(text, columns)) <= columns
    lines = fold(text, columns)
    assert all(width(line) <= columns for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


@given(st.text(max_size=60))
def test_what_a_model_says_cannot_command_the_terminal(text):
    assert printable(text).isprintable()
    assert "\x1b" not in printable("\x1b[2J" + text)


@pytest.mark.parametrize("words", [ENGLISH, CHINESE])
@pytest.mark.parametrize("columns", [40, 60, 80, 109, 110, 120, 160, 220])
def test_the_table_fits_the_terminal_and_shows_every_cell(columns, words):
    lines = draw(words.columns, rows(RIGHT, words), columns=columns, in_colour=False)
    lines += draw(words.flood_columns, flood_rows(WELL, words), columns=columns, in_colour=False)
    assert all(width(line) <= columns for line in lines)
    whole = "".join("".join(lines).split())
    for question in QUESTIONS:
        assert question.label in whole
        assert question.route in whole


def test_a_wide_table_starts_its_columns_below_their_headings():
    table = [
        Row((Cell("身份证"), Cell("restricted"), Cell("because it says so"))),
        Row((Cell("id"), Cell("internal"), Cell("x"))),
    ]
    heading, _, first, second = draw(("question", "label", "why"), table, columns=120, in_colour=False)
    starts = [
        width(line[: line.index(word)]) for line, word in ((heading, "label"), (first, "restr"), (second, "inter"))
    ]
    assert len(set(starts)) == 1


def test_colour_comes_only_where_it_is_wanted():
    assert painted("x", Colour.HOME, in_colour=True) == "\x1b[32mx\x1b[0m"
    assert painted("x", Colour.HOME, in_colour=False) == "x"
    assert painted("x", None, in_colour=True) == "x"
    for columns in (80, 140):
        plain = draw(ENGLISH.columns, rows(RIGHT, ENGLISH), columns=columns, in_colour=False)
        assert not any("\x1b" in line for line in plain)


# Questions and report


def test_the_numbers_in_the_questions_have_right_checksums():
    assert ric.is_valid(RESIDENT_ID)
    assert RESIDENT_ID in QUESTIONS[1].text
    assert RESIDENT_ID in SENSITIVE[0]
    assert ssn.is_valid(SSN)
    assert SSN in QUESTIONS[2].text
    assert SSN in SENSITIVE[1]


def test_the_same_kind_of_request_goes_to_the_cloud_without_a_number_and_stays_home_with_one():
    free, bound = QUESTIONS[3], QUESTIONS[4]
    assert free.wants_json
    assert bound.wants_json
    assert (free.pool, bound.pool) == (BURST, HOME)


def test_right_answers_have_no_faults():
    assert faults(RIGHT, ENGLISH) == []
    assert flood_faults(WELL, ENGLISH) == []
    assert proof(RIGHT, WELL, ARRIVED, ENGLISH).holds


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"status": 503}, "status is 503, expected 200"),
        ({"label": "internal"}, "label is internal, expected restricted"),
        ({"route": ""}, "route is -, expected keep-home"),
        ({"pool": BURST}, "pool is burst, expected home"),
    ],
)
def test_an_answer_from_the_wrong_place_is_a_fault(changes, said):
    good = RIGHT[1]
    bad = Answer(**({name.name: getattr(good, name.name) for name in fields(good)} | changes))
    assert mismatches(QUESTIONS[1], bad)
    assert faults([RIGHT[0], bad, *RIGHT[2:]], ENGLISH) == [f"Question 2: {said}."]


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (None, "could not be asked"),
        (Record((), b""), "received 0 requests that are not the 5"),
        (Record((*ARRIVED.texts, ARRIVED.texts[0]), b""), "received 6 requests that are not the 5"),
        (Record((*ARRIVED.texts[1:], "Something else"), b""), "received 5 requests that are not the 5"),
        (Record(ARRIVED.texts, f"x {RESIDENT_ID} y".encode()), "received an ID number"),
        (Record(ARRIVED.texts, f"x {SSN} y".encode()), "received an ID number"),
        (Record(ARRIVED.texts, b"x 536904399 y"), "received an ID number"),
    ],
)
def test_what_sagemakers_side_received_must_be_what_was_meant_for_it(record, said):
    proved = proof(RIGHT, WELL, record, ENGLISH)
    assert not proved.holds
    assert said in proved.sentence


# The flood


def test_a_flood_is_three_times_what_home_takes_and_two_that_may_not_leave():
    assert (len(HARMLESS), len(set(HARMLESS)), len(SENSITIVE)) == (3 * IN_FLIGHT, 3 * IN_FLIGHT, 2)


@pytest.mark.parametrize(
    ("at", "change", "said"),
    [
        (0, {"status": 429}, "status is 429, expected 200"),
        (0, {"label": "restricted"}, "label is restricted, expected internal"),
        (0, {"route": "structured"}, "route is structured, expected rest"),
        (0, {"pool": "other"}, "pool is other, expected home / burst"),
        (-1, {"status": 503}, "status is 503, expected 200"),
        (-1, {"label": "internal"}, "label is internal, expected restricted"),
        (-1, {"route": "rest"}, "route is rest, expected keep-home"),
        (-1, {"pool": BURST}, "pool is burst, expected home"),
    ],
)
def test_a_request_of_the_flood_that_fared_otherwise_is_a_fault(at, change, said):
    requests = list(WELL.requests)
    requests[at] = replace(requests[at], answer=replace(requests[at].answer, **change))
    assert flood_faults(Flood(tuple(requests), was_home_full=True), ENGLISH) == [
        f"Flood, “{requests[at].text}”: {said}."
    ]


def test_a_flood_that_nothing_left_is_a_fault():
    requests = tuple(replace(request, answer=replace(request.answer, pool=HOME)) for request in WELL.requests)
    assert flood_faults(Flood(requests, was_home_full=True), ENGLISH) == [ENGLISH.flood_stayed]


@pytest.mark.parametrize(("first_s", "was_home_full", "count"), [(1.1, True, 1), (2.5, False, 2), (1.2, True, 0)])
def test_a_request_that_began_before_a_place_was_given_back_has_not_waited(first_s, was_home_full, count):
    *others, last = WELL.requests
    said = flood_faults(Flood((*others, replace(last, first_s=first_s)), was_home_full), ENGLISH)
    assert len(said) == count
    assert all(sentence.endswith("it did not wait for a place at home.") for sentence in said)


@pytest.mark.parametrize("words", [ENGLISH, CHINESE])
def test_the_floods_table_counts_the_harmless_and_names_the_others(words):
    harmless_home, harmless_burst, *rest = flood_rows(WELL, words)
    assert [row.cells[0].text for row in rest] == list(SENSITIVE)
    assert {row.cells[3].text for row in rest} == {"home · onprem"}
    assert "8" in harmless_home.cells[0].text
    assert "4" in harmless_burst.cells[0].text
    assert (harmless_burst.cells[3].text, harmless_burst.cells[3].colour) == ("burst · cloud", Colour.CLOUD)
    assert "0.2–1.2" in harmless_home.cells[5].text
    summary = flood_summary(WELL, words)
    assert all(part in summary for part in ("12", "10", "4", "2.5"))


def test_a_request_of_the_flood_that_was_refused_shows_no_first_word():
    refused = replace(WELL.requests[-1], answer=Answer(429, 0.1, said="Full."), first_s=0.0)
    *_, row = flood_rows(Flood((*WELL.requests[:-1], refused), was_home_full=True), ENGLISH)
    assert [cell.text for cell in row.cells[3:]] == ["–", "429", "–", "refused: Full."]


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        (RIGHT[0], "may leave, but home has room"),
        (RIGHT[1], "above `internal`: must stay"),
        (RIGHT[3], "leave by `structured`"),
        (Answer(403, 0.1, said="No\x1b pool"), "refused: No pool"),
        (Answer(200, 0.1), "told no more"),
    ],
)
def test_each_row_says_why(answer, part):
    assert part in why(answer, ENGLISH)


@pytest.mark.parametrize("words", [ENGLISH, CHINESE])
def test_the_lines_to_paste_survive_a_shell(words):
    programs = Programs(".venv/bin/python", ".venv/bin/tidegate")
    curl, python, node = (
        shlex.split(line) for _, line in lines_to_paste("http://127.0.0.1:8080/v1", "tg-key", words, programs)
    )
    assert json.loads(curl[-1])["messages"] == [{"role": "user", "content": words.ask}]
    assert "Authorization: Bearer tg-key" in curl
    compile(python[-1], "<pasted>", "exec")
    assert words.ask in node[-1]
    (_, explain), (_, verify) = operator_lines("/run/with space", RIGHT, words, programs)
    assert shlex.split(explain)[:5] == [".venv/bin/tidegate", "explain", "dec_2", "--config", "/run/with space"]
    assert shlex.split(explain)[5:] == ["--language", words.language]
    assert "/run/with space/state/audit" in shlex.split(verify)


class Answers(httpx.AsyncBaseTransport):
    """Stands for the gateway, one reply for all."""

    def __init__(self, reply: httpx.Response | Exception) -> None:
        self.reply = reply
        self.asked: list[dict[str, object]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(json.loads(await request.aread()))
        if isinstance(self.reply, Exception):
            raise self.reply
        return self.reply


async def asked(question: Question, reply: httpx.Response | Exception) -> tuple[Answer, dict[str, object]]:
    transport = Answers(reply)
    async with openai.AsyncOpenAI(
        base_url="http://gateway/v1", api_key="k", max_retries=0, http_client=httpx.AsyncClient(transport=transport)
    ) as client:
        return await ask(client, question), transport.asked[0]


HEADERS = {"x-tidegate-decision": "dec_1", "x-tidegate-label": "internal", "x-tidegate-pool": "home"}
CHAT = {
    "id": "c", "object": "chat.completion", "created": 1, "model": ALIAS,
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hi."}}],
    "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9},
}  # fmt: skip


async def test_an_answer_tells_where_it_came_from_by_its_headers():
    answer, sent = await asked(QUESTIONS[0], httpx.Response(200, headers=HEADERS, json=CHAT))
    assert (answer.status, answer.said) == (200, "Hi.")
    assert (answer.decision, answer.label, answer.route, answer.pool) == ("dec_1", "internal", "", "home")
    assert "response_format" not in sent


async def test_a_question_for_json_asks_for_a_schema():
    _, sent = await asked(QUESTIONS[3], httpx.Response(200, headers=HEADERS, json=CHAT))
    assert sent["response_format"]["type"] == "json_schema"


@pytest.mark.parametrize(
    ("reply", "status", "said"),
    [
        (httpx.Response(403, headers=HEADERS, json={"error": {"message": "Denied."}}), 403, "Denied."),
        (httpx.Response(502, text="<html>"), 502, "InternalServerError"),
        (httpx.ConnectError("quotes an address"), 0, "APIConnectionError"),
        (httpx.ReadTimeout("quotes an address"), 0, "APITimeoutError"),
    ],
)
async def test_a_failure_is_an_answer_too(reply, status, said):
    answer, _ = await asked(QUESTIONS[0], reply)
    assert (answer.status, answer.said) == (status, said)


def client_of(transport: Answers) -> openai.AsyncOpenAI:
    http = httpx.AsyncClient(transport=transport)
    return openai.AsyncOpenAI(base_url="http://gateway/v1", api_key="k", max_retries=0, http_client=http)


def stream_of(*events: object) -> httpx.Response:
    text = "".join(f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n" for event in events)
    return httpx.Response(200, headers=HEADERS | {"content-type": "text/event-stream"}, text=text)


def part(text: str | None) -> dict[str, object]:
    delta = {} if text is None else {"content": text}
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": ALIAS, "choices": [choice]}


async def test_the_sensitive_requests_follow_when_home_is_full():
    transport = Answers(stream_of(part("Hi"), part(None), part("."), "[DONE]"))
    sent_before = []

    async def full() -> bool:
        while len(transport.asked) < len(HARMLESS):  # noqa: ASYNC110 -- no event to wait for
            await asyncio.sleep(0)
        sent_before.extend(transport.asked)
        return True

    async with client_of(transport) as client:
        went = await flood(client, full)
    assert went.was_home_full
    assert [sent["messages"][0]["content"] for sent in sent_before] == list(HARMLESS)
    assert [sent["messages"][0]["content"] for sent in transport.asked[len(HARMLESS) :]] == list(SENSITIVE)
    assert all(sent["stream"] for sent in transport.asked)
    assert {request.answer.said for request in went.requests} == {"Hi."}
    assert all(request.sent_s <= request.first_s <= request.ended_s for request in went.requests)
    assert (len(went.harmless), len(went.sensitive)) == (len(HARMLESS), len(SENSITIVE))


@pytest.mark.parametrize(
    ("reply", "status", "pool"),
    [
        (stream_of(part("Hi"), {"error": {"message": "It broke."}}), 0, "home"),
        (httpx.Response(429, headers=HEADERS, json={"error": {"message": "Full."}}), 429, "home"),
        (httpx.ConnectError("quotes an address"), 0, ""),
    ],
)
async def test_a_stream_that_is_refused_or_breaks_is_no_answer(reply, status, pool):
    async def full() -> bool:
        return False

    async with client_of(Answers(reply)) as client:
        went = await flood(client, full)
    assert {(request.answer.status, request.answer.pool) for request in went.requests} == {(status, pool)}
    assert flood_faults(went, ENGLISH)


# The end


async def test_a_gateway_that_ends_by_itself_ends_the_demo_with_its_last_words(tmp_path):
    (tmp_path / "gateway.log").write_text("first\nlast words\n")
    process = await asyncio.create_subprocess_exec("true")
    out = io.StringIO()
    demo = Demo(Screen.on(out, ENGLISH, {}), is_check=False, port=None)
    cloud = Cloud(tmp_path, KEYS, "", process, process)
    assert await demo.stay(RunningGateway(process, tmp_path), places(tmp_path), cloud) == 1
    assert out.getvalue().rstrip().endswith("Its last words:\nfirst\nlast words")


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http"])
def test_a_port_is_a_number_that_can_be_one(port, capsys):
    with pytest.raises(SystemExit) as stopped:
        front.main(["demo", "--port", port])
    assert stopped.value.code == 2
    assert "--port" in capsys.readouterr().err


# Files


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "demo"


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_files_are_ours_alone_and_hold_new_secrets(folder):
    demo_files.claim(folder)
    demo_files.write_configuration(places(folder), home_key="home-secret", burst_keys=KEYS)
    assert mode(folder) == mode(folder / "secrets") == mode(folder / "models") == 0o700
    assert {mode(file) for file in folder.rglob("*") if file.is_file()} == {0o600}
    assert (folder / "secrets/home.key").read_text().strip() == "home-secret"
    assert (folder / "secrets/burst.access").read_text().strip() == KEYS.access_key
    assert (folder / "secrets/burst.secret").read_text().strip() == KEYS.secret_key
    assert demo_files.admin_token(folder) == (folder / "secrets/admin.token").read_text().strip()
    assert len(bytes.fromhex((folder / "secrets/root.key").read_text())) == 32
    written = "".join(file.read_text("utf-8") for file in folder.glob("*.yaml"))
    assert not any(secret.read_text().strip() in written for secret in (folder / "secrets").iterdir())


def test_the_policy_is_the_default_one_with_the_demos_zones_and_one_more_row():
    text = demo_files.default_policy().read_text("utf-8")
    written = demo_files.demo_policy(text)
    default, demo = yaml.safe_load(text), yaml.safe_load(written)
    assert written.endswith("\n...\n")
    assert "&" not in written
    assert [row for row in demo["routes"] if row["id"] != "structured"] == default["routes"]
    assert demo["routes"][0]["id"] == "keep-home"
    assert ALIAS in default["models"]
    assert {key for key in default if default[key] != demo[key]} == {"zones", "routes"}


def test_a_folder_with_something_in_it_is_left_alone(tmp_path):
    (tmp_path / "mine").write_text("precious")
    with pytest.raises(InvalidRequest, match="is not empty"):
        demo_files.claim(tmp_path)
    assert os.listdir(tmp_path) == ["mine"]


@pytest.mark.parametrize("name", ["with space", "身份", "x" * 80])
def test_a_folder_that_cannot_hold_sockets_is_refused_before_anything_is_made(tmp_path, name):
    with pytest.raises(InvalidRequest, match="short and plain"):
        demo_files.claim(tmp_path / name)
    assert os.listdir(tmp_path) == []


# Screen


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("out", "environment", "in_colour"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
    ],
)
def test_colours_are_for_terminals_that_want_them(out, environment, in_colour):
    assert Screen.on(out, ENGLISH, environment).in_colour is in_colour


class Loop:
    """A loop whose clock the test turns."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[tuple[float, object]] = []

    def time(self) -> float:
        return self.now

    def call_later(self, delay, callback):
        timer = (self.now + delay, callback)
        self.timers.append(timer)
        return SimpleNamespace(cancel=lambda: self.timers.remove(timer) if timer in self.timers else None)

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while due := [timer for timer in self.timers if timer[0] <= end]:
            self.now, callback = min(due, key=lambda timer: timer[0])
            self.timers.remove((self.now, callback))
            callback()
        self.now = end


@pytest.fixture
def loop(monkeypatch):
    loop = Loop()
    monkeypatch.setattr(demo_screen.asyncio, "get_running_loop", lambda: loop)
    return loop


def test_a_step_that_takes_long_shows_that_it_is_alive(loop):
    out = io.StringIO()
    with Screen.on(out, ENGLISH, {}).step("the gateway"):
        loop.advance(1.9)
        assert out.getvalue() == ""
        loop.advance(11.0)
    said = out.getvalue().splitlines()
    assert said == [
        "  the gateway: still at it after 2 s",
        "  the gateway: still at it after 12 s",
        "  ✓ the gateway  12.9 s",
    ]
    assert loop.timers == []


def test_a_step_on_a_terminal_overwrites_its_own_line(loop):
    out = Terminal()
    with Screen(out, ENGLISH, 30, is_terminal=True, in_colour=False).step("the gateway"):
        loop.advance(3.0)
    shown = out.getvalue()
    assert shown.count("\n") == 1
    assert shown.endswith("\r\x1b[K  ✓ the gateway  3.0 s\n")


def test_a_step_that_fails_says_so_and_stops_its_clock(loop):
    out = io.StringIO()

    def fail() -> None:
        with Screen.on(out, ENGLISH, {}).step("the gateway"):
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        fail()
    assert out.getvalue() == "  ✗ the gateway\n"
    assert loop.timers == []
