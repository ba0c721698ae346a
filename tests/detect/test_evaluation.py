"""The generator makes what it says it makes, the scorer counts it right, and the pages show the last run's figures."""

import json
import string
import subprocess
import sys
from itertools import islice
from random import Random

import pytest
from stdnum import luhn
from stdnum.cn import uscc

from tests.detect import evaluation

from corpus import negatives, values, worldwide  # isort: skip
from corpus.build import LENGTHS, examples
from corpus.carriers import CARRIERS
from corpus.templates import LANGUAGES, BadTemplate, Kind, Split, read_phrases, read_templates
from scoring import pages
from scoring.counts import Judge, Rate, tally
from scoring.matrix import gaps

from gateway.core.findings import Coverage, Evidence, Finding, Tier
from gateway.core.labels import Label
from gateway.detect import checksums
from gateway.detect.ner_models import are_installed

JUDGE = Judge(Label(1), {"CN_MOBILE": Label(2), "PHONE": Label(2), "PERSON": Label(1), "BANK_CARD": Label(3)}, Label(1))
SPLIT_UP = {name for name in CARRIERS if name.startswith("split over")}


def solid(text):
    return "".join(character for character in text if character.isalnum())


@pytest.mark.parametrize(
    ("maker", "is_right"),
    [
        (values.resident_id, checksums.resident_id),
        (values.uscc, uscc.is_valid),
        (worldwide.bank_card, luhn.is_valid),
        (values.npi, checksums.npi),
        (values.dea, checksums.dea_number),
        (values.nhs, checksums.nhs_number),
        (values.aadhaar, checksums.aadhaar),
        (worldwide.iban, checksums.is_iban),
        (values.ssn, checksums.ssn),
        (values.itin, checksums.itin),
        (values.hong_kong_id, checksums.hong_kong_id),
        (values.taiwan_id, checksums.taiwan_id),
    ],
    ids=lambda part: getattr(part, "__name__", ""),
)  # fmt: skip
def test_a_made_value_has_the_right_checksum(maker, is_right):
    rng = Random(7)
    assert [made for made in (maker(rng) for _ in range(200)) if not is_right(solid(made))] == []


@pytest.mark.parametrize("name", ["order", "wrong_card", "wrong_id", "wrong_uscc"])
def test_a_hard_negative_is_never_a_real_number(name):
    rng = Random(7)
    for _ in range(300):
        number = negatives.NEGATIVES[name](rng)
        assert not checksums.resident_id(number) if len(number) == 18 and number[:17].isdigit() else True
        assert not uscc.is_valid(number)
        if number.isdigit() and 12 <= len(number) <= 19:
            assert not checksums.bank_card(number)


@pytest.mark.parametrize("language", LANGUAGES)
def test_there_are_templates_of_every_kind_in_both_halves(language):
    templates = read_templates(language)
    assert len(templates) >= 60
    assert {(template.kind, template.split) for template in templates} == {(k, s) for k in Kind for s in Split}
    for found in read_phrases(language).values():
        assert {phrase.split for phrase in found} == set(Split)


def test_the_halves_share_no_template_and_no_phrase():
    names = {
        split: {part for made in examples(1, 600, split=split) for part in made.template.split("+")} for split in Split
    }
    assert len(names[Split.HELD_OUT]) > 100
    assert names[Split.DEVELOPMENT] & names[Split.HELD_OUT] == set()


def test_the_same_seed_gives_the_same_requests_in_any_batches():
    whole = list(examples(5, 60, split=Split.HELD_OUT))
    parts = [made for first in (40, 0, 20) for made in examples(5, 20, split=Split.HELD_OUT, first=first)]
    assert sorted(parts, key=lambda made: int(made.id[2:])) == whole
    assert list(examples(6, 60, split=Split.HELD_OUT)) != whole


def test_every_span_marks_its_value():
    for made in examples(2, 800):
        for mark in made.spans:
            assert 0 <= mark.start < mark.end <= len(made.text)
            if made.transform == "as written":
                assert made.text[mark.start : mark.end] == mark.value
        assert len(made.text) >= LENGTHS[made.length]
        if made.kind == Kind.CLEAN:
            assert not made.spans
            assert not made.is_sensitive


