"""An entity's edition changes with what looks for it, and with nothing else."""

import pytest

from gateway.config.recognizers_file import Declared, Pattern
from gateway.core.written import Place
from gateway.detect import editions as module
from gateway.detect.declared import recognizers_of
from gateway.detect.editions import LENGTH, MARKER, editions
from gateway.detect.scanner import catalogue

PLAIN = editions(())


def own(regex: str, entity: str = "ACME_BADGE"):
    place = Place("recognizers.yaml")
    return tuple(recognizers_of(Declared("badge", entity, (Pattern(regex, 0.5, place),), (), (), 0.0, place)))


def changed(after) -> set[str]:
    return {entity for entity in PLAIN.keys() | after.keys() if PLAIN.get(entity) != after.get(entity)}


def test_every_entity_that_can_be_reported_has_one_and_the_same_one_again():
    assert set(PLAIN) == {entity for one in catalogue(()) for entity in one.entities}
    assert editions(()) == PLAIN
    assert {len(edition) for edition in PLAIN.values()} == {LENGTH}
    assert len(set(PLAIN.values())) == len(PLAIN)


def test_a_recognizer_changes_the_edition_of_its_own_entities_only():
    assert changed(editions((), own("AC-[0-9]{6}"))) == {"ACME_BADGE"}
    assert editions((), own("AC-[0-9]{6}")) != editions((), own("AC-[0-9]{7}"))
    assert changed(editions((), own("Z[0-9]{17}", "CN_RESIDENT_ID"))) == {"CN_RESIDENT_ID"}


def test_models_change_what_they_report():
    assert changed(editions((), models="m" * 64)) == {"PERSON", "ORG", "ADDRESS"}


def test_markers_share_one_that_does_not_name_them():
    after = editions(("内部", "secret plan"))
    assert changed(after) == {MARKER}
    assert editions(("内部",))[MARKER] != after[MARKER]


def test_more_than_a_record_should_hold_are_none(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MOST_ENTITIES", len(PLAIN) - 1)
    assert editions(()) == {}
