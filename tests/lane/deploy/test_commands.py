"""`tidegate sagemaker` as a person meets it: pages, sentences, statuses, and kill -9 in the middle."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.cli import sagemaker_lane
from gateway.cli.main import main
from gateway.lane.deploy.plan import Kind, Until, Why
from tests.lane.deploy.world import ACCOUNT, NAME, NOTHING, World

PLAN = f"""\
{NAME} in us-east-1, account {ACCOUNT}
This would happen:
  + role             {NAME}-container
  + permissions      {NAME}-container
  + package          s3://models/tidegate/{NAME}/054edec1d0211f62/model.tar.gz  (0.0 MiB)
  + model            {NAME}-MODEL
  + endpoint config  {NAME}-CONFIG
  + alarm            {NAME}-errors
  + alarm            {NAME}-latency
  + endpoint         {NAME}
  + scaling bounds   2-10
  + scaling rule     {NAME}-concurrent
  + scaling rule     {NAME}-queries
  + alarm            {NAME}-queries
Cost: 2.82 USD per hour with 2 × ml.g5.xlarge, 14.08 with 10.
At 1.408 USD for each: a list price of 2025-10, not fetched from AWS. Say what you pay with `cost:
{{instance_hour: …}}`. Storage, traffic and logs come on top.
"""


@pytest.fixture
def run(world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs a command against the world's control plane; its status and what it printed."""
    monkeypatch.setenv("TIDEGATE_SAGEMAKER_POLL_S", "0.02")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(world.folder)
    (world.folder / "m.tar.gz").write_bytes(b"\0\1\2\3")
    write(world)
    # botocore reads megabytes of models for each new session, and these commands are many.
    reach = sagemaker_lane.Network
    shared = lambda region, access, *rest: (  # noqa: E731
        world.hands if access.address == world.url else reach(region, access, *rest)
    )
    monkeypatch.setattr(sagemaker_lane, "Network", shared)

    def run(*arguments: str, language: str = "en"):
        capsys.readouterr()
        told = () if arguments[0] == "rehearse" else ("--language", language)
        status = main(["sagemaker", *arguments, *told])
        return status, *capsys.readouterr()

    return run


def write(world: World, **more: str) -> None:
    lines = {
        "apiVersion": "tidegate/v1",
        "name": NAME,
        "region": "us-east-1",
        "account": f'"{ACCOUNT}"',
        "package": "m.tar.gz",
        "bucket": "models",
        "image": f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/vllm:1",
        "instance": "ml.g5.xlarge",
        "access": f'{{address: "{world.url}"}}',
        **more,
    }
    (world.folder / "sagemaker.yaml").write_text("".join(f"{key}: {value}\n" for key, value in lines.items()))


def versions(text: str, world: World) -> str:
    """`text` without the digests, which change with any parameter."""
    import re

    names = dict.fromkeys(re.findall(rf"{NAME}-[0-9a-f]{{10}}", text))
    for name, word in zip(names, ("MODEL", "CONFIG"), strict=False):
        text = text.replace(name, f"{NAME}-{word}")
    return text


def test_a_plan_shows_what_would_happen_and_what_it_costs_and_does_nothing(run, world: World):
    status, out, _ = run("deploy", "--plan")
    assert (status, versions(out, world)) == (0, PLAN)
    assert world.inventory() == NOTHING


def test_a_plan_for_programs_holds_every_call(run):
    status, out, err = run("deploy", "--plan", "--json")
    shown = json.loads(out)
    calls = [step["call"]["operation"] for step in shown["steps"] if "call" in step]
    assert (status, shown["ok"], err) == (0, True, "")
    assert calls[:4] == ["CreateRole", "PutRolePolicy", "CreateModel", "CreateEndpointConfig"]
    assert shown["cost"] == {
        "currency": "USD", "instance_hour": 1.408, "list_price_of": "2025-10", "least_per_hour": 2.816,
        "most_per_hour": 14.08,
    }  # fmt: skip


def test_a_life_from_deploying_to_nothing(run, world: World):
    status, out, _ = run("status")
    assert (status, "nothing costs" in out) == (1, True)
    status, out, err = run("deploy")
    assert status == 0
    assert f"https://runtime.sagemaker.us-east-1.amazonaws.com/endpoints/{NAME}" in out
    assert "✓ + role" in err
    status, out, _ = run("status")
    assert status == 0
    assert "InService" in out
    assert "Costs now: 2.82 USD per hour." in out
    assert "✓ Data capture is off." in out
    assert run("deploy", "--plan")[1].splitlines()[1] == "Everything is as the file says."
    assert run("scale", "3")[0] == 0
    status, out, _ = run("warm", "4", "--for", "30m")
    assert (status, "at least 4 until" in out) == (0, True)
    shown = json.loads(run("status", "--json")[1])
    assert (shown["endpoint"]["asked_for"], shown["bounds"]) == (3, {"least": 4, "most": 10})
    assert shown["warm_until"] is not None
    assert run("warm", "off")[0] == 0
    (world.folder / "m.tar.gz").write_bytes(b"another")
    assert run("status")[0] == 1
    assert run("update", "--plan")[0] == 0
    assert run("update")[0] == 0
    status, out, _ = run("update", "--back", "--json")
    assert (status, json.loads(out)["ok"]) == (0, True)
    status, out, _ = run("destroy", "--plan")
    assert (status, f"- endpoint         {NAME}" in out) == (0, True)
    status, _, err = run("destroy")
    assert (status, "Nobody is here to confirm. Add `--yes`." in err) == (2, True)
    status, out, _ = run("destroy", "--yes")
    assert (status, out) == (0, f"Nothing of {NAME} is left, and nothing costs.\n")
    assert world.inventory() == NOTHING


