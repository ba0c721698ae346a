"""`tidegate policy shadow`: what becomes a candidate, what its report says, and what promotes or drops it."""

import json
import re
import string
from pathlib import Path

import pytest

from gateway.cli import policy_shadow
from gateway.cli.admin_port import Answer
from gateway.cli.shadow_report import as_json, report_of, said
from gateway.cli.shadow_words import SENTENCES
from gateway.core import measures
from gateway.core.figures import Account
from gateway.core.measures import FAMILIES
from gateway.policy.replay import Gap
from gateway.policy.shadow import Direction
from gateway.runtime.shadow import State
from gateway.wire.exposition import as_json as figures_of
from tests.cli.folder import write_folder
from tests.cli.policy_runs import run

Capsys = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A gateway's folder, and beside it `new.yaml`: the same without a way out."""
    folder = write_folder(tmp_path / "gateway")
    write(folder, folder.parent / "new.yaml", (", spill: [burst]", ""))
    return folder


@pytest.fixture(autouse=True)
def english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    monkeypatch.setenv("COLUMNS", "120")


def write(folder: Path, to: Path, *changes: tuple[str, str], version: int = 2) -> None:
    text = (folder / "policy.yaml").read_text()
    for old, new in (("version: 1\n", f"version: {version}\n"), *changes):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    to.write_text(text)


def shadow(capsys: Capsys, folder: Path, *arguments: str | Path) -> tuple[int, str, str]:
    return run(capsys, "shadow", *arguments, "--config", folder)


def started(capsys: Capsys, folder: Path) -> str:
    """Start `new.yaml`, and what it is called."""
    status, out, err = shadow(capsys, folder, "start", folder.parent / "new.yaml", "--json")
    assert status == 0, err
    return json.loads(out)["candidate"]


# start


def test_a_policy_that_is_good_and_proved_is_put_beside_the_one_in_force(folder: Path, capsys: Capsys) -> None:
    (folder / "policy.yaml").chmod(0o640)
    status, out, err = shadow(capsys, folder, "start", folder.parent / "new.yaml")
    assert (status, err) == (0, "")
    file = folder / "policy.shadow.yaml"
    assert file.read_bytes() == (folder.parent / "new.yaml").read_bytes()
    assert file.stat().st_mode & 0o777 == 0o640
    one_line = " ".join(out.split())
    assert re.search(r"candidate [0-9a-f]{12}, version 2, proved in \d+ states", one_line)
    assert out.endswith(f"\n  tidegate policy shadow report --config {folder}\n")
    assert "note:" not in out


def test_its_name_is_that_of_the_bundle_that_it_would_be(folder: Path, capsys: Capsys) -> None:
    name = started(capsys, folder)
    assert shadow(capsys, folder, "promote", name)[0] == 0
    status, out, _ = run(capsys, "prove", "--config", folder, "--json")
    assert (status, json.loads(out)["bundle"][:12]) == (0, name)


def test_another_name_for_the_file_is_gateway_yamls_to_give(folder: Path, capsys: Capsys) -> None:
    gateway = folder / "gateway.yaml"
    gateway.write_text(gateway.read_text() + "files: {shadow: candidates/next.yaml}\n")
    (folder / "candidates").mkdir()
    started(capsys, folder)
    assert (folder / "candidates" / "next.yaml").exists()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (("to: [home], spill", "to: [hom], spill"), "The pool `hom` does not exist."),
        (("...\n", ""), "..."),
        (("cloud_ceiling: internal", "cloud_ceiling: restricted"), "N1"),  # loads, and does not hold
    ],
)
def test_what_would_not_be_accepted_becomes_no_candidate(
    folder: Path, capsys: Capsys, change: tuple[str, str], sentence: str
) -> None:
    strict = 'never: {label: ">= restricted"', 'never: {label: ">= internal"'
    write(folder, folder.parent / "bad.yaml", change, strict)
    status, _, err = shadow(capsys, folder, "start", folder.parent / "bad.yaml")
    assert status == 1
    assert sentence in err
    assert "bad.yaml:" in err
    assert not (folder / "policy.shadow.yaml").exists()


