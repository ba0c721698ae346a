"""What routes and invariants can say, as they are written, and each mistake in it with its mend."""

# ruff: noqa: E501  # one fault per row of the table
from collections.abc import Callable

import pytest

from gateway.core.complexity import Bands
from gateway.core.decision import AuditLevel
from gateway.core.facts import Budget, Modality, Pressure
from gateway.core.problems import Problems
from gateway.core.reading import Reader
from gateway.core.topology import Topology
from gateway.core.written import parse
from gateway.detect.scanner import build_scanner
from gateway.policy import form
from gateway.policy.compile import load
from gateway.policy.compiled import CompiledPolicy
from gateway.policy.document import HistoryMode, Never, Only, Required, Window, WrittenPolicy
from gateway.policy.labelling import label

from .making import CLASSES, RESTRICTED, policy, pool, told, unproved

PLACED = Topology(
    (
        pool("home", processor="own", residency="cn-north-1"),
        pool("lab", residency="cn-north-1"),
        pool("burst", "cloud", residency="us-east", agreement="dpa-2026"),
        pool("far", "cloud"),
    )
)


def row(text: str, rest: str = "") -> bytes:
    """A policy whose first row is `text`, on line 9."""
    return policy(f"  - {text}\n  - {{id: rest, when: {{}}, to: [home]}}", rest=rest)


def stated(text: str) -> bytes:
    """A policy with the invariant `text`, on line 11."""
    return policy("  - {id: rest, when: {}, to: [home]}", rest=f"invariants:\n  - {{id: A, {text}}}")


def read(data: bytes) -> WrittenPolicy:
    document = parse(data, "p", end_marker=True)
    reader = Reader(document.problems)
    found = form.read(document, reader)
    reader.finish()
    return found


def test_everything_that_a_guard_can_ask_is_read() -> None:
    guard = (
        read(
            row(
                "{id: a, when: {modality: {has: image, only: [text, image]}, context: '>=32K', budget: spent, "
                "time: [{days: [mon, sun], from: '08:00'}, {to: '24:00'}], pressure: {onprem: [saturated, down], cloud: free}}, to: [home]}"
            )
        )
        .routes[0]
        .guard
    )
    assert (guard.modalities, guard.only_modalities) == ((Modality.IMAGE,), (Modality.TEXT, Modality.IMAGE))
    assert guard.context == (">=", 32768)
    assert guard.windows == (Window(frozenset({0, 6}), 480, 1440), Window(frozenset(range(7)), 0, 1440))
    assert [(zone.text, states) for zone, states in guard.pressure] == [
        ("onprem", (Pressure.SATURATED, Pressure.DOWN)),
        ("cloud", (Pressure.FREE,)),
    ]
    assert guard.budget is Budget.SPENT
    assert not guard.is_total


def test_everything_that_a_row_can_order_is_read() -> None:
    text = "{id: a, when: {}, to: [home], only: {processor: own, residency: [cn, none], agreement: x}, canary: {pool: lab, percent: 0.5}, cache: 5m, audit: strict}"
    found = read(row(text)).routes[0]
    assert found.only is not None
    assert [word.text for word in (*found.only.processors, *found.only.residencies, *found.only.agreements)] == [
        "own", "cn", "none", "x",
    ]  # fmt: skip
    assert found.canary is not None
    assert (found.canary.pool.text, found.canary.percent) == ("lab", 0.5)
    assert (found.cache_s, found.audit) == (300.0, AuditLevel.STRICT)
    plain = read(row("{id: a, when: {}, to: [home], cache: never}")).routes
    assert (plain[0].mirror, plain[0].weights) == (None, ())
    assert (plain[0].cache_s, plain[1].cache_s) == (0.0, None)
    assert (plain[1].only, plain[1].canary, plain[1].audit) == (None, None, AuditLevel.STANDARD)


def test_mirrors_and_weights_are_read() -> None:
    text = (
        "{id: a, when: {}, to: [{pool: home, weight: 90}, {pool: lab, weight: 0}], mirror: {pool: burst, percent: 7}}"
    )
    found = read(row(text)).routes[0]
    assert [word.text for word in found.to] == ["home", "lab"]
    assert found.weights == (90.0, 0.0)
    assert found.mirror is not None
    assert (found.mirror.pool.text, found.mirror.percent) == ("burst", 7.0)


