"""What a memo knows of a whole conversation saves work and changes nothing of the evidence, its order included."""

import json
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.findings import Remembered, Tier
from gateway.core.keyed_hash import KeyedHash
from gateway.detect.memo import Memos, MemoStore, TenantMemo
from gateway.detect.prefilter import Everything
from gateway.detect.scanner import RequestScanner, catalogue
from gateway.detect.sources import SEAM
from tests.detect.samples import IN_CONTEXT, NEGATIVE, POSITIVE

ID = "11010519491231002X"
BOTH = frozenset((Tier.STRUCTURED, Tier.NAMES))
LINE = "An honest line of no consequence. "
LONG = LINE * 20  # three of them are more than is looked through before a memo is asked

PIECES = st.sampled_from([text for _, text in (*POSITIVE, *IN_CONTEXT, *NEGATIVE)]) | st.sampled_from(
    [
        LINE * 8,
        "x" * SEAM,
        "x" * (SEAM + 1),
        " words" * 90,
        "138",
        "12345678",
        "My name is",
        "John Smith",
        "\u200b",
        "%31%32",
    ]
)
TEXTS = st.lists(PIECES, max_size=4).map("".join)
WITHIN = st.dictionaries(TEXTS, TEXTS | st.integers(0, 10**18), max_size=3).map(json.dumps)
MESSAGES = st.one_of(
    st.builds(
        lambda role, text: {"role": role, "content": text}, st.sampled_from(["user", "assistant"]), TEXTS | WITHIN
    ),
    st.builds(
        lambda text, image: {"role": "user", "content": [{"type": "text", "text": text}, image]},
        TEXTS,
        st.just({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}),
    ),
    st.builds(
        lambda name, arguments: {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"type": "function", "id": "c1", "function": {"name": name, "arguments": arguments}}],
        },
        st.sampled_from(["find", "find_the_customer"]),
        TEXTS | WITHIN,
    ),
)
TOOLS = st.lists(
    st.builds(lambda text: {"type": "function", "function": {"name": "f", "description": text}}, TEXTS), max_size=3
)


def memo_of(store: MemoStore, tenant: str = "bank") -> TenantMemo:
    return Memos(KeyedHash(b"k" * 32), "d", store).of(tenant)


@settings(max_examples=150, deadline=None)
@given(st.lists(MESSAGES, max_size=9), st.lists(st.integers(0, 9), min_size=1, max_size=5), TOOLS, st.data())
def test_what_is_known_of_a_conversation_changes_nothing_of_the_evidence(scanner, messages, lengths, tools, data):
    memo = memo_of(MemoStore())
    for length in [*lengths, *lengths]:
        document = {"model": "m1", "messages": messages[:length], "tools": tools, "user": "u-1"}
        if data.draw(st.booleans()):
            document = {"user": "u-1", **document}
        if length > 2 and data.draw(st.booleans()):
            document["messages"] = [*messages[: length - 2], *messages[length - 1 :]]
        assert scanner.scan("chat", document, memo) == scanner.scan("chat", document)


@dataclass(frozen=True)
class Looking(Everything):
    """A prefilter that excludes nothing and remembers what it was shown."""

    looked: list[str] = field(default_factory=list)

    def seen(self, texts):
        self.looked.extend(texts)
        return super().seen(texts)


@pytest.fixture
def house():
    looking: list[Looking] = []

    def build(entries, always):
        looking.append(Looking(always.union(entry.index for entry in entries)))
        return looking[0]

    scanner = RequestScanner(catalogue(()), clock=lambda: 0.0, build=build)
    return scanner, looking[0].looked


def chat(*texts, **others):
    return {**others, "messages": [{"role": "user", "content": text} for text in texts]}


def turns(count):
    return [f"Turn {index}, number {ID}. {LONG}" for index in range(count)]


def test_of_a_chat_that_has_grown_only_what_is_new_is_looked_at(house):
    scanner, looked = house
    memo = memo_of(MemoStore())
    scanner.scan("chat", chat(*turns(20)), memo)
    looked.clear()
    evidence = scanner.scan("chat", chat(*turns(20), "an answer", LONG), memo)
    assert len(evidence.findings) == 20
    assert evidence.findings[7].path == "messages[7].content"
    assert evidence.coverage.leaves == 22
    # What it looks at: both new texts, and what stands around the end of what it knew.
    assert [text for text in looked if "Turn" in text] == []
    assert all("an answer" in text or text == LONG for text in looked)