def test_a_tenant_who_needs_a_model_that_the_candidate_lacks_keeps_it_from_starting(
    folder: Path, capsys: Capsys
) -> None:
    tenants = folder / "tenants.yaml"
    tenants.write_text(tenants.read_text().replace("bank: {class: default}", "bank: {class: default, models: [chat]}"))
    write(folder, folder.parent / "new.yaml", ("chat: {pools", "talk: {pools"))
    status, _, err = shadow(capsys, folder, "start", folder.parent / "new.yaml")
    assert (status, "chat" in err) == (1, True), err


def test_the_policy_in_force_is_no_candidate(folder: Path, capsys: Capsys) -> None:
    status, _, err = shadow(capsys, folder, "start", folder / "policy.yaml")
    assert (status, "This says what" in err) == (2, True)


def test_a_file_that_is_not_there_is_told_in_a_sentence(folder: Path, capsys: Capsys) -> None:
    status, _, err = shadow(capsys, folder, "start", folder.parent / "nothing.yaml")
    assert (status, "There is no such file." in err or "does not exist" in err) == (2, True), err


def test_what_a_report_will_not_see_is_said_at_once(folder: Path, capsys: Capsys) -> None:
    write(
        folder,
        folder.parent / "new.yaml",
        ("  rules:\n", "  rules:\n    - {marker: [Titan, Atlas], label: restricted}\n"),
        ("  - {id: rest", "  - {id: easy, when: {complexity: simple}, to: [home]}\n  - {id: rest"),
        version=1,
    )
    status, out, _ = shadow(capsys, folder, "start", folder.parent / "new.yaml")
    one_line = " ".join(out.split())
    assert status == 0
    assert "2 markers that only the candidate has" in one_line
    assert "one request of 4 is compared" in one_line
    assert "it cannot be promoted with this version" in one_line


# promote and drop


def test_what_was_reported_is_put_in_the_policys_place(folder: Path, capsys: Capsys) -> None:
    name = started(capsys, folder)
    (folder / "policy.yaml").chmod(0o644)
    status, out, err = shadow(capsys, folder, "promote", name)
    assert (status, err) == (0, "")
    assert (folder / "policy.yaml").read_bytes() == (folder.parent / "new.yaml").read_bytes()
    assert (folder / "policy.yaml").stat().st_mode & 0o777 == 0o644
    assert not (folder / "policy.shadow.yaml").exists()
    # The difference first, then that it was done.
    assert out.startswith("New cloud access: none")
    assert out.index("burst") < out.index("A running gateway proves it again")


def test_what_opens_a_way_to_the_cloud_says_so_first(folder: Path, capsys: Capsys) -> None:
    write(folder, folder.parent / "new.yaml")
    write(folder, folder / "policy.yaml", (", spill: [burst]", ""), version=1)
    name = started(capsys, folder)
    status, out, _ = shadow(capsys, folder, "promote", name, "--json")
    shown = json.loads(out)
    assert (status, shown["diff"]["new_cloud_access"], shown["unsigned"]) == (0, True, [])


