"""`tidegate policy prove`: the verdicts, what may still leave, and the certificate."""

import json
from pathlib import Path

import pytest

from gateway.policy.certificate import Certificate
from tests.cli.policy_runs import one_scanner_for_each_policy as one_scanner_for_each_policy
from tests.cli.policy_runs import policy_file, run
from tests.config.folder import edit, make

Capsys = pytest.CaptureFixture[str]
HOLE = ('when: {label: ">= confidential"}, to', 'when: {label: ">= restricted"}, to')


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make(tmp_path)


@pytest.mark.parametrize("name", ["default", "bank", "hospital", "startup"])
def test_the_policies_that_ship_are_proved(capsys: Capsys, name: str) -> None:
    status, out, err = run(capsys, "prove", policy_file(name), "--json")
    shown = json.loads(out)
    assert (status, err, shown["ok"], shown["problems"]) == (0, "", True, [])
    assert {verdict["outcome"] for verdict in shown["verdicts"]} == {"proved"}
    assert (shown["dead"], shown["shadowed"], shown["acknowledged_in_vain"]) == ([], [], [])
    assert all(one["acknowledged"] for one in shown["may_leave"])
    assert (shown["unread_may_leave"], shown["scans_not_asked_for"]) == ([], [])
    assert shown["states"] > shown["nodes"] > 0


def test_a_proof_is_a_list_of_sentences(folder: Path, capsys: Capsys) -> None:
    status, out, _ = run(capsys, "prove", folder / "policy.yaml", "--language", "en")
    assert status == 0
    assert "Proved: all 9 claims hold in every one of " in out
    assert "✓ N1: " in out
    status, out, _ = run(capsys, "prove", folder / "policy.yaml", "--language", "zh")
    assert (status, "已证明：9 条结论" in out) == (0, True)


def test_a_hole_is_a_request_that_falls_through_it(folder: Path, capsys: Capsys) -> None:
    edit(folder, "policy.yaml", *HOLE)
    status, out, _ = run(capsys, "prove", folder / "policy.yaml", "--certificate", folder / "c.json")
    assert status == 1
    assert "For example, a request with: label confidential" in out
    assert "✗ N1: " in out
    assert "No certificate was written." in out
    assert not (folder / "c.json").exists()
    status, out, _ = run(capsys, "prove", folder / "policy.yaml", "--json")
    shown = json.loads(out)
    assert (status, shown["ok"], shown["certificate"]) == (1, False, None)
    assert shown["problems"][0]["line"] > 1
    (broken,) = [verdict for verdict in shown["verdicts"] if verdict["id"] == "N1"]
    facts = json.dumps(broken["counterexamples"][0]["facts"])
    # What was found can be asked about.
    status, out, _ = run(capsys, "explain", folder / "policy.yaml", "--facts", facts)
    assert (status, "confidential" in out) == (0, True)


def test_two_states_are_shown_where_a_claim_is_about_two(folder: Path, capsys: Capsys) -> None:
    only_public = '  - {id: dull, when: {label: "<= public"}, to: [home]}\n'
    edit(folder, "policy.yaml", "  - {id: rest, when", f"{only_public}  - {{id: rest, when")
    _, out, _ = run(capsys, "prove", folder / "policy.yaml", "--json")
    kinds = {verdict["id"]: verdict for verdict in json.loads(out)["verdicts"]}
    assert kinds["N2"]["outcome"] == "disproved"
    assert {"second", "second_pools"} <= set(kinds["N2"]["counterexamples"][0])


def test_the_certificate_names_the_bundle_and_what_was_proved(folder: Path, capsys: Capsys) -> None:
    path = folder / "c.json"
    status, out, _ = run(capsys, "prove", folder / "policy.yaml", "--certificate", path)
    assert (status, out.splitlines()[-1]) == (0, f"The certificate is in {path}.")
    certificate = Certificate.read(path.read_bytes())
    _, out, _ = run(capsys, "prove", folder / "policy.yaml", "--certificate", path, "--json")
    shown = json.loads(out)
    assert (certificate.bundle, certificate.states) == (shown["bundle"], shown["states"])
    assert shown["certificate"] == str(path)
    edit(folder, "tenants.yaml", "sees: [label]", "sees: []")
    _, out, _ = run(capsys, "prove", folder / "policy.yaml", "--json")
    assert json.loads(out)["bundle"] != certificate.bundle
    status, _, err = run(capsys, "prove", folder / "policy.yaml", "--certificate", folder / "absent" / "c")
    assert (status, "The certificate cannot be written (FileNotFoundError)." in err) == (2, True)


def test_over_the_budget_nothing_is_proved(folder: Path, capsys: Capsys) -> None:
    status, out, _ = run(capsys, "prove", folder / "policy.yaml", "--most-nodes", "1", "--json")
    shown = json.loads(out)
    assert (status, shown["ok"]) == (1, False)
    assert "not_proved" in {verdict["outcome"] for verdict in shown["verdicts"]}
    for number in ("0", "many"):
        assert run(capsys, "prove", folder / "policy.yaml", "--most-nodes", number)[0] == 2


def test_without_pools_there_is_nothing_to_prove(folder: Path, capsys: Capsys) -> None:
    (folder / "pools.yaml").unlink()
    status, _, err = run(capsys, "prove", folder / "policy.yaml")
    assert (status, "Without pools nobody knows where requests go." in err) == (2, True)
