"""A recognizer is mended in a running gateway, and the log says what left before; what was refused is in it, too."""

import asyncio
import json
from pathlib import Path

import pytest

from gateway.cli.main import main
from gateway.core.records import RefusalCode
from tests.fakes.house import write_config
from tests.fakes.model_server import ModelServer
from tests.paths.served import COMMAND, serving
from tests.paths.test_audit_path import CLOUD_FIRST, asks, caller, recorded, verdict

OWN = """\
recognizers:
  - {{name: code names, supported_entity: ACME_PROJECT, deny_list: [{word}]}}
"""
NAMED = "How far is Bluebird?"


async def test_what_left_before_a_recognizer_was_mended_is_found_in_the_log(tmp_path: Path, capsys) -> None:
    config = tmp_path / "config"
    async with ModelServer() as home, ModelServer() as burst:
        key, _ = write_config(config, {"home": home, "burst": burst}, policy=CLOUD_FIRST)
        own, tenants = config / "recognizers.yaml", config / "tenants.yaml"
        own.write_text(OWN.format(word="Blackbird"))
        async with serving(config) as served, caller(await served.port(), key) as client:
            missed = await client.post(**asks(NAMED))
            assert (missed.status_code, len(burst.requests)) == (200, 1)
            good = tenants.read_text()
            tenants.write_text(good.replace("class: hospital", "class: hospitals"))
            await served.event("reload_refused")
            tenants.write_text(good)
            await served.event("reload_unchanged")
            own.write_text(OWN.format(word="Bluebird"))
            await served.event("reloaded")
            assert (await client.post(**asks(NAMED))).status_code == 403
            assert (await client.post(**asks("Hello"))).status_code == 200

    assert verdict(config, capsys) == "intact"
    first, second = recorded(config, "activation")
    assert (second["previous"], second["origin"]["version"], second["origin"]["signed_by"]) == (first["bundle"], 1, [])
    assert first["origin"]["scanner"] != second["origin"]["scanner"]
    before, after = (one["origin"]["detectors"] for one in (first, second))
    assert {entity for entity in after if after[entity] != before[entity]} == {"ACME_PROJECT"}
    assert all(one["origin"]["build"] and len(one["certificate"]) == 64 for one in (first, second))

    (refusal,) = recorded(config, "refusal")
    assert (refusal["codes"], refusal["in_force"]) == ([RefusalCode.PROBLEMS], first["bundle"])
    assert refusal["problems"] >= 1
    assert len(refusal["files"]) == 64
    assert "hospitals" not in json.dumps(refusal)

    def told(*asked: str) -> list[str]:
        capsys.readouterr()
        status = main(["audit", "exposure", "--config", str(config), "--json", *asked])
        found = json.loads(capsys.readouterr().out)
        assert status == (1 if found["dispatches"] else 0)
        return [one["request_id"] for one in found["dispatches"] if (one["sent"], one["age"]) == ("sent", "older")]

    # Those who read all of it for something else.
    assert main(["usage", "--config", str(config), "--json"]) == 0
    assert main(["explain", missed.headers["x-request-id"], "--config", str(config)]) == 0
    missed_id = missed.headers["x-request-id"].removeprefix("req_")
    assert told("--entity", "ACME_PROJECT", "--detector", "<now") == [missed_id]
    assert told("--entity", "ACME_PROJECT", "--detector", f"<{after['ACME_PROJECT'][:8]}") == [missed_id]
    assert told("--entity", "CN_RESIDENT_ID", "--detector", "<now") == []
    assert told("--detector", "<0.0.1") == []
    assert len(told("--bundle", second["bundle"])) == 1
    assert len(told("--detector", "<policy:2")) == 2


@pytest.mark.parametrize("times", [1, pytest.param(2, marks=pytest.mark.slow)])
async def test_a_start_that_was_refused_is_on_record_once_something_serves(tmp_path: Path, times: int) -> None:
    config = tmp_path / "config"
    async with ModelServer() as home:
        write_config(config, {"home": home})
        async with serving(config) as served:
            await served.event("worker_ready")
        tenants = config / "tenants.yaml"
        good = tenants.read_text()
        tenants.write_text(good.replace("class: hospital", "class: hospitals"))
        for _ in range(times):
            refused = await asyncio.create_subprocess_exec(
                *COMMAND, str(config), stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
            )
            assert await asyncio.wait_for(refused.wait(), 60) == 1
        assert recorded(config, "refusal") == []
        tenants.write_text(good)
        for _ in range(times):
            async with serving(config) as served:
                await served.event("worker_ready")
    (found,) = recorded(config, "refusal")
    assert (found["codes"], found["in_force"], found["bundle"]) == (["problems"], "", "")
    assert not (config / "state" / "refusals.json").exists()
