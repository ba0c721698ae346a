"""What is counted of a settled request, and that nothing of it could name who asked or what."""

import pytest

from gateway.core import measures
from gateway.core.decision import Allow, Deny, DenyCode
from gateway.core.facts import RequestFacts, Tenant
from gateway.core.figures import Account
from gateway.core.findings import Coverage, Evidence, Finding, Unscanned
from gateway.core.labels import Label, LabelOrder
from gateway.core.measures import NONE, OTHER
from gateway.core.records import Ending, FullScan, ScanEnding, ScanReason, Stayed, Usage
from gateway.core.topology import Endpoint, Pool, Topology
from gateway.errors import NotFound, Overloaded, TidegateError, Unauthenticated
from gateway.ports import Inbound
from gateway.runtime import instruments as instruments_file
from gateway.runtime.call import Call
from gateway.runtime.instruments import Instruments
from gateway.wire.requests import Dialect, parse

ORDER = LabelOrder(("public", "internal", "restricted"))
HOME = Pool("home", "onprem", Label(2), "vllm", "m", (Endpoint("h"),))
BURST = Pool("burst", "cloud", Label(1), "openai", "m", (Endpoint("b"),))
ALLOW = Allow(("home",), ("burst",), 1.0, "rest", Label(1))
NOTHING = Evidence((), Coverage(frozenset()))


def fresh() -> Instruments:
    return Instruments(Topology((HOME, BURST)), ORDER)


def call(*, streamed: bool = False, allow: Allow | Deny | None = ALLOW, evidence: Evidence | None = NOTHING) -> Call:
    made = Call("0" * 24, Inbound(b"POST", b"/v1/chat/completions", None, b"{}", 100.0), path="chat", order=ORDER)
    made.tenant = Tenant("bank", "default", None)
    body = b'{"model":"m","messages":[{"role":"user","content":"x"}],"stream":%b}'
    made.request = parse(Dialect.CHAT, body % (b"true" if streamed else b"false"))
    made.evidence = evidence
    made.facts = RequestFacts(Label(0), Label(1), "default", None, "m")
    made.decision = allow
    return made


def tried(made: Call, pool: Pool, ending: Ending, *, at: float = 100.001, until: float = 101.0) -> Call:
    made.begin_attempt(pool, pool.endpoints[0], now=at)
    made.end_attempt(ending, 200, "", now=until)
    return made


def counted(instruments: Instruments, family: measures.Family) -> dict[tuple[str, ...], float]:
    return instruments.account(now=1.0).numbers.get(family.name, {})


def seen(account: Account, family: measures.Family, *labels: str) -> list[float]:
    """The upper ends of the buckets that have something in them, once for each value."""
    spread = account.spreads[family.name][labels]
    bounds = (*family.bounds, float("inf"))
    return [bound for bound, count in zip(bounds, spread.counts, strict=True) for _ in range(count)]


def test_a_request_that_went_well_is_in_every_figure_once():
    instruments, made = fresh(), tried(call(), HOME, Ending.COMPLETED)
    made.usage = Usage(300, 180)
    instruments.settled(made, Ending.COMPLETED, None, now=101.2)
    account = instruments.account(now=5.0)
    assert account.numbers == {
        "tidegate_requests_total": {("chat", "default", "internal", "onprem", "home", "completed"): 1},
        "tidegate_decisions_total": {("rest", "allow"): 1},
        "tidegate_tokens_total": {
            ("default", "onprem", "home", "prompt"): 300,
            ("default", "onprem", "home", "completion"): 180,
        },
        "tidegate_attempts_total": {("onprem", "home", "completed"): 1},
    }
    assert seen(account, measures.DURATION, "onprem", "home", "false") == [2.5]
    assert seen(account, measures.ADDED, "onprem") == [0.002]
    assert seen(account, measures.QUEUE_WAIT, "default") == [0.0]
    assert measures.FIRST_TOKEN.name not in account.spreads
    assert account.at == 5.0


def test_the_gateways_own_time_leaves_out_the_queue_and_everything_after_the_first_try():
    instruments, made = fresh(), call()
    made.queued_s = 3.0
    tried(made, HOME, Ending.UPSTREAM_FAILED, at=103.0001)
    tried(made, HOME, Ending.COMPLETED, at=150.0)
    instruments.settled(made, Ending.COMPLETED, None, now=160.0)
    account = instruments.account(now=5.0)
    assert seen(account, measures.ADDED, "onprem") == [0.0002]
    assert seen(account, measures.QUEUE_WAIT, "default") == [5.0]