def test_it_speaks_chinese_too(run):
    status, out, _ = run("deploy", "--plan", language="zh")
    assert status == 0
    assert "将执行：" in out
    assert "端点配置" in out


def test_every_kind_of_thing_and_wait_has_a_word_and_every_obstacle_a_sentence():
    from gateway.cli.sagemaker_lane import _BLOCKED
    from gateway.cli.sagemaker_words import _WORDS

    assert {kind.value for kind in Kind} | {f"wait_{until.value}" for until in Until} <= set(_WORDS)
    assert set(_BLOCKED) == set(Why)


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"cost": "{most_per_hour: 14}"}, "10 × ml.g5.xlarge may cost 14.08 USD per hour. `cost.most_per_hour`"),
        ({"cost": "{most_per_hour: 9}", "instance": "ml.g6.xlarge"}, "nobody here knows what ml.g6.xlarge costs."),
        ({"account": '"999999999999"'}, "These keys are of another account than `account` says."),
        ({"bucket": "nobodys"}, "AWS refused ListObjectVersions: NoSuchBucket. Make the bucket first"),
        ({"package": "none.tar.gz"}, "The package cannot be read (FileNotFoundError). Make one as"),
        ({"regions": "x"}, "The file has no key `regions`. Did you mean `region`?"),
        ({"access": '{address: "http://127.0.0.1:9"}'}, "AWS could not be asked (GetCallerIdentity: "),
    ],
)
def test_what_stands_in_the_way_is_said_before_anything_is_made(run, world: World, more, problem):
    write(world, **more)
    status, out, err = run("deploy")
    assert status in (1, 2)
    assert out == ""
    assert problem in err
    assert "not-a-secret" not in err
    assert world.inventory() == NOTHING


def test_a_price_of_the_operators_own_counts(run, world: World):
    write(world, cost="{instance_hour: 2, most_per_hour: 20}")
    out = run("deploy", "--plan")[1]
    assert "Cost: 4.00 USD per hour with 2 × ml.g5.xlarge, 20.00 with 10." in out
    assert "as the file says" in out


def test_an_unknown_price_is_said_to_be_unknown(run, world: World):
    write(world, instance="ml.g6.xlarge")
    assert "nobody here knows what ml.g6.xlarge costs in us-east-1" in run("deploy", "--plan")[1]


@pytest.mark.parametrize("command", [("update",), ("update", "--back"), ("scale", "3"), ("warm", "3")])
def test_what_is_not_there_cannot_be_changed(run, command):
    status, _, err = run(*command)
    assert (status, "There is no endpoint for this. `tidegate sagemaker deploy` makes one." in err) == (1, True)


@pytest.mark.parametrize("command", [("scale", "11"), ("warm", "1")])
def test_more_than_the_file_allows_is_refused_and_so_is_less(run, command):
    status, _, err = run(*command)
    assert (status, "is not between `scaling.least` (2) and `scaling.most`" in err) == (2, True)


def test_policies_are_printed_without_asking_anybody(run, world: World):
    for who in ("containers", "trust", "operator", "gateway", "warm-ups"):
        status, out, _ = run("policy", "--for", who)
        assert (status, json.loads(out)["Version"]) == (0, "2012-10-17")
    assert world.calls() == world.calls()[:1]  # the bucket's making, by the test itself
    write(world, account='"999999999999"')
    assert "999999999999" in run("policy", "--for", "gateway")[1]


def test_a_file_that_is_not_there_is_misuse(run, world: World):
    status, _, err = run("status", "--file", str(world.folder / "none.yaml"))
    assert (status, "This file cannot be read (FileNotFoundError)." in err) == (2, True)


# Killed


def _command(world: World, *arguments: str) -> subprocess.CompletedProcess:
    environ = {**os.environ, "TIDEGATE_SAGEMAKER_POLL_S": "0.02"}
    command = [sys.executable, *arguments, "--file", str(world.folder / "sagemaker.yaml")]
    root = Path(__file__).resolve().parents[3]
    return subprocess.run(command, env={**environ, "PYTHONPATH": str(root)}, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    "points",
    [pytest.param((3, 9), id="twice"), pytest.param(range(1, 16), id="everywhere", marks=pytest.mark.slow)],
)
def test_killed_with_kill_minus_nine_the_next_run_picks_up(run, world: World, points):
    killed = str(Path(__file__).with_name("killed.py"))
    expected = None
    for after in points:
        world.forget()
        ended = _command(world, killed, str(after), "sagemaker", "deploy")
        assert ended.returncode == -signal.SIGKILL, (after, ended.stderr)
        assert run("deploy")[0] == 0
        stands = world.inventory()
        expected = expected or stands
        assert stands == expected
        assert run("status")[0] == 0
    assert run("destroy", "--yes")[0] == 0
    assert world.inventory() == NOTHING


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_rehearsal_goes_as_it_should(run):
    status, out, err = run("rehearse", "--json")
    shown = json.loads(out)
    assert (status, [step["step"] for step in shown["steps"] if not step["ok"]]) == (0, []), err
    assert len(shown["steps"]) >= 8
