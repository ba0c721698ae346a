"""A customer's recognizers reach everything that reads a policy: checking, testing, proving, explaining, scanning, and
the bundle that is served."""

import functools
import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from gateway import parts
from gateway.cli import policy_asked
from gateway.cli.main import main
from gateway.cli.proved import load_proved, shown
from gateway.core.problems import Problems
from gateway.detect.foreign import ForeignRecognizer
from gateway.detect.scanner import RequestScanner, build_scanner, scanner_digest
from gateway.ports import Recognizer
from gateway.settings import load, load_bundle
from tests.cli.folder import POLICY, write_folder

RECOGNIZERS = """\
recognizers:
  - name: badges
    supported_entity: ACME_BADGE
    patterns: [{regex: "AC-[0-9]{6}", score: 0.9}]
"""
BAD = RECOGNIZERS.replace("[0-9]{6}", "(a+)+")
REFUSED = "recognizers.yaml:4:24: This expression repeats without an end"


@functools.cache
def _built(markers: tuple[str, ...], recognizers: tuple[Recognizer, ...]) -> RequestScanner:
    return build_scanner(markers, recognizers)


@pytest.fixture(autouse=True)
def in_english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(policy_asked, "build_scanner", lambda markers, own: _built(tuple(markers), tuple(own)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = write_folder(tmp_path / "gateway")
    (folder / "recognizers.yaml").write_text(RECOGNIZERS)
    (folder / "policy.yaml").write_text(POLICY.replace("[US_SSN]", "[US_SSN, ACME_BADGE]"))
    return folder


def problems_of(folder: Path, **environ: str) -> list[str]:
    with pytest.raises(Problems) as raised:
        load(folder, environ)
    return [str(problem).removeprefix(f"{folder}/") for problem in raised.value.problems]


def test_a_policy_may_name_what_the_file_beside_it_finds(folder: Path) -> None:
    bundle = load(folder, {}).bundle
    assert bundle.policy.own_entities == ("ACME_BADGE",)
    assert "ACME_BADGE" in bundle.policy.entities
    assert [one.name for one in bundle.recognizers] == ["badges"]
    (folder / "recognizers.yaml").unlink()
    (problem,) = problems_of(folder)
    assert problem.startswith("policy.yaml:11:25: The entity `ACME_BADGE` does not exist.")


def test_a_file_that_is_named_must_be_there(folder: Path) -> None:
    gateway = folder / "gateway.yaml"
    gateway.write_text(gateway.read_text() + "files: {recognizers: own.yaml}\n")
    assert "own.yaml: The file does not exist. Create it." in problems_of(folder)
    (folder / "recognizers.yaml").rename(folder / "own.yaml")
    assert load(folder, {}).bundle.recognizers
    (folder / "other.yaml").write_text("recognizers: []")
    assert "does not exist" in problems_of(folder, TIDEGATE_FILES_RECOGNIZERS="other.yaml")[0]


def test_a_bad_one_is_one_problem_and_the_policy_is_not_blamed(folder: Path) -> None:
    (folder / "recognizers.yaml").write_text(BAD)
    (problem,) = problems_of(folder)
    assert problem.startswith(REFUSED)


@pytest.mark.parametrize(
    "command",
    [
        ["config", "check", "--config", "."],
        ["policy", "check", "--config", "."],
        ["policy", "check", "policy.yaml"],
        ["policy", "prove", "policy.yaml"],
        ["policy", "explain", "policy.yaml", "--text", "a", "--tenant", "bank"],
        ["policy", "test", "cases.yaml"],
        ["scan", "lines.jsonl", "--config", "."],
        ["scan", "lines.jsonl", "--policy", "policy.yaml"],
    ],
    ids=" ".join,
)
def test_a_bad_one_is_refused_by_whatever_looks_at_it(folder: Path, command, capsys, monkeypatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "recognizers.yaml").write_text(BAD)
    (folder / "lines.jsonl").write_text('{"text": "a"}')
    (folder / "cases.yaml").write_text("apiVersion: tidegate/v1\ncases: []\n")
    assert main(command) == 1
    assert REFUSED in capsys.readouterr().err


def test_every_command_knows_what_they_find(folder: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(folder)
    assert main(["config", "show", "--config", "."]) == 0
    assert "recognizers of your own: badges (ACME_BADGE)" in capsys.readouterr().out
    assert main(["policy", "check"]) == 0
    assert "recognizers.yaml" in capsys.readouterr().out
    (folder / "lines.jsonl").write_text('{"id": 1, "text": "badge AC-123456"}')
    for where in (["--config", "."], ["--policy", "policy.yaml"], ["--recognizers", "recognizers.yaml"]):
        assert main(["scan", "lines.jsonl", *where]) == 0
        (finding,) = json.loads(capsys.readouterr().out)["findings"]
        assert (finding["entity"], finding["detector"]) == ("ACME_BADGE", "badges")
    assert main(["policy", "explain", "--text", "badge AC-123456", "--tenant", "bank"]) == 0
    assert "ACME_BADGE" in capsys.readouterr().out
    (folder / "cases.yaml").write_text(
        "apiVersion: tidegate/v1\nfacts: {model: chat, tenant_class: default}\ncases:\n"
        "  - {name: a, findings: [ACME_BADGE], expect: {label: restricted, to: [home], spill: []}}\n"
        "  - {name: b, text: badge AC-123456, expect: {label: restricted, to: [home], spill: []}}\n"
        "  - {name: c, text: badge, expect: {label: internal}}\n"
    )
    assert main(["policy", "test", "cases.yaml"]) == 0


def test_what_may_leave_is_said_of_them_too(folder: Path, capsys) -> None:
    (folder / "policy.yaml").write_text(
        POLICY.replace("[US_SSN], label: restricted", "[US_SSN, ACME_BADGE], label: restricted, min_score: 0.8")
    )
    assert main(["policy", "prove", str(folder / "policy.yaml")]) == 1
    assert "ACME_BADGE: score below 0.8; `may_leave` does not acknowledge it" in capsys.readouterr().out


def test_they_are_part_of_what_is_proved_and_served(folder: Path) -> None:
    def proved() -> str:
        settings, proof = load_proved(folder, os.environ, shown())
        bundle = settings.bundle
        # The prover is another process: both must call the same files by the same name.
        assert proof.bundle == bundle.with_scanner(scanner_digest(bundle.policy.markers, bundle.recognizers)).digest
        return proof.bundle

    first = proved()
    for old, new in (("0.9}", "0.8}"), ("AC-", "AD-"), ("badges", "names")):
        file = folder / "recognizers.yaml"
        file.write_text(file.read_text().replace(old, new))
        assert proved() != first
    assert load_bundle(folder, {})[1].recognizers


def test_where_code_is_called_nothing_is_scanned_on_the_loop(folder: Path) -> None:
    settings = load(folder, {})
    most = settings.gateway.limits.scan_inline
    assert parts.scanned_inline(settings.bundle, most) == most > 0
    code = ForeignRecognizer(object(), name="n", entities=frozenset({"E"}), identity="i")  # type: ignore[arg-type]
    assert parts.scanned_inline(replace(settings.bundle, recognizers=(code,)), most) == 0
