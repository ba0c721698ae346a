"""`tidegate top`: what its page says of two accounts, and how it is drawn."""

import io
import json
import re

import pytest

from gateway.cli import top
from gateway.cli.admin_port import Answer
from gateway.cli.main import main
from gateway.cli.top_view import drawn, page
from gateway.cli.top_words import SENTENCES
from gateway.core import measures
from gateway.core.figures import Account, Spread
from gateway.wire.exposition import as_json
from tests.cli.folder import write_folder

HOME, BURST = ("onprem", "home"), ("cloud", "burst")


def account(at: float = 100.0, times: int = 0) -> Account:
    """A gateway of two workers after `times` requests at home."""
    made = Account(at)
    for family, value in ((measures.WORKERS, 2), (measures.AUDIT_WRITABLE, 2), (measures.AUDIT_LIMIT, 8192)):
        made.add(family.name, (), value)
    made.add(measures.RESIDENT.name, (), 150 << 20)
    made.add(measures.BUNDLE.name, ("0.1.0", "sha256:b"), 2)
    for labels, limit in ((HOME, 64), (BURST, 8)):
        made.add(measures.LIMIT.name, labels, limit)
        made.add(measures.IN_FLIGHT.name, labels, 0)
    made.add(measures.IN_FLIGHT.name, HOME, 30)
    made.add(measures.PRESSURE.name, HOME, 0.75)
    made.add(measures.REQUESTS.name, ("chat", "default", "internal", *HOME, "completed"), times)
    made.add(measures.TOKENS.name, ("default", *HOME, "prompt"), 300 * times)
    made.add(measures.TOKENS.name, ("default", *HOME, "completion"), 100 * times)
    first = Spread.over(measures.FIRST_TOKEN.bounds)
    first.counts[4] = times
    made.join(measures.FIRST_TOKEN.name, HOME, first)
    made.add(measures.ENDPOINTS.name, (*HOME, "10.0.0.1:8000", "well"), 2)
    made.add(measures.ENDPOINT_IN_FLIGHT.name, (*HOME, "10.0.0.1:8000"), 30)
    return made


def shown(before: Account, now: Account, spoken: str = "en") -> str:
    return drawn(page(before, now, spoken), columns=1000, rows=None, in_colour=False)


def row(text: str, name: str) -> list[str]:
    """The cells of the line that begins with `name`."""
    (line,) = [line for line in text.splitlines() if line.startswith(f"{name} ")]
    return re.split(r"  +", line)


def test_rates_are_what_came_between_and_the_rest_is_what_stands():
    text = shown(account(100.0, 50), account(102.0, 250))
    assert "tidegate 0.1.0 · workers 2" in text
    assert "memory 150 MiB" in text
    assert "requests 100/s · refused or failed 0/s" in text
    assert "prompt 30,000, completion 10,000" in text
    assert row(text, "home") == ["home", "onprem", "30/64", "0", "75%", "100", "40,000", "250 ms, 250 ms", "open"]
    assert row(text, "burst") == ["burst", "cloud", "0/8", "0", "0%", "0", "0", "–", "open"]
    assert row(text, "10.0.0.1:8000") == ["10.0.0.1:8000", "home", "30", "well", "–"]
    assert "burst: by pressure" in text


def test_a_gateway_that_was_started_anew_has_no_negative_rates():
    text = shown(account(100.0, 1000), account(102.0, 10))
    assert "requests 0/s" in text
    assert row(text, "home")[7] == "250 ms, 250 ms"


def test_a_first_page_without_any_request_says_so_with_dashes():
    text = shown(account(100.0), account(100.0))
    assert "requests 0/s" in text
    assert "first token – · queue –" in text
    assert "memo hits –" in text


