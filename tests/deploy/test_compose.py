"""What the compose file promises: who is reachable, who has a way out, and what a container may do."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]

# The keys of the compose specification that this project uses. A misspelt key is silently ignored by some engines.
SERVICE_KEYS = {
    "build", "cap_drop", "command", "cpus", "deploy", "entrypoint", "environment", "healthcheck", "image", "logging",
    "mem_limit", "networks", "pids_limit", "ports", "profiles", "read_only", "restart", "secrets", "security_opt",
    "shm_size", "stop_grace_period", "tmpfs", "ulimits", "user", "volumes",
}  # fmt: skip

every_service = pytest.mark.parametrize("name", sorted(SERVICES))


def test_the_parts_are_the_gateway_a_model_server_and_a_store() -> None:
    assert set(SERVICES) == {"gateway", "vllm", "redis"}
    assert set(COMPOSE) == {"name", "x-hardened", "services", "networks", "volumes", "secrets"}


@every_service
def test_no_key_is_outside_the_specification(name: str) -> None:
    assert set(SERVICES[name]) <= SERVICE_KEYS


@every_service
def test_whatever_a_service_names_is_declared(name: str) -> None:
    service = SERVICES[name]
    named = [mount["source"] for mount in service.get("volumes", []) if mount["type"] == "volume"]
    assert set(named) <= set(COMPOSE["volumes"])
    assert set(service["networks"]) <= set(COMPOSE["networks"])
    assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])


def test_only_the_gateway_is_published_and_only_on_loopback() -> None:
    assert {name: service.get("ports", []) for name, service in SERVICES.items()} == {
        "gateway": ["127.0.0.1:8080:8080"],
        "vllm": [],
        "redis": [],
    }


def test_model_servers_are_on_a_network_without_a_way_out() -> None:
    assert SERVICES["vllm"]["networks"] == ["models"]
    assert COMPOSE["networks"]["models"]["internal"] is True


def test_only_the_gateway_has_a_way_out() -> None:
    open_networks = {name for name, network in COMPOSE["networks"].items() if not network.get("internal")}
    assert open_networks == {"front", "out"}
    assert [name for name, service in SERVICES.items() if open_networks & set(service["networks"])] == ["gateway"]


def test_a_model_server_cannot_reach_the_store() -> None:
    assert not set(SERVICES["vllm"]["networks"]) & set(SERVICES["redis"]["networks"])


def test_the_store_that_nothing_uses_yet_starts_only_when_asked_for() -> None:
    assert SERVICES["redis"]["profiles"] == ["state"]


@every_service
def test_a_container_is_no_root_changes_nothing_and_leaves_no_core(name: str) -> None:
    service = SERVICES[name]
    uid, gid = service["user"].split(":")
    assert int(uid) > 0
    assert int(gid) > 0
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["ulimits"]["core"] == 0
    assert {"pids_limit", "mem_limit", "cpus"} <= set(service)
    assert not {"privileged", "cap_add", "devices", "network_mode", "pid", "ipc", "userns_mode"} & set(service)


@every_service
def test_a_container_can_write_only_to_memory_and_to_its_own_state(name: str) -> None:
    for mount in SERVICES[name].get("volumes", []):
        assert mount.get("read_only") is True or mount["target"] == "/var/lib/tidegate"
    for tmpfs in SERVICES[name]["tmpfs"]:
        assert "size=" in tmpfs
        assert "nosuid" in tmpfs


@every_service
def test_an_image_is_pinned_to_a_version(name: str) -> None:
    assert re.fullmatch(r"[a-z0-9./-]+:v?\d+\.\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?", SERVICES[name]["image"])


@every_service
def test_every_container_says_whether_it_is_well(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


def test_the_gateways_readiness_is_asked_on_the_admin_port() -> None:
    probe = SERVICES["gateway"]["healthcheck"]["test"][-1]
    admin = yaml.safe_load((DEPLOY / "config" / "gateway.yaml").read_text())["admin"]["listen"]
    assert "/readyz" in probe
    assert f"'127.0.0.1', {admin.partition(':')[2]}" in probe


def test_the_probe_is_a_program_that_compiles() -> None:
    compile(SERVICES["gateway"]["healthcheck"]["test"][-1], "healthcheck", "exec")


def test_vllm_neither_calls_home_nor_fetches_what_a_prompt_names() -> None:
    vllm = SERVICES["vllm"]
    for switch, value in {
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_MEDIA_URL_ALLOW_REDIRECTS": "0",
    }.items():
        assert vllm["environment"][switch] == value
    assert "--allowed-media-domains=media.invalid" in vllm["command"]
    assert not [flag for flag in vllm["command"] if "tool-server" in flag]


def test_vllm_asks_for_a_key_that_no_command_line_shows() -> None:
    vllm = SERVICES["vllm"]
    assert "VLLM_API_KEY" in vllm["entrypoint"][2]
    assert "/run/secrets/vllm.key" in vllm["entrypoint"][2]
    assert not [flag for flag in vllm["command"] if flag.startswith("--api-key")]


def test_vllm_has_a_gpu_reserved() -> None:
    (device,) = SERVICES["vllm"]["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}


@pytest.mark.parametrize(("name", "drain"), [("gateway", "drain: 60s"), ("vllm", "--shutdown-timeout=60")])
def test_a_stop_waits_longer_than_the_drain(name: str, drain: str) -> None:
    text = (DEPLOY / "config" / "gateway.yaml").read_text() + " ".join(map(str, SERVICES[name]["command"]))
    assert drain in text
    assert int(SERVICES[name]["stop_grace_period"].removesuffix("s")) > 60
