"""What `tidegate doctor` says of live canaries."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.cli.checkup import State
from gateway.cli.checkup_canary import of_canary
from gateway.cli.doctor_words import MENDS, SAYS
from gateway.policy.live_canary import Verdict
from gateway.policy.words import fill
from gateway.runtime.canary_book import FILE, Fared, write_book
from gateway.settings import load
from tests.cli.folder import write_folder

NOW = 1_800_000_000.0


def said(folder: Path, gateway: str = "canary: {}\n", fared: Fared | None = None) -> dict[str, State]:
    with (folder / "gateway.yaml").open("a") as file:
        file.write(gateway)
    settings = load(folder, {})
    if fared is not None:
        settings.state_dir.mkdir()
        write_book(settings.state_dir / FILE, {"default": fared})
    checks = list(of_canary(settings, datetime.fromtimestamp(NOW, UTC)))
    for check in checks:
        for spoken in ("en", "zh"):
            assert "{" not in fill(SAYS, check.key, spoken, **check.gaps)
            assert (check.key in MENDS) == (check.state is not State.LIVE)
            if check.key in MENDS:
                assert "{id}" not in fill(MENDS, check.key, spoken, **check.gaps)
    return {check.key: check.state for check in checks}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "config")


def test_where_something_could_leave_none_is_worth_a_word(folder: Path) -> None:
    assert said(folder, "") == {"canary_off": State.MISSING}


def test_where_nothing_can_leave_none_is_missed(folder: Path) -> None:
    for name in ("policy.yaml", "pools.yaml"):
        path = folder / name
        lines = [line for line in path.read_text().splitlines(keepends=True) if not line.startswith("  burst:")]
        path.write_text("".join(lines).replace("[home, burst]", "[home]").replace(", spill: [burst]", ""))
    assert said(folder, "") == {}


def before(hours: float) -> float:
    return NOW - hours * 3600


@pytest.mark.parametrize(
    ("fared", "found"),
    [
        (None, {"canary_waits": State.LIVE}),
        (Fared(before(5)), {"canary_waits": State.LIVE}),
        (Fared(before(5)).with_another(Verdict.HELD, "a", before(1)), {"canary_held": State.LIVE}),
        (Fared(before(1)).with_another(Verdict.FAILED, "a", before(1)), {"canary_failed": State.MISSING}),
        (Fared(before(9)).with_another(Verdict.FAILED, "a", before(1)), {"canary_not_held": State.MISSING}),
        (Fared(before(9)).with_another(Verdict.HELD, "a", before(2.1)), {"canary_not_held": State.MISSING}),
        (Fared(before(1)).with_another(Verdict.LEFT, "a", before(1)), {"canary_left": State.WRONG}),
        (Fared(before(1)).with_another(Verdict.UNLABELLED, "a", before(1)), {"canary_unlabelled": State.WRONG}),
        (Fared(before(1)).with_another(Verdict.UNSEEN, "a", before(1)), {"canary_unseen": State.WRONG}),
        (
            Fared(before(9)).with_another(Verdict.LEFT, "a", before(2)).with_another(Verdict.HELD, "b", before(1)),
            {"canary_alarmed": State.MISSING, "canary_held": State.LIVE},
        ),
    ],
)
def test_the_last_of_each_class_is_told(folder: Path, fared: Fared | None, found: dict[str, State]) -> None:
    assert said(folder, fared=fared) == found


@pytest.mark.parametrize(
    ("tenants", "gateway", "found"),
    [
        ("{}", "canary: {}\n", "canary_no_tenants"),
        ("{bank: {class: default, models: [chat]}}", "canary: {model: chat}\n", "canary_waits"),
        ("{bank: {class: default, apis: [embeddings]}}", "canary: {}\n", "canary_no_model"),
    ],
)
def test_a_class_that_has_none_is_named(folder: Path, tenants: str, gateway: str, found: str) -> None:
    path = folder / "tenants.yaml"
    path.write_text(path.read_text().replace("{bank: {class: default}, clinic: {class: default}}", tenants))
    assert list(said(folder, gateway)) == [found]


def test_a_policy_that_lets_go_of_all_that_a_canary_holds_is_said_to(folder: Path) -> None:
    path = folder / "policy.yaml"
    rules = "  rules:\n    - {any_of: [CN_RESIDENT_ID, BANK_CARD, IBAN], label: internal}\n"
    text = path.read_text().replace("  rules:\n", rules)
    path.write_text(text.replace("may_leave: []", "may_leave: [CN_RESIDENT_ID, BANK_CARD, IBAN]"))
    assert said(folder) == {"canary_may_leave": State.MISSING}
