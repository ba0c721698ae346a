"""`tidegate burst` and `tidegate pool`: what is asked for, what is said of it, and how it ends."""

import json
import re
import string

import msgspec
import pytest

from gateway.cli import overrides
from gateway.cli.admin_port import AdminPort, Answer
from gateway.cli.main import main
from gateway.cli.override_words import SENTENCES
from gateway.core.controls import NOTHING_SET, Drain, Order, Refused, SetBurst, Undrain, ordered
from tests.cli.folder import write_folder

NOW = 1_795_290_000.0
POOLS = {
    "home": {"in_flight": 58, "limit": 64, "waiting": 3, "zone": "onprem", "reserved": 6, "pressure": 1.05,
             "is_spilling": True, "labels_spilling": {}},
    "burst": {"in_flight": 2, "limit": 64, "waiting": 0, "zone": "cloud", "pressure": 0.031, "is_drained": True},
}  # fmt: skip


class Gateway:
    """What answers on the admin port."""

    def __init__(self):
        self.controls = NOTHING_SET
        self.orders = []
        self.says = {"is_kept": True, "is_recorded": True}
        self.answer = None
        self.budget = None
        self.warm = []

    def shown(self):
        return {"controls": self.controls, "epoch": 1, "pools": POOLS, "budget": self.budget, "warm": self.warm}

    def ask(self, port, path, *, method="GET", body=b""):
        assert path == "/admin/v1/controls"
        if self.answer is not None:
            return self.answer
        if method == "GET":
            return Answer(200, msgspec.json.encode(self.shown()))
        order = msgspec.json.decode(body, type=Order)
        self.orders.append(order)
        try:
            self.controls = ordered(self.controls, order, NOW)
        except Refused as refused:
            return Answer(400, msgspec.json.encode({"error": {"message": refused.reason, "code": "invalid_request"}}))
        return Answer(200, msgspec.json.encode({"controls": self.controls, "warm": self.warm, **self.says}))


@pytest.fixture
def gateway(monkeypatch):
    found = Gateway()
    monkeypatch.setattr(AdminPort, "ask", lambda port, path, **more: found.ask(port, path, **more))
    monkeypatch.setattr("getpass.getuser", lambda: "ana")
    monkeypatch.setenv("TZ", "UTC")
    return found


@pytest.fixture
def run(tmp_path, capsys):
    folder = write_folder(tmp_path / "config")

    def ran(*line, language="en"):
        status = main([*line, "--config", str(folder), "--language", language])
        said = capsys.readouterr()
        return status, said.out, said.err

    return ran


@pytest.mark.parametrize(
    ("word", "share", "says"),
    [
        ("off", 0.0, "Burst is off"),
        ("on", 1.0, "Burst is on"),
        ("25%", 0.25, "Burst is at 25%"),
        ("12.5%", 0.125, "Burst is at 12.5%"),
        ("0%", 0.0, "Burst is off"),
        ("auto", None, "Burst is automatic"),
    ],
)
def test_burst_asks_for_a_share_and_says_what_holds(gateway, run, word, share, says):
    status, out, err = run("burst", word, "--for", "30m")
    assert (status, err) == (0, "")
    assert gateway.orders == [Order(SetBurst(share), "ana", 1800.0)]
    assert says in out
    assert ("set by ana" in out) is (share is not None)


def test_burst_without_a_setting_says_what_holds(gateway, run):
    assert "automatic" in run("burst")[1]
    gateway.controls = ordered(NOTHING_SET, Order(SetBurst(0.25), "eva"), NOW)
    status, out, _ = run("burst")
    assert (status, "set by eva" in out) == (0, True)
    assert gateway.orders == []
    assert re.search(r"until 2026-11-2\d \d\d:\d\d \(UTC[+-]\d\d:\d\d\)", out.replace("\n", " "))
    shown = json.loads(run("burst", "--json")[1])
    assert (shown["ok"], shown["controls"]["burst"]["share"]) == (True, 0.25)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90.0), ("8h", 28_800.0), ("2d", 172_800.0), ("7d", 604_800.0)])
