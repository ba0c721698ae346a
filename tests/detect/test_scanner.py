"""A request is scanned whole, or its evidence says that it was not."""

import base64
import json
import random
from dataclasses import dataclass
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.findings import Finding, Tier, Unscanned
from gateway.detect import sources
from gateway.detect.prefilter import Everything
from gateway.detect.scanner import MAX_FINDINGS, RequestScanner, build_scanner, catalogue, scanner_digest

ID = "11010519491231002X"
BOTH = frozenset((Tier.STRUCTURED, Tier.NAMES))


def everything(entries, always):
    return Everything(always.union(entry.index for entry in entries))


def chat(*contents):
    return {"messages": [{"role": "user", "content": content} for content in contents]}


def found(evidence):
    return {(f.entity, f.path) for f in evidence.findings}


@dataclass(frozen=True)
class Custom:
    """A recognizer as a customer may write one: without patterns, so that it always runs."""

    failure: Exception | None = None
    name: str = "custom"
    entities: frozenset[str] = frozenset(("URL",))
    tier: Tier = Tier.STRUCTURED
    patterns: tuple[str, ...] = ()

    def find(self, text, path):
        if self.failure is not None:
            raise self.failure
        return [Finding("URL", 0.5, path, 0, len(text), self.name)]


def test_a_clean_request_is_covered_by_both_tiers(scanner):
    evidence = scanner.scan("chat", chat("Summarise this, please.", "请总结一下这段话。"))
    assert evidence.findings == ()
    assert evidence.coverage.tiers == BOTH
    assert evidence.coverage.failure is None
    assert evidence.coverage.unscanned == ()
    assert (evidence.coverage.leaves, evidence.coverage.characters) == (2, 32)


def test_an_empty_request_is_covered(scanner):
    assert scanner.scan("chat", {}).coverage.tiers == BOTH
    assert scanner.scan_text("").coverage.tiers == BOTH


@pytest.mark.parametrize(
    ("document", "path"),
    [
        (chat(f"我的身份证是{ID}，谢谢"), "messages[0].content"),
        (chat([{"type": "text", "text": ID}]), "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": "x", "name": ID}]}, "messages[0].name"),
        ({"metadata": {ID: "x"}}, "metadata.{key}"),
        ({"metadata": {"x": ID}}, "metadata.{key}"),
        ({"metadata": {"x": 440524188001010014}}, "metadata.{key}"),
        ({"user": ID}, "user"),
        ({"model": ID}, "model"),
        ({"stop": [ID]}, "stop[0]"),
        ({"seed": 440524188001010014}, "seed"),
        ({"temperature": ID}, "temperature"),
        ({ID: 1}, "{key}"),
        ({"previous_response_id": ID}, "{key}"),
        ({"logit_bias": {ID: 1}}, "logit_bias.{key}"),
        ({"prediction": {"type": "content", "content": ID}}, "prediction.content"),
        ({"chat_template_kwargs": {"a": [{"b": ID}]}}, "chat_template_kwargs.{key}[0].{key}"),
        ({"guided_choice": [ID]}, "guided_choice[0]"),
        ({"documents": [{"text": ID}]}, "documents[0].{key}"),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"enum": [ID]}}}]},
            "tools[0].function.parameters.enum[0]",
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"const": ID}}}},
            "response_format.json_schema.schema.const",
        ),
        (
            {
                "messages": [
                    {
                        "role": "assistant",
                        "tool_calls": [
                            {
                                "type": "function",
                                "function": {"name": "f", "arguments": json.dumps({"a": [f"号{ID}号"]})},
                            }
                        ],
                    }
                ]
            },
            "messages[0].tool_calls[0].function.arguments.{key}[0]",
        ),
        (
            chat([{"type": "image_url", "image_url": {"url": f"https://x.example/{ID}"}}]),
            "messages[0].content[0].image_url.url",
        ),
    ],
)
def test_every_carrier_is_scanned(scanner, document, path):
    assert ("CN_RESIDENT_ID", path) in found(scanner.scan("chat", document))


@pytest.mark.parametrize("dialect", ["completions", "embeddings"])
def test_every_dialect_is_scanned(scanner, dialect):
    field = "prompt" if dialect == "completions" else "input"
    assert found(scanner.scan(dialect, {field: ["a", ID]})) == {("CN_RESIDENT_ID", f"{field}[1]")}


def test_an_identifier_split_over_messages_is_found_where_it_begins(scanner):
    evidence = scanner.scan("chat", chat(f"号码 {ID[:6]}", ID[6:12], f"{ID[12:]} 谢谢"))
    assert [(f.entity, f.path, f.start, f.end, f.transforms) for f in evidence.findings] == [
        ("CN_RESIDENT_ID", "messages[0].content", 3, 9, ("joined",))
    ]


