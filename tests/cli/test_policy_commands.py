"""`tidegate policy check`, `schema` and `explain`: what the security team reads before a policy goes live."""

import io
import json
import os
import sys
from pathlib import Path

import pytest

from gateway.cli import policy_asked
from gateway.policy.schema import schema
from tests.cli.policy_runs import one_scanner_for_each_policy as one_scanner_for_each_policy
from tests.cli.policy_runs import policy_file, run
from tests.config.folder import ENVIRON, edit, make
from tests.fakes.full_scanner import ScriptedScanner, nothing

Capsys = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make(tmp_path)


# check


def test_a_good_policy_is_one_line_that_says_what_was_looked_at(folder: Path, capsys: Capsys) -> None:
    status, out, err = run(capsys, "check", folder / "policy.yaml")
    assert (status, err) == (0, "")
    seen = f"{folder / 'pools.yaml'} and {folder / 'tenants.yaml'}"
    assert f"the policy is good (with {seen}): version 1, labels: 4, label rules: " in " ".join(out.split())
    (folder / "pools.yaml").rename(folder / "elsewhere.yaml")
    (folder / "tenants.yaml").unlink()
    status, out, _ = run(capsys, "check", folder / "policy.yaml")
    assert (status, "(by itself; with --pools also whether what it names exists)" in " ".join(out.split())) == (0, True)
    status, out, _ = run(capsys, "check", folder / "policy.yaml", "--pools", folder / "elsewhere.yaml")
    assert f"(with {folder / 'elsewhere.yaml'})" in " ".join(out.split())
    _, out, _ = run(capsys, "check", folder / "policy.yaml", "--language", "zh")
    assert "策略无误" in out


def test_the_files_in_the_folder_called_like_the_policy_come_first(folder: Path, capsys: Capsys) -> None:
    (folder / "policy").mkdir()
    (folder / "policy" / "pools.yaml").write_bytes((folder / "pools.yaml").read_bytes())
    _, out, _ = run(capsys, "check", folder / "policy.yaml", "--json")
    assert json.loads(out)["with"] == [str(folder / "policy" / "pools.yaml"), str(folder / "tenants.yaml")]


def test_a_configuration_says_which_files_are_meant(
    folder: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "policy.yaml").rename(folder / "rules.yaml")
    text = (folder / "gateway.yaml").read_text()
    assert "files:" not in text
    (folder / "gateway.yaml").write_text(text + "files: {policy: rules.yaml}\n")
    monkeypatch.chdir(folder.parent)
    status, out, _ = run(capsys, "check", "--config", folder)
    assert status == 0
    assert out.startswith(f"{folder / 'rules.yaml'}: the policy is good")
    candidate = policy_file("default")
    status, out, _ = run(capsys, "check", candidate, "--config", folder, "--json")
    assert (status, json.loads(out)["with"]) == (0, [str(folder / "pools.yaml"), str(folder / "tenants.yaml")])
    (folder / "gateway.yaml").write_text("apiVersion: tidegate/v1\n")
    status, _, err = run(capsys, "check", "--config", folder)
    assert status == 1
    assert "gateway.yaml:1:1: " in err


def test_check_for_programs(folder: Path, capsys: Capsys) -> None:
    status, out, _ = run(capsys, "check", folder / "policy.yaml", "--json")
    shown = json.loads(out)
    assert (status, shown["ok"], shown["problems"], shown["version"]) == (0, True, [], 1)
    assert shown["routes"] == ["keep-home", "rest"]
    edit(folder, "policy.yaml", "US_SSN", "US_SNN")
    status, out, err = run(capsys, "check", folder / "policy.yaml", "--json")
    shown = json.loads(out)
    assert (status, err, shown["ok"]) == (1, "", False)
    assert shown["problems"][0]["mend"] == "Did you mean `US_SSN`?"
    status, out, _ = run(capsys, "check", folder / "absent.yaml", "--json")
    assert (status, json.loads(out)["problems"][0]["message"]) == (2, "There is no such file.")