def test_an_override_holds_for_as_long_as_it_is_told(gateway, run, text, seconds):
    run("pool", "drain", "home", "--for", text)
    assert gateway.orders[0].for_s == seconds


def test_an_override_holds_for_an_hour_where_nothing_is_said(gateway, run):
    run("burst", "off")
    assert gateway.orders[0].for_s == 3600.0


@pytest.mark.parametrize(
    "line",
    [
        ("burst", "101%"),
        ("burst", "half"),
        ("burst", "-5%"),
        ("burst", "off", "--for", "8d"),
        ("burst", "off", "--for", "0s"),
        ("burst", "off", "--for", "5"),
        ("pool", "drain"),
        ("pool",),
    ],
)
def test_misuse_is_said_before_anybody_is_asked(gateway, line):
    with pytest.raises(SystemExit) as stopped:
        main(list(line))
    assert stopped.value.code == 2
    assert gateway.orders == []


def test_a_pool_is_drained_and_undrained(gateway, run):
    status, out, _ = run("pool", "drain", "home")
    assert (status, "`home` takes no more work (until" in out) == (0, True)
    status, out, _ = run("pool", "undrain", "home")
    assert (status, out) == (0, "The pool `home` takes work.\n")
    assert [order.change for order in gateway.orders] == [Drain("home"), Undrain("home")]


def test_what_is_set_can_be_told_to_programs(gateway, run):
    status, out, _ = run("pool", "drain", "home", "--json")
    said = json.loads(out)
    assert (status, said["ok"], said["is_kept"], said["is_recorded"]) == (0, True, True, True)
    assert said["controls"]["drained"] == [{"pool": "home", "by": "ana", "at": NOW, "until": NOW + 3600}]


@pytest.mark.parametrize(
    ("missing", "says"), [("is_kept", "a restart of the gateway undoes it"), ("is_recorded", "the audit log")]
)
def test_what_is_not_written_down_is_said(gateway, run, missing, says):
    gateway.says[missing] = False
    status, out, err = run("pool", "drain", "home")
    assert (status, "takes no more work" in out, says in err) == (0, True, True)


def test_pools_are_listed(gateway, run):
    gateway.controls = ordered(NOTHING_SET, Order(Drain("burst"), "ana"), NOW)
    status, out, _ = run("pool", "list")
    assert status == 0
    head, home, burst, *rest = out.splitlines()
    assert head.split() == ["pool", "zone", "in", "use", "kept", "waiting", "pressure", "state"]
    assert home.split() == ["home", "onprem", "58/64", "6", "3", "105%", "spilling"]
    assert burst.split()[:7] == ["burst", "cloud", "2/64", "0", "0", "3%", "drained"]
    assert "Burst is automatic" in "\n".join(rest)
    shown = json.loads(run("pool", "list", "--json")[1])
    assert shown["pools"]["home"]["waiting"] == 3


def test_everything_is_said_in_chinese_as_well(gateway, run):
    assert "溢出已关闭" in run("burst", "off", language="zh")[1]
    assert "不再接收新请求" in run("pool", "drain", "home", language="zh")[1]
    lines = run("pool", "list", language="zh")[1].splitlines()
    assert lines[0].split()[0] == "资源池"
    # Columns stand under their heads although a Chinese character takes two.
    assert lines[1].index("onprem") == len("资源池") * 2 + 2


def test_both_languages_have_every_sentence_with_the_same_gaps():
    for english, chinese in SENTENCES.values():
        gaps = [{name for _, name, _, _ in string.Formatter().parse(text) if name} for text in (english, chinese)]
        assert gaps[0] == gaps[1]
        assert english
        assert chinese


def test_a_refusal_of_the_gateways_ends_with_1(gateway, run):
    gateway.answer = Answer(404, b'{"error": {"message": "There is no pool with this name."}}')
    status, out, err = run("pool", "drain", "hone")
    assert (status, out) == (1, "")
    assert "There is no pool with this name." in err
    status, out, _ = run("pool", "drain", "hone", "--json")
    assert (status, json.loads(out)["problems"][0]["message"]) == (1, "There is no pool with this name.")