def test_every_invariant_is_read() -> None:
    assert read(stated("client: may_not_steer")).invariants[0] == Required(
        "A", "client", read(stated("client: may_not_steer")).invariants[0].at
    )  # type: ignore[union-attr]
    never = read(stated("never: {budget: spent, residency: [us, none], processor: x}")).invariants[0]
    assert isinstance(never, Never)
    assert (never.zone, never.pool, never.guard.budget) == (None, None, Budget.SPENT)
    assert never.where is not None
    assert [word.text for word in (*never.where.residencies, *never.where.processors)] == ["us", "none", "x"]
    only = read(stated("only: {label: '>= internal', agreement: dpa}")).invariants[0]
    assert isinstance(only, Only)
    assert only.guard.label is not None
    assert [word.text for word in only.where.agreements] == ["dpa"]
    monotone = read(stated("monotone: {raising: [label, taint, coverage], may_not_add: cloud}")).invariants[0]
    assert isinstance(monotone, Required)
    assert monotone.kind == "monotone"


@pytest.mark.parametrize(
    ("written", "minutes"), [('"+08:00"', 480), ("-05:30", -330), ("'+00:00'", 0), ("+14:00", 840)]
)
def test_the_clock_of_a_policy_is_a_distance_from_utc(written: str, minutes: int) -> None:
    data = row("{id: a, when: {}, to: [home]}", rest=f"time_zone: {written}")
    assert read(data).utc_offset_min == minutes
    assert read(row("{id: a, when: {}, to: [home]}")).utc_offset_min == 0


def test_the_history_that_a_policy_wants_is_read() -> None:
    rows = "  - {id: rest, when: {}, to: [home]}"
    assert read(policy(rows)).history is HistoryMode.MARKED
    assert read(policy(rows, label=", history: known_clean")).history is HistoryMode.KNOWN_CLEAN
    assert load(policy(rows, label=", history: known_clean"), "p").labels.history is HistoryMode.KNOWN_CLEAN
    assert (
        "`label.history` must be one of: marked, known_clean. Did you mean `known_clean`?"
        in told(policy(rows, label=", history: known-clean"))[0]
    )