@pytest.mark.parametrize("place", sorted(CARRIERS.keys() - SPLIT_UP))
def test_a_carrier_carries_the_text(place):
    put = CARRIERS[place]("13812345678")
    assert put is not None
    assert "13812345678" in json.dumps(put[1], ensure_ascii=False)


@pytest.mark.parametrize("place", sorted(SPLIT_UP))
def test_a_split_carrier_carries_both_halves_and_not_the_whole(place):
    put = CARRIERS[place]("AAAAABBBBB")
    assert put is not None
    written = json.dumps(put[1])
    assert "AAAAA" in written
    assert "BBBBB" in written
    assert "AAAAABBBBB" not in written


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("== a | d | pii\nno slot", "slots do not fit"),
        ("== a | d | clean\nmy {CN_MOBILE}", "slots do not fit"),
        ("== a | d | frame\n{DETAIL} and {DETAIL}", "slots do not fit"),
        ("== a | d | pii\n{CN_MOBIL}", "no value is called CN_MOBIL"),
        ("== a | d | clean\n{#oder}", "no hard negative is called #oder"),
        ("== a | d | odd\ntext", "the kind is one of"),
        ("== a | d\ntext", "expected '== id"),
        ("== a | d | clean\nx\n== a | d | clean\ny", "used twice: a"),
    ],
)
def test_a_bad_template_is_refused_with_its_line(tmp_path, written, problem):
    (tmp_path / "en.txt").write_text(f"# a comment\n{written}\n")
    with pytest.raises(BadTemplate, match=problem):
        read_templates("en", tmp_path)


def test_a_bad_phrase_is_refused_with_its_line(tmp_path):
    (tmp_path / "en.phrases.txt").write_text("CN_MOBILE | phone\n")
    with pytest.raises(BadTemplate, match=r"en\.phrases\.txt:1"):
        read_phrases("en", tmp_path)


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (50, 100, 0.4038, 0.5962), (0, 0, 0.0, 1.0)],
)
def test_intervals_are_wilsons(hits, of, low, high):
    assert Rate(hits, of).interval() == pytest.approx((low, high), abs=5e-5)


def one(entity, *, count=400):
    return next(
        made
        for made in examples(3, count)
        if [mark.entity for mark in made.spans] == [entity]
        and (made.transform, made.carrier) == ("as written", "messages.content")
    )


def found(made, entity, shift=0, score=0.9):
    mark = made.spans[0]
    finding = Finding(entity, score, "messages[0].content", mark.start + shift, mark.end + shift, "x")
    return JUDGE.outcome("x", made, Evidence((finding,), Coverage(frozenset())), Label(2))


@pytest.mark.parametrize(
    ("entity", "score", "shift", "hit", "false"),
    [
        ("CN_MOBILE", 0.9, 0, True, 0),
        ("CN_MOBILE", 0.9, 3, True, 0),
        ("PHONE", 0.9, 0, True, 0),  # as sensitive
        ("BANK_CARD", 0.9, 0, True, 0),  # more sensitive
        ("PERSON", 0.9, 0, False, 0),  # less sensitive; and no identifier
        ("CN_MOBILE", 0.4, 0, False, 0),  # below what the policy counts
        ("CN_MOBILE", 0.9, 400, False, 1),
    ],
)
def test_a_value_counts_as_found_if_a_finding_shows_at_least_as_much(entity, score, shift, hit, false):
    made = one("CN_MOBILE")
    outcome = found(made, entity, shift, score)
    assert outcome.values == (("CN_MOBILE", hit),)
    assert len(outcome.false) == false


def test_a_name_must_be_found_as_a_name():
    made = one("PERSON")
    assert not found(made, "CN_MOBILE").values[0][1]
    assert found(made, "PERSON").values[0][1]


def test_leaks_and_over_restriction_are_counted_by_request():
    outcomes = []
    for made in islice(examples(4, 200), 200):
        for label in (Label(1), Label(2)):
            outcomes.append(JUDGE.outcome("x", made, Evidence((), Coverage(frozenset())), label))
    counted = tally(outcomes)
    assert counted.leaks.share == counted.over_restriction.share == 0.5
    assert counted.leaks.of + counted.over_restriction.of == 400
    assert counted.recall().hits == 0


def run(*arguments):
    argv = [sys.executable, *map(str, arguments)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=110)