@pytest.mark.parametrize(
    ("family", "labels", "value", "state"),
    [
        (measures.QUEUED, HOME, 3, "full"),
        (measures.SPILLING, (*HOME, "any"), 1, "spilling"),
        (measures.CLOSED, HOME, 1, "closed"),
        (measures.DRAINED, HOME, 1, "drained"),
    ],
)
def test_what_keeps_work_from_a_pool_is_its_state(family, labels, value, state):
    now = account()
    now.add(family.name, labels, value)
    assert row(shown(account(), now), "home")[-1] == state


def test_an_endpoint_that_some_workers_see_otherwise_is_shown_first_with_how_many():
    now = account()
    for name in ("10.0.0.2:8000", "10.0.0.3:8000"):
        now.add(measures.ENDPOINT_IN_FLIGHT.name, (*HOME, name), 0)
    now.add(measures.ENDPOINTS.name, (*HOME, "10.0.0.2:8000", "well"), 1)
    now.add(measures.ENDPOINTS.name, (*HOME, "10.0.0.2:8000", "broken"), 1)
    now.add(measures.ENDPOINTS.name, (*HOME, "10.0.0.3:8000", "unwell"), 2)
    now.add(measures.SERVER_REQUESTS.name, (*HOME, "10.0.0.3:8000", "running"), 7)
    now.add(measures.SERVER_REQUESTS.name, (*HOME, "10.0.0.3:8000", "waiting"), 2)
    now.add(measures.SERVER_CACHE.name, (*HOME, "10.0.0.3:8000"), 0.875)
    text = shown(account(), now)
    places = [text.index(f"10.0.0.{number}:8000") for number in (2, 3, 1)]
    assert places == sorted(places)
    assert row(text, "10.0.0.2:8000")[3] == "breaker open (1/2), well (1/2)"
    assert row(text, "10.0.0.3:8000")[3:] == ["unwell", "7, 2, 88%"]


def test_of_many_endpoints_those_that_are_well_are_only_counted():
    now = account()
    for number in range(40):
        now.add(measures.ENDPOINTS.name, (*HOME, f"10.0.1.{number}:8000", "well"), 2)
    text = shown(account(), now)
    assert "and 29 more endpoints that are well" in text


def test_what_a_person_must_see_has_a_line_of_its_own():
    now = account()
    now.numbers[measures.AUDIT_WRITABLE.name][()] = 1
    now.add(measures.REPLIES_LOST.name, (), 1)
    now.add(measures.BURST_SHARE.name, (), 0.0)
    text = shown(account(), now)
    assert "1 of 2 workers cannot write their audit log" in text
    assert "requests with a history stay home" in text
    assert "operations send 0% of what may leave" in text


def test_no_line_is_wider_nor_more_of_them_than_the_terminal_takes():
    for spoken in ("en", "zh"):
        text = drawn(page(account(), account(), spoken), columns=60, rows=8, in_colour=False)
        lines = text.splitlines()
        assert len(lines) == 8
        assert all(top_width(line) <= 60 for line in lines)


def top_width(line: str) -> int:
    return sum(2 if ord(character) > 0x2E80 else 1 for character in line)


def test_chinese_has_every_sentence_and_the_same_figures():
    english, chinese = (shown(account(100.0, 50), account(102.0, 250), spoken) for spoken in ("en", "zh"))
    figures = r"\d+(?:[.,]\d+)*"
    assert re.findall(figures, english) == re.findall(figures, chinese)
    for both in SENTENCES.values():
        in_english, in_chinese = (sorted(re.findall(r"{\w+}", text)) for text in both)
        assert in_english == in_chinese


# The command


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """A gateway that has 100 requests more every time it is asked; after that, what it is told to do."""
    folder = write_folder(tmp_path / "config")
    answers: list[object] = []

    def ask(port, path: str, **_: object) -> Answer:
        assert path == "/admin/v1/figures"
        answers.append(path)
        count = len(answers)
        return Answer(200, as_json(measures.FAMILIES.values(), account(100.0 + count, 100 * count)))

    monkeypatch.setattr(top.AdminPort, "ask", ask)
    monkeypatch.setattr(top.time, "sleep", lambda _: None)
    return folder


