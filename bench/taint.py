"""What the record of replies catches, what it keeps home for nothing, and what it takes: a simulation of many chats.

Users of one gateway hold conversations, some of them about something sensitive; clients trim, edit or summarise what
they send, as chat clients do. Counted are requests that bring along a reply to sensitive work and nothing else that is
sensitive (caught or missed), and requests that have nothing to do with any (kept home for nothing). The record is the
shipped one; words come from a seeded generator. Storage is measured with a million replies.
"""

import argparse
import json
import os
import random
import sys
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from machine import describe
from micro import OUT

from gateway.core.findings import History
from gateway.core.keyed_hash import KeyedHash
from gateway.core.labels import LabelOrder
from gateway.core.taint import SHORT, Speaker, Turn, judged, of_reply, sought_in
from gateway.policy.document import HistoryMode
from gateway.runtime.clock import SystemClock
from gateway.stores.memory import MemoryTaintStore

ORDER: Final = LabelOrder(("public", "internal", "confidential", "restricted"))
INTERNAL: Final = ORDER.rank("internal")
WORDS: Final = [
    "account",
    "branch",
    "card",
    "client",
    "contract",
    "customer",
    "date",
    "delivery",
    "department",
    "invoice",
    "letter",
    "limit",
    "loan",
    "manager",
    "meeting",
    "monday",
    "network",
    "number",
    "office",
    "order",
    "payment",
    "policy",
    "price",
    "project",
    "quarter",
    "report",
    "request",
    "review",
    "risk",
    "schedule",
    "server",
    "service",
    "signature",
    "summary",
    "supplier",
    "system",
    "table",
    "team",
    "term",
    "transfer",
    "update",
    "visit",
    "week",
    "work",
    "year",
]
BRIEF: Final = ("Yes.", "No.", "Done.", "OK.", "You're welcome!", "好的。", "已完成。", "I don't know.")
CANNED: Final = (
    "I'm sorry, but I can't help with that. Please contact the responsible department directly, or rephrase your "
    "question so that I can point you to the right person, form or page of the handbook instead of answering it.",
    "很抱歉，我无法处理这个请求。请您联系相关部门，或者换一种方式提问，以便我为您指明正确的负责人、表单或手册页面。",
)


@dataclass
class Chat:
    """One conversation: its turns, and of each whether its words are sensitive or came of sensitive work."""

    credential: str
    turns: list[tuple[Turn, bool]] = field(default_factory=list)


@dataclass(frozen=True)
class Sent:
    """One later request in which a scan would find nothing.

    `brings` is what it holds of replies to sensitive work: `words`, at least one that says something by itself;
    `brief`, only ones such as "Yes." without their question; or `nothing`.
    """

    way: str
    brings: str
    is_kept_home: bool


def sentence(chance: random.Random, words: int) -> str:
    """Some words, as good as never the same twice."""
    return " ".join(chance.choices(WORDS, k=words)) + f" {chance.randrange(1 << 30)}."


def reply(chance: random.Random) -> str:
    """One in five is brief, one in fifty is canned, the rest say something of their own."""
    kind = chance.random()
    if kind < 0.20:
        return chance.choice(BRIEF)
    if kind < 0.22:
        return chance.choice(CANNED)
    return sentence(chance, chance.randint(25, 160))


def as_sent(chance: random.Random, turns: list[tuple[Turn, bool]]) -> tuple[str, list[tuple[Turn, bool]]]:
    """How a client sends a conversation: whole, without its beginning, with its questions edited, or summarised."""
    way = chance.choice(("whole", "trimmed", "edited", "summarised"))
    if way == "trimmed":
        return way, turns[chance.randrange(len(turns)) :]
    if way == "edited":
        # What was sensitive in the questions is gone; the replies stand.
        return way, [
            (Turn(turn.speaker, (sentence(chance, 8),)), False) if turn.speaker is Speaker.USER else (turn, mark)
            for turn, mark in turns
        ]
    if way == "summarised":
        return way, [(Turn(Speaker.SYSTEM, (sentence(chance, 30),)), False), *turns[-1:]]
    return way, list(turns)


