"""How long a scan takes tells one tenant nothing about what another has sent (threats.md 17).

A rank test over processor time: texts that another tenant had scanned before against texts that nobody had. That the
same test sees the difference which a tenant's own repeat makes is what makes the first one worth something.
"""

import math
import random
from time import thread_time

from gateway.core.keyed_hash import KeyedHash
from gateway.detect.memo import Memos, MemoStore

ROUNDS = 80
# Of two samples alike, one pair in sixteen thousand is further apart.
ALIKE = 4.0
APART = 7.0


def texts(rng):
    """Two different texts of one make, long enough to be worth remembering."""
    for _ in range(2):
        lines = [f"Customer {rng.randrange(10**6)}: mobile 138{rng.randrange(10**8):08}, " for _ in range(12)]
        yield "".join(line + "please call back about the open invoice of this month. " for line in lines)


def z_of(first, second):
    """How far apart the ranks of two samples are, in standard deviations (Mann and Whitney, normal approximation)."""
    ordered = sorted([(value, 0) for value in first] + [(value, 1) for value in second])
    ranks = sum(rank for rank, (_, which) in enumerate(ordered, 1) if which == 0)
    n, m = len(first), len(second)
    expected = n * (n + m + 1) / 2
    return (ranks - expected) / math.sqrt(n * m * (n + m + 1) / 12)


def taken(scanner, text, memo):
    document = {"messages": [{"role": "user", "content": "".join(list(text))}]}  # an object that nobody has met
    started = thread_time()
    evidence = scanner.scan("chat", document, memo)
    spent = thread_time() - started
    assert evidence.findings
    return spent


def test_what_another_tenant_scanned_takes_as_long_as_what_nobody_did(scanner):
    rng = random.Random(20261121)
    memos = Memos(KeyedHash(b"k" * 32), scanner.digest, MemoStore())
    bank, clinic = memos.of("bank"), memos.of("clinic")
    known, unknown, own = [], [], []
    for _ in range(ROUNDS):
        seen, unseen = texts(rng)
        taken(scanner, seen, bank)
        # The order says nothing either: whoever comes first may find the machine colder.
        pair = [(known, seen), (unknown, unseen)]
        rng.shuffle(pair)
        for sample, text in pair:
            sample.append(taken(scanner, text, clinic))
        own.append(taken(scanner, seen, bank))
    assert abs(z_of(known, unknown)) < ALIKE
    assert z_of(unknown, own) > APART
    assert z_of(known, own) > APART


def test_the_rank_test_tells_apart_and_does_not():
    assert z_of([1.0] * 5 + [2.0] * 5, [1.5] * 10) == 0
    assert z_of(list(range(20)), list(range(20, 40))) < -5
