"""A control plane as a process of its own, forgotten between tests, and a lane in it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.core.deployment import Access
from gateway.lane.deploy.aws import Network
from tests.lane.deploy.world import REGION, World


@pytest.fixture(scope="session")
def control_plane() -> Iterator[str]:
    """The URL of moto with what it lacks in front of it."""
    command = [sys.executable, "-m", "gateway.lane.rehearsal.aws", "--region", REGION, "--start-s", "0.02"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


@pytest.fixture(scope="session")
def hands(control_plane: str) -> Network:
    """What makes the calls."""
    return Network(REGION, Access(address=control_plane), Path())


@pytest.fixture(scope="session")
def clients() -> dict:
    """boto3's clients, as they are made."""
    return {}


@pytest.fixture
def world(control_plane: str, hands: Network, clients: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """An account with an empty bucket and nothing else."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLEEXAMPLE00")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret-of-anybodys")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    made = World(control_plane, tmp_path, hands, clients)
    made.forget()
    return made