def test_the_command_line_writes_labelled_lines():
    ran = run(evaluation.EVAL / "generate.py", "--seed", 3, "--count", 4, "--split", "held-out", "--language", "zh")
    assert ran.returncode == 0, ran.stderr
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [line["language"] for line in lines] == ["zh"] * 4
    assert lines[0].keys() >= {"id", "text", "spans", "dialect", "request", "is_sensitive", "split", "template"}


def test_a_quick_run_measures_and_writes_no_page():
    before = {path: path.read_bytes() for path in pages.PAGES if path.exists()}
    ran = run(evaluation.EVAL / "run.py", "--quick", "--count", 120, "--no-presidio", "--no-models", "--no-matrix")
    assert ran.returncode == 0, ran.stderr
    assert "120 requests from held-out templates" in ran.stdout
    assert "structured identifiers found, as written" in ran.stdout
    assert {path: path.read_bytes() for path in before} == before


def test_presidio_runs_offline_beside_it():
    pytest.importorskip("presidio_analyzer", reason="make eval installs it")
    from scoring.detectors import Presidio

    request = {"messages": [{"role": "user", "content": "card 4111111111111111, mail ann@example.com"}]}
    evidence = Presidio().evidence("chat", request, "zh")
    assert {finding.entity for finding in evidence.findings} >= {"BANK_CARD", "EMAIL"}


@pytest.mark.skipif(not are_installed(), reason="make eval installs the models")
def test_the_models_read_beside_our_own_recognizers():
    from scoring.detectors import Ours, WithModels, default_policy

    request = {"messages": [{"role": "user", "content": "Tomas Brandt asked about his chemotherapy."}]}
    ours = Ours(default_policy())
    assert [finding.entity for finding in ours.evidence("chat", request, "en").findings] == ["HEALTH_CONTEXT"]
    evidence = WithModels(ours).evidence("chat", request, "en")
    assert {finding.entity for finding in evidence.findings} == {"HEALTH_CONTEXT", "PERSON"}
    assert Tier.NER in evidence.coverage.tiers


def test_a_run_with_models_has_columns_of_its_own_where_they_could_make_a_difference():
    record = json.loads(pages.RECORD.read_text("utf-8"))
    name = "tidegate with models"
    record["detectors"] = [*(one for one in record["detectors"] if one != name), name]
    for key in ("totals", "entities", "transforms", "lengths", "places"):
        for language in LANGUAGES:
            record[key][f"{language}/{name}"] = record[key][f"{language}/tidegate"]
    record["public"], record["public_totals"] = {}, {}
    shown = pages.sections(record, gaps(), "en")
    with_models = {section for section, text in shown.items() if f"English, {name}" in text}
    assert with_models == {"totals", "summary", "lengths", "places"}
    alone = record | {"detectors": ["tidegate", name]}
    assert "Presidio was not installed" in pages.sections(alone, gaps(), "en")["run"]


@pytest.mark.parametrize("page", list(pages.PAGES), ids=lambda path: path.name)
def test_the_pages_show_the_figures_of_the_last_run(page):
    record = json.loads(pages.RECORD.read_text("utf-8"))
    text = page.read_text("utf-8")
    assert pages.rendered(text, pages.sections(record, gaps(), pages.PAGES[page])) == text, "run.py --render mends it"
    if page.parent.name == "docs":
        assert text.count("<!-- eval:end -->") == 9


def test_a_figure_that_is_not_the_last_runs_is_noticed():
    record = json.loads(pages.RECORD.read_text("utf-8"))
    page = "a\n<!-- eval:totals -->\n| 100 % |\n<!-- eval:end -->\nb\n"
    mended = pages.rendered(page, pages.sections(record, gaps(), "en"))
    assert mended != page
    assert mended.startswith("a\n<!-- eval:totals -->\n| figure |")
    assert mended.endswith("<!-- eval:end -->\nb\n")


def test_no_hundred_per_cent_is_said_of_less_than_all():
    assert pages.share([99_999, 100_000]).startswith("99.99 %")
    assert pages.share([1, 1_000_000]).startswith("0.01 %")
    assert pages.share([7, 7]).startswith("100 %")
    assert pages.share([0, 7]).startswith("0 %")
    assert pages.share([0, 0]) == "–"


def test_digits_of_a_value_are_ascii():
    rng = Random(1)
    made = "".join(maker(rng) for name, maker in values.MAKERS.items() if name in ("QQ", "NPI", "BANK_ACCOUNT"))
    assert set(made) <= set(string.digits)
