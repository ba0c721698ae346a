"""A memo saves work, changes nothing, and says nothing to other tenants."""

import random
import time
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.findings import Finding, Remembered, Tier
from gateway.core.keyed_hash import KeyedHash
from gateway.detect.memo import Memos, MemoStore, TenantMemo
from gateway.detect.prefilter import Everything
from gateway.detect.scanner import RequestScanner, catalogue
from tests.detect.samples import IN_CONTEXT, NEGATIVE, POSITIVE

ID = "11010519491231002X"
BOTH = frozenset((Tier.STRUCTURED, Tier.NAMES))
CLEAN = Remembered(BOTH, (), ())


def chat(*contents):
    return {"messages": [{"role": "user", "content": content} for content in contents]}


def memos(digest="d", **bounds):
    return Memos(KeyedHash(b"k" * 32), digest, MemoStore(**bounds))


@dataclass
class Counting:
    """A recognizer that remembers how many texts it was shown."""

    shown: list[str] = field(default_factory=list)
    name: str = "counting"
    entities: frozenset[str] = frozenset(("URL",))
    tier: Tier = Tier.STRUCTURED
    patterns: tuple[str, ...] = ()

    def find(self, text, path):
        self.shown.append(text)
        return [Finding("URL", 0.5, path, 0, 1, self.name)] if text.startswith("!") else []


@pytest.fixture
def counting():
    recognizer = Counting()
    scanner = RequestScanner(
        (recognizer, *catalogue(())),
        clock=lambda: 0.0,
        build=lambda entries, always: Everything(always.union(entry.index for entry in entries)),
    )
    return recognizer, scanner


PIECES = st.sampled_from([text for _, text in (*POSITIVE, *IN_CONTEXT, *NEGATIVE)]) | st.sampled_from(
    ["hello ", "你好", "%31%32", "MTEwMTA1MTk0OTEyMzEwMDJY", "\u200b", "<|im_start|>", "x" * 170, " words" * 900, "138"]
)
TEXTS = st.lists(PIECES, max_size=3).map("".join)


@settings(max_examples=60)
@given(st.lists(st.lists(TEXTS, max_size=5), min_size=1, max_size=4))
def test_a_memo_changes_nothing_of_the_evidence(scanner, turns):
    memo = memos().of("bank")
    for turn in [*turns, *turns]:
        assert scanner.scan("chat", chat(*turn), memo) == scanner.scan("chat", chat(*turn))


def test_a_chat_that_grows_is_looked_at_where_it_is_new(counting):
    recognizer, scanner = counting
    memo = memos().of("bank")
    history = [f"turn {index} {ID} " + "and so on " * 60 for index in range(5)]
    scanner.scan("chat", chat(*history), memo)
    recognizer.shown.clear()
    scanner.scan("chat", chat(*history), memo)
    assert recognizer.shown == []
    evidence = scanner.scan("chat", chat(*history, "a new turn"), memo)
    assert len(evidence.findings) == 5
    # The new leaf, and the text around its seam; what nothing has touched is not looked at again.
    assert all("a new turn" in text or text.endswith("a ne") for text in recognizer.shown)


def test_what_one_tenant_sent_is_new_from_another(counting):
    recognizer, scanner = counting
    house = memos()
    document = chat(f"号码{ID}", "thanks")
    first = scanner.scan("chat", document, house.of("bank"))
    seen_by_the_first = list(recognizer.shown)
    recognizer.shown.clear()
    assert scanner.scan("chat", document, house.of("clinic")) == first
    assert recognizer.shown == seen_by_the_first


def test_keys_are_the_tenants_own_and_the_detectors():
    store = MemoStore()
    keys = {
        Memos(KeyedHash(secret), digest, store).of(tenant).key_of("a text")
        for secret in (b"a" * 32, b"b" * 32)
        for digest in ("d1", "d2")
        for tenant in ("bank", "clinic")
    }
    assert len(keys) == 8
    house = memos()
    assert house.of("bank") is house.of("bank")
    memo = house.of("bank")
    assert memo.key_of("a") == memo.key_of("a") != memo.key_of("b")
    seams = {memo.key_of_seam(parts, form) for parts in ([b"1", b"2"], [b"2", b"1"]) for form in (b"00", b"10", b"00 ")}
    assert len(seams) == 6
    assert "bank" not in repr(memo)


