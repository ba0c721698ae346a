"""`tidegate policy diff`: which requests a new policy decides differently, and the gate for CI."""

import json
from pathlib import Path

import pytest

from gateway.cli import policy_files
from gateway.cli.policy_files import PolicyFiles
from gateway.detect.scanner import scanner_digest
from gateway.settings import load_bundle
from tests.cli.policy_runs import one_scanner_for_each_policy as one_scanner_for_each_policy
from tests.cli.policy_runs import run
from tests.config.folder import edit, make

Capsys = pytest.CaptureFixture[str]
GATE = ("--fail-on", "new-cloud-access")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The new policy; the old one, alike, stands in `old/`."""
    (tmp_path / "old").mkdir()
    make(tmp_path / "old")
    return make(tmp_path)


def compare(capsys: Capsys, folder: Path, *more: str | Path) -> tuple[int, str, str]:
    return run(capsys, "diff", folder / "old" / "policy.yaml", folder / "policy.yaml", *more)


def test_what_is_the_same_is_said_to_be(folder: Path, capsys: Capsys) -> None:
    (folder / "policy.yaml").write_text((folder / "policy.yaml").read_text() + "# a comment\n")
    status, out, err = compare(capsys, folder, *GATE, "--fail-on", "any-change", "--fail-on", "version-not-raised")
    assert (status, err) == (0, "")
    assert "New cloud access: none.\nEvery request is decided as before.\n" in out


def test_a_way_out_closes_the_gate(folder: Path, capsys: Capsys) -> None:
    edit(folder, "policy.yaml", "chat-home: {pools: [home]}", "chat-home: {pools: [home, burst]}")
    edit(folder, "policy.yaml", "version: 1 ", "version: 2 ")
    status, out, _ = compare(capsys, folder)
    assert (status, "New cloud access: YES." in out) == (0, True)
    status, out, _ = compare(capsys, folder, *GATE)
    assert status == 1
    assert "model chat-home" in out
    assert out.endswith("Failed on: new-cloud-access.\n")
    status, out, _ = compare(capsys, folder, *GATE, "--json")
    shown = json.loads(out)
    assert (status, shown["ok"], shown["failed_on"]) == (1, False, ["new-cloud-access"])
    assert (shown["old"]["version"], shown["new"]["version"], shown["version"]) == (1, 2, None)


def test_a_door_that_closes_opens_no_gate(folder: Path, capsys: Capsys) -> None:
    edit(folder, "policy.yaml", "spill: [burst], on_full", "on_full")
    edit(folder, "policy.yaml", "version: 1 ", "version: 2 ")
    status, out, _ = compare(capsys, folder, *GATE, "--fail-on", "version-not-raised")
    assert (status, "New cloud access: none." in out) == (0, True)
    assert compare(capsys, folder, "--fail-on", "any-change")[0] == 1


def test_a_pool_that_moves_to_the_cloud_is_new_access(folder: Path, capsys: Capsys) -> None:
    edit(folder, "pools.yaml", "home: {zone: onprem, clearance: restricted", "home: {zone: cloud, clearance: internal")
    edit(folder, "pools.yaml", "http://127.0.0.1:8000", "https://127.0.0.1:8000")
    status, out, _ = compare(capsys, folder, *GATE)
    assert (status, "New cloud access: YES." in out) == (1, True)


def test_a_tenant_that_comes_to_a_class_which_may_let_out_more_is_new_access(folder: Path, capsys: Capsys) -> None:
    edit(folder, "tenants.yaml", "ward: {class: hospital}", "ward: {class: default}")
    status, out, _ = compare(capsys, folder, *GATE)
    assert (status, "New cloud access: YES." in out) == (1, True)
    assert "Tenants in another class:\n  · ward: hospital → default\n" in out
    assert "tenant class hospital → default" in out
    shown = json.loads(compare(capsys, folder, "--json")[1])
    assert shown["tenants_moved"] == [{"tenants": ["ward"], "was": "hospital", "becomes": "default"}]


def test_a_class_that_the_models_do_not_read_always_any_more_closes_the_gate(folder: Path, capsys: Capsys) -> None:
    edit(folder / "old", "tenants.yaml", "{ceiling: internal}", "{ceiling: internal, full_scan: always}")
    status, out, _ = compare(capsys, folder, *GATE)
    assert (status, "New cloud access: YES." in out) == (1, True)
    assert "a request of the class default that the models did not get through: restricted → internal" in out
    edit(folder, "tenants.yaml", "{ceiling: internal}", "{ceiling: internal, full_scan: always}")
    assert compare(capsys, folder, *GATE)[0] == 0


def test_the_bundle_is_the_one_that_a_gateway_would_run_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.detect.ner_models.are_installed", lambda: True)
    monkeypatch.setattr("gateway.detect.ner_models.models_digest", lambda: "of the models")
    edit(folder, "tenants.yaml", "{ceiling: internal}", "{ceiling: internal, full_scan: always}")
    files = PolicyFiles(folder / "policy.yaml", folder / "pools.yaml", folder / "tenants.yaml")
    seen, live = policy_files.load(files).bundle, load_bundle(folder, {})[1]
    assert seen is not None
    assert seen.models_digest == "of the models"
    assert seen.digest == live.with_scanner(scanner_digest(live.policy.markers)).digest


def test_a_tenant_that_comes_to_a_class_which_stays_home_opens_no_gate(folder: Path, capsys: Capsys) -> None:
    edit(folder, "tenants.yaml", "demo: {class: default", "demo: {class: hospital")
    status, out, _ = compare(capsys, folder, *GATE)
    assert (status, "New cloud access: none." in out) == (0, True)
    assert "  · demo: default → hospital\n" in out


def test_a_tenant_whose_class_is_only_renamed_gains_nothing_itself(folder: Path, capsys: Capsys) -> None:
    edit(folder, "tenants.yaml", "hospital: {ceiling: none}", "ward: {ceiling: none}")
    edit(folder, "tenants.yaml", "ward: {class: hospital}", "ward: {class: ward}")
    status, out, _ = compare(capsys, folder, *GATE)
    assert (status, "New cloud access: none." in out) == (0, True)


def test_an_old_policy_that_stands_alone_is_read_with_the_new_ones_files(folder: Path, capsys: Capsys) -> None:
    (folder / "before.yaml").write_bytes((folder / "policy.yaml").read_bytes())
    (folder / "alone").mkdir()
    alone = folder / "alone" / "policy.yaml"
    alone.write_bytes((folder / "policy.yaml").read_bytes())
    for old in (folder / "before.yaml", alone):
        status, out, _ = run(capsys, "diff", old, folder / "policy.yaml", "--json")
        assert status == 0
        assert json.loads(out)["old"]["with"] == [str(folder / "pools.yaml"), str(folder / "tenants.yaml")]
    (folder / "pools.yaml").rename(folder / "p.yaml")
    (folder / "tenants.yaml").rename(folder / "t.yaml")
    files = ("--pools", folder / "p.yaml", "--tenants", folder / "t.yaml")
    old_files = ("--old-pools", folder / "old" / "pools.yaml", "--old-tenants", folder / "old" / "tenants.yaml")
    _, out, _ = run(capsys, "diff", alone, folder / "policy.yaml", *files, *old_files, "--json")
    shown = json.loads(out)
    assert shown["new"]["with"] == [str(path) for path in (files[1], files[3])]
    assert shown["old"]["with"] == [str(path) for path in (old_files[1], old_files[3])]


def test_without_pools_new_access_cannot_be_ruled_out(folder: Path, capsys: Capsys) -> None:
    for place in (folder, folder / "old"):
        (place / "pools.yaml").unlink()
        (place / "tenants.yaml").unlink()
    status, out, _ = compare(capsys, folder, *GATE)
    assert (status, "New cloud access: CANNOT BE RULED OUT" in out) == (1, True)
    assert out.startswith(f"Old: {folder / 'old' / 'policy.yaml'}, version 1.\n")


def test_a_version_that_does_not_rise_is_told(folder: Path, capsys: Capsys) -> None:
    edit(folder, "policy.yaml", "queue: 20s", "queue: 30s")
    status, out, _ = compare(capsys, folder, *GATE)
    assert (status, "versions only rise. Write `version: 2`." in out) == (0, True)
    status, out, _ = compare(capsys, folder, *GATE, "--fail-on", "version-not-raised")
    assert (status, out.endswith("Failed on: version-not-raised.\n")) == (1, True)
    _, out, _ = compare(capsys, folder, "--json")
    assert "versions only rise" in json.loads(out)["version"]["message"]


def test_what_does_not_load_is_not_compared(folder: Path, capsys: Capsys) -> None:
    edit(folder, "old/policy.yaml", "US_SSN", "US_SNN")
    status, out, err = compare(capsys, folder, *GATE)
    assert (status, out) == (1, "")
    assert "old/policy.yaml:" in err
    status, _, err = run(capsys, "diff", folder / "absent.yaml", folder / "policy.yaml", *GATE)
    assert (status, "There is no such file." in err) == (2, True)


def test_the_comparison_speaks_chinese(folder: Path, capsys: Capsys) -> None:
    edit(folder, "policy.yaml", "queue: 20s", "queue: 30s")
    _, out, _ = compare(capsys, folder, "--language", "zh")
    assert out.startswith("旧：")
    assert "新增云端访问：无。" in out


def test_files_that_both_sides_were_read_with_are_named(folder: Path, capsys: Capsys) -> None:
    alone = folder / "alone.yaml"
    alone.write_text((folder / "policy.yaml").read_text())
    _, out, _ = run(capsys, "diff", alone, folder / "policy.yaml")
    assert "what has changed there does not show" in " ".join(out.split())
    _, out, _ = run(capsys, "diff", alone, folder / "policy.yaml", "--json")
    assert json.loads(out)["shared"] == [str(folder / "pools.yaml"), str(folder / "tenants.yaml")]
    _, out, _ = run(capsys, "diff", folder / "old" / "policy.yaml", folder / "policy.yaml", "--json")
    assert json.loads(out)["shared"] == []