def simulate(mode: HistoryMode, seed: int, users: int, requests: int) -> Iterator[Sent]:
    """Every later request of many chats that has nothing in it that a scan would find."""
    chance = random.Random(seed)
    store = MemoryTaintStore(SystemClock(), ttl_s=3600.0, most=10_000_000)
    key = KeyedHash(b"k" * 32)
    chats: list[Chat] = []
    for _ in range(requests):
        if len(chats) < 4 * users or chance.random() < 0.25:
            chats.append(Chat(f"key_{chance.randrange(users)}"))
        chat = chance.choice(chats[-4 * users :])
        way, before = as_sent(chance, chat.turns) if chat.turns else ("new", [])
        # One question in twelve is sensitive in itself, and the scan finds that; so is one that is still there.
        asks = (Turn(Speaker.USER, (sentence(chance, chance.randint(3, 30)),)), chance.random() < 1 / 12)
        sent = [*before, asks]
        turns = [turn for turn, _ in sent]
        is_found = any(mark for turn, mark in sent if turn.speaker is Speaker.USER)
        derived = [turn.texts[0] for turn, mark in sent if mark and turn.speaker is Speaker.MODEL]
        brings = "words" if any(len(text) > SHORT for text in derived) else "brief" if derived else "nothing"
        sought = [(one, key.digest(one.material)[:16]) for one in sought_in(chat.credential, turns)]
        found = judged(turns, sought, store.read_now([mark for _, mark in sought]), ORDER)
        is_kept_home = found.taint is not None and found.taint > INTERNAL
        if mode is HistoryMode.KNOWN_CLEAN:
            is_kept_home = is_kept_home or found.history is History.UNKNOWN
        if before and not is_found:
            yield Sent(way, brings, is_kept_home)
        said = reply(chance)
        label = "restricted" if is_found or is_kept_home else "internal"
        store.remember([key.digest(one)[:16] for one in of_reply(chat.credential, (said,), turns)], label)
        chat.turns += [asks, (Turn(Speaker.MODEL, (said,)), is_found or bool(derived))]


def table(sent: dict[HistoryMode, list[Sent]]) -> dict[str, dict[str, float]]:
    """Per way of sending: how many, and which share was kept home under each mode."""
    rows: dict[str, dict[str, float]] = {}
    for kind, wanted in (("derived", "words"), ("brief only", "brief"), ("harmless", "nothing")):
        for way in ("all", "whole", "trimmed", "edited", "summarised"):
            for mode, every in sent.items():
                those = [one for one in every if one.brings == wanted and way in ("all", one.way)]
                if those:
                    row = rows.setdefault(f"{kind}, {way}", {"requests": len(those)})
                    row[mode.value] = sum(one.is_kept_home for one in those) / len(those)
    return rows


def bytes_each(count: int) -> float:
    """What one remembered reply takes, measured over `count` of them."""
    tracemalloc.start()
    store = MemoryTaintStore(SystemClock(), ttl_s=3600.0, most=count)
    before, _ = tracemalloc.get_traced_memory()
    for start in range(0, count, 1000):
        store.remember([os.urandom(16) for _ in range(min(1000, count - start))], "restricted")
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (after - before) / len(store)


def main() -> int:
    """Simulate, measure, print, and write the figures beside those of the other benchmarks."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=20261121)
    parser.add_argument("--requests", type=int, default=40_000)
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--replies", type=int, default=1_000_000, help="how many to measure the storage with")
    parser.add_argument("--json", type=Path, default=OUT / "taint.json")
    options = parser.parse_args()
    rows = table({mode: list(simulate(mode, options.seed, options.users, options.requests)) for mode in HistoryMode})
    each = bytes_each(options.replies)
    print(f"{'kept home':28}{'requests':>10}{'marked':>10}{'known_clean':>13}")
    for name, row in rows.items():
        print(f"{name:28}{row['requests']:>10,.0f}{row['marked']:>10.2%}{row['known_clean']:>13.2%}")
    print(f"\none reply on record: {each:.0f} bytes; a million turns: {each * 1e6 / 2**20:.0f} MiB")
    print(f"seed {options.seed} · " + " · ".join(f"{name} {value}" for name, value in describe(nginx=None).items()))
    options.json.parent.mkdir(exist_ok=True)
    options.json.write_text(json.dumps({"seed": options.seed, "rows": rows, "bytes_each": each}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