def test_the_instructions_that_chats_share_are_looked_at_once(house):
    scanner, looked = house
    memo = memo_of(MemoStore())
    instructions = "Be brief. " * 190
    scanner.scan("chat", chat(instructions, f"one {LONG}"), memo)
    looked.clear()
    scanner.scan("chat", chat(instructions, f"two {LONG}"), memo)
    assert instructions not in looked
    assert f"two {LONG}" in looked


def test_tools_are_looked_at_once_however_the_chat_grows(house):
    scanner, looked = house
    memo = memo_of(MemoStore())
    tools = [{"type": "function", "function": {"name": "f", "description": f"{n} {LONG}"}} for n in range(3)]
    document = chat("hello", tools=tools)
    scanner.scan("chat", document, memo)
    looked.clear()
    scanner.scan("chat", chat("hello", "there", tools=tools), memo)
    # The words that stand right beside them meet something new.
    assert [text for text in looked if text.startswith(("0 ", "1 ", "2 "))] == []


@pytest.mark.parametrize(
    "other",
    [
        chat(f"Turn 0, number {ID}! {LONG}", *turns(3)[1:]),
        chat(turns(3)[0] + turns(3)[1], turns(3)[2]),
        chat(turns(3)[1], turns(3)[0], turns(3)[2]),
    ],
    ids=["a character", "two in one", "another order"],
)
def test_what_differs_anywhere_is_not_known(house, other):
    scanner, looked = house
    memo = memo_of(MemoStore())
    scanner.scan("chat", chat(*turns(3)), memo)
    looked.clear()
    assert scanner.scan("chat", other, memo) == scanner.scan("chat", other)
    assert any(LONG in text for text in looked)


def test_a_key_and_a_value_of_the_same_words_are_two_things():
    memo = memo_of(MemoStore())
    store_of = MemoStore()
    scanner = RequestScanner(catalogue(()), clock=lambda: 0.0, build=lambda entries, always: Everything(always))
    as_value = chat(json.dumps(["k" * 20, LONG * 3]), LONG)
    as_key = chat(json.dumps({"k" * 20: LONG * 3}), LONG)
    scanner.scan("chat", as_value, memo_of(store_of))
    before = store_of.size[0]
    scanner.scan("chat", as_key, memo_of(store_of))
    assert store_of.size[0] > before
    assert memo.keys_of_row([b"a", b"bc"], b"x")[-1] == memo.keys_of_row([b"abc"], b"x")[-1]
    assert memo.keys_of_row([b"abc"], b"x") != memo.keys_of_row([b"abc"], b"y")
    assert memo_of(MemoStore(), "clinic").keys_of_row([b"abc"], b"x") != memo.keys_of_row([b"abc"], b"x")


TOOL = [{"type": "function", "function": {"name": "find", "description": LONG * 3}}]
CUT = [{"type": "function", "function": {"name": "find", "description": LONG * 3 + ID[:8]}}]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (chat(LONG * 3 + ID[:6], ID[6:12]), chat(LONG * 3 + ID[:6], ID[6:12], ID[12:])),
        (chat(LONG * 3 + ID[:9], tools=TOOL), chat(LONG * 3 + ID[:9], ID[9:], tools=TOOL)),
        (chat(LONG * 3, tools=TOOL), chat(LONG * 3, ID[:9], ID[9:], tools=TOOL)),
        (chat(LONG * 3, ID[:9], tools=TOOL), chat(LONG * 3, ID[:9], model=ID[9:], tools=TOOL)),
        (chat(LONG * 3, tools=CUT), chat(LONG * 3, tools=CUT, user=ID[8:])),
        (
            chat(json.dumps({"a": LONG * 3 + ID[:9]})),
            chat(json.dumps({"a": LONG * 3 + ID[:9], "and": ID[9:]})),
        ),
        (
            chat(LONG * 3, json.dumps({"a": ID[:9], LONG: ""})),
            chat(LONG * 3, json.dumps({"a": ID[:9], LONG: ID[9:]})),
        ),
    ],
    ids=[
        "over a short text",
        "behind a chat",
        "in new texts",
        "before the tools",
        "behind the tools",
        "over a key",
        "over a long key",
    ],
)
def test_what_is_known_and_what_is_new_are_looked_at_together(scanner, before, after):
    memo = memo_of(MemoStore())
    scanner.scan("chat", before, memo)
    evidence = scanner.scan("chat", after, memo)
    assert {finding.entity for finding in evidence.findings} == {"CN_RESIDENT_ID"}
    assert evidence == scanner.scan("chat", after)


