"""What `tidegate doctor` and `policy status` say of a candidate beside the policy, and of what was refused."""

import argparse
import json
import os
import time
from pathlib import Path

import msgspec
import pytest

from gateway.cli.admin_port import AdminPort, Answer
from gateway.cli.checkup import State as Found
from gateway.cli.checkup_policy import FIGURES, RECENT_S, of_refusals, of_shadow, report_from, standing_refusal
from gateway.cli.doctor_words import MENDS, SAYS
from gateway.cli.problem_report import Misuse
from gateway.cli.shadow_report import report_of
from gateway.core import measures
from gateway.core.figures import Account
from gateway.core.measures import FAMILIES, NONE
from gateway.core.records import Refusal, RefusalCode
from gateway.policy.shadow import Direction
from gateway.policy.words import fill
from gateway.runtime.audit import AuditLog
from gateway.runtime.clock import SystemClock
from gateway.runtime.keyring import Keyring
from gateway.runtime.lifeline import InForce
from gateway.runtime.shadow import State
from gateway.wire.exposition import as_json as figures_of
from tests.cli.folder import ROOT, write_folder
from tests.cli.policy_runs import run

NAMES = ("c" * 12, "b" * 12)
MOVES = {Direction.SAME: 7.0, Direction.NEW_CLOUD: 2.0, Direction.UNDECIDABLE: 1.0, Direction.TO_HOME: 4.0}


def account(state: State = State.COMPARING, candidate: str = NAMES[0]) -> Account:
    compared = {
        measures.SHADOW.name: {(*NAMES, "rest", "rest", "internal", str(way)): n for way, n in MOVES.items()},
        measures.SHADOW_SINCE.name: {(NAMES[0], "2"): 1_795_290_000.0},
    }
    workers = {measures.SHADOW_WORKERS.name: {(candidate, NAMES[1], str(state)): 2.0}}
    return Account(0.0, {**(compared if candidate != NONE else {}), **workers})


def test_a_candidate_that_is_compared_is_told_with_since_when_and_how_much_would_move(tmp_path: Path) -> None:
    (check,) = of_shadow(tmp_path / "gone", report_of(account()))
    assert (check.state, check.key) == (Found.LIVE, "shadow")
    assert fill(SAYS, check.key, "en", **check.gaps) == (
        "A candidate runs in shadow since 2026-11-21 19:40 UTC: cccccccccccc, version 2. Of 14 requests 7 would go "
        "otherwise; 3 of them towards the cloud, or it cannot be told."
    )
    assert "自 2026-11-21 19:40 UTC 起在影子运行" in fill(SAYS, check.key, "zh", **check.gaps)


def test_one_that_is_not_compared_is_told_with_what_to_do(tmp_path: Path) -> None:
    (check,) = of_shadow(tmp_path / "gone", report_of(account(State.UNREADABLE, NONE)))
    assert (check.state, check.gaps["state"]) == (Found.MISSING, "unreadable")
    assert check.key in MENDS


def test_without_a_gateway_its_file_is_told(tmp_path: Path) -> None:
    file = tmp_path / "policy.shadow.yaml"
    assert list(of_shadow(file, None)) == []
    file.write_text("")
    os.utime(file, (1_795_290_000, 1_795_290_000))
    (check,) = of_shadow(file, None)
    said = fill(SAYS, check.key, "en", **check.gaps)
    assert (check.state, "since 2026-11-21 19:40 UTC" in said, str(file) in said) == (Found.LIVE, True, True)


def test_who_does_not_answer_or_is_of_another_version_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[Answer | Misuse] = [Misuse("p", "m"), Answer(404, b"{}"), Answer(200, b"nonsense")]

    def ask(port: AdminPort, path: str) -> Answer:
        answer = said.pop()
        if isinstance(answer, Misuse):
            raise answer
        return answer

    monkeypatch.setattr(AdminPort, "of", lambda arguments: AdminPort(None, None))
    monkeypatch.setattr(AdminPort, "ask", ask)
    assert [report_from(argparse.Namespace()) for _ in range(3)] == [None] * 3


@pytest.mark.parametrize("is_shadowed", [True, False])
def test_policy_status_says_that_a_candidate_runs(tmp_path: Path, capsys, monkeypatch, is_shadowed: bool) -> None:
    folder = write_folder(tmp_path / "config")
    status = {"bundle": "b", "epoch": 1, "policy": 2, "certificate": "c", "in_force": InForce("b", since=1.0)}
    figures = figures_of(FAMILIES.values(), account() if is_shadowed else Account())
    answers = {"/admin/v1/status": msgspec.json.encode(status), FIGURES: figures}
    monkeypatch.setattr(AdminPort, "ask", lambda port, path: Answer(200, answers[path]))
    code, out, _ = run(capsys, "status", "--config", folder)
    assert (code, "A candidate runs in shadow since" in " ".join(out.split())) == (0, is_shadowed)
    shown = json.loads(run(capsys, "status", "--config", folder, "--json")[1])["shadow"]
    assert (shown or {}).get("compared") == (14 if is_shadowed else None)


# What was refused


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    return tmp_path / "audit"


def logged(audit: Path, *entries: Refusal | str, worker: int = 0) -> None:
    """A worker's log with refusals, and with activations of the bundles that are named."""
    log = AuditLog(audit, worker, Keyring(ROOT), SystemClock())
    log.open()
    for entry in entries:
        if isinstance(entry, str):
            log.activated(entry, ("low",))
        else:
            log.refused(entry)
    assert log.flush_and_close()


def refusal(in_force: str, ago: float = 0.0, code: RefusalCode = RefusalCode.PROBLEMS) -> Refusal:
    return Refusal(time.time() - ago, (code,), in_force=in_force)


@pytest.mark.parametrize(
    ("entries", "stands"),
    [
        (("one",), False),
        (("one", refusal("one")), True),
        (("one", refusal("one"), "one"), True),
        (("one", refusal("one"), "two"), False),
        (("one", refusal("", ago=60.0, code=RefusalCode.UNSIGNED)), False),
    ],
    ids=["none", "refused", "started again", "another since", "a start that was refused before"],
)
def test_a_refusal_is_told_until_something_else_comes_into_force(audit: Path, entries, stands: bool) -> None:
    logged(audit, *entries)
    checks = list(of_refusals(audit, time.time()))
    assert [check.key for check in checks] == ["refused"] * stands
    for check in checks:
        assert (check.state, check.gaps["codes"]) == (Found.MISSING, "problems")
        for spoken in ("en", "zh"):
            assert "{" not in fill(SAYS, check.key, spoken, **check.gaps) + fill(MENDS, check.key, spoken)


def test_the_last_of_several_is_told_and_old_ones_are_history(audit: Path) -> None:
    logged(audit, "one", refusal("one", ago=2.0), refusal("one", code=RefusalCode.RESTART))
    found = standing_refusal(audit, time.time())
    assert found is not None
    assert found.codes == (RefusalCode.RESTART,)
    assert standing_refusal(audit, time.time() + RECENT_S + 60) is None
    assert standing_refusal(audit / "gone", time.time()) is None
