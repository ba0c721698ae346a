"""What left under an older detector is found, told from what may have left, and never safe without a record."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.audit_record import Activation, Header, Origin
from gateway.core.decision import Allow
from gateway.core.exposure import (
    UNNAMED,
    Age,
    BuiltBefore,
    Count,
    EditionBefore,
    Exposure,
    Group,
    History,
    Named,
    PolicyBefore,
    RecognizersBefore,
    Sent,
    Wanted,
    asked,
    grouped,
    is_before,
    matching,
)
from gateway.core.facts import RequestFacts
from gateway.core.labels import Label
from gateway.core.records import Attempt, Ending, Intent, Mirrored
from tests.core.audit_values import outcome

ENTITY = "CN_RESIDENT_ID"
LABELS = ("public", "internal", "top")


def activation(bundle: str, at: float, edition: str | None = "aaaaaa", *, build: str = "1.2.0", version: int = 7):
    detectors = {} if edition is None else {ENTITY: edition, "EMAIL": "eeeeee"}
    return Activation(at, bundle, LABELS, "c", "", Origin(version, build, (), "s", "", detectors, version))


def history(*taken: tuple[str, Activation]) -> History:
    made = History()
    for boot, one in taken:
        made.take(boot, one)
    return made


def attempt(pool="burst", zone="cloud", status: int | None = 200, ending=Ending.COMPLETED) -> Attempt:
    return Attempt(pool, zone, "e", ending, status, 5.0)


def went(request_id="r", at=10.0, bundle="b", attempts=None, **more):
    facts = RequestFacts(Label(0), Label(1), "default", None, "m")
    decision = Allow(("burst",), (), 0.0, "rest", Label(1))
    return outcome(
        request_id, at=at, bundle=bundle, facts=facts, decision=decision, app="till",
        attempts=(attempt(),) if attempts is None else attempts, **more,
    )  # fmt: skip


def intent(request_id="r", at=9.0, pool="burst", zone="cloud", bundle="b", *, canary=False) -> Intent:
    return Intent(request_id, at, "demo", pool, zone, "internal", "rest", bundle, 1, "00", canary)


def exposure(*entries, question=None, log=None, boot="p", **wanted) -> Exposure:
    made = Exposure(Wanted(question, **wanted), log or history(("p", activation("b", 1.0))))
    for entry in entries:
        made.take(boot, entry)
    return made


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("<1.3.0", BuiltBefore("1.3.0")),
        ("< 1.3rc1", BuiltBefore("1.3rc1")),
        ("<policy:42", PolicyBefore(42)),
        ("<recognizers:7", RecognizersBefore(7)),
        ("<3fa9c1", Named("3fa9c1")),
        ("<now", Named("now")),
        ("1.3.0", None),
        ("<1", None),
        ("<3FA9C1", None),
        ("<policy:x", None),
        ("<1.3 or so", None),
        ("<", None),
    ],
)
def test_what_is_asked_is_read_or_means_nothing(text, meant):
    assert asked(text) == meant


@pytest.mark.parametrize(
    ("build", "other", "expected"),
    [
        ("1.2.9", "1.3", True),
        ("1.3", "1.3.0", False),
        ("1.3.0", "1.3", False),
        ("1.10.0", "1.9.0", False),
        ("1.3.0rc1", "1.3.0", True),
        ("1.3.0.dev1", "1.3.0", True),
        ("1.3.0+bank", "1.3.0", False),
        ("1.3.0.post1", "1.3.0", False),
        ("0.0", "0.0.1", True),
        ("nonsense", "0.0.1", True),
    ],
)
def test_builds_have_an_order(build, other, expected):
    assert is_before(build, other) is expected


@given(st.lists(st.integers(0, 30), min_size=2, max_size=4), st.lists(st.integers(0, 30), min_size=2, max_size=4))
def test_the_order_of_builds_is_that_of_their_numbers(one, other):
    text, other_text = (".".join(map(str, numbers)) for numbers in (one, other))
    padded = [numbers + [0] * (4 - len(numbers)) for numbers in (one, other)]
    assert is_before(text, other_text) == (padded[0] < padded[1])


ORIGINS = history(
    ("p", activation("old", 1.0, "aaaaaa", build="1.2.0", version=6)),
    ("p", activation("mended", 5.0, "bbbbbb", build="1.3.0", version=7)),
    ("p", activation("later", 9.0, "cccccc", build="1.4.0", version=8)),
    ("q", activation("back", 12.0, "aaaaaa", build="1.4.0", version=9)),
    ("q", activation("without", 13.0, "ffffff", build="1.4.0", version=9)),
    ("r", activation("many", 14.0, None, build="1.4.0", version=9)),
    ("s", Activation(14.0, "ancient", LABELS)),
)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (BuiltBefore("1.3"), {"old": "older", "mended": "good", "later": "good", "back": "good", "many": "good"}),
        (RecognizersBefore(7), {"old": "older", "mended": "good", "later": "good", "back": "good", "many": "good"}),
        (PolicyBefore(7), {"old": "older", "mended": "good", "later": "good", "back": "good", "many": "good"}),
        (
            EditionBefore(ENTITY, "bbbbbb"),
            {"old": "older", "mended": "good", "later": "good", "back": "older", "many": "unknown"},
        ),
        (EditionBefore(ENTITY, "999999"), {"old": "older", "mended": "older", "later": "older", "many": "unknown"}),
        (EditionBefore("BADGE", "bbbbbb"), {"old": "older", "later": "older", "many": "unknown"}),
        (None, {"old": "older", "many": "older", "ancient": "older", "nowhere": "older"}),
    ],
)
def test_the_age_of_what_a_bundle_detects_with(question, expected):
    boots = {"back": "q", "many": "r", "ancient": "s"}
    if question is not None:
        expected = {**expected, "ancient": "unknown", "nowhere": "unknown"}
    for bundle, age in expected.items():
        assert ORIGINS.age(boots.get(bundle, "p"), bundle, question) is Age(age), bundle


def test_the_same_bundle_under_two_builds_is_told_apart_by_the_process():
    log = history(("p", activation("b", 1.0, build="1.2.0")), ("q", activation("b", 5.0, build="1.3.0")))
    question = BuiltBefore("1.3.0")
    made = Exposure(Wanted(question), log)
    made.take("p", went("one"))
    made.take("q", went("two"))
    assert [one.request_id for one in made.finish()] == ["one"]
    assert made.good == 1


def test_editions_are_listed_by_when_they_were_first_in_force():
    assert list(ORIGINS.editions(ENTITY).items()) == [
        ("aaaaaa", 1.0),
        ("bbbbbb", 5.0),
        ("cccccc", 9.0),
        ("ffffff", 13.0),
    ]
    assert ORIGINS.entities() == ("CN_RESIDENT_ID", "EMAIL")
    assert ORIGINS.editions("BADGE") == {}
    assert matching(ORIGINS.editions(ENTITY), "b") == ("bbbbbb",)


def test_what_left_is_told_with_whose_it_was_and_what_did_not_is_not():
    (found,) = exposure(
        intent(), went(), went("home", attempts=(attempt("home", "onprem"),)), intent("h", pool="home", zone="onprem"),
        Header("s", 0, "p", 0, 1.0, 2.0, "00"), outcome("nobody"),
    ).finish()  # fmt: skip
    assert (found.request_id, found.at, found.tenant, found.app) == ("r", 10.0, "demo", "till")
    assert (found.pool, found.zone, found.label, found.route) == ("burst", "cloud", "internal", "rest")
    assert (found.bundle, found.sent, found.age, found.copy_of) == ("b", Sent.SENT, Age.OLDER, "")


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ([intent()], Sent.PERHAPS),
        ([intent(), went()], Sent.SENT),
        ([went()], Sent.SENT),
        ([intent(), went(attempts=(attempt(status=None, ending=Ending.UPSTREAM_FAILED),))], Sent.PERHAPS),
        # Tried twice in one pool, and once there was an answer; in whichever order.
        ([went(attempts=(attempt(status=None), attempt()))], Sent.SENT),
        ([went(attempts=(attempt(), attempt(status=None)))], Sent.SENT),
        # The door did not open.
        ([intent(), went(attempts=(attempt(status=None, ending=Ending.REFUSED),))], None),
        # It never came to an attempt there: the next pool, at home, answered.
        ([intent(), went(attempts=(attempt("home", "onprem"),))], None),
        # Written again to the next segment.
        ([intent(), went(), intent(), went()], Sent.SENT),
    ],
)
def test_what_may_have_left_is_told_from_what_did(entries, expected):
    found = exposure(*entries).finish()
    assert [one.sent for one in found] == ([] if expected is None else [expected])


def test_a_request_that_went_to_two_pools_is_told_of_both():
    found = exposure(intent(), intent(pool="far"), went(attempts=(attempt(), attempt("far", "cloud-eu")))).finish()
    assert [(one.pool, one.zone) for one in found] == [("burst", "cloud"), ("far", "cloud-eu")]


def test_a_copy_for_a_mirror_is_told_as_one():
    copy = Mirrored("c", "r", 10.0, 5.0, "demo", "public", "rest", "far", Ending.COMPLETED, "b", 1, (attempt("far"),))
    (found,) = exposure(copy).finish()
    assert (found.request_id, found.copy_of, found.label, found.app) == ("c", "r", "public", "")


def test_the_label_is_as_it_was_called_then():
    high = RequestFacts(Label(0), Label(9), "default", None, "m")
    bare = outcome("bare", at=10.0, bundle="b", attempts=(attempt(),))
    top = outcome("high", at=10.0, bundle="b", facts=high, attempts=(attempt(),))
    found = exposure(went("named"), bare, top, went("lost", bundle="lost")).finish()
    assert {one.request_id: one.label for one in found} == {
        "named": "internal", "bare": UNNAMED, "high": UNNAMED, "lost": UNNAMED,
    }  # fmt: skip
    assert {one.request_id: one.route for one in found}["bare"] == ""


def test_only_what_is_asked_about_is_told_and_what_is_good_or_ours_is_counted():
    made = exposure(
        went("early", at=4.0), went("late", at=20.0), went("other", bundle="x"), went("good", bundle="mended"),
        went("good", bundle="mended"), went("ours", canary=True), intent("ours too", canary=True),
        went("old", bundle="old"), None,
        question=EditionBefore(ENTITY, "bbbbbb"), log=ORIGINS, since=5.0, before=20.0,
    )  # fmt: skip
    found = made.finish()
    assert {(one.request_id, one.age) for one in found} == {("old", Age.OLDER), ("other", Age.UNKNOWN)}
    assert (made.good, made.canaries, made.unreadable) == (1, 2, 1)
    assert [one.request_id for one in exposure(went(), went("x", bundle="a"), bundle="a").finish()] == ["x"]


def test_dispatches_are_summed_by_whose_they_are():
    made = exposure(went("a"), intent("b", at=12.0), went("c", at=8.0, bundle="x"), question=BuiltBefore("1.3"))
    assert grouped(made.finish()) == {
        Group("demo", "burst", "cloud", UNNAMED): Count(1, 0, 1, 8.0, 8.0),
        Group("demo", "burst", "cloud", "internal"): Count(1, 1, 0, 10.0, 12.0),
    }


ids = st.sampled_from(["a", "b", "c"])
bundles = st.sampled_from(["old", "mended", "later", "nowhere"])
attempts = st.lists(
    st.builds(
        attempt,
        st.sampled_from(["burst", "far", "home"]),
        st.sampled_from(["cloud", "onprem"]),
        st.sampled_from([None, 200, 500]),
        st.sampled_from([Ending.COMPLETED, Ending.REFUSED, Ending.UPSTREAM_FAILED]),
    ),
    max_size=3,
).map(tuple)
records = st.lists(
    st.builds(intent, ids, st.just(9.0), st.sampled_from(["burst", "far"]), st.just("cloud"), bundles)
    | st.builds(went, ids, st.just(10.0), bundles, attempts),
    max_size=8,
)


@given(records, st.sampled_from([BuiltBefore("1.3"), PolicyBefore(8), EditionBefore(ENTITY, "bbbbbb"), None]))
def test_whatever_was_answered_from_the_cloud_is_told_or_known_to_be_good(entries, question):
    made = exposure(*entries, question=question, log=ORIGINS)
    told = {(one.request_id, one.pool) for one in made.finish()}
    for one in entries:
        if isinstance(one, Intent):
            continue
        for tried in one.attempts:
            left = tried.zone == "cloud" and tried.status is not None and tried.ending is not Ending.REFUSED
            if left and ORIGINS.age("p", one.bundle, question) is not Age.GOOD:
                assert (one.request_id, tried.pool) in told


@given(records)
def test_a_log_that_is_read_twice_says_the_same(entries):
    once, twice = exposure(*entries), exposure(*entries, *entries)
    settled = {one.request_id for one in entries if not isinstance(one, Intent)}
    first, again = ([one for one in made.finish() if one.request_id in settled] for made in (once, twice))
    assert {(one.request_id, one.pool) for one in first} <= {(one.request_id, one.pool) for one in again}
