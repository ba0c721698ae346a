"""What gateway.yaml says of its stores, with the secrets and whole paths that it takes to reach them."""

from pathlib import Path

import pytest

from gateway.config.addresses import Tcp, Unix
from gateway.core.problems import Problems
from gateway.settings import load
from gateway.stores.redis_settings import (
    AtCluster,
    AtSentinels,
    AtServer,
    Login,
    RedisSettings,
    StoreSettings,
    StoreTls,
)

from .folder import ENVIRON, GATEWAY, make, write_secret


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = make(tmp_path)
    write_secret(folder, "redis", "a-password-of-redis\n")
    (folder / "ca.pem").write_text("x", "utf-8")
    (folder / "client.pem").write_text("x", "utf-8")
    write_secret(folder, "client.key", "x\n")
    return folder


def stores(folder: Path, text: str, **environ: str) -> StoreSettings:
    (folder / "gateway.yaml").write_text(f"{GATEWAY}stores: {text}\n", "utf-8")
    return load(folder, {**ENVIRON, **environ}).stores


def test_without_a_word_there_are_none(folder: Path) -> None:
    assert load(folder, ENVIRON).stores == StoreSettings()


def test_a_server_with_everything(folder: Path) -> None:
    found = stores(
        folder,
        "{state: {address: 'redis.bank:6380', username: gate, password: {file: secrets/redis}, prefix: g, "
        "timeout: 20ms, tls: {ca: ca.pem, certificate: client.pem, key: {file: secrets/client.key}}}}",
    )
    tls = StoreTls(folder / "ca.pem", (folder / "client.pem", folder / "secrets/client.key"))
    login = Login("gate", "a-password-of-redis")
    assert found == StoreSettings(RedisSettings(AtServer(Tcp("redis.bank", 6380)), login, tls, "g", 0.02))
    assert "a-password-of-redis" not in repr(found)


def test_sentinels_have_a_login_of_their_own_and_a_cluster_none(folder: Path) -> None:
    found = stores(
        folder,
        "{state: {sentinel: {master: m, addresses: ['s:1'], password: {env: SENTINEL}}}, cache: {cluster: ['c:1'], "
        "tls: system}}",
        SENTINEL="a-password-of-sentinels",
    )
    assert found.state == RedisSettings(AtSentinels("m", (Tcp("s", 1),), Login(None, "a-password-of-sentinels")))
    assert found.cache == RedisSettings(AtCluster((Tcp("c", 1),)), tls=StoreTls())


def test_the_environment_can_say_where(folder: Path) -> None:
    found = stores(folder, "{state: {address: 'a:1'}}", TIDEGATE_STORES_STATE_ADDRESS="unix:/run/valkey.sock")
    assert found.state == RedisSettings(AtServer(Unix("/run/valkey.sock")))


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("{address: 'a:1', tls: {ca: no.pem}}", "This file does not exist"),
        ("{address: 'a:1', tls: {certificate: no.pem, key: {file: secrets/client.key}}}", "This file does not exist"),
        ("{address: 'a:1', tls: {certificate: client.pem, key: {file: secrets/no}}}", "file does not exist"),
        ("{address: 'a:1', password: {file: secrets/no}}", "file does not exist"),
    ],
)
def test_a_file_that_is_not_there_is_said(folder: Path, text: str, wrong: str) -> None:
    with pytest.raises(Problems) as raised:
        stores(folder, f"{{state: {text}}}")
    assert [wrong in str(problem) for problem in raised.value.problems] == [True]