def test_no_text_is_kept(scanner):
    store = MemoStore()
    memo = Memos(KeyedHash(b"k" * 32), "d", store).of("bank")
    scanner.scan("chat", chat(f"我的身份证是{ID}", "p\u200bassword: hunter2, write to bob@corp.internal"), memo)
    kept = repr(store._entries)
    assert store.size[0] > 2
    assert "cn-resident-id" in kept
    assert not [secret for secret in (ID, "hunter2", "bob", "corp.internal", "身份证") if secret in kept]


def test_a_stopped_scan_is_not_remembered():
    now = [0.0]
    slow = RequestScanner(
        catalogue(()),
        clock=lambda: now.__setitem__(0, now[0] + step[0]) or now[0],
        build=lambda entries, always: Everything(always.union(entry.index for entry in entries)),
    )
    store = MemoStore()
    memo = Memos(KeyedHash(b"k" * 32), slow.digest, store).of("bank")
    document = chat(f"{ID} " + "and so on " * 300)
    step = [0.02]
    assert slow.scan("chat", document, memo).coverage.failure == "DeadlineExceeded"
    assert store.size == (0, 0)
    step[0] = 0.0
    evidence = slow.scan("chat", document, memo)
    assert evidence.coverage.tiers == BOTH
    assert [finding.entity for finding in evidence.findings] == ["CN_RESIDENT_ID"]


@pytest.mark.parametrize("tiers", [frozenset(), frozenset((Tier.STRUCTURED,)), BOTH], ids=["none", "one", "both"])
def test_what_not_every_tier_has_seen_is_looked_at_again(scanner, tiers):
    memo = memos().of("bank")
    text = f"{ID} " + "and so on " * 200  # long enough for a memo to be asked
    memo.remember(memo.key_of(text), Remembered(tiers, (), ()))
    assert len(scanner.scan("chat", chat(text), memo).findings) == (tiers != BOTH)


def test_the_least_recently_used_is_forgotten_first():
    store = MemoStore(max_entries=2)
    store.remember(b"a", CLEAN)
    store.remember(b"b", CLEAN)
    assert store.recall(b"a") is CLEAN
    store.remember(b"c", CLEAN)
    assert [store.recall(key) for key in (b"a", b"b", b"c")] == [CLEAN, None, CLEAN]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 30)), max_size=60))
def test_neither_bound_is_ever_passed(writes):
    store = MemoStore(max_entries=5, max_bytes=9_000)
    hit = (0, "EMAIL", 0.9, 0, 5, "email", ())
    for key, count in writes:
        store.remember(b"%d" % key, Remembered(BOTH, (hit,) * count, ()))
        entries, size = store.size
        assert entries <= 5
        assert size <= 9_000
    store._max_entries = 0
    store.remember(b"0", CLEAN)
    assert store.size == (0, 0)  # the account is exact: of what is forgotten nothing is left in it


def lower(first, second):
    """How often a value of `first` is below one of `second`: a half if they are the same thing."""
    return sum((a < b) + (a == b) / 2 for a in first for b in second) / len(first) / len(second)


def test_the_time_of_a_text_that_another_tenant_sent_tells_nothing(scanner):
    rng = random.Random(17)

    def text():
        return f"number {rng.randrange(10**15, 10**16)} of {rng.random()} " + "and more words of no consequence " * 60

    def spent(memo: TenantMemo, content: str) -> int:
        before = time.thread_time_ns()
        scanner.scan("chat", chat(content), memo)
        return time.thread_time_ns() - before

    for _attempt in range(3):
        house = memos()
        bank, clinic = house.of("bank"), house.of("clinic")
        sent = [text() for _ in range(60)]
        for content in sent:
            spent(bank, content)
        others, fresh, again = [], [], []
        for content in sent:
            others.append(spent(clinic, content))
            fresh.append(spent(clinic, text()))
            again.append(spent(clinic, content))
        # The same test must be able to see a hit of one's own.
        assert lower(again, fresh) > 0.9
        if 0.3 < lower(others, fresh) < 0.7:
            return
    pytest.fail(f"a text that another tenant has sent is told by its time: {lower(others, fresh):.2f}")


def test_a_long_text_that_is_known_is_not_even_looked_through():
    looked: list[str] = []

    class Looking(Everything):
        def seen(self, texts):
            looked.extend(texts)
            return super().seen(texts)

    scanner = RequestScanner(
        catalogue(()),
        clock=lambda: 0.0,
        build=lambda entries, always: Looking(always.union(entry.index for entry in entries)),
    )
    memo = memos().of("a")
    document = chat(f"ID {ID} " + "An honest line. " * 200)
    fresh = scanner.scan("chat", document, memo)
    assert looked
    looked.clear()
    assert scanner.scan("chat", document, memo) == fresh
    assert not looked