@pytest.mark.parametrize(
    ("when", "expected"),
    [
        ("{modality: picture}", "The modality `picture` does not exist. Known: audio, file, image, text."),
        ("{modality: text}", "Every request holds text, so this asks nothing. For requests with nothing else write `modality: {only: text}`."),
        ("{modality: {}}", "`modality` asks nothing. Write `has`, `only` or both."),
        ("{modality: {hass: image}}", "`modality` has no key `hass`. Did you mean `has`?"),
        ("{modality: {only: image}}", "Every request holds text, so this never holds. Add `text` to `only`."),
        ("{modality: {has: audio, only: [text, image]}}", "`has` asks for what `only` forbids, so this never holds."),
        ("{context: 32768}", "What a request needs of context is compared by >=, <=, > or <. Write `context: \"> 32k\"`, for example."),
        ("{context: '== 5'}", "What a request needs of context is compared by >=, <=, > or <."),
        ("{context: '> many'}", "The number of tokens in `context` must be a whole number such as `32768` or `32k`, from 1 to 100000000."),
        ("{context: '> 0'}", "The number of tokens in `context` must be a whole number such as"),
        ("{context: '> 999999k'}", "The number of tokens in `context` must be a whole number such as"),
        ("{context: [1]}", "`context` must be a text that is not empty."),
        ("{time: []}", "`time` must not be empty."),
        ("{time: {}}", "A time window asks nothing. Write `days`, `from` or `to`."),
        ("{time: {day: mon}}", "A time window has no key `day`. Did you mean `days`?"),
        ("{time: {days: monday}}", "The day `monday` does not exist. Did you mean `mon`?"),
        ("{time: {from: 8:00}}", "`from` must be a time of the day. Write `08:00`, or `24:00` for midnight."),
        ("{time: {from: 25:00}}", "`from` must be a time of the day."),
        ("{time: {to: 24:01}}", "`to` must be a time of the day."),
        ("{time: {to: [1]}}", "`to` must be a text that is not empty."),
        ("{time: {from: 08:00, to: 08:00}}", "This time window begins and ends at the same time, or at a time that its day does not have."),
        ("{time: {from: 24:00}}", "This time window begins and ends at the same time, or at a time that its day does not have."),
        ("{time: {from: 20:00, to: 00:00}}", "This time window begins and ends at the same time, or at a time that its day does not have."),
        ("{pressure: high}", "`pressure` must be a group of names, each with its settings."),
        ("{pressure: {}}", "`pressure` must not be empty. Write `pressure: {onprem: saturated}`."),
        ("{pressure: {onprem: full}}", "The pressure `full` does not exist. Known: down, free, saturated."),
        ("{pressure: {onprm: down}}", "The zone `onprm` does not exist. Did you mean `onprem`?"),
        ("{budget: [spent]}", "`budget` must be a name."),
        ("{budget: gone}", "`budget` must be one of: ok, spent."),
        ("{history: lost}", "`when` has no key `history`."),
        ("{contxt: '> 5'}", "`when` has no key `contxt`. Did you mean `context`?"),
    ],
)  # fmt: skip
def test_a_question_that_cannot_be_asked_is_told(when: str, expected: str) -> None:
    found = told(row(f"{{id: a, when: {when}, to: [home]}}"))
    assert len(found) == 1
    assert found[0].startswith("9:")
    assert expected in found[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("to: [home], only: {}", "`only` asks nothing. Write one or more of: processor, residency, agreement."),
        ("to: [home], only: cn", "`only` must be a group of keys."),
        ("to: [home], only: {residance: cn}", "`only` has no key `residance`. Did you mean `residency`?"),
        ("to: [home], canary: lab", "`canary` must be a group of keys."),
        ("to: [home], canary: {pool: lab}", "`canary` lacks the key `percent`. Add it."),
        ("to: [home], canary: {percent: 5}", "`canary` lacks the key `pool`. Add it."),
        ("to: [home], canary: {pool: lab, percent: 101}", "`percent` must be a number from 0 to 100."),
        ("to: [home], cache: always", "`cache` must be a time such as"),
        ("to: [home], cache: 48h", "`cache` must be between 1s and 86400s."),
        ("to: [home], audit: full", "`audit` must be one of: standard, strict."),
        ("to: [home], mirror: lab", "`mirror` must be a group of keys."),
        ("to: [home], mirror: {pool: lab}", "`mirror` lacks the key `percent`. Add it."),
        ("to: [home], mirror: {pool: lab, percent: -1}", "`percent` must be a number from 0 to 100."),
        ("to: [{pool: home, weight: 1}, lab]", "Either every pool of `to` has a weight, or none. Write `{pool: …, weight: 0}`."),
        ("to: [{pool: home}]", "A pool with its weight lacks the key `weight`. Add it."),
        ("to: [{weight: 1}]", "A pool with its weight lacks the key `pool`. Add it."),
        ("to: [{pool: home, weight: 1}, [lab]]", "A pool with its weight must be a group of keys."),
        ("to: [{pool: home, weight: 1}, {pool: home, weight: 2}]", "`home` stands a second time in `to`."),
        ("to: [{pool: home, weight: -1}]", "`weight` must be a number from 0 to 1e+06."),
        ("to: [{pool: home, weight: 0}, {pool: lab, weight: 0}]", "No pool of `to` has a weight above 0."),
        ("deny: no, canary: {pool: lab, percent: 0}, cache: never", "A route that refuses has no pools and no queue. Remove `canary`, `cache`."),
        ("deny: no, audit: strict, only: {residency: cn}", "A route that refuses has no pools and no queue. Remove `only`, `audit`."),
    ],
)  # fmt: skip
def test_an_order_that_cannot_be_given_is_told(text: str, expected: str) -> None:
    found = told(row(f"{{id: a, when: {{budget: ok}}, {text}}}"))
    assert len(found) == 1
    assert found[0].startswith("9:")
    assert expected in found[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("never: {zone: cloud, residency: us}", "`never` names exactly one place. Write `zone: cloud` or `pool: …`, or what a pool must not be: processor, residency, agreement."),
        ("never: {budget: spent}", "`never` names exactly one place."),
        ("only: {label: '>= internal'}", "`only` says what every pool must be. Write one or more of: processor, residency, agreement."),
        ("only: {zone: cloud, residency: cn}", "`only` has no key `zone`."),
        ("client: may_steer", "`client` must be one of: may_not_steer. Did you mean `may_not_steer`?"),
        ("monotone: {raising: labels, may_not_add: cloud}", "`raising` must be one or more of: label, taint, coverage. Did you mean `label`?"),
        ("only: {label: '> secret', residency: cn}", "The label `secret` does not exist."),
        ("only: {model: chatt, residency: cn}", "The model `chatt` does not exist. Did you mean `chat`?"),
        ("never: {pressure: {cluod: down}, zone: cloud}", "The zone `cluod` does not exist. Did you mean `cloud`?"),
    ],
)  # fmt: skip
def test_a_promise_that_cannot_be_made_is_told(text: str, expected: str) -> None:
    found = told(stated(text))
    assert len(found) == 1
    assert found[0].startswith("11:")
    assert expected in found[0]


def test_a_time_zone_is_no_name() -> None:
    found = told(row("{id: a, when: {budget: ok}, to: [home]}", rest="time_zone: Asia/Shanghai"))
    assert found == [
        "11:12: `time_zone` must be a fixed distance from UTC. "
        'Write `time_zone: "+08:00"`; a clock that is put forward in summer takes two versions of the policy.'
    ]


