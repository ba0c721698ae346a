"""`tidegate policy replay`: recorded requests under a new policy, and the gate for CI."""

import json
import os
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway.cli import policy_files
from gateway.cli.policy_files import PolicyFiles
from gateway.core.audit_chain import START, seal
from gateway.core.audit_record import Activation
from gateway.core.facts import RequestFacts
from gateway.core.findings import Coverage, Evidence, Tier
from gateway.core.keyed_hash import KeyedHash
from gateway.core.labels import Label
from gateway.core.records import Ending, Outcome
from gateway.policy.decide import decide
from gateway.settings import load_bundle
from tests.cli.policy_runs import one_scanner_for_each_policy as one_scanner_for_each_policy
from tests.cli.policy_runs import run
from tests.config.folder import ENVIRON, edit, make

Capsys = pytest.CaptureFixture[str]
GATE = ("--fail-on", "new-cloud-access")
KEY = KeyedHash(b"audit")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A configuration, and the log of what was decided under it."""
    folder = make(tmp_path)
    log(folder, [request(folder, "chat-home"), request(folder, "chat-auto", at=time.time() - 86_400)])
    return folder


def request(folder: Path, model: str, *, at: float | None = None) -> Outcome:
    policy = load_bundle(folder, ENVIRON)[1].policy
    facts = RequestFacts(Label(1), Label(1), "default", Label(1), model)
    evidence = Evidence((), Coverage(frozenset({Tier.STRUCTURED, Tier.NAMES}), (), 1, 5))
    at = time.time() if at is None else at
    return Outcome(
        "r-" + model, at, 20.0, "demo", "chat", 200, Ending.COMPLETED, "b", 0, False, 9, 9, evidence=evidence,
        facts=facts, decision=decide(policy, facts),
    )  # fmt: skip


def log(folder: Path, records: list[Outcome], name: str = "20261121T000000Z-w0-aa-0000.jsonl") -> Path:
    audit = folder / "state" / "audit"
    audit.mkdir(parents=True, exist_ok=True)
    names = load_bundle(folder, ENVIRON)[1].policy.order.names
    last, lines = START, []
    for seq, entry in enumerate([Activation(1.0, "b", names), *records]):
        line, last = seal(last, seq, entry, KEY)
        lines.append(line)
    (audit / name).write_bytes(b"".join(lines))
    return audit / name


def replay(capsys: Capsys, folder: Path, *more: str | Path) -> tuple[int, str, str]:
    return run(capsys, "replay", folder / "policy.yaml", "--audit", folder / "state" / "audit", *more)


def open_a_way_out(folder: Path) -> None:
    edit(folder, "policy.yaml", "chat-home: {pools: [home]}", "chat-home: {pools: [home, burst]}")


def test_the_policy_in_force_changes_nothing(folder: Path, capsys: Capsys) -> None:
    status, out, err = replay(capsys, folder, *GATE, "--fail-on", "any-change")
    assert (status, err) == (0, "")
    assert out.startswith("New cloud access: none in these records.\nOf 2 requests, 0 would move, 0 of them")


def test_a_way_out_closes_the_gate(folder: Path, capsys: Capsys) -> None:
    open_a_way_out(folder)
    status, out, _ = replay(capsys, folder)
    assert (status, out.splitlines()[0]) == (0, "New cloud access: YES. Requests would get to burst, where they could "
                                             "not get before.")  # fmt: skip
    assert "Towards the cloud, for example: r-chat-home" in out
    assert replay(capsys, folder, *GATE)[0] == 1
    status, out, _ = replay(capsys, folder, *GATE, "--json")
    shown = json.loads(out)
    assert (status, shown["ok"], shown["failed_on"]) == (1, False, ["new-cloud-access"])
    assert (shown["decided"], shown["new_cloud"], shown["gained"]) == (2, 1, {"burst": 1})


def test_a_door_that_closes_opens_no_gate(folder: Path, capsys: Capsys) -> None:
    edit(folder, "policy.yaml", "spill: [burst], on_full", "on_full")
    assert replay(capsys, folder, *GATE)[0] == 0
    status, out, _ = replay(capsys, folder, *GATE, "--fail-on", "any-change", "--json")
    assert (status, json.loads(out)["failed_on"]) == (1, ["any-change"])


def test_the_policy_of_then_says_what_was_asked(folder: Path, capsys: Capsys) -> None:
    asks = "  - {id: simple, when: {complexity: simple}, to: [home]}\n"
    edit(folder, "policy.yaml", "\nroutes:\n", "\nroutes:\n" + asks)
    (folder / "then").mkdir()
    for name in ("policy.yaml", "pools.yaml", "tenants.yaml"):
        (folder / "then" / name).write_bytes((folder / name).read_bytes())
    bundle = policy_files.load(
        PolicyFiles(folder / "policy.yaml", folder / "pools.yaml", folder / "tenants.yaml")
    ).bundle
    assert bundle is not None
    log(folder, [replace(request(folder, "chat-auto"), bundle=bundle.digest)])
    assert "1 cannot be decided" in replay(capsys, folder)[1]
    assert "0 cannot be decided" in replay(capsys, folder, "--old", folder / "then" / "policy.yaml")[1]


def test_only_what_ended_lately_is_looked_at(folder: Path, capsys: Capsys) -> None:
    assert "Of 1 requests" in replay(capsys, folder, "--since", "2h")[1]
    assert "Of 2 requests" in replay(capsys, folder, "--since", "3d")[1]


def test_labels_are_named_by_segments_that_are_too_old_to_be_replayed(folder: Path, capsys: Capsys) -> None:
    old = log(folder, [])
    later = log(folder, [request(folder, "chat-home")], "20261122T000000Z-w0-aa-0001.jsonl")
    later.write_bytes(
        b"".join(line for line in later.read_bytes().splitlines(keepends=True) if b"activation" not in line)
    )
    os.utime(old, (1.0, 1.0))
    _, out, _ = replay(capsys, folder, "--since", "2h")
    assert "Of 1 requests, 0 would move" in out


def test_a_line_that_nobody_can_read_counts_as_new_access_and_half_a_line_does_not(
    folder: Path, capsys: Capsys
) -> None:
    segment = log(folder, [request(folder, "chat-home")])
    with segment.open("ab") as file:
        file.write(b'{"v":2,"seq":3,"outcome":{"request_id":"half')
    assert replay(capsys, folder, *GATE)[0] == 0
    with segment.open("ab") as file:
        file.write(b"\n")
    status, out, _ = replay(capsys, folder, *GATE)
    assert status == 1
    assert out.startswith("New cloud access: CANNOT BE RULED OUT")
    assert "✗ 1 lines cannot be read" in out


def test_a_folder_without_records_says_nothing(folder: Path, tmp_path: Path, capsys: Capsys) -> None:
    (tmp_path / "empty").mkdir()
    status, out, _ = run(capsys, "replay", folder / "policy.yaml", "--audit", tmp_path / "empty", *GATE)
    assert (status, out.splitlines()[0]) == (0, "No request in these records was decided, so nothing can be said.")


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--audit", "nowhere"), "nowhere: There is no such folder. Name the audit folder of a gateway."),
        (("--since", "yesterday"), "--since: `yesterday` is not a time. Write 30m, 12h or 7d."),
    ],
)
def test_what_is_misused_is_told_in_a_sentence(
    folder: Path, capsys: Capsys, more: tuple[str, ...], sentence: str
) -> None:
    status, _, err = replay(capsys, folder, *more)
    assert (status, sentence in err) == (2, True), err


def test_without_pools_nobody_can_say_where_a_policy_leads(folder: Path, tmp_path: Path, capsys: Capsys) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "policy.yaml").write_bytes((folder / "policy.yaml").read_bytes())
    status, _, err = run(capsys, "replay", alone / "policy.yaml", "--audit", folder / "state" / "audit")
    assert (status, "Without its pools nobody can say where a policy leads. Give --pools." in err) == (2, True)


def test_it_speaks_chinese(folder: Path, capsys: Capsys) -> None:
    open_a_way_out(folder)
    out = replay(capsys, folder, "--language", "zh")[1]
    assert "新增云端访问：有" in out
    assert "在 2 个请求中，1 个会改变去向，其中 1 个转向云端" in out