def test_a_stream_is_timed_to_its_first_content():
    instruments, made = fresh(), tried(call(streamed=True), HOME, Ending.COMPLETED)
    made.first_content_s = 0.3
    instruments.settled(made, Ending.COMPLETED, None, now=101.2)
    account = instruments.account(now=5.0)
    assert seen(account, measures.FIRST_TOKEN, "onprem", "home") == [0.5]
    assert seen(account, measures.DURATION, "onprem", "home", "true") == [2.5]


def test_each_try_counts_where_it_was_made_and_each_that_was_followed_by_another_as_failed_over():
    instruments, made = fresh(), call()
    for pool, ending in ((HOME, Ending.UPSTREAM_FAILED), (HOME, Ending.UPSTREAM_FAILED), (BURST, Ending.COMPLETED)):
        tried(made, pool, ending)
    instruments.settled(made, Ending.COMPLETED, None, now=101.2)
    assert counted(instruments, measures.ATTEMPTS) == {
        ("onprem", "home", "upstream_failed"): 2,
        ("cloud", "burst", "completed"): 1,
    }
    assert counted(instruments, measures.FAILOVERS) == {("onprem", "home"): 2}


def test_a_try_that_ended_otherwise_than_its_request_counts_as_it_ended():
    instruments, made = fresh(), tried(call(), HOME, Ending.UPSTREAM_FAILED)
    instruments.settled(made, Ending.CLIENT_GONE, None, now=101.2)
    assert counted(instruments, measures.ATTEMPTS) == {("onprem", "home", "upstream_failed"): 1}
    assert counted(instruments, measures.FAILOVERS) == {}


@pytest.mark.parametrize(
    ("pool", "allow", "expected"),
    [
        (BURST, ALLOW, {("internal", "cloud", "burst"): 1}),
        (HOME, ALLOW, {}),
        (BURST, Allow(("burst", "home"), ("burst",), 1.0, "cloud", Label(1)), {}),
    ],
)
def test_what_went_to_a_pool_of_spill_and_only_there_has_spilled(pool, allow, expected):
    instruments = fresh()
    instruments.settled(tried(call(allow=allow), pool, Ending.COMPLETED), Ending.COMPLETED, None, now=101.0)
    assert counted(instruments, measures.SPILLED) == expected


def test_a_stranger_is_none_of_ours():
    instruments = fresh()
    made = Call("0" * 24, Inbound(b"POST", b"/x", b"Bearer sk-secret", b"{}", 100.0), path="chat", order=ORDER)
    instruments.settled(made, Ending.REFUSED, Unauthenticated(), now=100.1)
    assert counted(instruments, measures.REQUESTS) == {("chat", NONE, NONE, NONE, NONE, "refused"): 1}
    assert counted(instruments, measures.REFUSALS) == {("invalid_api_key",): 1}
    account = instruments.account(now=1.0)
    assert measures.DECISIONS.name not in account.numbers
    assert measures.QUEUE_WAIT.name not in account.spreads
    assert measures.ADDED.name not in account.spreads


def test_what_was_no_request_for_us_has_no_interface():
    instruments = fresh()
    made = Call("0" * 24, Inbound(b"GET", b"/x", None, b"", 100.0), path="", order=ORDER)
    instruments.settled(made, Ending.REFUSED, NotFound(), now=100.1)
    assert counted(instruments, measures.REQUESTS) == {(NONE, NONE, NONE, NONE, NONE, "refused"): 1}


def test_a_refusal_of_the_policy_and_one_for_want_of_a_place_are_told_apart():
    instruments = fresh()
    deny = Deny(DenyCode.DENIED_BY_ROUTE, "not-there", "No.")
    instruments.settled(call(allow=deny), Ending.REFUSED, TidegateError(code="denied_by_policy"), now=100.1)
    full = call()
    full.queued_s = 0.2
    instruments.settled(full, Ending.REFUSED, Overloaded(), now=100.2)
    assert counted(instruments, measures.DECISIONS) == {("not-there", "deny"): 1, ("rest", "allow"): 1}
    assert counted(instruments, measures.REFUSALS) == {("denied_by_policy",): 1, ("overloaded",): 1}
    assert seen(instruments.account(now=1.0), measures.QUEUE_WAIT, "default") == [0.25]