def test_names_of_a_canary_and_of_the_classes_of_every_invariant_must_exist() -> None:
    found = told(row("{id: a, when: {budget: ok}, to: [home], canary: {pool: labb, percent: 1}}"), PLACED)
    assert [one.split(": ", 1)[1] for one in found] == ["The pool `labb` does not exist. Did you mean `lab`?"]
    found = told(stated("only: {tenant_class: hospitol, residency: none}"), PLACED, CLASSES)
    assert [one.split(": ", 1)[1] for one in found] == [
        "The tenant class `hospitol` does not exist. Did you mean `hospital`?"
    ]


@pytest.mark.parametrize(
    ("asked", "faults", "notes"),
    [
        ("processor: own", [], []),
        ("processor: [own, none]", [], []),
        ("residency: us-esat", ["No pool has the residency `us-esat`. Did you mean `us-east`?"], []),
        ("residency: cn-north-2", [], ["No pool has the residency `cn-north-2`."]),
        ("residency: mars", [], ["No pool has the residency `mars`."]),
        ("agreement: dpa-2027", [], ["No pool has the agreement `dpa-2027`."]),
    ],
)
@pytest.mark.parametrize("kind", ["row", "never", "only"])
def test_an_attribute_that_no_pool_has_is_a_slip_or_worth_a_note(
    asked: str, faults: list[str], notes: list[str], kind: str
) -> None:
    if kind == "row":
        data = row(f"{{id: a, when: {{budget: ok}}, to: [home], only: {{{asked}}}}}")
    else:
        data = stated(f"{kind}: {{budget: spent, {asked}}}")
    try:
        found = [], about_attributes(unproved(data, PLACED))
    except Problems as problems:
        found = [f"{problem.message} {problem.mend}" for problem in problems.problems], []
    assert found == (faults, notes)
    # Without pools.yaml nobody knows what pools are.
    assert about_attributes(load(data, "p")) == []


def about_attributes(compiled: CompiledPolicy) -> list[str]:
    return [note.message for note in compiled.notes if note.message.startswith("No pool has")]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("ＢＬＵＥ　ＦＯＸ", "BLUE FOX"),
        ("cafe\u0301", "caf\u00e9"),
        ("㈱极光", "(株)极光"),
        ("内部  资料", "内部 资料"),
    ],
)
def test_a_marker_is_what_the_scanner_reads_however_it_is_written(written: str, expected: str) -> None:
    rules = f"[{{marker: ['{written}'], label: restricted}}]"
    data = policy("  - {id: rest, when: {}, to: [home]}", rules=rules)
    assert [word.text for word in read(data).rules[0].markers] == [expected]


@pytest.mark.parametrize("marker", ["ＢＬＵＥ　ＦＯＸ", "蓝色狐狸"])
@pytest.mark.parametrize("disguise", [str, lambda text: text.replace("B", "Ｂ"), str.casefold])
def test_a_marker_is_found_however_it_is_written_on_either_side(marker: str, disguise: Callable[[str], str]) -> None:
    rules = f"[{{marker: ['{marker}'], label: restricted}}]"
    compiled = unproved(policy("  - {id: rest, when: {}, to: [home]}", rules=rules))
    found = build_scanner(compiled.markers).scan_text(f"about {disguise('BLUE FOX 蓝色狐狸')} only")
    assert label(compiled, found)[0] == RESTRICTED


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("{}", Bands(0.35, 0.75)),
        ("{simple_below: 0.2}", Bands(0.2, 0.75)),
        ("{hard_from: 0.9, simple_below: 0}", Bands(0.0, 0.9)),
    ],
)
def test_bands_of_complexity_are_read(given: str, expected: Bands) -> None:
    assert read(row("{id: a, when: {}, to: [home]}", rest=f"complexity: {given}")).bands == expected
    assert read(row("{id: a, when: {}, to: [home]}")).bands == Bands(0.35, 0.75)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("{simple_below: 0.8}", "`hard_from` (0.75) is below `simple_below` (0.8). Between the two is medium"),
        ("{hard_from: 1.5}", "`hard_from` must be"),
        ("{hard: 0.5}", "`complexity` has no key `hard`."),
        ("hard", "`complexity` must be a group of keys."),
    ],
)
def test_bands_that_cannot_be_are_told(given: str, sentence: str) -> None:
    assert sentence in str(told(row("{id: a, when: {}, to: [home]}", rest=f"complexity: {given}")))


@pytest.mark.parametrize(("asked", "expected"), [("complexity: hard", True), ("budget: ok", False)])
def test_a_policy_asks_for_complexity_only_where_a_row_does(asked: str, expected: bool) -> None:
    compiled = load(row(f"{{id: a, when: {{{asked}}}, to: [home]}}"), "p", PLACED)
    assert compiled.asks_complexity is expected