def test_once_draws_one_page_with_rates(asked, capsys):
    assert main(["top", "--config", str(asked), "--once", "--language", "en"]) == 0
    out = capsys.readouterr().out
    assert "requests 100/s" in out
    assert "\x1b" not in out


def test_json_is_the_figures_as_the_gateway_gave_them(asked, capsys):
    assert main(["top", "--config", str(asked), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["at"] == 101.0


def test_live_draws_until_it_is_interrupted_and_leaves_the_terminal_as_it_was(asked, monkeypatch):
    out, frames = Terminal(), []

    def sleep(seconds: float) -> None:
        frames.append(seconds)
        if len(frames) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(top.time, "sleep", sleep)
    monkeypatch.setattr("sys.stdout", out)
    assert main(["top", "--config", str(asked), "--every", "3", "--language", "en"]) == 0
    text = out.getvalue()
    assert text.count("requests 100/s") == 3
    assert frames[1:] == [3.0, 3.0, 3.0]
    assert text.startswith("\x1b[?1049h")
    assert text.endswith("\x1b[?1049l")


def test_live_waits_for_a_gateway_that_goes_away(asked, monkeypatch):
    out, calls = Terminal(), []
    answer = top.AdminPort.ask

    def ask(port, path: str, **more: object) -> Answer:
        calls.append(path)
        if len(calls) == 3:
            raise top.Misuse("127.0.0.1:8081", "No gateway answers on this admin port (ConnectionRefusedError).")
        if len(calls) == 5:
            raise KeyboardInterrupt
        return answer(port, path, **more)

    monkeypatch.setattr(top.AdminPort, "ask", ask)
    monkeypatch.setattr("sys.stdout", out)
    assert main(["top", "--config", str(asked), "--language", "en"]) == 0
    text = out.getvalue()
    assert "! No gateway answers" in text
    assert text.count("requests 100/s") == 2


@pytest.mark.parametrize(("status", "body"), [(404, b"{}"), (200, b"[]")])
def test_what_is_no_account_is_one_sentence_and_status_2(asked, monkeypatch, capsys, status, body):
    monkeypatch.setattr(top.AdminPort, "ask", lambda *_, **__: Answer(status, body))
    assert main(["top", "--config", str(asked), "--once"]) == 2
    assert "no gateway of this version" in capsys.readouterr().err


def test_without_a_gateway_it_says_how_to_start_one(tmp_path, monkeypatch, capsys):
    folder = write_folder(tmp_path / "config")
    monkeypatch.setenv("TIDEGATE_ADMIN_LISTEN", "unix:/nowhere/admin.sock")
    assert main(["top", "--config", str(folder)]) == 2
    assert "tidegate serve" in capsys.readouterr().err


@pytest.mark.parametrize("every", ["0", "x", "-1", "1e9", "nan"])
def test_how_often_is_a_number_within_reason(every, capsys):
    with pytest.raises(SystemExit):
        main(["top", "--every", every])
    assert "from 0.5 to 3600" in capsys.readouterr().err


def test_the_burst_budget_is_on_the_page_where_there_is_one():
    assert "budget" not in shown(account(), account())
    now = account()
    now.add(measures.BUDGET_USED.name, ("hour",), 0.62)
    now.add(measures.BUDGET_USED.name, ("day",), 0.3)
    now.add(measures.BUDGET_CLOSED.name, (), 0)
    assert "burst budget spent: 62% of the hour's, 30% of the day's" in shown(account(), now)
    now.add(measures.BUDGET_CLOSED.name, (), 1)
    assert "! burst budget: spent, or nobody can say what is (62% of the hour's" in shown(account(), now)
    lost = account()
    lost.add(measures.BUDGET_CLOSED.name, (), 1)
    assert "无法得知（–）" in shown(account(), lost, "zh")
