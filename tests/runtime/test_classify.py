"""Where the scanner may run and for how long; everything short of a finished scan counts as nothing covered."""

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from msgspec.structs import replace

from gateway.core.facts import Tenant
from gateway.core.findings import Coverage, Evidence, Finding, Tier, Unscanned, nothing_covered
from gateway.core.keyed_hash import KeyedHash
from gateway.core.labels import Label
from gateway.core.message import Message
from gateway.detect.memo import Memos, MemoStore
from gateway.policy.compile import load
from gateway.policy.labelling import label
from gateway.runtime.classify import Classifier
from tests.fakes.full_scanner import (
    FAULTS,
    TAKERS,
    ScriptedScanner,
    a_person,
    gives_up,
    never,
    nothing,
    with_models,
)
from tests.policy.making import EXAMPLE, INTERNAL, RESTRICTED, example

CLEAN = Evidence((), Coverage(frozenset(Tier)))
FOUND = Evidence((Finding("US_SSN", 0.9, "input", 0, 11, "us-ssn"),), Coverage(frozenset(Tier)))
POLICY = example()


class FakeScanner:
    """Says what it is told, remembers where it ran, and waits if it is told to."""

    digest = "sha256:fake"

    def __init__(self, evidence=CLEAN):
        self.evidence = evidence
        self.threads = []
        self.memos = []
        self.go_on = threading.Event()
        self.go_on.set()

    def scan(self, dialect, document, memo=None):
        self.memos.append(memo)
        self.threads.append(threading.current_thread())
        self.go_on.wait(10)
        return self.evidence

    def scan_text(self, text):
        raise AssertionError("nobody asks for this")


@pytest.fixture
def make():
    with ThreadPoolExecutor(1) as executor:

        def build(scanner, **options):
            return Classifier(scanner, POLICY, executor, inline=100, home_only_above=1000, **options)

        yield build


@pytest.mark.parametrize(("size", "is_inline"), [(1, True), (100, True), (101, False), (1000, False)])
async def test_small_requests_are_scanned_on_the_loop_and_larger_ones_beside_it(make, size, is_inline):
    scanner = FakeScanner()
    assert await make(scanner).classify("chat", {}, size=size) is CLEAN
    assert [thread is threading.current_thread() for thread in scanner.threads] == [is_inline]


@pytest.mark.parametrize("size", [100, 101])
async def test_a_request_is_scanned_with_its_tenants_memo_and_what_leaves_with_none(make, size):
    memos = {name: Memos(KeyedHash(b"k" * 32), "d", MemoStore()).of(name) for name in ("bank", "clinic")}
    scanner = FakeScanner()
    classifier = make(scanner, memo_of=memos.__getitem__)
    await classifier.classify("chat", {}, size=size, tenant="bank")
    await classifier.classify("chat", {}, size=size, tenant="clinic")
    await classifier.classify("chat", {}, size=size)
    await classifier.rescan(Message(b"POST", b"/v1/embeddings", (), json.dumps({"input": "x" * size}).encode()))
    await make(scanner).classify("chat", {}, size=size, tenant="bank")
    assert scanner.memos == [memos["bank"], memos["clinic"], None, None, None]


async def test_what_is_too_large_is_not_scanned_and_counts_as_the_worst(make):
    scanner = FakeScanner()
    evidence = await make(scanner).classify("chat", {}, size=1001)
    assert scanner.threads == []
    assert label(POLICY, evidence)[1] == RESTRICTED


async def test_a_scan_that_takes_too_long_counts_as_the_worst_and_holds_up_nobody(make):
    scanner = FakeScanner()
    scanner.go_on.clear()
    try:
        evidence = await asyncio.wait_for(make(scanner, deadline_s=0.01).classify("chat", {}, size=500), 5)
        assert label(POLICY, evidence)[1] == RESTRICTED
        assert evidence.coverage.tiers == frozenset()
    finally:
        scanner.go_on.set()


async def test_what_was_noticed_before_the_scan_is_part_of_the_evidence(make):
    flag, other = Unscanned("control_tokens", ""), Unscanned("image", "messages[0]")
    scanner = FakeScanner(Evidence((), Coverage(frozenset(Tier), (other,))))
    evidence = await make(scanner).classify("chat", {}, size=1, flags=(flag,))
    assert set(evidence.coverage.unscanned) == {flag, other}
    assert label(POLICY, await make(FakeScanner()).classify("chat", {}, size=1, flags=(flag,)))[1] == RESTRICTED


@pytest.mark.parametrize(
    ("target", "body", "evidence", "expected"),
    [
        (b"/v1/embeddings", {"input": "hello"}, CLEAN, INTERNAL),
        (b"/v1/embeddings", {"input": "536-22-8723"}, FOUND, RESTRICTED),
        (b"/v1/elsewhere", {"input": "hello"}, CLEAN, RESTRICTED),
        (b"/v1/embeddings", {"input": "x" * 1000}, CLEAN, None),
    ],
)
async def test_a_message_about_to_leave_is_labelled_by_its_own_bytes(make, target, body, evidence, expected):
    message = Message(b"POST", target, (), json.dumps(body).encode())
    assert await make(FakeScanner(evidence)).rescan(message) == expected