def test_what_detection_saw_is_counted_without_what_a_marker_says():
    found = [Finding(entity, 1.0, "x", 0, 1, "d") for entity in ("EMAIL", "EMAIL", "MARKER:project x", "MARKER:secret")]
    coverage = Coverage(frozenset(), (Unscanned("image", "messages[0]"),), failure="deadline")
    instruments = fresh()
    instruments.settled(call(evidence=Evidence(tuple(found), coverage)), Ending.REFUSED, None, now=100.1)
    assert counted(instruments, measures.FINDINGS) == {("EMAIL",): 2, ("MARKER",): 2}
    assert counted(instruments, measures.UNSCANNED) == {("image",): 1}
    assert counted(instruments, measures.SCAN_FAILURES) == {("deadline",): 1}


def test_a_full_scan_counts_by_why_it_ran_and_what_came_of_it():
    instruments = fresh()
    for ending in (ScanEnding.COMPLETED, ScanEnding.COMPLETED, ScanEnding.INCOMPLETE):
        made = call()
        made.full_scan = FullScan(ScanReason.NO_PLACE, ending, 40.0)
        instruments.settled(made, Ending.REFUSED, None, now=100.1)
    assert counted(instruments, measures.FULL_SCANS) == {("no_place", "completed"): 2, ("no_place", "incomplete"): 1}


def test_words_beyond_all_reason_count_as_one():
    instruments = fresh()
    for number in range(1000):
        instruments.settled(call(), Ending.REFUSED, TidegateError(code=f"code-{number}"), now=100.1)
    codes = counted(instruments, measures.REFUSALS)
    assert len(codes) == 257
    assert codes[(OTHER,)] == 1000 - 256


def test_kinds_of_requests_beyond_all_reason_count_as_one(monkeypatch):
    monkeypatch.setattr(instruments_file, "MOST_KINDS", 3)
    instruments = fresh()
    for number in range(10):
        made = tried(call(), HOME, Ending.COMPLETED)
        made.path = f"api-{number}"
        instruments.settled(made, Ending.COMPLETED, None, now=101.0)
    requests = counted(instruments, measures.REQUESTS)
    assert len(requests) == 4
    assert requests[(OTHER, OTHER, "internal", "onprem", "home", "completed")] == 7
    assert sum(requests.values()) == 10


def test_meters_and_readers_are_part_of_the_account():
    instruments = fresh()
    take = instruments.meter(measures.SCAN, "request")
    take(0.0001)
    instruments.meter(measures.SCAN, "request")(7.0)
    full = [0.5]
    instruments.ask(lambda: [(measures.IN_FLIGHT, ("onprem", "home"), full[0])])
    full[0] = 2.0
    account = instruments.account(now=1.0)
    assert seen(account, measures.SCAN, "request") == [0.0001, float("inf")]
    assert account.spreads[measures.SCAN.name][("request",)].sum == pytest.approx(7.0001)
    assert account.numbers[measures.IN_FLIGHT.name] == {("onprem", "home"): 2.0}


def test_an_account_once_given_does_not_change():
    instruments = fresh()
    instruments.settled(tried(call(), HOME, Ending.COMPLETED), Ending.COMPLETED, None, now=101.0)
    before = instruments.account(now=1.0)
    counts = [spread.counts.copy() for spreads in before.spreads.values() for spread in spreads.values()]
    instruments.settled(tried(call(), HOME, Ending.COMPLETED), Ending.COMPLETED, None, now=101.0)
    instruments.account(now=2.0)
    assert [spread.counts for spreads in before.spreads.values() for spread in spreads.values()] == counts


def test_money_is_told_by_class_and_place_in_units_of_its_currency():
    instruments = Instruments(Topology((HOME, BURST)), ORDER, "CNY")
    for micros in (1_500_000, 250_000):
        made = tried(call(), BURST, Ending.COMPLETED)
        made.cost_micros = micros
        instruments.settled(made, Ending.COMPLETED, None, now=101.0)
    instruments.settled(tried(call(), HOME, Ending.COMPLETED), Ending.COMPLETED, None, now=101.0)
    assert counted(instruments, measures.COST) == {("default", "cloud", "burst", "CNY"): 1.75}


def test_what_stayed_is_told_by_its_label_and_by_what_kept_it():
    instruments = fresh()
    for because in (Stayed.LABEL, Stayed.LABEL, Stayed.BUDGET):
        made = tried(call(), HOME, Ending.COMPLETED)
        made.stayed = because
        instruments.settled(made, Ending.COMPLETED, None, now=101.0)
    assert counted(instruments, measures.STAYED) == {("internal", "label"): 2, ("internal", "budget"): 1}
