"""The entities that the policy may speak of."""

from gateway.core import entities


def test_every_entity_has_a_meaning_and_an_upper_case_name():
    assert entities.ENTITIES
    for name in entities.ENTITIES:
        assert name == name.upper()
