"""What `tidegate doctor` says of stored answers."""

from pathlib import Path

import pytest

from gateway.cli.checkup import Check, State
from gateway.cli.checkup_cache import of_cache
from gateway.cli.doctor_words import MENDS, SAYS
from gateway.parts import cache_keys_file
from gateway.policy.words import fill
from gateway.runtime.cache_keys import CacheKeys
from gateway.runtime.keyring import Purpose
from gateway.settings import Settings, load
from tests.cli.folder import write_folder
from tests.fakes.clock import FakeClock

STORE = "stores: {cache: {address: 'unix:/run/valkey.sock'}}\n"
CACHED = "cache: {internal: 10m, restricted: never}"


def settings_of(tmp_path: Path, gateway: str, policy: str = CACHED) -> Settings:
    folder = write_folder(tmp_path / "config")
    path = folder / "policy.yaml"
    path.write_text(path.read_text().replace("routes:", f"{policy}\nroutes:" if policy else "routes:"))
    with (folder / "gateway.yaml").open("a") as file:
        file.write(gateway)
    return load(folder, {})


def said(settings: Settings) -> dict[str, State]:
    checks: list[Check] = list(of_cache(settings))
    for check in checks:
        for spoken in ("en", "zh"):
            assert "{" not in fill(SAYS, check.key, spoken, **check.gaps)
            assert (check.key in MENDS) == (check.state is not State.LIVE)
            if check.key in MENDS:
                fill(MENDS, check.key, spoken, **check.gaps)
    return {check.key: check.state for check in checks}


@pytest.mark.parametrize(
    ("gateway", "policy", "found"),
    [
        ("", "", {}),
        ("", CACHED, {"cache_off": State.MISSING}),
        (STORE, "", {"cache_off": State.MISSING}),
        ("cache: {}\n", "", {"cache_unused": State.MISSING}),
        ("cache: {}\n", CACHED, {"cache": State.LIVE}),
        ("cache: {}\nworkers: 4\n", CACHED, {"cache": State.LIVE, "cache_apart": State.MISSING}),
        ("cache: {}\nworkers: 4\n" + STORE, CACHED, {"cache_shared": State.LIVE}),
        (
            "cache: {clearance: public}\n" + STORE,
            CACHED,
            {"cache_shared": State.LIVE, "cache_inside": State.LIVE},
        ),
        (
            "cache: {}\nreplicas: 2\n" + STORE,
            CACHED,
            {"cache_shared": State.LIVE, "cache_keys_apart": State.WRONG},
        ),
        ("cache: {keys: /mnt/k.json}\nreplicas: 2\n" + STORE, CACHED, {"cache_shared": State.LIVE}),
    ],
)
def test_it_says_what_is_kept_and_what_keeps_it_from_being_of_use(
    tmp_path: Path, gateway: str, policy: str, found: dict[str, State]
) -> None:
    assert said(settings_of(tmp_path, gateway, policy)) == found


def test_it_looks_at_the_file_of_keys(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, "cache: {}\n")
    path = cache_keys_file(settings)
    wrapping = settings.keyring().key(Purpose.CACHE_KEYS)
    CacheKeys(path, wrapping, settings.bundle.tenants, FakeClock()).prepare()
    assert said(settings) == {"cache": State.LIVE}
    path.chmod(0o640)
    assert said(settings)["cache_keys_open"] is State.WRONG
    path.chmod(0o600)
    CacheKeys(path, wrapping, ["gone"], FakeClock()).prepare()
    assert said(settings)["cache_keys_left"] is State.MISSING
    path.write_text("{")
    assert said(settings)["cache_keys_unreadable"] is State.WRONG