def test_every_problem_is_a_line_and_their_number_comes_last(folder: Path, capsys: Capsys) -> None:
    policy = folder / "policy.yaml"
    edit(folder, "policy.yaml", "US_SSN", "US_SNN")
    status, out, err = run(capsys, "check", policy)
    assert (status, out) == (1, "")
    assert "The entity `US_SNN` does not exist. Did you mean `US_SSN`?\n1 problem.\n" in err
    edit(folder, "policy.yaml", "cloud_ceiling: internal", "cloud_cieling: internal")
    status, _, err = run(capsys, "check", policy)
    assert status == 1
    assert err.splitlines()[-1] == f"{len(err.splitlines()) - 1} problems."


def test_problems_of_the_other_files_are_told_too_and_blamed_on_them(folder: Path, capsys: Capsys) -> None:
    edit(folder, "pools.yaml", "clearance: internal", "clearance: intern")
    edit(folder, "tenants.yaml", "ceiling: internal", "ceiling: restricted")
    status, _, err = run(capsys, "check", folder / "policy.yaml")
    assert status == 1
    assert [line.removeprefix(f"{folder}/").split(":")[0] for line in err.splitlines()] == [
        "pools.yaml", "tenants.yaml", "2 problems.",
    ]  # fmt: skip
    (folder / "policy.yaml").write_text("...\n")
    assert run(capsys, "check", folder / "policy.yaml")[0] == 1


def test_notes_are_no_problems(folder: Path, capsys: Capsys) -> None:
    (folder / "pools.yaml").unlink()
    edit(folder, "policy.yaml", "chat-home: {pools: [home]}", "chat-home: {pools: [home, elsewhere]}")
    status, out, _ = run(capsys, "check", folder / "policy.yaml")
    assert status == 0
    assert "note: " in out
    assert "No route sends anything to the pool `elsewhere`." in out


def test_a_version_that_does_not_rise_is_refused(folder: Path, capsys: Capsys) -> None:
    old = folder / "old.yaml"
    old.write_bytes((folder / "policy.yaml").read_bytes())
    status, _, err = run(capsys, "check", folder / "policy.yaml", "--after", old)
    assert status == 1
    assert f"The version is 1, and that of {old} is 1: versions only rise. Write `version: 2`." in err
    edit(folder, "old.yaml", "version: 1 ", "version: 7 ")
    status, _, err = run(capsys, "check", folder / "policy.yaml", "--after", old)
    assert status == 1
    assert "Write `version: 8`; to go back to what 1 was, add `restores: 1`." in err
    edit(folder, "policy.yaml", "version: 1 ", "version: 8 ")
    assert run(capsys, "check", folder / "policy.yaml", "--after", old)[0] == 0
    old.write_text("...\n")
    status, _, err = run(capsys, "check", folder / "policy.yaml", "--after", old)
    assert status == 2
    assert "This file has no version to compare with." in err


def test_the_schema_is_printed_as_it_is(capsys: Capsys) -> None:
    assert run(capsys, "schema") == (0, schema(), "")


# explain


def test_a_text_goes_through_the_scanner(folder: Path, capsys: Capsys) -> None:
    policy = folder / "policy.yaml"
    status, out, _ = run(capsys, "explain", policy, "--text", "My SSN is 536-90-4399")
    assert status == 0
    assert "US_SSN (score 0.90) at messages[0].content" in out
    assert "536-90-4399" not in out
    status, out, _ = run(capsys, "explain", policy, "--text", "What is the capital of France?", "--json")
    shown = json.loads(out)
    assert shown["decision"]["to"] == ["home"]
    assert shown["decision"]["spill"] == ["burst"]
    assert (shown["label"], [reason["cause"] for reason in shown["reasons"]]) == ("internal", ["default"])