def test_a_short_request_in_which_there_is_nothing_to_do_asks_no_memo(scanner):
    store = MemoStore()
    for text in ("How are you?", LINE * 20, f"Order {ID[:5]} of 2024. {LINE * 15}"):
        assert scanner.scan("chat", chat(text), memo_of(store)) == scanner.scan("chat", chat(text))
    assert (store.lookups, store.size[0]) == (0, 0)


def test_a_short_chat_in_which_there_is_much_to_do_is_known_when_it_comes_again(scanner):
    store = MemoStore()
    said = [f"{word} %31%32 {ID} {LINE * 6}" for word in ("one", "two", "three", "four")]
    first = scanner.scan("chat", chat(*said[:3]), memo_of(store))
    hits, known = store.hits, store.size[0]
    assert (len(first.findings), hits) == (3, 0)
    assert known > 0
    assert scanner.scan("chat", chat(*said[:3]), memo_of(store)) == first
    assert store.hits > hits
    assert store.size[0] == known
    grown = scanner.scan("chat", chat(*said), memo_of(store))
    assert grown == scanner.scan("chat", chat(*said))
    assert len(grown.findings) == 4


def test_what_another_tenant_said_is_looked_at(house):
    scanner, looked = house
    store = MemoStore()
    scanner.scan("chat", chat(*turns(3)), memo_of(store))
    first = list(looked)
    looked.clear()
    scanner.scan("chat", chat(*turns(3)), memo_of(store, "clinic"))
    assert looked == first


def test_what_not_every_tier_has_seen_is_looked_at_again(scanner):
    @dataclass
    class Forgetful:
        """Knows everything, and that nothing was found in it by the tiers that it names."""

        tiers: frozenset[Tier]

        def key_of(self, text):
            return b""

        def key_of_seam(self, keys, form):
            return b""

        def keys_of_row(self, pieces, form):
            return [b""] * len(pieces)

        def recall(self, key):
            return Remembered(self.tiers)

        def remember(self, key, seen): ...

    document = chat(*turns(3))
    assert scanner.scan("chat", document, Forgetful(frozenset((Tier.STRUCTURED,)))).findings
    assert scanner.scan("chat", document, Forgetful(BOTH)).findings == ()


def test_a_stopped_scan_is_not_remembered():
    now, step = [0.0], [1.0]
    scanner = RequestScanner(
        catalogue(()),
        clock=lambda: now.__setitem__(0, now[0] + step[0]) or now[0],
        build=lambda entries, always: Everything(always.union(entry.index for entry in entries)),
    )
    store = MemoStore()
    assert scanner.scan("chat", chat(*turns(3)), memo_of(store)).coverage.failure == "DeadlineExceeded"
    assert store.size == (0, 0)


def test_a_stretch_full_of_findings_is_left_to_its_texts(scanner):
    """It would be remembered anew with every turn, all of it."""
    store = MemoStore()
    memo = memo_of(store)
    many = [f"{LONG} " + " ".join(f"user{i}@corp{n}.internal" for i in range(40)) for n in range(12)]
    first = scanner.scan("chat", chat(*many), memo)
    assert len(first.findings) == 480
    assert scanner.scan("chat", chat(*many), memo) == first
    assert all(sum(len(hits) for _, hits, _ in seen.parts) <= 256 for seen in store._entries.values())
    assert store.size[1] == sum(
        300 + 200 * len(seen.hits) + sum(250 + 200 * len(h) for _, h, _ in seen.parts)
        for seen in store._entries.values()
    )


def test_no_text_is_kept(scanner):
    store = MemoStore()
    scanner.scan(
        "chat", chat(*turns(3), f"p\u200bassword: hunter2, write to bob@corp.internal. {LONG}"), memo_of(store)
    )
    kept = repr(store._entries)
    assert any(seen.parts for seen in store._entries.values())
    assert "cn-resident-id" in kept
    assert not [secret for secret in (ID, "hunter2", "bob", "corp.internal", "honest") if secret in kept]
