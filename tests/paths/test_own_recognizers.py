"""A real gateway with a customer's code in it: what it finds stays home, and so does everything when it misbehaves."""

from pathlib import Path

import httpx
import pytest

from tests.fakes.house import POLICY, write_config
from tests.fakes.model_server import ModelServer
from tests.paths.served import ROOT, serving

CODE = """
import threading
from gateway.core.findings import Finding


class Badges:
    name = "badges"
    entities = ["ACME_BADGE"]

    def find(self, text, path):
        if "PLEASE-RAISE" in text:
            raise SystemExit(text)
        if "PLEASE-HANG" in text:
            threading.Event().wait()
        if "PLEASE-LIE" in text:
            return [Finding("ACME_BADGE", float("nan"), path, 0, 1, "")]
        at = text.find("AC-")
        return [Finding("ACME_BADGE", 0.9, path, at, at + 3, "")] if at >= 0 else []


def recognizers():
    return [Badges()]
"""
# Everything harmless goes to the cloud first, so that a request which stays home was made to.
CLOUD_FIRST = POLICY.replace("when: {}, to: [home, home-b], spill: [burst]", "when: {}, to: [burst, home, home-b]")


def installed(site: Path) -> None:
    """A package as pip leaves it."""
    info = site / "acme-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[tidegate.recognizers]\nacme = acme_recognizers:recognizers\n")
    (site / "acme_recognizers.py").write_text(CODE)


@pytest.fixture
async def servers():
    async with ModelServer() as home, ModelServer() as burst:
        yield home, burst


async def places(tmp_path: Path, servers, texts: list[str]) -> tuple[list[str], list[str]]:
    """Where each text went, one after the other, and the gateway's log."""
    home, burst = servers
    config, site = tmp_path / "config", tmp_path / "site"
    installed(site)
    key, _ = write_config(config, {"home": home, "burst": burst}, policy=CLOUD_FIRST)
    (config / "recognizers.yaml").write_text(
        "recognizers: [{name: p, supported_entity: ACME_PROJECT, deny_list: [蓝鸟计划]}]\nentry_points: [acme]\n"
    )
    went = []
    async with serving(config, {"PYTHONPATH": f"{ROOT}:{site}"}) as served:
        base = f"http://127.0.0.1:{await served.port()}"
        async with httpx.AsyncClient(base_url=base, trust_env=False, timeout=30) as client:
            for text in texts:
                before = len(burst.requests)
                answer = await client.post(
                    "/v1/chat/completions",
                    json={"model": "chat", "messages": [{"role": "user", "content": text}]},
                    headers={"authorization": f"Bearer {key}"},
                )
                assert answer.status_code == 200
                went.append("burst" if len(burst.requests) > before else "home")
    return went, served.lines


async def test_what_a_customers_code_finds_or_fails_at_stays_home_and_the_rest_does_not(
    tmp_path: Path, servers
) -> None:
    texts = {
        "Hello": "burst",
        "My badge is AC-1": "home",
        "我的蓝鸟计划": "home",
        "Hello there": "burst",
        "PLEASE-RAISE now": "home",
        "Hello again": "burst",
        "PLEASE-LIE to me": "home",
        "Hello at last": "burst",
    }
    went, lines = await places(tmp_path, servers, list(texts))
    assert dict(zip(texts, went, strict=True)) == texts
    assert [line.count("RecognizerRaised") + 2 * line.count("RecognizerNonsense") for line in failures(lines)] == [1, 2]
    assert not [line for line in lines for text in texts if text in line]


async def test_while_a_customers_code_hangs_everything_stays_home_and_is_answered(tmp_path: Path, servers) -> None:
    went, lines = await places(tmp_path, servers, ["Hello", "PLEASE-HANG now", "Hello there", "Hello again"])
    assert went == ["burst", "home", "home", "home"]
    assert len(failures(lines)) == 1


def failures(lines: list[str]) -> list[str]:
    return [line for line in lines if '"recognizer_failed"' in line]