async def test_what_a_tenants_class_vouches_for_holds_for_the_final_bytes_too(make):
    message = Message(b"POST", b"/v1/embeddings", (), b'{"input":"hello"}')
    vouches = Tenant("bank", "default", INTERNAL, attested=Label(0))
    assert await make(FakeScanner(CLEAN)).rescan(message, vouches) == Label(0)
    assert await make(FakeScanner(FOUND)).rescan(message, vouches) == RESTRICTED


# The tiers that are too slow for every request

MODELS = load(EXAMPLE.replace("  may_leave:", "  tiers: [structured, names, ner]\n  may_leave:").encode(), "p")
CHEAP = Evidence((), Coverage(frozenset({Tier.STRUCTURED, Tier.NAMES}), (Unscanned("image", "messages[0]"),), 1, 5))
NAMED = replace(CHEAP, findings=(Finding("PERSON", 0.7, "input", 0, 4, "en-name"),))
BANK = Tenant("bank", "default", INTERNAL)
STRICT = Tenant("bank", "default", INTERNAL, full_scan=True)


@pytest.fixture
def complete():
    with ThreadPoolExecutor(1) as executor:

        async def run(script, evidence=CHEAP, tenant=BANK, **options):
            full = ScriptedScanner(script) if script is not None else None
            deadline = {"full_deadline_s": 0.02, **options}
            classifier = Classifier(
                FakeScanner(), MODELS, executor, inline=100, home_only_above=1000, full_scanner=full, **deadline
            )
            return await classifier.complete("chat", {}, evidence, tenant)

        yield run


@pytest.mark.parametrize("before", [CHEAP, NAMED])
async def test_a_full_scan_adds_its_findings_and_its_tier_and_keeps_the_rest(complete, before):
    done = await complete(a_person, before)
    assert done.findings[: len(before.findings)] == before.findings
    assert [found.detector for found in done.findings[len(before.findings) :]] == ["ner-en"]
    assert done.coverage == replace(before.coverage, tiers=frozenset(Tier))


async def test_a_full_scan_may_be_surer_of_what_was_found_before(complete):
    async def surer(evidence):
        return with_models(replace(evidence, findings=(Finding("PERSON", 0.9, "input", 0, 4, "ner-en"),)))

    (found,) = (await complete(surer, NAMED)).findings
    assert (found.score, found.detector) == (0.9, "ner-en")


async def test_what_a_full_scan_could_not_read_is_added_to_what_could_not_be_read_before(complete):
    async def sees_a_blob(evidence):
        done = with_models(evidence)
        return replace(done, coverage=replace(done.coverage, unscanned=(Unscanned("opaque_blob", "input"),)))

    done = await complete(sees_a_blob)
    assert [part.carrier for part in done.coverage.unscanned] == ["image", "opaque_blob"]


@pytest.mark.parametrize("script", [None, *FAULTS, *TAKERS])
async def test_a_full_scan_that_fails_in_whatever_way_changes_nothing(complete, script):
    before = NAMED if script in TAKERS else CHEAP
    assert await complete(script, before) is before
    assert (await complete(script, before, STRICT)).coverage == replace(before.coverage, failure="full scan incomplete")


async def test_a_scan_that_failed_is_not_completed(complete):
    failed = nothing_covered("deadline")
    assert await complete(nothing, failed) is failed
    assert await complete(nothing, failed, STRICT) is failed


async def test_a_request_that_is_cancelled_does_not_wait_for_the_models(complete):
    waiting = asyncio.create_task(complete(never, full_deadline_s=60))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


@pytest.mark.parametrize(
    ("policy", "tenant", "script", "expected", "runs"),
    [
        (MODELS, BANK, nothing, INTERNAL, 1),
        (MODELS, BANK, gives_up, None, 1),
        (MODELS, None, nothing, None, 0),
        (POLICY, BANK, gives_up, INTERNAL, 0),
        (POLICY, STRICT, nothing, INTERNAL, 1),
        (POLICY, STRICT, gives_up, None, 1),
    ],
)
async def test_final_bytes_are_scanned_as_fully_as_whoever_asks_for_it(policy, tenant, script, expected, runs):
    message = Message(b"POST", b"/v1/embeddings", (), b'{"input":"hello"}')
    full = ScriptedScanner(script)
    cheap = FakeScanner(Evidence((), Coverage(frozenset({Tier.STRUCTURED, Tier.NAMES}))))
    with ThreadPoolExecutor(1) as executor:
        options = {"inline": 100, "home_only_above": 1000, "full_scanner": full}
        classifier = Classifier(cheap, policy, executor, **options)
        assert await classifier.rescan(message, tenant) == expected
    assert full.began == runs