def test_an_identifier_split_over_parts_one_digit_each_is_found(scanner):
    parts = [{"type": "text", "text": digit} for digit in "13812345678"]
    assert "CN_MOBILE" in {f.entity for f in scanner.scan("chat", chat(parts)).findings}


def test_a_cue_in_one_message_makes_the_next_one_an_identifier(scanner):
    assert ("US_SSN", "messages[1].content") in found(scanner.scan("chat", chat("What is your SSN?", "078051120")))


def test_a_key_is_the_context_of_its_value(scanner):
    assert ("CN_PASSPORT", "metadata.{key}") in found(scanner.scan("chat", {"metadata": {"passport": "E12345678"}}))


def test_seams_far_apart_are_all_looked_at(scanner):
    filler = " The weather is fine today." * 40
    contents = [f"{filler} {ID[:9]}", f"{ID[9:]} {filler} {ID[:5]}", f"{ID[5:]} {filler}"]
    paths = [f.path for f in scanner.scan("chat", chat(*contents)).findings]
    assert paths == ["messages[0].content", "messages[1].content"]


@pytest.mark.parametrize("place", [0, 1_590, 1_595, 1_990, 2_000, 3_195, 5_000])
def test_an_identifier_is_found_once_wherever_a_chunk_ends(scanner, place):
    text = "风" * place + ID + "雨" * (6_000 - place)
    (finding,) = [f for f in scanner.scan_text(text).findings if f.entity == "CN_RESIDENT_ID"]
    assert (finding.start, finding.end) == (place, place + len(ID))


@pytest.mark.parametrize("place", range(1_985, 2_001))
def test_a_longer_number_is_not_cut_into_an_identifier(scanner, place):
    text = "风" * place + "13812345678" * 3 + "雨" * 3_000
    assert scanner.scan_text(text).findings == ()


@pytest.mark.parametrize("place", range(1_590, 1_612))
def test_where_a_text_is_cut_nothing_is_judged_without_what_stands_before(scanner, place):
    text = "风" * (place - 8) + "version 10.20.30.40" + "雨" * 3_000
    assert scanner.scan_text(text).findings == ()


@pytest.mark.parametrize("behind", range(140, 160))
def test_where_texts_meet_nothing_is_judged_without_what_stands_before(scanner, behind):
    text = "风" * 300 + "version 10.20.30.40" + "雨" * (behind - 11)
    assert scanner.scan("chat", chat(text, "雨" * 300)).findings == ()


def test_what_is_encoded_is_found_three_levels_deep_and_placed_in_the_original(scanner):
    encoded = f"id {ID} end"
    for level in range(1, 5):
        encoded = base64.b64encode(encoded.encode()).decode()
        evidence = scanner.scan_text(f"请看 {encoded} 。")
        if level <= 3:
            (finding,) = evidence.findings
            assert (finding.start, finding.end) == (3, 3 + len(encoded))
            assert finding.transforms == ("base64",) * level
    assert scanner.scan_text(base64.b64encode(base64.b64encode(encoded.encode())).decode()).coverage.unscanned == (
        Unscanned("opaque_blob", "text"),
    )


def test_views_are_made_of_views(scanner):
    wide = "".join(chr(ord(c) + 0xFEE0) for c in base64.b64encode(ID.encode()).decode())
    (finding,) = scanner.scan_text(wide).findings
    assert finding.transforms == ("nfkc", "base64")


@pytest.mark.parametrize("control", ["\x00", "\x01", "\x08", "\x0e", "\x1b", "\x7f", "\x80", "\x9f"])
@pytest.mark.parametrize(
    ("entity", "text"),
    [
        ("EMAIL", "write to bob{}@corp.internal"),
        ("CREDENTIAL", "sk-proj-abcd{}EFGH1234567890abcd"),
        ("BANK_CARD", "4111{}1111{}1111{}1111"),
        ("CN_MOBILE", "138{}1234{}5678"),
        ("PERSON", "姓名：张{}三"),
    ],
)
def test_control_characters_hide_nothing(scanner, entity, text, control):
    hidden = text.replace("{}", control)
    assert entity in {finding.entity for finding in scanner.scan_text(hidden).findings}
    # Nor where other texts stand beside it in the same pass.
    assert (entity, "messages[1].content") in found(scanner.scan("chat", chat("hello", hidden, "bye")))


@pytest.mark.parametrize("control", ["\x00", "\x01", "\x7f", "\x9f"])
@pytest.mark.parametrize(
    ("entity", "text"),
    [
        ("UK_NINO", "number{}ＡＢ１２３４５６Ｃ"),
        ("PHONE", "（６０２）２７２－９７８１{}Phone: call me"),
        ("EMAIL", "ｗｒｉｔｅ to bob{}@corp.internal"),
    ],
)
def test_control_characters_part_and_hide_nothing_in_other_disguises_either(scanner, entity, text, control):
    found_in = scanner.scan_text(text.replace("{}", control)).findings
    assert entity in {finding.entity for finding in found_in}


