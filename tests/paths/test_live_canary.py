"""The live canary through whole gateways: what it meets with, what a fault that lets it out comes to, and that nobody
outside can pass for one."""

import ast
import asyncio
import json
import logging
from collections.abc import Callable
from pathlib import Path

import httpx
import msgspec
import pytest

import gateway
from gateway.cli.main import main
from gateway.core.decision import Allow, Mirror
from gateway.core.findings import Coverage, Evidence, Tier
from gateway.core.ledger import CANARY
from gateway.core.ledger_asked import grouped
from gateway.core.records import Ending
from gateway.errors import AuditUnavailable
from gateway.policy.decide import decide
from gateway.policy.live_canary import Verdict
from gateway.runtime import live_canary
from gateway.runtime.audit import AuditLog
from gateway.runtime.audit_tail import AuditTail
from gateway.runtime.usage_book import UsageBook
from tests.fakes import house as houses
from tests.fakes.house import POLICY, House, house
from tests.fakes.model_server import ModelServer
from tests.fakes.process import process
from tests.paths.test_audit_path import CLOUD_FIRST
from tests.paths.test_metrics import scraped

BOTH = ("default", "hospital")


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin at once, and do not wait long for what never comes."""
    monkeypatch.setattr(live_canary, "SETTLE_S", 0.0)
    monkeypatch.setattr(live_canary, "SEEN_WITHIN_S", 2.0)
    monkeypatch.setattr(live_canary, "LOOK_EVERY_S", 0.05)


def block(model: str = "", every: str = "1s") -> str:
    return f"canary: {{every: {every}{f', model: {model}' if model else ''}}}\n"


async def until(comes_true: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not comes_true():  # noqa: ASYNC110 -- somebody else's count
            await asyncio.sleep(0.02)


async def verdicts(running: House, *classes: str) -> set[str]:
    """What became of the last of each class, once there was one."""
    async with asyncio.timeout(30):
        while True:
            told = running.worker._canary.told()["classes"]
            found = [told[name]["verdict"] if name in told else None for name in classes]
            if None not in found:
                return set(found)
            await asyncio.sleep(0.02)


def records(running: House, kind: str) -> list[dict]:
    lines = [line for path in (running.state / "audit").glob("2*.jsonl") for line in path.read_bytes().splitlines()]
    return [found[kind] for found in map(json.loads, lines) if kind in found]


def total(running: House, family: str) -> float:
    return sum(running.worker._instruments.account(now=0.0).numbers.get(family, {}).values())


async def test_without_the_setting_there_is_none(tmp_path):
    async with ModelServer() as home, house(tmp_path, {"home": home}) as running:
        assert running.worker._canary is None
        assert running.worker._face.status().canary is None
        assert total(running, "tidegate_canary_total") == 0
        assert not home.requests


@pytest.mark.parametrize("model", ["", "chat", "chat-home", "chat-cloud"])
async def test_each_class_has_one_and_it_is_held(tmp_path, model):
    async with (
        ModelServer() as home,
        ModelServer() as burst,
        house(tmp_path, {"home": home, "home-b": home, "burst": burst}, gateway=block(model)) as running,
    ):
        assert await verdicts(running, *BOTH) == {Verdict.HELD}
        assert not burst.requests
        assert not records(running, "intent")
        for sent in home.requests:
            assert sent.json["max_tokens"] == 1
        for outcome in records(running, "outcome"):
            assert outcome["canary"] is True
            assert outcome["facts"]["label_low"] == 3
        assert {outcome["tenant"] for outcome in records(running, "outcome")} <= {"bank", "plain", "clinic"}


async def test_no_two_are_alike_so_that_no_memory_answers_for_the_scanner(tmp_path):
    async with ModelServer() as home, house(tmp_path, {"home": home}, gateway=block("chat-home")) as running:
        await until(lambda: len(home.requests) >= 4)
        bodies = [json.dumps(sent.json["messages"]) for sent in home.requests]
        assert len(set(bodies)) == len(bodies)
        assert {outcome["facts"]["label_low"] for outcome in records(running, "outcome")} == {3}


async def test_it_is_billed_to_nobody_and_leaves_no_trace_in_what_tenants_share(tmp_path):
    policy = POLICY.replace("invariants:", "cache: {internal: 1h, confidential: 1h, restricted: 1h}\ninvariants:")
    tenants = "  poor: {class: hospital, limits: {tokens_per_minute: 10, requests_per_minute: 1}}\n"
    tenants += "prices: {currency: CNY, pools: {burst: {prompt: 1, completion: 1}, home: {prompt: 7, completion: 7}}}\n"

    def of_the_poor(config: Path) -> None:
        path = config / "tenants.yaml"
        path.write_text(path.read_text().replace("  clinic: {class: hospital", "  clinic: {class: default"))

    options = {"policy": policy, "tenants": tenants, "rewrite": of_the_poor}
    async with (
        ModelServer() as home,
        house(tmp_path, {"home": home}, gateway=block("chat-home") + "cache: {}\n", **options) as running,
    ):
        assert await verdicts(running, *BOTH) == {Verdict.HELD}
        sent = [one for one in records(running, "outcome") if one["tenant"] == "poor"]
        assert sent
        assert all("held" not in one and "cached" not in one for one in sent)
        for family in ("requests", "tokens", "cost", "findings", "quota_tokens", "cache_requests"):
            assert total(running, f"tidegate_{family}_total") == 0, family
        assert total(running, "tidegate_replies_on_record") == 0
        assert total(running, "tidegate_cache_entries") == 0
        # What a client asks is counted, charged and remembered as ever.
        assert (await running.chat("My card: 4111 1111 1111 1111", model="chat-home")).status_code == 200
        await running.settled()
        for family in ("requests_total", "tokens_total", "cost_total", "replies_on_record", "cache_requests_total"):
            assert total(running, f"tidegate_{family}") > 0, family
    with UsageBook.opened(running.state) as book:
        book.read()
        sums = grouped(book.sums(book.days()).items(), ("tenant", "app"))
    assert set(sums) == {("", CANARY), ("bank", "")}
    assert sums["", CANARY].cost_micros > 0


# What a fault comes to


class Blind:
    """A scanner that sees nothing, and says that it has looked at everything."""

    def __init__(self, scanner) -> None:
        self.digest = scanner.digest

    def scan(self, dialect, document, memo=None):
        return Evidence((), Coverage(frozenset(Tier), (), 1, 1))

    def scan_text(self, text):
        return Evidence((), Coverage(frozenset(Tier), (), 1, 1))


@pytest.mark.parametrize(
    ("model", "expected", "arrives"),
    [("chat-home", Verdict.UNLABELLED, False), ("chat", Verdict.LEFT, True)],
)
async def test_a_scanner_that_finds_nothing_alarms(tmp_path, monkeypatch, caplog, model, expected, arrives):
    real = houses.scanner_for
    monkeypatch.setattr(houses, "scanner_for", lambda markers: Blind(real(markers)))
    async with (
        ModelServer() as home,
        ModelServer() as burst,
        house(tmp_path, {"home": home, "burst": burst}, gateway=block(model), policy=CLOUD_FIRST) as running,
    ):
        assert await verdicts(running, "default") == {expected}
        assert bool(burst.requests) is arrives
        assert total(running, "tidegate_canary_total") >= 1
        fared = running.worker._canary.told()["classes"]["default"]
        assert fared["alarm"] == expected
        assert fared["held_at"] == 0.0
        alarms = [one for one in caplog.records if one.msg == "canary_alarm"]
        assert alarms
        assert alarms[0].levelno == logging.ERROR
        assert alarms[0].fields["reason"] == str(expected)
        assert fared["alarm_id"] in {one.fields["request_id"] for one in alarms}
        # What it was is nobody's to read in the log.
        assert not {"text", "message"} & set(alarms[0].fields)


def sent_to(pool: str, mirror: str | None = None):
    """A policy room that has been tampered with: whatever is asked, this pool may have it."""

    def tampered(policy, facts):
        decision = decide(policy, facts)
        if not isinstance(decision, Allow):
            return decision
        copy = Mirror(mirror, 100.0) if mirror is not None else None
        return msgspec.structs.replace(decision, to=(pool,), spill=(), mirror=copy)

    return tampered


@pytest.mark.parametrize("change", [sent_to("burst"), sent_to("home", "burst")], ids=["itself", "a copy"])
async def test_an_attempt_in_the_cloud_alarms_also_if_a_later_guard_stops_it(tmp_path, monkeypatch, change):
    monkeypatch.setattr("gateway.runtime.deciding.decide", change)
    async with (
        ModelServer() as home,
        ModelServer() as burst,
        house(tmp_path, {"home": home, "burst": burst}, gateway=block("chat")) as running,
    ):
        assert await verdicts(running, "default") == {Verdict.LEFT}
        assert not burst.requests
        assert {intent["pool"] for intent in records(running, "intent")} == {"burst"}
        assert all(intent["canary"] for intent in records(running, "intent"))


class Thief(AuditTail):
    """Whenever somebody looks, the segments are gone."""

    def more(self):
        for path in self._segments():
            path.unlink()
        return super().more()


async def test_a_log_that_is_taken_away_alarms(tmp_path, monkeypatch):
    monkeypatch.setattr(live_canary, "AuditTail", Thief)
    async with ModelServer() as home, house(tmp_path, {"home": home}, gateway=block("chat-home")) as running:
        assert await verdicts(running, *BOTH) == {Verdict.UNSEEN}


async def test_a_log_that_swallows_records_alarms(tmp_path, monkeypatch):
    monkeypatch.setattr(AuditLog, "record", lambda self, outcome: self.release())
    async with ModelServer() as home, house(tmp_path, {"home": home}, gateway=block("chat-home")) as running:
        assert await verdicts(running, "default") == {Verdict.UNSEEN}


async def test_a_log_that_takes_nothing_alarms(tmp_path, monkeypatch):
    def full(self, *, for_stranger=False):
        raise AuditUnavailable

    monkeypatch.setattr(AuditLog, "reserve", full)
    async with ModelServer() as home, house(tmp_path, {"home": home}, gateway=block("chat-home")) as running:
        assert await verdicts(running, "default") == {Verdict.UNSEEN}
        assert not home.requests


async def test_a_record_without_its_mark_is_none(tmp_path, monkeypatch):
    real = AuditLog.record
    monkeypatch.setattr(
        AuditLog, "record", lambda self, outcome: real(self, msgspec.structs.replace(outcome, canary=False))
    )
    async with ModelServer() as home, house(tmp_path, {"home": home}, gateway=block("chat-home")) as running:
        assert await verdicts(running, "default") == {Verdict.UNSEEN}


# What is no alarm


async def test_servers_that_are_down_are_no_alarm_and_it_is_not_held_either(tmp_path, caplog):
    async with house(tmp_path, {}, gateway=block("chat-home")) as running:
        assert await verdicts(running, "default") == {Verdict.FAILED}
        assert running.worker._canary.told()["classes"]["default"]["held_at"] == 0.0
        assert not [one for one in caplog.records if one.msg == "canary_alarm"]


async def test_a_mirror_at_home_gets_a_copy_that_is_marked(tmp_path):
    policy = POLICY.replace("to: [home, home-b], on_full", "to: [home], mirror: {pool: home-b, percent: 100}, on_full")
    async with (
        ModelServer() as home,
        ModelServer() as other,
        house(tmp_path, {"home": home, "home-b": other}, policy=policy, gateway=block("chat")) as running,
    ):
        assert await verdicts(running, *BOTH) == {Verdict.HELD}
        assert other.requests
        copies = records(running, "mirrored")
        assert copies
        assert all(copy["canary"] for copy in copies)


async def test_one_that_is_under_way_when_the_gateway_stops_is_broken_off_and_not_judged(tmp_path, monkeypatch):
    async def silent(peer):
        await peer.until_gone()

    monkeypatch.setattr(live_canary, "SEEN_WITHIN_S", 30.0)
    async with ModelServer() as home:
        home.script = silent
        async with house(tmp_path, {"home": home}, gateway=block("chat-home")) as running:
            await until(lambda: home.requests)
        assert not running.worker._canary._counts
        assert [one["ending"] for one in records(running, "outcome")] in ([Ending.CLIENT_GONE], [Ending.CANCELLED])


# Nobody outside


async def test_nothing_that_a_client_sends_makes_its_request_a_canary(tmp_path):
    marks = {"x-tidegate-canary": "true", "canary": "true", "x-canary": "1", "x-request-id": "req_" + "0" * 24}
    async with ModelServer() as home, house(tmp_path, {"home": home}) as running:
        body = {
            "model": "chat", "messages": [{"role": "user", "content": "4111 1111 1111 1111"}], "canary": True,
            "planted": True, "max_tokens": 1, "metadata": {"canary": "true"}, "user": "canary",
        }  # fmt: skip
        for headers in ({}, marks, *({name: value} for name, value in marks.items())):
            for key in (running.key, "", "canary", "sk-tg-canary"):
                own = {**headers, **({"authorization": f"Bearer {key}"} if key else {})}
                answer = await running.client.post("/v1/chat/completions?canary=true", json=body, headers=own)
                assert answer.status_code == (200 if key == running.key else 401)
        await running.settled()
    outcomes = records(running, "outcome")
    assert len(outcomes) == 24
    assert not any("canary" in outcome for outcome in outcomes)


def test_one_place_makes_them_and_no_face_knows_of_them():
    root = Path(gateway.__file__).parent
    calls = {
        str(path.relative_to(root))
        for path in root.rglob("*.py")
        if "Planted(" in path.read_text()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Planted"
    }
    assert calls == {"runtime/live_canary.py"}
    assert not [path for path in (root / "api").glob("*.py") if "lanted" in path.read_text()]


# As a process


async def test_a_real_gateway_sends_them_from_one_worker_and_says_how_they_fare(tmp_path, capsys):
    async with ModelServer() as home, ModelServer() as burst:
        pools = {"home": home, "home-b": home, "burst": burst}
        async with process(tmp_path, pools, gateway=block(every="2s") + "workers: 2\n") as running:
            async with asyncio.timeout(60):
                while True:
                    page = await scraped(running)
                    held = {
                        labels: count
                        for (name, labels), count in page.items()
                        if name == "tidegate_canary_total" and 'verdict="held"' in labels
                    }
                    if len(held) == 2 and all(held.values()):
                        break
                    await asyncio.sleep(0.1)
            assert len([one for one in page if one[0] == "tidegate_canary_held_timestamp_seconds"]) == 2
            headers = {"authorization": f"Bearer {running.admin_token}"}
            async with httpx.AsyncClient(base_url=running.admin_url, headers=headers, trust_env=False) as client:
                told = (await client.get("/admin/v1/status")).json()["canary"]
            assert {one["verdict"] for one in told["classes"].values()} == {"held"}
            assert told["skipped"] == {}
        assert not burst.requests
        segments = (running.config / "state" / "audit").glob("*-w1-*.jsonl")
        assert not any(b'"canary":true' in path.read_bytes() for path in segments)
    assert main(["audit", "verify", str(running.config / "state" / "audit")]) == 0
    capsys.readouterr()
