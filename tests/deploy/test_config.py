"""The container's example configuration: accepted as it is, with the labels that the default policy has."""

import secrets
import shutil
from pathlib import Path

import pytest
import yaml

from gateway import settings
from gateway.core.problems import Problems
from gateway.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "deploy" / "config"
DEFAULT_POLICY = ROOT / "policies" / "default.yaml"
COMPOSE = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())
SECRETS = ("root.key", "admin.token", "vllm.key")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The example as an operator has it after making the three secrets."""
    target = tmp_path / "config"
    shutil.copytree(CONFIG, target, ignore=shutil.ignore_patterns("secrets", "keys.yaml"))
    (target / "secrets").mkdir(mode=0o750)
    for name in SECRETS:
        (target / "secrets" / name).touch(mode=0o640)
        (target / "secrets" / name).write_text(secrets.token_hex(32) + "\n")
    return target


def _load(folder: Path) -> Settings:
    return settings.load(folder, COMPOSE["services"]["gateway"]["environment"])


def test_the_example_has_no_problem(folder: Path) -> None:
    loaded = _load(folder)
    assert [pool.name for pool in loaded.bundle.topology.pools] == ["gpu"]


@pytest.mark.parametrize("name", SECRETS)
def test_it_does_not_load_without_each_of_its_secrets(folder: Path, name: str) -> None:
    (folder / "secrets" / name).unlink()
    with pytest.raises(Problems, match="does not exist"):
        _load(folder)


def test_what_it_writes_goes_to_the_volume(folder: Path) -> None:
    mounts = {mount["target"] for mount in COMPOSE["services"]["gateway"]["volumes"] if mount["type"] == "volume"}
    assert {str(_load(folder).state_dir)} == mounts


def test_home_is_exactly_the_network_of_the_model_servers(folder: Path) -> None:
    (subnet,) = (entry["subnet"] for entry in COMPOSE["networks"]["models"]["ipam"]["config"])
    (zone,) = (zone for zone in _load(folder).bundle.policy.zones.values() if zone.name == "onprem")
    assert [str(network) for network in zone.networks or ()] == [subnet]


def test_the_pool_is_the_model_server_of_the_compose_file(folder: Path) -> None:
    (pool,) = _load(folder).bundle.topology.pools
    vllm = COMPOSE["services"]["vllm"]["command"]
    assert f"--served-model-name={pool.model}" in vllm
    assert [f"--port={endpoint.port}" for endpoint in pool.endpoints if endpoint.host == "vllm"] == ["--port=8000"]


@pytest.mark.parametrize("section", ["labels", "cloud_ceiling", "label", "cache", "invariants"])
def test_its_labels_are_those_of_the_default_policy(section: str) -> None:
    example, default = (yaml.safe_load(path.read_text()) for path in (CONFIG / "policy.yaml", DEFAULT_POLICY))
    assert example[section] == default[section]