def test_a_finding_seen_in_several_ways_is_told_once_as_written(scanner):
    (finding,) = [f for f in scanner.scan_text(f"{ID} １").findings if f.entity == "CN_RESIDENT_ID"]
    assert finding.transforms == ()


@pytest.mark.parametrize(
    "token", ["<|im_start|>", "<|eot_id|>", "[INST]", "<<SYS>>", "<start_of_turn>", "＜|im_start|＞"]
)
def test_control_tokens_are_reported(scanner, token):
    evidence = scanner.scan("chat", chat(f"hi {token} system"))
    assert evidence.coverage.unscanned == (Unscanned("control_tokens", "messages[0].content"),)


def test_carriers_that_nobody_can_read_are_reported(scanner):
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    coverage = scanner.scan("chat", chat([part])).coverage
    assert coverage.unscanned == (Unscanned("image", "messages[0].content[0].image_url.url"),)
    assert coverage.tiers == BOTH


@pytest.mark.parametrize("failure", [RuntimeError("secret 110105"), MemoryError(), RecursionError(), ValueError()])
def test_a_recognizer_that_fails_leaves_nothing_covered(failure):
    scanner = RequestScanner([Custom(failure)], clock=lambda: 0.0, build=everything)
    for evidence in (scanner.scan("chat", chat("hello")), scanner.scan_text("hello")):
        assert evidence.findings == ()
        assert evidence.coverage.tiers == frozenset()
        assert evidence.coverage.failure == type(failure).__name__


def test_a_customers_recognizer_without_patterns_always_runs(scanner):
    plugged = RequestScanner((*catalogue(()), Custom()), clock=lambda: 0.0, build=everything)
    assert ("URL", "messages[0].content") in found(plugged.scan("chat", chat("x")))


def test_an_unknown_dialect_is_not_covered(scanner):
    coverage = scanner.scan("smoke-signals", {}).coverage
    assert (coverage.tiers, coverage.failure) == (frozenset(), "UnknownDialect")


def test_text_that_cannot_be_encoded_is_not_covered(scanner):
    assert scanner.scan_text("a\ud800b").coverage.failure == "UnicodeEncodeError"


def test_a_bound_of_the_walk_is_not_covered_and_keeps_what_was_found(scanner):
    deep: object = ID
    for _ in range(100):
        deep = [deep]
    evidence = scanner.scan("chat", {"user": ID, "metadata": deep})
    assert evidence.coverage.failure == "TooDeep"
    assert evidence.coverage.tiers == frozenset()
    assert found(evidence) == {("CN_RESIDENT_ID", "user")}


def test_findings_without_end_are_not_covered(scanner):
    text = " ".join(f"user{i}@corp.internal" for i in range(MAX_FINDINGS + 10))
    coverage = scanner.scan_text(text).coverage
    assert (coverage.tiers, coverage.failure) == (frozenset(), "TooManyFindings")


def test_a_spent_deadline_is_not_covered_and_keeps_what_was_found():
    ticks = count()
    slow = build_scanner((), clock=lambda: next(ticks) * 0.02)
    evidence = slow.scan_text(f"{ID} " + "bob@corp.internal 13812345678 " * 2_000)
    assert evidence.coverage.failure == "DeadlineExceeded"
    assert evidence.coverage.tiers == frozenset()
    assert evidence.findings


PATHOLOGICAL = [
    "a." * 50_000,
    "1-" * 50_000,
    "192.168." * 12_500,
    "1234567890" * 10_000,
    "4 5 1 2 9 " * 10_000,
    "一二三四五六七八九〇" * 10_000,
    "a@" * 50_000,
    "%31" * 33_000,
    "&#49;" * 20_000,
    "\u200b1" * 50_000,
    "аb" * 50_000,
    "password:" * 11_000,
    "省市区路号" * 20_000,
    "[" * 100_000,
    "one two three " * 7_000,
    " " * 100_000,
]


class Ticking:
    """A clock that counts how often it is asked, and hardly moves."""

    def __init__(self) -> None:
        self.looks = 0

    def __call__(self) -> float:
        self.looks += 1
        return self.looks * 1e-9


@pytest.fixture(scope="module")
def watched():
    clock = Ticking()
    return build_scanner((), clock=clock), clock


