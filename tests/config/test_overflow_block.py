"""pools.yaml: places that are kept for home, when work may leave, and how much of it."""

import pytest

from gateway.config.pools_file import PoolsFile
from gateway.config.pools_file import read as read_pools
from gateway.core.burst import SpillRules, Thresholds

from .reading import INTERNAL, ORDER, PUBLIC, read, zones


def told(text: str) -> tuple[PoolsFile, list[str]]:
    return read(text, lambda root, reader: read_pools(root, reader, ORDER, zones()))


def home(top: str = "", **changes: str) -> str:
    settings = {
        "zone": "onprem", "clearance": "confidential", "backend": "openai", "model": "m", "endpoints": "[http://host]",
        **changes,
    }  # fmt: skip
    listed = ", ".join(f"{key}: {value}" for key, value in settings.items())
    return f"apiVersion: tidegate/v1\n{top}pools:\n  p: {{{listed}}}\n"


CLOUD = {"zone": "cloud", "clearance": "internal", "endpoints": '["https://host"]'}


@pytest.mark.parametrize(
    ("changes", "reserved"),
    [
        ({}, 6),  # a tenth of 64
        ({"max_in_flight": "9"}, 0),
        ({"max_in_flight": "10"}, 1),
        ({"max_in_flight": "10", "reserve_for_home": "3"}, 3),
        ({"max_in_flight": "10", "reserve_for_home": "0"}, 0),
        ({"max_in_flight": "10", "reserve_for_home": "25%"}, 2),
        ({"max_in_flight": "10", "reserve_for_home": "100%"}, 10),
        (CLOUD, 0),
    ],
)
def test_places_are_kept_for_what_must_stay(changes: dict[str, str], reserved: int) -> None:
    pools, problems = told(home(**changes))
    assert problems == []
    assert pools.topology.pool("p").reserved == reserved


def test_spill_has_thresholds_and_labels_may_have_their_own() -> None:
    assert told(home())[0].topology.pool("p").spill == SpillRules()
    spill = "{open_at: 150%, dwell: 30s, labels: {public: {open_at: 70%, close_at: 50%}, internal: {dwell: 5s}}}"
    pools, problems = told(home(spill=spill))
    assert problems == []
    usual = Thresholds(1.5, 0.8, 30.0)
    own = ((PUBLIC, Thresholds(0.7, 0.5, 30.0)), (INTERNAL, Thresholds(1.5, 0.8, 5.0)))
    assert pools.topology.pool("p").spill == SpillRules(usual, own)


def test_a_cap_holds_for_all_cloud_pools_together() -> None:
    assert told(home())[0].topology.most_in_cloud is None
    assert told(home("burst: {max_in_flight: 0}\n"))[0].topology.most_in_cloud == 0
    assert told(home("burst: {max_in_flight: 64}\n"))[0].topology.most_in_cloud == 64


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (home(reserve_for_home="65"), "`reserve_for_home` must be a whole number from 0 to 64."),
        (home(reserve_for_home="101%"), "`reserve_for_home` must be a percentage from `0%` to `100%`."),
        (home(reserve_for_home="true"), "`reserve_for_home` must be a percentage"),
        (home(reserve_for_home="[1]"), "`reserve_for_home` must be a percentage"),
        (home(**CLOUD, reserve_for_home="10%"), "A pool in the cloud keeps no places for what must stay home. Remove"),
        (home(spill="{open_at: 1.5}"), "`open_at` must be a percentage from `0%` to `1000%`."),
        (home(spill="{close_at: 100%}"), "Spill must close at a lower pressure than it opens at. Write both;"),
        (home(spill="{open_at: 70%}"), "`close_at` is 80% where it is left out."),
        (home(spill="{dwell: 2h}"), "`dwell` must be between 0s and 3600s."),
        (home(spill="{labels: {publik: {}}}"), "The label `publik` does not exist. Did you mean `public`?"),
        (home(spill="{labels: {public: {open: 70%}}}"), "`spill.labels.public` has no key `open`."),
        (home(spill="{labels: {public: {open_at: 70%}}}"), "Spill must close at a lower pressure"),
        (home("burst: {}\n"), "`burst` lacks the key `max_in_flight`. Add it."),
        (home("burst: {max_in_flight: -1}\n"), "`burst.max_in_flight` must be a whole number from 0 to 1000000."),
    ],
)
def test_a_fault_is_told(text: str, sentence: str) -> None:
    problems = told(text)[1]
    assert len(problems) == 1
    assert sentence in problems[0]


def test_without_the_policys_labels_those_of_spill_are_not_checked() -> None:
    text = home(spill="{labels: {anything: {dwell: 5s}}}")
    pools, problems = read(text, lambda root, reader: read_pools(root, reader, None, None))
    assert (problems, pools.topology.pools) == ([], ())