def test_the_models_read_a_text_if_that_is_asked_for(
    folder: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = folder / "policy.yaml"
    edit(folder, "policy.yaml", "tiers: [structured, names]", "tiers: [structured, names, ner]")
    given = ("explain", policy, "--text", "What is the capital of France?")
    status, out, _ = run(capsys, *given)
    assert status == 0
    assert "If the rest of the scan finds nothing more: burst as well." in out
    monkeypatch.setattr(policy_asked, "are_installed", lambda: True)
    monkeypatch.setattr(policy_asked, "models", lambda: ScriptedScanner(nothing))
    shown = json.loads(run(capsys, *given, "--full", "--json")[1])
    assert (shown["label"], shown["decision"]["spill"]) == ("internal", ["burst"])
    monkeypatch.setattr(policy_asked, "are_installed", lambda: False)
    status, _, err = run(capsys, *given, "--full")
    assert status == 2
    assert "pip install 'tidegate[ner]'" in err


def test_a_text_may_come_from_standard_input(folder: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("My SSN is 536-90-4399"))
    _, out, _ = run(capsys, "explain", folder / "policy.yaml", "--text", "-")
    assert "US_SSN" in out


def test_a_request_says_its_model_and_what_it_needs(folder: Path, capsys: Capsys) -> None:
    request = folder / "f.json"
    body = {
        "model": "chat-home",
        "messages": [{"role": "user", "content": "<|im_start|>hello"}],
        "tools": [{"type": "function", "function": {"name": "f"}}],
    }
    request.write_text(json.dumps(body))
    status, out, _ = run(capsys, "explain", folder / "policy.yaml", "--request", request, "--json")
    shown = json.loads(out)
    assert status == 0
    assert (shown["facts"]["model"], shown["facts"]["capabilities"]) == ("chat-home", ["tools"])
    assert shown["label"] == "restricted"
    assert shown["reasons"][0]["subject"] == "control_tokens"
    assert shown["facts"]["context"] > len("hello")
    status, out, _ = run(
        capsys, "explain", folder / "policy.yaml", "--request", request, "--model", "chat-auto", "--json"
    )
    assert json.loads(out)["facts"]["model"] == "chat-auto"
    request.write_text('{"model": "chat-home"}')
    status, _, err = run(capsys, "explain", folder / "policy.yaml", "--request", request)
    assert status == 2
    assert f"{request}: The gateway would refuse this request: " in err


def test_facts_alone_are_enough(folder: Path, capsys: Capsys) -> None:
    policy = folder / "policy.yaml"
    status, out, _ = run(capsys, "explain", policy, "--facts", '{"label": "internal"}')
    assert status == 0
    assert "Result: home; if there is no room, burst." in out
    asked = '{"label": "internal", "tenant_class": "hospital"}'
    status, out, _ = run(capsys, "explain", policy, "--facts", asked, "--language", "zh")
    assert status == 0
    assert "该租户的任何内容都不得发往云端。" in out


def test_the_locale_chooses_the_language(folder: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.delenv("LC_MESSAGES", raising=False)
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    _, out, _ = run(capsys, "explain", folder / "policy.yaml", "--facts", '{"label": "internal"}')
    assert "标签：internal。" in out


def test_a_tenant_brings_its_class(folder: Path, capsys: Capsys) -> None:
    policy = folder / "policy.yaml"
    tenant = "ward"
    status, out, _ = run(capsys, "explain", policy, "--text", "hello", "--tenant", tenant, "--json")
    assert status == 0
    shown = json.loads(out)
    assert (shown["facts"]["tenant_class"], shown["facts"]["ceiling"]) == ("hospital", "none")
    status, _, err = run(capsys, "explain", policy, "--text", "hello", "--tenant", "nobody")
    assert status == 2
    assert "--tenant: There is no such tenant. Known: demo, ward." in err
    (folder / "tenants.yaml").unlink()
    status, _, err = run(capsys, "explain", policy, "--text", "hello", "--tenant", tenant)
    assert "Known: none: name the file with --tenants." in err


def test_a_tenant_and_a_class_are_one_answer_too_many(folder: Path, capsys: Capsys) -> None:
    asked = ("explain", folder / "policy.yaml", "--text", "hello", "--tenant", "ward")
    status, _, err = run(capsys, *asked, "--facts", '{"tenant_class": "default"}')
    assert status == 2
    assert "--facts:1:2: `tenant_class` follows from --tenant. Leave one of them out." in err


def test_a_long_request_is_read_to_its_end(folder: Path, capsys: Capsys) -> None:
    request = folder / "request.json"
    message = {"role": "user", "content": "word " * 300_000 + "My SSN is 536-90-4399."}
    request.write_text(json.dumps({"model": "chat-auto", "messages": [message]}))
    status, out, _ = run(capsys, "explain", folder / "policy.yaml", "--request", request, "--json")
    assert (status, json.loads(out)["label"]) == (0, "restricted")
    with request.open("ab") as file:
        file.truncate((64 << 20) + 1)
    status, _, err = run(capsys, "explain", folder / "policy.yaml", "--request", request)
    assert status == 2
    assert f"{request}: This request is larger than 64 MiB, which no gateway takes." in err


def test_somebody_must_ask(capsys: Capsys) -> None:
    hospital, facts = policy_file("hospital"), '{"label": "internal", "tenant_class": "%s"}'
    status, _, err = run(capsys, "explain", hospital, "--facts", '{"label": "internal"}')
    assert status == 2
    assert (
        "Nobody is said to ask, and there is no tenant class `default`. Name one with --tenant (known: billing, " in err
    )
    status, _, err = run(capsys, "explain", hospital, "--facts", facts % "clincal")
    assert (status, "no tenant class `clincal`. Did you mean `clinical`?" in err) == (2, True)
    for known in ("clinical", "any-other-class"):
        assert run(capsys, "explain", hospital, "--facts", facts % known)[0] == 0


def test_what_a_class_vouches_for_counts_only_where_nothing_was_found(capsys: Capsys) -> None:
    policy, site = policy_file("startup"), ("--tenant", "site", "--json")
    _, out, _ = run(capsys, "explain", policy, "--text", "What does it cost?", *site)
    assert json.loads(out)["facts"]["label"] == "public"
    _, out, _ = run(capsys, "explain", policy, "--text", "Ask jane.doe@example.com", *site)
    assert json.loads(out)["facts"]["label"] == "customer"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("--facts", '{"label": "intern"}'),
            "--facts:1:11: The label `intern` does not exist. Did you mean `internal`?",
        ),
        (("--facts", "internal"), "--facts: The facts must be a group of keys."),
        (("--facts", "{"), "--facts:2:1: This is not valid YAML."),
        (("--text", "x", "--facts", '{"label": "internal"}'), "`label` follows from what is asked. Leave it out."),
        (("--text", "\ud800"), "--text: The text is not valid UTF-8."),
        ((), "explain: There is nothing to explain. Give --text, --request, --facts or --decision."),
        (("--request", "absent.json"), "absent.json: There is no such file."),
        (("--decision", "dec_1", "--model", "m"), "--decision: What was served has its own policy and facts."),
    ],
)
def test_what_cannot_be_explained_is_said(
    folder: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], sentence: str
) -> None:
    monkeypatch.chdir(folder)
    status, out, err = run(capsys, "explain", *arguments)
    assert (status, out) == (2, "")
    assert sentence in err


def test_without_pools_nothing_is_decided(folder: Path, capsys: Capsys) -> None:
    (folder / "pools.yaml").unlink()
    status, _, err = run(capsys, "explain", folder / "policy.yaml", "--text", "x")
    assert status == 2
    assert "Without pools nothing can be decided. Name them with --pools." in err


def test_a_served_request_is_looked_up_in_the_audit_log(
    folder: Path, capsys: Capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLOUD_KEY", ENVIRON["CLOUD_KEY"])
    status, _, err = run(capsys, "explain", "--decision", "dec_0123", "--config", folder)
    assert status == 1
    assert "no record of dec_0123" in err


def test_a_terminal_that_cannot_show_chinese_gets_no_traceback(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    from gateway.cli.main import main

    facts = ("--facts", '{"label": "internal"}', "--language", "zh")
    assert main(["policy", "explain", os.fspath(folder / "policy.yaml"), *facts]) == 0
    sys.stdout.flush()
    assert b"internal" in raw.getvalue()