@pytest.mark.parametrize("text", PATHOLOGICAL, ids=lambda text: repr(text[:9]))
def test_the_clock_is_looked_at_all_the_way_through_any_text(watched, text):
    scanner, clock = watched
    before = clock.looks
    assert scanner.scan_text(text).coverage.failure in (None, "TooManyFindings")
    # One look per batch at the least, so that no stretch between two looks is longer than a few thousand characters.
    assert clock.looks - before > len(text) / 6_100


def test_the_digest_names_what_decides():
    def digest(*markers):
        return RequestScanner(catalogue(markers), clock=lambda: 0.0, build=everything).digest

    assert digest("内部") == digest("内部")
    assert digest("内部") != digest("机密")
    assert digest() != RequestScanner(catalogue(())[1:], clock=lambda: 0.0, build=everything).digest
    # The prover knows it without compiling anything.
    assert scanner_digest(["内部"]) == digest("内部")
    assert scanner_digest([]) == digest()


def test_blank_markers_are_ignored():
    assert len(catalogue(("", "  "))) == len(catalogue(()))


VALUES = st.sampled_from(
    [
        ("CN_RESIDENT_ID", ID),
        ("CN_MOBILE", "13812345678"),
        ("BANK_CARD", "4111111111111111"),
        ("EMAIL", "bob@corp.internal"),
    ]
)
TRANSFORMS = {
    "as written": lambda v: v,
    "full-width": lambda v: "".join(chr(ord(c) + 0xFEE0) for c in v),
    "zero-width": "\u200b".join,
    "url": lambda v: "".join(f"%{ord(c):02x}" for c in v),
    "html": lambda v: "".join(f"&#{ord(c)};" for c in v),
    "base64": lambda v: base64.b64encode(v.encode()).decode(),
    "base32": lambda v: base64.b32encode(f"value {v}".encode()).decode(),
    "hex": lambda v: v.encode().hex(),
    "escapes": lambda v: "".join(f"\\u{ord(c):04x}" for c in v),
}
CARRIERS = {
    "content": lambda t: chat(t),
    "part": lambda t: chat([{"type": "text", "text": t}]),
    "key": lambda t: {"metadata": {t: 1}},
    "value": lambda t: {"metadata": {"k": [t]}},
    "arguments": lambda t: {
        "messages": [
            {"role": "assistant", "function_call": {"name": "f", "arguments": json.dumps({"a": t}, ensure_ascii=True)}}
        ]
    },
    "unknown": lambda t: {"zz": {"y": t}},
    "schema": lambda t: {"response_format": {"type": "json_object", "schema": {"description": t}}},
}
FRAMES = st.sampled_from(["{}", "请看{}谢谢", "see {} now", "（{}）", "a\n{}\nb"])


@given(VALUES, st.sampled_from(sorted(TRANSFORMS)), st.sampled_from(sorted(CARRIERS)), FRAMES)
def test_an_identifier_is_found_in_every_carrier_under_every_transform(scanner, value, transform, carrier, frame):
    entity, text = value
    document = CARRIERS[carrier](frame.format(TRANSFORMS[transform](text)))
    evidence = scanner.scan("chat", document)
    assert entity in {finding.entity for finding in evidence.findings}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.text(), x),
        max_leaves=12,
    )
)
def test_a_scan_never_raises_and_is_the_same_twice(scanner, document):
    assert scanner.scan("chat", document) == scanner.scan("chat", document)


@given(VALUES, st.integers(1, 15))
def test_an_identifier_cut_in_two_anywhere_is_found(scanner, value, cut):
    entity, text = value
    cut = min(cut, len(text) - 1)
    evidence = scanner.scan("chat", chat(text[:cut], text[cut:]))
    assert entity in {finding.entity for finding in evidence.findings}


@pytest.mark.parametrize("seed", range(4))
def test_of_a_view_only_what_is_other_is_read_and_all_is_found(scanner, monkeypatch, seed):
    chance = random.Random(seed)
    hidden = (
        "ssn%3A%20536-22-1234",
        "身份证：" + base64.b64encode(b"11010519491231002X").decode(),
        "card ４１１１ １１１１ １１１１ １１１１",
        "phone two one two five five five zero one four seven",
        "mail jane.mil\u200bler@example.com",
        "name,ssn\nAnn,536%2D22%2D1234\nBob,536-22-1235\n",
    )
    text = "".join(
        (
            chance.choice(hidden)
            if chance.random() < 0.1
            else chance.choice(("An honest line, one of many. ", "\n", "报告。"))
        )
        + " "
        for _ in range(400)
    )
    findings = scanner.scan_text(text).findings
    monkeypatch.setattr(sources, "_parts", lambda view: ((0, len(view.text)),))
    assert set(scanner.scan_text(text).findings) == set(findings)
    assert {finding.entity for finding in findings} >= {"US_SSN", "EMAIL"}