def test_a_gate_that_is_not_passed_promotes_nothing(folder: Path, capsys: Capsys) -> None:
    write(folder, folder.parent / "new.yaml")
    write(folder, folder / "policy.yaml", (", spill: [burst]", ""), version=1)
    name, before = started(capsys, folder), (folder / "policy.yaml").read_bytes()
    status, out, _ = shadow(capsys, folder, "promote", name, "--fail-on", "new-cloud-access")
    assert (status, out.startswith("New cloud access: YES")) == (1, True)
    assert "Nothing was changed. Failed on: new-cloud-access." in out
    status, out, _ = shadow(capsys, folder, "promote", name, "--fail-on", "any-change", "--json")
    assert (status, json.loads(out)["failed_on"]) == (1, ["any-change"])
    assert (folder / "policy.yaml").read_bytes() == before
    assert (folder / "policy.shadow.yaml").exists()


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda folder: (folder / "policy.shadow.yaml").write_text(
            (folder.parent / "new.yaml").read_text().replace("version: 2", "version: 3")
        ),
        lambda folder: (folder / "tenants.yaml").write_text(
            (folder / "tenants.yaml").read_text().replace("ceiling: internal", "ceiling: none")
        ),
    ],
    ids=["the file", "what stands beside it"],
)
def test_what_is_no_longer_what_was_reported_is_not_promoted(folder: Path, capsys: Capsys, meanwhile) -> None:
    name, before = started(capsys, folder), (folder / "policy.yaml").read_bytes()
    meanwhile(folder)
    status, _, err = shadow(capsys, folder, "promote", name)
    assert (status, "not the candidate that was named" in err) == (1, True), err
    assert (folder / "policy.yaml").read_bytes() == before
    assert (folder / "policy.shadow.yaml").exists()


@pytest.mark.parametrize("given", ["", "0", "ffffffffffff"])
def test_a_name_that_is_not_its_own_or_too_short_promotes_nothing(folder: Path, capsys: Capsys, given: str) -> None:
    name = started(capsys, folder)
    assert shadow(capsys, folder, "promote", given or name[:11])[0] == 1
    assert (folder / "policy.shadow.yaml").exists()


def test_a_version_that_does_not_rise_is_not_promoted(folder: Path, capsys: Capsys) -> None:
    write(folder, folder.parent / "new.yaml", (", spill: [burst]", ""), version=1)
    name = started(capsys, folder)
    status, _, err = shadow(capsys, folder, "promote", name)
    assert (status, "versions only rise" in err) == (1, True), err


def test_one_that_somebody_put_there_and_that_does_not_hold_is_not_promoted(folder: Path, capsys: Capsys) -> None:
    strict = 'never: {label: ">= restricted"', 'never: {label: ">= internal"'
    write(folder, folder / "policy.shadow.yaml", strict)
    status, out, _ = shadow(capsys, folder, "drop", "--json")
    write(folder, folder / "policy.shadow.yaml", strict)
    status, _, err = shadow(capsys, folder, "promote", json.loads(out)["candidate"])
    assert (status, "N1" in err) == (1, True), err
    assert "version: 1\n" in (folder / "policy.yaml").read_text()


def test_a_candidate_that_was_edited_halfway_is_not_promoted(folder: Path, capsys: Capsys) -> None:
    name = started(capsys, folder)
    file = folder / "policy.shadow.yaml"
    file.write_text(file.read_text()[:200])
    status, _, err = shadow(capsys, folder, "promote", name)
    assert (status, "policy.shadow.yaml:" in err) == (1, True), err
    assert "version: 1\n" in (folder / "policy.yaml").read_text()