@pytest.mark.parametrize(("status", "body"), [(200, b"[]"), (404, b"{}"), (200, b"\xff")])
def test_what_is_no_gateway_of_this_version_ends_with_2(gateway, run, status, body):
    gateway.answer = Answer(status, body)
    assert run("pool", "drain", "home")[0] == 2
    assert "of this version" in run("burst", "off")[2]


@pytest.mark.parametrize(
    ("name", "told"),
    [("ana", "ana"), ("DOMAIN\\ana b", "DOMAIN_ana_b"), ("@ops", "ops"), ("...", "unknown"), ("x" * 99, "x" * 64)],
)
def test_whoever_asks_is_named_as_the_audit_log_can_take_it(monkeypatch, name, told):
    monkeypatch.setattr("getpass.getuser", lambda: name)
    assert overrides._who() == told
    assert ordered(NOTHING_SET, Order(SetBurst(0.0), overrides._who()), NOW).share == 0.0


@pytest.mark.parametrize("error", [KeyError, OSError])
def test_a_machine_that_knows_no_name_is_no_hindrance(monkeypatch, error):
    def nobody():
        raise error

    monkeypatch.setattr("getpass.getuser", nobody)
    assert overrides._who() == "unknown"


@pytest.mark.parametrize(
    ("level", "shares", "english", "chinese"),
    [
        ("ok", (0.5, None, 0.25), "50% of the hour's, 25% of the month's are spent.", "本小时 50%，本月 25%"),
        ("low", (None, 0.81, None), "The burst budget is low: 81% of the day's are spent.", "本日 81%"),
        ("spent", (1.0, None, None), "nothing leaves for the cloud until there is money again", "溢出预算已用尽"),
        ("lost", (None, None, None), "Nobody can say what of the burst budget is spent", "不再外发"),
    ],
)  # fmt: skip
def test_burst_says_how_its_money_stands(gateway, run, level, shares, english, chinese):
    gateway.budget = {"level": level, "shares": shares}
    assert english in run("burst")[1].replace("\n", " ")
    assert chinese in run("burst", language="zh")[1].replace("\n", "")
    assert json.loads(run("burst", "--json")[1])["budget"] == {"level": level, "shares": list(shares)}


def test_without_a_budget_nothing_is_said_of_one(gateway, run):
    assert "budget" not in run("burst")[1]
    assert json.loads(run("burst", "--json")[1])["budget"] is None


WARM = {"pool": "burst", "endpoint": "east", "until": NOW, "is_ending": False, "error": ""}


@pytest.mark.parametrize(
    ("more", "line", "language", "says"),
    [
        ({}, ("burst",), "en", "The gateway keeps `burst` ready by a warm-up, until 2026-"),
        ({}, ("burst",), "zh", "网关已预热 `burst`"),
        ({"is_ending": True}, ("burst", "off"), "en", "The warm-up of `burst` (until 2026-"),
        ({"is_ending": True}, ("burst", "off"), "zh", "正在结束 `burst` 的预热"),
        ({"is_ending": True}, ("pool", "drain", "burst"), "en", "is being ended"),
        ({"is_ending": True, "error": "AccessDenied"}, ("burst",), "en", "could not be ended (AccessDenied)"),
    ],
)
def test_burst_says_which_warm_ups_hold_and_which_are_being_ended(gateway, run, more, line, language, says):
    gateway.warm = [WARM | more]
    assert says in run(*line, language=language)[1].replace("\n", " ")
    if line == ("burst",):
        assert json.loads(run(*line, "--json")[1])["warm"] == gateway.warm


def test_a_warm_up_of_another_pool_is_not_said_when_one_is_drained(gateway, run):
    gateway.warm = [WARM]
    assert "warm-up" not in run("pool", "drain", "home")[1]
