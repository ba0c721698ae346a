"""Ten holes in the policies that ship, as a hurried editor would make them: each is found and shown."""

import re
from pathlib import Path

import pytest

from tests.cli.policy_runs import one_scanner_for_each_policy as one_scanner_for_each_policy
from tests.cli.policy_runs import run

Capsys = pytest.CaptureFixture[str]

HOLES = {
    "a spill to the cloud from a confidential route": (
        "bank",
        [("to: [core, branch], on_full: {queue: 20s}, audit", "to: [core, branch], spill: [finance-cloud], audit")],
        ["✗ B1: ", "label c2", "`c2-home`", "finance-cloud"],
    ),
    "a lifted ceiling": (
        "startup",
        [
            ("cloud_ceiling: internal", "cloud_ceiling: customer"),
            ("default: {ceiling: internal}", "default: {ceiling: customer}"),
            ('label: ">= customer"}, to', 'label: ">= secret"}, to'),
        ],
        ["✗ S1: ", "label customer", "cloud-small"],
    ),
    "a missing last row": (
        "default",
        [("  - {id: rest, when: {}, to", '  - {id: rest, when: {label: "<= public"}, to')],
        ["The last route, `rest`, does not match everything."],
    ),
    "a class that raises its ceiling": (
        "hospital",
        [("clinical: {ceiling: none}", "clinical: {ceiling: patient}")],
        ["above the policy's cloud ceiling, `internal`: a class may only lower it."],
    ),
    "a class that is let out": (
        "hospital",
        [
            ("clinical: {ceiling: none}", "clinical: {ceiling: internal}"),
            ("when: {tenant_class: clinical}, to", "when: {tenant_class: research}, to"),
        ],
        ["✗ H1: ", "tenant class clinical", "burst"],
    ),
    "a shadowed deny": (
        "bank",
        [("    when: {tenant_class: batch, time: [{from: \"20:00\", to: \"08:00\"}, {days: [sat, sun]}]}\n",
          "    when: {tenant_class: batch}\n")],
        ["✗ ", "batch-office-hours", "batch-off-hours"],
    ),
    "an entity that may leave and is not acknowledged": (
        "startup",
        [("    - ADDRESS                     # below the score of the rule\n", "")],
        ["✗ ", "ADDRESS"],
    ),
    "a canary at weight 0 in the cloud": (
        "hospital",
        [("to: [records, ward], on_full", "to: [records, ward], canary: {pool: burst, percent: 0}, on_full")],
        ["✗ H2: ", "label patient", "burst"],
    ),
    "a pool that moved abroad": (
        "bank",
        [("endpoints: [\"https://llm.finance-cloud.example/v1\"]", "endpoints: [\"https://sg.example/v1\"]"),
         ("processor: finance-cloud\n    residency: cn", "processor: finance-cloud\n    residency: sg"),
         ("    only: {residency: cn, agreement: [own, dpa-2026]}\n  - id: hard", "  - id: hard")],
        ["✗ B3: ", "`long`", "finance-cloud"],
    ),
    "a label that opens the cloud when it rises": (
        "default",
        [("  - {id: rest, when", '  - {id: dull, when: {label: "<= public"}, to: [home]}\n  - {id: rest, when')],
        ["✗ N2: ", "burst"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("hole", HOLES)
def test_a_hole_is_found_and_shown(tmp_path: Path, capsys: Capsys, hole: str) -> None:
    example, edits, sentences = HOLES[hole]
    assert run(capsys, "init", tmp_path, "--example", example)[0] == 0
    files = [tmp_path / name for name in ("policy.yaml", "pools.yaml", "tenants.yaml")]
    for old, new in edits:
        holding = [file for file in files if old in file.read_text("utf-8")]
        assert [file.read_text("utf-8").count(old) for file in holding] == [1], old
        holding[0].write_text(holding[0].read_text("utf-8").replace(old, new), "utf-8")
    status, out, err = run(capsys, "prove", tmp_path / "policy.yaml")
    said = re.sub(r"\s+", " ", out + err)
    assert status == 1
    assert [sentence for sentence in sentences if sentence not in said] == []
    # What still holds is said as well, unless the files do not even load.
    assert ("✓ " in said) == sentences[0].startswith("✗ ")