def test_one_that_changes_while_it_is_looked_at_is_not_promoted(
    folder: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, file, proved = started(capsys, folder), folder / "policy.shadow.yaml", policy_shadow._proved

    def edited(tried):
        file.write_text(file.read_text().replace("to: [home]}\n", "to: [home], spill: [burst]}\n"))
        return proved(tried)

    monkeypatch.setattr(policy_shadow, "_proved", edited)
    status, _, err = shadow(capsys, folder, "promote", name)
    assert (status, "changed while it was looked at" in err) == (2, True), err
    assert "version: 1\n" in (folder / "policy.yaml").read_text()


def test_a_place_that_cannot_be_written_is_told_and_changes_nothing(
    folder: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = started(capsys, folder)

    def refused(*_, **__):
        raise PermissionError(13, "no")

    monkeypatch.setattr(policy_shadow, "replace_file", refused)
    for arguments in (("promote", name), ("start", folder.parent / "new.yaml")):
        status, _, err = shadow(capsys, folder, *arguments)
        assert (status, "cannot be written (PermissionError)" in err) == (2, True), err
    assert "version: 1\n" in (folder / "policy.yaml").read_text()
    assert (folder / "policy.shadow.yaml").exists()


def test_where_signatures_are_asked_for_nothing_unsigned_is_promoted_and_what_is_missing_is_said(
    folder: Path, capsys: Capsys
) -> None:
    gateway, before = folder / "gateway.yaml", (folder / "policy.yaml").read_bytes()
    gateway.write_text(gateway.read_text() + "signatures: {required: true}\n")
    status, out, _ = shadow(capsys, folder, "start", folder.parent / "new.yaml", "--json")
    shown = json.loads(out)
    assert (status, "There is no such file, and it says who may sign." in shown["unsigned"][0]) == (0, True)
    status, _, err = shadow(capsys, folder, "promote", shown["candidate"])
    one_line = " ".join(err.split())
    assert (status, "signers.yaml: There is no such file" in one_line) == (1, True)
    assert "Nothing was changed. Sign the candidate with `tidegate policy sign --shadow --key FILE`" in one_line
    _, said_line, _ = run(capsys, "signer", "mei", "--key", folder.parent / "mei.pem", "--json")
    line = json.loads(said_line)["line"]
    (folder / "signers.yaml").write_text(f"apiVersion: tidegate/v1\nsigners:\n{line}\n")
    status, out, _ = shadow(capsys, folder, "promote", shown["candidate"], "--json")
    assert status == 1
    assert any("Nobody has signed" in one["message"] for one in json.loads(out)["problems"])
    assert (folder / "policy.yaml").read_bytes() == before
    assert (folder / "policy.shadow.yaml").exists()


def test_a_candidate_is_dropped_whatever_it_says(folder: Path, capsys: Capsys) -> None:
    name = started(capsys, folder)
    status, out, _ = shadow(capsys, folder, "drop")
    assert (status, f"candidate {name}" in " ".join(out.split())) == (0, True)
    file = folder / "policy.shadow.yaml"
    assert not file.exists()
    status, _, err = shadow(capsys, folder, "drop")
    assert (status, "There is no candidate." in err) == (2, True)
    file.write_text("labels: [")
    status, out, _ = shadow(capsys, folder, "drop", "--json")
    assert (status, json.loads(out)["candidate"], file.exists()) == (0, None, False)
    file.write_text("labels: [")
    assert "no policy that could be read" in " ".join(shadow(capsys, folder, "drop")[1].split())


# report


NAMES = ("0123456789ab", "fedcba987654")


def account(
    *moves: tuple[str, str, str, Direction, int],
    candidate: str = NAMES[0],
    states: dict[State, int] | None = None,
    gained: dict[str, int] | None = None,
    gaps: dict[Gap, int] | None = None,
) -> Account:
    """What a gateway tells of one candidate; and of one that was there before."""
    made = Account(1.0)
    for state, workers in (states or {State.COMPARING: 2}).items():
        made.add(measures.SHADOW_WORKERS.name, (candidate, NAMES[1], str(state)), workers)
    made.add(measures.SHADOW_SINCE.name, (candidate, "2"), 1_795_435_200.0)
    for route, new_route, label, direction, count in moves:
        made.add(measures.SHADOW.name, (candidate, NAMES[1], route, new_route, label, str(direction)), count)
    for pool, count in (gained or {}).items():
        made.add(measures.SHADOW_GAINED.name, (candidate, NAMES[1], pool), count)
    for gap, count in (gaps or {}).items():
        made.add(measures.SHADOW_UNDECIDED.name, (candidate, NAMES[1], str(gap)), count)
    made.add(measures.SHADOW.name, ("aaaaaaaaaaaa", NAMES[1], "rest", "rest", "internal", "new_cloud"), 99)
    made.add(measures.SHADOW_GAINED.name, ("aaaaaaaaaaaa", NAMES[1], "far"), 99)
    return made


SAME = ("rest", "rest", "internal", Direction.SAME, 1200)
HOME = ("rest", "keep-home", "restricted", Direction.TO_HOME, 30)
CLOUD = ("keep-home", "rest", "internal", Direction.NEW_CLOUD, 4)
UNKNOWN = ("rest", "none", "none", Direction.UNDECIDABLE, 2)


@pytest.mark.parametrize(
    ("figures", "first", "lines"),
    [
        (account(), "No request has been compared yet.", ["Candidate 0123456789ab, version 2, beside bundle"]),
        (account(SAME), "New cloud access: none in these requests.", ["Of 1,200 requests that were compared, 1,200"]),
        (
            account(HOME, SAME, CLOUD, gained={"burst": 4}),
            "New cloud access: YES. Requests would get to burst, where they cannot get now.",
            [
                "since 2026-11-23 12:00 (UTC)",
                "Of 1,234 requests that were compared, 1,200 would go as they went and 34 would not.",
                "✗        4  keep-home  rest               internal    towards the cloud",
                "        30  rest       keep-home          restricted  towards home",
            ],
        ),
        (
            account(UNKNOWN, gaps={Gap.HISTORY: 1, Gap.LABELS: 1}),
            "New cloud access: CANNOT BE RULED OUT, and so counts as yes.",
            ["cannot be told", "1: only the candidate asks whether every reply"],
        ),
        (
            account(SAME, states={State.STALE: 1, State.COMPARING: 1}),
            "New cloud access: none in these requests.",
            ["✗ Workers 1 of 2: the file cannot be read as it is now"],
        ),
        (account(candidate="none", states={State.WAITING: 2}), "✗ Workers 2 of 2: pools, tenants", []),
        (account(candidate="none", states={State.UNREADABLE: 2}), "✗ Workers 2 of 2: the file cannot be read, so", []),
        (account(candidate="none", states={State.IN_FORCE: 1}), "Workers 1 of 1: the candidate says what", []),
        (account(candidate="none", states={State.FAILED: 1}), "✗ Workers 1 of 1: comparing failed", []),
    ],
)  # fmt: skip
def test_a_report_says_what_counts_first(figures: Account, first: str, lines: list[str]) -> None:
    found = report_of(figures)
    assert found is not None
    text = said(found, "en")
    assert text.startswith(first), text
    for line in lines:
        assert line in text, text
    assert said(found, "zh") != text


def test_what_is_compared_is_what_is_reported_even_where_another_worker_has_not_read_it_yet() -> None:
    figures = account(SAME)
    figures.add(measures.SHADOW_WORKERS.name, ("none", NAMES[1], "waiting"), 3)
    found = report_of(figures)
    assert found is not None
    assert (found.candidate, found.states) == (NAMES[0], {State.COMPARING: 2, State.WAITING: 3})


def test_a_gateway_without_a_candidate_has_no_report() -> None:
    assert report_of(Account(1.0)) is None


def test_the_report_as_json_says_the_same() -> None:
    found = report_of(account(CLOUD, UNKNOWN, SAME, gained={"burst": 4}, gaps={Gap.LABELS: 2}))
    assert found is not None
    shown = as_json(found)
    assert (shown["compared"], shown["same"], shown["new_cloud"], shown["undecidable"]) == (1206, 1200, 4, 2)
    assert (shown["gained"], shown["gaps"], shown["version"]) == ({"burst": 4}, {"labels": 2}, 2)
    assert isinstance(shown["moves"], list)
    assert shown["moves"][0] == {
        "route": "keep-home", "new_route": "rest", "new_label": "internal", "direction": "new_cloud", "count": 4
    }  # fmt: skip
    assert shown["moves"][1]["new_route"] is None


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch):
    """Lets a gateway answer the report with an account."""

    class Port:
        answer = Answer(200, b"")

        def ask(self, path: str) -> Answer:
            assert path == "/admin/v1/figures"
            return self.answer

        def tells(self, figures: Account) -> None:
            self.answer = Answer(200, figures_of(FAMILIES.values(), figures))

    port = Port()
    monkeypatch.setattr(policy_shadow.AdminPort, "of", lambda arguments: port)
    return port


def test_the_report_asks_the_gateway_and_says_what_to_do_next(folder: Path, capsys: Capsys, running) -> None:
    name = started(capsys, folder)
    running.tells(account(SAME, HOME, candidate=name))
    status, out, err = shadow(capsys, folder, "report")
    assert (status, err) == (0, "")
    assert out.startswith("New cloud access: none in these requests.\n")
    assert f"\n  tidegate policy shadow promote {name} --config {folder}\n" in out
    assert "✗" not in out
    assert "新增云端访问：在这些请求中没有。" in shadow(capsys, folder, "report", "--language", "zh")[1]


@pytest.mark.parametrize(
    ("moves", "fail_on", "expected"),
    [
        ((SAME,), ("new-cloud-access", "any-change"), []),
        ((SAME, HOME), ("new-cloud-access",), []),
        ((SAME, HOME), ("new-cloud-access", "any-change"), ["any-change"]),
        ((CLOUD,), ("new-cloud-access",), ["new-cloud-access"]),
        ((UNKNOWN,), ("new-cloud-access",), ["new-cloud-access"]),
    ],
)
def test_the_report_is_a_gate(folder: Path, capsys: Capsys, running, moves, fail_on, expected) -> None:
    running.tells(account(*moves, candidate=started(capsys, folder)))
    more = [part for one in fail_on for part in ("--fail-on", one)]
    status, out, _ = shadow(capsys, folder, "report", "--json", *more)
    shown = json.loads(out)
    assert (status, shown["ok"], shown["failed_on"]) == (int(bool(expected)), not expected, expected)
    _, out, _ = shadow(capsys, folder, "report", *more)
    assert ("Failed on: " + ", ".join(expected) in out) is bool(expected)


def test_the_report_says_that_the_file_is_another_one_or_no_good(folder: Path, capsys: Capsys, running) -> None:
    name = started(capsys, folder)
    running.tells(account(SAME, candidate=NAMES[0]))
    assert (
        f"✗ The file is another one than what is compared: it is candidate {name} now."
        in shadow(capsys, folder, "report")[1]
    )
    (folder / "policy.shadow.yaml").write_text("labels: [")
    assert "✗ The file does not load" in shadow(capsys, folder, "report")[1]
    (folder / "policy.shadow.yaml").unlink()
    status, out, _ = shadow(capsys, folder, "report")
    assert (status, "✗" in out) == (0, False)


def test_without_a_candidate_there_is_no_report(folder: Path, capsys: Capsys, running) -> None:
    running.tells(Account(1.0))
    status, _, err = shadow(capsys, folder, "report")
    assert (status, "The gateway knows of no candidate." in err) == (2, True)
    running.answer = Answer(200, b"{}")
    status, _, err = shadow(capsys, folder, "report")
    assert (status, "no gateway of this version" in err) == (2, True)


@pytest.mark.parametrize("key", SENTENCES)
def test_every_sentence_is_in_both_languages_with_the_same_gaps(key: str) -> None:
    english, chinese = ({name for _, name, _, _ in string.Formatter().parse(one) if name} for one in SENTENCES[key])
    assert english == chinese
    assert not re.search(r"[一-鿿]", SENTENCES[key][0])


@pytest.mark.parametrize("way", Direction)
def test_every_direction_and_state_has_a_sentence(way: Direction) -> None:
    assert SENTENCES[f"way_{way}"]
    assert all(SENTENCES[f"state_{state}"] for state in State)
    assert all(SENTENCES[f"gap_{gap}"] for gap in (Gap.LABELS, Gap.TENANT, Gap.HISTORY))
