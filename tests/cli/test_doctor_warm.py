"""What `tidegate doctor` says of warm-ups."""

from pathlib import Path

import pytest

from gateway.cli.checkup import State
from gateway.cli.checkup_warm import of_warm_ups
from gateway.cli.doctor_words import MENDS, SAYS
from gateway.policy.words import fill
from gateway.settings import load
from tests.cli.folder import write_folder

PRICES = "prices: {currency: CNY, pools: {burst: {prompt: 1, completion: 1}}}\n"
STORE = "stores: {state: {address: 'unix:/run/valkey.sock'}}\n"
WARM = "sagemaker: {region: eu-central-1, data_capture: allow, warm: {per_hour: 4}}"


def written(folder: Path, tenants: str = "", gateway: str = "", warm: str = WARM) -> Path:
    folder = write_folder(folder)
    for name, text in (("tenants", tenants), ("gateway", gateway)):
        with (folder / f"{name}.yaml").open("a") as file:
            file.write(text)
    pools = folder / "pools.yaml"
    lines = []
    for line in pools.read_text().splitlines():
        if "burst" in line:
            line = (
                f"  burst: {{zone: cloud, clearance: internal, backend: sagemaker, model: m, {warm}, endpoints: [URL]}}"
            )
            line = line.replace("URL", "'https://runtime.sagemaker.eu-central-1.amazonaws.com/endpoints/burst'")
        lines.append(line)
    pools.write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.parametrize(
    ("tenants", "gateway", "found"),
    [
        ("", "", {"warm": State.LIVE}),
        (PRICES + "budgets: {burst: {per_day: 2}}\n", "", {"warm": State.LIVE}),
        (PRICES + "budgets: {burst: {per_day: 100, per_hour: 1.99}}\n", "", {"warm_unaffordable": State.WRONG}),
        (PRICES + "budgets: {burst: {per_day: 4}}\n", "workers: 4\n", {"warm_unaffordable": State.WRONG}),
        (PRICES + "budgets: {burst: {per_day: 4}}\n", "workers: 4\n" + STORE, {"warm": State.LIVE}),
    ],
)
def test_it_says_whether_a_warm_up_can_ever_begin(
    tmp_path: Path, tenants: str, gateway: str, found: dict[str, State]
) -> None:
    checks = list(of_warm_ups(load(written(tmp_path / "config", tenants, gateway), {})))
    for check in checks:
        for spoken in ("en", "zh"):
            said = fill(SAYS, check.key, spoken, **check.gaps)
            assert "{" not in said
            assert "2.00" in said
        assert (check.key in MENDS) == (check.state is not State.LIVE)
    assert {check.key: check.state for check in checks} == found


def test_a_pool_that_nothing_spills_into_is_said_to_be_never_made_ready(tmp_path: Path) -> None:
    folder = written(tmp_path / "config")
    policy = folder / "policy.yaml"
    policy.write_text(policy.read_text().replace(", spill: [burst]", ""))
    (check,) = of_warm_ups(load(folder, {}))
    assert (check.key, check.state) == ("warm_never", State.MISSING)


def test_a_pool_without_a_warm_up_is_no_matter(tmp_path: Path) -> None:
    folder = written(tmp_path / "config", warm="sagemaker: {region: eu-central-1}")
    assert list(of_warm_ups(load(folder, {}))) == []
