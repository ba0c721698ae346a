"""`tidegate usage`: what it says of a log, in tables, CSV and JSON, for any period and in both languages."""

import contextlib
import csv
import io
import json
import string
import time

import pytest

from gateway.cli.main import main
from gateway.cli.usage_words import SENTENCES
from gateway.core.audit_record import Activation
from gateway.core.facts import RequestFacts
from gateway.core.labels import Label
from gateway.core.ledger import NAMES, day_text
from gateway.core.records import Attempt, Ending, Stayed, Usage
from tests.core.audit_values import intent, outcome, segment
from tests.fakes.house import write_config

DAY_S = 86_400
NOW = int(time.time())
TODAY = day_text(NOW // 3600)
PRICES = "prices: {currency: CNY, pools: {burst: {prompt: 1000000, completion: 2000000}, home: {per_hour: 0.5}}}\n"


def request(pool="home", *, at=NOW, tenant="bank", label=1, usage=(10, 5), **more):
    zone = "cloud" if pool == "burst" else "onprem"
    facts = RequestFacts(Label(label), Label(label), "default", Label(1), "chat")
    attempts = (Attempt(pool, zone, "e", Ending.COMPLETED, 200, 1.0),) if pool else ()
    cost = (usage[0] + 2 * usage[1]) * 1_000_000 if pool == "burst" else 0
    return outcome(
        f"r{at}",
        at=float(at),
        tenant=tenant,
        facts=facts,
        attempts=attempts,
        usage=Usage(*usage),
        cost_micros=cost,
        **more,
    )


RECORDS = (
    Activation(0.0, "sha256:b", ("public", "internal", "confidential", "restricted")),
    request(),
    request("burst", app="batch"),
    request(label=3, queued_ms=2500.0, stayed=Stayed.LABEL),
    request("", tenant="clinic", label=3, status=503, usage=(0, 0), queued_ms=500.0, stayed=Stayed.LABEL),
    request(tenant="clinic", queued_ms=40.0, stayed=Stayed.BUDGET),
    request(at=NOW - 40 * DAY_S, tenant="long-ago"),
)


@pytest.fixture
def folder(tmp_path):
    config = tmp_path / "config"
    write_config(config, {}, tenants=PRICES)
    put(config, RECORDS)
    return config


def put(config, records):
    name, data, _ = segment(records)
    (config / "state" / "audit").mkdir(parents=True, exist_ok=True)
    (config / "state" / "audit" / f"{name}.jsonl").write_bytes(data)


@pytest.fixture(autouse=True)
def now(monkeypatch):
    """No test sees a new day begin."""
    monkeypatch.setattr("gateway.cli.usage.time", lambda: NOW + 1.0)


@pytest.fixture
def run(folder, capsys):
    def running(*arguments, expect=0):
        assert main(["usage", "--config", str(folder), "--language", "en", *arguments]) == expect
        return capsys.readouterr()

    return running


def rows(text: str, first: str) -> list[list[str]]:
    """The cells of the table that begins with the head `first`."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(first))
    table = lines[start : lines.index("", start)]
    return [[cell for cell in line.split("  ") if cell] for line in table]


def test_a_table_says_who_used_how_much_and_what_privacy_cost(run):
    text = run().out
    assert "5 requests, 60 tokens, 20.00 CNY" in text
    assert [[cell.strip() for cell in row] for row in rows(text, "tenant")] == [
        ["tenant", "requests", "tokens in", "tokens out", "CNY", "waited s", "turned away"],
        ["bank", "3", "30", "15", "20.00", "2.5", "0"],
        ["clinic", "2", "10", "5", "0.00", "0.5", "1"],
        ["all", "5", "40", "20", "20.00", "3.0", "1"],
    ]
    assert "restricted: 2 kept by their label; waited 3.0 s, 1 turned away" in text
    assert "internal: 1 kept since the burst budget was spent; waited 0.0 s, 0 turned away" in text
    assert "Spent on tokens: 20.00 CNY." in text
    # Thirty tokens in and fifteen out were served at home: 30 × 1 + 15 × 2.
    assert "would have cost 60.00 CNY" in text
    assert "Pools that are paid by the hour" in text


def test_json_and_csv_hold_the_same_numbers(run):
    told = json.loads(run("--json", "--by", "tenant,pool").out)
    lines = list(csv.DictReader(io.StringIO(run("--csv", "--by", "tenant,pool").out)))
    assert [{name: str(value) for name, value in row.items()} for row in told["rows"]] == lines
    assert told["total"]["requests"] == 5
    assert sum(int(line["requests"]) for line in lines) == 5
    assert (told["currency"], told["money"]["spent_micros"], told["unreadable"]) == ("CNY", 20_000_000, 0)
    assert set(told["total"]) == set(NAMES)


@pytest.mark.parametrize(
    ("arguments", "requests"),
    [
        ((), 5),
        (("--days", "1"), 5),
        (("--days", "60"), 6),
        (("--day", TODAY), 5),
        (("--since", TODAY), 5),
        (("--since", "2020-01-01", "--until", TODAY), 1),
        (("--tenant", "bank"), 3),
        (("--tenant", "bank", "--tenant", "clinic"), 5),
        (("--tenant", "bank", "--pool", "home"), 2),
        (("--app", "batch"), 1),
        (("--zone", "cloud"), 1),
        (("--label", "restricted"), 2),
        (("--model", "chat"), 5),
        (("--model", "other"), 0),
    ],
)
def test_periods_and_filters_take_what_they_say(run, arguments, requests):
    assert json.loads(run("--json", *arguments).out)["total"]["requests"] == requests


def test_a_month_is_a_chart_of_its_days(run):
    text = run("--month").out
    assert "█ at home  ▒ in the cloud" in text
    (line,) = [line for line in text.splitlines() if line.startswith(f"{TODAY[8:]} █")]
    assert "▒" in line
    assert line.split()[2:] == ["60", "20.00", "CNY"]
    assert json.loads(run("--json", "--month", TODAY[:7]).out)["total"]["requests"] >= 5


@pytest.mark.parametrize(
    "arguments",
    [
        ("--by", "tenant,tenant"),
        ("--by", "shoe"),
        ("--days", "0"),
        ("--day", "2026-13-01"),
        ("--day", "2026-11"),
        ("--month", "2026-11-01"),
        ("--csv", "--json"),
        ("--day", TODAY, "--month"),
    ],
)
def test_what_cannot_be_meant_is_refused(folder, arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["usage", "--config", str(folder), *arguments])
    assert ended.value.code == 2
    assert "usage" in capsys.readouterr().err


def test_a_period_without_a_beginning_or_an_end_is_refused(run):
    assert "Name the first day" in run("--until", TODAY, expect=2).err
    assert "ends before it begins" in run("--since", TODAY, "--until", "2020-01-01", expect=2).err


def test_where_there_is_no_log_yet_it_says_so(tmp_path, capsys):
    write_config(tmp_path / "new", {})
    assert main(["usage", "--config", str(tmp_path / "new")]) == 2
    assert "no audit log yet" in capsys.readouterr().err


def test_without_prices_and_without_waits_it_says_that(tmp_path, capsys):
    write_config(tmp_path / "new", {})
    put(tmp_path / "new", RECORDS[:2])
    assert main(["usage", "--config", str(tmp_path / "new"), "--language", "en"]) == 0
    text = capsys.readouterr().out
    assert "1 requests, 15 tokens, no prices set" in text
    assert "Nothing: no request had to wait" in text
    assert "CNY" not in text
    assert main(["usage", "--config", str(tmp_path / "new"), "--language", "en", "--tenant", "nobody"]) == 0
    assert "No requests from" in capsys.readouterr().out


def test_what_is_missing_or_broken_in_the_log_is_told(folder, run):
    put(folder, (*RECORDS, intent("gone")))
    path = next((folder / "state" / "audit").glob("*.jsonl"))
    path.write_bytes(path.read_bytes() + b"nonsense\n")
    text = run().out
    assert "1 attempts in the cloud have no outcome on record" in text
    assert "1 lines of the audit log could not be read" in text


def test_sums_that_cannot_be_kept_are_told_as_such(run, monkeypatch):
    def full(path, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gateway.runtime.usage_book.replace_file", full)
    told = run()
    assert "5 requests" in told.out
    assert "the next run reads the whole log again" in told.err


def test_a_long_reading_says_how_far_it_is(folder, monkeypatch):
    said = []

    class Seen:
        def __setattr__(self, name, value):
            said.append((name, value))

    @contextlib.contextmanager
    def seen(what):
        yield Seen()

    monkeypatch.setattr("gateway.cli.usage.still_at", seen)
    monkeypatch.setattr("gateway.runtime.usage_book._TOLD_EVERY", 4)
    assert main(["usage", "--config", str(folder), "--language", "en"]) == 0
    assert [value.split(",")[0] for _, value in said] == ["4 records", "8 records"]


def test_with_prices_for_home_alone_nothing_is_said_of_the_cloud(tmp_path, capsys):
    write_config(tmp_path / "new", {}, tenants="prices: {currency: USD, pools: {home: {prompt: 1, completion: 1}}}\n")
    put(tmp_path / "new", RECORDS[:2])
    assert main(["usage", "--config", str(tmp_path / "new"), "--language", "en"]) == 0
    text = capsys.readouterr().out
    assert "Spent on tokens: 0.00 USD." in text
    assert "cheapest" not in text
    assert "by the hour" not in text


def test_every_sentence_is_there_in_both_languages_with_the_same_gaps():
    def gaps(text):
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    for english, chinese in SENTENCES.values():
        assert english
        assert chinese
        assert gaps(english) == gaps(chinese)


def test_a_chinese_page_is_chinese(folder, capsys):
    assert main(["usage", "--config", str(folder), "--language", "zh", "--by", "day,pool"]) == 0
    text = capsys.readouterr().out
    assert "隐私的代价" in text
    assert "kept" not in text
